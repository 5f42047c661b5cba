//! What the engine itself costs, without a network and without a disk: `scale file GIB CONNECTIONS` fetches one virtual file,
//! `scale jobs COUNT CONNECTIONS` many of 4 MiB in one engine.
//!
//! The source brings zeros at the speed of memory, so copying them and their checksums are in the figures; the volume forgets the data
//! and keeps names and journals, in memory. Printed are wall time, CPU seconds, peak memory, and the largest journal.

mod zeros;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use segfetch::sink::{Locking, MemoryVolume, Metadata, Rename, Volume, VolumeFile};
use segfetch::{Connections, Download, Engine, EngineConfig, Verify};
use zeros::Zeros;

/// Keeps the names and the journals, and of the parts their lengths only.
#[derive(Debug, Default)]
struct Forgetful {
    kept: MemoryVolume,
    lengths: Mutex<HashMap<PathBuf, Arc<AtomicU64>>>,
    largest_journal: Arc<AtomicU64>,
}

#[derive(Debug)]
struct File {
    kept: Box<dyn VolumeFile>,
    length: Option<Arc<AtomicU64>>,
    largest_journal: Arc<AtomicU64>,
}

impl Forgetful {
    fn file(&self, path: &Path, kept: Box<dyn VolumeFile>) -> Box<dyn VolumeFile> {
        let is_part = path.extension().is_some_and(|end| end == "part");
        let length = is_part.then(|| Arc::clone(lock(&self.lengths).entry(path.to_owned()).or_default()));
        Box::new(File { kept, length, largest_journal: Arc::clone(&self.largest_journal) })
    }

    fn with_length(&self, path: &Path, mut metadata: Metadata) -> Metadata {
        if let Some(length) = lock(&self.lengths).get(path) {
            metadata.len = length.load(Ordering::Relaxed);
        }
        metadata
    }
}

impl Volume for Forgetful {
    fn open(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        Ok(self.file(path, self.kept.open(path)?))
    }
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        Ok(self.file(path, self.kept.create_new(path)?))
    }
    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        Ok(self.with_length(path, self.kept.metadata(path)?))
    }
    fn rename(&self, from: &Path, to: &Path, how: Rename) -> io::Result<()> {
        self.kept.rename(from, to, how)?;
        let mut lengths = lock(&self.lengths);
        if let Some(length) = lengths.remove(from) {
            lengths.insert(to.to_owned(), length);
        }
        Ok(())
    }
    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.kept.unlink(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.kept.sync_dir(dir)
    }
    fn free_space(&self, _: &Path) -> io::Result<Option<u64>> {
        Ok(None)
    }
}

impl VolumeFile for File {
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<usize> {
        match &self.length {
            Some(length) => {
                length.fetch_max(offset + data.len() as u64, Ordering::Relaxed);
                Ok(data.len())
            }
            None => {
                self.largest_journal.fetch_max(offset + data.len() as u64, Ordering::Relaxed);
                self.kept.write_at(offset, data)
            }
        }
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        match &self.length {
            Some(length) => {
                let n = length.load(Ordering::Relaxed).saturating_sub(offset).min(buf.len() as u64) as usize;
                buf[..n].fill(0);
                Ok(n)
            }
            None => self.kept.read_at(offset, buf),
        }
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        match &self.length {
            Some(length) => {
                length.store(len, Ordering::Relaxed);
                Ok(())
            }
            None => self.kept.set_len(len),
        }
    }
    fn allocate(&self, _: u64) -> io::Result<()> {
        Ok(())
    }
    fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.kept.set_modified(time)
    }
    fn try_lock(&self) -> io::Result<Locking> {
        self.kept.try_lock()
    }
    fn metadata(&self) -> io::Result<Metadata> {
        let mut metadata = self.kept.metadata()?;
        if let Some(length) = &self.length {
            metadata.len = length.load(Ordering::Relaxed);
        }
        Ok(metadata)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// User and system seconds of this process.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fields.get(11..13).map_or(0.0, |ticks| ticks.iter().filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / 100.0)
}

fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [mode, count, connections] = &args[..] else {
        return Err("scale file GIB CONNECTIONS | scale jobs COUNT CONNECTIONS".into());
    };
    let (count, connections): (u64, u16) = (count.parse()?, connections.parse()?);
    let volume = Arc::new(Forgetful::default());
    let mut config = EngineConfig::default();
    config.volume = Arc::clone(&volume) as Arc<dyn Volume>;
    let engine = Engine::new(config)?;
    let began = Instant::now();
    let (jobs, len) = if mode == "file" { (1, count << 30) } else { (count, 4 << 20) };
    let start = |n: u64| {
        let download = Download::new(Zeros(len), format!("/f{n}"));
        engine.start(download.connections(Connections::Exactly(connections)).verify(Verify::Trust))
    };
    let running: Vec<_> = (0..jobs).map(start).collect();
    let mut bytes = 0;
    for job in running {
        bytes += job.join().await?.len;
    }
    let (gib, cpu) = (bytes as f64 / (1_u64 << 30) as f64, cpu());
    println!(
        "{jobs} jobs, {gib:.1} GiB, {connections} connections: {:.1} s, {cpu:.2} CPU-s ({:.3} per GiB), peak {:.1} MiB, largest journal {} bytes",
        began.elapsed().as_secs_f64(),
        cpu / gib,
        peak_mib(),
        volume.largest_journal.load(Ordering::Relaxed)
    );
    Ok(())
}
