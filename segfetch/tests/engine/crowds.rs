//! Many downloads in one engine, and disks that are slower than the network.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::SystemTime;

use segfetch::sink::{Locking, MemoryVolume, Metadata, Rename, Volume, VolumeFile};
use segfetch::source::conformance::MemorySource;
use segfetch::{Connections, Download, DownloadError, Engine, EngineConfig};

use crate::world::MIB;

/// A volume in memory that writes when it is allowed to, and counts open files.
#[derive(Clone, Debug, Default)]
struct Gated {
    below: MemoryVolume,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    /// Writes of data that are allowed; `None` is any number.
    allowed: Mutex<Option<usize>>,
    changed: Condvar,
    open: AtomicUsize,
    most_open: AtomicUsize,
}

#[derive(Debug)]
struct File {
    below: Box<dyn VolumeFile>,
    gate: Arc<Gate>,
    is_part: bool,
}

impl Gate {
    fn set(&self, allowed: Option<usize>) {
        *self.allowed.lock().unwrap() = allowed;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let mut allowed = self.changed.wait_while(self.allowed.lock().unwrap(), |allowed| *allowed == Some(0)).unwrap();
        if let Some(allowed) = allowed.as_mut() {
            *allowed -= 1;
        }
    }

    fn is_used_up(&self) -> bool {
        *self.allowed.lock().unwrap() == Some(0)
    }
}

impl Gated {
    fn file(&self, path: &Path, below: Box<dyn VolumeFile>) -> Box<dyn VolumeFile> {
        let open = self.gate.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.gate.most_open.fetch_max(open, Ordering::SeqCst);
        let is_part = path.extension().is_some_and(|extension| extension == "part");
        Box::new(File { below, gate: Arc::clone(&self.gate), is_part })
    }

    fn engine(&self, adjust: impl FnOnce(&mut EngineConfig)) -> Engine {
        let mut config = EngineConfig::default();
        config.volume = Arc::new(self.clone());
        adjust(&mut config);
        Engine::new(config).expect("threads")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.gate.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Volume for Gated {
    fn open(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        Ok(self.file(path, self.below.open(path)?))
    }
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        Ok(self.file(path, self.below.create_new(path)?))
    }
    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.below.metadata(path)
    }
    fn rename(&self, from: &Path, to: &Path, how: Rename) -> io::Result<()> {
        self.below.rename(from, to, how)
    }
    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.below.unlink(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.below.sync_dir(dir)
    }
    fn free_space(&self, dir: &Path) -> io::Result<Option<u64>> {
        self.below.free_space(dir)
    }
}

impl VolumeFile for File {
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<usize> {
        if self.is_part {
            self.gate.pass();
        }
        self.below.write_at(offset, data)
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.below.read_at(offset, buf)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.below.sync_data()
    }
    fn sync_all(&self) -> io::Result<()> {
        self.below.sync_all()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.below.set_len(len)
    }
    fn allocate(&self, len: u64) -> io::Result<()> {
        self.below.allocate(len)
    }
    fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.below.set_modified(time)
    }
    fn try_lock(&self) -> io::Result<Locking> {
        self.below.try_lock()
    }
    fn metadata(&self) -> io::Result<Metadata> {
        self.below.metadata()
    }
}

fn name(n: usize) -> PathBuf {
    PathBuf::from(format!("/d/{n}"))
}

#[tokio::test]
async fn a_slow_disk_holds_back_fast_sources_and_is_shared_by_all() {
    let volume = Gated::default();
    let budget = 8 * MIB;
    let engine = volume.engine(|config| config.max_buffer_bytes = budget as usize);
    let sources: Vec<_> = (0..16).map(|_| MemorySource::new(16 * MIB)).collect();
    volume.gate.set(Some(0));
    let start = |(n, source): (usize, &MemorySource)| {
        engine.start(Download::new(source.clone(), name(n)).connections(Connections::Exactly(2)))
    };
    let jobs: Vec<_> = sources.iter().enumerate().map(start).collect();
    for job in &jobs {
        job.progress().wait_for(|now| !now.workers.is_empty()).await.expect("it gets that far");
    }
    let delivered = || sources.iter().map(|source| source.counters().delivered).sum::<u64>();
    let mut written = 0;
    while written < 96 {
        // Nothing is allowed at first, then 8 writes at a time.
        while !volume.gate.is_used_up() || delivered() < (budget + written * MIB) / 2 {
            tokio::task::yield_now().await;
        }
        assert!(delivered() <= budget + written * MIB, "{} bytes after {written} writes", delivered());
        written += 8;
        volume.gate.set(Some(8));
    }
    while !volume.gate.is_used_up() {
        tokio::task::yield_now().await;
    }
    let shares: Vec<_> = sources.iter().map(|source| source.counters().delivered / MIB).collect();
    let (sum, squares) = shares.iter().fold((0, 0), |(sum, squares), share| (sum + share, squares + share * share));
    let fairness = (sum * sum) as f64 / (16 * squares) as f64;
    assert!(fairness > 0.8, "Jain's index {fairness:.2} of {shares:?}");
    volume.gate.set(None);
    for job in jobs {
        job.join().await.expect("it succeeds");
    }
}

#[tokio::test]
async fn ten_thousand_small_downloads_never_hold_more_files_than_the_engine_allows() {
    let volume = Gated::default();
    let engine = volume.engine(|config| config.max_running = 8);
    let source = MemorySource::new(1000);
    let jobs: Vec<_> = (0..10_000).map(|n| engine.start(Download::new(source.clone(), name(n)))).collect();
    for job in jobs {
        job.join().await.expect("it succeeds");
    }
    assert_eq!(volume.below.paths().len(), 10_000);
    let most = volume.gate.most_open.load(Ordering::SeqCst);
    assert!(most <= 8 * 3, "{most} files were open at once");
    assert!(source.counters().max_open <= 8 * u64::from(Connections::AUTO_MOST));
    assert_eq!(source.counters().open_now, 0);
}

#[tokio::test]
async fn a_download_that_waits_its_turn_has_done_nothing_and_can_be_cancelled() {
    let volume = Gated::default();
    let engine = volume.engine(|config| config.max_running = 1);
    volume.gate.set(Some(0));
    let (first, second) = (MemorySource::new(MIB), MemorySource::new(MIB));
    let running = engine.start(Download::new(first.clone(), name(1)));
    running.progress().wait_for(|now| now.received == MIB).await.expect("it gets that far");
    let waiting = engine.start(Download::new(second.clone(), name(2)));
    tokio::task::yield_now().await;
    waiting.cancel();
    let cancelled = waiting.join().await;
    assert!(matches!(cancelled, Err(DownloadError::Cancelled { durable: 0 })), "{cancelled:?}");
    assert_eq!((second.counters().opens, volume.below.metadata(&name(2).with_extension("part")).is_err()), (0, true));
    volume.gate.set(None);
    running.join().await.expect("it succeeds");
}
