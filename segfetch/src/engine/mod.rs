//! The only part of this crate that spawns: jobs, their streams, the writer threads, and what is shared between them.

mod buffers;
mod checkpoints;
mod control;
mod drive;
mod error;
mod finishing;
mod front;
mod hosts;
mod job;
mod lane;
mod lanes;
mod options;
mod probing;
mod progress;
mod rate;
mod run;
mod seams;
mod verify;
mod writer;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};

pub use control::Control;
pub use error::DownloadError;
pub(crate) use error::chain;
pub(crate) use front::{Front, Outcome};
pub use job::Job;
pub(crate) use options::bearable_silence;
pub use options::{Connections, Download, IfExists, OnChange, Order};
pub use progress::{Event, Events, Integrity, Progress, Report, Stage, WorkerProgress};
pub(crate) use rate::RateLimit;

use crate::checkpoint::JobStore;
use crate::sink::{OsVolume, Volume};

/// Events that a slow listener may be behind.
const EVENT_BUFFER: usize = 256;

/// What all downloads of an engine share.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EngineConfig {
    /// Most bytes of received data in memory that are to be written, over all downloads; 16 MiB unless said otherwise, at least
    /// one buffer of 1 MiB. What arrives a second time and is to be compared comes on top: as a rule 64 KiB for each stream.
    pub max_buffer_bytes: usize,
    /// Threads that write; 2 unless said otherwise, at least one.
    pub writers: usize,
    /// Downloads that run at once; 64 unless said otherwise, at least one. Each holds two open files, and its connections. Those
    /// that were started later wait their turn, in the order of their start, and have opened nothing yet.
    pub max_running: usize,
    /// Where files are; the file system ([`OsVolume`]) unless said otherwise.
    pub volume: Arc<dyn Volume>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { max_buffer_bytes: 16 << 20, writers: 2, max_running: 64, volume: Arc::new(OsVolume) }
    }
}

/// Runs downloads. A clone is another handle of the same engine.
///
/// All downloads of one engine share its memory budget, its writer threads, its rate limit, and the number of sessions that
/// each server grants.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    buffers: buffers::Buffers,
    writers: writer::Writers,
    hosts: hosts::Hosts,
    rate: Arc<rate::RateLimit>,
    turns: Arc<Semaphore>,
    volume: Arc<dyn Volume>,
}

impl run::Context {
    /// Waits until this download may run. While it is paused it does not wait in the queue.
    async fn turn(&self, wishes: &mut control::Wishes) -> Result<Option<OwnedSemaphorePermit>, DownloadError> {
        if let Ok(turn) = Arc::clone(&self.engine.turns).try_acquire_owned() {
            return Ok(Some(turn));
        }
        self.set_stage(Stage::Waiting);
        loop {
            tokio::select! {
                biased;
                // Never closed, so an error cannot be.
                turn = Arc::clone(&self.engine.turns).acquire_owned() => {
                    self.set_stage(Stage::Starting);
                    return Ok(turn.ok());
                }
                () = wishes.interrupted() => self.wait_while_paused(wishes, self.claimed().await?).await?,
            }
        }
    }

    /// Bytes that an earlier run left, as its journal says; nothing is opened to write, and nothing is checked.
    async fn claimed(&self) -> Result<u64, DownloadError> {
        let (volume, target) = (Arc::clone(&self.engine.volume), self.download.target.clone());
        // What stands in the way of reading it is told when the download runs.
        run::blocking(move || JobStore::claimed(&*volume, &target).unwrap_or(0)).await
    }
}

impl Engine {
    /// Starts an engine.
    ///
    /// # Errors
    /// The [`std::io::Error`] of the operating system, if it gives no thread.
    pub fn new(config: EngineConfig) -> std::io::Result<Self> {
        Ok(Self(Arc::new(Inner {
            buffers: buffers::Buffers::new(config.max_buffer_bytes),
            writers: writer::Writers::start(config.writers)?,
            hosts: hosts::Hosts::default(),
            rate: Arc::default(),
            turns: Arc::new(Semaphore::new(config.max_running.clamp(1, Semaphore::MAX_PERMITS))),
            volume: config.volume,
        })))
    }

    /// Most bytes per second over all downloads; `None` lifts the limit. Works at once.
    pub fn set_rate_limit(&self, bytes_per_second: Option<u64>) {
        self.0.rate.set(bytes_per_second);
    }

    /// Starts a download on the current tokio runtime, which needs its timer, and whatever the source needs.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(&self, download: Download) -> Job {
        let (control, mut wishes) = control::Control::new();
        let (progress_sender, progress) = watch::channel(Progress::default());
        let (events, first) = broadcast::channel(EVENT_BUFFER);
        let (front_sender, front) = watch::channel(Front::new(Arc::clone(&self.0.volume)));
        let rate = Arc::<rate::RateLimit>::default();
        rate.set(download.rate_limit);
        let weak = events.downgrade();
        let cx = run::Context {
            engine: Arc::clone(&self.0),
            download,
            rate: Arc::clone(&rate),
            progress: progress_sender,
            front: front_sender,
            events,
        };
        let task = tokio::spawn(async move {
            match cx.turn(&mut wishes).await {
                Ok(_turn) => run::run(cx, wishes).await,
                Err(error) => {
                    cx.set_stage(Stage::Ended);
                    Err(error)
                }
            }
        });
        Job { task, control, progress, front, events: weak, first_events: Some(Events(first)), rate }
    }
}

/// A number that nobody can foresee well enough to matter: seeds of jitter, names of jobs.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Waits until `at`, or for ever.
pub(crate) async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
