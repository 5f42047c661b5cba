//! The machine of one job: its face.

use std::collections::VecDeque;
use std::time::Instant;

use crate::range_set::RangeSet;

use super::axis::Axis;
use super::ramp::Ramp;
use super::rate::Setup;
use super::retry::Jitter;
use super::stream::{Phase, Slot, Stream};
use super::{Config, GiveUp, Input, Next, Output, Snapshot, WorkerId, WorkerSnapshot};

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
    /// The host has refused somebody: the grant is all that can be expected.
    pub(super) host_full: bool,
    /// Workers that the job could use, as of the last drained poll.
    pub(super) wanted: u16,
    /// A unit has come: the server is what it says, and others may start.
    pub(super) warm: bool,
    pub(super) setup: Setup,
    pub(super) outcome: Option<Result<(), GiveUp>>,
    pub(super) jitter: Jitter,
    pub(super) failing: Option<Failing>,
    pub(super) ramp: Ramp,
    /// Units that challengers have passed over.
    pub(super) duplicate: u64,
    /// The last time that the server refused a stream.
    pub(super) throttled_at: Option<Instant>,
    /// The last time that a slow stream was replaced.
    pub(super) replaced_at: Option<Instant>,
    /// Streams that were stopped to be replaced, and have not been.
    pub(super) to_replace: u16,
    /// Where a stream ended although it should have gone on.
    pub(super) short_at: Option<u64>,
}

/// Failures without a unit between them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failing {
    pub(super) since: Instant,
    pub(super) attempts: u32,
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
            host_full: false,
            wanted: 0,
            warm: config.eager,
            setup: Setup::new(config.open_round_trips),
            outcome: None,
            jitter: Jitter::new(config.seed),
            failing: None,
            ramp: Ramp::new(config.ramp),
            duplicate: 0,
            throttled_at: None,
            replaced_at: None,
            to_replace: 0,
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
            Input::Silent { worker, quiet } => self.silent(worker, quiet),
            Input::Ended { worker } => self.ended(now, worker),
            Input::Stopped { worker } => self.stopped(worker),
            Input::Failed { worker, failure } => self.failed(now, worker, failure),
            Input::Limit(workers) => self.limit(now, workers),
            Input::HostFull => self.host_full = true,
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
        let at = stream.at;
        // A challenger passes over what the other stream has brought so far.
        let front =
            stream.challenges.and_then(|victim| self.stream(victim)).map_or(stream.front, |victim| victim.front);
        match stream.phase {
            Phase::Opening | Phase::Stopping => Next::Nothing,
            Phase::Draining => Next::Confirm,
            Phase::Waiting | Phase::Running if at < front => Next::Pass { at, units: front - at },
            Phase::Waiting | Phase::Running => Next::Keep { at, units: stream.end.saturating_sub(at) },
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
