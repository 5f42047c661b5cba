//! Two streams for one span.

use std::time::Duration;

use segfetch::plan::{Config, End, Failure, GiveUp, Input, Next, Output, WorkerId};

use crate::support::{Bench, config, extend, open, stop};

const SECOND: Duration = Duration::from_secs(1);

impl Bench {
    fn silent(&mut self, worker: u16, quiet: Duration) {
        self.input(Input::Silent { worker: WorkerId(worker), quiet });
    }
}

/// Worker 0 has brought 301 of its 5000 units and then nothing for so long; worker 1 has brought all of its own, and is free.
/// A thousand units may come twice.
fn one_quiet_for(quiet: Duration, config: Config) -> Bench {
    let half = config.extent.expect("known") / 2;
    let mut bench = Bench::new(config);
    bench.outputs();
    bench.opened(0, 0);
    bench.now += SECOND / 10;
    bench.came(0, 1);
    bench.outputs();
    bench.opened(1, half);
    bench.now += SECOND / 10;
    bench.came(1, 10);
    bench.streams(3, &[(0, 100), (1, 1660)]);
    bench.came(1, half - 4990);
    bench.silent(0, quiet);
    bench.ended(1);
    bench
}

/// Worker 1 has been opened as the challenger of worker 0.
fn challenged() -> Bench {
    let mut bench = one_quiet_for(SECOND * 2, config(10_000, 2));
    assert_eq!(bench.outputs(), [open(1, 201, End::Soft(5000))], "a block before the place where the other one is");
    assert_eq!(bench.next(0), Next::Keep { at: 301, units: 4699 }, "which keeps its span");
    bench.opened(1, 201);
    bench
}

#[test]
fn a_silent_stream_is_overtaken_where_another_one_draws_level() {
    let mut bench = challenged();
    assert_eq!(bench.next(1), Next::Pass { at: 201, units: 100 });
    bench.came(1, 99);
    assert_eq!((bench.outputs(), bench.next(1)), (vec![], Next::Pass { at: 300, units: 1 }));
    bench.came(1, 1);
    assert_eq!(bench.outputs(), [stop(0), extend(1, 5000)]);
    assert_eq!((bench.next(0), bench.next(1)), (Next::Nothing, Next::Keep { at: 301, units: 4699 }));
    bench.came(1, 4699);
    assert_eq!(bench.outputs(), [stop(1), Output::Complete]);
}

#[test]
fn a_stream_is_silent_after_two_seconds_or_four_round_trips() {
    // Three round trips took 0.1 s.
    let mut bench = one_quiet_for(SECOND * 2 - SECOND / 1000, config(10_000, 2));
    assert!(matches!(bench.outputs()[..], [Output::Cut { .. }, Output::Open { .. }]), "it is robbed like any other");

    // And here one of them takes 1.5 s.
    let mut far = config(10_000, 2);
    far.open_round_trips = 2;
    for (quiet, challenges) in [(5900, false), (6100, true)] {
        let mut bench = Bench::new(far.clone());
        bench.outputs();
        bench.opened(0, 0);
        bench.pass(SECOND * 3);
        bench.came(0, 1);
        bench.outputs();
        bench.opened(1, 5000);
        bench.pass(SECOND * 3);
        bench.came(1, 10);
        bench.streams(3, &[(0, 100), (1, 1660)]);
        bench.silent(0, Duration::from_millis(quiet));
        bench.came(1, 10);
        bench.ended(1);
        assert_eq!(bench.outputs() == [open(1, 201, End::Soft(5000))], challenges, "{quiet}");
    }
}

#[test]
fn a_stream_that_comes_back_is_followed_and_may_win() {
    let mut bench = challenged();
    bench.came(0, 400);
    assert_eq!(bench.next(1), Next::Pass { at: 201, units: 500 });
    bench.came(1, 300);
    bench.came(0, 4299);
    assert_eq!(bench.outputs(), [stop(1), stop(0), Output::Complete], "it has arrived");
}

#[test]
fn a_challenger_that_would_fetch_too_much_twice_is_stopped() {
    let mut bench = challenged();
    bench.came(0, 1500);
    bench.came(1, 999);
    assert_eq!(bench.outputs(), []);
    bench.came(1, 1);
    assert_eq!(bench.outputs(), [stop(1)]);
    bench.stopped(1);
    bench.silent(0, SECOND * 5);
    assert_eq!(bench.outputs(), [open(1, 1801, End::Soft(5000))], "the next one starts where nothing comes twice");
    bench.opened(1, 1801);
    assert_eq!(bench.outputs(), [stop(0), extend(1, 5000)]);
}

#[test]
fn one_of_a_hundred_units_may_come_twice_but_no_more_than_thirty_two_million() {
    for (extent, most) in [(99_800, 1000), (1_000_000, 10_000), (1_000_000_000_000, 32 << 20)] {
        let mut bench = one_quiet_for(SECOND * 2, config(extent, 2));
        let [Output::Open { worker: WorkerId(1), start: 201, .. }] = bench.outputs()[..] else { panic!("{extent}") };
        bench.opened(1, 201);
        bench.came(0, most + 100);
        bench.came(1, most - 1);
        assert_eq!(bench.outputs(), [], "{extent}");
        bench.came(1, 1);
        assert_eq!(bench.outputs(), [stop(1)], "{extent}");
    }
}

#[test]
fn nothing_is_lost_if_a_challenger_fails_and_it_is_not_tried_again_at_once() {
    for ends in [false, true] {
        let mut bench = challenged();
        bench.came(1, 50);
        if ends {
            bench.ended(1);
        } else {
            bench.failed(1, Failure::Transient);
        }
        assert_eq!((bench.outputs(), bench.next(0)), (vec![], Next::Keep { at: 301, units: 4699 }));
        let rest = bench.wait().expect("a rest");
        bench.pass(rest);
        assert_eq!(bench.outputs(), [open(1, 201, End::Soft(5000))]);
    }
}

#[test]
fn if_the_challenged_stream_fails_its_span_has_an_heir() {
    let mut bench = challenged();
    bench.came(1, 50);
    bench.failed(0, Failure::Transient);
    assert_eq!(bench.outputs(), [extend(1, 5000)]);
    assert_eq!((bench.next(1), bench.planner.free().total()), (Next::Pass { at: 251, units: 50 }, 0));
    bench.came(1, 50);
    assert_eq!(bench.next(1), Next::Keep { at: 301, units: 4699 });
}

#[test]
fn an_heir_that_ends_too_early_is_of_no_use() {
    for (ends_at, outputs, free) in [(301, stop(1), 4699), (302, extend(1, 302), 4698)] {
        let mut bench = one_quiet_for(SECOND * 2, config(10_000, 2));
        bench.outputs();
        bench.input(Input::Opened { worker: WorkerId(1), start: 201, ends_at: Some(ends_at), extent: None });
        bench.failed(0, Failure::Transient);
        assert_eq!(bench.planner.free().total(), free);
        assert_eq!(bench.outputs()[0], outputs);
    }
}

#[test]
fn no_more_than_a_quarter_of_what_may_come_twice_is_spent_on_comparing() {
    let mut large = config(10_000, 2);
    large.block = 5000;
    let mut bench = one_quiet_for(SECOND * 2, large);
    assert_eq!(bench.outputs(), [open(1, 51, End::Soft(5000))]);
}

#[test]
fn a_challenger_that_starts_behind_the_place_is_of_no_use_and_one_that_started_earlier_is() {
    let mut bench = one_quiet_for(SECOND * 2, config(10_000, 2));
    bench.outputs();
    bench.opened(1, 101);
    assert_eq!((bench.outputs(), bench.next(1)), (vec![], Next::Pass { at: 101, units: 200 }));
    bench.came(1, 201);
    assert_eq!(bench.outputs(), [stop(1)], "nobody knows what became of the unit at the place itself");
}

#[test]
fn a_stream_that_has_brought_nothing_is_overtaken_by_the_first_that_opens() {
    let mut bench = Bench::new(config(10_000, 3));
    bench.outputs();
    bench.opened(0, 0);
    bench.now += SECOND / 10;
    bench.came(0, 1);
    bench.outputs();
    bench.opened(1, 3400);
    bench.opened(2, 6700);
    bench.now += SECOND / 10;
    bench.came(2, 300);
    bench.streams(3, &[(0, 100), (2, 1000)]);
    bench.silent(1, SECOND * 2);
    bench.ended(2);
    assert_eq!(bench.outputs(), [open(2, 3400, End::Soft(6700))], "what lies before is not there to compare with");
    bench.opened(2, 3400);
    assert_eq!(bench.outputs(), [stop(1), extend(2, 6700)]);
}

#[test]
fn there_is_one_challenger_at_a_time_and_none_where_that_is_bad_manners() {
    let mut bench = challenged();
    bench.input(Input::Limit(5));
    assert_eq!(bench.outputs(), []);

    let mut paced = config(10_000, 2);
    paced.paced = true;
    let mut bench = one_quiet_for(SECOND * 20, paced);
    assert!(matches!(bench.outputs()[..], [Output::Cut { .. }, Output::Open { .. }]), "slices are worth having");

    let mut bench = challenged();
    bench.failed(1, Failure::Throttled);
    bench.input(Input::Limit(2));
    bench.pass(SECOND * 30 - SECOND / 1000);
    assert_eq!(bench.outputs(), []);
    bench.pass(SECOND / 1000);
    assert_eq!(bench.outputs(), [open(1, 201, End::Soft(5000))]);
}

/// Worker 0 brings 10 units per second and has so many left, less than a sixteenth of a block; worker 1 brings 1000 and is free.
fn slow_with(left: u64, config: Config) -> Bench {
    let mut bench = Bench::new(config);
    bench.outputs();
    bench.opened(0, 0);
    bench.now += SECOND / 10;
    bench.came(0, 4960 - left);
    bench.outputs();
    bench.opened(1, 5000);
    bench.now += SECOND / 10;
    bench.came(1, 1000);
    bench.streams(4, &[(0, 10), (1, 1000)]);
    bench.ended(1);
    bench
}

#[test]
fn a_rest_that_cannot_be_divided_is_fetched_twice_if_that_brings_it_a_good_deal_earlier() {
    let mut coarse = config(10_000, 2);
    coarse.block = 1000;
    // 20 units take 2 s or, opening included, 0.3 s.
    assert_eq!(slow_with(20, coarse.clone()).outputs(), [open(1, 4730, End::Soft(5000))]);
    // Two take 0.2 s either way.
    let mut bench = slow_with(20, coarse.clone());
    bench.input(Input::Limit(1));
    bench.came(0, 18);
    bench.input(Input::Limit(2));
    assert_eq!(bench.outputs(), []);
    coarse.paced = true;
    assert_eq!(slow_with(20, coarse).outputs(), []);
}

#[test]
fn a_lower_limit_stops_a_challenger_that_has_brought_nothing_or_leaves_the_span_to_one_that_is_faster() {
    let mut bench = challenged();
    bench.input(Input::Limit(1));
    assert_eq!(bench.outputs(), [stop(1)]);
    let mut bench = challenged();
    bench.pass(SECOND * 60);
    bench.came(1, 10);
    bench.streams(1, &[(1, 80)]);
    bench.input(Input::Limit(1));
    assert_eq!(bench.outputs(), [stop(0), extend(1, 5000)]);
}

#[test]
fn a_span_that_is_taken_back_is_not_fought_for() {
    let mut bench = Bench::new(config(10_000, 3));
    bench.outputs();
    bench.opened(0, 0);
    bench.now += SECOND / 10;
    bench.came(0, 1);
    bench.outputs();
    bench.opened(1, 3400);
    bench.opened(2, 6700);
    bench.came(2, 3300);
    bench.ended(2);
    bench.silent(1, SECOND * 2);
    assert_eq!(bench.outputs(), [open(2, 3400, End::Soft(6700))]);
    bench.came(0, 3399);
    assert_eq!(bench.outputs(), [stop(2), stop(1), extend(0, 6700)]);
}

#[test]
fn a_span_is_taken_back_from_its_owner_not_from_its_challenger() {
    let mut bench = Bench::new(config(10_000, 3));
    bench.outputs();
    bench.opened(0, 0);
    bench.now += SECOND / 10;
    bench.came(0, 1);
    bench.outputs();
    bench.opened(1, 3400);
    bench.opened(2, 6700);
    bench.came(1, 1);
    bench.silent(2, SECOND * 2);
    bench.came(0, 3399);
    assert_eq!(bench.outputs(), [stop(0)]);
    bench.stopped(0);
    assert_eq!(bench.outputs(), [open(0, 6700, End::Open)]);
    bench.came(1, 3299);
    assert_eq!(bench.outputs(), [stop(0), stop(2), extend(1, 10_000)]);
}

#[test]
fn of_several_tails_the_one_that_takes_longest_is_challenged() {
    let mut bench = Bench::new(config(3000, 3));
    bench.outputs();
    bench.opened(0, 0);
    bench.came(0, 905);
    bench.outputs();
    bench.opened(1, 1000);
    bench.came(1, 805);
    bench.opened(2, 2000);
    bench.came(2, 40);
    bench.streams(4, &[(0, 10), (1, 30), (2, 240)]);
    bench.ended(2);
    // 55 units at 10 per second, and 75 at 30; neither has a block to give away.
    assert_eq!(bench.outputs(), [open(2, 845, End::Soft(1000))]);
}

#[test]
fn streams_that_take_over_from_each_other_and_bring_nothing_are_failures() {
    let mut config = config(1000, 2);
    config.eager = true;
    let mut bench = Bench::new(config);
    let began = bench.now;
    let (mut opened, mut opens) = ([None; 2], 0);
    while bench.now - began < SECOND * 400 {
        for output in bench.outputs() {
            match output {
                Output::Open { worker, start, .. } => {
                    opens += 1;
                    opened[usize::from(worker.0)] = Some(bench.now);
                    bench.opened(worker.0, start);
                }
                Output::Stop { worker } => {
                    opened[usize::from(worker.0)] = None;
                    bench.stopped(worker.0);
                }
                Output::GaveUp { reason } => {
                    assert_eq!(reason, GiveUp::OutOfPatience);
                    let took = bench.now - began;
                    assert!(took >= SECOND * 300 && opens < 60, "{took:?}, {opens} streams");
                    return;
                }
                _ => {}
            }
        }
        bench.pass(SECOND / 2);
        for (worker, since) in (0..).zip(&mut opened) {
            match since.map(|since| bench.now - since) {
                Some(quiet) if quiet >= SECOND * 30 => {
                    *since = None;
                    bench.failed(worker, Failure::Transient);
                }
                Some(quiet) => bench.silent(worker, quiet),
                None => {}
            }
        }
    }
    panic!("{opens} streams, and no end");
}
