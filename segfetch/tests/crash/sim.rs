//! A disk that loses power, lies, and fails on order.
//!
//! Every file has a live image, which programs see, and a durable one. A change is pending until a sync of its file, or of
//! the directory for names. A crash keeps the durable image and any part of what is pending: see [`Snapshot::survivors`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use segfetch::range_set::RangeSet;
use segfetch::sink::{FileId, FileKind, Locking, Metadata, Rename, Volume, VolumeFile};

/// Files and their names at one moment. Clones are cheap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    names: BTreeMap<PathBuf, u64>,
    files: BTreeMap<u64, Arc<Vec<u8>>>,
}

/// A change that no sync has made durable.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Write { inode: u64, offset: usize, data: Arc<[u8]> },
    SetLen { inode: u64, len: usize },
    Name { path: PathBuf, inode: u64 },
    Rename { from: PathBuf, to: PathBuf, inode: u64 },
    Unlink { path: PathBuf, inode: u64 },
}

/// What the disk was told, and what it has, right after an operation.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) durable: Image,
    pub(crate) pending: Vec<Change>,
    /// What new space holds if it was given out and not written: zeros, or what an older file left there.
    pub(crate) recycled: Arc<Vec<u8>>,
    /// What the program had been promised by then.
    pub(crate) promised: Promise,
}

/// What must survive.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promise {
    /// Bytes of this version are claimed.
    pub(crate) have: Option<(u8, RangeSet)>,
    /// The download was reported as finished.
    pub(crate) finished: bool,
}

/// What an operation does instead of what it should.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Fails with this error number; a write puts half of its bytes first, a sync loses what was pending.
    Errno(i32),
    /// Writes half and says so.
    Short,
}

/// An operation that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Write,
    Sync,
    Other,
}

type Script = Box<dyn FnMut(usize, Kind) -> Option<Fault> + Send>;

/// A volume on such a disk.
#[derive(Clone)]
pub(crate) struct Sim(Arc<Mutex<World>>);

struct World {
    live: Image,
    state: Snapshot,
    history: Option<Vec<Snapshot>>,
    sync_lies: bool,
    no_locks: bool,
    script: Script,
    operations: usize,
    next_inode: u64,
    locked: BTreeSet<u64>,
}

struct Handle {
    world: Arc<Mutex<World>>,
    inode: u64,
    holds_lock: Mutex<bool>,
}

impl Image {
    pub(crate) fn read(&self, path: &Path) -> Option<&[u8]> {
        Some(self.files.get(self.names.get(path)?)?)
    }

    pub(crate) fn put(&mut self, path: &Path, content: &[u8]) {
        let inode = self.files.keys().next_back().map_or(1, |last| last + 1);
        self.names.insert(path.to_owned(), inode);
        self.files.insert(inode, Arc::new(content.to_vec()));
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Path> {
        self.names.keys().map(PathBuf::as_path)
    }

    fn file(&mut self, inode: u64) -> &mut Vec<u8> {
        Arc::make_mut(self.files.entry(inode).or_default())
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Write { inode, offset, data } => {
                let file = self.file(*inode);
                grow(file, offset + data.len());
                file[*offset..offset + data.len()].copy_from_slice(data);
            }
            Change::SetLen { inode, len } => {
                let file = self.file(*inode);
                file.truncate(*len);
                grow(file, *len);
            }
            Change::Name { path, inode } => {
                self.file(*inode);
                self.names.insert(path.clone(), *inode);
            }
            Change::Rename { from, to, inode } => {
                if self.names.get(from) == Some(inode) {
                    self.names.remove(from);
                }
                self.file(*inode);
                self.names.insert(to.clone(), *inode);
            }
            Change::Unlink { path, inode } => {
                if self.names.get(path) == Some(inode) {
                    self.names.remove(path);
                }
            }
        }
    }
}

impl Change {
    /// The file whose sync makes it durable; `None` for names.
    fn inode(&self) -> Option<u64> {
        match self {
            Self::Write { inode, .. } | Self::SetLen { inode, .. } => Some(*inode),
            _ => None,
        }
    }

    /// What may be on the disk of a write that was cut off, or of which only the new length arrived.
    fn torn(&self, recycled: &[u8]) -> Vec<Self> {
        let Self::Write { inode, offset, data } = self else { return Vec::new() };
        let piece =
            |from: usize, to: usize| Self::Write { inode: *inode, offset: offset + from, data: data[from..to].into() };
        let mut torn = Vec::new();
        let end = offset + data.len();
        let middle = (offset + data.len() / 2) / 4096 * 4096;
        for cut in [(offset / 512 + 1) * 512, middle, (end - 1) / 512 * 512] {
            if (offset + 1..end).contains(&cut) {
                torn.push(piece(0, cut - offset));
                torn.push(piece(cut - offset, data.len()));
            }
        }
        let mut stale = recycled.get(*offset..end.min(recycled.len())).unwrap_or_default().to_vec();
        grow(&mut stale, data.len());
        torn.push(Self::Write { inode: *inode, offset: *offset, data: stale.into() });
        torn
    }
}

impl Snapshot {
    /// Every disk that a crash at this moment may leave, as far as they are tried: all subsets of up to 5 pending changes;
    /// of up to 12
    /// each prefix, and each with up to 2 lost, or up to 2 kept; of more, up to 1. Then each write in turn torn at a
    /// sector or page, from either side, or only its length kept, with the others lost, kept, or kept as far as they came
    /// before it.
    pub(crate) fn survivors(&self) -> Vec<Image> {
        let n = self.pending.len();
        let mut kept: BTreeSet<Vec<usize>> = BTreeSet::new();
        if n <= 5 {
            kept.extend((0..1_usize << n).map(|mask| (0..n).filter(|i| mask >> i & 1 == 1).collect()));
        } else {
            kept.extend((0..=n).map(|end| (0..end).collect()));
            for a in 0..n {
                // Pairs of many are too many: a disk that lies has everything pending.
                for b in if n <= 12 { a..n } else { a..a + 1 } {
                    kept.insert(if a == b { vec![a] } else { vec![a, b] });
                    kept.insert((0..n).filter(|&i| i != a && i != b).collect());
                }
            }
        }
        let all: Vec<&Change> = self.pending.iter().collect();
        let build = |changes: &[&Change]| {
            let mut image = self.durable.clone();
            changes.iter().for_each(|change| image.apply(change));
            image
        };
        let mut images: Vec<Image> =
            kept.iter().map(|kept| build(&kept.iter().map(|&i| all[i]).collect::<Vec<_>>())).collect();
        for (i, change) in all.iter().enumerate() {
            for torn in change.torn(&self.recycled) {
                let mut with = all.clone();
                with[i] = &torn;
                images.extend([build(&[&torn]), build(&with[..=i]), build(&with)]);
            }
        }
        images
    }
}

impl Sim {
    pub(crate) fn new(image: Image) -> Self {
        let (recycled, promised) = Default::default();
        let state = Snapshot { durable: image, pending: Vec::new(), recycled, promised };
        Self::after_kill(&state)
    }

    /// What the next process finds after the one that had come this far was killed: all that was written, synced or not.
    pub(crate) fn after_kill(state: &Snapshot) -> Self {
        let mut live = state.durable.clone();
        state.pending.iter().for_each(|change| live.apply(change));
        let next_inode = live.files.keys().next_back().map_or(1, |last| last + 1);
        Self(Arc::new(Mutex::new(World {
            live,
            state: state.clone(),
            history: None,
            sync_lies: false,
            no_locks: false,
            script: Box::new(|_, _| None),
            operations: 0,
            next_inode,
            locked: BTreeSet::new(),
        })))
    }

    /// Keeps a snapshot after every operation.
    pub(crate) fn recording(self) -> Self {
        let mut world = self.world();
        world.history = Some(vec![world.state.clone()]);
        drop(world);
        self
    }

    /// Space that is given out holds this until it is written.
    pub(crate) fn recycling(self, old: &[u8]) -> Self {
        self.world().state.recycled = Arc::new(old.to_vec());
        self
    }

    /// Every sync succeeds and does nothing.
    pub(crate) fn lying(self) -> Self {
        self.world().sync_lies = true;
        self
    }

    /// Has no locks.
    pub(crate) fn without_locks(self) -> Self {
        self.world().no_locks = true;
        self
    }

    /// From now on, asks before each operation whether it fails; it is given the number of operations so far.
    pub(crate) fn script(&self, script: impl FnMut(usize, Kind) -> Option<Fault> + Send + 'static) {
        self.world().script = Box::new(script);
    }

    pub(crate) fn promise(&self, change: impl FnOnce(&mut Promise)) {
        change(&mut self.world().state.promised);
    }

    pub(crate) fn live(&self) -> Image {
        self.world().live.clone()
    }

    pub(crate) fn now(&self) -> Snapshot {
        self.world().state.clone()
    }

    pub(crate) fn history(&self) -> Vec<Snapshot> {
        self.world().history.take().expect("a recording volume")
    }

    pub(crate) fn operations(&self) -> usize {
        self.world().operations
    }

    pub(crate) fn volume(&self) -> Arc<dyn Volume> {
        Arc::new(self.clone())
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    fn handle(&self, inode: u64) -> Box<dyn VolumeFile> {
        Box::new(Handle { world: Arc::clone(&self.0), inode, holds_lock: Mutex::new(false) })
    }
}

impl World {
    fn fault(&mut self, kind: Kind) -> Option<Fault> {
        self.operations += 1;
        (self.script)(self.operations, kind)
    }

    /// Counts an operation that a fault can only make fail.
    fn may_fail(&mut self) -> io::Result<()> {
        match self.fault(Kind::Other) {
            Some(Fault::Errno(errno)) => Err(io::Error::from_raw_os_error(errno)),
            _ => Ok(()),
        }
    }

    fn change(&mut self, change: Change) {
        self.live.apply(&change);
        self.state.pending.push(change);
        self.record();
    }

    fn record(&mut self) {
        if let Some(history) = &mut self.history {
            history.push(self.state.clone());
        }
    }

    fn sync(&mut self, inode: Option<u64>) -> io::Result<()> {
        let fault = self.fault(Kind::Sync);
        if self.sync_lies {
            return Ok(());
        }
        let (synced, pending): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.state.pending).into_iter().partition(|change| change.inode() == inode);
        self.state.pending = pending;
        if let Some(Fault::Errno(errno)) = fault {
            // The pages are clean now, the disk does not have them, and the next sync finds nothing to do.
            if inode.is_none() {
                self.state.pending.extend(synced);
            }
            self.record();
            return Err(io::Error::from_raw_os_error(errno));
        }
        synced.iter().for_each(|change| self.state.durable.apply(change));
        self.record();
        Ok(())
    }

    fn metadata(&self, inode: u64) -> Metadata {
        let len = self.live.files.get(&inode).map_or(0, |file| file.len() as u64);
        Metadata { kind: FileKind::Regular, id: FileId { device: 7, inode }, len, allocated: len, modified: None }
    }

    fn inode(&self, path: &Path) -> io::Result<u64> {
        self.live.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Volume for Sim {
    fn open(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        let inode = self.world().inode(path)?;
        Ok(self.handle(inode))
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        let mut world = self.world();
        world.may_fail()?;
        if world.live.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = world.next_inode;
        world.next_inode += 1;
        world.change(Change::Name { path: path.to_owned(), inode });
        Ok(self.handle(inode))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let world = self.world();
        Ok(world.metadata(world.inode(path)?))
    }

    fn rename(&self, from: &Path, to: &Path, how: Rename) -> io::Result<()> {
        let mut world = self.world();
        world.may_fail()?;
        let inode = world.inode(from)?;
        if how == Rename::NoReplace && world.live.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        world.change(Change::Rename { from: from.to_owned(), to: to.to_owned(), inode });
        Ok(())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.may_fail()?;
        let inode = world.inode(path)?;
        world.change(Change::Unlink { path: path.to_owned(), inode });
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        self.world().sync(None)
    }

    fn free_space(&self, _: &Path) -> io::Result<Option<u64>> {
        Ok(None)
    }
}

impl Handle {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

impl VolumeFile for Handle {
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<usize> {
        let mut world = self.world();
        let fault = world.fault(Kind::Write);
        let n = match fault {
            None => data.len(),
            Some(Fault::Errno(errno)) if io::Error::from_raw_os_error(errno).kind() == io::ErrorKind::Interrupted => 0,
            Some(_) => data.len() / 2,
        };
        if n > 0 {
            world.change(Change::Write { inode: self.inode, offset: offset as usize, data: data[..n].into() });
        }
        match fault {
            Some(Fault::Errno(errno)) => Err(io::Error::from_raw_os_error(errno)),
            Some(Fault::Short) if n == 0 => Err(io::ErrorKind::Interrupted.into()),
            _ => Ok(n),
        }
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let world = self.world();
        let rest = world.live.files.get(&self.inode).and_then(|file| file.get(offset as usize..)).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.world().sync(Some(self.inode))
    }

    fn sync_all(&self) -> io::Result<()> {
        self.world().sync(Some(self.inode))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut world = self.world();
        world.may_fail()?;
        world.change(Change::SetLen { inode: self.inode, len: len as usize });
        Ok(())
    }

    fn allocate(&self, _: u64) -> io::Result<()> {
        self.world().may_fail()
    }

    fn set_modified(&self, _: SystemTime) -> io::Result<()> {
        self.world().may_fail()
    }

    fn try_lock(&self) -> io::Result<Locking> {
        if self.world().no_locks {
            return Ok(Locking::Unsupported);
        }
        let mut held = self.holds_lock.lock().unwrap();
        *held = *held || self.world().locked.insert(self.inode);
        Ok(if *held { Locking::Held } else { Locking::Busy(None) })
    }

    fn metadata(&self) -> io::Result<Metadata> {
        Ok(self.world().metadata(self.inode))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if *self.holds_lock.get_mut().unwrap() {
            self.world().locked.remove(&self.inode);
        }
    }
}

/// Extends with zeros. (`resize` is slow where nothing is optimised.)
fn grow(file: &mut Vec<u8>, len: usize) {
    file.extend_from_slice(&vec![0; len.saturating_sub(file.len())]);
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sim")
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({})", self.inode)
    }
}
