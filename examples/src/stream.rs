//! A file in order, into a pipe: what the library reads ahead, written out, counted and hashed.

use std::io;
use std::time::Duration;

use segfetch::adapters::{OrderedStream, ReadError};
use segfetch::source::{Digest, ErrorClass, Phase, SourceError};
use segfetch::{Connections, DownloadError, Integrity, Progress, Stage};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, interval};

use crate::render::Summary;

/// Bytes between two writes at most; more gains nothing, less costs system calls.
const BUFFER: usize = 256 << 10;
/// Between two tellings of progress.
const EVERY: Duration = Duration::from_millis(200);
/// Bytes in memory that the reader of the pipe may be behind, for each connection, and for all of them at least.
const WINDOW: (usize, usize) = (2 << 20, 16 << 20);

/// Why a stream ended early.
#[derive(Debug, Error)]
pub(crate) enum StreamError {
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// The reader of the pipe went away, or the disk behind it is full.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
}

/// The window that so many connections are worth.
pub(crate) fn window(connections: Connections) -> usize {
    match connections {
        Connections::Exactly(n) => (usize::from(n) * WINDOW.0).max(WINDOW.1),
        _ => WINDOW.1,
    }
}

/// Copies the whole of `stream` to `out`, and compares it with the SHA-256 `expected`.
///
/// # Errors
/// [`StreamError`]; what was written stays written.
pub(crate) async fn copy(
    mut stream: OrderedStream,
    out: &mut (impl AsyncWrite + Unpin),
    expected: Option<&Digest>,
    mut tell: impl FnMut(Progress),
) -> Result<Summary, StreamError> {
    let began = Instant::now();
    let mut hash = expected.map(|_| Sha256::new());
    let mut buffer = vec![0; BUFFER];
    let mut tick = interval(EVERY);
    loop {
        let read = tokio::select! {
            read = stream.read(&mut buffer) => read.map_err(failure)?,
            _ = tick.tick() => {
                tell(progress(&stream, began));
                continue;
            }
        };
        if read == 0 {
            break;
        }
        out.write_all(&buffer[..read]).await.map_err(StreamError::Output)?;
        if let Some(hash) = &mut hash {
            hash.update(&buffer[..read]);
        }
    }
    out.flush().await.map_err(StreamError::Output)?;
    tell(progress(&stream, began));
    let sha256: Option<[u8; 32]> = hash.map(|hash| hash.finalize().into());
    if let (Some(expected), Some(found)) = (expected, sha256)
        && expected.bytes != found
    {
        return Err(DownloadError::Digest { expected: expected.clone(), found: found.to_vec() }.into());
    }
    let counts = stream.counts();
    Ok(Summary {
        path: None,
        len: stream.position(),
        fetched: counts.fetched,
        resumed: 0,
        elapsed: began.elapsed(),
        integrity: sha256.map_or_else(|| stream.integrity(), |_| Integrity::Digest),
        opens: counts.opens,
        retries: counts.retries,
        refusals: 0,
        already_complete: false,
        sha256,
        media: None,
    })
}

/// What counts is what is in the output.
fn progress(stream: &OrderedStream, began: Instant) -> Progress {
    let mut progress = Progress::default();
    if let Some(info) = stream.info() {
        (progress.total, progress.stage) = (info.extent.known(), Stage::Receiving);
    }
    progress.received = stream.position();
    progress.rate = (progress.received as f64 / began.elapsed().as_secs_f64().max(0.001)) as u64;
    progress.workers = stream.workers();
    progress
}

/// The same words as for a download into a file.
fn failure(error: io::Error) -> DownloadError {
    match error.downcast() {
        Ok(ReadError::Source(error)) => DownloadError::Source(error),
        Ok(ReadError::GaveUp { patience, last }) => DownloadError::GaveUp { patience, last },
        Ok(ReadError::Changed { reason }) => DownloadError::Changed { reason },
        Ok(error) => DownloadError::Source(SourceError::new(ErrorClass::Permanent, Phase::Body, error.to_string())),
        Err(error) => DownloadError::Interrupted(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
