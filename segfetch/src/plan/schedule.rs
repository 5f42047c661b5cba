//! The machine of one job: what idle workers do.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::planner::Planner;
use super::split::{first_share, worthwhile};
use super::stream::{Phase, Stream};
use super::{Access, End, GiveUp, Order, Output, WorkerId};

/// How often idle workers look again whether somebody needs help.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Where the lowest unit matters most, pieces are so many times what is worth a stream: little is lost to opening them, and
/// the front waits for no large one...
const PIECE: u64 = 8;
/// ...but there are no more than about so many of them.
const MOST_PIECES: u64 = 1024;

/// With so many times the smallest span left, a second stream is worth trying before anything is known of the first one's rate.
const PLENTY: u64 = 32;

/// Work for an idle worker.
#[derive(Clone, Debug)]
pub(super) enum Find {
    /// Of a free span.
    Free(Range<u64>),
    /// Cut from the end of another worker's span.
    Share { victim: WorkerId, span: Range<u64> },
    /// The same span as another worker's, from `start` on.
    Challenge { victim: WorkerId, start: u64 },
}

impl Planner {
    /// Opens what can be opened, or ends the job.
    pub(super) fn schedule(&mut self, now: Instant) {
        if self.outcome.is_some() {
            self.wanted = 0;
            return;
        }
        if self.axis.is_complete() {
            return self.complete();
        }
        self.relieve(now);
        self.look_at_the_rate(now);
        let mut find = None;
        while let Some(worker) = self.ready_worker(now) {
            find = self.find(now);
            let Some(found) = find.take_if(|_| self.active() < self.granted) else { break };
            self.open(now, worker, found);
            if self.outcome.is_some() {
                return;
            }
        }
        // What was found and is not granted, is wanted; and then whatever else is allowed.
        self.wanted = if find.is_some() { self.target(now) - self.resting(now) } else { self.active() };
    }

    /// When [`Input::Timeout`](super::Input::Timeout) is due.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        if self.outcome.is_some() {
            return None;
        }
        let retries = self.slots.iter().filter(|slot| slot.is_idle()).filter_map(|slot| slot.retry_at);
        let idle = self.ready_worker(now).is_some() && self.streams().any(|(_, stream)| stream.is_fetching());
        retries.filter(|&at| at > now).chain(idle.then(|| now + LOOK_AGAIN)).min()
    }

    /// All units are here; a stream that was asked for the end of the axis may still say that it is not the end.
    fn complete(&mut self) {
        let end = self.axis.end();
        self.wanted = self.active();
        if self.streams().any(|(_, stream)| stream.phase == Phase::Draining && stream.end == end) {
            return;
        }
        self.stop_all();
        self.outputs.push_back(Output::Complete);
        self.outcome = Some(Ok(()));
    }

    fn look_at_the_rate(&mut self, now: Instant) {
        let count = |wanted: fn(&Stream) -> bool| self.streams().filter(|(_, stream)| wanted(stream)).count();
        let running = count(|stream| stream.phase == Phase::Running);
        let opening = count(|stream| matches!(stream.phase, Phase::Opening | Phase::Waiting)) > 0;
        let (setup, most) = (self.setup.seconds(), self.most());
        let left = self.axis.end() - self.axis.have.total();
        let plenty = left >= PLENTY.saturating_mul(self.config.min_span);
        self.ramp.look(now, u16::try_from(running).unwrap_or(u16::MAX), opening, setup, plenty, most);
    }

    /// How many workers there can be.
    fn most(&self) -> u16 {
        u16::try_from(self.slots.len()).unwrap_or(u16::MAX)
    }

    /// How many workers there should be, if the host allows it.
    pub(super) fn target(&self, now: Instant) -> u16 {
        let parallel = self.warm && self.axis.extent.is_some() && self.config.access == Access::Random;
        if !parallel {
            return 1;
        }
        // Whoever brings next to nothing does not count. One that was stopped to be replaced is, however many there are: the number
        // that proved best is come to as streams end.
        let idle = self.streams().filter(|(_, stream)| self.is_silent(stream) || Self::is_slow(now, stream)).count();
        let allowed = self.ramp.allowed().saturating_add(u16::try_from(idle).unwrap_or(u16::MAX));
        let replaced = if self.to_replace > 0 { self.active().saturating_add(self.to_replace) } else { 0 };
        allowed.max(replaced).min(self.most())
    }

    /// Idle slots that wait for a retry. They count as busy, or a failure would only move to the next slot.
    pub(super) fn resting(&self, now: Instant) -> u16 {
        let resting = self.slots.iter().filter(|slot| slot.is_idle() && !slot.is_ready(now)).count();
        u16::try_from(resting).unwrap_or(u16::MAX).min(self.target(now))
    }

    /// The idle worker that was fastest, if there may be one more.
    pub(super) fn ready_worker(&self, now: Instant) -> Option<WorkerId> {
        if self.active() + self.resting(now) >= self.target(now) {
            return None;
        }
        let speed = |n: u16| self.slots.get(usize::from(n)).and_then(|slot| slot.last_rate).unwrap_or(0.0);
        let ready = (0..).zip(&self.slots).filter(|(_, slot)| slot.is_ready(now)).map(|(n, _)| n);
        ready.max_by(|&a, &b| speed(a).total_cmp(&speed(b)).then(b.cmp(&a))).map(WorkerId)
    }

    fn find(&self, now: Instant) -> Option<Find> {
        self.find_free(now)
            .or_else(|| self.find_challenge(now, true))
            .or_else(|| self.find_theft(now).filter(|_| self.config.access == Access::Random))
            .or_else(|| self.find_challenge(now, false))
    }

    fn find_free(&self, now: Instant) -> Option<Find> {
        let free = &self.axis.free;
        if self.config.access != Access::Random {
            return free.first().map(Find::Free);
        }
        let fair = self.fair_share(free.total(), self.active() + self.resting(now));
        let span = match self.config.order {
            Order::Largest => {
                let largest = free.iter().max_by_key(|span| (span.end - span.start, u64::MAX - span.start))?;
                largest.start..first_share(&largest, fair, self.floor(now), self.boundary())
            }
            Order::First => self.piece(now, free.first()?, fair),
        };
        Some(Find::Free(span))
    }

    /// What a worker takes of a free span where the lowest unit matters most, and at `most`.
    pub(super) fn piece(&self, now: Instant, span: Range<u64>, most: u64) -> Range<u64> {
        if self.axis.extent.is_none() {
            return span;
        }
        let floor = self.floor(now);
        let share = floor.saturating_mul(PIECE).max(self.axis.end() / MOST_PIECES).min(most);
        span.start..first_share(&span, share, floor, self.boundary())
    }

    fn open(&mut self, now: Instant, worker: WorkerId, find: Find) {
        if self.config.access == Access::Sequential && self.axis.have.total() > 0 {
            return self.give_up(GiveUp::NotRepeatable);
        }
        self.to_replace = self.to_replace.saturating_sub(1);
        let (span, first, challenges) = match find {
            Find::Free(span) => (span.clone(), span.start, None),
            Find::Share { victim, span } => {
                self.stream_mut(victim).into_iter().for_each(|stream| stream.end = span.start);
                self.outputs.push_back(Output::Cut { worker: victim, end: span.start });
                (span.clone(), span.start, None)
            }
            Find::Challenge { victim, start } => {
                let end = self.stream(victim).map_or(start, |stream| stream.end);
                (start..end, start, Some(victim))
            }
        };
        let (start, end) = match self.config.access {
            Access::Random if span.end == self.axis.end() => (first, End::Open),
            Access::Random if self.config.exact_ends => (first, End::Exact(span.end)),
            Access::Random => (first, End::Soft(span.end)),
            _ => (0, End::Open),
        };
        let reach = if let End::Exact(end) = end { Some(end) } else { None };
        let owned = if challenges.is_some() { start..start } else { span };
        self.axis.free.remove(owned.clone());
        let slot = self.slot_mut(worker);
        slot.retry_at = None;
        slot.stream = Some(Stream { challenges, ..Stream::asked(now, &owned, start, reach) });
        self.outputs.push_back(Output::Open { worker, start, end });
    }

    /// The extent has just become known: what the only worker has is shared with those that may follow.
    pub(super) fn share_out(&mut self) {
        if self.config.access != Access::Random {
            return;
        }
        let Some((worker, rest)) = self.streams().find(|(_, s)| s.is_fetching()).map(|(worker, s)| (worker, s.rest()))
        else {
            return;
        };
        let share = self.fair_share(rest.end.saturating_sub(rest.start), 0);
        let end = first_share(&rest, share, self.config.min_span, self.boundary());
        if end < rest.end {
            if let Some(stream) = self.stream_mut(worker) {
                stream.end = end;
            }
            self.axis.free.insert(end..rest.end);
            self.outputs.push_back(Output::Cut { worker, end });
        }
    }

    /// `units` divided by the workers that are expected besides those that are `busy`.
    fn fair_share(&self, units: u64, busy: u16) -> u64 {
        let slots = self.most().min(self.ramp.allowed());
        let expected = match (self.axis.extent, self.host_full) {
            (None, _) => 1,
            (_, true) => slots.min(self.granted),
            (_, false) => slots,
        };
        units.div_ceil(u64::from(expected.saturating_sub(busy).max(1)))
    }

    /// The fewest units to be cut off from a free span.
    fn floor(&self, now: Instant) -> u64 {
        self.usual_rate(now).map_or(self.config.min_span, |rate| worthwhile(rate, self.setup.seconds()))
    }
}
