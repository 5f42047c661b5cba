//! Remote files as readers, for code that knows nothing of downloads.
//!
//! | type | what | for |
//! |---|---|---|
//! | [`RemoteFile`] | `AsyncRead + AsyncSeek` over a source, nothing on the disk | a zip or media library that reads a little here and there |
//! | [`DownloadReader`] | `AsyncRead` of a running download, from its beginning | work on the file while it is fetched, over all its connections |
//! | [`OrderedStream`] | `AsyncRead` over a source from beginning to end, several connections, a window in memory | pipes |
//!
//! All of them report failures as [`std::io::Error`] with a [`ReadError`] inside, which
//! [`ReadError::of`] finds again.

mod error;
mod ordered;
mod remote;
mod retry;
mod running;
mod source;

pub use error::ReadError;
pub use ordered::OrderedStream;
pub use remote::RemoteFile;
pub use running::DownloadReader;

/// What a reader has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadCounts {
    /// Streams that were asked for.
    pub opens: u32,
    /// Bytes that were received.
    pub fetched: u64,
    /// Failures that were tried again.
    pub retries: u32,
}
