//! What the connections of an ordered stream and its reader know together.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use segfetch_source::{RangeSource, SourceContext, SourceError, SourceInfo, Strength, Validator};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::super::ReadError;
use super::super::retry::Retry;
use super::super::source;
use super::window::{Segment, Window};
use crate::engine::{Event, RateLimit, WorkerProgress, bearable_silence, chain};

/// How long a lane rests that the server has no place for, if the server does not say.
const REST: Duration = Duration::from_secs(30);

/// What the lanes and the reader share.
pub(super) struct Shared {
    pub(super) source: Arc<dyn RangeSource>,
    pub(super) settings: Settings,
    state: Mutex<State>,
    /// The window has moved, or something was given back.
    pub(super) moved: Notify,
    /// For each lane: its segment was taken away.
    pub(super) taken: Vec<Notify>,
    pub(super) opens: AtomicU32,
    pub(super) retries: AtomicU32,
    pub(super) fetched: AtomicU64,
    /// Whether more lanes than one are at it, so that a stream is of use for one segment only, as a rule.
    pub(super) several: AtomicBool,
}

/// What the one who reads has asked for.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) silence: Duration,
    pub(super) patience: Duration,
    pub(super) rate: Arc<RateLimit>,
    pub(super) on_event: Arc<OnEvent>,
}

/// Is told what happens.
pub(super) type OnEvent = dyn Fn(Event) + Send + Sync;

pub(super) struct State {
    pub(super) window: Window,
    pub(super) info: Option<SourceInfo>,
    /// The last byte is there, and the peer has yet to say that it is the last.
    pub(super) confirming: bool,
    /// The first failure that ends everything.
    pub(super) failure: Option<ReadError>,
    /// The reader, when it waits.
    pub(super) reader: Option<Waker>,
    /// Streams that brought something.
    pub(super) brought: u32,
    pub(super) retry: Retry,
    pub(super) lanes: Vec<Lane>,
    /// The streams that the server was last said to admit at once.
    granted: Option<usize>,
    /// The most that were open at once.
    most: usize,
    /// Before that, the server is not asked for one more.
    full_until: Option<Instant>,
    /// When the limit of the rate was felt last: one more stream would only take from the one that the reader waits for.
    pub(super) limited_at: Option<Instant>,
}

/// What is known of a lane besides its segment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lane {
    /// The first byte that is wanted of its stream, and the next one.
    pub(super) stream: Option<(u64, u64)>,
    /// Failures since it brought something.
    pub(super) failures: u32,
}

/// Says that a stream is open, as long as it is.
pub(super) struct Carried(Arc<Shared>, usize);

impl Carried {
    pub(super) fn new(shared: &Arc<Shared>, lane: usize, start: u64) -> Self {
        {
            let mut state = shared.state();
            state.lanes[lane].stream = Some((start, start));
            state.most = state.most.max(state.carried());
        }
        shared.tell(Event::Opened { worker: number(lane), start });
        Self(Arc::clone(shared), lane)
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        let Self(shared, lane) = self;
        let closed = shared.state().lanes[*lane].stream.take();
        if let Some((_, front)) = closed {
            shared.tell(Event::Closed { worker: number(*lane), front });
        }
    }
}

impl Shared {
    pub(super) fn new(source: Arc<dyn RangeSource>, settings: Settings, window: Window, lanes: usize) -> Self {
        let retry = Retry::new(settings.patience);
        let state = State {
            window,
            info: None,
            confirming: false,
            failure: None,
            reader: None,
            brought: 0,
            retry,
            lanes: vec![Lane::default(); lanes],
            granted: None,
            most: 0,
            full_until: None,
            limited_at: None,
        };
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
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a stream may bring nothing.
    pub(super) fn silence(&self) -> Duration {
        let Settings { silence, patience, .. } = self.settings;
        let access = self.state().info.as_ref().map(|info| info.access);
        access.map_or(silence, |access| bearable_silence(access, silence, patience))
    }

    pub(super) fn tell(&self, event: Event) {
        (self.settings.on_event)(event);
    }

    /// The streams that are open.
    pub(super) fn workers(&self) -> Vec<WorkerProgress> {
        let (now, state) = (Instant::now(), self.state());
        let workers = state.lanes.iter().enumerate().filter_map(|(lane, it)| {
            let ((start, front), segment) = (it.stream?, state.window.segment(lane));
            let (end, rate) = (segment.map(|it| it.end), segment.map_or(0, |it| it.rate(now)));
            Some(WorkerProgress { worker: number(lane), start, front, end, rate })
        });
        workers.collect()
    }

    pub(super) fn context(&self) -> SourceContext {
        SourceContext::new().with_attempt(self.state().retry.attempts())
    }

    pub(super) fn segment(&self, lane: usize) -> Option<Segment> {
        self.state().window.segment(lane)
    }

    /// What the file is, asked once.
    pub(super) async fn info(&self) -> Result<SourceInfo, SourceError> {
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
        self.tell(Event::Probed(Box::new(info.clone())));
        Ok(info)
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

    /// Whether the file is still the one that it was, as far as a last look can tell.
    pub(super) async fn ask_again(self: Arc<Self>) -> Result<(), ReadError> {
        let mut retry = Retry::new(self.settings.patience);
        let Some(before) = self.state().info.clone() else { return Ok(()) };
        loop {
            let error = match self.source.probe(&SourceContext::new().with_attempt(retry.attempts())).await {
                Ok(now) => return self.compare(&before, Some(&now.validator), now.extent.known()),
                Err(error) => error,
            };
            let event = retry_of(0, &error);
            let until = retry.failed(error)?;
            self.tell(event);
            sleep_until(until).await;
        }
    }
}

impl State {
    /// Whether the validator proves by itself that two streams are of one version.
    pub(super) fn is_strong(&self) -> bool {
        self.info.as_ref().is_some_and(|info| info.validator.strength() == Strength::Strong)
    }

    /// Streams that are open.
    pub(super) fn carried(&self) -> usize {
        self.lanes.iter().filter(|lane| lane.stream.is_some()).count()
    }

    /// How long the lane waits after one more failure.
    pub(super) fn backoff(&mut self, lane: usize) -> Duration {
        let failures = &mut self.lanes[lane].failures;
        *failures += 1;
        Retry::backoff(*failures)
    }

    /// The server has no place for the stream of this lane: when to ask again, and, if that is news, how many it carries.
    pub(super) fn refused(
        &mut self,
        lane: usize,
        retry_after: Option<Duration>,
        now: Instant,
    ) -> (Instant, Option<u16>) {
        let carried = self.carried();
        if carried == 0 || carried < self.most {
            // Somebody has to get in, or it carried more already: a place is about to become free.
            let wait = self.backoff(lane).max(retry_after.unwrap_or_default());
            return (now + wait, (carried == 0).then_some(0));
        }
        // Of those that were refused, one at a time asks again.
        let until = self.full_until.map_or(now, |until| until.max(now)) + retry_after.unwrap_or(REST);
        self.full_until = Some(until);
        let news = self.granted.replace(carried) != Some(carried);
        (until, news.then(|| u16::try_from(carried).unwrap_or(u16::MAX)))
    }
}

/// A lane's number in what is told.
fn number(lane: usize) -> u32 {
    u32::try_from(lane).unwrap_or(u32::MAX)
}

pub(super) fn retry_of(lane: usize, error: &SourceError) -> Event {
    let (class, phase) = (error.class(), error.phase());
    Event::Retry { worker: number(lane), class, phase, message: chain(error) }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("source", &self.source).finish_non_exhaustive()
    }
}
