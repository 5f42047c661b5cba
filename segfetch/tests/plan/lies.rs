//! Peers that say one thing and do another.

use std::time::Duration;

use segfetch::plan::{End, Failure, GiveUp, Input, Next, Output, WorkerId};
use segfetch::range_set::RangeSet;

use crate::support::{Bench, config, gave_up, open, stop};

const SECOND: Duration = Duration::from_secs(1);

fn changed(expected: u64, found: u64) -> Output {
    gave_up(GiveUp::ExtentChanged { expected, found })
}

#[test]
fn an_axis_shorter_than_stated_is_found_out_by_asking_twice_where_it_ends() {
    let mut bench = Bench::new(config(10_000, 1));
    bench.outputs();
    bench.opened(0, 0);
    bench.came(0, 7000);
    bench.ended(0);
    assert_eq!(bench.outputs(), []);
    bench.pass(SECOND);
    assert_eq!(bench.outputs(), [open(0, 7000, End::Open)]);
    bench.opened(0, 7000);
    bench.ended(0);
    assert_eq!(bench.outputs(), [changed(10_000, 7000)]);
}

#[test]
fn a_stream_that_ends_early_once_is_not_the_end() {
    let mut bench = Bench::new(config(10_000, 1));
    bench.outputs();
    for at in [0, 2000, 4000] {
        bench.opened(0, at);
        bench.came(0, 2000);
        bench.ended(0);
        bench.pass(SECOND);
        assert_eq!(bench.outputs(), [open(0, at + 2000, End::Open)]);
    }
    bench.opened(0, 6000);
    bench.came(0, 4000);
    bench.ended(0);
    assert_eq!(bench.outputs(), [Output::Complete]);
}

#[test]
fn an_early_end_proves_nothing_while_units_behind_it_are_held() {
    let mut bench = Bench::resumed(config(10_000, 1), RangeSet::from(9000..10_000));
    bench.outputs();
    for _ in 0..4 {
        bench.opened(0, 0);
        bench.ended(0);
        bench.pass(SECOND * 10);
        assert_eq!(bench.outputs(), [open(0, 0, End::Soft(9000))]);
    }
}

#[test]
fn streams_behind_the_true_end_are_found_out_too() {
    let mut bench = Bench::new(config(100_000, 4));
    bench.outputs();
    bench.opened(0, 0);
    bench.came(0, 1);
    bench.outputs();
    // The axis has 30,000 units: workers 2 and 3 hear at once that there is nothing.
    let mut at = 0;
    for _ in 0..50 {
        for worker in bench.planner.snapshot(bench.now).workers {
            if worker.start > 30_000 {
                bench.opened(worker.worker.0, worker.start);
                bench.ended(worker.worker.0);
            }
        }
        if at < 24_000 {
            bench.came(0, 1000);
            at += 1000;
        }
        bench.pass(SECOND * 5);
        bench.outputs();
    }
    let Some(Err(GiveUp::ExtentChanged { expected: 100_000, found })) = bench.planner.outcome() else {
        panic!("{:?}", bench.planner)
    };
    assert!(found > 30_000 && bench.planner.have().total() <= 30_000);
}

#[test]
fn an_axis_longer_than_stated_is_found_out_by_reading_on_for_the_end() {
    let mut bench = Bench::new(config(10_000, 1));
    bench.outputs();
    bench.opened(0, 0);
    bench.came(0, 10_000);
    assert_eq!((bench.outputs(), bench.next(0)), (vec![], Next::Confirm));
    bench.came(0, 1);
    assert_eq!(bench.outputs(), [stop(0), changed(10_000, 10_001)]);
}

#[test]
fn an_extent_that_contradicts_the_one_before_ends_the_job() {
    for stated in [0, 9999, 10_001, u64::MAX] {
        let mut bench = Bench::new(config(10_000, 1));
        bench.outputs();
        bench.input(Input::Opened { worker: WorkerId(0), start: 0, ends_at: None, extent: Some(stated) });
        assert_eq!(bench.outputs(), [stop(0), changed(10_000, stated)]);
    }
}

#[test]
fn an_extent_below_what_is_held_ends_the_job() {
    let have = RangeSet::from(0..500);
    assert_eq!(Bench::resumed(config(499, 1), have.clone()).outputs(), [changed(500, 499)]);
    let mut bench = Bench::resumed(config(None, 1), have);
    assert_eq!(bench.outputs(), [open(0, 500, End::Open)]);
    bench.opened(0, 500);
    bench.ended(0);
    assert_eq!(bench.outputs(), [Output::Complete], "just as long is no contradiction");
}

#[test]
fn a_stream_that_starts_too_late_is_not_believed() {
    let mut bench = Bench::new(config(10_000, 2));
    bench.outputs();
    bench.opened(0, 0);
    bench.came(0, 1);
    bench.outputs();
    bench.opened(1, 5001);
    assert_eq!(bench.next(1), Next::Nothing);
    assert!(bench.outputs().contains(&stop(1)));
    bench.came(1, 100);
    assert_eq!(bench.planner.have().total(), 1, "what it brings is nobody's");

    let mut bench = Bench::new(config(10_000, 2));
    bench.outputs();
    bench.opened(0, 1);
    assert_eq!(bench.outputs(), [stop(0)]);
    bench.stopped(0);
    assert_eq!(bench.outputs(), [open(0, 0, End::Open)]);
    bench.opened(0, 1);
    assert_eq!(bench.outputs(), [stop(0), gave_up(GiveUp::RangeNotSupported)]);
}

#[test]
fn streams_that_end_where_they_said_are_followed_by_the_next_without_delay() {
    let mut bench = Bench::new(config(10_000, 1));
    bench.outputs();
    for at in [0, 3000, 6000] {
        bench.input(Input::Opened { worker: WorkerId(0), start: at, ends_at: Some(at + 3000), extent: Some(10_000) });
        bench.came(0, 3000);
        bench.ended(0);
        assert_eq!(bench.outputs(), [open(0, at + 3000, End::Open)]);
    }
}

#[test]
fn streams_that_end_where_they_begin_are_failures() {
    let mut bench = Bench::new(config(10_000, 1));
    bench.outputs();
    let mut opens = 0;
    while bench.planner.outcome().is_none() {
        bench.input(Input::Opened { worker: WorkerId(0), start: 0, ends_at: Some(0), extent: None });
        bench.ended(0);
        bench.outputs();
        if let Some(wait) = bench.wait() {
            bench.pass(wait);
        }
        opens += bench.outputs().len();
        assert!(opens < 100);
    }
    assert_eq!(bench.planner.outcome(), Some(Err(GiveUp::OutOfPatience)));
}

#[test]
fn a_reset_at_every_block_is_only_slow() {
    let mut bench = Bench::new(config(10_000, 1));
    let begin = bench.now;
    bench.outputs();
    for at in (0..10_000).step_by(100) {
        bench.opened(0, at);
        bench.came(0, 100);
        bench.failed(0, Failure::Transient);
        bench.outputs();
        if let Some(wait) = bench.wait() {
            bench.pass(wait);
            bench.outputs();
        }
    }
    assert_eq!(bench.planner.outcome(), Some(Ok(())));
    assert!(bench.now - begin < SECOND * 25);
}
