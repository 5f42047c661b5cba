//! A fluid model of jobs and their server, in virtual time: a stream brings nothing during its set-up, then its rate, or its part
//! of the link.

use std::time::{Duration, Instant};

use segfetch::plan::{
    Config, Failure, GateConfig, GateInput, GateOutput, HostGate, Input, JobId, Next, Output, Planner, WorkerId,
};
use segfetch::range_set::RangeSet;

use crate::setting::{Setting, TICK};
use crate::support::Dice;

/// Bytes of a first congestion window.
const FIRST_WINDOW: f64 = 14_600.0;
/// How often an engine tells that a stream is silent.
const QUIET: f64 = 0.5;

#[derive(Debug, Default)]
pub(crate) struct Run {
    /// When the last job was complete.
    pub(crate) seconds: f64,
    pub(crate) opens: usize,
    pub(crate) refusals: usize,
    pub(crate) resets: usize,
    /// Units that were passed over.
    pub(crate) twice: u64,
    /// Most streams at once.
    pub(crate) most: usize,
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
    /// Seconds since then.
    age: f64,
    carry: f64,
    /// Seconds without a unit.
    quiet: f64,
    /// Brings nothing any more once half of everything is there.
    dies: bool,
}

impl Stream {
    fn wants(&self, rate: f64, round_trip: f64) -> f64 {
        if !self.opened {
            0.0
        } else if round_trip > 0.0 {
            rate.min(FIRST_WINDOW / round_trip * (self.age / round_trip).exp2())
        } else {
            rate
        }
    }

    /// What comes at a time at most: a part of the window, while that is small.
    fn lump(&self, round_trip: f64) -> f64 {
        if round_trip > 0.0 { FIRST_WINDOW / 4.0 * (self.age / round_trip).exp2() } else { f64::INFINITY }
    }
}

struct World<'a> {
    setting: &'a Setting,
    begin: Instant,
    time: f64,
    gate: Option<HostGate>,
    jobs: Vec<Job>,
    /// What is under way for streams that were stopped.
    waste: Vec<f64>,
    dice: Dice,
    stalled: bool,
    run: Run,
}

/// Runs all jobs to their ends. Panics if a unit is kept twice, or a job gives up.
pub(crate) fn run(setting: &Setting, seed: u64) -> Run {
    let jobs = (0..).map(JobId).zip(&setting.units).map(|(id, &units)| {
        let mut config = Config::new(Some(units));
        config.workers = setting.workers;
        config.ramp = setting.ramp;
        config.eager = setting.eager.is_some();
        config.block = 1 << 20;
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
        waste: Vec::new(),
        dice: Dice(seed),
        stalled: false,
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
        let share = world.share();
        world.stalled = world.dice.below(100) < setting.rough.1;
        for n in 0..world.jobs.len() {
            world.jobs[n].planner.handle_input(now, Input::Timeout);
            (0..usize::from(setting.workers)).for_each(|worker| world.tick(n, worker, share));
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

    /// Most units per second that a stream gets of the link, which serves all equally; waste takes its part.
    fn share(&mut self) -> f64 {
        let Some(link) = self.setting.link else { return f64::INFINITY };
        let rates = self.setting.rates.at(self.time);
        let streams = self.jobs.iter().flat_map(|job| job.streams.iter().zip(rates));
        let wants = streams.filter_map(|(stream, rate)| Some(stream.as_ref()?.wants(*rate, self.setting.round_trip)));
        let mut wants: Vec<_> =
            wants.chain(self.waste.iter().map(|_| link.rate)).filter(|wants| *wants > 0.0).collect();
        wants.sort_by(f64::total_cmp);
        let (mut left, mut share) = (link.rate, link.rate);
        for (n, want) in wants.iter().enumerate() {
            share = left / (wants.len() - n) as f64;
            left -= want.min(share);
        }
        self.waste.retain_mut(|waste| {
            *waste -= share * TICK;
            *waste > 0.0
        });
        share
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
                    let planner = &mut self.jobs[job.0 as usize].planner;
                    if gate.limit().is_some() {
                        planner.handle_input(now, Input::HostFull);
                    }
                    planner.handle_input(now, Input::Limit(streams));
                }
                GateOutput::Wait(_) => return,
            }
        }
    }

    fn drain(&mut self, n: usize) {
        let now = self.now();
        loop {
            let job = self.jobs[n].id;
            let output = self.jobs[n].planner.poll_output(now);
            match output {
                Output::Open { worker, start, .. } => {
                    let (first, others) = self.setting.setups;
                    let opens_in = match (self.run.opens, self.setting.eager) {
                        (0, _) => first,
                        (n, Some(beside)) if n < usize::from(self.setting.workers) => beside,
                        _ => others,
                    };
                    let dies = self.setting.silent == Some(usize::from(worker.0))
                        && self.run.opens < usize::from(self.setting.workers);
                    self.run.opens += 1;
                    let stream = Stream { start, opens_in, opened: false, age: 0.0, carry: 0.0, quiet: 0.0, dies };
                    assert!(self.jobs[n].streams[usize::from(worker.0)].replace(stream).is_none());
                    self.run.most =
                        self.run.most.max(self.jobs.iter().flat_map(|job| job.streams.iter().flatten()).count());
                    self.tell_gate(GateInput::Opening { job });
                }
                Output::Stop { worker } => {
                    self.stopped(n, usize::from(worker.0));
                    self.jobs[n].planner.handle_input(now, Input::Stopped { worker });
                }
                Output::Complete => {
                    self.run.seconds = self.time;
                    self.jobs[n].done = Some(self.time);
                    self.tell_gate(GateInput::Leave { job });
                    assert_eq!(self.jobs[n].received, RangeSet::from(0..self.setting.units[n]));
                }
                Output::GaveUp { reason } => panic!("gave up: {reason:?}"),
                Output::Wait(_) => return,
                Output::Cut { .. } | Output::Extend { .. } => {}
            }
        }
    }

    /// A stream is gone, and what was under way for it is not.
    fn stopped(&mut self, n: usize, worker: usize) {
        let snapshot = self.jobs[n].planner.snapshot(self.now());
        let front =
            snapshot.workers.iter().find(|stream| usize::from(stream.worker.0) == worker).map(|stream| stream.front);
        let opened = self.jobs[n].streams[worker].as_ref().is_some_and(|stream| stream.opened);
        if let (Some(link), Some(front), true) = (self.setting.link, front, opened) {
            self.waste.push(link.overshoot.min((self.setting.units[n] - front) as f64));
        }
        self.over(n, worker);
    }

    /// A stream is gone, however it ended.
    fn over(&mut self, n: usize, worker: usize) {
        let job = self.jobs[n].id;
        if let Some(stream) = self.jobs[n].streams[worker].take() {
            self.tell_gate(if stream.opened { GateInput::Closed { job } } else { GateInput::Failed { job } });
        }
    }

    fn tick(&mut self, n: usize, worker: usize, share: f64) {
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
        stream.age += TICK;
        if stream.dies && received.total() > self.setting.units[n] / 2 {
            if matches!(planner.next(id), Next::Keep { .. } | Next::Pass { .. }) {
                let before = stream.quiet;
                stream.quiet += TICK;
                if (before / QUIET) as u64 != (stream.quiet / QUIET) as u64 {
                    let quiet = Duration::from_secs_f64(stream.quiet);
                    planner.handle_input(now, Input::Silent { worker: id, quiet });
                }
            }
            return;
        }
        stream.carry += stream.wants(rate, self.setting.round_trip).min(share) * TICK;
        let lump = self.setting.rough.0.min(stream.lump(self.setting.round_trip));
        let wanted = match planner.next(id) {
            Next::Keep { units, .. } | Next::Pass { units, .. } => units as f64,
            _ => 0.0,
        };
        if self.stalled || stream.carry < lump.min(wanted) {
            return;
        }
        // A tick may bring the end of one span and the beginning of the next.
        while stream.carry >= 1.0 {
            match planner.next(id) {
                Next::Keep { units, at } => {
                    let units = units.min(stream.carry as u64);
                    stream.carry -= units as f64;
                    assert_eq!(received.insert(at..at + units), units, "kept twice");
                    planner.handle_input(now, Input::Advanced { worker: id, units });
                }
                Next::Pass { units, at } => {
                    let units = units.min(stream.carry as u64);
                    stream.carry -= units as f64;
                    self.run.twice += units;
                    assert!(received.contains_range(&(at..at + units)), "passes over what is not there");
                    planner.handle_input(now, Input::Advanced { worker: id, units });
                }
                Next::Confirm => {
                    planner.handle_input(now, Input::Ended { worker: id });
                    return self.over(n, worker);
                }
                Next::Nothing => break,
            }
        }
    }
}
