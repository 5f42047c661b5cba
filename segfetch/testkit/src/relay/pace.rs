//! How fast bytes may pass: rates, lanes and slow start. Pure: the time is an argument.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::lock;

/// What a late wake-up may catch up. Timers here are a millisecond late, on a busy machine twenty; without this every chunk would lose it.
const CREDIT: Duration = Duration::from_millis(20);
/// What a sender may send before it has heard anything: ten segments (RFC 6928).
const INITIAL_WINDOW: u64 = 14_600;
/// A window that no bench fills.
const MOST_WINDOW: u64 = 64 << 20;

/// One rate, used by everything that passes here in the order in which it comes.
#[derive(Debug)]
pub(super) struct Meter {
    rate: u64,
    due: Option<Instant>,
}

impl Meter {
    /// A meter of this many bytes per second, at least one.
    pub(super) fn new(rate: u64) -> Self {
        Self { rate: rate.max(1), due: None }
    }

    /// When `len` bytes that came `now` have passed.
    pub(super) fn pass(&mut self, now: Instant, len: u64) -> Instant {
        let earliest = now.checked_sub(CREDIT).unwrap_or(now);
        let start = self.due.map_or(now, |due| due.max(earliest));
        let due = start + Duration::from_secs_f64(len as f64 / self.rate as f64);
        self.due = Some(due);
        due
    }
}

/// The ways through a relay. A rate belongs to a lane, not to a connection: a new connection takes the emptiest lane, of several the
/// first, and shares its rate with those that are there. So whoever closes a slow connection and opens it again gets the slow lane back.
#[derive(Debug, Clone, Default)]
pub(super) struct Lanes(Arc<Mutex<Vec<Lane>>>);

#[derive(Debug)]
struct Lane {
    meter: Meter,
    live: usize,
    passed: u64,
    /// The connection that brings the lane to this many bytes goes silent.
    silence: Option<u64>,
}

impl Lanes {
    pub(super) fn new(rates: &[u64], silences: &[(usize, u64)]) -> Self {
        let lane = |(index, &rate)| Lane {
            meter: Meter::new(rate),
            live: 0,
            passed: 0,
            silence: silences.iter().find(|silence| silence.0 == index).map(|silence| silence.1),
        };
        Self(Arc::new(Mutex::new(rates.iter().enumerate().map(lane).collect())))
    }

    /// A place on the emptiest lane, if there are lanes.
    pub(super) fn enter(&self) -> Option<Place> {
        let mut lanes = lock(&self.0);
        let (index, lane) = lanes.iter_mut().enumerate().min_by_key(|(_, lane)| lane.live)?;
        lane.live += 1;
        Some(Place { lanes: self.clone(), index, left: false })
    }
}

/// A connection's place on a lane, until it is dropped or silent.
#[derive(Debug)]
pub(super) struct Place {
    lanes: Lanes,
    index: usize,
    left: bool,
}

impl Place {
    pub(super) fn lane(&self) -> usize {
        self.index
    }

    /// Rate of the lane.
    pub(super) fn rate(&self) -> u64 {
        lock(&self.lanes.0)[self.index].meter.rate
    }

    /// When `len` bytes that came `now` have passed; `None` if they never will: the connection is silent from here on, and its lane is
    /// free for another.
    pub(super) fn pass(&mut self, now: Instant, len: u64) -> Option<Instant> {
        let mut lanes = lock(&self.lanes.0);
        let lane = &mut lanes[self.index];
        if lane.silence.is_some_and(|most| lane.passed + len > most) {
            lane.silence = None;
            lane.live -= 1;
            self.left = true;
            return None;
        }
        lane.passed += len;
        Some(lane.meter.pass(now, len))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.left {
            lock(&self.lanes.0)[self.index].live -= 1;
        }
    }
}

/// The window of a young connection: ten segments in the first round trip, twice as much in each that follows, never less again.
#[derive(Debug)]
pub(super) struct SlowStart {
    round_trip: Duration,
    /// Where the doubling ends: the window that the rate needs.
    enough: u64,
    began: Option<Instant>,
    sent: u64,
}

impl SlowStart {
    pub(super) fn new(round_trip: Duration, rate: Option<u64>) -> Self {
        let needed = rate.map_or(MOST_WINDOW, |rate| (rate as f64 * round_trip.as_secs_f64()) as u64);
        Self { round_trip, enough: needed.min(MOST_WINDOW), began: None, sent: 0 }
    }

    /// Most bytes to take at a time.
    pub(super) fn chunk(&self) -> Option<usize> {
        (self.open_window(self.sent).1 < self.enough).then_some(INITIAL_WINDOW as usize)
    }

    /// When the window lets `len` bytes out.
    pub(super) fn pass(&mut self, now: Instant, len: u64) -> Instant {
        let began = *self.began.get_or_insert(now);
        self.sent += len;
        let (trips, window) = self.open_window(self.sent);
        if window >= self.enough { now } else { began + self.round_trip * trips }
    }

    /// In which round trip, counted from 0, the byte before `sent` goes, and how large the window then is.
    fn open_window(&self, sent: u64) -> (u32, u64) {
        let (mut window, mut sum, mut trips) = (INITIAL_WINDOW, INITIAL_WINDOW, 0);
        while sum < sent && window < self.enough {
            window *= 2;
            sum += window;
            trips += 1;
        }
        (trips, window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_is_on_time_in_the_long_run_though_every_wake_up_is_late() {
        let (mut meter, start) = (Meter::new(1_000_000), Instant::now());
        let mut now = start;
        for _ in 0..1000 {
            now = now.max(meter.pass(now, 10_000)) + Duration::from_millis(3);
        }
        let took = now - start;
        assert!(took > Duration::from_secs(10) && took < Duration::from_millis(10_004), "{took:?}");
    }

    #[test]
    fn a_meter_that_was_idle_lets_no_more_than_its_credit_through_at_once() {
        let (mut meter, start) = (Meter::new(1_000_000), Instant::now());
        meter.pass(start, 1000);
        let later = start + Duration::from_secs(5);
        assert_eq!(meter.pass(later, 100_000), later + Duration::from_millis(80));
    }

    #[test]
    fn who_comes_back_to_the_slow_lane_gets_the_slow_lane() {
        let lanes = Lanes::new(&[6, 6, 1], &[]);
        let mut places: Vec<Place> = (0..3).filter_map(|_| lanes.enter()).collect();
        assert_eq!(places.iter().map(Place::lane).collect::<Vec<_>>(), [0, 1, 2]);
        drop(places.pop());
        let again = lanes.enter().unwrap();
        assert_eq!((again.lane(), again.rate()), (2, 1));
        // A fourth connection shares a lane and draws no rate of its own.
        let mut fourth = lanes.enter().unwrap();
        assert_eq!(fourth.lane(), 0);
        let now = Instant::now();
        let first = places[0].pass(now, 6).unwrap();
        assert_eq!(fourth.pass(now, 6), Some(first + Duration::from_secs(1)));
        assert!(Lanes::default().enter().is_none());
    }

    #[test]
    fn one_connection_goes_silent_and_the_next_on_its_lane_does_not() {
        let lanes = Lanes::new(&[100, 100], &[(0, 150)]);
        let (now, mut place) = (Instant::now(), lanes.enter().unwrap());
        assert!(place.pass(now, 100).is_some());
        assert_eq!(place.pass(now, 100), None);
        let mut next = lanes.enter().unwrap();
        assert_eq!(next.lane(), 0, "a silent connection does not hold its lane");
        assert!(next.pass(now, 100).is_some());
        drop(place);
        assert_eq!(lanes.enter().unwrap().lane(), 1);
    }

    #[test]
    fn a_young_connection_sends_ten_segments_then_doubles_each_round_trip_until_the_rate_limits_it() {
        let trip = Duration::from_millis(100);
        let mut start = SlowStart::new(trip, Some(1_000_000));
        let now = Instant::now();
        assert_eq!(start.pass(now, 14_600), now);
        assert_eq!(start.pass(now, 14_600), now + trip);
        assert_eq!(start.pass(now, 14_600), now + trip);
        assert_eq!(start.pass(now, 14_600), now + trip * 2);
        assert!(start.chunk().is_some());
        assert_eq!(start.pass(now, 100_000), now, "100 kB a round trip: the rate is reached");
        assert_eq!(start.chunk(), None);
    }
}
