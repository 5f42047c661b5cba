//! One worker: a slot, and the stream in it.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::WorkerId;
use super::rate::Rate;

/// How far a stream has come. The picture is in the documentation of [`plan`](super).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) enum Phase {
    /// Asked for, not answered.
    Opening,
    /// Accepted, no unit yet.
    Waiting,
    /// Units came.
    Running,
    /// Everything that is wanted came; the peer is about to confirm the end.
    Draining,
    /// Told to stop.
    Stopping,
}

/// A stream, and the span that it is to bring.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) phase: Phase,
    /// First unit that was asked for.
    pub(super) start: u64,
    /// First unit of the span that has not come; `front == end` is an empty span.
    pub(super) front: u64,
    /// End of the span, exclusive.
    pub(super) end: u64,
    /// Position of the next unit on the stream. Before `front` units are passed over; behind `end` the stream is lost.
    pub(super) at: u64,
    /// Where the peer ends the stream by itself.
    pub(super) reach: Option<u64>,
    /// When it was asked for.
    pub(super) asked: Instant,
    /// Units of the span came on this stream.
    pub(super) kept_any: bool,
    pub(super) rate: Rate,
    /// The stream whose span it takes over when it has drawn level. Until then its own span is empty.
    pub(super) challenges: Option<WorkerId>,
    /// How long it has brought nothing while it was read.
    pub(super) quiet: Duration,
    pub(super) last_unit: Option<Instant>,
    /// Since when it has been slow, and what was usual then.
    pub(super) slow: Option<(Instant, f64)>,
}

impl Stream {
    pub(super) fn asked(now: Instant, span: &Range<u64>, start: u64, reach: Option<u64>) -> Self {
        Self {
            phase: Phase::Opening,
            start,
            front: span.start,
            end: span.end,
            at: start,
            reach,
            asked: now,
            kept_any: false,
            rate: Rate::default(),
            challenges: None,
            quiet: Duration::ZERO,
            last_unit: None,
            slow: None,
        }
    }

    /// What is still to come.
    pub(super) fn rest(&self) -> Range<u64> {
        self.front..self.end
    }

    /// Whether units are wanted from it.
    pub(super) fn is_fetching(&self) -> bool {
        self.is_busy() && self.challenges.is_none()
    }

    /// Whether it is not about to leave its slot.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.phase, Phase::Opening | Phase::Waiting | Phase::Running)
    }

    /// Whether the stream itself goes on up to `end`.
    pub(super) fn reaches(&self, end: u64) -> bool {
        self.reach.is_none_or(|reach| end <= reach)
    }
}

/// A place for one stream after another.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    pub(super) stream: Option<Stream>,
    /// Units per second of the last stream that ended well: the next one probably has the same session.
    pub(super) last_rate: Option<f64>,
    /// Failures since the slot last brought a unit.
    pub(super) attempts: u32,
    /// Not to be used before this.
    pub(super) retry_at: Option<Instant>,
    /// How often a stream in it was replaced for being slow, and when the next one may be.
    pub(super) replaced: u32,
    pub(super) spared_until: Option<Instant>,
}

impl Slot {
    /// Units per second of a stream that is under way.
    pub(super) fn running_rate(&self, now: Instant) -> Option<f64> {
        self.stream.as_ref().filter(|stream| stream.phase == Phase::Running)?.rate.per_second(now)
    }

    /// Whether it holds no stream; it may have to wait nevertheless.
    pub(super) fn is_idle(&self) -> bool {
        self.stream.is_none()
    }

    /// Whether a stream can be opened in it now.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        self.is_idle() && self.retry_at.is_none_or(|at| at <= now)
    }
}
