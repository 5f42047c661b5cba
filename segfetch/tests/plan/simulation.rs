//! How close planner and gate come to the bound that no schedule beats, in virtual time. With `--nocapture` the table is printed.

use crate::setting::{Link, Rates, Setting};
use crate::support::Dice;
use crate::world::{Run, run};

const SEEDS: u64 = 8;
const MB: f64 = 1e6;
const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

struct Row {
    name: String,
    /// Time over the ideal time.
    mean: f64,
    worst: f64,
    streams: f64,
    /// Seconds after the ideal.
    late: f64,
    seconds: f64,
}

fn measure(name: impl Into<String>, setting: impl Fn(&mut Dice) -> Setting) -> Row {
    let runs: Vec<_> = (0..SEEDS)
        .map(|seed| {
            let setting = setting(&mut Dice(seed));
            (run(&setting, seed), setting.ideal())
        })
        .collect();
    let mean = |of: &dyn Fn(&(Run, f64)) -> f64| runs.iter().map(of).sum::<f64>() / SEEDS as f64;
    let row = Row {
        name: name.into(),
        mean: mean(&|(run, ideal)| run.seconds / ideal),
        worst: runs.iter().map(|(run, ideal)| run.seconds / ideal).fold(0.0, f64::max),
        streams: mean(&|(run, _)| run.opens as f64),
        late: mean(&|(run, ideal)| run.seconds - ideal),
        seconds: mean(&|(run, _)| run.seconds),
    };
    let (twice, most) = (mean(&|(run, _)| run.twice as f64 / MB), mean(&|(run, _)| run.most as f64));
    println!(
        "{:<46} {:.3} [{:.3}] {:>+6.2} s {:>6.1} streams, {most:>4.1} at once, {twice:.2} MB twice",
        row.name, row.mean, row.worst, row.late, row.streams
    );
    row
}

impl Row {
    #[track_caller]
    fn within(&self, mean: f64, streams: f64) -> &Self {
        assert!(self.mean <= mean, "{}: {:.3}", self.name, self.mean);
        assert!(self.streams <= streams, "{}: {} streams", self.name, self.streams);
        self
    }
}

fn hetero(dice: &mut Dice, workers: u16) -> Vec<f64> {
    (0..workers).map(|_| 4.0 * MB * (0.8 * dice.normal()).exp()).collect()
}

fn equal(k: u16) -> Rates {
    Rates::constant(vec![4.0 * MB; usize::from(k)])
}

fn straggler(k: u16, at: usize, rate: f64) -> Rates {
    Rates::constant((0..usize::from(k)).map(|n| if n == at { rate * MB } else { 4.0 * MB }).collect())
}

/// Length, workers, seconds of set-up; then what is allowed of time over ideal, and of streams.
type Case = (u64, u16, f64, [(f64, f64); 7]);

const CASES: [Case; 5] = [
    (512 * MIB, 4, 0.5, [(1.02, 4.0), (1.04, 8.0), (1.04, 12.0), (1.04, 12.0), (1.12, 9.0), (1.0, 9.0), (1.02, 4.0)]),
    (GIB, 8, 0.5, [(1.02, 8.0), (1.08, 18.0), (1.05, 19.0), (1.05, 19.0), (1.15, 19.0), (1.08, 16.0), (1.02, 8.0)]),
    (64 * MIB, 8, 0.5, [(1.15, 8.0), (1.5, 12.0), (1.35, 13.0), (1.35, 15.0), (1.6, 12.0), (1.55, 12.0), (1.1, 8.0)]),
    (GIB, 16, 0.5, [(1.04, 16.0), (1.18, 32.0), (1.13, 34.0), (1.13, 34.0), (1.25, 35.0), (1.15, 32.0), (1.02, 16.0)]),
    (GIB, 8, 0.05, [(1.01, 8.0), (1.02, 18.0), (1.02, 20.0), (1.02, 20.0), (1.03, 24.0), (1.01, 18.0), (1.01, 8.0)]),
];

#[test]
fn the_last_worker_ends_hardly_after_the_bound() {
    println!("time over the ideal: mean [worst] of {SEEDS} worlds");
    for (units, k, setup, [homogeneous, heterogeneous, slow, slower, varying, silent, shared]) in CASES {
        let name = |what: &str| format!("{} MiB k={k} s={setup} {what}", units / MIB);
        let of = |rates: Rates| Setting::new(units, k, setup, rates);
        let check = |row: Row, (mean, streams): (f64, f64)| {
            row.within(mean, streams);
        };
        check(measure(name("homogeneous"), |_| of(equal(k))), homogeneous);
        check(measure(name("heterogeneous"), |dice| of(Rates::constant(hetero(dice, k)))), heterogeneous);
        check(measure(name("one at 1/20"), |_| of(straggler(k, 3, 0.2))), slow);
        check(measure(name("one at 1/100"), |_| of(straggler(k, 0, 0.04))), slower);
        let changing = |dice: &mut Dice| Rates { stretches: (0..40).map(|_| hetero(dice, k)).collect() };
        check(measure(name("varying"), |dice| of(changing(dice))), varying);
        let falls_silent = measure(name("one silent half-way"), |_| Setting { silent: Some(2), ..of(equal(k)) });
        assert!(falls_silent.late <= 3.0, "{}: {}", falls_silent.name, falls_silent.late);
        check(falls_silent, silent);
        let link = Link { rate: 20.0 * MB, overshoot: 0.0 };
        check(measure(name("20 MB/s for all"), |_| Setting { link: Some(link), ..of(equal(k)) }), shared);
    }
}

/// A client that is busy now and then, and chunks of a quarter of a megabyte: rates are never quite what they are.
const ROUGH: (f64, u64) = (0.25 * MB, 30);

#[test]
fn automatic_mode_finds_that_eight_connections_are_eight_times_as_fast() {
    for (round_trip, trips, slow_start, automatic, fixed) in [
        (0.02, 3.0, false, 1.05, 1.02),
        (0.1, 3.0, false, 1.06, 1.02),
        (0.2, 3.0, false, 1.09, 1.03),
        (0.1, 5.0, false, 1.06, 1.05),
        (0.1, 3.0, true, 1.06, 1.03),
        (0.2, 3.0, true, 1.11, 1.05),
        (0.1, 5.0, true, 1.07, 1.03),
        (0.2, 5.0, true, 1.13, 1.06),
    ] {
        let capped = move |ramp: bool| Setting {
            ramp,
            // The first stream gets a session that is ready.
            setups: (2.0 * round_trip, trips * round_trip),
            round_trip: if slow_start { round_trip } else { 0.0 },
            rough: ROUGH,
            ..Setting::new(GIB, 8, 0.0, equal(8))
        };
        let name = |mode: &str| {
            let slow_start = if slow_start { ", slow start" } else { "" };
            format!("{mode}, {} ms, {trips} to open{slow_start}", round_trip * 1000.0)
        };
        measure(name("automatic"), |_| capped(true)).within(automatic, 16.0);
        measure(name("8 workers"), |_| capped(false)).within(fixed, 9.0);
        let gated = Setting { admits: Some(100), ..capped(false) };
        measure(name("8 workers of a host"), |_| gated.clone()).within(fixed, 9.0);
    }
}

#[test]
fn automatic_mode_is_no_slower_than_one_connection_that_fills_the_link() {
    for (overshoot, slow_start) in [(0.5, false), (3.0, false), (3.0, true)] {
        let shared = move |workers: u16, ramp: bool| Setting {
            ramp,
            setups: (0.1, 0.25),
            round_trip: if slow_start { 0.05 } else { 0.0 },
            link: Some(Link { rate: 12.5 * MB, overshoot: overshoot * MB }),
            rough: ROUGH,
            ..Setting::new(64 * MIB, workers, 0.0, Rates::constant(vec![100.0 * MB; 8]))
        };
        let name = |mode: &str| {
            let slow_start = if slow_start { ", slow start" } else { "" };
            format!("{mode}, shared link, {overshoot} MB waste{slow_start}")
        };
        let alone = measure(name("1 worker"), |_| shared(1, false));
        let automatic = measure(name("automatic"), |_| shared(8, true));
        measure(name("4 workers"), |_| shared(4, false));
        assert!(automatic.mean <= 1.02 * alone.mean, "{} {}", automatic.mean, alone.mean);
    }
}

#[test]
fn far_away_automatic_mode_is_hardly_slower_than_the_better_one_of_one_and_four() {
    // Seconds, and MB per second of the link and of a connection.
    let paths = [(0.1, 12.5, 100.0), (0.2, 12.5, 100.0), (0.2, 3.0, 100.0), (0.2, 50.0, 100.0)];
    for (round_trip, link, rate) in paths.into_iter().chain([(0.1, 12.5, 4.0), (0.2, 12.5, 4.0), (0.2, 6.0, 4.0)]) {
        let shared = move |workers: u16, ramp: bool| Setting {
            ramp,
            setups: (2.0 * round_trip, 5.0 * round_trip),
            round_trip,
            link: Some(Link { rate: link * MB, overshoot: MB }),
            rough: ROUGH,
            ..Setting::new(256 * MIB, workers, 0.0, Rates::constant(vec![rate * MB; 8]))
        };
        let name = |mode: &str| format!("{mode}, {round_trip} s, {link} MB/s, {rate} each");
        let one = measure(name("1 worker"), |_| shared(1, false)).mean;
        let four = measure(name("4 workers"), |_| shared(4, false)).mean;
        measure(name("automatic"), |_| shared(8, true)).within(1.05 * one.min(four), 14.0);
    }
}

#[test]
fn automatic_mode_is_not_put_off_by_a_slow_connection_wherever_it_comes() {
    for (round_trip, allowed) in [(0.02, 1.15), (0.1, 1.15), (0.2, 1.27)] {
        for at in [1, 2, 5] {
            let setting = move |_: &mut Dice| Setting {
                ramp: true,
                setups: (2.0 * round_trip, 5.0 * round_trip),
                round_trip,
                rough: ROUGH,
                ..Setting::new(GIB, 8, 0.0, straggler(8, at, 0.2))
            };
            let name = format!("automatic, {} ms, number {at} at 1/20", round_trip * 1000.0);
            measure(name, setting).within(allowed, 30.0);
        }
    }
}

/// Beside a reader that has a connection of its own for each part, and divides as if it had known all rates: it loses its set-up and
/// its slow start as well, about six round trips in all.
#[test]
fn four_connections_cope_with_a_slow_one_and_a_silent_one() {
    for (round_trip, slower, later) in [(0.02, 1.03, 1.2), (0.1, 1.04, 2.0), (0.2, 1.07, 3.0)] {
        let bare = 30.0 + 6.0 * round_trip;
        let far = |len: u64, rates: Vec<f64>| Setting {
            setups: (2.0 * round_trip, 3.5 * round_trip),
            eager: Some(3.0 * round_trip),
            round_trip,
            rough: ROUGH,
            ..Setting::new(len, 4, 0.0, Rates::constant(rates))
        };
        let name = |at: usize, what: &str| format!("4 workers, {} ms, number {at} {what}", round_trip * 1000.0);
        for at in 0..4 {
            let rates: Vec<_> = (0..4).map(|n| if n == at { 0.3 * MB } else { 6.0 * MB }).collect();
            let slow = measure(name(at, "at 1/20"), |_| far(549_000_000, rates.clone()));
            assert!(slow.seconds <= slower * bare, "{}: {} of {bare}", slow.name, slow.seconds);
            let equal = vec![5.0 * MB; 4];
            let silent =
                measure(name(at, "silent"), |_| Setting { silent: Some(at), ..far(600_000_000, equal.clone()) });
            assert!(silent.seconds <= bare + later, "{}: {} of {bare}", silent.name, silent.seconds);
        }
    }
}

#[test]
fn when_all_slow_down_together_nobody_is_replaced() {
    let fast = vec![4.0 * MB; 8];
    let slow = vec![0.4 * MB; 8];
    let rates = Rates { stretches: vec![fast.clone(), fast.clone(), slow.clone(), slow.clone(), slow, fast] };
    let setting = Setting::new(GIB, 8, 0.5, rates);
    let run = run(&setting, 1);
    assert!(run.opens <= 10, "{run:?}");
    assert!(run.seconds <= 1.03 * setting.ideal(), "{run:?}");
}

#[test]
fn resets_cost_one_stream_each_and_no_unit_twice() {
    for seed in 0..8 {
        let setting = Setting { resets: 0.2, ..Setting::new(GIB, 8, 0.5, equal(8)) };
        let run = run(&setting, seed);
        assert!(run.resets > 20 && run.opens <= run.resets + 20, "{run:?}");
        assert!(run.seconds <= 1.35 * setting.ideal(), "{run:?}");
    }
}

/// Two jobs of 16 workers, and a server that admits four sessions.
#[test]
fn a_limit_is_found_with_few_refusals_and_then_used_fully_and_fairly() {
    for seed in 0..8 {
        let rates = Rates::constant(vec![MB; 16]);
        let setting = Setting { units: vec![200_000_000; 2], admits: Some(4), ..Setting::new(0, 16, 0.5, rates) };
        let Run { seconds, opens, refusals, ends, .. } = run(&setting, seed);
        // Four sessions, 400 MB.
        assert!(seconds <= 1.12 * 100.0, "{seconds}");
        // A burst at first, then after one, two... minutes.
        assert!(refusals <= 6, "{refusals}");
        assert!(opens <= 24, "{opens}");
        assert!(ends.iter().all(|end| *end > 0.92 * seconds), "one was far behind: {ends:?}");
    }
}

#[test]
fn a_job_that_comes_to_a_full_host_waits_and_gets_its_turn() {
    let rates = Rates::constant(vec![MB; 4]);
    let setting = Setting { units: vec![100_000_000, 10_000_000], admits: Some(1), ..Setting::new(0, 4, 0.5, rates) };
    let Run { ends, refusals, .. } = run(&setting, 3);
    assert!(ends[0] < 104.0 && ends[1] < ends[0] + 16.0 + 75.0, "{ends:?}");
    // Four that were under way together, and a probe after a minute.
    assert!(refusals <= 5, "{refusals}");
}
