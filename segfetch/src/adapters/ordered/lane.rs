//! One connection of an ordered stream.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

use bytes::BytesMut;
use segfetch_source::{
    Access, End, ErrorClass, OpenRequest, Phase, RangeReader, SourceError, SourceInfo, Space, Step, Strength,
};
use tokio::time::{Instant, sleep, sleep_until};

use super::super::ReadError;
use super::super::source;
use super::shared::{Carried, Shared, retry_of};
use super::window::{Claim, Segment};
use crate::engine::{Event, chain};

/// Most bytes of one read.
const PIECE: usize = 64 << 10;
/// How often a lane that waits looks whether the one that all wait for is stuck.
const LOOK: Duration = Duration::from_secs(1);
/// For so long after a stream had to wait for the limit of the rate, no other one begins.
const LIMITED: Duration = Duration::from_millis(500);

/// An open stream.
struct Stream {
    reader: Box<dyn RangeReader>,
    /// Its next byte.
    at: u64,
    /// Where it ends by itself.
    ends_at: Option<u64>,
    /// The first byte that is wanted of it.
    wanted: u64,
    /// What came before that one, as far as it is compared.
    again: Vec<u8>,
    _carried: Carried,
}

/// Why a lane stops, for a while or for good.
enum Trouble {
    Source(SourceError),
    Over(ReadError),
}

impl From<SourceError> for Trouble {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        Self::Over(error)
    }
}

impl Shared {
    /// Fetches segments until there is nothing more to fetch, or all has failed.
    pub(super) async fn run(self: Arc<Self>, lane: usize) {
        let mut stream = None;
        while self.claim(lane, &mut stream).await {
            let result = tokio::select! {
                biased;
                () = self.taken[lane].notified() => {
                    if self.segment(lane).is_none() {
                        stream = None;
                    }
                    Ok(())
                }
                result = self.fetch(lane, &mut stream) => result,
            };
            if let Err(trouble) = result {
                stream = None;
                match self.judge(lane, trouble) {
                    Some(until) => sleep_until(until).await,
                    None => break,
                }
            }
        }
        stop(&mut stream).await;
    }

    /// Waits for something to fetch; false if there is nothing any more.
    async fn claim(&self, lane: usize, stream: &mut Option<Stream>) -> bool {
        loop {
            let mut moved = pin!(self.moved.notified());
            moved.as_mut().enable();
            {
                let mut state = self.state();
                if state.failure.is_some() {
                    return false;
                }
                let now = Instant::now();
                let enough = state.limited_at.is_some_and(|at| now.saturating_duration_since(at) < LIMITED);
                match state.window.claim(lane, now, enough) {
                    Claim::Fetch => return true,
                    Claim::Instead { of } => {
                        self.taken[of].notify_one();
                        return true;
                    }
                    Claim::Over => return false,
                    Claim::Wait => {}
                }
            }
            tokio::select! {
                () = moved => {}
                () = sleep(LOOK) => {}
                () = lost(stream) => *stream = None,
            }
        }
    }

    /// Fetches the segment of the lane, or what is left of it to this lane.
    async fn fetch(self: &Arc<Self>, lane: usize, stream: &mut Option<Stream>) -> Result<(), Trouble> {
        let mut piece = BytesMut::with_capacity(PIECE);
        let info = self.info().await?;
        while let Some(segment) = self.segment(lane) {
            let open = match stream {
                Some(open) if open.at == segment.at || (open.at < segment.at && open.wanted == segment.at) => open,
                _ => {
                    stop(stream).await;
                    stream.insert(self.open(lane, segment, &info).await?)
                }
            };
            piece.clear();
            piece.reserve(PIECE);
            let most = usize::try_from(segment.end - open.at).unwrap_or(PIECE).min(PIECE);
            match self.read(open, &mut piece, most).await? {
                Step::Bytes(_) => {
                    self.fetched.fetch_add(piece.len() as u64, Ordering::Relaxed);
                    let new = open.pass(&piece, self.state().window.overlap());
                    if open.at >= open.wanted && !open.again.is_empty() {
                        self.state().window.came_twice(open.wanted, std::mem::take(&mut open.again));
                    }
                    if self.put(lane, open.at, new) {
                        self.confirm(stream).await?;
                    }
                }
                Step::Skip(n) => {
                    let (start, end) = (open.at, open.at.saturating_add(n.get()));
                    return Err(ReadError::Missing { start, end }.into());
                }
                Step::End => {
                    let (at, ends_at) = (open.at, open.ends_at);
                    *stream = None;
                    // A stream may have had an end of its own, before that of the file.
                    if ends_at != Some(at) {
                        self.end(segment.at, at)?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn read(&self, stream: &mut Stream, into: &mut BytesMut, most: usize) -> Result<Step, SourceError> {
        let asked = Instant::now();
        let mut granted = tokio::select! {
            biased;
            granted = self.settings.rate.grant(most) => granted,
            error = stream.reader.hold() => return Err(error),
        };
        let now = Instant::now();
        if now > asked + Duration::from_millis(1) {
            self.state().limited_at = Some(now);
        }
        let mut space = Space::new(into, granted.unused);
        let step = source::read(&mut *stream.reader, &mut space, self.silence()).await?;
        granted.unused = granted.unused.saturating_sub(into.len());
        Ok(step)
    }

    /// Takes what came before `end`, and says whether these were the last bytes of the file.
    fn put(&self, lane: usize, end: u64, new: &[u8]) -> bool {
        let mut state = self.state();
        if new.is_empty() || state.window.put(lane, new, Instant::now()) < new.len() {
            return false;
        }
        state.retry.progress();
        let known = &mut state.lanes[lane];
        known.failures = 0;
        if let Some((start, front)) = &mut known.stream {
            let first = start == front;
            *front = end;
            state.brought += u32::from(first);
        }
        let last = state.window.len() == Some(end);
        state.confirming |= last;
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        last
    }

    /// Waits for the peer to say that the last byte was the last. If it cannot say so, the bytes are all there nevertheless.
    async fn confirm(&self, stream: &mut Option<Stream>) -> Result<(), ReadError> {
        let Some(open) = stream else { return Ok(()) };
        let mut unexpected = BytesMut::with_capacity(1);
        let step = self.read(open, &mut unexpected, 1).await;
        let at = open.at;
        *stream = None;
        let reader = {
            let mut state = self.state();
            state.confirming = false;
            state.reader.take()
        };
        reader.into_iter().for_each(Waker::wake);
        match step {
            Ok(Step::Bytes(_)) => Err(ReadError::Changed { reason: format!("it goes on behind its end at {at}") }),
            _ => Ok(()),
        }
    }

    /// A stream has come to the end of the file at `at`, with bytes wanted from `wanted` on.
    fn end(&self, wanted: u64, at: u64) -> Result<(), ReadError> {
        let mut state = self.state();
        let ended = match at < wanted {
            true => Err(format!("it had {wanted} bytes and ends at {at}")),
            false => state.window.end_at(at),
        };
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        self.moved.notify_waiters();
        ended.map_err(|reason| ReadError::Changed { reason })
    }

    async fn open(self: &Arc<Self>, lane: usize, segment: Segment, info: &SourceInfo) -> Result<Stream, Trouble> {
        let cx = self.context();
        let (wanted, end) = (segment.at, segment.end);
        let overlap = match info.validator.strength() {
            Strength::Strong => 0,
            _ => self.state().window.overlap(),
        };
        let from = if info.access == Access::Random { wanted.saturating_sub(overlap) } else { 0 };
        let mut request = OpenRequest::from(from).expecting(info.validator.clone());
        if info.exact_ends && self.several.load(Ordering::Relaxed) {
            request = request.with_end(End::Exact(end));
        }
        let begun = Instant::now();
        self.opens.fetch_add(1, Ordering::Relaxed);
        let reader = match self.source.open(&cx, request).await {
            // Then it is passed over, in what is one stream.
            Err(error) if error.class() == ErrorClass::RangeNotSupported && lane == 0 && from > 0 => {
                self.opens.fetch_add(1, Ordering::Relaxed);
                self.source.open(&cx, OpenRequest::from(0).expecting(info.validator.clone())).await?
            }
            opened => opened?,
        };
        self.state().window.opening_took(begun.elapsed());
        let opened = reader.opened().clone();
        let (at, ends_at, again) = (opened.start, opened.ends_at, Vec::new());
        let stream = Stream { reader, at, ends_at, wanted, again, _carried: Carried::new(self, lane, wanted) };
        if opened.start > from {
            let text = format!("asked for byte {from}, the server began behind it, at {}", opened.start);
            return Err(SourceError::new(ErrorClass::Permanent, Phase::Open, text).into());
        }
        self.compare(info, opened.validator.as_ref(), opened.extent.known())?;
        // An answer that does not say of which file it is: the server is asked, unless it was just before.
        if opened.validator.is_none() && info.validator.strength() != Strength::None && wanted > 0 {
            let now = self.source.probe(&cx).await?;
            self.compare(info, Some(&now.validator), now.extent.known())?;
        }
        Ok(stream)
    }

    /// Gives back what the lane had, and says when it may try again, if it may.
    fn judge(&self, lane: usize, trouble: Trouble) -> Option<Instant> {
        let mut event = None;
        let mut state = self.state();
        state.window.give_back(lane);
        let outcome = match trouble {
            Trouble::Over(error) => Err(error),
            Trouble::Source(error) => match error.class() {
                ErrorClass::Throttled { retry_after, .. } => {
                    let (until, granted) = state.refused(lane, retry_after, Instant::now());
                    event = match granted {
                        Some(0) => Some(retry_of(lane, &error)),
                        granted => granted.map(|granted| Event::Throttled { granted, message: chain(&error) }),
                    };
                    Ok(Some(until))
                }
                // The first lane began at the beginning, and can go on.
                ErrorClass::RangeNotSupported if lane > 0 => Ok(None),
                _ => {
                    let retry = retry_of(lane, &error);
                    state.retry.failed(error).map(|until| {
                        self.retries.fetch_add(1, Ordering::Relaxed);
                        event = Some(retry);
                        // What others bring must not make this one ask again and again.
                        Some(until.max(Instant::now() + state.backoff(lane)))
                    })
                }
            },
        };
        let reader = state.reader.take();
        let until = outcome.unwrap_or_else(|error| {
            state.failure.get_or_insert(error);
            None
        });
        drop(state);
        event.into_iter().for_each(|event| self.tell(event));
        reader.into_iter().for_each(Waker::wake);
        self.moved.notify_waiters();
        until
    }
}

impl Stream {
    /// Passes over what comes before the first byte that is wanted, but for the last `overlap` bytes of it, and returns the rest.
    fn pass<'a>(&mut self, piece: &'a [u8], overlap: u64) -> &'a [u8] {
        let index = |at: u64| usize::try_from(at.saturating_sub(self.at)).unwrap_or(usize::MAX).min(piece.len());
        let (from, to) = (index(self.wanted.saturating_sub(overlap)), index(self.wanted));
        self.again.extend_from_slice(&piece[from..to]);
        self.at += piece.len() as u64;
        &piece[to..]
    }
}

async fn stop(stream: &mut Option<Stream>) {
    if let Some(stream) = stream.take() {
        stream.reader.stop().await;
    }
}

/// Resolves when the session of a stream that nobody reads is lost.
async fn lost(stream: &mut Option<Stream>) {
    match stream {
        Some(stream) => drop(stream.reader.hold().await),
        None => std::future::pending().await,
    }
}
