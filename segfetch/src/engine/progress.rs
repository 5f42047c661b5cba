//! What a running download tells.

use std::time::Duration;

use segfetch_source::{ErrorClass, Phase, SourceInfo};
use tokio::sync::broadcast;

use crate::plan::Snapshot;

/// The state of a download at one moment. Only the latest one is kept.
///
/// Where nothing is fetched, because the file was there already, only the stage is ever told: the rest is in the [`Report`].
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Length of the file in bytes, once it is known and something is fetched; else it is in [`Report::len`].
    pub total: Option<u64>,
    /// Bytes that survive a power loss. `durable <= written <= received`.
    pub durable: u64,
    /// Bytes that survive a kill.
    pub written: u64,
    /// Bytes of the file that have arrived, in this run and earlier ones.
    pub received: u64,
    /// Bytes that earlier runs had already made durable.
    pub resumed: u64,
    /// Bytes per second, over the last seconds.
    pub rate: u64,
    /// Connections that carry a stream now.
    pub workers: Vec<WorkerProgress>,
    /// Connections that this download may have now.
    pub limit: Option<u16>,
    /// What is being done.
    pub stage: Stage,
}

impl Progress {
    pub(crate) fn of(
        snapshot: &Snapshot,
        durable: u64,
        written: u64,
        resumed: u64,
        rate: u64,
        limit: u16,
        stage: Stage,
    ) -> Self {
        let workers = snapshot.workers.iter().map(|worker| WorkerProgress {
            worker: u32::from(worker.worker.0),
            start: worker.start,
            front: worker.front,
            end: (worker.end != u64::MAX).then_some(worker.end),
            rate: worker.rate.unwrap_or(0.0) as u64,
        });
        // A checkpoint may be heard of before the writes that it covers.
        let written = written.max(durable);
        Self {
            total: snapshot.extent,
            durable,
            written,
            // Of what is held, a little is asked for again, to be compared.
            received: snapshot.held.max(written),
            resumed,
            rate,
            workers: workers.collect(),
            limit: Some(limit),
            stage,
        }
    }

    /// Time until the end at the present rate.
    pub fn time_left(&self) -> Option<Duration> {
        let left = self.total?.checked_sub(self.received)?;
        (self.rate > 0).then(|| Duration::from_secs_f64(left as f64 / self.rate as f64))
    }
}

/// One stream.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WorkerProgress {
    /// Its number; a later stream of the download may have the same one.
    pub worker: u32,
    /// First byte of its present span.
    pub start: u64,
    /// The byte that it waits for.
    pub front: u64,
    /// First byte behind its span, if that is known.
    pub end: Option<u64>,
    /// Bytes per second.
    pub rate: u64,
}

/// What a download is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Asking the server what the file is, and looking at what is on the disk.
    #[default]
    Starting,
    /// Waiting for its turn, behind [`max_running`](crate::EngineConfig::max_running) others. Nothing is open.
    Waiting,
    /// Receiving.
    Receiving,
    /// Waiting for [`Job::resume`](crate::Job::resume). No stream is open, and everything that has arrived is durable.
    Paused,
    /// Everything has arrived; the digest is computed.
    Verifying,
    /// Giving the file its name.
    Finishing,
    /// Over, one way or the other.
    Ended,
}

/// Something that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The server said what the file is. Comes again after [`Event::Restarted`], and not at all where the
    /// target is [complete already](Report::already_complete).
    Probed(Box<SourceInfo>),
    /// An earlier run left something to go on from. The disk is looked at first, so this comes before [`Event::Probed`].
    Resumed {
        /// Bytes that need not be fetched again.
        have: u64,
        /// Bytes that had been claimed and were not found intact; they are fetched again.
        damaged: u64,
    },
    /// A stream started. Its [`Event::Closed`] comes before the end of the events, however the download ends, unless it was dropped.
    Opened {
        /// The worker.
        worker: u32,
        /// Its first byte.
        start: u64,
    },
    /// A stream ended, for a good or a bad reason.
    Closed {
        /// The worker.
        worker: u32,
        /// The byte behind the last one that it brought.
        front: u64,
    },
    /// A stream failed; what it brought is kept.
    Retry {
        /// The worker.
        worker: u32,
        /// The remedy.
        class: ErrorClass,
        /// What was being done.
        phase: Phase,
        /// What happened, for people.
        message: String,
    },
    /// The server admits no more connections for now. The download waits for that, with those that it has, for as long as it takes.
    Throttled {
        /// Streams of this download that are open now; other downloads may have more from the same server. 0: it waits for its first.
        granted: u16,
        /// What it said.
        message: String,
    },
    /// Bytes became durable.
    Checkpointed {
        /// Bytes of the file that are durable now.
        durable: u64,
        /// What the syncs took.
        took: Duration,
    },
    /// It is [paused](crate::Job::pause): no stream is open any more. Not told of a pause that was over before it had begun.
    Paused {
        /// Bytes of the file that are durable: all that have arrived.
        durable: u64,
    },
    /// The pause that was told is over.
    Continued,
    /// The file on the server has changed; everything is fetched anew.
    Restarted {
        /// How it was noticed.
        reason: String,
    },
    /// The listener was too slow, and this many events are gone.
    Missed(u64),
}

/// A listener's end of the events of a download.
#[derive(Debug)]
pub struct Events(pub(crate) broadcast::Receiver<Event>);

impl Events {
    /// Waits for the next event; `None` when the download is over.
    ///
    /// A listener that falls behind by more than the buffer gets [`Event::Missed`]; it never slows the download down.
    pub async fn next(&mut self) -> Option<Event> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(n)) => Some(Event::Missed(n)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// How a finished download is known to be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Integrity {
    /// It has the SHA-256 that was asked for, or that the source states.
    Digest,
    /// The server's validator proves that all parts are of one version.
    Validator,
    /// It came in one stream.
    OneStream,
    /// The server gives nothing strong to recognise the file by. Lengths, times and all compared overlaps agree.
    ///
    /// Also that of a file which was [there already](Report::already_complete) and has no digest to be compared with.
    Unverified,
}

/// What a finished download did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Where the file is.
    pub path: std::path::PathBuf,
    /// Its length in bytes.
    pub len: u64,
    /// Bytes fetched by this run, those fetched twice included.
    pub fetched: u64,
    /// Bytes that earlier runs had made durable.
    pub resumed: u64,
    /// From start to end.
    pub elapsed: Duration,
    /// How it is known to be right; what was [there already](Self::already_complete), by what this run compared.
    pub integrity: Integrity,
    /// Streams opened.
    pub opens: u32,
    /// Streams that failed and were replaced.
    pub retries: u32,
    /// Connections that the server refused for being too many.
    pub refusals: u32,
    /// The target was there already, with the length and time of the file on the server, or an earlier run had completed it and was
    /// interrupted right then: nothing was fetched.
    ///
    /// Its bytes were looked at only if there is a digest to compare them with; otherwise it is [`Integrity::Unverified`]. There may
    /// have been no [`Event::Probed`], and [`Progress`] stayed empty.
    pub already_complete: bool,
    /// SHA-256 of the file, if there was one to compare it with.
    pub sha256: Option<[u8; 32]>,
}
