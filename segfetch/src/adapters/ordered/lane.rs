//! One connection of an ordered stream.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use bytes::BytesMut;
use segfetch_source::{
    Access, End, ErrorClass, OpenRequest, Phase, RangeReader, RangeSource, SourceContext, SourceError, SourceInfo,
    Space, Step, Strength, Validator,
};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::super::ReadError;
use super::super::retry::Retry;
use super::super::source;
use super::window::{Claim, Segment, Window};
use crate::engine::RateLimit;

/// Most bytes of one read.
const PIECE: usize = 64 << 10;
/// How long a lane rests that the server has no place for, if the server does not say.
const REST: Duration = Duration::from_secs(30);
/// How often a lane that waits looks whether the one that all wait for is stuck.
const LOOK: Duration = Duration::from_secs(1);

/// What the lanes and the reader share.
pub(super) struct Shared {
    pub(super) source: Arc<dyn RangeSource>,
    pub(super) settings: Settings,
    state: Mutex<State>,
    /// The window has moved, or something was given back.
    pub(super) moved: Notify,
    /// For each lane: its segment was taken away.
    taken: Vec<Notify>,
    pub(super) opens: AtomicU32,
    pub(super) retries: AtomicU32,
    pub(super) fetched: AtomicU64,
    /// Whether more lanes than one are at it, so that a stream is of use for one segment only, as a rule.
    pub(super) several: AtomicBool,
    /// Streams that are open.
    carried: AtomicUsize,
}

/// What the one who reads has asked for.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) silence: Duration,
    pub(super) patience: Duration,
    pub(super) rate: Arc<RateLimit>,
    pub(super) on_failure: Arc<OnFailure>,
}

/// Is told of failures that are tried again.
pub(super) type OnFailure = dyn Fn(&SourceError) + Send + Sync;

pub(super) struct State {
    pub(super) window: Window,
    pub(super) info: Option<SourceInfo>,
    /// The last byte is there, and the peer has yet to say that it is the last.
    pub(super) confirming: bool,
    /// The first failure that ends everything.
    pub(super) failure: Option<ReadError>,
    /// The reader, when it waits.
    pub(super) reader: Option<Waker>,
    retry: Retry,
}

/// An open stream.
struct Stream {
    reader: Box<dyn RangeReader>,
    /// Its next byte.
    at: u64,
    /// Where it ends by itself.
    ends_at: Option<u64>,
    /// Bytes that are there already, and will come again.
    known: Vec<u8>,
    /// The first byte that is wanted of it, behind those.
    wanted: u64,
    _carried: Carried,
}

/// Counts a stream as long as it is open.
struct Carried(Arc<Shared>);

impl Carried {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.carried.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        self.0.carried.fetch_sub(1, Ordering::Relaxed);
    }
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
    pub(super) fn new(source: Arc<dyn RangeSource>, settings: Settings, window: Window, lanes: usize) -> Self {
        let retry = Retry::new(settings.patience);
        let state = State { window, info: None, confirming: false, failure: None, reader: None, retry };
        Self {
            source,
            settings,
            state: Mutex::new(state),
            moved: Notify::new(),
            taken: (0..lanes).map(|_| Notify::new()).collect(),
            opens: AtomicU32::new(0),
            retries: AtomicU32::new(0),
            fetched: AtomicU64::new(0),
            several: AtomicBool::new(false),
            carried: AtomicUsize::new(0),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

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

    fn context(&self) -> SourceContext {
        SourceContext::new().with_attempt(self.state().retry.attempts())
    }

    fn segment(&self, lane: usize) -> Option<Segment> {
        self.state().window.segment(lane)
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
                match state.window.claim(lane, Instant::now()) {
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
                    let again = open.take_known(&piece)?;
                    self.fetched.fetch_add(piece.len() as u64, Ordering::Relaxed);
                    if self.put(lane, open.at, &piece[again..]) {
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
        let mut granted = tokio::select! {
            biased;
            granted = self.settings.rate.grant(most) => granted,
            error = stream.reader.hold() => return Err(error),
        };
        let mut space = Space::new(into, granted.unused);
        let step = source::read(&mut *stream.reader, &mut space, self.settings.silence).await?;
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

    /// What the file is, asked once.
    async fn info(&self) -> Result<SourceInfo, SourceError> {
        let known = self.state().info.clone();
        if let Some(info) = known {
            return Ok(info);
        }
        let cx = self.context();
        let info = self.source.probe(&cx).await?;
        let reader = {
            let mut state = self.state();
            info.extent.known().into_iter().for_each(|len| state.window.set_len(len));
            state.info = Some(info.clone());
            state.reader.take()
        };
        reader.into_iter().for_each(Waker::wake);
        Ok(info)
    }

    async fn open(self: &Arc<Self>, lane: usize, segment: Segment, info: &SourceInfo) -> Result<Stream, Trouble> {
        let cx = self.context();
        let (wanted, end) = (segment.at, segment.end);
        let known = match info.validator.strength() {
            Strength::Strong => Vec::new(),
            _ => self.state().window.before(wanted),
        };
        let from = if info.access == Access::Random { wanted - known.len() as u64 } else { 0 };
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
        let (at, ends_at, _carried) = (opened.start, opened.ends_at, Carried::new(self));
        let stream = Stream { reader, at, ends_at, known, wanted, _carried };
        if opened.start > from {
            let text = format!("asked for byte {from}, the server began behind it, at {}", opened.start);
            return Err(SourceError::new(ErrorClass::Permanent, Phase::Open, text).into());
        }
        self.compare(info, opened.validator.as_ref(), opened.extent.known())?;
        Ok(stream)
    }

    /// Compares an answer with what the file was at first.
    pub(super) fn compare(
        &self,
        before: &SourceInfo,
        now: Option<&Validator>,
        len: Option<u64>,
    ) -> Result<(), ReadError> {
        let known = self.state().window.len();
        source::compare(&*self.source, (before, known), (now, len))
    }

    /// Gives back what the lane had, and says when it may try again, if it may.
    fn judge(&self, lane: usize, trouble: Trouble) -> Option<Instant> {
        if let Trouble::Source(error) = &trouble {
            (self.settings.on_failure)(error);
        }
        let mut state = self.state();
        state.window.give_back(lane);
        let outcome = match trouble {
            Trouble::Over(error) => Err(error),
            Trouble::Source(error) => match error.class() {
                // Others go on.
                ErrorClass::Throttled { retry_after, .. } if self.carried.load(Ordering::Relaxed) > 0 => {
                    Ok(Some(Instant::now() + retry_after.unwrap_or(REST)))
                }
                // The first lane began at the beginning, and can go on.
                ErrorClass::RangeNotSupported if lane > 0 => Ok(None),
                _ => state.retry.failed(error).map(|until| {
                    self.retries.fetch_add(1, Ordering::Relaxed);
                    Some(until)
                }),
            },
        };
        let reader = state.reader.take();
        let until = outcome.unwrap_or_else(|error| {
            state.failure.get_or_insert(error);
            None
        });
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        self.moved.notify_waiters();
        until
    }
}

impl Stream {
    /// Passes over the bytes that are there already, and says how many of these they were. They must be the same.
    fn take_known(&mut self, piece: &[u8]) -> Result<usize, ReadError> {
        let begin = self.wanted - self.known.len() as u64;
        let index = |at: u64| usize::try_from(at.saturating_sub(self.at)).unwrap_or(usize::MAX).min(piece.len());
        let (from, to) = (index(begin), index(self.wanted));
        let known = usize::try_from(self.at.saturating_sub(begin)).unwrap_or(usize::MAX);
        let same = from == to || self.known.get(known..).is_some_and(|known| known.starts_with(&piece[from..to]));
        self.at += piece.len() as u64;
        match same {
            true => Ok(to),
            false => Err(ReadError::Changed { reason: "bytes that came twice differ".to_owned() }),
        }
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

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("source", &self.source).finish_non_exhaustive()
    }
}
