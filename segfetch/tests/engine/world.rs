//! What the engine's tests stand on.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use segfetch::sink::{Locking, MemoryVolume, Volume};
use segfetch::source::conformance::{Content, Fixture, MemorySource, Pacer, pattern};
use segfetch::source::{Strength, Validator};
use segfetch::{Connections, Download, DownloadError, Engine, EngineConfig, Event, Job, Progress, Report, Stage};
use tokio::sync::watch;
use tokio::time::Instant;

pub(crate) const MIB: u64 = 1 << 20;

/// An engine over a volume in memory.
pub(crate) struct World {
    pub(crate) volume: Arc<MemoryVolume>,
    pub(crate) engine: Engine,
}

impl World {
    pub(crate) fn new() -> Self {
        let volume = Arc::new(MemoryVolume::new());
        let mut config = EngineConfig::default();
        config.volume = Arc::<MemoryVolume>::clone(&volume);
        Self { volume, engine: Engine::new(config).expect("threads") }
    }

    /// Runs a download to its end and collects what it told.
    pub(crate) async fn run(&self, download: Download) -> (Result<Report, DownloadError>, Vec<Event>) {
        let mut job = self.engine.start(download);
        let mut events = job.events();
        let collect = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some(event) = events.next().await {
                all.push(event);
            }
            all
        });
        let result = job.join().await;
        (result, collect.await.expect("the collector ends"))
    }

    /// Starts a download and lets as much of its source flow as makes `bytes` of it durable, and little more. Then nothing
    /// comes until the tap is opened, so what the test does next finds the download in the middle, however slow the machine is.
    pub(crate) async fn run_until_durable(&self, download: Download, tap: &Tap, bytes: u64) -> Job {
        let job = self.engine.start(download);
        let progress = job.progress();
        loop {
            let (durable, received) = {
                let now = progress.borrow();
                (now.durable, now.received)
            };
            if durable >= bytes {
                return job;
            }
            if received - durable <= 4 * MIB {
                tap.advance(Duration::from_millis(50));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Drops a download, and waits until its last write has landed.
    ///
    /// A download that is started meanwhile waits too, but by the clock, and the clock of these tests runs ahead of the
    /// writer thread.
    pub(crate) async fn kill(&self, job: Job) {
        drop(job);
        let part = target().with_extension("part");
        while let Ok(file) = self.volume.open(&part) {
            match file.try_lock().expect("memory has locks") {
                Locking::Busy(_) => tokio::task::yield_now().await,
                _ => break,
            }
        }
    }

    /// Panics unless the target holds exactly what the source has, and nothing else is left.
    pub(crate) fn assert_copy(&self, source: &MemorySource) {
        let found = self.volume.read(target()).expect("the target exists");
        let mut expected = vec![0; usize::try_from(source.file_len()).expect("it fits")];
        source.fill(0, &mut expected);
        assert_eq!(found.len(), expected.len());
        if let Some(at) = found.iter().zip(&expected).position(|(a, b)| a != b) {
            panic!("byte {at} is wrong");
        }
        assert_eq!(self.volume.paths(), [target()], "something is left over");
    }
}

/// Watches a download to its end and panics if its numbers go back or contradict each other.
pub(crate) async fn keeps_its_order(mut progress: watch::Receiver<Progress>) -> Progress {
    let mut last = progress.borrow_and_update().clone();
    while last.stage != Stage::Ended && progress.changed().await.is_ok() {
        let now = progress.borrow_and_update().clone();
        assert!(now.durable <= now.written && now.written <= now.received, "{now:?}");
        assert!(
            now.durable >= last.durable && now.written >= last.written && now.received >= last.received,
            "{last:?} {now:?}"
        );
        last = now;
    }
    last
}

pub(crate) fn target() -> PathBuf {
    PathBuf::from("/d/film")
}

/// A download of `source` over `n` streams, with frequent checkpoints.
pub(crate) fn download(source: &MemorySource, n: u16) -> Download {
    Download::new(source.clone(), target())
        .connections(Connections::Exactly(n))
        .checkpoint_every(Duration::from_millis(250))
}

/// A source whose validator says nothing, so that only comparing bytes can tell a change.
pub(crate) fn unrecognisable(len: u64) -> MemorySource {
    MemorySource::new(len).with_info(|info| info.with_validator(Validator::none()))
}

/// A source whose validator proves little.
pub(crate) fn weak(len: u64) -> MemorySource {
    MemorySource::new(len).with_info(|info| info.with_validator(Validator::new(Strength::Weak, Vec::new())))
}

/// Other bytes.
pub(crate) fn other_content() -> Content {
    pattern(0xbad)
}

/// The clock of the runtime, paused or not.
pub(crate) struct TokioClock(Instant);

impl TokioClock {
    pub(crate) fn start() -> Arc<dyn Pacer> {
        Arc::new(Self(Instant::now()))
    }
}

impl fmt::Debug for TokioClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokioClock")
    }
}

#[async_trait]
impl Pacer for TokioClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    async fn wait_until(&self, due: Duration) {
        tokio::time::sleep_until(self.0 + due).await;
    }
}

/// A clock that goes on only when it is told to, until it is opened; then it is that of the runtime.
#[derive(Debug)]
pub(crate) struct Tap(watch::Sender<(Duration, Option<Instant>)>);

impl Tap {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.send_modify(|(base, _)| *base += by);
    }

    pub(crate) fn open(&self) {
        self.0.send_modify(|(_, opened)| *opened = Some(Instant::now()));
    }
}

#[async_trait]
impl Pacer for Tap {
    fn now(&self) -> Duration {
        let (base, opened) = *self.0.borrow();
        base + opened.map_or(Duration::ZERO, |at| at.elapsed())
    }

    async fn wait_until(&self, due: Duration) {
        let mut changes = self.0.subscribe();
        while self.now() < due {
            let (base, opened) = *changes.borrow_and_update();
            match opened {
                Some(at) => tokio::time::sleep_until(at + due.saturating_sub(base)).await,
                None => changes.changed().await.expect("the tap is there"),
            }
        }
    }
}

/// The same source with `rate` bytes per second in each stream, by a tap.
pub(crate) fn tapped(source: MemorySource, rate: u64) -> (MemorySource, Arc<Tap>) {
    let tap = Arc::new(Tap(watch::Sender::new((Duration::ZERO, None))));
    (source.with_pace(Arc::<Tap>::clone(&tap), rate), tap)
}
