//! The file system of this machine.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{CWD, FallocateFlags, OFlags, RenameFlags, fallocate, renameat_with, statvfs};

use super::{FileId, FileKind, Locking, Metadata, Rename, Volume, VolumeFile};

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsVolume;

impl Volume for OsVolume {
    fn open(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        // NONBLOCK: a pipe put there since the caller looked must not hang the open; it means nothing to a regular file.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags.cast_signed()).open(path)?;
        Ok(Box::new(file))
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(true).create_new(true).open(path)?))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        path.symlink_metadata().map(|metadata| Metadata::from(&metadata))
    }

    fn rename(&self, from: &Path, to: &Path, how: Rename) -> io::Result<()> {
        match how {
            Rename::Replace => std::fs::rename(from, to),
            Rename::NoReplace => match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
                // The file system does not know the flag. A hard link fails if the name is taken, and is as atomic; a
                // crash between the two calls leaves two names of one file, which the recovery of the store knows.
                Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => {
                    std::fs::hard_link(from, to)?;
                    std::fs::remove_file(from)
                }
                other => Ok(other?),
            },
        }
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        match File::open(dir)?.sync_all() {
            // Some network and user-space file systems cannot sync a directory; there is nothing better to do on them.
            Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
            other => other,
        }
    }

    fn free_space(&self, dir: &Path) -> io::Result<Option<u64>> {
        let stat = statvfs(dir)?;
        // A file system that counts no blocks at all does not count.
        Ok((stat.f_blocks > 0).then(|| stat.f_bavail.saturating_mul(stat.f_frsize)))
    }
}

impl VolumeFile for File {
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<usize> {
        FileExt::write_at(self, data, offset)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(self, buf, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)
    }

    fn sync_all(&self) -> io::Result<()> {
        Self::sync_all(self)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Self::set_len(self, len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        // KEEP_SIZE: other tools take the length of a file for its progress. Never the emulation of the C library, which
        // writes every block.
        Ok(fallocate(self, FallocateFlags::KEEP_SIZE, 0, len)?)
    }

    fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        Self::set_modified(self, time)
    }

    fn try_lock(&self) -> io::Result<Locking> {
        match Self::try_lock(self) {
            Ok(()) => Ok(Locking::Held),
            Err(TryLockError::WouldBlock) => Ok(Locking::Busy(lock_holder(VolumeFile::metadata(self)?.id))),
            Err(TryLockError::Error(e)) if lacks_locks(&e) => Ok(Locking::Unsupported),
            Err(TryLockError::Error(e)) => Err(e),
        }
    }

    fn metadata(&self) -> io::Result<Metadata> {
        Self::metadata(self).map(|metadata| Metadata::from(&metadata))
    }
}

impl From<&std::fs::Metadata> for Metadata {
    fn from(metadata: &std::fs::Metadata) -> Self {
        let file_type = metadata.file_type();
        let kind = if file_type.is_file() {
            FileKind::Regular
        } else if file_type.is_dir() {
            FileKind::Directory
        } else if file_type.is_symlink() {
            FileKind::Symlink
        } else {
            FileKind::Other
        };
        Self {
            kind,
            id: FileId { device: metadata.dev(), inode: metadata.ino() },
            len: metadata.len(),
            allocated: metadata.blocks().saturating_mul(512),
            modified: metadata.modified().ok(),
        }
    }
}

/// Whether an attempt to lock failed because there are no locks here, as on some NFS, FUSE and Lustre mounts.
fn lacks_locks(error: &io::Error) -> bool {
    use rustix::io::Errno;
    error.kind() == io::ErrorKind::Unsupported
        || [Errno::NOLCK, Errno::OPNOTSUPP, Errno::NOSYS, Errno::INVAL]
            .iter()
            .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// The process that holds a lock on this file, as Linux lists it; for the text of an error, nothing depends on it.
fn lock_holder(id: FileId) -> Option<u32> {
    let wanted = format!("{:02x}:{:02x}:{}", rustix::fs::major(id.device), rustix::fs::minor(id.device), id.inode);
    // A line is `1: FLOCK  ADVISORY  WRITE 4242 fe:00:1234 0 EOF`.
    std::fs::read_to_string("/proc/locks").ok()?.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(4);
        let pid = words.next()?.parse().ok()?;
        (words.next()? == wanted).then_some(pid)
    })
}
