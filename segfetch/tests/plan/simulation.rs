//! How close planner and gate come to the bound that no schedule beats, in virtual time.

use crate::support::Dice;
use crate::world::{Rates, Run, Setting, run};

const SEEDS: u64 = 30;
const MB: f64 = 1e6;
const GIB: u64 = 1 << 30;

struct Row {
    name: &'static str,
    mean: f64,
    p95: f64,
    opens: f64,
}

fn alone(units: u64, workers: u16, setup: f64, rates: &Rates) -> Setting<'_> {
    Setting { units: vec![units], workers, setup, rates, admits: None, resets: 0.0 }
}

fn measure(name: &'static str, units: u64, workers: u16, setup: f64, rates: impl Fn(&mut Dice) -> Rates) -> Row {
    let runs: Vec<_> = (0..SEEDS)
        .map(|seed| {
            let rates = rates(&mut Dice(seed));
            let run = run(&alone(units, workers, setup, &rates), seed);
            (run.seconds / rates.ideal(units as f64), run.opens as f64)
        })
        .collect();
    let mut ratios: Vec<_> = runs.iter().map(|run| run.0).collect();
    ratios.sort_by(f64::total_cmp);
    let count = SEEDS as f64;
    let row = Row {
        name,
        mean: ratios.iter().sum::<f64>() / count,
        p95: ratios[(ratios.len() - 1) * 95 / 100],
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
    println!("T / T*: mean [95th percentile], {SEEDS} worlds each");
    let straggler = |at: usize, rate: f64| {
        move |_: &mut Dice| Rates::constant((0..8).map(|n| if n == at { rate * MB } else { 4.0 * MB }).collect())
    };
    let mixed = |workers: u16| move |dice: &mut Dice| Rates::constant(hetero(dice, workers));
    let varying = |dice: &mut Dice| Rates { stretches: (0..40).map(|_| hetero(dice, 8)).collect() };
    let equal = |_: &mut Dice| Rates::constant(vec![4.0 * MB; 8]);
    measure("1 GiB k=8 s=0.5 homogeneous", GIB, 8, 0.5, equal).within(1.03, 1.03, 9.0);
    measure("1 GiB k=8 s=0.5 heterogeneous", GIB, 8, 0.5, mixed(8)).within(1.13, 1.25, 20.0);
    measure("1 GiB k=8 s=0.5 straggler 1/20", GIB, 8, 0.5, straggler(3, 0.2)).within(1.08, 1.08, 28.0);
    measure("1 GiB k=8 s=0.5 straggler 1/100", GIB, 8, 0.5, straggler(0, 0.04)).within(1.10, 1.10, 34.0);
    measure("1 GiB k=8 s=0.5 varying", GIB, 8, 0.5, varying).within(1.18, 1.30, 22.0);
    measure("1 GiB k=16 s=0.5 heterogeneous", GIB, 16, 0.5, mixed(16)).within(1.24, 1.36, 36.0);
    measure("1 GiB k=8 s=0.05 heterogeneous", GIB, 8, 0.05, mixed(8)).within(1.02, 1.04, 20.0);
    measure("64 MiB k=8 s=0.5 heterogeneous", 1 << 26, 8, 0.5, mixed(8)).within(1.75, 2.1, 14.0);
    measure("64 MiB k=8 s=0.5 straggler 1/20", 1 << 26, 8, 0.5, straggler(3, 0.2)).within(1.65, 1.65, 22.0);
}

#[test]
fn when_all_slow_down_together_nobody_is_replaced() {
    let fast = vec![4.0 * MB; 8];
    let slow = vec![0.4 * MB; 8];
    let rates = Rates { stretches: vec![fast.clone(), fast.clone(), slow.clone(), slow.clone(), slow, fast] };
    let run = run(&alone(GIB, 8, 0.5, &rates), 1);
    assert!(run.opens <= 10, "{run:?}");
    assert!(run.seconds <= 1.03 * rates.ideal(GIB as f64), "{run:?}");
}

#[test]
fn resets_cost_one_stream_each_and_no_unit_twice() {
    let rates = Rates::constant(vec![4.0 * MB; 8]);
    for seed in 0..20 {
        let run = run(&Setting { resets: 0.2, ..alone(GIB, 8, 0.5, &rates) }, seed);
        assert!(run.resets > 20 && run.opens <= run.resets + 20, "{run:?}");
        assert!(run.seconds <= 1.35 * rates.ideal(GIB as f64), "{run:?}");
    }
}

/// Two jobs of 16 workers, and a server that admits four sessions.
#[test]
fn a_limit_is_found_with_few_refusals_and_then_used_fully_and_fairly() {
    let rates = Rates::constant(vec![MB; 16]);
    for seed in 0..20 {
        let setting = Setting { units: vec![200_000_000; 2], admits: Some(4), ..alone(0, 16, 0.5, &rates) };
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
    let setting = Setting { units: vec![100_000_000, 10_000_000], admits: Some(1), ..alone(0, 4, 0.5, &rates) };
    let Run { ends, refusals, .. } = run(&setting, 3);
    assert!(ends[0] < 104.0 && ends[1] < ends[0] + 16.0 + 75.0, "{ends:?}");
    assert!(refusals <= 4, "{refusals}");
}
