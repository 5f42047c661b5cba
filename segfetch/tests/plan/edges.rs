//! The exact places at which a rule begins to hold.

use std::time::Duration;

use segfetch::plan::{Config, End, Failure, Input, Next, Output, WorkerId};

use crate::support::{Bench, config, extend, open, stop};

/// Worker 0 has brought one unit, the others are opening.
fn begun(workers: u16) -> Bench {
    begun_with(config(10_000, workers))
}

fn begun_with(config: Config) -> Bench {
    let workers = config.workers;
    let mut bench = Bench::new(config);
    bench.outputs();
    bench.opened(0, 0);
    bench.came(0, 1);
    assert_eq!(bench.outputs().len(), usize::from(workers) - 1);
    bench
}

#[test]
fn a_stream_may_start_as_much_earlier_as_is_not_worth_a_span_and_no_more() {
    let mut bench = begun(2);
    bench.opened(1, 4000);
    assert_eq!((bench.next(1), bench.outputs()), (Next::Pass { at: 4000, units: 1000 }, vec![]));

    let mut bench = begun(2);
    bench.opened(1, 3999);
    assert_eq!(bench.outputs(), [stop(1), extend(0, 10_000)]);
}

#[test]
fn no_units_are_no_news() {
    let mut exact = config(10_000, 2);
    exact.exact_ends = true;
    let mut bench = begun_with(exact);
    bench.came(0, 4999);
    bench.came(0, 0);
    assert_eq!((bench.outputs(), bench.next(0)), (vec![], Next::Confirm));
    // One that comes lies behind the end that was asked for, and ends the stream but not the job.
    bench.came(0, 1);
    assert_eq!(bench.outputs(), [stop(0)]);
}

#[test]
fn of_an_unknown_extent_an_end_is_the_axis_s_only_before_the_place_where_the_stream_was_to_end() {
    for (came, then) in [(100, open(0, 100, End::Open)), (50, Output::Complete)] {
        let mut bench = Bench::new(config(None, 1));
        bench.outputs();
        bench.input(Input::Opened { worker: WorkerId(0), start: 0, ends_at: Some(100), extent: None });
        bench.came(0, came);
        bench.ended(0);
        assert_eq!(bench.outputs(), [then], "{came}");
    }
}

#[test]
fn a_stream_without_a_unit_costs_less_than_one_whose_rate_is_not_known() {
    let mut bench = begun(2);
    bench.opened(1, 5000);
    bench.came(1, 0);
    bench.input(Input::Limit(1));
    assert_eq!(bench.outputs()[0], stop(1));
}

#[test]
fn the_stream_that_waits_for_the_confirmation_of_its_end_is_stopped_last() {
    let mut bench = begun(2);
    bench.opened(1, 5000);
    bench.streams(2, &[(0, 500), (1, 100)]);
    bench.came(1, 4800);
    assert_eq!(bench.next(1), Next::Confirm);
    bench.input(Input::Limit(1));
    assert_eq!(bench.outputs(), [stop(0)]);
}

#[test]
fn what_rests_does_not_pass_its_turn_on() {
    let mut bench = Bench::new(config(10_000, 4));
    bench.outputs();
    bench.failed(0, Failure::Transient);
    assert_eq!((bench.outputs(), bench.planner.wanted()), (vec![], 0));

    let mut bench = begun(4);
    bench.failed(2, Failure::Transient);
    assert_eq!((bench.outputs(), bench.planner.wanted()), (vec![], 3));
    bench.input(Input::Limit(2));
    let [Output::Stop { worker }, ..] = bench.outputs()[..] else { panic!("one too many") };
    bench.stopped(worker.0);
    assert_eq!((bench.outputs(), bench.planner.wanted()), (vec![], 3), "one rests");
}

#[test]
fn a_rest_that_is_over_is_not_waited_for() {
    let mut bench = Bench::new(config(10_000, 1));
    bench.outputs();
    bench.failed(0, Failure::Transient);
    let rest = bench.wait().expect("a rest");
    bench.input(Input::Limit(0));
    bench.pass(rest);
    assert_eq!((bench.outputs(), bench.wait()), (vec![], None));
}

#[test]
fn a_span_that_is_given_back_goes_only_to_its_neighbour() {
    let mut bench = begun(4);
    bench.failed(2, Failure::Transient);
    assert_eq!((bench.outputs(), bench.planner.free().total()), (vec![], 2500));
    bench.failed(1, Failure::Transient);
    assert_eq!(bench.outputs(), [extend(0, 5000)]);
}

#[test]
fn a_stream_that_ends_by_itself_is_given_nothing_behind_that() {
    let mut exact = config(10_000, 2);
    exact.exact_ends = true;
    let mut bench = begun_with(exact);
    bench.failed(1, Failure::Transient);
    assert_eq!((bench.outputs(), bench.planner.free().total()), (vec![], 5000));
}

#[test]
fn the_rate_of_a_stream_that_ended_where_it_said_is_remembered() {
    let mut bench = begun(3);
    bench.input(Input::Opened { worker: WorkerId(1), start: 3400, ends_at: Some(5200), extent: None });
    bench.opened(2, 6700);
    bench.came(1, 1);
    bench.came(2, 1);
    bench.streams(2, &[(0, 100), (1, 800), (2, 200)]);
    bench.input(Input::Limit(2));
    assert_eq!(bench.outputs(), [stop(0)]);
    bench.stopped(0);
    bench.came(1, 199);
    bench.ended(1);
    let [Output::Open { worker: WorkerId(1), .. }] = bench.outputs()[..] else { panic!("not the fastest") };
}

#[test]
fn the_one_with_the_longest_time_to_go_is_robbed_not_the_one_with_the_most_units() {
    let mut bench = Bench::new(config(60_000, 3));
    bench.outputs();
    bench.opened(0, 0);
    bench.now += Duration::from_millis(100);
    bench.came(0, 1);
    bench.outputs();
    bench.opened(1, 20_000);
    bench.opened(2, 40_000);
    bench.now += Duration::from_millis(100);
    bench.came(1, 5000);
    bench.came(2, 10);
    bench.streams(5, &[(0, 1000), (1, 400), (2, 3990)]);
    bench.came(2, 40);
    bench.ended(2);
    // 15,000 units at 1000 per second; 13,000 at 400.
    let [Output::Cut { worker: WorkerId(1), .. }, Output::Open { .. }] = bench.outputs()[..] else {
        panic!("another one")
    };
}

#[test]
fn the_longer_a_stream_has_brought_nothing_the_less_is_expected_of_it() {
    let mut bench = Bench::new(config(60_000, 3));
    bench.outputs();
    bench.opened(0, 0);
    bench.now += Duration::from_millis(100);
    bench.came(0, 1);
    bench.outputs();
    bench.opened(1, 20_000);
    bench.now += Duration::from_millis(100);
    bench.came(1, 10);
    bench.streams(10, &[(0, 1990), (1, 500)]);
    bench.came(0, 99);
    // Worker 1 has 15,000 units left at 500 per second. Worker 2 has 20,000 and takes a hundred times as long to begin as usual.
    bench.stopped(0);
    let outputs = bench.outputs();
    let [.., Output::Cut { worker: WorkerId(2), end }, Output::Open { .. }] = outputs[..] else {
        panic!("{outputs:?}")
    };
    assert!(end <= 40_600, "{end}: little is left to it");
}

#[test]
fn a_stream_that_is_being_stopped_counts_as_the_thief_that_its_slot_soon_is() {
    let mut bench = begun_with(config(9000, 3));
    bench.opened(1, 3000);
    bench.opened(2, 6000);
    bench.streams(1, &[(0, 100), (1, 2000), (2, 300)]);
    bench.streams(1, &[(0, 100), (1, 1000), (2, 300)]);
    bench.streams(8, &[(0, 100), (2, 300)]);
    bench.ended(2);
    let outputs = bench.outputs();
    let [
        Output::Stop { worker: WorkerId(1) },
        Output::Cut { worker: WorkerId(0), end },
        Output::Open { worker: WorkerId(2), .. },
    ] = outputs[..]
    else {
        panic!("{outputs:?}")
    };
    // 2000 units are left, which take all three more than a second: this one takes what it can bring in that time, and leaves the
    // rest to the other one, which is faster. Alone with the victim it would have taken three quarters.
    assert!((2600..=2800).contains(&end), "{end}");
}

/// Four workers with 7500 units each, of which the last is done after three seconds; what it does then.
fn after_the_fast_one(rates: [u64; 3]) -> (WorkerId, u64) {
    let mut bench = begun_with(config(30_000, 4));
    (1..4).for_each(|worker| bench.opened(worker, 7500 * u64::from(worker)));
    let [first, second, third] = rates;
    bench.streams(1, &[(0, first), (1, second), (2, third), (3, 2500)]);
    bench.streams(1, &[(0, first), (1, second), (2, third), (3, 2500)]);
    bench.streams(1, &[(0, first), (1, second), (2, third), (3, 2500)]);
    bench.ended(3);
    let outputs = bench.outputs();
    match outputs[..] {
        [Output::Cut { worker, end }, Output::Open { worker: WorkerId(3), start, .. }] if start == end => (worker, end),
        _ => panic!("{outputs:?}"),
    }
}

#[test]
fn the_longest_time_to_go_is_shortened_wherever_it_is() {
    // 7350 units at 50 per second; all together would need 6.6 seconds, in which it brings 330.
    let (victim, end) = after_the_fast_one([300, 50, 300]);
    assert_eq!((victim, end), (WorkerId(1), 7980));
}

#[test]
fn where_others_are_about_to_be_free_nobody_takes_more_than_it_can_bring_in_time() {
    // The other two have 300 units left, an eighth of a second; then they help. All three need a second for what is left.
    let (victim, end) = after_the_fast_one([2400, 50, 2400]);
    assert_eq!((victim, end), (WorkerId(1), 12_299));
    // Those that have as much left as the slow one do not.
    let (victim, end) = after_the_fast_one([100, 50, 100]);
    assert_eq!((victim, end), (WorkerId(1), 8000));
}

#[test]
fn where_ranges_are_refused_the_stream_from_the_beginning_stays_unless_that_may_be_refused_for_its_end() {
    let outputs = |exact_ends, answered| {
        let mut config = config(10_000, 2);
        (config.eager, config.exact_ends) = (true, exact_ends);
        let mut bench = Bench::new(config);
        let end = if exact_ends { End::Exact(5000) } else { End::Soft(5000) };
        assert_eq!(bench.outputs(), [open(0, 0, end), open(1, 5000, End::Open)]);
        if answered {
            bench.opened(0, 0);
        }
        bench.failed(1, Failure::RangeNotSupported);
        bench.outputs()
    };
    assert_eq!(outputs(false, false), [extend(0, 10_000)]);
    assert_eq!(outputs(true, false), [stop(0)], "it is not answered");
    assert_eq!(outputs(true, true), [], "it ends before the rest");
}
