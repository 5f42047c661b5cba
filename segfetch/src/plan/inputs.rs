//! The machine of one job: what each input does.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::planner::{Failing, Planner};
use super::retry::doubled;
use super::stream::{Phase, Stream};
use super::{Access, Failure, GiveUp, Order, Output, WorkerId};

/// Longest wait after the first failure; doubles with each.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// Longest wait after any failure.
const LAST_RETRY: Duration = Duration::from_secs(30);
/// However long they took: patience does not end before this many failures.
const LEAST_ATTEMPTS: u32 = 4;

impl Planner {
    pub(super) fn opened(
        &mut self,
        now: Instant,
        worker: WorkerId,
        start: u64,
        ends_at: Option<u64>,
        extent: Option<u64>,
    ) {
        let Some(stream) = self.stream_mut(worker).filter(|stream| stream.phase == Phase::Opening) else { return };
        let asked = stream.start;
        stream.phase = Phase::Waiting;
        stream.at = start;
        stream.reach = [stream.reach, ends_at].into_iter().flatten().min();
        let tolerated = self.config.block.max(self.config.min_span);
        if extent.is_some_and(|extent| !self.learn(extent)) {
            return;
        }
        let Some(stream) = self.stream(worker) else { return };
        let (challenges, is_empty) = (stream.challenges.is_some(), stream.rest().is_empty());
        if start > asked {
            self.unsupported(now, worker, None);
        } else if self.config.access == Access::Random && asked - start > tolerated {
            // The server has begun at its own beginning: that stream is as good as any other from there.
            self.unsupported(now, worker, (start == 0).then_some(worker));
        } else if challenges {
            self.catch_up(now, worker);
        } else if is_empty {
            self.arrive(now, worker);
        }
    }

    /// `units` came, or will not come on this stream.
    pub(super) fn moved(&mut self, now: Instant, worker: WorkerId, units: u64, skipped: bool) {
        let end_of_axis = self.axis.end();
        let Some(slot) = self.slots.get_mut(usize::from(worker.0)) else { return };
        let Some(stream) = slot.stream.as_mut().filter(|stream| stream.phase > Phase::Opening && units > 0) else {
            return;
        };
        stream.at = stream.at.saturating_add(units);
        stream.quiet = Duration::ZERO;
        stream.last_unit = Some(now);
        match stream.phase {
            Phase::Waiting => {
                stream.phase = Phase::Running;
                self.setup.measured(now.saturating_duration_since(stream.asked));
            }
            Phase::Stopping => return,
            _ => {}
        }
        if stream.at > end_of_axis {
            let found = stream.at;
            return self.give_up(GiveUp::ExtentChanged { expected: end_of_axis, found });
        }
        stream.rate.observe(now, units);
        if let Some((lost, rate)) = stream.rate.lost(now, self.setup.slow_start()) {
            self.setup.slow_start_took(lost, rate);
        }
        self.ramp.count(stream.asked, units);
        if stream.challenges.is_some() {
            self.duplicate = self.duplicate.saturating_add(units);
            return self.catch_up(now, worker);
        }
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
    pub(super) fn arrive(&mut self, now: Instant, worker: WorkerId) {
        self.dismiss_challenger(now, worker);
        let end_of_axis = self.axis.end();
        let Some(stream) = self.stream(worker) else { return };
        let (at, end, reach) = (stream.at, stream.end, stream.reach.unwrap_or(u64::MAX));
        let more = if end == end_of_axis {
            None
        } else if self.config.access != Access::Random {
            self.axis.free.overlaps(at..reach).next()
        } else if at == end {
            let adjacent = self.axis.free.overlaps(end..reach).next().filter(|free| free.start == end);
            self.take_back(now, worker).or(match self.config.order {
                Order::Largest => adjacent,
                Order::First => adjacent.map(|free| self.piece(now, free, u64::MAX)),
            })
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

    /// `worker` has brought nothing for so long.
    pub(super) fn silent(&mut self, worker: WorkerId, quiet: Duration) {
        if let Some(stream) = self.stream_mut(worker) {
            stream.quiet = quiet;
        }
    }

    pub(super) fn ended(&mut self, now: Instant, worker: WorkerId) {
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
        if stream.challenges.is_some() {
            return self.retry_later(now, worker);
        }
        let rest = stream.rest();
        if rest.is_empty() {
            return;
        }
        let as_announced = stream.reach.is_some_and(|reach| at >= reach);
        self.give_back(now, worker, rest);
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

    pub(super) fn stopped(&mut self, worker: WorkerId) {
        if self.stream(worker).is_some_and(|stream| stream.phase == Phase::Stopping) {
            self.slot_mut(worker).stream = None;
        }
    }

    pub(super) fn failed(&mut self, now: Instant, worker: WorkerId, failure: Failure) {
        let Some(stream) = self.leave(now, worker).filter(|stream| stream.phase != Phase::Stopping) else { return };
        let rest = stream.rest();
        let was_needed = !rest.is_empty() || stream.challenges.is_some();
        if failure == Failure::Fatal {
            self.axis.free.insert(rest);
            return self.give_up(GiveUp::Fatal);
        }
        self.give_back(now, worker, rest);
        if !was_needed {
            // How a stream ends that has brought all of its span is the peer's business.
            return;
        }
        match failure {
            Failure::Transient | Failure::Fatal => self.retry_later(now, worker),
            Failure::Throttled => {
                self.slot_mut(worker).last_rate = None;
                self.granted = self.granted.min(self.active());
                self.host_full = true;
                self.throttled_at = Some(now);
                // Waiting for one's turn is no failure.
                self.failing = None;
            }
            Failure::RangeNotSupported => self.unsupported(now, worker, None),
        }
    }

    pub(super) fn limit(&mut self, now: Instant, workers: u16) {
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

    pub(super) fn lost(&mut self, range: Range<u64>) {
        self.axis.lose(range);
        if !self.axis.is_complete() {
            self.outcome = None;
        }
    }

    /// A failure: the slot rests, longer each time, unless there were too many.
    pub(super) fn retry_later(&mut self, now: Instant, worker: WorkerId) {
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
}
