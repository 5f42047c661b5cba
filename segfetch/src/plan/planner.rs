//! The machine of one job: what inputs do.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::range_set::RangeSet;

use super::axis::Axis;
use super::rate::Setup;
use super::retry::{Jitter, doubled};
use super::stream::{Phase, Slot, Stream};
use super::{Access, Config, Failure, GiveUp, Input, Next, Output, Snapshot, WorkerId, WorkerSnapshot};

/// Longest wait after the first failure; doubles with each.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// Longest wait after any failure.
const LAST_RETRY: Duration = Duration::from_secs(30);
/// However long they took: patience does not end before this many failures.
const LEAST_ATTEMPTS: u32 = 4;
/// Every search for a span looks at every worker, and nobody is helped by more.
const MOST_WORKERS: u16 = 256;

/// Divides one axis between streams: see [`plan`](super).
///
/// After every input, the units held, the units missing, the free spans and the spans of the workers are together the whole
/// axis, each unit exactly once.
#[derive(Clone, Debug)]
pub struct Planner {
    pub(super) config: Config,
    pub(super) axis: Axis,
    pub(super) slots: Vec<Slot>,
    pub(super) outputs: VecDeque<Output>,
    /// Workers that the host grants.
    pub(super) granted: u16,
    /// The host has refused one: the grant is all that can be expected.
    pub(super) refused: bool,
    /// Workers that the job could use, as of the last drained poll.
    pub(super) wanted: u16,
    /// A unit has come: the server is what it says, and others may start.
    pub(super) warm: bool,
    pub(super) setup: Setup,
    pub(super) outcome: Option<Result<(), GiveUp>>,
    jitter: Jitter,
    failing: Option<Failing>,
    /// Where a stream ended although it should have gone on.
    short_at: Option<u64>,
}

/// Failures without a unit between them.
#[derive(Clone, Copy, Debug)]
struct Failing {
    since: Instant,
    attempts: u32,
}

impl Planner {
    /// A planner of everything that is not in `have`.
    ///
    /// Nothing is opened before the first [`Input::Limit`].
    pub fn new(mut config: Config, have: RangeSet) -> Self {
        config.block = config.block.max(1);
        let mut planner = Self {
            axis: Axis::new(have),
            slots: vec![Slot::default(); usize::from(config.workers.clamp(1, MOST_WORKERS))],
            outputs: VecDeque::new(),
            granted: 0,
            refused: false,
            wanted: 0,
            warm: false,
            setup: Setup::new(config.open_round_trips),
            outcome: None,
            jitter: Jitter::new(config.seed),
            failing: None,
            short_at: None,
            config,
        };
        if let Some(extent) = planner.config.extent {
            planner.learn(extent);
        }
        planner
    }

    /// Tells what happened. What does not fit the state of its worker, and everything after the job failed, is ignored.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        if matches!(self.outcome, Some(Err(_))) {
            return;
        }
        match input {
            Input::Opened { worker, start, ends_at, extent } => self.opened(now, worker, start, ends_at, extent),
            Input::Advanced { worker, units } => self.moved(now, worker, units, false),
            Input::Skipped { worker, units } => self.moved(now, worker, units, true),
            Input::Ended { worker } => self.ended(now, worker),
            Input::Stopped { worker } => self.stopped(worker),
            Input::Failed { worker, failure } => self.failed(now, worker, failure),
            Input::Limit(workers) => self.limit(now, workers),
            Input::Lost { start, end } => self.lost(start..end),
            Input::Timeout => {}
        }
    }

    /// What to do next. Poll until it says [`Output::Wait`].
    pub fn poll_output(&mut self, now: Instant) -> Output {
        if self.outputs.is_empty() {
            self.schedule(now);
        }
        self.outputs.pop_front().unwrap_or_else(|| Output::Wait(self.deadline(now)))
    }

    /// What the next units of a worker's stream are for. Ask before every read, and again if other outputs came meanwhile.
    pub fn next(&self, worker: WorkerId) -> Next {
        let Some(stream) = self.stream(worker) else { return Next::Nothing };
        match stream.phase {
            Phase::Draining => Next::Confirm,
            Phase::Waiting | Phase::Running if stream.at < stream.front => {
                Next::Pass { at: stream.at, units: stream.front - stream.at }
            }
            Phase::Waiting | Phase::Running if stream.at < stream.end => {
                Next::Keep { at: stream.at, units: stream.end - stream.at }
            }
            _ => Next::Nothing,
        }
    }

    /// How many workers the job could use, as of the last [`Output::Wait`]. Slots that wait for a retry are not among them.
    pub fn wanted(&self) -> u16 {
        self.wanted
    }

    /// Length of the axis, if it is known by now.
    pub fn extent(&self) -> Option<u64> {
        self.axis.extent
    }

    /// Units held.
    pub fn have(&self) -> &RangeSet {
        &self.axis.have
    }

    /// Units that two streams have skipped, and nobody asks for again.
    pub fn missing(&self) -> &RangeSet {
        &self.axis.missing
    }

    /// Units that no worker has been given.
    pub fn free(&self) -> &RangeSet {
        &self.axis.free
    }

    /// How the job ended, if it has.
    pub fn outcome(&self) -> Option<Result<(), GiveUp>> {
        self.outcome
    }

    /// The job as it is now, for display.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let worker = |(worker, stream): (WorkerId, &Stream)| WorkerSnapshot {
            worker,
            start: stream.start,
            front: stream.front,
            end: stream.end,
            rate: stream.rate.per_second(now),
        };
        Snapshot {
            extent: self.axis.extent,
            held: self.axis.have.total(),
            missing: self.axis.missing.total(),
            pending: self.axis.free.total(),
            workers: self.streams().map(worker).collect(),
        }
    }

    fn opened(&mut self, now: Instant, worker: WorkerId, start: u64, ends_at: Option<u64>, extent: Option<u64>) {
        let Some(stream) = self.stream_mut(worker).filter(|stream| stream.phase == Phase::Opening) else { return };
        let asked = stream.start;
        stream.phase = Phase::Waiting;
        stream.at = start;
        stream.reach = [stream.reach, ends_at].into_iter().flatten().min();
        let tolerated = self.config.block.max(self.config.min_span);
        if extent.is_some_and(|extent| !self.learn(extent)) {
            return;
        }
        if start > asked {
            self.unsupported(now, worker, None);
        } else if self.config.access == Access::Random && asked - start > tolerated {
            // The server has begun at its own beginning: that stream is as good as any other from there.
            self.unsupported(now, worker, (start == 0).then_some(worker));
        } else if self.stream(worker).is_some_and(|stream| stream.rest().is_empty()) {
            self.arrive(now, worker);
        }
    }

    /// `units` came, or will not come on this stream.
    fn moved(&mut self, now: Instant, worker: WorkerId, units: u64, skipped: bool) {
        let end_of_axis = self.axis.end();
        let Some(slot) = self.slots.get_mut(usize::from(worker.0)) else { return };
        let Some(stream) = slot.stream.as_mut().filter(|stream| stream.phase > Phase::Opening && units > 0) else {
            return;
        };
        stream.at = stream.at.saturating_add(units);
        match stream.phase {
            Phase::Waiting => {
                stream.phase = Phase::Running;
                self.setup.measured(now.saturating_duration_since(stream.asked));
            }
            // An end that is not the axis's was only hoped for; what lies behind it is somebody else's.
            Phase::Draining if stream.end < end_of_axis => return self.stop(now, worker),
            Phase::Stopping => return,
            _ => {}
        }
        if stream.at > end_of_axis {
            return self.give_up(GiveUp::ExtentChanged { expected: end_of_axis, found: self.position(worker) });
        }
        stream.rate.observe(now, units);
        let came = stream.front..stream.at.min(stream.end);
        if !came.is_empty() {
            stream.front = came.end;
            if skipped {
                self.axis.skip(came);
            } else {
                stream.kept_any = true;
                slot.attempts = 0;
                self.axis.have.insert(came);
                self.failing = None;
                self.warm = true;
            }
        }
        if self.stream(worker).is_some_and(|stream| stream.rest().is_empty()) {
            self.arrive(now, worker);
        }
    }

    /// A worker has all of its span. Either its stream is good for more, or it ends.
    fn arrive(&mut self, now: Instant, worker: WorkerId) {
        let end_of_axis = self.axis.end();
        let Some(stream) = self.stream(worker) else { return };
        let (at, end, reach) = (stream.at, stream.end, stream.reach.unwrap_or(u64::MAX));
        let more = if end == end_of_axis {
            None
        } else if self.config.access != Access::Random {
            self.axis.free.overlaps(at..reach).next()
        } else if at == end {
            self.take_back(now, end, reach)
                .or_else(|| self.axis.free.overlaps(end..reach).next().filter(|free| free.start == end))
        } else {
            None
        };
        if let Some(Range { start, end }) = more {
            self.axis.free.remove(start..end);
            if let Some(stream) = self.stream_mut(worker) {
                (stream.front, stream.end) = (start, end);
            }
            self.outputs.push_back(Output::Extend { worker, end });
        } else if at == end && (end == end_of_axis || end == reach) {
            let slot = self.slot_mut(worker);
            slot.last_rate = slot.stream.as_ref().and_then(|stream| stream.rate.per_second(now)).or(slot.last_rate);
            if let Some(stream) = &mut slot.stream {
                stream.phase = Phase::Draining;
            }
        } else {
            self.stop(now, worker);
        }
    }

    /// Takes the span that starts at `end` from a worker whose stream has brought nothing, if it ends before `reach`.
    fn take_back(&mut self, now: Instant, end: u64, reach: u64) -> Option<Range<u64>> {
        let (thief, stream) = self
            .streams()
            .find(|(_, s)| s.is_fetching() && !s.kept_any && s.front == end && s.end > end && s.end <= reach)?;
        let (span, waited) = (stream.rest(), now.saturating_duration_since(stream.asked));
        self.setup.at_least(waited);
        self.stop(now, thief);
        Some(span)
    }

    fn ended(&mut self, now: Instant, worker: WorkerId) {
        if self.stream(worker).is_none_or(|stream| stream.phase == Phase::Opening) {
            return;
        }
        let Some(mut stream) = self.leave(now, worker) else { return };
        let at = stream.at;
        if self.axis.extent.is_none() && stream.end == u64::MAX && stream.reach.is_none_or(|reach| at < reach) {
            if !self.learn(at) {
                self.axis.free.insert(stream.rest());
                return;
            }
            stream.end = at;
        }
        let rest = stream.rest();
        if rest.is_empty() {
            return;
        }
        let as_announced = stream.reach.is_some_and(|reach| at >= reach);
        self.give_back(rest, &stream);
        if as_announced && stream.kept_any {
            return;
        }
        if !as_announced {
            let nothing_behind = self.axis.have.last().is_none_or(|last| last.end <= at);
            if !stream.kept_any && self.short_at == Some(at) && nothing_behind {
                return self.give_up(GiveUp::ExtentChanged { expected: self.axis.end(), found: at });
            }
            self.short_at = Some(at);
        }
        self.retry_later(now, worker);
    }

    fn stopped(&mut self, worker: WorkerId) {
        if self.stream(worker).is_some_and(|stream| stream.phase == Phase::Stopping) {
            self.slot_mut(worker).stream = None;
        }
    }

    fn failed(&mut self, now: Instant, worker: WorkerId, failure: Failure) {
        let Some(stream) = self.leave(now, worker).filter(|stream| stream.phase != Phase::Stopping) else { return };
        let rest = stream.rest();
        let was_needed = !rest.is_empty();
        if failure == Failure::Fatal {
            self.axis.free.insert(rest);
            return self.give_up(GiveUp::Fatal);
        }
        self.give_back(rest, &stream);
        if !was_needed {
            // How a stream ends that has brought all of its span is the peer's business.
            return;
        }
        match failure {
            Failure::Transient | Failure::Fatal => self.retry_later(now, worker),
            Failure::Throttled => {
                self.slot_mut(worker).last_rate = None;
                self.granted = self.granted.min(self.active());
                self.refused = true;
                // Waiting for one's turn is no failure.
                self.failing = None;
            }
            Failure::RangeNotSupported => self.unsupported(now, worker, None),
        }
    }

    fn limit(&mut self, now: Instant, workers: u16) {
        self.granted = workers;
        let surplus = self.streams().filter(|(_, stream)| stream.phase != Phase::Stopping).count();
        for _ in usize::from(workers)..surplus {
            // The one whose end costs least: not begun, then slow; last those that are about to end by themselves.
            let cost = |stream: &Stream| match stream.phase {
                Phase::Draining => f64::INFINITY,
                Phase::Opening => -2.0,
                Phase::Waiting => -1.0,
                _ => stream.rate.per_second(now).unwrap_or(0.0),
            };
            let live = self.streams().filter(|(_, stream)| stream.phase != Phase::Stopping);
            let Some((worker, _)) = live.min_by(|(_, a), (_, b)| cost(a).total_cmp(&cost(b))) else { return };
            self.release(now, worker);
        }
    }

    fn lost(&mut self, range: Range<u64>) {
        self.axis.lose(range);
        if !self.axis.is_complete() {
            self.outcome = None;
        }
    }

    /// Takes a statement about the extent and clips the spans to it. False if it ended the job.
    fn learn(&mut self, extent: u64) -> bool {
        let first_time = self.axis.extent.is_none();
        if let Err(reason) = self.axis.learn(extent) {
            self.give_up(reason);
            return false;
        }
        if first_time {
            for stream in self.slots.iter_mut().filter_map(|slot| slot.stream.as_mut()) {
                stream.end = stream.end.min(extent);
                stream.front = stream.front.min(stream.end);
            }
            self.share_out();
        }
        true
    }

    /// One stream, from the beginning, from now on. `keep` names the one, if it runs.
    fn unsupported(&mut self, now: Instant, worker: WorkerId, keep: Option<WorkerId>) {
        if self.config.access != Access::Random {
            return self.give_up(GiveUp::RangeNotSupported);
        }
        self.config.access = Access::FromStartOnly;
        let from_start =
            |&(other, stream): &(WorkerId, &Stream)| other != worker && stream.start == 0 && stream.is_fetching();
        let keep = keep.or_else(|| self.streams().find(from_start).map(|(other, _)| other));
        for other in (0..self.slots.len()).filter_map(|n| u16::try_from(n).ok()).map(WorkerId) {
            if Some(other) != keep {
                self.release(now, other);
            }
        }
        if let Some(keep) = keep {
            self.reassign(now, keep);
        }
    }

    /// Gives a stream the first free span that it still can bring.
    fn reassign(&mut self, now: Instant, worker: WorkerId) {
        let Some(stream) = self.stream(worker) else { return };
        let (rest, at, reach) = (stream.rest(), stream.at, stream.reach.unwrap_or(u64::MAX));
        self.axis.free.insert(rest.clone());
        let Some(span) = self.axis.free.overlaps(at..reach).next() else { return self.stop(now, worker) };
        self.axis.free.remove(span.clone());
        let end = span.end;
        if let Some(stream) = self.stream_mut(worker) {
            (stream.front, stream.end) = (span.start, span.end);
        }
        if end != rest.end {
            self.outputs.push_back(if end < rest.end {
                Output::Cut { worker, end }
            } else {
                Output::Extend { worker, end }
            });
        }
    }

    /// Empties the slot of a stream that is over. What it was to bring is for the caller to place.
    fn leave(&mut self, now: Instant, worker: WorkerId) -> Option<Stream> {
        let slot = self.slots.get_mut(usize::from(worker.0))?;
        let stream = slot.stream.take()?;
        if stream.phase == Phase::Running {
            slot.last_rate = stream.rate.per_second(now).or(slot.last_rate);
        }
        Some(stream)
    }

    /// Takes its span from a worker and stops it.
    fn release(&mut self, now: Instant, worker: WorkerId) {
        let Some(stream) = self.stream(worker).filter(|stream| stream.phase != Phase::Stopping).cloned() else {
            return;
        };
        self.stop(now, worker);
        self.give_back(stream.rest(), &stream);
    }

    /// Stops a worker. Its span is the caller's.
    fn stop(&mut self, now: Instant, worker: WorkerId) {
        let slot = self.slot_mut(worker);
        let Some(stream) = &mut slot.stream else { return };
        if stream.phase == Phase::Running {
            slot.last_rate = stream.rate.per_second(now).or(slot.last_rate);
        }
        stream.phase = Phase::Stopping;
        stream.end = stream.front;
        self.outputs.push_back(Output::Stop { worker });
    }

    /// Frees a span; that of a stream which has brought nothing goes back to the worker before it.
    fn give_back(&mut self, span: Range<u64>, stream: &Stream) {
        if span.is_empty() {
            return;
        }
        let merges = !stream.kept_any && self.config.access == Access::Random;
        let before = |s: &Stream| s.phase == Phase::Running && s.end == span.start && s.reaches(span.end);
        let neighbour = self.streams().find(|(_, stream)| merges && before(stream)).map(|(worker, _)| worker);
        if let Some(worker) = neighbour {
            if let Some(stream) = self.stream_mut(worker) {
                stream.end = span.end;
            }
            self.outputs.push_back(Output::Extend { worker, end: span.end });
        } else {
            self.axis.free.insert(span);
        }
    }

    /// A failure: the slot rests, longer each time, unless there were too many.
    fn retry_later(&mut self, now: Instant, worker: WorkerId) {
        let failing = self.failing.get_or_insert(Failing { since: now, attempts: 0 });
        failing.attempts = failing.attempts.saturating_add(1);
        let waited = now.saturating_duration_since(failing.since);
        if failing.attempts >= LEAST_ATTEMPTS && waited >= self.config.patience {
            return self.give_up(GiveUp::OutOfPatience);
        }
        let most = doubled(FIRST_RETRY, self.slot_mut(worker).attempts, LAST_RETRY);
        let delay = self.jitter.up_to(most);
        let slot = self.slot_mut(worker);
        slot.attempts = slot.attempts.saturating_add(1);
        slot.retry_at = Some(now + delay);
        slot.last_rate = None;
    }

    pub(super) fn give_up(&mut self, reason: GiveUp) {
        self.stop_all();
        self.outputs.push_back(Output::GaveUp { reason });
        self.outcome = Some(Err(reason));
    }

    /// Stops whatever runs and frees what it had.
    pub(super) fn stop_all(&mut self) {
        for (n, slot) in (0..).zip(&mut self.slots) {
            if let Some(stream) = slot.stream.as_mut().filter(|stream| stream.phase != Phase::Stopping) {
                self.axis.free.insert(stream.rest());
                stream.end = stream.front;
                stream.phase = Phase::Stopping;
                self.outputs.push_back(Output::Stop { worker: WorkerId(n) });
            }
        }
    }

    fn position(&self, worker: WorkerId) -> u64 {
        self.stream(worker).map_or(0, |stream| stream.at)
    }

    /// Slots in use, those that are stopping included.
    pub(super) fn active(&self) -> u16 {
        u16::try_from(self.streams().count()).unwrap_or(u16::MAX)
    }

    pub(super) fn streams(&self) -> impl Iterator<Item = (WorkerId, &Stream)> {
        (0..).map(WorkerId).zip(&self.slots).filter_map(|(worker, slot)| Some((worker, slot.stream.as_ref()?)))
    }

    pub(super) fn stream(&self, worker: WorkerId) -> Option<&Stream> {
        self.slots.get(usize::from(worker.0))?.stream.as_ref()
    }

    pub(super) fn stream_mut(&mut self, worker: WorkerId) -> Option<&mut Stream> {
        self.slots.get_mut(usize::from(worker.0))?.stream.as_mut()
    }

    /// The slot of a worker that is known to exist.
    pub(super) fn slot_mut(&mut self, worker: WorkerId) -> &mut Slot {
        &mut self.slots[usize::from(worker.0)]
    }
}
