//! The machine of one job: what is taken from a worker for another one.

use std::iter::once;
use std::ops::Range;
use std::time::Instant;

use super::WorkerId;
use super::planner::Planner;
use super::schedule::Find;
use super::slow::SLOW;
use super::split::{equal_finish, finish, helps, level, worth_stealing};
use super::stream::{Phase, Slot, Stream};

/// The span of a slow stream is cut at so many places in each block.
const GRAINS: u64 = 16;
/// Where nothing is known of any rate, one stream is expected to take so many seconds for all that is left.
const BLIND: f64 = 60.0;

/// A stream that is to bring something.
struct Victim {
    worker: WorkerId,
    rest: Range<u64>,
    /// Units per second that can be expected.
    rate: f64,
    /// Seconds that it still loses to its set-up and slow start.
    late: f64,
    silent: bool,
}

impl Victim {
    /// Units to come, with those that would have come in the time that it loses, and units per second.
    fn load(&self) -> (f64, f64) {
        ((self.rest.end - self.rest.start) as f64 + self.rate * self.late, self.rate)
    }

    fn time_to_go(&self) -> f64 {
        let (units, rate) = self.load();
        units / rate
    }
}

impl Planner {
    /// What the longest time to go exceeds the time by in which all could finish together, where that is worth a stream.
    pub(super) fn find_theft(&self, now: Instant) -> Option<Find> {
        let (setup, behind) = (self.setup.seconds(), self.setup.behind());
        let known = self.usual_rate(now);
        let victims: Vec<_> = self.victims(now, known).collect();
        let usual = known.or_else(|| victims.iter().map(|victim| victim.rate).reduce(f64::max))?;
        let thieves: Vec<_> = self.thieves(now).map(|slot| slot.last_rate.unwrap_or(usual)).collect();
        let all: Vec<_> = victims.iter().map(Victim::load).chain(thieves.iter().map(|&rate| (0.0, rate))).collect();
        let level = level(&all, behind, setup);
        let share = |victim: &Victim, finish: f64| {
            let finish = finish * self.ramp.lean() - victim.late;
            let cut = equal_finish(&victim.rest, victim.rate, finish, setup, self.grain(victim.rate, usual))?;
            Some(Find::Share { victim: victim.worker, span: cut..victim.rest.end })
        };
        // A silent one is challenged, or it would lose its span but for a block to each of many thieves.
        let robbed: Vec<_> = victims.iter().filter(|victim| !victim.silent && share(victim, level).is_some()).collect();
        let longest = *robbed.iter().max_by(|a, b| a.time_to_go().total_cmp(&b.time_to_go()))?;
        let thief =
            self.ready_worker(now).and_then(|thief| self.slots.get(usize::from(thief.0))?.last_rate).unwrap_or(usual);
        let helpers = all.iter().filter(|load| helps(**load, level, behind, setup)).count();
        let until = if helpers > robbed.len() {
            // Others come to the same victim: nobody takes more than can be done in time, or than is worth a stream.
            // The cut is made at a boundary, which may be a little further.
            let least = worth_stealing(thief.max(longest.rate), setup) + self.grain(longest.rate, usual) as f64;
            let most = (thief * (level - behind)).max(least);
            (longest.load().0 - most) / longest.rate
        } else {
            // Nobody else comes to it: the two of them must not take longer than they need.
            finish(once(longest.load()), once(thief), behind)
        };
        // Of one that has come to nothing all is taken that the others can bring.
        share(longest, if until.is_finite() { until.max(level) } else { level })
    }

    /// Where the span of a stream with this `rate` is cut: at block boundaries, or between them where a block would take it so long that
    /// all wait for it.
    fn grain(&self, rate: f64, usual: f64) -> u64 {
        if rate < SLOW * usual { self.config.block.div_ceil(GRAINS) } else { self.boundary() }
    }

    /// Where spans are cut, whoever fetches them: at block boundaries. A source that sends no faster than it is watched takes long for a
    /// block.
    pub(super) fn boundary(&self) -> u64 {
        if self.config.paced { self.config.block.div_ceil(GRAINS) } else { self.config.block }
    }

    fn victims(&self, now: Instant, usual: Option<f64>) -> impl Iterator<Item = Victim> {
        let behind = self.setup.behind();
        let left = self.axis.end() - self.axis.have.total();
        let guess = (self.ramp.is_blind() && usual.is_none()).then_some(left as f64 / BLIND);
        self.streams().filter(|(_, stream)| stream.is_fetching()).filter_map(move |(worker, stream)| {
            let late = (behind - now.saturating_duration_since(stream.asked).as_secs_f64()).max(0.0);
            let (rate, silent) = (self.expected_beside(now, worker, usual).or(guess)?, self.is_silent(stream));
            Some(Victim { worker, rest: stream.rest(), rate, late, silent })
        })
    }

    /// Units per second that can be expected of a worker's stream; `None` if nothing is known of any.
    pub(super) fn expected_rate(&self, now: Instant, worker: WorkerId) -> Option<f64> {
        self.expected_beside(now, worker, self.usual_rate(now))
    }

    fn expected_beside(&self, now: Instant, worker: WorkerId, usual: Option<f64>) -> Option<f64> {
        let slot = self.slots.get(usize::from(worker.0))?;
        let stream = slot.stream.as_ref()?;
        if self.is_silent(stream) {
            return Some(0.0);
        }
        if stream.phase == Phase::Running {
            let rate = stream.rate.per_second(now).or(slot.last_rate).or_else(|| self.present_rate(now));
            // A slow start is not what is going to be.
            let least = slot.last_rate.or(usual).filter(|_| self.is_rising(now, stream)).unwrap_or(0.0);
            return rate.map(|rate| rate.max(least));
        }
        // Nothing came yet: the longer that takes, the less is expected.
        let setup = self.setup.seconds();
        let rate = slot.last_rate.or(usual)?;
        Some(rate * setup / now.saturating_duration_since(stream.asked).as_secs_f64().max(setup))
    }

    /// Whether its rate says little about what it is going to be.
    fn is_rising(&self, now: Instant, stream: &Stream) -> bool {
        stream.rate.is_rising(now, self.setup.slow_start())
    }

    /// The median rate of the workers, as of now or, where nothing is known of their present streams, of those before. As long
    /// as all are in their slow starts, the fastest says most about what they will come to.
    pub(super) fn usual_rate(&self, now: Instant) -> Option<f64> {
        let grown = |slot: &Slot| slot.stream.as_ref().is_some_and(|stream| !self.is_rising(now, stream));
        let rates =
            self.slots.iter().filter_map(|slot| slot.running_rate(now).filter(|_| grown(slot)).or(slot.last_rate));
        median(rates).or_else(|| self.slots.iter().filter_map(|slot| slot.running_rate(now)).reduce(f64::max))
    }

    /// The median rate of the streams.
    pub(super) fn present_rate(&self, now: Instant) -> Option<f64> {
        median(self.slots.iter().filter_map(|slot| slot.running_rate(now)))
    }

    /// The slots that could steal now, or as soon as their streams have ended.
    fn thieves(&self, now: Instant) -> impl Iterator<Item = &Slot> {
        let busy = self.streams().filter(|(_, stream)| stream.is_busy()).count();
        let allowed = self.target(now);
        // Before a refusal, what is not granted yet is about to be.
        let expected = if self.host_full { allowed.min(self.granted) } else { allowed };
        let most = usize::from(expected).saturating_sub(busy);
        let free = self.slots.iter().filter(move |slot| match &slot.stream {
            None => slot.is_ready(now),
            Some(stream) => !stream.is_busy(),
        });
        free.take(most.max(1))
    }
}

/// The upper one of two in the middle.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::range_set::RangeSet;

    use super::super::Config;
    use super::*;

    const BLOCK: u64 = 10;

    /// Workers of which each brought 100 units per second so far. A set-up takes two seconds, and those with a rest have been opening
    /// for as long as `ago`.
    fn job(rests: &[u64], idle: usize, ago: Duration) -> (Planner, Instant) {
        let mut config = Config::new(Some(1_000_000));
        config.block = BLOCK;
        config.workers = u16::try_from(rests.len() + idle).unwrap();
        let mut planner = Planner::new(config, RangeSet::new());
        planner.warm = true;
        planner.setup.measured(Duration::from_secs(2));
        planner.slots.iter_mut().for_each(|slot| slot.last_rate = Some(100.0));
        let now = Instant::now() + ago;
        for (n, rest) in (0..).zip(rests) {
            let start = n * 100_000;
            planner.slots[n as usize].stream = Some(Stream::asked(now - ago, &(start..start + rest), start, None));
        }
        (planner, now)
    }

    /// What is stolen, and of whom.
    fn theft(rests: &[u64], idle: usize, ago: f64) -> Option<(u16, u64)> {
        let (planner, now) = job(rests, idle, Duration::from_secs_f64(ago));
        match planner.find_theft(now)? {
            Find::Share { victim, span } => Some((victim.0, span.end - span.start)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn who_is_still_being_opened_keeps_less_by_what_it_would_bring_in_that_time() {
        assert_eq!(theft(&[1000], 1, 2.0), Some((0, 400)), "6 s, or 2 s and 4 s");
        assert_eq!(theft(&[1000], 1, 1.0), Some((0, 450)), "1 s and 5.5 s, or 2 s and 4.5 s");
        let victim = Victim { worker: WorkerId(0), rest: 0..1000, rate: 100.0, late: 1.0, silent: false };
        assert_eq!(victim.time_to_go(), 11.0);
    }

    #[test]
    fn where_there_is_a_helper_for_each_the_two_of_them_are_done_together() {
        // All four would need 8.5 s, the first victim and its thief 11 s; a second thief comes for the other victim, not for it.
        assert_eq!(theft(&[2000, 1000], 2, 2.0), Some((0, 900)));
        assert_eq!(theft(&[2000], 3, 2.0), Some((0, 450)), "three share what it has with it, which takes 6.5 s");
    }

    #[test]
    fn where_a_boundary_is_nearer_to_the_end_a_thief_still_gets_what_is_worth_a_stream() {
        // That is 140 units. All four would be done after 3.42 s, in which a thief brings 142; from the nearest boundary on there
        // are 139.
        assert_eq!(theft(&[769], 3, 2.0), Some((0, 149)));
    }

    #[test]
    fn only_below_a_quarter_of_what_is_usual_a_span_is_cut_between_block_boundaries() {
        let (planner, _) = job(&[], 1, Duration::ZERO);
        assert_eq!((planner.grain(25.0, 100.0), planner.grain(24.9, 100.0)), (BLOCK, 1));
        let mut planner = planner;
        planner.config.paced = true;
        assert_eq!(planner.grain(100.0, 100.0), 1, "a paced one anywhere");
    }

    #[test]
    fn of_a_stream_in_its_slow_start_as_much_is_expected_as_its_slot_brought_before() {
        let (mut planner, now) = job(&[1000], 0, Duration::ZERO);
        planner.stream_mut(WorkerId(0)).unwrap().phase = Phase::Running;
        let mut bring = |second| {
            let now = now + Duration::from_secs(second);
            planner.stream_mut(WorkerId(0)).unwrap().rate.observe(now, 20);
            planner.expected_rate(now, WorkerId(0)).map(f64::round)
        };
        let expected: Vec<_> = (0..=6).map(&mut bring).collect();
        assert_eq!(expected, [100.0, 100.0, 100.0, 100.0, 100.0, 20.0, 20.0].map(Some), "two and a half set-ups");
    }
}
