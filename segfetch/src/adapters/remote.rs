//! A remote file as a local one: read at any place, nothing fetched that is not read, or little.

mod blocks;
mod link;

use std::fmt;
use std::future::Future;
use std::io::{self, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use segfetch_source::{Access, ErrorClass, OpenRequest, Opened, Phase, RangeSource, SourceError, SourceInfo, Strength};
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tokio::time::Instant;

use self::blocks::{BLOCK, Blocks};
use self::link::{Done, Link, PIECE, Task};
use super::retry::Retry;
use super::source::compare;
use super::{ReadCounts, ReadError};

/// A forward seek of up to this many bytes is always read through: so much is on the way already, as a rule.
const ON_THE_WAY: u64 = 256 << 10;
/// A forward seek of more than this many bytes is never read through.
const READ_THROUGH_MOST: u64 = 4 << 20;
/// A stream that is wanted for the last bytes of the file begins this much before the end: who reads there is looking for a
/// directory, and goes backwards.
const TAIL: u64 = 256 << 10;

/// A remote file that is read in place: `AsyncRead + AsyncSeek` over a source with random access.
///
/// Made for libraries that read a little here and a little there: a directory of a zip and one member of it, the index of a
/// video and the part that is watched.
///
/// * Nothing is asked of the server before the first read or the first seek from the end; then the file is probed, and a
///   stream is opened where it is read.
/// * Reading on goes on with the stream. A short seek forward reads through what is on the way: 256 KiB, or as much as arrives
///   in the time that the last opening took, up to 4 MiB. Any other seek to bytes that are not in memory opens a new stream,
///   after the old one was stopped; there is never more than one.
/// * What was read last stays in memory, 2 MiB unless said otherwise, in blocks of 256 KiB. A stream for the last 256 KiB of the
///   file starts at their beginning. So a reader that looks for the end of a zip, and then for the directory before it, needs
///   one stream.
/// * At every opening the file is compared with what it was at first. If it is another one, reading fails with
///   [`ReadError::Changed`], then and ever after: bytes of two versions never mix. Where the server gives nothing to recognise
///   the file by, lengths are compared, and bytes that come twice.
/// * A stream that fails, or brings nothing for as long as [`silence`](Self::silence) says, is replaced at the same place, after
///   growing pauses, for as long as [`patience`](Self::patience) says.
///
/// It has no task of its own: between reads nothing happens, and a server may lose patience with a stream that is not read; that
/// is a failure like another and mended in the same way. Every call may be dropped. Dropping the file ends its stream.
///
/// A source that serves only from the start can be read forwards.
///
/// ```no_run
/// # async fn example(source: impl segfetch::source::RangeSource) -> std::io::Result<()> {
/// use segfetch::adapters::RemoteFile;
/// use std::io::SeekFrom;
/// use tokio::io::{AsyncReadExt, AsyncSeekExt};
///
/// let mut file = RemoteFile::new(source);
/// // The record at the end of a zip, without a comment.
/// file.seek(SeekFrom::End(-22)).await?;
/// let mut record = [0; 22];
/// file.read_exact(&mut record).await?;
/// let directory = u32::from_le_bytes([record[16], record[17], record[18], record[19]]);
/// file.seek(SeekFrom::Start(directory.into())).await?;
/// println!("{:?}", file.counts());
/// # Ok(())
/// # }
/// ```
pub struct RemoteFile {
    source: Arc<dyn RangeSource>,
    silence: Duration,
    position: u64,
    /// A seek from the end that waits for the length.
    seeking: Option<i64>,
    blocks: Blocks,
    info: Option<SourceInfo>,
    /// The length, once it is known.
    len: Option<u64>,
    stream: Option<Stream>,
    /// Made when it is first needed, and again after a step was given up; away while a step runs.
    link: Option<Box<Link>>,
    step: Option<(Task, Pin<Box<Step>>)>,
    retry: Retry,
    /// No step before this.
    rest_until: Option<Instant>,
    /// The answer to the last open did not say which file it is of: ask.
    unproven: bool,
    /// The last word about a file that is another one.
    changed: Option<String>,
    /// Bytes that the source does not have, as it said last.
    hole: Option<Range<u64>>,
    counts: ReadCounts,
}

/// The stream that is open.
#[derive(Clone, Copy, Debug)]
struct Stream {
    /// What was asked for.
    asked: u64,
    /// Its next byte.
    at: u64,
    /// Where it ends by itself.
    ends_at: Option<u64>,
    since: Instant,
    opening_took: Duration,
    received: u64,
    /// When the last of them came.
    last: Instant,
}

type Step = dyn Future<Output = (Box<Link>, Result<Done, SourceError>)> + Send;

impl RemoteFile {
    /// A file that has not been looked at, at its beginning.
    pub fn new(source: impl RangeSource) -> Self {
        Self {
            source: Arc::new(source),
            silence: Duration::from_secs(30),
            link: None,
            step: None,
            position: 0,
            seeking: None,
            blocks: Blocks::new(8 * BLOCK),
            info: None,
            len: None,
            stream: None,
            retry: Retry::new(Duration::from_secs(60)),
            rest_until: None,
            unproven: false,
            changed: None,
            hole: None,
            counts: ReadCounts::default(),
        }
    }

    /// The same with another bound of memory in bytes, in steps of 256 KiB and at least one; 2 MiB unless said otherwise.
    #[must_use]
    pub fn cache(mut self, bytes: usize) -> Self {
        self.blocks = Blocks::new(bytes);
        self
    }

    /// The same with another time that a stream may bring nothing before it is replaced; 30 s unless said otherwise.
    #[must_use]
    pub fn silence(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }

    /// The same with another time that may pass without any progress before a read fails; one minute unless said otherwise.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.retry = Retry::new(patience);
        self
    }

    /// What the server says of the file; asks it if that was not done yet.
    ///
    /// # Errors
    /// As a read: a [`std::io::Error`] with a [`ReadError`] inside.
    pub async fn info(&mut self) -> io::Result<&SourceInfo> {
        std::future::poll_fn(|cx| self.poll_info(cx)).await?;
        self.info.as_ref().ok_or_else(|| ReadError::UnknownLength.into())
    }

    /// The next byte that is read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// What it has cost so far.
    pub fn counts(&self) -> ReadCounts {
        self.counts
    }

    fn poll_info(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        while self.info.is_none() {
            ready!(self.poll_step(cx, 0))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_seek(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(offset) = self.seeking {
            ready!(self.poll_info(cx))?;
            self.seeking = None;
            let len = self.len.ok_or(ReadError::UnknownLength)?;
            self.position = add(len, offset)?;
        }
        Poll::Ready(Ok(()))
    }

    /// One step towards the byte at `wanted`, which is not in memory.
    fn poll_step(&mut self, cx: &mut Context<'_>, wanted: u64) -> Poll<Result<(), ReadError>> {
        if let Some(reason) = &self.changed {
            return Poll::Ready(Err(ReadError::Changed { reason: reason.clone() }));
        }
        if self.step.as_ref().is_some_and(|(task, _)| self.is_useless(task, wanted)) {
            // The stream, if there is one, goes with it.
            self.step = None;
            self.stream = None;
        }
        let (task, mut step) = match self.step.take() {
            Some(step) => step,
            None => {
                let task = self.task(wanted)?;
                self.counts.opens += u32::from(matches!(task, Task::Open(_)));
                let link = self.link.take().unwrap_or_else(|| Link::new(Arc::clone(&self.source), self.silence));
                let step: Pin<Box<Step>> = Box::pin(link.perform(task.clone(), self.retry.attempts()));
                (task, step)
            }
        };
        let Poll::Ready((mut link, result)) = step.as_mut().poll(cx) else {
            self.step = Some((task, step));
            return Poll::Pending;
        };
        let outcome = match result {
            Ok(done) => self.took(&link.piece, &task, done, wanted),
            Err(error) => self.failed(error),
        };
        if outcome.is_err() {
            link.drop_stream();
            self.stream = None;
        }
        self.link = Some(link);
        if let Err(ReadError::Changed { reason }) = &outcome {
            self.changed = Some(reason.clone());
        }
        Poll::Ready(outcome)
    }

    /// What brings the byte at `wanted` nearer.
    fn task(&mut self, wanted: u64) -> Result<Task, ReadError> {
        if let Some(until) = self.rest_until {
            return Ok(Task::Pause(until));
        }
        let Some(info) = self.info.as_ref().filter(|_| !self.unproven) else { return Ok(Task::Probe) };
        if let Some(stream) = &self.stream
            && self.reaches(stream, wanted)
        {
            let left = self.len.map_or(u64::MAX, |len| len.saturating_sub(stream.at));
            return Ok(Task::Read(usize::try_from(left).unwrap_or(PIECE).min(PIECE)));
        }
        if info.access != Access::Random && wanted > 0 {
            let text = format!("the server can only send the file from its beginning, and not from byte {wanted}");
            return Err(ReadError::Source(SourceError::new(ErrorClass::RangeNotSupported, Phase::Open, text)));
        }
        let start = match self.len {
            // After a failure every byte counts: the next stream may not come further than the last one.
            Some(len) if self.retry.attempts() == 0 => wanted.min(len.saturating_sub(TAIL)),
            _ => wanted,
        };
        Ok(Task::Open(OpenRequest::from(start).expecting(info.validator.clone())))
    }

    /// Whether it is cheaper to read on to `wanted` than to open a stream there.
    fn reaches(&self, stream: &Stream, wanted: u64) -> bool {
        let only_forwards = self.info.as_ref().is_some_and(|info| info.access != Access::Random);
        wanted.checked_sub(stream.at).is_some_and(|gap| {
            only_forwards || wanted <= stream.asked.saturating_add(TAIL) || gap <= stream.worth_reading_through()
        })
    }

    /// Whether a step that is under way leads nowhere near `wanted`, so that it is not worth waiting for.
    fn is_useless(&self, task: &Task, wanted: u64) -> bool {
        match task {
            Task::Probe | Task::Pause(_) => false,
            Task::Open(request) => !(request.start..=request.start.saturating_add(TAIL)).contains(&wanted),
            Task::Read(_) => !self.stream.as_ref().is_some_and(|stream| self.reaches(stream, wanted)),
        }
    }

    fn took(&mut self, piece: &[u8], task: &Task, done: Done, wanted: u64) -> Result<(), ReadError> {
        match done {
            Done::Paused => {
                self.rest_until = None;
                self.stream = None;
            }
            Done::Probed(info) => {
                if let Some(before) = &self.info {
                    compare(&*self.source, (before, self.len), (Some(&info.validator), info.extent.known()))?;
                }
                self.unproven = false;
                self.len = info.extent.known().or(self.len);
                self.info = Some(info);
            }
            Done::Opened(opened, opening_took) => self.opened(task, &opened, opening_took)?,
            Done::Bytes => self.received(piece, wanted)?,
            Done::Skipped(n) => {
                let Some(stream) = &mut self.stream else { return Ok(()) };
                let hole = stream.at..stream.at.saturating_add(n);
                stream.at = hole.end;
                self.hole = Some(hole);
            }
            Done::End => {
                let Some(stream) = self.stream.take() else { return Ok(()) };
                if stream.ends_at == Some(stream.at) && self.len != Some(stream.at) {
                    return Ok(());
                }
                let len = *self.len.get_or_insert(stream.at);
                if len != stream.at {
                    let reason = format!("it had {len} bytes and ends at {}", stream.at);
                    return Err(ReadError::Changed { reason });
                }
            }
        }
        match &self.hole {
            Some(hole) if hole.contains(&wanted) => Err(ReadError::Missing { start: hole.start, end: hole.end }),
            _ => Ok(()),
        }
    }

    fn opened(&mut self, task: &Task, opened: &Opened, opening_took: Duration) -> Result<(), ReadError> {
        let Task::Open(OpenRequest { start: asked, .. }) = *task else { return Ok(()) };
        let broken = |class, text| Err(ReadError::Source(SourceError::new(class, Phase::Open, text)));
        if opened.start > asked {
            let text = format!("asked for byte {asked}, the server began behind it, at {}", opened.start);
            return broken(ErrorClass::Permanent, text);
        }
        if asked - opened.start > READ_THROUGH_MOST {
            let text = format!("asked for byte {asked}, the server began at {}", opened.start);
            return broken(ErrorClass::RangeNotSupported, text);
        }
        if let Some(info) = &self.info {
            compare(&*self.source, (info, self.len), (opened.validator.as_ref(), opened.extent.known()))?;
            let first = self.counts.opens == 1;
            self.unproven = opened.validator.is_none() && info.validator.strength() != Strength::None && !first;
        }
        self.len = self.len.or(opened.extent.known());
        let now = Instant::now();
        self.stream = Some(Stream {
            asked,
            at: opened.start,
            ends_at: opened.ends_at,
            since: now,
            opening_took,
            received: 0,
            last: now,
        });
        Ok(())
    }

    fn received(&mut self, piece: &[u8], wanted: u64) -> Result<(), ReadError> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        let at = stream.at;
        let n = piece.len() as u64;
        stream.at += n;
        stream.received += n;
        stream.last = Instant::now();
        self.counts.fetched += n;
        if at + n > wanted {
            self.retry.progress();
        }
        self.blocks.put(at, piece).map_err(|range| ReadError::Changed {
            reason: format!("bytes {} to {} came twice and differ", range.start, range.end),
        })
    }

    fn failed(&mut self, error: SourceError) -> Result<(), ReadError> {
        self.stream = None;
        self.rest_until = Some(self.retry.failed(error)?);
        self.counts.retries += 1;
        Ok(())
    }
}

impl Stream {
    /// Bytes that arrive in the time that opening takes, at the rate so far.
    fn worth_reading_through(&self) -> u64 {
        let took = (self.last - self.since).as_secs_f64();
        let worth = if took > 0.0 { self.received as f64 / took * self.opening_took.as_secs_f64() } else { 0.0 };
        (worth as u64).clamp(ON_THE_WAY, READ_THROUGH_MOST)
    }
}

impl AsyncRead for RemoteFile {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_seek(cx))?;
        loop {
            if let Some(bytes) = this.blocks.get(this.position) {
                let n = bytes.len().min(buf.remaining());
                buf.put_slice(&bytes[..n]);
                this.position += n as u64;
                return Poll::Ready(Ok(()));
            }
            if buf.remaining() == 0 || this.len.is_some_and(|len| this.position >= len) {
                return Poll::Ready(Ok(()));
            }
            ready!(this.poll_step(cx, this.position))?;
        }
    }
}

impl AsyncSeek for RemoteFile {
    fn start_seek(self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        let this = self.get_mut();
        this.seeking = None;
        match to {
            SeekFrom::Start(position) => this.position = position,
            SeekFrom::Current(offset) => this.position = add(this.position, offset)?,
            SeekFrom::End(offset) => this.seeking = Some(offset),
        }
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let this = self.get_mut();
        ready!(this.poll_seek(cx))?;
        Poll::Ready(Ok(this.position))
    }
}

/// A position from another one. Behind the end is no error, before the beginning is.
fn add(position: u64, offset: i64) -> io::Result<u64> {
    let outside = || io::Error::new(io::ErrorKind::InvalidInput, "a seek to before the beginning of the file");
    position.checked_add_signed(offset).ok_or_else(outside)
}

impl fmt::Debug for RemoteFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteFile")
            .field("source", &self.source)
            .field("position", &self.position)
            .field("len", &self.len)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}
