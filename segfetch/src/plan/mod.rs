//! What to fetch next, and with how many streams: pure machines without a clock, a socket or a random number of their own.
//!
//! [`Planner`] divides one job. Its axis is any `u64`: positions in a file, nanoseconds of media time, packets; a *unit* is one
//! step on it. [`HostGate`] divides the sessions of one server between jobs. Both have two verbs: `handle_input` tells what
//! happened, `poll_output` says what to do until it answers `Wait`. Time is an argument, and so is the seed of the jitter: the
//! same inputs at the same instants give the same outputs.
//!
//! ```text
//!            wanted()                     Want, Opening, Opened, Refused, Closed
//!  Planner  ----------->  the engine  ----------------------------------------->  HostGate
//!           <-----------              <-----------------------------------------
//!            Limit(n)                             Limit { job, streams }
//! ```
//!
//! # One worker
//!
//! ```text
//!            Open              Opened             Advanced            at its end
//!   idle ----------> opening ----------> waiting ----------> running ------------> draining
//!    ^                  |                   |                   |                      |
//!    |                  |                   |       Stop        |                      | Ended
//!    |  Stopped         v                   v                   v                      v
//!    +------------- stopping <----------------------------------+---------------->   idle
//! ```
//! A worker at its end *runs on* where it can: into a thief's span that has brought nothing yet (the thief is stopped), or into
//! an adjacent free span. *Draining* reads on only to hear the peer confirm the end; units that come instead prove that the
//! extent is a lie. A failure in any state leads to idle, and the rest of the span back to the free ones.
//!
//! # What an idle worker does
//!
//! The first of these that there is to do:
//! 1. It takes a free span, or a fair share of it.
//! 2. It *challenges* a stream that has fallen silent: it starts a little before the place that the other one has reached, and
//!    takes over its span as soon as it has drawn level. What both bring can be compared.
//! 3. It steals from the stream with the longest time to go, so that all finish together, if that is worth a stream.
//! 4. It challenges the slowest one, where what is left is too little to divide and would come a good deal earlier.
//!
//! A stream that is much slower than its peers for long is replaced even if nobody is idle.

mod axis;
mod challenge;
mod gate;
mod inputs;
mod planner;
mod ramp;
mod rate;
mod retry;
mod schedule;
mod slow;
mod spans;
mod split;
mod steal;
mod stream;

use std::time::{Duration, Instant};

pub use gate::{GateConfig, GateInput, GateOutput, HostGate, JobId};
pub use planner::Planner;
pub(crate) use retry::doubled;
pub use segfetch_source::{Access, End};

/// One slot for a stream, numbered from 0; the same slot is used again for later streams of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u16);

/// Which free span an idle worker takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// The largest: fewest streams.
    #[default]
    Largest,
    /// The lowest, in pieces of little more than is worth a stream: for a consumer that reads from the front.
    First,
}

/// What a planner is told once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Length of the axis in units, if it is known.
    pub extent: Option<u64>,
    /// Where streams can start.
    pub access: Access,
    /// Whether the peer ends a stream at an [`End::Exact`] by itself.
    pub exact_ends: bool,
    /// All workers start at once, and not only when the first unit has come.
    pub eager: bool,
    /// Most streams at once; 0 counts as 1.
    pub workers: u16,
    /// Spans are cut at multiples of this many units, counted from 0; those of slow workers at sixteenths of it. 0 counts as 1.
    pub block: u64,
    /// While no rate is known, no span is cut smaller than this many units.
    pub min_span: u64,
    /// Round trips from [`Output::Open`] to the first unit: the first guess at what a stream costs, until it is measured.
    pub open_round_trips: u8,
    /// Which free span comes first.
    pub order: Order,
    /// Begin with one worker, and use more of them while that makes the whole faster. Otherwise all that are granted start when
    /// the first unit has come.
    pub ramp: bool,
    /// The peer sends at a rate of its own, that of the media: no stream is fetched twice, or thought slow, for it.
    pub paced: bool,
    /// How long transient failures are answered by new attempts while no unit arrives.
    pub patience: Duration,
    /// Seed of the jitter. Jobs with different seeds do not retry in step.
    pub seed: u64,
}

impl Config {
    /// Four workers, blocks of 65,536 units, spans of at least 1,048,576 units, random access, five minutes of patience.
    pub fn new(extent: Option<u64>) -> Self {
        Self {
            extent,
            access: Access::Random,
            exact_ends: false,
            eager: false,
            workers: 4,
            block: 1 << 16,
            min_span: 1 << 20,
            open_round_trips: 3,
            order: Order::Largest,
            ramp: false,
            paced: false,
            patience: Duration::from_secs(300),
            seed: 0,
        }
    }
}

/// What happened. An input that does not fit the state of its worker is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The peer accepted the stream.
    Opened {
        /// Whose stream.
        worker: WorkerId,
        /// Position of its first unit; at most the one asked for, and what lies between is [`Next::Pass`]ed.
        start: u64,
        /// Where the stream ends by itself, if that is before the end of the axis. Exclusive.
        ends_at: Option<u64>,
        /// Length of the axis as this answer states it.
        extent: Option<u64>,
    },
    /// So many units came, starting where [`Planner::next`] said. Those that it wanted kept count as held from now on.
    Advanced {
        /// Whose stream.
        worker: WorkerId,
        /// How many.
        units: u64,
    },
    /// So many units will not come on this stream; what follows lies behind them. They are asked for once more, elsewhere; if
    /// they are skipped again they are [`missing`](Planner::missing).
    Skipped {
        /// Whose stream.
        worker: WorkerId,
        /// How many.
        units: u64,
    },
    /// The stream has brought nothing while it was read for so long; told again and again as the time grows.
    Silent {
        /// Whose stream.
        worker: WorkerId,
        /// How long reads have been pending since the last unit.
        quiet: Duration,
    },
    /// The peer confirmed that the stream is complete.
    Ended {
        /// Whose stream.
        worker: WorkerId,
    },
    /// A stop that [`Output::Stop`] asked for is through, and the slot can be used again.
    Stopped {
        /// Whose stream.
        worker: WorkerId,
    },
    /// The stream, or the attempt to open it, failed. Units that came before stay held.
    Failed {
        /// Whose stream.
        worker: WorkerId,
        /// What follows from it.
        failure: Failure,
    },
    /// So many workers may be active from now on; none before the first such input. 0 pauses the job.
    Limit(u16),
    /// The server has refused a stream, of this job or of another one: what is granted is all that can be expected, and shares
    /// are cut for no more. [`HostGate::limit`] tells.
    HostFull,
    /// Held, or missing, units must be fetched again.
    Lost {
        /// First lost unit.
        start: u64,
        /// Behind the last lost unit.
        end: u64,
    },
    /// The instant of [`Output::Wait`] has come.
    Timeout,
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Try again.
    Transient,
    /// The server refused the attempt to open: it admits no more sessions now. Costs no attempt; the worker count stays lowered
    /// until the next [`Input::Limit`], which the [`HostGate`] times once it is told [`GateInput::Refused`].
    Throttled,
    /// The server cannot start, or end, where it was asked to: from now on one stream from the beginning.
    RangeNotSupported,
    /// Ends the job.
    Fatal,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Start a stream.
    Open {
        /// Whose stream.
        worker: WorkerId,
        /// First unit wanted.
        start: u64,
        /// What to ask the peer about the end. Where to stop reading is [`Planner::next`]'s to say.
        end: End,
    },
    /// The worker's span now ends here, which is earlier. [`Planner::next`] says the same; nothing needs to be done.
    Cut {
        /// Whose span.
        worker: WorkerId,
        /// Its new end, exclusive.
        end: u64,
    },
    /// The worker runs on to here without a new stream. [`Planner::next`] says the same; nothing needs to be done.
    Extend {
        /// Whose span.
        worker: WorkerId,
        /// Its new end, exclusive.
        end: u64,
    },
    /// End the stream, or the attempt to open it, and answer [`Input::Stopped`].
    Stop {
        /// Whose stream.
        worker: WorkerId,
    },
    /// The whole axis is held or missing. Whatever still runs need not be waited for.
    Complete,
    /// The job failed; nothing follows but the stops that came before.
    GaveUp {
        /// Why.
        reason: GiveUp,
    },
    /// Nothing more to do until the next input, or, as [`Input::Timeout`], this instant.
    Wait(Option<Instant>),
}

/// Why a job failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GiveUp {
    /// The axis is not as long as it was said to be.
    ExtentChanged {
        /// Length that was expected, or the least that it must be.
        expected: u64,
        /// Length as stated now, or where the peer ended or went on against what it had stated.
        found: u64,
    },
    /// Transient failures only, for as long as [`Config::patience`] says.
    OutOfPatience,
    /// Not even one stream from the beginning.
    RangeNotSupported,
    /// A stream that exists only once broke.
    NotRepeatable,
    /// [`Failure::Fatal`].
    Fatal,
}

/// What the next units of a stream are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Keep up to `units` of them; the first one belongs at `at`.
    Keep {
        /// Position of the next unit.
        at: u64,
        /// At least 1.
        units: u64,
    },
    /// Drop up to `units` of them, or compare them with what is held: they lie before what is wanted, or are those that another
    /// stream has brought.
    Pass {
        /// Position of the next unit.
        at: u64,
        /// At least 1.
        units: u64,
    },
    /// None is wanted: read on only to learn that the peer ends here. A unit that comes is reported like any other.
    Confirm,
    /// Nothing is open, or nothing is wanted from it.
    Nothing,
}

/// A job at one instant, for display.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Length of the axis, if it is known.
    pub extent: Option<u64>,
    /// Units held.
    pub held: u64,
    /// Units that no stream is going to bring.
    pub missing: u64,
    /// Units that no worker has been given yet.
    pub pending: u64,
    /// Workers with a stream, by their number.
    pub workers: Vec<WorkerSnapshot>,
}

/// One stream at one instant, for display.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct WorkerSnapshot {
    /// Which slot.
    pub worker: WorkerId,
    /// Where the stream was asked to start.
    pub start: u64,
    /// Next unit to keep.
    pub front: u64,
    /// End of the span, exclusive; `u64::MAX` while the extent is not known.
    pub end: u64,
    /// Units per second, half of it from the last three seconds; `None` until it can be told.
    pub rate: Option<f64>,
}
