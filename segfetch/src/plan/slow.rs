//! The machine of one job: streams that bring nothing, or much less than their peers.

use std::time::{Duration, Instant};

use super::planner::Planner;
use super::retry::doubled;
use super::stream::Stream;
use super::{Access, WorkerId};

/// After so many round trips without a unit, and at least so long, a stream is silent: nothing is expected of it.
const SILENT_ROUND_TRIPS: f64 = 4.0;
const SILENT_AFTER: f64 = 2.0;
/// After so many, and at least so long, it is replaced, if others are not silent; longer where one has been replaced before.
const DEAD_ROUND_TRIPS: f64 = 10.0;
const DEAD_AFTER: f64 = 2.5;
const DEAD_AGAIN_AFTER: f64 = 15.0;
/// A stream is slow below this part of what is usual...
pub(super) const SLOW: f64 = 0.25;
/// ...and for less than this it may be an accident...
const SLOW_AFTER: Duration = Duration::from_secs(3);
/// ...and it is replaced if it stays so for this long. No other one is replaced for as long, nor one in the same slot, for which
/// the time doubles.
const SLOW_FOR: Duration = Duration::from_secs(10);
const LONGEST_SPARING: Duration = Duration::from_secs(300);
/// If the usual rate itself has fallen below this part of what it was, it is the path of all that is slow.
const NOT_FALLEN: f64 = 0.8;
/// What is left must take longer than with a fresh stream by this factor.
const MUCH_LONGER: f64 = 2.0;

impl Planner {
    /// Whether nothing is expected of a stream any more.
    pub(super) fn is_silent(&self, stream: &Stream) -> bool {
        !self.config.paced && self.outlasts(stream, SILENT_ROUND_TRIPS, SILENT_AFTER)
    }

    /// Whether a stream has been much slower than its peers for a while.
    pub(super) fn is_slow(now: Instant, stream: &Stream) -> bool {
        stream.slow.is_some_and(|(since, _)| now.saturating_duration_since(since) >= SLOW_AFTER)
    }

    fn outlasts(&self, stream: &Stream, round_trips: f64, seconds: f64) -> bool {
        stream.quiet.as_secs_f64() >= (round_trips * self.round_trip()).max(seconds)
    }

    /// About what a round trip takes, in seconds.
    pub(super) fn round_trip(&self) -> f64 {
        self.setup.seconds() / f64::from(self.config.open_round_trips.max(1))
    }

    /// Takes its span from a stream that is as good as dead, or so slow that another one is worth opening.
    pub(super) fn relieve(&mut self, now: Instant) {
        if self.config.paced || self.config.access != Access::Random {
            return;
        }
        if let Some(dead) = self.find_dead(now) {
            self.replace(now, dead);
        }
        if let Some(slow) = self.find_slow(now) {
            self.replaced_at = Some(now);
            self.replace(now, slow);
            let slot = self.slot_mut(slow);
            slot.spared_until = Some(now + doubled(SLOW_FOR, slot.replaced, LONGEST_SPARING));
        }
    }

    /// Stops a stream. Another one is opened for what it leaves behind, unless somebody has it at once.
    fn replace(&mut self, now: Instant, worker: WorkerId) {
        let slot = self.slot_mut(worker);
        slot.replaced = slot.replaced.saturating_add(1);
        let free = self.axis.free.total();
        self.release(now, worker);
        self.to_replace = self.to_replace.saturating_add(u16::from(self.axis.free.total() > free));
    }

    /// A stream that has brought nothing for long, while others have.
    fn find_dead(&self, now: Instant) -> Option<WorkerId> {
        let brought_since = |quiet: Duration, other: &Stream| {
            other.last_unit.is_some_and(|at| now.saturating_duration_since(at) < quiet)
        };
        let others_go_on =
            |worker, quiet| self.streams().any(|(other, stream)| other != worker && brought_since(quiet, stream));
        let dead = |worker: WorkerId, stream: &Stream| {
            let first = self.slots.get(usize::from(worker.0)).is_some_and(|slot| slot.replaced == 0);
            let seconds = if first { DEAD_AFTER } else { DEAD_AGAIN_AFTER };
            stream.is_busy() && self.outlasts(stream, DEAD_ROUND_TRIPS, seconds)
        };
        let mut dead = self.streams().filter(|(worker, stream)| dead(*worker, stream));
        dead.find(|(worker, stream)| others_go_on(*worker, stream.quiet)).map(|(worker, _)| worker)
    }

    /// Notes who is slow, and finds one that has been so for long enough.
    fn find_slow(&mut self, now: Instant) -> Option<WorkerId> {
        let usual = self.present_rate(now)?;
        let takes_now = |since: Instant| now.saturating_duration_since(since) >= SLOW_FOR;
        let may = self.replaced_at.is_none_or(takes_now);
        let setup = self.setup.seconds();
        let mut slowest = None;
        for (n, slot) in (0..).zip(&mut self.slots) {
            let spared = slot.spared_until.is_some_and(|until| now < until);
            let Some(stream) = slot.stream.as_mut().filter(|s| s.is_fetching()) else {
                continue;
            };
            let Some(rate) = stream.rate.per_second(now).filter(|rate| *rate < SLOW * usual) else {
                stream.slow = None;
                continue;
            };
            let (since, usual_then) = *stream.slow.get_or_insert((now, usual));
            if usual < NOT_FALLEN * usual_then {
                stream.slow = Some((now, usual));
                continue;
            }
            let pays = pays((stream.end - stream.front) as f64, rate, usual, setup);
            if may && !spared && takes_now(since) && pays && slowest.is_none_or(|(_, least)| rate < least) {
                slowest = Some((WorkerId(n), rate));
            }
        }
        slowest.map(|(worker, _)| worker)
    }
}

/// Whether `left` units come much sooner from a fresh stream with the rate `usual`, which is there after `setup` seconds.
fn pays(left: f64, rate: f64, usual: f64, setup: f64) -> bool {
    left / rate > MUCH_LONGER * (setup + left / usual)
}

#[cfg(test)]
mod tests {
    use crate::range_set::RangeSet;

    use super::super::Config;
    use super::super::stream::Phase;
    use super::*;

    #[test]
    fn a_silent_stream_is_replaced_unless_the_one_before_it_has_its_span_at_once() {
        let now = Instant::now();
        // How many are to be replaced, and where the first one ends, if the second one had brought so much.
        let relieved = |brought: u64| {
            let mut planner = Planner::new(Config::new(Some(200)), RangeSet::new());
            planner.axis.free.remove(0..200);
            let mut first = Stream::asked(now, &(0..100), 0, None);
            (first.phase, first.last_unit) = (Phase::Running, Some(now));
            let mut second = Stream::asked(now, &(100 + brought..200), 100, None);
            second.quiet = Duration::from_secs(3);
            planner.slots[0].stream = Some(first);
            planner.slots[1].stream = Some(second);
            planner.relieve(now);
            (planner.to_replace, planner.stream(WorkerId(0)).map(|stream| stream.end))
        };
        assert_eq!(relieved(50), (1, Some(100)));
        assert_eq!(relieved(0), (0, Some(200)));
    }

    #[test]
    fn a_fresh_stream_must_take_less_than_half_as_long() {
        // 10 s, or 3 s and 2 s.
        assert!(!pays(100.0, 10.0, 50.0, 3.0));
        assert!(pays(101.0, 10.0, 50.0, 3.0));
    }
}
