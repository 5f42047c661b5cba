//! Every input in every state of a worker. The table is the specification; a change of it is a change of behaviour.

use std::fmt::Write as _;
use std::time::Duration;

use segfetch::plan::{Failure, Input, Next, Output, WorkerId};

use crate::support::{Bench, config};

const WORKER: WorkerId = WorkerId(0);
const STATES: [&str; 6] = ["idle", "opening", "waiting", "running", "draining", "stopping"];

/// One worker on an axis of 1000 units, of which 500 came in the state "running" and "stopping".
fn bench_in(state: &str) -> Bench {
    let mut bench = Bench::new(config(1000, 1));
    if state == "idle" {
        bench.input(Input::Limit(0));
        bench.outputs();
        return bench;
    }
    bench.outputs();
    if state != "opening" {
        bench.opened(0, 0);
    }
    match state {
        "running" | "stopping" => bench.came(0, 500),
        "draining" => bench.came(0, 1000),
        _ => {}
    }
    if state == "stopping" {
        bench.input(Input::Limit(0));
    }
    bench.outputs();
    bench
}

fn inputs() -> Vec<(&'static str, Input)> {
    let failed = |failure| Input::Failed { worker: WORKER, failure };
    vec![
        ("opened", Input::Opened { worker: WORKER, start: 0, ends_at: None, extent: Some(1000) }),
        ("opened early", Input::Opened { worker: WORKER, start: 0, ends_at: Some(300), extent: None }),
        ("opened late", Input::Opened { worker: WORKER, start: 1, ends_at: None, extent: None }),
        ("opened other", Input::Opened { worker: WORKER, start: 0, ends_at: None, extent: Some(999) }),
        ("advanced 10", Input::Advanced { worker: WORKER, units: 10 }),
        ("advanced 0", Input::Advanced { worker: WORKER, units: 0 }),
        ("skipped 10", Input::Skipped { worker: WORKER, units: 10 }),
        ("silent 60 s", Input::Silent { worker: WORKER, quiet: Duration::from_secs(60) }),
        ("ended", Input::Ended { worker: WORKER }),
        ("stopped", Input::Stopped { worker: WORKER }),
        ("transient", failed(Failure::Transient)),
        ("throttled", failed(Failure::Throttled)),
        ("no ranges", failed(Failure::RangeNotSupported)),
        ("fatal", failed(Failure::Fatal)),
        ("limit 0", Input::Limit(0)),
        ("limit 1", Input::Limit(1)),
        ("host full", Input::HostFull),
        ("lost 10", Input::Lost { start: 0, end: 10 }),
        ("timeout", Input::Timeout),
        ("of nobody", Input::Advanced { worker: WorkerId(7), units: 10 }),
    ]
}

fn short(output: &Output) -> String {
    match output {
        Output::Open { start, end, .. } => format!("Open {start} {end:?}"),
        Output::Stop { .. } => "Stop".into(),
        Output::GaveUp { reason } => format!("GaveUp {reason:?}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn every_input_in_every_state_does_what_the_table_says() {
    let mut table = String::new();
    for state in STATES {
        for (name, input) in inputs() {
            let mut bench = bench_in(state);
            let held = bench.planner.have().total();
            bench.input(input);
            let outputs: Vec<_> = bench.outputs().iter().map(short).collect();
            let next = match bench.next(0) {
                Next::Keep { at, .. } => format!("keep from {at}"),
                Next::Pass { at, .. } => format!("pass from {at}"),
                Next::Confirm => "confirm".into(),
                Next::Nothing if bench.planner.snapshot(bench.now).workers.is_empty() => {
                    if bench.wait().is_some() {
                        "rests".into()
                    } else {
                        "idle".into()
                    }
                }
                Next::Nothing => "nothing".to_owned(),
            };
            let came = bench.planner.have().total() as i64 - held as i64;
            let line = format!("{state:<9} {name:<13} {came:>3}  {next:<14} {}", outputs.join(", "));
            writeln!(table, "{}", line.trim_end()).unwrap();
        }
    }
    assert!(table == TABLE, "{table}");
}

/// State, input, change of units held, state afterwards, outputs.
const TABLE: &str = "\
idle      opened          0  idle
idle      opened early    0  idle
idle      opened late     0  idle
idle      opened other    0  idle
idle      advanced 10     0  idle
idle      advanced 0      0  idle
idle      skipped 10      0  idle
idle      silent 60 s     0  idle
idle      ended           0  idle
idle      stopped         0  idle
idle      transient       0  idle
idle      throttled       0  idle
idle      no ranges       0  idle
idle      fatal           0  idle
idle      limit 0         0  idle
idle      limit 1         0  nothing        Open 0 Open
idle      host full       0  idle
idle      lost 10         0  idle
idle      timeout         0  idle
idle      of nobody       0  idle
opening   opened          0  keep from 0
opening   opened early    0  keep from 0
opening   opened late     0  nothing        Stop
opening   opened other    0  nothing        Stop, GaveUp ExtentChanged { expected: 1000, found: 999 }
opening   advanced 10     0  nothing
opening   advanced 0      0  nothing
opening   skipped 10      0  nothing
opening   silent 60 s     0  nothing
opening   ended           0  nothing
opening   stopped         0  nothing
opening   transient       0  rests
opening   throttled       0  idle
opening   no ranges       0  nothing        Open 0 Open
opening   fatal           0  idle           GaveUp Fatal
opening   limit 0         0  nothing        Stop
opening   limit 1         0  nothing
opening   host full       0  nothing
opening   lost 10         0  nothing
opening   timeout         0  nothing
opening   of nobody       0  nothing
waiting   opened          0  keep from 0
waiting   opened early    0  keep from 0
waiting   opened late     0  keep from 0
waiting   opened other    0  keep from 0
waiting   advanced 10    10  keep from 10
waiting   advanced 0      0  keep from 0
waiting   skipped 10      0  keep from 10
waiting   silent 60 s     0  keep from 0
waiting   ended           0  rests
waiting   stopped         0  keep from 0
waiting   transient       0  rests
waiting   throttled       0  idle
waiting   no ranges       0  nothing        Open 0 Open
waiting   fatal           0  idle           GaveUp Fatal
waiting   limit 0         0  nothing        Stop
waiting   limit 1         0  keep from 0
waiting   host full       0  keep from 0
waiting   lost 10         0  keep from 0
waiting   timeout         0  keep from 0
waiting   of nobody       0  keep from 0
running   opened          0  keep from 500
running   opened early    0  keep from 500
running   opened late     0  keep from 500
running   opened other    0  keep from 500
running   advanced 10    10  keep from 510
running   advanced 0      0  keep from 500
running   skipped 10      0  keep from 510
running   silent 60 s     0  keep from 500
running   ended           0  rests
running   stopped         0  keep from 500
running   transient       0  rests
running   throttled       0  idle
running   no ranges       0  nothing        Open 0 Open
running   fatal           0  idle           GaveUp Fatal
running   limit 0         0  nothing        Stop
running   limit 1         0  keep from 500
running   host full       0  keep from 500
running   lost 10       -10  keep from 500
running   timeout         0  keep from 500
running   of nobody       0  keep from 500
draining  opened          0  confirm
draining  opened early    0  confirm
draining  opened late     0  confirm
draining  opened other    0  confirm
draining  advanced 10     0  nothing        Stop, GaveUp ExtentChanged { expected: 1000, found: 1010 }
draining  advanced 0      0  confirm
draining  skipped 10      0  nothing        Stop, GaveUp ExtentChanged { expected: 1000, found: 1010 }
draining  silent 60 s     0  confirm
draining  ended           0  idle           Complete
draining  stopped         0  confirm
draining  transient       0  idle           Complete
draining  throttled       0  idle           Complete
draining  no ranges       0  idle           Complete
draining  fatal           0  idle           GaveUp Fatal
draining  limit 0         0  nothing        Stop, Complete
draining  limit 1         0  confirm
draining  host full       0  confirm
draining  lost 10       -10  confirm
draining  timeout         0  confirm
draining  of nobody       0  confirm
stopping  opened          0  nothing
stopping  opened early    0  nothing
stopping  opened late     0  nothing
stopping  opened other    0  nothing
stopping  advanced 10     0  nothing
stopping  advanced 0      0  nothing
stopping  skipped 10      0  nothing
stopping  silent 60 s     0  nothing
stopping  ended           0  idle
stopping  stopped         0  idle
stopping  transient       0  idle
stopping  throttled       0  idle
stopping  no ranges       0  idle
stopping  fatal           0  idle
stopping  limit 0         0  nothing
stopping  limit 1         0  nothing
stopping  host full       0  nothing
stopping  lost 10       -10  nothing
stopping  timeout         0  nothing
stopping  of nobody       0  nothing
";
