//! One stream of a job, driven one step at a time.
//!
//! A step is a future that owns the stream and gives it back, so that the one task of a job can wait for all its streams at
//! once and decide between any two steps of any of them. Dropping a step drops its stream, which ends it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use segfetch_source::{
    End, ErrorClass, OpenRequest, Opened, Phase, RangeReader, RangeSource, SourceContext, SourceError, Space, Step,
    Validator,
};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::buffers::{BUFFER_LEN, Buffer, Buffers};
use super::rate::{Grant, RateLimit};
use super::sleep_until;
use crate::plan::Next;

/// A buffer is held at most this long before it is written, or, if nothing came, given back: a received byte does not wait
/// longer in memory for more to come, nor other streams for one that brings nothing.
const FLUSH_AFTER: Duration = Duration::from_millis(500);
/// How often it is told that a stream brings nothing.
const QUIET: Duration = Duration::from_millis(500);
/// A server that starts further before the asked byte than this costs more than it brings. A lead that is longer, because the
/// server can start at the beginning only, is given away in pieces of this length.
const LONGEST_LEAD: u64 = 1 << 20;
/// A lead grows by at most this much at a time.
const LEAD_PIECE: usize = 64 << 10;

/// What every step of a job needs.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) buffers: Buffers,
    pub(crate) job_rate: std::sync::Arc<RateLimit>,
    pub(crate) engine_rate: std::sync::Arc<RateLimit>,
    /// How long a stream may bring nothing while it is read.
    pub(crate) silence: Duration,
}

/// An open stream and what it has received and not yet given away.
pub(crate) struct Stream {
    reader: Box<dyn RangeReader>,
    /// Bytes to keep, and where the first one belongs.
    buffer: Option<(u64, Buffer)>,
    /// Bytes in front of the first wanted one, and where the first one belongs.
    lead: Option<(u64, BytesMut)>,
    /// Since when there is a buffer.
    held_since: Option<Instant>,
    /// How long reads have been pending since the last one that brought something.
    silent_for: Duration,
}

/// What a step brought.
pub(crate) enum Outcome {
    /// So many bytes, now in the buffer or in the lead.
    Bytes(u64),
    /// So many bytes will not come.
    Skip(u64),
    /// The peer confirmed the end.
    End,
    /// Nothing new: the buffer is full, or old, or the stream was interrupted.
    Nothing,
    /// Nothing new, and reads have been pending for so long since the last byte.
    Silent(Duration),
    /// The stream is of no more use.
    Failed(SourceError),
}

/// Opens a stream that is to bring bytes from `start` on, and that begins up to `overlap` bytes earlier.
pub(crate) async fn open(
    source: &dyn RangeSource,
    cx: &SourceContext,
    start: u64,
    overlap: u64,
    end: End,
    expect: Option<Validator>,
) -> Result<(Stream, Opened), SourceError> {
    let mut request = OpenRequest::from(start.saturating_sub(overlap)).with_end(end);
    request.expect = expect;
    let reader = source.open(cx, request).await?;
    let opened = reader.opened().clone();
    if opened.start > start || start - opened.start > LONGEST_LEAD {
        let text = format!("asked for byte {start} and the server starts at {}", opened.start);
        return Err(SourceError::new(ErrorClass::RangeNotSupported, Phase::Open, text));
    }
    Ok((Stream { reader, buffer: None, lead: None, held_since: None, silent_for: Duration::ZERO }, opened))
}

impl Stream {
    /// One step towards what is `next`. Resolves at once with [`Outcome::Nothing`] when `interrupt` is notified.
    pub(crate) async fn step(&mut self, shared: &Shared, next: Next, interrupt: &Notify) -> Outcome {
        let result = tokio::select! {
            biased;
            () = interrupt.notified() => Ok(Outcome::Nothing),
            result = async {
                match next {
                    Next::Keep { at, units } => self.keep(shared, at, units).await,
                    Next::Pass { at, units } => self.pass(shared, at, units).await,
                    Next::Confirm => self.confirm(shared).await,
                    Next::Nothing => Err(self.reader.hold().await),
                }
            } => result,
        };
        let outcome = match result {
            Ok(Outcome::Nothing) if self.silent_for >= QUIET => Outcome::Silent(self.silent_for),
            result => result.unwrap_or_else(Outcome::Failed),
        };
        if let (Next::Keep { at, .. }, false) = (next, matches!(outcome, Outcome::Bytes(_))) {
            // A read that failed, or was dropped, has put nothing. Whatever is there nevertheless, nobody has asked for.
            self.cut_to(at);
        }
        outcome
    }

    /// Fills the buffer.
    async fn keep(&mut self, shared: &Shared, at: u64, units: u64) -> Result<Outcome, SourceError> {
        if self.buffer.is_none() {
            let buffer = held(&mut *self.reader, shared.buffers.acquire()).await?;
            self.buffer = Some((at, buffer));
            self.held_since = Some(Instant::now());
        }
        let Some((offset, buffer)) = &mut self.buffer else { return Ok(Outcome::Nothing) };
        let room = room(*offset, buffer.bytes.len(), at);
        if room == 0 {
            return Ok(Outcome::Nothing);
        }
        let want = usize::try_from(units).unwrap_or(usize::MAX).min(room);
        let flush_at = self.held_since.map(|since| since + FLUSH_AFTER);
        tokio::select! {
            biased;
            outcome = receive(&mut *self.reader, &mut self.silent_for, shared, &mut buffer.bytes, want) => outcome,
            () = sleep_until(flush_at) => Ok(Outcome::Nothing),
        }
    }

    /// Receives bytes that lie before the wanted ones.
    async fn pass(&mut self, shared: &Shared, at: u64, units: u64) -> Result<Outcome, SourceError> {
        let (_, lead) = self.lead.get_or_insert_with(|| (at, BytesMut::new()));
        let room = LONGEST_LEAD.saturating_sub(lead.len() as u64);
        let want = usize::try_from(units.min(room)).unwrap_or(usize::MAX).min(LEAD_PIECE);
        lead.reserve(want);
        let outcome = receive(&mut *self.reader, &mut self.silent_for, shared, lead, want).await?;
        if let Outcome::Skip(_) = outcome {
            self.lead = None;
        }
        Ok(outcome)
    }

    /// Waits for the peer to say that this was all.
    async fn confirm(&mut self, shared: &Shared) -> Result<Outcome, SourceError> {
        let mut unexpected = BytesMut::with_capacity(1);
        receive(&mut *self.reader, &mut self.silent_for, shared, &mut unexpected, 1).await
    }

    /// Forgets what was received at or behind `end`: another stream brings it.
    pub(crate) fn cut_to(&mut self, end: u64) {
        if let Some((offset, buffer)) = &mut self.buffer {
            let keep = usize::try_from(end.saturating_sub(*offset)).unwrap_or(usize::MAX);
            buffer.bytes.truncate(keep);
        }
    }

    /// Whether the buffer should be written now, `next` being what is wanted of the stream.
    pub(crate) fn is_due(&self, next: Next) -> bool {
        let Some((offset, buffer)) = &self.buffer else { return false };
        let continues = match next {
            Next::Keep { at, .. } => room(*offset, buffer.bytes.len(), at) > 0,
            _ => false,
        };
        !continues || self.held_since.is_some_and(|since| since.elapsed() >= FLUSH_AFTER)
    }

    /// Takes the buffer with its offset, if it holds anything.
    pub(crate) fn take_buffer(&mut self) -> Option<(u64, Buffer)> {
        self.held_since = None;
        self.buffer.take().filter(|(_, buffer)| !buffer.bytes.is_empty())
    }

    /// Takes the bytes that came before the wanted ones, with their offset; while `more` follow, only if they are many.
    pub(crate) fn take_lead(&mut self, more: bool) -> Option<(u64, Bytes)> {
        if more && self.lead.as_ref().is_none_or(|(_, lead)| (lead.len() as u64) < LONGEST_LEAD) {
            return None;
        }
        self.lead.take().filter(|(_, lead)| !lead.is_empty()).map(|(offset, lead)| (offset, lead.freeze()))
    }

    /// Ends the stream, giving its session back if that is possible.
    pub(crate) async fn stop(self) {
        self.reader.stop().await;
    }
}

/// Bytes that the buffer takes if the next one belongs at `at`: up to the next multiple of the buffer length, so that writes
/// are aligned after the first; none if it would leave a hole.
fn room(offset: u64, filled: usize, at: u64) -> usize {
    let filled_to = offset + filled as u64;
    if filled_to != at {
        return 0;
    }
    let len = BUFFER_LEN as u64;
    let full_at = (offset / len + 1).saturating_mul(len);
    usize::try_from(full_at.saturating_sub(filled_to)).unwrap_or(usize::MAX)
}

/// One read of at most `want` bytes, as soon as the rate limits allow it.
async fn receive(
    reader: &mut dyn RangeReader,
    silent_for: &mut Duration,
    shared: &Shared,
    into: &mut BytesMut,
    want: usize,
) -> Result<Outcome, SourceError> {
    let mut granted = held(reader, shared.grant(want)).await?;
    let before = into.len();
    let mut space = Space::new(into, granted[0].unused);
    // Only a pending read counts as silence; waiting for a buffer or for the rate limit does not.
    let patience = shared.silence.saturating_sub(*silent_for);
    let silence = Silence { silent_for, since: Instant::now() };
    let step = match tokio::time::timeout(patience.min(QUIET), reader.read(&mut space)).await {
        Ok(step) => step?,
        Err(_) if patience > QUIET => return Ok(Outcome::Nothing),
        Err(_) => return Err(shared.silent()),
    };
    silence.end();
    let put = into.len() - before;
    for grant in &mut granted {
        grant.unused = grant.unused.saturating_sub(put);
    }
    match step {
        Step::Bytes(n) if n.get() == put => Ok(Outcome::Bytes(put as u64)),
        Step::Bytes(n) => {
            let text = format!("the source says that it delivered {n} bytes and delivered {put}");
            Err(SourceError::new(ErrorClass::Permanent, Phase::Body, text))
        }
        Step::Skip(n) => Ok(Outcome::Skip(n.get())),
        Step::End => Ok(Outcome::End),
    }
}

/// Waits for `wanted` while the session is kept alive.
async fn held<T>(reader: &mut dyn RangeReader, wanted: impl Future<Output = T>) -> Result<T, SourceError> {
    tokio::select! {
        biased;
        got = wanted => Ok(got),
        error = reader.hold() => Err(error),
    }
}

impl Shared {
    /// The same number of bytes from both limits. The one of the job comes first: who waits for it keeps nothing from others.
    async fn grant(&self, want: usize) -> [Grant<'_>; 2] {
        let mut job = self.job_rate.grant(want).await;
        let engine = self.engine_rate.grant(job.unused).await;
        job.shrink(engine.unused);
        [job, engine]
    }

    fn silent(&self) -> SourceError {
        let text = format!("no byte for {} s", self.silence.as_secs_f32());
        SourceError::new(ErrorClass::Transient, Phase::Body, text)
    }
}

/// Counts how long a read is pending, also when it is dropped.
struct Silence<'a> {
    silent_for: &'a mut Duration,
    since: Instant,
}

impl Silence<'_> {
    /// The read brought something.
    fn end(mut self) {
        *self.silent_for = Duration::ZERO;
        self.since = Instant::now();
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        *self.silent_for += self.since.elapsed();
    }
}
