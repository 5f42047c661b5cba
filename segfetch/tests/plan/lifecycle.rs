//! One rule of the planner per test.

use std::time::Duration;

use segfetch::plan::{Access, End, Failure, GiveUp, Input, Next, Order, Output, WorkerId};
use segfetch::range_set::RangeSet;

use crate::support::{Bench, config, cut, extend, gave_up, open, stop};

const SECOND: Duration = Duration::from_secs(1);

/// Two workers with 5000 units each, set up in 0.1 s; worker 0 has brought one unit.
fn two() -> Bench {
    let mut bench = Bench::new(config(10_000, 2));
    bench.outputs();
    bench.opened(0, 0);
    bench.now += SECOND / 10;
    bench.came(0, 1);
    assert_eq!(bench.outputs(), [open(1, 5000, End::Open)]);
    bench
}

/// Worker 1 has brought its part, and stolen the second half of what worker 0 still had: worker 1 is opening at `cut`.
fn stolen() -> (Bench, u64) {
    let mut bench = two();
    bench.opened(1, 5000);
    bench.now += SECOND / 10;
    bench.came(1, 10);
    bench.streams(3, &[(0, 100), (1, 1660)]);
    bench.came(1, 10);
    assert_eq!(bench.next(1), Next::Confirm);
    bench.ended(1);
    match bench.outputs()[..] {
        [
            Output::Cut { worker: WorkerId(0), end: cut },
            Output::Open { worker: WorkerId(1), start, end: End::Soft(5000) },
        ] => {
            assert_eq!(start, cut);
            (bench, cut)
        }
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_is_opened_before_the_host_grants_it() {
    let mut bench = Bench::new(config(10_000, 4));
    bench.input(Input::Limit(0));
    assert_eq!(bench.outputs(), []);
    assert_eq!((bench.planner.wanted(), bench.wait()), (1, None));
    bench.input(Input::Limit(1));
    assert_eq!(bench.outputs(), [open(0, 0, End::Soft(2500))]);
}

#[test]
fn the_others_start_after_the_first_unit_and_share_the_rest_equally() {
    let mut bench = Bench::new(config(10_000, 4));
    assert_eq!(bench.outputs(), [open(0, 0, End::Soft(2500))]);
    bench.opened(0, 0);
    assert_eq!(bench.outputs(), []);
    bench.came(0, 1);
    assert_eq!(
        bench.outputs(),
        [open(1, 2500, End::Soft(5000)), open(2, 5000, End::Soft(7500)), open(3, 7500, End::Open)]
    );
}

#[test]
fn the_eager_start_all_at_once() {
    let mut eager = config(10_000, 3);
    eager.eager = true;
    let mut bench = Bench::new(eager);
    let shares = [open(0, 0, End::Soft(3400)), open(1, 3400, End::Soft(6700)), open(2, 6700, End::Open)];
    assert_eq!(bench.outputs(), shares);
}

#[test]
fn shares_end_at_blocks_and_are_not_smaller_than_the_floor() {
    for (extent, workers, first_end) in [(10_001, 4, 2600), (3000, 8, 1000), (1999, 8, 1999), (2000, 8, 1000)] {
        let mut bench = Bench::new(config(extent, workers));
        let end = if first_end == extent { End::Open } else { End::Soft(first_end) };
        assert_eq!(bench.outputs(), [open(0, 0, end)], "{extent}");
    }
}

#[test]
fn a_peer_that_ends_where_it_is_asked_to_is_asked_to() {
    let mut exact = config(10_000, 2);
    exact.exact_ends = true;
    let mut bench = Bench::new(exact);
    assert_eq!(bench.outputs(), [open(0, 0, End::Exact(5000))]);
    bench.opened(0, 0);
    bench.came(0, 1);
    assert_eq!(bench.outputs(), [open(1, 5000, End::Open)]);
    bench.opened(1, 5000);
    bench.came(1, 1);
    bench.came(0, 4999);
    assert_eq!((bench.outputs(), bench.next(0)), (vec![], Next::Confirm), "its session is worth waiting for the end");
    let mut other = Bench { planner: bench.planner.clone(), ..bench };
    bench.ended(0);
    assert_eq!(bench.outputs(), []);
    // Once everything is there it is not worth that any more.
    other.came(1, 4999);
    other.ended(1);
    assert_eq!(other.outputs(), [stop(0), Output::Complete]);
}

#[test]
fn what_is_held_is_never_asked_for_again() {
    let have = RangeSet::from_iter([0..700, 4000..5000, 9000..10_000]);
    let mut bench = Bench::resumed(config(10_000, 1), have.clone());
    assert_eq!(bench.outputs(), [open(0, 5000, End::Soft(9000))], "the largest gap first");
    bench.opened(0, 5000);
    bench.came(0, 4000);
    assert_eq!(bench.outputs(), [stop(0)]);
    bench.stopped(0);
    assert_eq!(bench.outputs(), [open(0, 700, End::Soft(4000))]);
    bench.opened(0, 700);
    bench.came(0, 3300);
    assert_eq!(bench.outputs(), [stop(0), Output::Complete], "the end was held before: there is nothing to confirm");

    let mut sequential = config(10_000, 1);
    sequential.order = Order::First;
    assert_eq!(Bench::resumed(sequential, have).outputs(), [open(0, 700, End::Soft(4000))]);
    assert_eq!(Bench::resumed(config(10_000, 4), RangeSet::from(0..10_000)).outputs(), [Output::Complete]);
}

/// Number, length and order of streams are what differs near the edges of blocks, and at both ends of the axis.
#[test]
fn the_shortest_and_the_longest_axes_are_fetched_like_any_other() {
    assert_eq!(Bench::new(config(0, 4)).outputs(), [Output::Complete]);
    for extent in [1, 99, 100, 101, 1000, u64::MAX - 1, u64::MAX] {
        let mut bench = Bench::new(config(extent, 1));
        assert_eq!(bench.outputs(), [open(0, 0, End::Open)]);
        bench.opened(0, 0);
        bench.came(0, extent - 1);
        assert_eq!(bench.next(0), Next::Keep { at: extent - 1, units: 1 });
        bench.came(0, 1);
        assert_eq!((bench.outputs(), bench.next(0)), (vec![], Next::Confirm));
        bench.ended(0);
        assert_eq!(bench.outputs(), [Output::Complete]);
        assert_eq!(bench.planner.have(), &RangeSet::from(0..extent));
    }
    let mut bench = Bench::new(config(u64::MAX - 1, 8));
    assert_eq!(bench.outputs(), [open(0, 0, End::Soft(u64::MAX / 8 / 100 * 100 + 100))]);
}

#[test]
fn a_worker_at_its_end_runs_on_into_the_adjacent_free_span() {
    let mut bench = Bench::new(config(10_000, 4));
    bench.input(Input::Limit(1));
    bench.outputs();
    bench.opened(0, 0);
    bench.came(0, 2500);
    assert_eq!(bench.outputs(), [extend(0, 10_000)]);
    assert_eq!(bench.next(0), Next::Keep { at: 2500, units: 7500 });
    bench.streams(1, &[(0, 100)]);
    assert_eq!((bench.outputs(), bench.planner.wanted()), (vec![], 4), "although one has all, others could share it");
}

#[test]
fn an_idle_worker_steals_so_that_both_finish_together() {
    let (mut bench, cut) = stolen();
    // 4700 left at 100 per second, the thief has 1660 per second and starts late.
    assert!((500..=800).contains(&cut), "{cut}");
    assert_eq!(cut % 7, 0, "a sixteenth of a block");
    bench.opened(1, cut);
    bench.came(1, 10);
    assert_eq!(bench.next(0), Next::Keep { at: 301, units: cut - 301 });
}

#[test]
fn nothing_is_stolen_that_is_not_worth_the_opening() {
    let mut bench = two();
    bench.opened(1, 5000);
    bench.now += SECOND / 10;
    bench.came(1, 10);
    bench.streams(4, &[(0, 1140), (1, 1240)]);
    bench.came(0, 200);
    bench.came(1, 30);
    bench.ended(1);
    // 239 units are left, 0.2 s; opening has taken 0.1 s, and so the share would be 0.06 s.
    assert_eq!((bench.outputs(), bench.planner.wanted()), (vec![], 1));
    assert_eq!(bench.wait(), Some(SECOND), "it looks again");
    // Worker 0 falls silent, and what is left becomes worth it.
    bench.pass(SECOND * 30);
    assert_eq!(bench.outputs(), [cut(0, 4767), open(1, 4767, End::Soft(5000))]);
}

#[test]
fn a_thief_that_fails_before_its_first_unit_gives_the_span_back_and_the_victim_is_never_stopped() {
    let (mut bench, cut) = stolen();
    bench.failed(1, Failure::Transient);
    assert_eq!(bench.outputs(), [extend(0, 5000)]);
    bench.streams(1, &[(0, 100)]);
    assert_eq!(bench.next(0), Next::Keep { at: 401, units: 4599 });
    assert!(cut < 5000);
}

#[test]
fn a_victim_at_the_cut_takes_the_span_back_while_the_thief_is_opening() {
    for opened in [false, true] {
        let (mut bench, cut) = stolen();
        if opened {
            bench.opened(1, cut);
        }
        bench.came(0, cut - 301);
        assert_eq!(bench.outputs(), [stop(1), extend(0, 5000)], "no gap, no double claim");
        assert_eq!(bench.next(1), Next::Nothing);
        bench.came(1, 500);
        assert_eq!(bench.next(0), Next::Keep { at: cut, units: 5000 - cut }, "late units of the thief are nobody's");
        bench.stopped(1);
        assert_eq!(
            bench.outputs(),
            [],
            "it is faster than was thought, and not robbed again before it is measured anew"
        );
    }
}

#[test]
fn a_victim_at_the_cut_stops_once_the_thief_has_brought_a_unit() {
    let (mut bench, cut) = stolen();
    bench.opened(1, cut);
    bench.came(1, 1);
    bench.came(0, cut - 301);
    assert_eq!(bench.outputs(), [stop(0)]);
}

#[test]
fn a_read_that_was_under_way_over_a_cut_keeps_only_its_own_part() {
    let (mut bench, cut) = stolen();
    bench.came(0, cut);
    assert_eq!(bench.planner.have().range_at(0), Some(0..cut));
    assert_eq!(bench.outputs(), [stop(0)], "it has lost its place");
}

#[test]
fn transient_failures_back_off_and_a_unit_resets_that() {
    let mut bench = Bench::new(config(1_000_000, 1));
    bench.outputs();
    let mut longest = Duration::ZERO;
    for attempt in 0..40 {
        bench.failed(0, Failure::Transient);
        assert_eq!((bench.outputs(), bench.planner.wanted()), (vec![], 0));
        let wait = bench.wait().expect("a retry");
        let most = Duration::from_millis(250).saturating_mul(1 << attempt.min(20)).min(Duration::from_secs(30));
        assert!(wait <= most, "{attempt}: {wait:?}");
        longest = longest.max(wait);
        // A unit every other minute or so: patience is not at issue.
        bench.pass(wait);
        assert_eq!(bench.outputs().len(), 1);
        if attempt == 20 {
            assert!(longest > Duration::from_secs(10), "{longest:?}");
            bench.opened(0, 0);
            bench.came(0, 1);
            bench.failed(0, Failure::Transient);
            bench.outputs();
            assert!(bench.wait().expect("a retry") <= Duration::from_millis(250));
            break;
        }
        if bench.planner.outcome().is_some() {
            panic!("too soon: attempt {attempt}");
        }
    }
}

#[test]
fn patience_ends_after_five_minutes_without_a_unit_and_not_before() {
    let mut bench = Bench::new(config(1_000_000, 1));
    let begin = bench.now;
    bench.outputs();
    while bench.planner.outcome().is_none() {
        bench.failed(0, Failure::Transient);
        bench.outputs();
        if let Some(wait) = bench.wait() {
            bench.pass(wait);
            bench.outputs();
        }
    }
    assert_eq!(bench.planner.outcome(), Some(Err(GiveUp::OutOfPatience)));
    let took = bench.now - begin;
    assert!(took >= Duration::from_secs(300) && took <= Duration::from_secs(330), "{took:?}");
}

#[test]
fn a_black_out_of_a_minute_is_survived_however_long_the_job_has_run() {
    let mut bench = two();
    bench.opened(1, 5000);
    bench.came(1, 1);
    bench.pass(Duration::from_secs(3600));
    for _ in 0..10 {
        for worker in [0, 1] {
            bench.failed(worker, Failure::Transient);
        }
        bench.pass(Duration::from_secs(6));
        bench.outputs();
    }
    assert_eq!(bench.planner.outcome(), None);
}

#[test]
fn refusals_lower_what_is_open_and_a_grant_raises_it_again() {
    let mut bench = Bench::new(config(100_000, 8));
    bench.outputs();
    bench.opened(0, 0);
    bench.came(0, 1);
    let mut opens = 1 + bench.outputs().len();
    assert_eq!(opens, 8);
    for worker in 1..8 {
        bench.failed(worker, Failure::Throttled);
        assert_eq!(bench.outputs().iter().filter(|o| matches!(o, Output::Open { .. })).count(), 0);
    }
    assert_eq!(bench.wait(), Some(SECOND), "no retry of its own: only a look whether more could be used");
    bench.streams(1, &[(0, 100)]);
    assert_eq!((bench.outputs(), bench.planner.wanted()), (vec![], 8));
    // For an hour nothing is opened, and the one that is left goes on.
    for _ in 0..60 {
        bench.pass(SECOND * 60);
        bench.came(0, 1);
        assert_eq!(bench.outputs(), []);
    }
    for granted in 2..=8 {
        bench.streams(1, &[(0, 100)]);
        bench.input(Input::Limit(granted));
        let outputs = bench.outputs();
        opens += outputs.iter().filter(|output| matches!(output, Output::Open { .. })).count();
    }
    assert_eq!(opens, 15, "each grant was used once");
}

#[test]
fn refusals_never_end_a_job() {
    let mut bench = Bench::new(config(10_000, 4));
    for _ in 0..1000 {
        assert_eq!(bench.outputs().len(), 1);
        bench.failed(0, Failure::Throttled);
        assert_eq!(bench.outputs(), []);
        bench.pass(SECOND * 60);
        assert_eq!((bench.outputs(), bench.planner.wanted()), (vec![], 1));
        bench.input(Input::Limit(1));
    }
}

#[test]
fn a_lower_limit_stops_the_workers_whose_end_costs_least() {
    let mut bench = Bench::new(config(100_000, 4));
    bench.outputs();
    bench.opened(0, 0);
    bench.came(0, 1);
    bench.outputs();
    bench.opened(1, 25_000);
    bench.opened(2, 50_000);
    bench.streams(2, &[(0, 500), (1, 100)]);
    bench.input(Input::Limit(3));
    assert_eq!(bench.outputs(), [stop(3)], "not even opened");
    bench.input(Input::Limit(2));
    assert_eq!(bench.outputs()[0], stop(2), "no unit yet");
    bench.input(Input::Limit(1));
    assert_eq!(bench.outputs(), [stop(1)], "slower");
    bench.input(Input::Limit(0));
    assert_eq!(bench.outputs(), [stop(0)], "paused");
    (0..4).for_each(|worker| bench.stopped(worker));
    assert_eq!(bench.outputs(), []);
    bench.input(Input::Limit(4));
    assert_eq!(bench.outputs().len(), 4);
}

#[test]
fn a_server_without_ranges_is_read_once_from_the_beginning() {
    let mut bench = two();
    bench.failed(1, Failure::RangeNotSupported);
    assert_eq!(bench.outputs(), [extend(0, 10_000)], "the running stream from 0 is kept");
    assert_eq!(bench.next(0), Next::Keep { at: 1, units: 9999 });
    bench.came(0, 9999);
    bench.ended(0);
    assert_eq!(bench.outputs(), [Output::Complete]);
}

#[test]
fn without_ranges_a_resumed_job_passes_over_what_it_holds() {
    let mut bench = Bench::resumed(config(10_000, 4), RangeSet::from_iter([0..3000, 5000..6000]));
    assert_eq!(bench.outputs().len(), 1);
    bench.failed(0, Failure::RangeNotSupported);
    assert_eq!(bench.outputs(), [open(0, 0, End::Open)]);
    bench.opened(0, 0);
    assert_eq!(bench.next(0), Next::Pass { at: 0, units: 3000 });
    bench.came(0, 2999);
    assert_eq!(bench.next(0), Next::Pass { at: 2999, units: 1 });
    bench.came(0, 2);
    assert_eq!(bench.next(0), Next::Keep { at: 3001, units: 1999 });
    bench.came(0, 1999);
    assert_eq!((bench.outputs(), bench.next(0)), (vec![extend(0, 10_000)], Next::Pass { at: 5000, units: 1000 }));
    bench.came(0, 5000);
    bench.ended(0);
    assert_eq!(bench.outputs(), [Output::Complete]);
}

#[test]
fn a_stream_that_starts_at_the_beginning_although_asked_otherwise_is_used_from_there() {
    let mut bench = Bench::resumed(config(10_000, 4), RangeSet::from(0..3000));
    bench.outputs();
    bench.opened(0, 0);
    assert_eq!(bench.outputs(), [extend(0, 10_000)]);
    assert_eq!(bench.next(0), Next::Pass { at: 0, units: 3000 });
    bench.came(0, 10_000);
    bench.ended(0);
    assert_eq!(bench.outputs(), [Output::Complete]);
}

#[test]
fn a_stream_that_starts_a_little_early_passes_over_that() {
    let mut bench = two();
    bench.opened(1, 4990);
    assert_eq!(bench.next(1), Next::Pass { at: 4990, units: 10 });
    bench.came(1, 11);
    assert_eq!(bench.next(1), Next::Keep { at: 5001, units: 4999 });
    assert_eq!(bench.outputs(), []);
}

#[test]
fn not_even_the_beginning_ends_the_job() {
    let mut bench = Bench::new(config(10_000, 4));
    bench.outputs();
    bench.failed(0, Failure::RangeNotSupported);
    assert_eq!(bench.outputs(), [open(0, 0, End::Open)], "perhaps it was the end that was asked for");
    bench.failed(0, Failure::RangeNotSupported);
    assert_eq!(bench.outputs(), [gave_up(GiveUp::RangeNotSupported)]);
}

#[test]
fn a_stream_that_exists_once_is_not_spliced() {
    let mut live = config(None, 4);
    live.access = Access::Sequential;
    let mut bench = Bench::new(live);
    assert_eq!(bench.outputs(), [open(0, 0, End::Open)]);
    bench.failed(0, Failure::Transient);
    bench.pass(SECOND);
    assert_eq!(bench.outputs(), [open(0, 0, End::Open)], "nothing had come");
    bench.opened(0, 0);
    bench.came(0, 5);
    bench.failed(0, Failure::Transient);
    bench.pass(SECOND);
    assert_eq!(bench.outputs(), [gave_up(GiveUp::NotRepeatable)]);
}

#[test]
fn an_unknown_extent_is_one_stream_whose_end_tells_it() {
    let mut bench = Bench::new(config(None, 4));
    assert_eq!(bench.outputs(), [open(0, 0, End::Open)]);
    bench.opened(0, 0);
    bench.came(0, 777);
    assert_eq!(bench.outputs(), []);
    bench.ended(0);
    assert_eq!(bench.outputs(), [Output::Complete]);
    assert_eq!(bench.planner.extent(), Some(777));
}

#[test]
fn an_extent_learnt_on_opening_is_shared_at_once() {
    let mut bench = Bench::new(config(None, 4));
    bench.outputs();
    bench.input(Input::Opened { worker: WorkerId(0), start: 0, ends_at: None, extent: Some(10_000) });
    assert_eq!(bench.outputs(), [cut(0, 2500)]);
    bench.came(0, 1);
    assert_eq!(bench.outputs().len(), 3);
}

#[test]
fn an_axis_that_turns_out_to_be_empty_is_complete() {
    let mut bench = Bench::new(config(None, 4));
    bench.outputs();
    bench.input(Input::Opened { worker: WorkerId(0), start: 0, ends_at: None, extent: Some(0) });
    assert_eq!((bench.outputs(), bench.next(0)), (vec![], Next::Confirm));
    bench.ended(0);
    assert_eq!(bench.outputs(), [Output::Complete]);
}

#[test]
fn skipped_units_are_asked_for_once_more_and_then_missing() {
    let mut bench = Bench::new(config(1000, 1));
    bench.outputs();
    bench.opened(0, 0);
    bench.came(0, 100);
    bench.input(Input::Skipped { worker: WorkerId(0), units: 50 });
    bench.came(0, 850);
    bench.ended(0);
    assert_eq!(bench.outputs(), [open(0, 100, End::Soft(150))]);
    bench.opened(0, 100);
    bench.came(0, 20);
    bench.input(Input::Skipped { worker: WorkerId(0), units: 30 });
    assert_eq!(bench.outputs(), [stop(0), Output::Complete]);
    assert_eq!(bench.planner.missing(), &RangeSet::from(120..150));
    assert_eq!(bench.planner.have().total(), 970);
}

#[test]
fn lost_units_are_fetched_again_even_after_the_end() {
    let mut bench = Bench::resumed(config(10_000, 2), RangeSet::from(0..10_000));
    assert_eq!(bench.outputs(), [Output::Complete]);
    bench.input(Input::Lost { start: 9900, end: u64::MAX });
    assert_eq!(bench.outputs(), [open(0, 9900, End::Open)]);
    bench.opened(0, 9900);
    bench.came(0, 100);
    bench.ended(0);
    assert_eq!(bench.outputs(), [Output::Complete]);
}

#[test]
fn a_fatal_failure_stops_everything_and_is_the_last_word() {
    let mut bench = two();
    bench.failed(1, Failure::Fatal);
    assert_eq!(bench.outputs(), [stop(0), gave_up(GiveUp::Fatal)]);
    bench.stopped(0);
    bench.input(Input::Lost { start: 0, end: 10 });
    bench.input(Input::Limit(3));
    assert_eq!((bench.outputs(), bench.wait()), (vec![], None));
    assert_eq!(bench.planner.outcome(), Some(Err(GiveUp::Fatal)));
}

#[test]
fn the_end_need_not_be_confirmed_by_a_stream_that_breaks_there() {
    let mut bench = Bench::new(config(10, 1));
    bench.outputs();
    bench.opened(0, 0);
    bench.came(0, 10);
    bench.failed(0, Failure::Transient);
    assert_eq!(bench.outputs(), [Output::Complete]);
}

#[test]
fn of_the_idle_workers_the_fastest_is_used_again() {
    for (fast, slow) in [(0, 1), (1, 0)] {
        let mut bench = two();
        bench.opened(1, 5000);
        bench.came(1, 1);
        bench.streams(3, &[(fast, 1500), (slow, 1000)]);
        // Worker 0 is stopped at its end, worker 1 hears the end confirmed.
        for worker in [0, 1] {
            let Next::Keep { units, .. } = bench.next(worker) else { panic!("{worker}") };
            bench.came(worker, units);
        }
        bench.stopped(0);
        bench.ended(1);
        assert_eq!(bench.outputs(), [stop(0), Output::Complete]);
        bench.input(Input::Lost { start: 500, end: 600 });
        assert_eq!(bench.outputs(), [open(fast, 500, End::Soft(600))]);
    }
}

#[test]
fn a_snapshot_shows_every_stream() {
    let mut bench = two();
    bench.streams(2, &[(0, 100)]);
    let snapshot = bench.planner.snapshot(bench.now);
    assert_eq!((snapshot.extent, snapshot.held, snapshot.missing, snapshot.pending), (Some(10_000), 201, 0, 0));
    let [zero, one] = snapshot.workers[..] else { panic!("{snapshot:?}") };
    assert_eq!((zero.worker, zero.start, zero.front, zero.end), (WorkerId(0), 0, 201, 5000));
    assert!((zero.rate.unwrap() - 100.0).abs() < 1.0);
    assert_eq!((one.worker, one.start, one.front, one.end, one.rate), (WorkerId(1), 5000, 5000, 10_000, None));
}

#[test]
fn in_order_the_lowest_piece_is_next_and_none_is_large() {
    let mut in_order = config(1_000_000, 2);
    in_order.order = Order::First;
    let mut bench = Bench::new(in_order.clone());
    assert_eq!(bench.outputs(), [open(0, 0, End::Soft(8000))], "eight times the least span");
    bench.opened(0, 0);
    bench.now += SECOND / 10;
    bench.came(0, 1);
    assert_eq!(bench.outputs(), [open(1, 8000, End::Soft(16_000))]);
    bench.opened(1, 8000);
    bench.now += SECOND / 10;
    bench.came(1, 1);
    bench.streams(2, &[(0, 1000), (1, 1000)]);
    bench.came(1, 5999);
    // An opening takes 0.1 s: 200 units are worth it, eight times as many are a piece. The adjacent one is taken without opening.
    assert_eq!(bench.outputs(), [extend(1, 17_600)]);
    bench.came(0, 5999);
    let [Output::Stop { .. }] = bench.outputs()[..] else { panic!("what is behind it is held") };
    bench.stopped(0);
    let [Output::Open { worker: WorkerId(0), start: 17_600, .. }] = bench.outputs()[..] else { panic!("the lowest") };

    // A huge axis is not cut into more pieces than can be counted.
    in_order.extent = Some(1 << 50);
    let mut bench = Bench::new(in_order.clone());
    assert_eq!(bench.outputs(), [open(0, 0, End::Soft((1 << 40) + 24))]);
    in_order.extent = None;
    assert_eq!(Bench::new(in_order).outputs(), [open(0, 0, End::Open)]);
}
