//! Files in memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::{FileId, FileKind, Locking, Metadata, Rename, Volume, VolumeFile};

/// Files in memory. There are no directories: a path is only a name. Clones share the files.
#[derive(Clone, Debug, Default)]
pub struct MemoryVolume {
    names: Arc<Mutex<HashMap<PathBuf, Arc<Inode>>>>,
}

#[derive(Debug)]
struct Inode {
    content: Mutex<Vec<u8>>,
    modified: Mutex<Option<SystemTime>>,
    locked: AtomicBool,
}

#[derive(Debug)]
struct Handle {
    inode: Arc<Inode>,
    holds_lock: AtomicBool,
}

impl MemoryVolume {
    /// An empty volume.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of the content of the file at `path`, if there is one.
    pub fn read(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        self.names().get(path.as_ref()).map(|inode| guard(&inode.content).clone())
    }

    /// Removes the file at `path` and returns its content, without a copy if it is not open any more.
    pub fn take(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let inode = self.names().remove(path.as_ref())?;
        let mut content = guard(&inode.content);
        Some(if Arc::strong_count(&inode) == 1 { std::mem::take(&mut content) } else { content.clone() })
    }

    /// Puts a file with this content at `path`, in place of what was there.
    pub fn write(&self, path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) {
        self.names().insert(path.into(), Inode::new(content.into()));
    }

    /// All names, in no order.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.names().keys().cloned().collect()
    }

    fn names(&self) -> MutexGuard<'_, HashMap<PathBuf, Arc<Inode>>> {
        guard(&self.names)
    }
}

impl Inode {
    fn new(content: Vec<u8>) -> Arc<Self> {
        Arc::new(Self { content: Mutex::new(content), modified: Mutex::new(None), locked: AtomicBool::new(false) })
    }

    fn metadata(self: &Arc<Self>) -> Metadata {
        let len = guard(&self.content).len() as u64;
        // The address of an inode is its own for as long as anything refers to it.
        let id = FileId { device: 0, inode: Arc::as_ptr(self).addr() as u64 };
        Metadata { kind: FileKind::Regular, id, len, allocated: len, modified: *guard(&self.modified) }
    }
}

impl Volume for MemoryVolume {
    fn open(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        let inode = self.names().get(path).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Handle { inode, holds_lock: AtomicBool::new(false) }))
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        match self.names().entry(path.to_owned()) {
            Entry::Occupied(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Entry::Vacant(free) => {
                let inode = Arc::clone(free.insert(Inode::new(Vec::new())));
                Ok(Box::new(Handle { inode, holds_lock: AtomicBool::new(false) }))
            }
        }
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        Ok(self.names().get(path).ok_or(io::ErrorKind::NotFound)?.metadata())
    }

    fn rename(&self, from: &Path, to: &Path, how: Rename) -> io::Result<()> {
        let mut names = self.names();
        if how == Rename::NoReplace && names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.names().remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn free_space(&self, _: &Path) -> io::Result<Option<u64>> {
        Ok(None)
    }
}

impl VolumeFile for Handle {
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<usize> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let end = start.checked_add(data.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        let mut content = guard(&self.inode.content);
        grow(&mut content, end)?;
        content[start..end].copy_from_slice(data);
        Ok(data.len())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let content = guard(&self.inode.content);
        let rest = usize::try_from(offset).ok().and_then(|start| content.get(start..)).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut content = guard(&self.inode.content);
        content.truncate(len);
        grow(&mut content, len)
    }

    fn allocate(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        *guard(&self.inode.modified) = Some(time);
        Ok(())
    }

    fn try_lock(&self) -> io::Result<Locking> {
        if !self.holds_lock.load(Ordering::Acquire) {
            if self.inode.locked.swap(true, Ordering::AcqRel) {
                return Ok(Locking::Busy(None));
            }
            self.holds_lock.store(true, Ordering::Release);
        }
        Ok(Locking::Held)
    }

    fn metadata(&self) -> io::Result<Metadata> {
        Ok(self.inode.metadata())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if *self.holds_lock.get_mut() {
            self.inode.locked.store(false, Ordering::Release);
        }
    }
}

/// Extends with zeros; a length that memory cannot hold is an error, not an abort.
fn grow(content: &mut Vec<u8>, len: usize) -> io::Result<()> {
    if let Some(more) = len.checked_sub(content.len()) {
        content.try_reserve(more).map_err(|_| io::ErrorKind::StorageFull)?;
        content.resize(len, 0);
    }
    Ok(())
}

/// A thread that panicked while it held one of these locks has left no half-made change behind.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
