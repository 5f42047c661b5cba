//! How fast streams are, and what opening one costs.

use std::time::{Duration, Instant};

/// Half of an average comes from this much time...
const HALF_LIFE: f64 = 3.0;
/// ...or from this part of the time that a stream has run: a slow start is soon forgotten.
const HALF_LIFE_OF_AGE: f64 = 0.25;
/// A rate that exceeds the mean by this factor is rising.
const RISING: f64 = 1.15;
/// A rate over less time than this says more about packets than about the path.
const SHORTEST_MEASUREMENT: Duration = Duration::from_millis(200);
/// What a round trip takes until one has been seen.
const ASSUMED_ROUND_TRIP: Duration = Duration::from_millis(100);
/// Below this, timers and scheduling cost more than the network.
const LEAST_SETUP: f64 = 0.05;
/// A slow start is over after so many set-up times: in each of the two or three round trips of one the rate doubles.
const SLOW_START: f64 = 2.5;
/// Streams of which one is not slower than this part of the other are alike.
const ALIKE: f64 = 0.5;
/// Weight of a new measurement of the set-up time.
const SETUP_GAIN: f64 = 0.5;

/// Units per second of one stream, exponentially weighted by time.
#[derive(Clone, Debug, Default)]
pub(super) struct Rate {
    /// First and last arrival.
    span: Option<(Instant, Instant)>,
    /// Arrived since the first arrival.
    units: u64,
    /// What was lost to the slow start has been told.
    told: bool,
    /// Arrived at the instant of the last arrival, and not averaged yet.
    pending: u64,
    sum: f64,
    /// Share of the past that `sum` covers: divides out the unknown time before the first arrival.
    weight: f64,
}

impl Rate {
    /// Units arrived. Those of the first call only start the clock: nobody knows since when they were under way.
    pub(super) fn observe(&mut self, now: Instant, units: u64) {
        let Some((first, last)) = &mut self.span else {
            self.span = Some((now, now));
            return;
        };
        self.pending = self.pending.saturating_add(units);
        self.units = self.units.saturating_add(units);
        let elapsed = now.saturating_duration_since(*last);
        if elapsed.is_zero() {
            return;
        }
        *last = now;
        let (kept, fresh) = decay(elapsed, now.saturating_duration_since(*first));
        self.sum = self.sum * kept + self.pending as f64 / elapsed.as_secs_f64() * fresh;
        self.weight = self.weight * kept + fresh;
        self.pending = 0;
    }

    /// How many seconds the slow start has cost, compared with a stream that has its rate at once, and that rate. Told once, `within`
    /// seconds after the first unit: by then it should be over.
    pub(super) fn lost(&mut self, now: Instant, within: f64) -> Option<(f64, f64)> {
        let age = now.saturating_duration_since(self.span?.0).as_secs_f64();
        let rate = self.per_second(now).filter(|_| age >= within && !self.told)?;
        self.told = true;
        Some((age - self.units as f64 / rate, rate))
    }

    /// Whether it is clearly higher than all along: a slow start. True while too little was seen, and in the first `within` seconds.
    pub(super) fn is_rising(&self, now: Instant, within: f64) -> bool {
        let Some(((first, _), rate)) = self.span.zip(self.per_second(now)) else { return true };
        let age = now.saturating_duration_since(first).as_secs_f64();
        age < within || rate * age > RISING * self.units as f64
    }

    /// The rate, in which silence since the last arrival counts as zero; `None` while too little was seen.
    pub(super) fn per_second(&self, now: Instant) -> Option<f64> {
        let (first, last) = self.span?;
        if now.saturating_duration_since(first) < SHORTEST_MEASUREMENT || self.weight == 0.0 {
            return None;
        }
        let (kept, fresh) = decay(now.saturating_duration_since(last), now.saturating_duration_since(first));
        Some(self.sum * kept / (self.weight * kept + fresh))
    }
}

/// What the past and the time `elapsed` weigh, on a stream that brought its first unit `age` ago.
fn decay(elapsed: Duration, age: Duration) -> (f64, f64) {
    let half_life = HALF_LIFE.min(age.as_secs_f64() * HALF_LIFE_OF_AGE);
    let kept = (-elapsed.as_secs_f64() / half_life).exp2();
    (kept, 1.0 - kept)
}

/// What opening a stream costs.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    guess: f64,
    /// Seconds from asking to the first unit.
    measured: Option<f64>,
    /// Seconds that the slow start costs in addition, and the rate that a stream has then.
    grown: Option<(f64, f64)>,
}

impl Setup {
    pub(super) fn new(round_trips: u8) -> Self {
        Self { guess: ASSUMED_ROUND_TRIP.as_secs_f64() * f64::from(round_trips), measured: None, grown: None }
    }

    /// A stream brought its first unit after `took`.
    pub(super) fn measured(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        let before = self.measured.unwrap_or(took);
        self.measured = Some(before + SETUP_GAIN * (took - before));
    }

    /// A stream was given up after `waited` without a unit: it would have taken longer. Without this, a server that is slower
    /// than the guess would see streams asked for and given up for ever.
    pub(super) fn at_least(&mut self, waited: Duration) {
        if waited.as_secs_f64() > self.seconds() {
            self.measured(waited);
        }
    }

    /// A stream has lost `seconds` to its slow start, and has this `rate` now. The faster streams are, the longer it takes; what
    /// a slow one says does not hold for the others.
    pub(super) fn slow_start_took(&mut self, seconds: f64, rate: f64) {
        let seconds = seconds.max(0.0);
        self.grown = match self.grown {
            Some(before) if rate < ALIKE * before.1 => Some(before),
            Some(before) if rate * ALIKE < before.1 => {
                Some((before.0 + SETUP_GAIN * (seconds - before.0), before.1 + SETUP_GAIN * (rate - before.1)))
            }
            _ => Some((seconds, rate)),
        };
    }

    /// After so many seconds with units a slow start should be over.
    pub(super) fn slow_start(&self) -> f64 {
        SLOW_START * self.seconds()
    }

    /// Seconds that a stream is behind one that has the same rate at once.
    pub(super) fn behind(&self) -> f64 {
        self.seconds() + self.grown.map_or(0.0, |(seconds, _)| seconds)
    }

    /// Seconds from asking to the first unit.
    pub(super) fn seconds(&self) -> f64 {
        self.measured.unwrap_or(self.guess).max(LEAST_SETUP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steady(rate: &mut Rate, from: Instant, seconds: u32, per_tick: u64) -> Instant {
        (1..=seconds * 10).fold(from, |_, tick| {
            let now = from + Duration::from_millis(100) * tick;
            rate.observe(now, per_tick);
            now
        })
    }

    #[test]
    fn a_steady_stream_has_its_rate_from_the_first_measurement_on() {
        let (mut rate, t0) = (Rate::default(), Instant::now());
        assert_eq!(rate.per_second(t0), None);
        rate.observe(t0, 1 << 40);
        assert_eq!(rate.per_second(t0 + Duration::from_secs(3)), None, "one arrival has no rate");
        let now = steady(&mut rate, t0, 1, 50);
        assert!((rate.per_second(now).unwrap() - 500.0).abs() < 1e-6);
    }

    #[test]
    fn a_rate_is_told_once_the_shortest_measurement_is_over() {
        let (mut rate, t0) = (Rate::default(), Instant::now());
        rate.observe(t0, 0);
        let just_before = t0 + SHORTEST_MEASUREMENT - Duration::from_millis(1);
        rate.observe(just_before, 10);
        assert_eq!(rate.per_second(just_before), None);
        assert!(rate.per_second(t0 + SHORTEST_MEASUREMENT).is_some());
    }

    #[test]
    fn after_a_half_life_half_of_the_rate_is_new() {
        let (mut rate, t0) = (Rate::default(), Instant::now());
        rate.observe(t0, 0);
        let now = steady(&mut rate, t0, 300, 10);
        let silent = rate.per_second(now + Duration::from_secs(3)).unwrap();
        assert!((silent - 50.0).abs() < 0.1, "silence counts: {silent}");
        let now = steady(&mut rate, now, 3, 30);
        let faster = rate.per_second(now).unwrap();
        assert!((faster - 200.0).abs() < 0.1, "{faster}");
    }

    /// A stream whose rate doubles from 1000 units per second on with each of `tenths` of a second, and then stays for as many.
    fn slow_start(tenths: u32) -> (Rate, Instant, f64) {
        let (mut rate, t0) = (Rate::default(), Instant::now());
        rate.observe(t0, 0);
        let now = (0..2 * tenths).fold(t0, |now, tenth| {
            let now = now + Duration::from_millis(100);
            rate.observe(now, 100 << tenth.min(tenths));
            now
        });
        (rate, now, f64::from(1000 << tenths))
    }

    #[test]
    fn a_slow_start_is_soon_forgotten() {
        let (rate, now, plateau) = slow_start(10);
        let found = rate.per_second(now).unwrap();
        assert!(found > 0.85 * plateau, "after as long a time again: {found} of {plateau}");
        let mean = rate.units as f64 / 2.0;
        assert!(mean < 0.56 * plateau, "{mean}");
    }

    #[test]
    fn a_rate_rises_until_it_is_hardly_higher_than_all_along() {
        let (rate, now, _) = slow_start(10);
        assert!(rate.is_rising(now, 0.0));
        let (mut rate, t0) = (Rate::default(), Instant::now());
        assert!(rate.is_rising(t0, 0.0), "nothing is known");
        rate.observe(t0, 0);
        let now = steady(&mut rate, t0, 2, 50);
        assert!(!rate.is_rising(now, 0.0));
        let now = steady(&mut rate, now, 2, 40);
        assert!(!rate.is_rising(now, 4.0), "it falls");
        assert!(rate.is_rising(now, 4.1), "it is young");
        let (mut rate, t0) = (Rate::default(), Instant::now());
        rate.observe(t0, 0);
        let now = steady(&mut rate, t0, 1, 0);
        assert!(!rate.is_rising(now, 0.0), "nothing comes");
    }

    #[test]
    fn what_a_slow_start_has_cost_is_told_once_and_when_it_can_be_over() {
        let (mut rate, now, _) = slow_start(10);
        assert_eq!(rate.lost(now, 2.1), None);
        let (lost, found) = rate.lost(now, 2.0).unwrap();
        // One second, in which as much came as in a tenth at the full rate; seen through a rate that is not quite there.
        assert!((0.7..0.95).contains(&lost), "{lost}");
        assert_eq!(Some(found), rate.per_second(now));
        assert_eq!(rate.lost(now, 2.0), None);
    }

    #[test]
    fn what_a_slow_start_costs_is_the_mean_of_streams_that_are_alike() {
        let mut setup = Setup::new(3);
        let mut behind = |seconds, rate| {
            setup.slow_start_took(seconds, rate);
            (setup.behind() - 0.3).max(0.0)
        };
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        near(behind(0.1, 4.0), 0.1);
        near(behind(2.0, 10.0), 2.0);
        near(behind(1.0, 8.0), 1.5);
        near(behind(0.1, 4.4), 1.5);
        near(behind(-3.0, 4.6), 0.75);
        near(behind(1.75, 12.0), 1.25);
    }

    #[test]
    fn a_slow_start_is_over_after_two_and_a_half_set_ups() {
        let mut setup = Setup::new(3);
        setup.measured(Duration::from_secs(2));
        assert_eq!(setup.slow_start(), 5.0);
    }

    #[test]
    fn arrivals_at_one_instant_are_counted_with_the_next_one() {
        let (mut rate, t0) = (Rate::default(), Instant::now());
        rate.observe(t0, 0);
        rate.observe(t0, 60);
        rate.observe(t0 + Duration::from_secs(1), 40);
        assert!((rate.per_second(t0 + Duration::from_secs(1)).unwrap() - 100.0).abs() < 1e-6);
    }

    #[test]
    fn a_stream_given_up_makes_the_set_up_dearer_but_never_cheaper() {
        let mut setup = Setup::new(3);
        assert!((setup.seconds() - 0.3).abs() < 1e-9);
        setup.at_least(Duration::from_millis(100));
        assert!((setup.seconds() - 0.3).abs() < 1e-9);
        setup.at_least(Duration::from_secs(2));
        assert!((setup.seconds() - 2.0).abs() < 1e-9);
        setup.measured(Duration::from_secs(1));
        assert!((setup.seconds() - 1.5).abs() < 1e-9);
        let mut exact = Setup::new(10);
        exact.at_least(Duration::from_secs(1));
        exact.measured(Duration::from_secs(3));
        assert!((exact.seconds() - 3.0).abs() < 1e-9, "what was expected is no news: {}", exact.seconds());
        let mut near = Setup::new(3);
        near.measured(Duration::from_micros(80));
        assert!((near.seconds() - LEAST_SETUP).abs() < 1e-9);
    }
}
