//! A volume that does what it is told, until it is told otherwise.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::SystemTime;

use segfetch::sink::{Locking, MemoryVolume, Metadata, Rename, Volume, VolumeFile};

/// What a write or a sync of the part does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// What it should.
    Good,
    /// Writes fail like this.
    Write(io::ErrorKind),
    /// Data syncs fail like this.
    Sync(io::ErrorKind),
    /// Writes wait until the mood changes.
    Stuck,
    /// So many writes go through, and then they are [`Stuck`](Mood::Stuck).
    Writes(usize),
    /// Reads wait until the mood changes.
    StuckRead,
    /// Writes panic.
    Panic,
}

/// Memory below, moods above.
#[derive(Clone, Debug)]
pub(crate) struct Unruly {
    pub(crate) below: Arc<MemoryVolume>,
    /// Bytes of the largest read.
    pub(crate) largest_read: Arc<AtomicUsize>,
    /// Files that are open, and the most that ever were at once.
    open: Arc<(AtomicUsize, AtomicUsize)>,
    mood: Arc<(Mutex<Mood>, Condvar)>,
}

impl Unruly {
    pub(crate) fn new() -> Self {
        let mood = Arc::new((Mutex::new(Mood::Good), Condvar::new()));
        Self { below: Arc::new(MemoryVolume::new()), largest_read: Arc::default(), open: Arc::default(), mood }
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.0.lock().expect("not poisoned") = mood;
        self.mood.1.notify_all();
    }

    pub(crate) fn mood(&self) -> Mood {
        *self.mood.0.lock().expect("not poisoned")
    }

    pub(crate) fn most_open(&self) -> usize {
        self.open.1.load(Ordering::SeqCst)
    }

    fn file(&self, path: &Path, below: Box<dyn VolumeFile>) -> Box<dyn VolumeFile> {
        let open = self.open.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.open.1.fetch_max(open, Ordering::SeqCst);
        let is_part = path.extension().is_some_and(|extension| extension == "part");
        Box::new(UnrulyFile { below, volume: self.clone(), is_part })
    }
}

impl Volume for Unruly {
    fn open(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        self.below.open(path).map(|file| self.file(path, file))
    }
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        self.below.create_new(path).map(|file| self.file(path, file))
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

#[derive(Debug)]
struct UnrulyFile {
    below: Box<dyn VolumeFile>,
    volume: Unruly,
    /// Only parts have moods.
    is_part: bool,
}

impl UnrulyFile {
    /// The mood, as soon as it is not `stuck`.
    fn mood_unless(&self, stuck: Mood) -> Mood {
        if !self.is_part {
            return Mood::Good;
        }
        let (mood, changed) = &*self.volume.mood;
        let mood = changed.wait_while(mood.lock().expect("not poisoned"), |mood| *mood == stuck);
        let mut mood = mood.expect("not poisoned");
        if let (Mood::Stuck, Mood::Writes(left)) = (stuck, *mood) {
            *mood = if left > 1 { Mood::Writes(left - 1) } else { Mood::Stuck };
            return Mood::Good;
        }
        *mood
    }
}

impl Drop for UnrulyFile {
    fn drop(&mut self) {
        self.volume.open.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl VolumeFile for UnrulyFile {
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<usize> {
        match self.mood_unless(Mood::Stuck) {
            Mood::Write(kind) => Err(kind.into()),
            Mood::Panic => panic!("the volume is broken"),
            _ => self.below.write_at(offset, data),
        }
    }
    fn sync_data(&self) -> io::Result<()> {
        match self.volume.mood() {
            Mood::Sync(kind) if self.is_part => Err(kind.into()),
            _ => self.below.sync_data(),
        }
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.mood_unless(Mood::StuckRead);
        if self.is_part {
            self.volume.largest_read.fetch_max(buf.len(), Ordering::Relaxed);
        }
        self.below.read_at(offset, buf)
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

/// A file system that does not tell capital letters from small ones.
#[derive(Debug)]
pub(crate) struct Folding(pub(crate) Arc<MemoryVolume>);

impl Folding {
    fn fold(path: &Path) -> std::path::PathBuf {
        path.to_string_lossy().to_lowercase().into()
    }
}

impl Volume for Folding {
    fn open(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        self.0.open(&Self::fold(path))
    }
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        self.0.create_new(&Self::fold(path))
    }
    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.0.metadata(&Self::fold(path))
    }
    fn rename(&self, from: &Path, to: &Path, how: Rename) -> io::Result<()> {
        self.0.rename(&Self::fold(from), &Self::fold(to), how)
    }
    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.0.unlink(&Self::fold(path))
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.sync_dir(dir)
    }
    fn free_space(&self, dir: &Path) -> io::Result<Option<u64>> {
        self.0.free_space(dir)
    }
}
