//! How close the planner comes to the bound that no schedule beats, in virtual time: T* is the first instant at which the sum of
//! all rates could have brought everything, after one set-up.

use std::time::{Duration, Instant};

use segfetch::plan::{Config, Input, Next, Output, Planner, WorkerId};
use segfetch::range_set::RangeSet;

use crate::support::Dice;

const TICK: f64 = 0.05;
const FIRST_SETUP: f64 = 1.8;
const SEEDS: u64 = 40;
const MB: f64 = 1e6;

/// Units per second of each worker, as a function of time.
struct Rates {
    /// Of consecutive stretches of five seconds; the last one lasts.
    stretches: Vec<Vec<f64>>,
}

impl Rates {
    fn constant(rates: Vec<f64>) -> Self {
        Self { stretches: vec![rates] }
    }

    fn at(&self, time: f64) -> &[f64] {
        let stretch = ((time / 5.0) as usize).min(self.stretches.len() - 1);
        &self.stretches[stretch]
    }

    fn ideal(&self, units: f64) -> f64 {
        let (mut time, mut left) = (FIRST_SETUP, units);
        while left > 0.0 {
            left -= self.at(time).iter().sum::<f64>() * TICK / 10.0;
            time += TICK / 10.0;
        }
        time
    }
}

struct Stream {
    opens_in: f64,
    opened: bool,
    carry: f64,
}

struct Run {
    seconds: f64,
    opens: usize,
}

/// A fluid model: a stream brings nothing during its set-up, then its rate.
fn run(units: u64, workers: u16, setup: f64, rates: &Rates) -> Run {
    let mut config = Config::new(Some(units));
    config.workers = workers;
    let mut planner = Planner::new(config, RangeSet::new());
    let start = Instant::now();
    planner.handle_input(start, Input::Limit(workers));
    let mut streams: Vec<Option<Stream>> = (0..workers).map(|_| None).collect();
    let (mut time, mut opens) = (0.0, 0);
    loop {
        let now = start + Duration::from_secs_f64(time);
        loop {
            match planner.poll_output(now) {
                Output::Open { worker, .. } => {
                    let opens_in = if opens == 0 { FIRST_SETUP } else { setup };
                    opens += 1;
                    streams[usize::from(worker.0)] = Some(Stream { opens_in, opened: false, carry: 0.0 });
                }
                Output::Stop { worker } => {
                    streams[usize::from(worker.0)] = None;
                    planner.handle_input(now, Input::Stopped { worker });
                }
                Output::Complete => return Run { seconds: time, opens },
                Output::GaveUp { reason } => panic!("{reason:?}"),
                Output::Wait(_) => break,
                Output::Cut { .. } | Output::Extend { .. } => {}
            }
        }
        time += TICK;
        assert!(time < 10_000.0, "never ends: {planner:?}");
        let now = start + Duration::from_secs_f64(time);
        planner.handle_input(now, Input::Timeout);
        for (n, slot) in streams.iter_mut().enumerate() {
            let (worker, rate) = (WorkerId(n as u16), rates.at(time)[n]);
            let Some(stream) = slot else { continue };
            stream.opens_in -= TICK;
            if stream.opens_in > 0.0 {
                continue;
            }
            if !stream.opened {
                stream.opened = true;
                if let Next::Nothing = planner.next(worker) {
                    let at = planner.snapshot(now).workers.iter().find(|w| w.worker == worker).map(|w| w.start);
                    let Some(start) = at else { continue };
                    planner.handle_input(now, Input::Opened { worker, start, ends_at: None, extent: None });
                }
            }
            stream.carry += rate * TICK;
            // A tick may bring the end of one span and the beginning of the next.
            while stream.carry >= 1.0 {
                match planner.next(worker) {
                    Next::Keep { units, .. } | Next::Pass { units, .. } => {
                        let units = units.min(stream.carry as u64);
                        stream.carry -= units as f64;
                        planner.handle_input(now, Input::Advanced { worker, units });
                    }
                    Next::Confirm => {
                        *slot = None;
                        planner.handle_input(now, Input::Ended { worker });
                        break;
                    }
                    Next::Nothing => break,
                }
            }
        }
    }
}

struct Row {
    name: &'static str,
    mean: f64,
    p95: f64,
    opens: f64,
}

fn measure(name: &'static str, units: u64, workers: u16, setup: f64, rates: impl Fn(&mut Dice) -> Rates) -> Row {
    let runs: Vec<_> = (0..SEEDS)
        .map(|seed| {
            let rates = rates(&mut Dice(seed));
            let run = run(units, workers, setup, &rates);
            (run.seconds / rates.ideal(units as f64), run.opens as f64)
        })
        .collect();
    let mut ratios: Vec<_> = runs.iter().map(|run| run.0).collect();
    ratios.sort_by(f64::total_cmp);
    let count = SEEDS as f64;
    let row = Row {
        name,
        mean: ratios.iter().sum::<f64>() / count,
        p95: ratios[ratios.len() * 95 / 100],
        opens: runs.iter().map(|run| run.1).sum::<f64>() / count,
    };
    println!("{:<34} {:.3} [{:.3}]  {:>5.1} streams", row.name, row.mean, row.p95, row.opens);
    row
}

impl Row {
    #[track_caller]
    fn within(&self, mean: f64, p95: f64, opens: f64) {
        assert!(self.mean <= mean && self.p95 <= p95, "{}: {:.3} [{:.3}]", self.name, self.mean, self.p95);
        assert!(self.opens <= opens, "{}: {} streams", self.name, self.opens);
    }
}

fn hetero(dice: &mut Dice, workers: u16) -> Vec<f64> {
    (0..workers).map(|_| 4.0 * MB * (0.8 * dice.normal()).exp()).collect()
}

#[test]
fn the_last_worker_ends_hardly_after_the_bound() {
    let gib = 1 << 30;
    println!("T / T*: mean [95th percentile], {SEEDS} worlds each");
    let straggler = |at: usize, rate: f64| {
        move |_: &mut Dice| Rates::constant((0..8).map(|n| if n == at { rate * MB } else { 4.0 * MB }).collect())
    };
    let mixed = |workers: u16| move |dice: &mut Dice| Rates::constant(hetero(dice, workers));
    let varying = |dice: &mut Dice| Rates { stretches: (0..40).map(|_| hetero(dice, 8)).collect() };
    let equal = |_: &mut Dice| Rates::constant(vec![4.0 * MB; 8]);
    measure("1 GiB k=8 s=0.5 homogeneous", gib, 8, 0.5, equal).within(1.03, 1.03, 9.0);
    measure("1 GiB k=8 s=0.5 heterogeneous", gib, 8, 0.5, mixed(8)).within(1.12, 1.22, 20.0);
    measure("1 GiB k=8 s=0.5 straggler 1/20", gib, 8, 0.5, straggler(3, 0.2)).within(1.08, 1.08, 28.0);
    measure("1 GiB k=8 s=0.5 straggler 1/100", gib, 8, 0.5, straggler(0, 0.04)).within(1.10, 1.10, 34.0);
    measure("1 GiB k=8 s=0.5 varying", gib, 8, 0.5, varying).within(1.18, 1.30, 22.0);
    measure("1 GiB k=16 s=0.5 heterogeneous", gib, 16, 0.5, mixed(16)).within(1.24, 1.36, 36.0);
    measure("1 GiB k=8 s=0.05 heterogeneous", gib, 8, 0.05, mixed(8)).within(1.02, 1.04, 20.0);
    measure("64 MiB k=8 s=0.5 heterogeneous", 1 << 26, 8, 0.5, mixed(8)).within(1.75, 2.1, 14.0);
    measure("64 MiB k=8 s=0.5 straggler 1/20", 1 << 26, 8, 0.5, straggler(3, 0.2)).within(1.65, 1.65, 22.0);
}
