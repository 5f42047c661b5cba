//! Streams that are replaced although nobody is idle.

use std::time::Duration;

use segfetch::plan::{Config, End, Input, Output, WorkerId};

use crate::support::{Bench, config, open, stop};

const SECOND: Duration = Duration::from_secs(1);

/// All streams of a long axis run.
fn running(workers: u16, change: impl FnOnce(&mut Config)) -> Bench {
    let mut config = config(u64::from(workers) * 1_000_000, workers);
    change(&mut config);
    let mut bench = Bench::new(config);
    bench.outputs();
    bench.opened(0, 0);
    bench.now += SECOND / 10;
    bench.came(0, 1);
    bench.outputs();
    bench.now += SECOND / 10;
    for worker in 1..workers {
        bench.opened(worker, u64::from(worker) * 1_000_000);
        bench.came(worker, 1);
    }
    bench
}

/// As [`Bench::streams`], but everything that the planner wants is looked at; the first thing is returned.
fn until_something(bench: &mut Bench, seconds: u64, rates: &[(u16, u64)]) -> Option<(u64, Output)> {
    (1..=seconds).find_map(|second| {
        bench.streams(1, rates);
        Some((second, bench.outputs().into_iter().next()?))
    })
}

fn silent(bench: &mut Bench, worker: u16, seconds: f64) -> Vec<Output> {
    bench.input(Input::Silent { worker: WorkerId(worker), quiet: Duration::from_secs_f64(seconds) });
    bench.outputs()
}

#[test]
fn a_silent_stream_is_opened_anew_after_two_and_a_half_seconds_while_others_go_on_and_once_it_was_after_fifteen() {
    let mut bench = running(3, |_| {});
    bench.streams(5, &[(0, 100), (2, 100)]);
    assert_eq!(silent(&mut bench, 1, 2.4), []);
    assert_eq!(silent(&mut bench, 1, 2.5), [stop(1)]);
    bench.stopped(1);
    assert_eq!(bench.outputs(), [open(1, 1_000_001, End::Soft(2_000_000))]);
    bench.opened(1, 1_000_001);
    bench.came(1, 1);
    bench.streams(15, &[(0, 100), (2, 100)]);
    assert_eq!(silent(&mut bench, 1, 14.9), []);
    assert_eq!(silent(&mut bench, 1, 15.0), [stop(1)]);
}

#[test]
fn when_all_are_silent_nobody_is_replaced() {
    let mut bench = running(3, |_| {});
    bench.streams(1, &[(0, 100), (1, 100), (2, 100)]);
    bench.pass(SECOND * 20);
    for worker in [0, 1, 2] {
        assert_eq!(silent(&mut bench, worker, 20.0), []);
    }
    bench.came(0, 1);
    assert_eq!(bench.outputs(), [stop(1), stop(2)], "until one of them goes on");
}

#[test]
fn a_round_trip_of_two_seconds_makes_patient() {
    let mut bench = running(2, |config| config.open_round_trips = 1);
    // Both were measured at 0.1 s; the next one takes 4 s.
    bench.input(Input::Failed { worker: WorkerId(1), failure: segfetch::plan::Failure::Transient });
    bench.pass(SECOND);
    bench.outputs();
    bench.opened(1, 1_000_001);
    bench.pass(SECOND * 4);
    bench.came(1, 1);
    bench.streams(30, &[(0, 100)]);
    assert_eq!(silent(&mut bench, 1, 20.0), []);
    assert_eq!(silent(&mut bench, 1, 30.0), [stop(1)]);
}

#[test]
fn a_stream_below_a_quarter_of_what_is_usual_is_replaced_after_ten_seconds() {
    let mut bench = running(4, |_| {});
    let (second, output) = until_something(&mut bench, 60, &[(0, 200), (1, 200), (2, 40), (3, 200)]).expect("a stop");
    assert_eq!(output, stop(2));
    assert!((10..=12).contains(&second), "{second}");

    let mut bench = running(4, |_| {});
    assert_eq!(
        until_something(&mut bench, 60, &[(0, 200), (1, 200), (2, 60), (3, 200)]),
        None,
        "slow, but not that slow"
    );
    let mut bench = running(4, |config| config.paced = true);
    assert_eq!(
        until_something(&mut bench, 60, &[(0, 200), (1, 200), (2, 10), (3, 200)]),
        None,
        "media have their own pace"
    );
}

#[test]
fn of_two_slow_streams_the_slower_is_replaced_first_and_the_other_ten_seconds_later() {
    let mut bench = running(6, |_| {});
    let rates = [(0, 200), (1, 30), (2, 20), (3, 200), (4, 200), (5, 200)];
    let (first, output) = until_something(&mut bench, 60, &rates).expect("a stop");
    assert_eq!(output, stop(2));
    let (then, output) = until_something(&mut bench, 60, &rates).expect("a stop");
    assert_eq!((then, output), (10, stop(1)), "{first}");
}

#[test]
fn a_slot_whose_stream_was_replaced_is_spared_for_longer_each_time() {
    let mut bench = running(3, |_| {});
    let mut pauses = Vec::new();
    for _ in 0..3 {
        let (pause, output) = until_something(&mut bench, 200, &[(0, 200), (1, 200), (2, 10)]).expect("a stop");
        assert_eq!(output, stop(2));
        pauses.push(pause);
        bench.stopped(2);
        let [Output::Open { worker: WorkerId(2), start, .. }] = bench.outputs()[..] else { panic!("not opened anew") };
        bench.opened(2, start);
        bench.came(2, 1);
    }
    assert!(
        (10..=12).contains(&pauses[0]) && (20..=21).contains(&pauses[1]) && (40..=41).contains(&pauses[2]),
        "{pauses:?}"
    );
}

#[test]
fn when_the_others_have_become_slow_as_well_it_is_not_the_stream() {
    let mut bench = running(4, |_| {});
    bench.streams(20, &[(0, 800), (1, 800), (2, 800), (3, 800)]);
    // One falls first, then all the others do. While they fall it is not looked at.
    assert_eq!(until_something(&mut bench, 8, &[(0, 800), (1, 800), (2, 50), (3, 800)]), None);
    let fallen = [(0, 300), (1, 300), (2, 50), (3, 300)];
    let (second, output) = until_something(&mut bench, 60, &fallen).expect("a stop");
    assert_eq!(output, stop(2));
    assert!((14..=25).contains(&second), "{second}");
}
