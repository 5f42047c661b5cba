//! How fast streams are, and what opening one costs.

use std::time::{Duration, Instant};

/// Half of an average comes from this much time.
const HALF_LIFE: Duration = Duration::from_secs(3);
/// A rate over less time than this says more about packets than about the path.
const SHORTEST_MEASUREMENT: Duration = Duration::from_millis(200);
/// What a round trip takes until one has been seen.
const ASSUMED_ROUND_TRIP: Duration = Duration::from_millis(100);
/// Below this, timers and scheduling cost more than the network.
const LEAST_SETUP: f64 = 0.05;
/// Weight of a new measurement of the set-up time.
const SETUP_GAIN: f64 = 0.5;

/// Units per second of one stream, exponentially weighted by time.
#[derive(Clone, Debug, Default)]
pub(super) struct Rate {
    /// First and last arrival.
    span: Option<(Instant, Instant)>,
    /// Arrived at the instant of the last arrival, and not averaged yet.
    pending: u64,
    sum: f64,
    /// Share of the past that `sum` covers: divides out the unknown time before the first arrival.
    weight: f64,
}

impl Rate {
    /// Units arrived. Those of the first call only start the clock: nobody knows since when they were under way.
    pub(super) fn observe(&mut self, now: Instant, units: u64) {
        let Some((_, last)) = &mut self.span else {
            self.span = Some((now, now));
            return;
        };
        self.pending = self.pending.saturating_add(units);
        let elapsed = now.saturating_duration_since(*last);
        if elapsed.is_zero() {
            return;
        }
        *last = now;
        let (kept, fresh) = decay(elapsed);
        self.sum = self.sum * kept + self.pending as f64 / elapsed.as_secs_f64() * fresh;
        self.weight = self.weight * kept + fresh;
        self.pending = 0;
    }

    /// The rate, in which silence since the last arrival counts as zero; `None` while too little was seen.
    pub(super) fn per_second(&self, now: Instant) -> Option<f64> {
        let (first, last) = self.span?;
        if now.saturating_duration_since(first) < SHORTEST_MEASUREMENT || self.weight == 0.0 {
            return None;
        }
        let (kept, fresh) = decay(now.saturating_duration_since(last));
        Some(self.sum * kept / (self.weight * kept + fresh))
    }
}

/// What the past and the time `elapsed` weigh.
fn decay(elapsed: Duration) -> (f64, f64) {
    let kept = (-elapsed.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2();
    (kept, 1.0 - kept)
}

/// Seconds from asking for a stream to its first unit.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    guess: f64,
    measured: Option<f64>,
}

impl Setup {
    pub(super) fn new(round_trips: u8) -> Self {
        Self { guess: ASSUMED_ROUND_TRIP.as_secs_f64() * f64::from(round_trips), measured: None }
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
        assert_eq!(rate.per_second(t0 + HALF_LIFE), None, "one arrival has no rate");
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
        let silent = rate.per_second(now + HALF_LIFE).unwrap();
        assert!((silent - 50.0).abs() < 0.1, "silence counts: {silent}");
        let now = steady(&mut rate, now, 3, 30);
        let faster = rate.per_second(now).unwrap();
        assert!((faster - 200.0).abs() < 0.1, "{faster}");
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
