//! A planner whose invariant is checked after every input, and a clock.

use std::time::{Duration, Instant};

use segfetch::plan::{Config, End, Failure, GiveUp, Input, Next, Output, Planner, WorkerId};
use segfetch::range_set::RangeSet;

use crate::operations::assert_covered_once;

/// A planner at a hand-driven clock.
pub(crate) struct Bench {
    pub(crate) planner: Planner,
    pub(crate) now: Instant,
}

impl Bench {
    /// With everything granted.
    pub(crate) fn new(config: Config) -> Self {
        Self::resumed(config, RangeSet::new())
    }

    pub(crate) fn resumed(config: Config, have: RangeSet) -> Self {
        let mut bench = Self { planner: Planner::new(config, have), now: Instant::now() };
        bench.input(Input::Limit(u16::MAX));
        bench
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.planner.handle_input(self.now, input);
        assert_covered_once(&self.planner, self.now);
    }

    /// Everything that the planner wants done now.
    pub(crate) fn outputs(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        loop {
            let output = self.planner.poll_output(self.now);
            assert_covered_once(&self.planner, self.now);
            match output {
                Output::Wait(_) => return outputs,
                output => outputs.push(output),
            }
            assert!(outputs.len() < 10_000, "endless: {outputs:?}");
        }
    }

    pub(crate) fn wait(&mut self) -> Option<Duration> {
        match self.planner.poll_output(self.now) {
            Output::Wait(until) => until.map(|until| until - self.now),
            output => panic!("not drained: {output:?}"),
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.input(Input::Timeout);
    }

    pub(crate) fn opened(&mut self, worker: u16, start: u64) {
        self.input(Input::Opened { worker: WorkerId(worker), start, ends_at: None, extent: None });
    }

    pub(crate) fn came(&mut self, worker: u16, units: u64) {
        self.input(Input::Advanced { worker: WorkerId(worker), units });
    }

    pub(crate) fn ended(&mut self, worker: u16) {
        self.input(Input::Ended { worker: WorkerId(worker) });
    }

    pub(crate) fn stopped(&mut self, worker: u16) {
        self.input(Input::Stopped { worker: WorkerId(worker) });
    }

    pub(crate) fn failed(&mut self, worker: u16, failure: Failure) {
        self.input(Input::Failed { worker: WorkerId(worker), failure });
    }

    pub(crate) fn next(&self, worker: u16) -> Next {
        self.planner.next(WorkerId(worker))
    }

    /// Units come at a steady rate, in ten parts per second.
    pub(crate) fn streams(&mut self, seconds: u64, per_second: &[(u16, u64)]) {
        for _ in 0..seconds * 10 {
            self.now += Duration::from_millis(100);
            for &(worker, rate) in per_second {
                self.came(worker, rate / 10);
            }
        }
    }
}

pub(crate) fn open(worker: u16, start: u64, end: End) -> Output {
    Output::Open { worker: WorkerId(worker), start, end }
}

pub(crate) fn cut(worker: u16, end: u64) -> Output {
    Output::Cut { worker: WorkerId(worker), end }
}

pub(crate) fn extend(worker: u16, end: u64) -> Output {
    Output::Extend { worker: WorkerId(worker), end }
}

pub(crate) fn stop(worker: u16) -> Output {
    Output::Stop { worker: WorkerId(worker) }
}

pub(crate) fn gave_up(reason: GiveUp) -> Output {
    Output::GaveUp { reason }
}

/// Blocks of 100, spans of at least 1000 while no rate is known, set-up first guessed at 0.3 s.
pub(crate) fn config(extent: impl Into<Option<u64>>, workers: u16) -> Config {
    let mut config = Config::new(extent.into());
    config.workers = workers;
    config.block = 100;
    config.min_span = 1000;
    config
}

/// Numbers for worlds (SplitMix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to, but without, `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    pub(crate) fn fraction(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A normally distributed number (Box-Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.fraction(), self.fraction());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }
}
