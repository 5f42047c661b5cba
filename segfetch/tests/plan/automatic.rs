//! How many workers there are, where that is to be found.

use std::time::Duration;

use segfetch::plan::{End, Input, Next, Output, WorkerId};

use crate::support::{Bench, config, open, stop};

/// So many tenths of a second, in each of which every worker of `running` brings so many units; up to the first outputs.
fn run(bench: &mut Bench, tenths: usize, running: u16, units: u64) -> Vec<Output> {
    for _ in 0..tenths {
        bench.now += Duration::from_millis(100);
        (0..running).for_each(|worker| bench.came(worker, units));
        let outputs = bench.outputs();
        if !outputs.is_empty() {
            return outputs;
        }
    }
    Vec::new()
}

/// The first worker runs, and the second one has just been asked for, from the returned place on.
fn second() -> (Bench, u64) {
    let mut automatic = config(10_000_000, 8);
    automatic.ramp = true;
    let mut bench = Bench::new(automatic);
    assert_eq!(bench.outputs(), [open(0, 0, End::Open)], "all of it");
    bench.opened(0, 0);
    bench.now += Duration::from_millis(100);
    bench.came(0, 1);
    assert_eq!(run(&mut bench, 3, 1, 1000), [], "one arrival is no rate");
    let outputs = run(&mut bench, 2, 1, 1000);
    let [Output::Cut { worker: WorkerId(0), end }, Output::Open { worker: WorkerId(1), start, end: End::Open }] =
        outputs[..]
    else {
        panic!("{outputs:?}")
    };
    assert_eq!(start, end);
    (bench, start)
}

#[test]
fn the_second_worker_gets_the_end_and_less_than_half() {
    let (_, start) = second();
    assert!((5_400_000..5_600_000).contains(&start), "{start}");
}

#[test]
fn workers_are_added_as_long_as_each_brings_as_much_and_what_is_not_granted_is_wanted() {
    let (mut bench, start) = second();
    bench.input(segfetch::plan::Input::Limit(4));
    assert_eq!(run(&mut bench, 3, 1, 1000), []);
    bench.opened(1, start);
    let opens = run(&mut bench, 5, 2, 1000);
    assert_eq!(opens.iter().filter(|output| matches!(output, Output::Open { .. })).count(), 2, "{opens:?}");
    assert_eq!(bench.planner.wanted(), 8);
    // The third brings no gain, but the fourth is still being opened.
    let Some(Output::Open { start, .. }) = opens.iter().find(|o| matches!(o, Output::Open { worker: WorkerId(2), .. }))
    else {
        panic!("{opens:?}")
    };
    bench.opened(2, *start);
    assert_eq!(run(&mut bench, 20, 3, 667), []);
    assert_eq!(bench.planner.wanted(), 8);
}

#[test]
fn a_silent_stream_is_replaced_although_there_are_more_than_proved_best() {
    let (mut bench, start) = second();
    bench.opened(1, start);
    // Both together bring no more than the one did.
    assert_eq!(run(&mut bench, 60, 2, 500), []);
    assert_eq!(run(&mut bench, 25, 1, 1000), []);
    bench.input(Input::Silent { worker: WorkerId(1), quiet: Duration::from_millis(2500) });
    let rest = start + 60 * 500;
    assert_eq!(bench.outputs(), [stop(1), open(2, rest, End::Open)]);
    bench.stopped(1);
    assert_eq!(bench.outputs(), [], "once");
}

/// The first worker is about to bring its first unit, from far away.
fn far() -> Bench {
    let mut automatic = config(1_000_000_000, 8);
    automatic.ramp = true;
    let mut bench = Bench::new(automatic);
    assert_eq!(bench.outputs(), [open(0, 0, End::Open)]);
    bench.opened(0, 0);
    bench.now += Duration::from_millis(400);
    bench
}

/// So many tenths of a second in which each of the workers brings `units(worker, workers)`. What is asked for is opened at once.
fn all(bench: &mut Bench, tenths: usize, units: impl Fn(u16, u64) -> u64) {
    for _ in 0..tenths {
        bench.now += Duration::from_millis(100);
        let running = bench.planner.snapshot(bench.now).workers;
        let workers = running.len() as u64;
        running.iter().for_each(|running| bench.came(running.worker.0, units(running.worker.0, workers)));
        for output in bench.outputs() {
            if let Output::Open { worker, start, .. } = output {
                bench.opened(worker.0, start);
            }
        }
    }
}

#[test]
fn streams_that_are_far_slower_than_their_peers_do_not_count() {
    let mut bench = far();
    // Four bring four times as much as one, and eight no more than four.
    all(&mut bench, 90, |_, workers| 4000 / workers.max(4));
    assert_eq!(bench.planner.snapshot(bench.now).workers.len(), 8);
    all(&mut bench, 110, |worker, _| if worker < 6 { 600 } else { 20 });
    // Four of the fast ones are done. Two fast and two slow ones are not the four that proved best.
    let mut opens = 0;
    for worker in 0..4 {
        let Next::Keep { units, .. } = bench.next(worker) else { panic!("it has brought all") };
        bench.came(worker, units);
        bench.stopped(worker);
        opens += bench.outputs().iter().filter(|output| matches!(output, Output::Open { .. })).count();
    }
    assert_eq!(opens, 2);
}

#[test]
fn far_from_the_server_the_first_unit_lets_three_more_begin_and_all_have_equal_parts() {
    let mut bench = far();
    bench.came(0, 1000);
    let outputs = bench.outputs();
    let starts = outputs.iter().filter_map(|output| match output {
        Output::Open { start, .. } => Some(*start),
        _ => None,
    });
    let mut starts: Vec<_> = starts.collect();
    starts.sort_unstable();
    let near = |at: u64, expected: u64| at.abs_diff(expected) < 12_000_000;
    assert!(
        matches!(starts[..], [a, b, c] if near(a, 250_000_000) && near(b, 500_000_000) && near(c, 750_000_000)),
        "{starts:?}"
    );
    assert_eq!(bench.planner.wanted(), 4);
}
