//! How a download can fail.

use std::time::Duration;

use segfetch_source::{Digest, SourceError};
use thiserror::Error;

use crate::checkpoint::StoreError;

/// Why a download did not finish. Unless the text says otherwise, what was fetched is kept, and the same call goes on from it.
///
/// `{error}` says this layer, [`source()`](std::error::Error::source) the layer below, and nothing is said twice: print the whole chain,
/// as `anyhow`'s `{:#}` does, to see also what the server or the operating system said. It is so with all errors of this crate and of
/// [`source`](crate::source).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// The source failed in a way that repeating cannot mend, or twice running in the same way for a reason that it cannot sort
    /// ([`ErrorClass::Unknown`](crate::source::ErrorClass::Unknown)).
    ///
    /// So it is with a host whose name cannot be looked up, without a network too: `ftp-proto` tells that with
    /// [`Phase::Resolve`](crate::source::Phase::Resolve).
    #[error(transparent)]
    Source(SourceError),
    /// No progress for as long as [`Download::patience`](crate::Download::patience) says.
    #[error("no progress for {} s", .patience.as_secs())]
    GaveUp {
        /// How long was waited.
        patience: Duration,
        /// What was tried last.
        #[source]
        last: Box<SourceError>,
    },
    /// What is kept is the beginning of something that exists only once
    /// ([`Access::Sequential`](crate::source::Access::Sequential)): it can neither be gone on with nor be fetched again.
    #[error("what is kept cannot be gone on with: the source exists only once")]
    NotRepeatable {
        /// What broke it off; `None` if that was an earlier run.
        #[source]
        last: Option<Box<SourceError>>,
    },
    /// The file on the server is not the one that was begun.
    #[error("the file on the server has changed ({reason}); what was fetched of the old one is kept")]
    Changed {
        /// What differs, or, where that is not known, how it was noticed.
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
    /// The finished file does not have the digest that was asked for, or that the source states. It was not given its name.
    #[error("the file has the wrong digest: expected {}, found {}", hex(&.expected.bytes), hex(.found))]
    Digest {
        /// What it should have.
        expected: Digest,
        /// What it has.
        found: Vec<u8>,
    },
    /// A digest was asked for that cannot be computed here: any other than SHA-256, of 32 bytes.
    #[error("only SHA-256 digests can be checked")]
    UnsupportedDigest,
    /// The disk, or something on it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was cancelled; what had arrived is durable.
    #[error("cancelled; {durable} bytes are kept")]
    Cancelled {
        /// Bytes that the next run need not fetch. For a download that was still waiting for its turn, those that the journal of
        /// an earlier run claims.
        durable: u64,
    },
    /// The task that carried the download is gone: the runtime was shut down, or it panicked.
    #[error("the download was interrupted: {0}")]
    Interrupted(String),
}

/// The texts of an error and of all below it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |&cause| cause.source()) {
        text += &format!(": {cause}");
    }
    text
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
