//! Where bytes are put: every storage operation that a download makes, as two small traits.
//!
//! [`Volume`] is a tree of names, [`VolumeFile`] an open file. [`OsVolume`] is the file system of this machine and
//! [`MemoryVolume`] is memory: a download into memory runs the same code as one to disk. Tests put a volume below the
//! store that fails, lies or loses power at any operation.
//!
//! Everything here blocks, and is called from threads that may.

mod memory;
mod os;

use std::fmt;
use std::io;
use std::path::Path;
use std::time::SystemTime;

pub use memory::MemoryVolume;
pub use os::OsVolume;

/// A tree of names in which files are made, renamed and removed.
///
/// Names are durable only after [`sync_dir`](Volume::sync_dir) of the directory that holds them.
pub trait Volume: fmt::Debug + Send + Sync + 'static {
    /// Opens an existing regular file for reading and writing. Never follows a symbolic link in the last component.
    ///
    /// # Errors
    /// Those of the operating system; `NotFound` if there is none.
    fn open(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>>;

    /// Makes a file that did not exist, open for reading and writing.
    ///
    /// # Errors
    /// `AlreadyExists` if anything has that name, a dangling symbolic link included.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>>;

    /// What has that name, without following a symbolic link.
    ///
    /// # Errors
    /// `NotFound` if nothing has it.
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;

    /// Gives a file another name, atomically, within one directory.
    ///
    /// # Errors
    /// With [`Rename::NoReplace`], `AlreadyExists` if something has the new name.
    fn rename(&self, from: &Path, to: &Path, how: Rename) -> io::Result<()>;

    /// Removes a name.
    ///
    /// # Errors
    /// `NotFound` if nothing has it.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable. A file system that has no such operation answers `Ok`.
    ///
    /// # Errors
    /// Those of the operating system. What was changed since the last success may be lost.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Bytes that an unprivileged process can still put into `dir`; `None` if the file system does not tell.
    ///
    /// # Errors
    /// Those of the operating system.
    fn free_space(&self, dir: &Path) -> io::Result<Option<u64>>;
}

/// An open file. All methods take `&self` and may be called from several threads; offsets are in bytes.
pub trait VolumeFile: fmt::Debug + Send + Sync + 'static {
    /// Writes a prefix of `data` at `offset` and returns its length.
    ///
    /// # Errors
    /// Those of the operating system. `Interrupted` means that nothing was written.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<usize>;

    /// Reads into a prefix of `buf` and returns its length; 0 at the end of the file.
    ///
    /// # Errors
    /// Those of the operating system.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// Makes the content durable, and what of the metadata is needed to read it back.
    ///
    /// # Errors
    /// Any error means that everything written since the last success may be lost, even if a later call succeeds.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes the content and all metadata durable.
    ///
    /// # Errors
    /// As [`sync_data`](VolumeFile::sync_data).
    fn sync_all(&self) -> io::Result<()>;

    /// Cuts or extends the file; what is new reads as zeros.
    ///
    /// # Errors
    /// Those of the operating system.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Reserves space for the first `len` bytes without changing the length of the file.
    ///
    /// # Errors
    /// `Unsupported` and any other failure; callers carry on without the reservation.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Sets the time of the last modification.
    ///
    /// # Errors
    /// Those of the operating system.
    fn set_modified(&self, time: SystemTime) -> io::Result<()>;

    /// Takes the exclusive advisory lock of the file, until this handle is dropped.
    ///
    /// # Errors
    /// Those of the operating system, other than "not supported" and "held by another".
    fn try_lock(&self) -> io::Result<Locking>;

    /// What the file is now.
    ///
    /// # Errors
    /// Those of the operating system.
    fn metadata(&self) -> io::Result<Metadata>;
}

/// What [`VolumeFile::try_lock`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locking {
    /// The lock is ours.
    Held,
    /// Another handle has it; the process that owns it, where the system tells.
    Busy(Option<u32>),
    /// This file system has no locks.
    Unsupported,
}

/// What [`Volume::rename`] does with a file that has the new name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rename {
    /// Leaves it and fails.
    NoReplace,
    /// Puts the renamed file in its place.
    Replace,
}

/// What kind of thing a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A pipe, a socket or a device.
    Other,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Regular => "a regular file",
            Self::Directory => "a directory",
            Self::Symlink => "a symbolic link",
            Self::Other => "a pipe, socket or device",
        })
    }
}

/// Equal for two names or handles of one file, while one of them is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    /// The device.
    pub device: u64,
    /// The inode on it.
    pub inode: u64,
}

/// What a volume knows of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: FileKind,
    /// Which file it is.
    pub id: FileId,
    /// Its length in bytes.
    pub len: u64,
    /// Bytes of storage that it occupies.
    pub allocated: u64,
    /// When its content last changed.
    pub modified: Option<SystemTime>,
}

/// Writes all of `data`; short writes and interruptions go on where they stopped.
pub(crate) fn write_all_at(file: &dyn VolumeFile, mut offset: u64, mut data: &[u8]) -> io::Result<()> {
    while !data.is_empty() {
        match file.write_at(offset, data) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                data = &data[n..];
                offset += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Fills `buf` as far as the file goes and returns how far that was.
pub(crate) fn read_full_at(file: &dyn VolumeFile, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        match file.read_at(offset + filled as u64, &mut buf[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
