//! A file in order, into a pipe: one connection, no state on a disk, and after a failure on from where it was.

use std::num::NonZeroU64;
use std::time::Duration;

use bytes::BytesMut;
use segfetch::source::{
    Digest, ErrorClass, OpenRequest, Phase, RangeSource, Sameness, SourceContext, SourceError, SourceInfo, Space, Step,
    Strength, Validator,
};
use segfetch::{DownloadError, Event, Integrity};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Bytes between two writes at most; more gains nothing, less costs system calls.
const BUFFER: usize = 256 << 10;
/// First and longest wait before a new attempt.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// Bytes of the output that are remembered, and fetched again by a new attempt to see that it goes on in the same file at the same place.
const TAIL: usize = 64 << 10;
/// How long a stream may bring nothing.
const SILENCE: Duration = Duration::from_secs(30);

/// How to stream.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// How long to go on without any progress.
    pub(crate) patience: Duration,
    /// Most bytes per second.
    pub(crate) rate: Option<NonZeroU64>,
    /// The SHA-256 that everything together must have.
    pub(crate) expected: Option<Digest>,
}

/// What was streamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Streamed {
    pub(crate) len: u64,
    pub(crate) opens: u32,
    pub(crate) retries: u32,
    pub(crate) integrity: Integrity,
    pub(crate) sha256: Option<[u8; 32]>,
}

/// Why a stream ended early.
#[derive(Debug, Error)]
pub(crate) enum StreamError {
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// The reader of the pipe went away, or the disk behind it is full.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] std::io::Error),
}

/// What is told while it runs.
pub(crate) enum News<'a> {
    /// The server said what the file is.
    Probed(&'a SourceInfo),
    /// So many bytes are in the output.
    At(u64),
    /// Something failed and is tried again.
    Event(Event),
}

/// How one attempt failed.
enum Attempt {
    /// Another one may bring more.
    Again(SourceError),
    Over(StreamError),
}

impl<E: Into<StreamError>> From<E> for Attempt {
    fn from(error: E) -> Self {
        Self::Over(error.into())
    }
}

impl From<SourceError> for Attempt {
    fn from(error: SourceError) -> Self {
        match error.class() {
            ErrorClass::Transient | ErrorClass::Throttled { .. } | ErrorClass::Unknown => Self::Again(error),
            ErrorClass::Changed => DownloadError::Changed { reason: error.to_string() }.into(),
            _ => DownloadError::Source(error).into(),
        }
    }
}

/// Copies the whole file of `source` to `out`, in order.
///
/// # Errors
/// [`StreamError`]; what was written stays written.
pub(crate) async fn copy(
    source: &dyn RangeSource,
    out: &mut (impl AsyncWrite + Unpin),
    options: &Options,
    mut tell: impl FnMut(News<'_>),
) -> Result<Streamed, StreamError> {
    let mut stream = Stream {
        at: 0,
        tail: Vec::new(),
        identity: None,
        hash: options.expected.is_some().then(Sha256::new),
        pace: options.rate.map(|rate| Pace { rate, free_at: Instant::now() }),
        opens: 0,
    };
    let mut retries = 0;
    let (mut backoff, mut deadline) = (BACKOFF.0, Instant::now() + options.patience);
    let mut last: Option<SourceError> = None;
    loop {
        let before = stream.at;
        let error = match stream.attempt(source, out, &mut tell).await {
            Ok(()) => break,
            Err(Attempt::Over(error)) => return Err(error),
            Err(Attempt::Again(error)) => error,
        };
        if stream.at > before {
            (backoff, deadline, last) = (BACKOFF.0, Instant::now() + options.patience, None);
        }
        let certain =
            error.class() == ErrorClass::Unknown && last.as_ref().is_some_and(|last| error.is_repeat_of(last));
        if certain {
            return Err(DownloadError::Source(error).into());
        }
        let pause = match error.class() {
            ErrorClass::Throttled { retry_after: Some(asked), .. } => asked.max(backoff),
            _ => backoff,
        };
        if Instant::now() + pause > deadline {
            return Err(DownloadError::GaveUp { patience: options.patience, last: Box::new(error) }.into());
        }
        retries += 1;
        let (class, phase, message) = (error.class(), error.phase(), error.to_string());
        tell(News::Event(Event::Retry { worker: 0, class, phase, message }));
        last = Some(error);
        sleep(pause).await;
        backoff = (backoff * 2).min(BACKOFF.1);
    }
    out.flush().await.map_err(StreamError::Output)?;
    stream.judge(options.expected.as_ref(), retries)
}

/// What lasts longer than one attempt.
struct Stream {
    /// Bytes in the output.
    at: u64,
    /// The last ones of them, at most [`TAIL`].
    tail: Vec<u8>,
    /// What the file was when it began.
    identity: Option<Validator>,
    hash: Option<Sha256>,
    pace: Option<Pace>,
    opens: u32,
}

impl Stream {
    /// Opens a stream at the end of what is in the output, and copies until it ends.
    async fn attempt(
        &mut self,
        source: &dyn RangeSource,
        out: &mut (impl AsyncWrite + Unpin),
        tell: &mut impl FnMut(News<'_>),
    ) -> Result<(), Attempt> {
        let cx = SourceContext::new();
        let info = source.probe(&cx).await?;
        let first = self.identity.is_none();
        self.check(source, &info.validator)?;
        if first {
            tell(News::Probed(&info));
        }
        let from = self.at - self.tail.len() as u64;
        let request = |start| OpenRequest::from(start).expecting(info.validator.clone());
        let mut reader = match source.open(&cx, request(from)).await {
            Err(error) if error.class() == ErrorClass::RangeNotSupported && from > 0 => {
                source.open(&cx, request(0)).await?
            }
            opened => opened?,
        };
        self.opens += 1;
        let opened = reader.opened();
        if let Some(validator) = &opened.validator {
            self.check(source, validator)?;
        }
        let total = info.extent.known().or(opened.extent.known());
        let mut position = opened.start;
        if position > from {
            return Err(broken("the server began behind the place that it was asked for").into());
        }
        let mut buffer = BytesMut::with_capacity(BUFFER);
        loop {
            buffer.clear();
            let max = self.pace.as_ref().map_or(BUFFER, Pace::piece);
            let mut space = Space::new(&mut buffer, max);
            match timeout(SILENCE, reader.read(&mut space)).await.map_err(|_| silent())?? {
                Step::Bytes(_) => {}
                Step::Skip(_) => return Err(broken("the stream has a hole, and a pipe cannot have one").into()),
                Step::End => break,
            }
            let known = usize::try_from(self.at - position).unwrap_or(usize::MAX).min(buffer.len());
            let (old, new) = buffer.split_at(known);
            self.compare(position, old)?;
            position += buffer.len() as u64;
            if !new.is_empty() {
                out.write_all(new).await.map_err(StreamError::Output)?;
                self.keep(new);
                tell(News::At(self.at));
            }
            if let Some(pace) = &mut self.pace {
                pace.spend(buffer.len()).await;
            }
        }
        reader.stop().await;
        match total {
            Some(announced) if announced != self.at => {
                Err(DownloadError::WrongLength { announced, actual: self.at }.into())
            }
            _ => Ok(()),
        }
    }

    /// Compares with what the file was at the beginning.
    fn check(&mut self, source: &dyn RangeSource, now: &Validator) -> Result<(), DownloadError> {
        let then = self.identity.get_or_insert_with(|| now.clone());
        match source.compare(then, now) {
            Sameness::Different => {
                Err(DownloadError::Changed { reason: "the server describes another file than at the beginning".into() })
            }
            _ => Ok(()),
        }
    }

    /// Compares bytes that came again with those that are in the output, as far as they are remembered.
    fn compare(&self, position: u64, again: &[u8]) -> Result<(), DownloadError> {
        let start = self.at - self.tail.len() as u64;
        let forgotten = usize::try_from(start.saturating_sub(position)).unwrap_or(usize::MAX).min(again.len());
        let again = &again[forgotten..];
        let first = usize::try_from((position + forgotten as u64).saturating_sub(start)).unwrap_or(usize::MAX);
        match self.tail.get(first..).is_some_and(|tail| tail.starts_with(again)) || again.is_empty() {
            true => Ok(()),
            false => Err(DownloadError::Changed { reason: "bytes that were fetched twice differ".into() }),
        }
    }

    /// Notes what has gone to the output.
    fn keep(&mut self, new: &[u8]) {
        self.at += new.len() as u64;
        self.tail.extend_from_slice(new);
        let surplus = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..surplus);
        if let Some(hash) = &mut self.hash {
            hash.update(new);
        }
    }

    fn judge(self, expected: Option<&Digest>, retries: u32) -> Result<Streamed, StreamError> {
        let sha256: Option<[u8; 32]> = self.hash.map(|hash| hash.finalize().into());
        if let (Some(expected), Some(found)) = (expected, sha256)
            && expected.bytes != found
        {
            return Err(DownloadError::Digest { expected: expected.clone(), found: found.to_vec() }.into());
        }
        let strong = self.identity.is_some_and(|identity| identity.strength() == Strength::Strong);
        let integrity = match (sha256, strong, self.opens) {
            (Some(_), ..) => Integrity::Digest,
            (None, true, _) => Integrity::Validator,
            (None, false, 0 | 1) => Integrity::OneStream,
            _ => Integrity::Unverified,
        };
        Ok(Streamed { len: self.at, opens: self.opens, retries, integrity, sha256 })
    }
}

/// A source that breaks its contract will do so again.
fn broken(what: &'static str) -> DownloadError {
    DownloadError::Source(SourceError::new(ErrorClass::Permanent, Phase::Body, what))
}

fn silent() -> SourceError {
    SourceError::new(ErrorClass::Transient, Phase::Body, format!("nothing came for {} s", SILENCE.as_secs()))
}

/// Keeps to a rate: each piece is paid for before the next one is read.
struct Pace {
    rate: NonZeroU64,
    free_at: Instant,
}

impl Pace {
    /// A twentieth of a second's worth, so that a low rate is smooth.
    fn piece(&self) -> usize {
        usize::try_from(self.rate.get() / 20).unwrap_or(BUFFER).clamp(1, BUFFER)
    }

    async fn spend(&mut self, bytes: usize) {
        let price = Duration::from_secs_f64(bytes as f64 / self.rate.get() as f64);
        self.free_at = self.free_at.max(Instant::now()) + price;
        sleep_until(self.free_at).await;
    }
}

#[cfg(test)]
mod tests;
