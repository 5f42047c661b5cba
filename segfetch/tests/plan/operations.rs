//! Bytes as a list of operations on a planner, right and wrong ones, with an engine's view of what may follow. The fuzz target
//! runs the same.

use std::ops::Range;
use std::time::{Duration, Instant};

use segfetch::plan::{Access, Config, Failure, Input, Next, Order, Output, Planner, WorkerId};
use segfetch::range_set::RangeSet;

/// What an engine knows of a worker from outputs and from its own inputs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen {
    Idle,
    Opening { start: u64 },
    Opened,
    Stopping,
}

struct Harness {
    planner: Planner,
    now: Instant,
    workers: Vec<Seen>,
    granted: u16,
    opens: usize,
    complete: bool,
    gave_up: bool,
}

const EXTENTS: [Option<u64>; 14] = [
    None,
    Some(0),
    Some(1),
    Some(63),
    Some(64),
    Some(65),
    Some(640),
    Some(10_000),
    Some(99_999),
    Some(1 << 30),
    Some(1 << 40),
    Some(u64::MAX - 1),
    Some(u64::MAX),
    None,
];

/// Runs the operations, then lets everything succeed: the job must end.
pub(crate) fn run(bytes: &[u8]) {
    let mut bytes = bytes.iter().map(|&byte| u64::from(byte));
    let mut byte = || bytes.next().unwrap_or(0);
    let mut config = Config::new(EXTENTS[(byte() % 14) as usize]);
    config.workers = (byte() % 9) as u16;
    config.block = [0, 1, 64, 64, 1000, 1 << 20][(byte() % 6) as usize];
    config.min_span = [0, 1, 64, 500, 1 << 20][(byte() % 5) as usize];
    let flags = byte();
    config.exact_ends = flags & 1 != 0;
    config.order = if flags & 2 != 0 { Order::First } else { Order::Largest };
    config.ramp = flags & 16 != 0;
    config.paced = flags & 32 != 0;
    config.access =
        [Access::Random, Access::Random, Access::FromStartOnly, Access::Sequential][(flags >> 2 & 3) as usize];
    let slice = config.extent.unwrap_or(100_000) / 8;
    let held = byte();
    let have: RangeSet = (0..8).filter(|n| held >> n & 1 != 0).map(|n| n * slice..(n + 1) * slice).collect();

    let slots = usize::from(config.workers.max(1));
    let mut harness = Harness {
        planner: Planner::new(config, have),
        now: Instant::now(),
        workers: vec![Seen::Idle; slots],
        granted: 0,
        opens: 0,
        complete: false,
        gave_up: false,
    };
    harness.check();
    harness.input(Input::Limit(8));
    harness.drain();
    let operations: Vec<_> = std::iter::from_fn(|| Some([bytes.next()?, bytes.next()?, bytes.next()?])).collect();
    for [kind, worker, amount] in operations {
        harness.operation(kind & 15, (worker % 8) as u16, amount);
        if kind & 16 == 0 {
            harness.drain();
        }
    }
    harness.finish();
}

impl Harness {
    fn operation(&mut self, kind: u64, worker: u16, amount: u64) {
        let seen = self.workers.get(usize::from(worker)).copied().unwrap_or(Seen::Idle);
        let asked = if let Seen::Opening { start } = seen { start } else { 0 };
        let next = self.planner.next(WorkerId(worker));
        let units = match next {
            Next::Keep { units, .. } | Next::Pass { units, .. } => units,
            Next::Confirm | Next::Nothing => 0,
        };
        let worker = WorkerId(worker);
        let plain = Input::Opened { worker, start: asked, ends_at: None, extent: self.planner.extent() };
        let input = match kind {
            0 | 1 => plain,
            2 => {
                let start =
                    [asked, 0, asked.saturating_sub(amount), asked.saturating_add(amount)][(amount & 3) as usize];
                let ends_at = (amount & 4 != 0).then(|| asked.saturating_add(amount * amount));
                let extent = self.planner.extent().or((amount & 8 != 0).then_some(amount << 8));
                Input::Opened { worker, start, ends_at, extent: if amount > 250 { Some(amount) } else { extent } }
            }
            3 => Input::Advanced { worker, units },
            4 | 5 => Input::Advanced { worker, units: units.min(amount * amount) },
            6 => Input::Advanced { worker, units: amount << (amount % 50) },
            7 => Input::Skipped { worker, units: (units / 2).max(amount & 1) },
            8 => Input::Ended { worker },
            // An engine does not say so before it was asked to.
            9 if seen != Seen::Opened => Input::Stopped { worker },
            9 => Input::Ended { worker },
            10 | 11 => {
                let failure = match amount {
                    0..150 => Failure::Transient,
                    150..200 => Failure::Throttled,
                    200..254 => Failure::RangeNotSupported,
                    _ => Failure::Fatal,
                };
                Input::Failed { worker, failure }
            }
            12 if amount > 250 => Input::HostFull,
            12 => Input::Limit((amount % 10) as u16),
            13 => {
                let end = self.planner.have().last().map_or(0, |last| last.end);
                let start = end / 256 * amount;
                Input::Lost { start, end: start.saturating_add(end / 9 + 1) }
            }
            14 => Input::Silent { worker, quiet: Duration::from_millis(amount * amount) },
            _ => {
                self.now += Duration::from_millis(amount * amount);
                Input::Timeout
            }
        };
        self.input(input);
    }

    fn input(&mut self, input: Input) {
        let was = self.planner.outcome();
        self.planner.handle_input(self.now, input);
        self.check();
        if matches!(was, Some(Err(_))) {
            assert_eq!(self.planner.outcome(), was, "the first failure is final");
            return;
        }
        let seen = |worker: WorkerId, workers: &[Seen]| workers.get(usize::from(worker.0)).copied();
        match input {
            Input::Opened { worker, .. } if matches!(seen(worker, &self.workers), Some(Seen::Opening { .. })) => {
                self.workers[usize::from(worker.0)] = Seen::Opened;
            }
            Input::Ended { worker } | Input::Failed { worker, .. } | Input::Stopped { worker } => {
                let has_stream = self.planner.snapshot(self.now).workers.iter().any(|stream| stream.worker == worker);
                if let Some(seen) = self.workers.get_mut(usize::from(worker.0)).filter(|_| !has_stream) {
                    *seen = Seen::Idle;
                }
            }
            Input::Limit(workers) => self.granted = workers,
            Input::Lost { start, end } => {
                let mut kept = [self.planner.have(), self.planner.missing()].into_iter();
                assert!(kept.all(|set| set.overlaps(start..end).next().is_none()), "lost, and not asked for again");
                self.complete = self.planner.outcome() == Some(Ok(()));
            }
            _ => {}
        }
    }

    fn drain(&mut self) {
        for _ in 0..1000 {
            let output = self.planner.poll_output(self.now);
            self.check();
            let failed_before = self.gave_up;
            match output {
                Output::Wait(until) => {
                    assert!(until.is_none_or(|until| until > self.now), "a wait is for later");
                    assert!(!failed_before || until.is_none());
                    return;
                }
                Output::Open { worker, start, .. } => {
                    assert_eq!(self.workers[usize::from(worker.0)], Seen::Idle, "opened twice");
                    self.workers[usize::from(worker.0)] = Seen::Opening { start };
                    self.opens += 1;
                    let active = self.workers.iter().filter(|&&seen| seen != Seen::Idle).count();
                    assert!(active <= usize::from(self.granted), "more than granted");
                    let snapshot = self.planner.snapshot(self.now);
                    let challenges =
                        snapshot.workers.iter().any(|other| other.worker == worker && other.front == other.end);
                    assert!(start == 0 || challenges || !self.planner.have().contains(start), "asked for what is held");
                }
                // One that has ended meanwhile cannot be stopped any more.
                Output::Stop { worker } => {
                    let seen = &mut self.workers[usize::from(worker.0)];
                    if *seen != Seen::Idle {
                        *seen = Seen::Stopping;
                    }
                }
                Output::Complete => {
                    assert!(!self.complete, "complete twice");
                    self.complete = true;
                    let total = self.planner.have().total() + self.planner.missing().total();
                    assert_eq!(total, self.planner.extent().unwrap_or(u64::MAX));
                }
                Output::GaveUp { reason } => {
                    assert!(!failed_before, "gave up twice");
                    assert_eq!(self.planner.outcome(), Some(Err(reason)));
                    self.gave_up = true;
                }
                Output::Cut { .. } | Output::Extend { .. } => {}
            }
        }
        panic!("endless outputs: {:?}", self.planner);
    }

    /// Every stream brings all that is wanted from it, and ends.
    fn finish(&mut self) {
        self.drain();
        self.input(Input::Limit(8));
        let opens_before = self.opens;
        // Halving the longest span again and again, down to what is worth a stream, takes at most 64 steps.
        // In order, there are so many pieces.
        let bound = 4 * self.planner.free().len() + 64 * (self.workers.len() + 1) + 1100;
        for _ in 0..10_000 {
            self.drain();
            if self.complete || self.gave_up {
                assert!(self.opens - opens_before <= bound, "{} streams", self.opens - opens_before);
                return;
            }
            // Time passes only when nothing else happens: streams that bring nothing for long would be stolen from.
            if self.workers.iter().all(|&seen| seen == Seen::Idle) {
                self.now += Duration::from_secs(30);
                self.input(Input::Timeout);
            }
            for n in 0..self.workers.len() {
                let worker = WorkerId(n as u16);
                match (self.workers[n], self.planner.next(worker)) {
                    (Seen::Idle, _) => {}
                    (Seen::Opening { start }, _) => {
                        let extent = self.planner.extent();
                        self.input(Input::Opened { worker, start, ends_at: None, extent });
                    }
                    (Seen::Stopping, _) => self.input(Input::Stopped { worker }),
                    (Seen::Opened, Next::Keep { units, at })
                        if self.planner.extent().is_none() && units == u64::MAX - at =>
                    {
                        self.input(Input::Advanced { worker, units: 1 });
                        self.input(Input::Ended { worker });
                    }
                    (Seen::Opened, Next::Keep { units, .. } | Next::Pass { units, .. }) => {
                        self.input(Input::Advanced { worker, units });
                    }
                    (Seen::Opened, Next::Confirm) => self.input(Input::Ended { worker }),
                    (Seen::Opened, Next::Nothing) => {}
                }
                self.drain();
            }
        }
        panic!("never ends: {:?}", self.planner);
    }

    fn check(&self) {
        assert_covered_once(&self.planner, self.now);
    }
}

/// Every unit of the axis is held, missing, free or in the span of one worker, and never two of them.
pub(crate) fn assert_covered_once(planner: &Planner, now: Instant) {
    let sets = [planner.have(), planner.missing(), planner.free()];
    let mut ranges: Vec<Range<u64>> = sets.into_iter().flat_map(RangeSet::iter).collect();
    ranges.extend(planner.snapshot(now).workers.iter().map(|worker| worker.front..worker.end));
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| range.start);
    let end = ranges.iter().fold(0, |at, range| {
        assert_eq!(range.start, at, "gap or overlap in {ranges:?} of {planner:?}");
        range.end
    });
    assert_eq!(end, planner.extent().unwrap_or(u64::MAX), "{planner:?}");
}
