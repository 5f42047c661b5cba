//! What can go wrong with the files of a job, in words for the person who waits for it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::CorruptJournal;
use crate::sink::FileKind;

/// Why a store could not do what it was asked to. Whatever the error, what was claimed before stays claimed, and opening
/// the store again goes on from there.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No room on the disk, or in the quota.
    #[error("not enough space for {}{}; free some and start again, the download goes on where it stopped", path.display(), Room(*needed, *available))]
    Full {
        /// The file that did not fit.
        path: PathBuf,
        /// Bytes that are still needed, if that is known.
        needed: Option<u64>,
        /// Bytes that are free, if that is known.
        available: Option<u64>,
        /// What the system said; nothing if the store looked before it wrote.
        source: Option<io::Error>,
    },
    /// The place cannot be written to.
    #[error("cannot write {}; choose another place, or change its permissions", path.display())]
    ReadOnly {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process, or another job of this one, is at it.
    #[error("{} is being downloaded by {}; wait for it, or stop it", path.display(), Holder(*pid))]
    Locked {
        /// The part that is locked.
        path: PathBuf,
        /// The process that holds the lock, where the system tells.
        pid: Option<u32>,
    },
    /// The target is there, and was not to be replaced.
    #[error("{} exists; say that it may be replaced, or choose another name", path.display())]
    TargetExists {
        /// The target.
        path: PathBuf,
    },
    /// The target path ends in no file name.
    #[error("{} does not name a file", path.display())]
    NoFileName {
        /// What was given as target.
        path: PathBuf,
    },
    /// Something has the name that is needed, and is not a regular file.
    #[error("{} is {kind}, not a regular file; move it away, or choose another name", path.display())]
    NotRegular {
        /// The name.
        path: PathBuf,
        /// What has it.
        kind: FileKind,
    },
    /// The checkpoint file cannot be read, so it is not known what of the part is right. With [`OnDamage::Restart`](super::OnDamage::Restart)
    /// everything is fetched anew instead.
    #[error("the checkpoint file {} is damaged: {reason}; to begin anew, remove it and its part", path.display())]
    CheckpointCorrupt {
        /// The checkpoint file.
        path: PathBuf,
        /// What is wrong with it.
        reason: CorruptJournal,
    },
    /// The checkpoint file is there, the data is not. With [`OnDamage::Restart`](super::OnDamage::Restart) everything is fetched anew instead.
    #[error("{} is missing, though {} says that it holds data; bring it back, or remove the checkpoint file to begin anew", part.display(), journal.display())]
    PartMissing {
        /// The missing part.
        part: PathBuf,
        /// The checkpoint file.
        journal: PathBuf,
    },
    /// Data is there, the checkpoint file is not, so it is not known what it is.
    #[error("{} exists without a checkpoint file, so it may belong to another program; remove it, or choose another name", part.display())]
    OrphanPart {
        /// The part.
        part: PathBuf,
    },
    /// A file of the job was removed or replaced while the job ran.
    #[error("{} was removed or replaced by another process while it was in use; start again", path.display())]
    Displaced {
        /// The name that no longer stands for our file.
        path: PathBuf,
    },
    /// Bytes at or behind the end of the file.
    #[error("bytes up to {end} do not fit into {}, which has {extent} bytes", path.display())]
    BeyondEnd {
        /// The part.
        path: PathBuf,
        /// Behind the last of the bytes.
        end: u64,
        /// The length of the file.
        extent: u64,
    },
    /// Bytes of a version of the remote file that was given up.
    #[error("a late write of an outdated version of {} was refused", path.display())]
    StaleEpoch {
        /// The part.
        path: PathBuf,
    },
    /// The end was asked for, and bytes are missing.
    #[error("{} is not complete: bytes {start} to {end} are missing", path.display())]
    Incomplete {
        /// The part.
        path: PathBuf,
        /// The first byte that is missing.
        start: u64,
        /// Behind the last byte of this gap.
        end: u64,
    },
    /// An auxiliary blob, or a digest, is longer than a record may be.
    #[error("{len} bytes are more than the {limit} that a checkpoint can hold of {what}")]
    TooLong {
        /// What it is.
        what: &'static str,
        /// Its bytes.
        len: usize,
        /// The most that there may be.
        limit: usize,
    },
    /// The disk failed earlier in a way that leaves it unknown what is on it.
    #[error(
        "nothing more is written after an earlier failure ({first}); check the disk, then start again from the last checkpoint"
    )]
    Poisoned {
        /// The text of that failure.
        first: String,
    },
    /// Any other failure of the system.
    #[error("cannot {op} {}", path.display())]
    Io {
        /// What was tried.
        op: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl StoreError {
    /// A failure of the system's, sorted by what a person can do about it.
    pub(super) fn io(op: &'static str, path: &Path, source: io::Error) -> Self {
        use io::ErrorKind as K;
        let path = path.to_owned();
        match source.kind() {
            K::StorageFull | K::QuotaExceeded => {
                Self::Full { path, needed: None, available: None, source: Some(source) }
            }
            K::ReadOnlyFilesystem | K::PermissionDenied => Self::ReadOnly { path, source },
            _ => Self::Io { op, path, source },
        }
    }
}

/// ` (needs 5 GB, 3 GB are free)`, or nothing.
struct Room(Option<u64>, Option<u64>);

impl std::fmt::Display for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0, self.1) {
            (Some(needed), Some(free)) => write!(f, " ({needed} more bytes are needed, {free} are free)"),
            _ => Ok(()),
        }
    }
}

/// Who holds a lock.
struct Holder(Option<u32>);

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "process {pid}"),
            None => f.write_str("another process"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_the_system_is_sorted_by_what_can_be_done_about_it_and_says_so() {
        let text = |kind: io::ErrorKind| StoreError::io("write", Path::new("dir/a.part"), kind.into()).to_string();
        let full = "not enough space for dir/a.part; free some and start again, the download goes on where it stopped";
        assert_eq!(text(io::ErrorKind::StorageFull), full);
        assert_eq!(text(io::ErrorKind::QuotaExceeded), full);
        let denied = "cannot write dir/a.part; choose another place, or change its permissions";
        assert_eq!(text(io::ErrorKind::PermissionDenied), denied);
        assert_eq!(text(io::ErrorKind::ReadOnlyFilesystem), denied);
        assert_eq!(text(io::ErrorKind::TimedOut), "cannot write dir/a.part");
        let full = StoreError::Full { path: "a".into(), needed: Some(5), available: Some(3), source: None };
        assert!(
            full.to_string().starts_with("not enough space for a (5 more bytes are needed, 3 are free); free some")
        );
    }
}
