//! A fluid model of jobs and their server, in virtual time: a stream brings nothing during its set-up, then its rate.

use std::time::{Duration, Instant};

use segfetch::plan::{
    Config, Failure, GateConfig, GateInput, GateOutput, GiveUp, HostGate, Input, JobId, Next, Output, Planner, WorkerId,
};
use segfetch::range_set::RangeSet;

use crate::support::Dice;

const TICK: f64 = 0.05;
const FIRST_SETUP: f64 = 1.8;

/// Units per second of each worker, as a function of time.
pub(crate) struct Rates {
    /// Of consecutive stretches of five seconds; the last one lasts.
    pub(crate) stretches: Vec<Vec<f64>>,
}

impl Rates {
    pub(crate) fn constant(rates: Vec<f64>) -> Self {
        Self { stretches: vec![rates] }
    }

    fn at(&self, time: f64) -> &[f64] {
        let stretch = ((time / 5.0) as usize).min(self.stretches.len() - 1);
        &self.stretches[stretch]
    }

    /// The first instant at which the sum of all rates could have brought everything, after one set-up: no schedule beats it.
    pub(crate) fn ideal(&self, units: f64) -> f64 {
        let (mut time, mut left) = (FIRST_SETUP, units);
        while left > 0.0 {
            left -= self.at(time).iter().sum::<f64>() * TICK / 10.0;
            time += TICK / 10.0;
        }
        time
    }
}

pub(crate) struct Setting<'a> {
    /// Length of each job.
    pub(crate) units: Vec<u64>,
    pub(crate) workers: u16,
    /// Seconds from asking to the first unit.
    pub(crate) setup: f64,
    pub(crate) rates: &'a Rates,
    /// Sessions that the server admits. With a number, the jobs share a gate; otherwise each may do what it likes.
    pub(crate) admits: Option<u16>,
    /// How often a second of a stream ends with a reset.
    pub(crate) resets: f64,
}

#[derive(Debug, Default)]
pub(crate) struct Run {
    /// When the last job was complete.
    pub(crate) seconds: f64,
    pub(crate) opens: usize,
    pub(crate) refusals: usize,
    pub(crate) resets: usize,
    /// When each job was complete.
    pub(crate) ends: Vec<f64>,
}

struct Job {
    id: JobId,
    planner: Planner,
    streams: Vec<Option<Stream>>,
    received: RangeSet,
    done: Option<f64>,
}

struct Stream {
    start: u64,
    opens_in: f64,
    opened: bool,
    carry: f64,
}

struct World<'a> {
    setting: &'a Setting<'a>,
    begin: Instant,
    time: f64,
    gate: Option<HostGate>,
    jobs: Vec<Job>,
    dice: Dice,
    run: Run,
}

/// Runs all jobs to their ends. Panics if a unit is kept twice, or a job gives up.
pub(crate) fn run(setting: &Setting<'_>, seed: u64) -> Run {
    let jobs = (0..).map(JobId).zip(&setting.units).map(|(id, &units)| {
        let mut config = Config::new(Some(units));
        config.workers = setting.workers;
        config.seed = seed;
        let streams = (0..setting.workers).map(|_| None).collect();
        Job { id, planner: Planner::new(config, RangeSet::new()), streams, received: RangeSet::new(), done: None }
    });
    let mut world = World {
        setting,
        begin: Instant::now(),
        time: 0.0,
        gate: setting.admits.map(|_| HostGate::new(&GateConfig::new(None, seed))),
        jobs: jobs.collect(),
        dice: Dice(seed),
        run: Run::default(),
    };
    for n in 0..world.jobs.len() {
        let id = world.jobs[n].id;
        match &mut world.gate {
            Some(gate) => gate.handle_input(world.begin, GateInput::Join { job: id }),
            None => world.jobs[n].planner.handle_input(world.begin, Input::Limit(setting.workers)),
        }
    }
    while world.jobs.iter().any(|job| job.done.is_none()) {
        world.settle();
        world.time += TICK;
        assert!(world.time < 20_000.0, "never ends: {:?} {:?}", world.jobs[0].planner, world.gate);
        let now = world.now();
        for n in 0..world.jobs.len() {
            world.jobs[n].planner.handle_input(now, Input::Timeout);
            (0..usize::from(setting.workers)).for_each(|worker| world.tick(n, worker));
        }
    }
    let Run { seconds, .. } = world.run;
    Run { seconds, ends: world.jobs.iter().filter_map(|job| job.done).collect(), ..world.run }
}

impl World<'_> {
    fn now(&self) -> Instant {
        self.begin + Duration::from_secs_f64(self.time)
    }

    fn tell_gate(&mut self, input: GateInput) {
        let now = self.now();
        if let Some(gate) = &mut self.gate {
            gate.handle_input(now, input);
        }
    }

    /// Polls planners and gate until none of them has anything to do.
    fn settle(&mut self) {
        let now = self.now();
        self.tell_gate(GateInput::Timeout);
        loop {
            for n in 0..self.jobs.len() {
                self.drain(n);
                let (job, streams) = (self.jobs[n].id, self.jobs[n].planner.wanted());
                if self.jobs[n].done.is_none() {
                    self.tell_gate(GateInput::Want { job, streams });
                }
            }
            let Some(gate) = &mut self.gate else { return };
            match gate.poll_output(now) {
                GateOutput::Limit { job, streams } => {
                    self.jobs[job.0 as usize].planner.handle_input(now, Input::Limit(streams));
                }
                GateOutput::Wait(_) => return,
            }
        }
    }

    fn drain(&mut self, n: usize) {
        let now = self.now();
        loop {
            let job = self.jobs[n].id;
            match self.jobs[n].planner.poll_output(now) {
                Output::Open { worker, start, .. } => {
                    let opens_in = if self.run.opens == 0 { FIRST_SETUP } else { self.setting.setup };
                    self.run.opens += 1;
                    let stream = Stream { start, opens_in, opened: false, carry: 0.0 };
                    assert!(self.jobs[n].streams[usize::from(worker.0)].replace(stream).is_none());
                    self.tell_gate(GateInput::Opening { job });
                }
                Output::Stop { worker } => {
                    self.over(n, usize::from(worker.0));
                    self.jobs[n].planner.handle_input(now, Input::Stopped { worker });
                }
                Output::Complete => {
                    self.run.seconds = self.time;
                    self.jobs[n].done = Some(self.time);
                    self.tell_gate(GateInput::Leave { job });
                    assert_eq!(self.jobs[n].received, RangeSet::from(0..self.setting.units[n]));
                }
                Output::GaveUp { reason } => panic!("{}", format_reason(reason)),
                Output::Wait(_) => return,
                Output::Cut { .. } | Output::Extend { .. } => {}
            }
        }
    }

    /// A stream is gone, however it ended.
    fn over(&mut self, n: usize, worker: usize) {
        let job = self.jobs[n].id;
        if let Some(stream) = self.jobs[n].streams[worker].take() {
            self.tell_gate(if stream.opened { GateInput::Closed { job } } else { GateInput::Failed { job } });
        }
    }

    fn tick(&mut self, n: usize, worker: usize) {
        let (now, id) = (self.now(), WorkerId(worker as u16));
        let rate = self.setting.rates.at(self.time)[worker];
        let open = self.jobs.iter().flat_map(|job| job.streams.iter().flatten()).filter(|stream| stream.opened).count();
        let Job { id: job, planner, streams, received, .. } = &mut self.jobs[n];
        let Some(stream) = &mut streams[worker] else { return };
        stream.opens_in -= TICK;
        if stream.opens_in > 0.0 {
            return;
        }
        if !stream.opened {
            if self.setting.admits.is_some_and(|admits| open >= usize::from(admits)) {
                self.run.refusals += 1;
                let refused = GateInput::Refused { job: *job, retry_after: None, limit_hint: None };
                streams[worker] = None;
                planner.handle_input(now, Input::Failed { worker: id, failure: Failure::Throttled });
                return self.tell_gate(refused);
            }
            stream.opened = true;
            planner.handle_input(now, Input::Opened { worker: id, start: stream.start, ends_at: None, extent: None });
            let opened = GateInput::Opened { job: *job };
            return self.tell_gate(opened);
        }
        if self.dice.fraction() < self.setting.resets * TICK {
            self.run.resets += 1;
            planner.handle_input(now, Input::Failed { worker: id, failure: Failure::Transient });
            return self.over(n, worker);
        }
        stream.carry += rate * TICK;
        // A tick may bring the end of one span and the beginning of the next.
        while stream.carry >= 1.0 {
            match planner.next(id) {
                Next::Keep { units, at } => {
                    let units = units.min(stream.carry as u64);
                    stream.carry -= units as f64;
                    assert_eq!(received.insert(at..at + units), units, "kept twice");
                    planner.handle_input(now, Input::Advanced { worker: id, units });
                }
                Next::Confirm => {
                    planner.handle_input(now, Input::Ended { worker: id });
                    return self.over(n, worker);
                }
                Next::Pass { .. } => panic!("passes over what it could have left out"),
                Next::Nothing => break,
            }
        }
    }
}

fn format_reason(reason: GiveUp) -> String {
    format!("gave up: {reason:?}")
}
