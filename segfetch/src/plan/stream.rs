//! One worker: a slot, and the stream in it.

use std::ops::Range;
use std::time::Instant;

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
        }
    }

    /// What is still to come.
    pub(super) fn rest(&self) -> Range<u64> {
        self.front..self.end
    }

    /// Whether units are wanted from it, and may be.
    pub(super) fn is_fetching(&self) -> bool {
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
}

impl Slot {
    /// Whether it holds no stream; it may have to wait nevertheless.
    pub(super) fn is_idle(&self) -> bool {
        self.stream.is_none()
    }

    /// Whether a stream can be opened in it now.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        self.is_idle() && self.retry_at.is_none_or(|at| at <= now)
    }
}
