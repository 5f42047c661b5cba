//! A source without a network, which does what its script says and counts what is done to it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use async_trait::async_trait;

use super::clock::yield_once;
use super::reader::{Body, MemoryReader};
use super::record::{Counters, Finish, Opening, Session};
use super::{FailPlan, Failure, Fixture, NotApplicable, Outcome, Pacer, Situation};
use crate::{
    Access, End, ErrorClass, Extent, HostKey, OpenRequest, Opened, Phase, RangeReader, RangeSource, Sameness,
    SourceContext, SourceError, SourceInfo, Strength, Validator,
};

/// The bytes of a file as a function: writes those from an offset on into the whole of a slice.
pub type Content = Arc<dyn Fn(u64, &mut [u8]) + Send + Sync>;

/// A file that differs from itself at every offset, and from every other seed's: misplaced bytes cannot look right.
pub fn pattern(seed: u64) -> Content {
    // The finaliser of SplitMix64 over the number of an 8-byte word.
    let word = move |number: u64| {
        let mut word = number.wrapping_add(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)).to_le_bytes()
    };
    Arc::new(move |offset, out| {
        let (mut number, inside) = (offset >> 3, (offset & 7) as usize);
        let (head, rest) = out.split_at_mut(out.len().min((8 - inside) & 7));
        if !head.is_empty() {
            head.copy_from_slice(&word(number)[inside..][..head.len()]);
            number += 1;
        }
        for piece in rest.chunks_mut(8) {
            piece.copy_from_slice(&word(number)[..piece.len()]);
            number = number.wrapping_add(1);
        }
    })
}

/// A source that serves a function, up to any length, as fast as it is read or paced by a [`Pacer`].
///
/// It is a handle: clones share the file, the script and the counters. Every call yields to the executor before it does
/// anything, so that there is an await to drop it at. It is its own [`Fixture`] while it is not paced.
#[derive(Clone)]
pub struct MemorySource {
    label: Arc<str>,
    state: Arc<Mutex<State>>,
}

pub(super) struct State {
    pub(super) settings: Settings,
    info: SourceInfo,
    len: u64,
    /// What is served now, and what [`Situation::Normal`] returns to.
    file: File,
    original: File,
    host: Option<HostKey>,
    session_limit: Option<(u16, Option<u16>)>,
    outage: Option<ErrorClass>,
    plan: FailPlan,
    /// Number of opens before the plan was set.
    plan_from: u64,
    pub(super) opens: Vec<Opening>,
    /// Streams of opens before this one have lost their session.
    pub(super) lost_before: usize,
    pub(super) counters: Counters,
    pub(super) waiting: Vec<Waker>,
}

/// How bodies are delivered.
#[derive(Clone)]
pub(super) struct Settings {
    /// Most bytes of one step.
    pub(super) chunk: usize,
    pub(super) pace: Option<(Arc<dyn Pacer>, u64)>,
    /// Length of a packet, at whose boundaries streams start.
    pub(super) grid: Option<u64>,
    /// Packets that never come, sorted.
    pub(super) holes: Vec<u64>,
    /// How long a session lives that is neither read nor held.
    pub(super) patience: Option<Duration>,
}

#[derive(Clone)]
struct File {
    content: Content,
    version: u64,
}

impl MemorySource {
    /// A file of `len` bytes of [`pattern`] 0, with random access, exact ends and a strong validator.
    pub fn new(len: u64) -> Self {
        let file = File { content: pattern(0), version: 0 };
        let state = State {
            settings: Settings { chunk: 64 * 1024, pace: None, grid: None, holes: Vec::new(), patience: None },
            info: SourceInfo::new(Extent::Known(len), Access::Random)
                .with_exact_ends(true)
                .with_validator(Validator::new(Strength::Strong, Vec::new())),
            len,
            original: file.clone(),
            file,
            host: None,
            session_limit: None,
            outage: None,
            plan: FailPlan::new(),
            plan_from: 0,
            opens: Vec::new(),
            lost_before: 0,
            counters: Counters::default(),
            waiting: Vec::new(),
        };
        Self { label: "memory:file".into(), state: Arc::new(Mutex::new(state)) }
    }

    /// The same under another label.
    #[must_use]
    pub fn with_label(mut self, label: &str) -> Self {
        self.label = label.into();
        self
    }

    /// The same with other bytes.
    #[must_use]
    pub fn with_content(self, content: Content) -> Self {
        self.set(|state| {
            state.original = File { content, version: state.original.version };
            state.file = state.original.clone();
        })
    }

    /// The same on a server that has limits of its own.
    #[must_use]
    pub fn with_host(self, host: HostKey) -> Self {
        self.set(|state| state.host = Some(host))
    }

    /// The same with what `change` makes of the answer to a probe. It is kept too: without exact ends, streams run on.
    /// Of the validator, the strength is kept; its bytes are the version of the file.
    #[must_use]
    pub fn with_info(self, change: impl FnOnce(SourceInfo) -> SourceInfo) -> Self {
        self.set(|state| state.info = change(state.info.clone()))
    }

    /// The same with at most `bytes` in a step; at least 1.
    #[must_use]
    pub fn with_chunk(self, bytes: usize) -> Self {
        self.set(|state| state.settings.chunk = bytes.max(1))
    }

    /// The same with at most `max` streams open; a further one is `Throttled`, with `hint` as its limit hint.
    #[must_use]
    pub fn with_session_limit(self, max: u16, hint: Option<u16>) -> Self {
        self.set(|state| state.session_limit = Some((max, hint)))
    }

    /// The same with streams that deliver `bytes_per_second` each, by `clock`; at least 1.
    #[must_use]
    pub fn with_pace(self, clock: Arc<dyn Pacer>, bytes_per_second: u64) -> Self {
        self.set(|state| state.settings.pace = Some((clock, bytes_per_second.max(1))))
    }

    /// The same with failures.
    #[must_use]
    pub fn with_plan(self, plan: FailPlan) -> Self {
        self.set_plan(plan);
        self
    }

    /// Replaces the script of failures. Its opens are counted from now on.
    pub fn set_plan(&self, plan: FailPlan) {
        let mut state = self.lock();
        state.plan_from = state.counters.opens;
        state.plan = plan;
    }

    /// Puts other bytes of equal length in the place of the file. Streams that are open go on with the old ones.
    pub fn replace(&self, content: Content) {
        let mut state = self.lock();
        let version = state.file.version.wrapping_add(1);
        state.file = File { content, version };
    }

    /// Answers every probe and open with an error of this class, or with none again.
    pub fn set_outage(&self, outage: Option<ErrorClass>) {
        self.lock().outage = outage;
    }

    /// Takes the session away from every stream that is open.
    pub fn kill_sessions(&self) {
        let waiting = {
            let mut state = self.lock();
            state.lost_before = state.opens.len();
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// How often things were done.
    pub fn counters(&self) -> Counters {
        self.lock().counters
    }

    /// All calls of `open` in their order.
    pub fn opens(&self) -> Vec<Opening> {
        self.lock().opens.clone()
    }

    pub(super) fn set(self, change: impl FnOnce(&mut State)) -> Self {
        change(&mut self.lock());
        self
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an open and lets it in, or not.
    fn admit(&self, request: &OpenRequest) -> Result<(Session, Vec<Failure>), SourceError> {
        let mut state = self.lock();
        let counters = &mut state.counters;
        counters.opens += 1;
        counters.open_now += 1;
        let (open_now, number) = (counters.open_now, counters.opens);
        let opening = Opening { request: request.clone(), start: None, delivered: 0, finish: Finish::Running };
        state.opens.push(opening);
        let (limit, outage) = (state.session_limit, state.outage);
        let failures = state.plan.for_open(number - state.plan_from);
        let mut session = Session { source: self.clone(), number: state.opens.len() - 1, finish: Finish::Dropped };
        drop(state);
        let refused = failures.iter().find_map(|failure| match *failure {
            Failure::Refused(class) => Some(class),
            Failure::RangeNotSupported if request.start > 0 => Some(ErrorClass::RangeNotSupported),
            _ => None,
        });
        let over = limit
            .filter(|(max, _)| open_now > u64::from(*max))
            .map(|(_, limit_hint)| ErrorClass::Throttled { retry_after: None, limit_hint });
        match outage.or(refused).or(over) {
            Some(class) => Err(session.refuse(class)),
            None => {
                let counters = &mut self.lock().counters;
                counters.max_open = counters.max_open.max(counters.open_now);
                Ok((session, failures))
            }
        }
    }
}

impl fmt::Debug for MemorySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySource").field("label", &self.label).finish_non_exhaustive()
    }
}

impl State {
    fn validator(&self, version: u64) -> Validator {
        match self.info.validator.strength() {
            Strength::None => Validator::none(),
            // The first byte is the version of this encoding.
            strength => Validator::new(strength, [&[1][..], &version.to_be_bytes(), &self.len.to_be_bytes()].concat()),
        }
    }
}

#[async_trait]
impl RangeSource for MemorySource {
    fn label(&self) -> &str {
        &self.label
    }

    fn host(&self) -> Option<HostKey> {
        self.lock().host.clone()
    }

    async fn probe(&self, _cx: &SourceContext) -> Result<SourceInfo, SourceError> {
        yield_once().await;
        let mut state = self.lock();
        state.counters.probes += 1;
        if let Some(class) = state.outage {
            return Err(SourceError::new(class, Phase::Probe, "the script says so"));
        }
        let validator = state.validator(state.file.version);
        Ok(state.info.clone().with_validator(validator))
    }

    async fn open(&self, _cx: &SourceContext, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        let (mut session, failures) = self.admit(&request)?;
        yield_once().await;
        yield_once().await;
        if failures.contains(&Failure::Unanswered) {
            return Err(session.lost(Phase::Open).await);
        }
        let (info, len, file, settings, validator) = {
            let state = self.lock();
            let version = if failures.contains(&Failure::OtherValidator) { u64::MAX } else { state.file.version };
            (state.info.clone(), state.len, state.file.clone(), state.settings.clone(), state.validator(version))
        };
        if request.expect.as_ref().is_some_and(|expect| self.compare(expect, &validator) == Sameness::Different) {
            return Err(session.refuse(ErrorClass::Changed));
        }
        if request.start > len || (request.start > 0 && info.access != Access::Random) {
            return Err(session.refuse(ErrorClass::RangeNotSupported));
        }
        let (start, end) = bounds(&request, len, info.exact_ends, settings.grid, &failures);
        session.source.lock().opens[session.number].start = Some(start);
        let mut opened = Opened::at(start).with_extent(info.extent);
        opened.validator = Some(validator).filter(|validator| validator.strength() != Strength::None);
        opened.ends_at = Some(end).filter(|end| *end < len);
        let body = Body::new(start, end, &failures);
        Ok(Box::new(MemoryReader::new(opened, session, settings, file.content, body)))
    }
}

/// Where a stream starts and ends, before extra bytes.
fn bounds(request: &OpenRequest, len: u64, exact_ends: bool, grid: Option<u64>, failures: &[Failure]) -> (u64, u64) {
    let mut start = request.start;
    if let (Some(grid), true) = (grid, start < len) {
        start -= start % grid;
    }
    for failure in failures {
        match *failure {
            Failure::StartsLate(by) => start = start.saturating_add(by),
            Failure::StartsEarly(by) => start = start.saturating_sub(by),
            _ => {}
        }
    }
    let end = match request.end {
        End::Exact(end) if exact_ends => end.clamp(start, len.max(start)),
        _ => len,
    };
    (start, end)
}

#[async_trait]
impl Fixture for MemorySource {
    fn source(&self) -> Arc<dyn RangeSource> {
        Arc::new(self.clone())
    }

    fn file_len(&self) -> u64 {
        self.lock().len
    }

    fn fill(&self, offset: u64, out: &mut [u8]) {
        let content = Arc::clone(&self.lock().file.content);
        content(offset, out);
    }

    fn held(&self) -> Result<u64, NotApplicable> {
        Ok(self.counters().open_now)
    }

    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }

    async fn arrange(&self, situation: Situation) -> Outcome {
        let all = |failure| FailPlan::new().always(failure);
        let plan = match situation {
            Situation::Full => all(Failure::Refused(ErrorClass::Throttled { retry_after: None, limit_hint: None })),
            Situation::NoRanges => all(Failure::RangeNotSupported),
            Situation::CutAfter(after) => all(Failure::Transient { after }),
            Situation::SilentAfter(after) => all(Failure::Silent { after }),
            Situation::Unconfirmed => all(Failure::Unconfirmed),
            Situation::Unanswered => all(Failure::Unanswered),
            _ => FailPlan::new(),
        };
        self.set_plan(plan);
        self.set_outage(match situation {
            Situation::Missing => Some(ErrorClass::NotFound),
            Situation::Denied => Some(ErrorClass::Denied),
            _ => None,
        });
        match situation {
            Situation::Replaced => self.replace(pattern(u64::MAX)),
            Situation::SessionsDie => self.kill_sessions(),
            _ => {
                let mut state = self.lock();
                state.file = state.original.clone();
            }
        }
        Ok(())
    }

    async fn pause(&self) {
        yield_once().await;
    }
}
