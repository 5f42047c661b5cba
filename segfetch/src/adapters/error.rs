//! Why a reader of this module failed.

use std::io;
use std::time::Duration;

use segfetch_source::{ErrorClass, SourceError};
use thiserror::Error;

/// Why bytes of a remote file cannot be read. It travels inside an [`io::Error`], where [`ReadError::of`] finds it.
///
/// Texts are divided as those of [`DownloadError`](crate::DownloadError) are.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The source failed in a way that repeating cannot mend.
    #[error(transparent)]
    Source(SourceError),
    /// The source failed again and again, for as long as it was to be tried.
    #[error("no progress for {} s", .patience.as_secs())]
    GaveUp {
        /// How long was tried.
        patience: Duration,
        /// What was tried last.
        #[source]
        last: Box<SourceError>,
    },
    /// The file on the server is not the one that was begun.
    #[error("the file on the server has changed: {reason}")]
    Changed {
        /// How it was noticed.
        reason: String,
    },
    /// The source does not have these bytes of the file.
    #[error("the source does not have bytes {start} to {end} of the file")]
    Missing {
        /// The first of them.
        start: u64,
        /// Behind the last of them.
        end: u64,
    },
    /// A place was given from the end of a file whose length nobody knows.
    #[error("the length of the file is not known")]
    UnknownLength,
    /// The download that is read did not end well.
    #[error("the download that is read failed: {reason}")]
    Download {
        /// The text of its error; [`Job::join`](crate::Job::join) has the error itself.
        reason: String,
    },
}

impl ReadError {
    /// What an error of a reader was caused by, if this module made it.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        use io::ErrorKind as K;
        let kind = match &error {
            ReadError::Source(source) => match source.class() {
                ErrorClass::NotFound => K::NotFound,
                ErrorClass::Denied => K::PermissionDenied,
                ErrorClass::RangeNotSupported => K::Unsupported,
                _ => K::Other,
            },
            ReadError::GaveUp { .. } => K::TimedOut,
            ReadError::Changed { .. } => K::StaleNetworkFileHandle,
            ReadError::Missing { .. } => K::InvalidData,
            ReadError::UnknownLength => K::Unsupported,
            ReadError::Download { .. } => K::Other,
        };
        Self::new(kind, error)
    }
}
