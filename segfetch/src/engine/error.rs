//! How a download can fail.

use std::time::Duration;

use segfetch_source::{Digest, SourceError};
use thiserror::Error;

use crate::checkpoint::StoreError;

/// Why a download did not finish. Unless the text says otherwise, what was fetched is kept, and the same call goes on from it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// The source failed in a way that repeating cannot mend.
    #[error("{0}")]
    Source(#[source] SourceError),
    /// No progress for as long as [`Download::patience`](crate::Download::patience) says.
    #[error("no progress for {} s; the last failure was: {last}", .patience.as_secs())]
    GaveUp {
        /// How long was waited.
        patience: Duration,
        /// What was tried last.
        #[source]
        last: Box<SourceError>,
    },
    /// The file on the server is not the one that was begun.
    #[error("the file on the server has changed ({reason}); what was fetched of the old one is kept")]
    Changed {
        /// How it was noticed.
        reason: String,
    },
    /// The server delivered another number of bytes than it had announced.
    #[error("the server announced {announced} bytes and the file ends at {actual}")]
    WrongLength {
        /// What was announced.
        announced: u64,
        /// Where the server confirmed the end.
        actual: u64,
    },
    /// The finished file does not have the digest that was asked for. It was not given its name.
    #[error("the file has the wrong digest: expected {}, found {}", hex(&.expected.bytes), hex(.found))]
    Digest {
        /// What was asked for.
        expected: Digest,
        /// What it has.
        found: Vec<u8>,
    },
    /// A digest was asked for that cannot be computed here.
    #[error("only SHA-256 digests can be checked")]
    UnsupportedDigest,
    /// The disk, or something on it.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// It was cancelled; what had arrived is durable.
    #[error("cancelled; {durable} bytes are kept")]
    Cancelled {
        /// Bytes that the next run need not fetch.
        durable: u64,
    },
    /// The task that carried the download is gone: the runtime was shut down, or it panicked.
    #[error("the download was interrupted: {0}")]
    Interrupted(String),
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
