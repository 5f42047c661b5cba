//! What dividing a job costs: for each piece that arrives, and for each stream that ends and steals. Throughput counts inputs,
//! and steals.

use std::time::{Duration, Instant};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use segfetch::plan::{Config, Input, Next, Output, Planner, WorkerId};
use segfetch::range_set::RangeSet;

const MIB: u64 = 1 << 20;
const INPUTS: u64 = 1000;

/// A job under way, and its clock.
#[derive(Clone)]
struct Job {
    planner: Planner,
    now: Instant,
}

impl Job {
    /// All streams are open and have brought nothing.
    fn new(streams: u16, extent: u64) -> Self {
        let mut config = Config::new(Some(extent));
        (config.workers, config.eager, config.exact_ends, config.block) = (streams, true, true, MIB);
        let mut job = Self { planner: Planner::new(config, RangeSet::new()), now: Instant::now() };
        assert_eq!(job.tell(Input::Limit(streams)), streams);
        job
    }

    /// Tells the planner, and does what it says until it waits. Returns how many streams that opened.
    fn tell(&mut self, input: Input) -> u16 {
        let mut opened = 0;
        self.planner.handle_input(self.now, input);
        loop {
            let answer = match self.planner.poll_output(self.now) {
                Output::Open { worker, start, .. } => {
                    opened += 1;
                    Input::Opened { worker, start, ends_at: None, extent: None }
                }
                Output::Stop { worker } => Input::Stopped { worker },
                Output::Wait(_) => return opened,
                _ => continue,
            };
            self.planner.handle_input(self.now, answer);
        }
    }

    /// At most so many units come on a stream, as an engine reads them.
    fn read(&mut self, worker: WorkerId, most: u64) {
        if let Next::Keep { units, .. } = self.planner.next(worker) {
            self.tell(Input::Advanced { worker, units: units.min(most) });
        }
    }

    /// All streams bring 10 MiB/s, the first one twice as much, until `done`.
    fn run(mut self, streams: u16, done: impl Fn(&Self) -> bool) -> Self {
        while !done(&self) {
            self.now += Duration::from_millis(100);
            (0..streams).for_each(|n| self.read(WorkerId(n), if n == 0 { 2 * MIB } else { MIB }));
        }
        self
    }
}

fn inputs(c: &mut Criterion) {
    let mut group = c.benchmark_group("planner, a piece of 64 KiB");
    group.throughput(Throughput::Elements(INPUTS));
    for streams in [1, 16, 64] {
        let job = Job::new(streams, 1 << 40);
        let soon = job.now + Duration::from_secs(1);
        let job = job.run(streams, |job| job.now >= soon);
        group.bench_function(BenchmarkId::new("streams", streams), |b| {
            let pieces = |job: &mut Job| {
                for worker in (0..streams).cycle().take(INPUTS as usize) {
                    job.now += Duration::from_millis(6) / u32::from(streams);
                    job.read(WorkerId(worker), 64 << 10);
                }
            };
            b.iter_batched_ref(|| job.clone(), pieces, BatchSize::SmallInput);
        });
    }
}

fn steals(c: &mut Criterion) {
    let mut group = c.benchmark_group("planner, the end of a stream and a steal");
    group.throughput(Throughput::Elements(1));
    for streams in [2, 16, 64] {
        let first = WorkerId(0);
        let job = Job::new(streams, u64::from(streams) * 128 * MIB);
        let job = job.run(streams, |job| job.planner.next(first) == Next::Confirm);
        let steal = |job: &mut Job| job.tell(Input::Ended { worker: first });
        assert_eq!(steal(&mut job.clone()), 1);
        group.bench_function(BenchmarkId::new("streams", streams), |b| {
            b.iter_batched_ref(|| job.clone(), steal, BatchSize::SmallInput);
        });
    }
}

criterion_group!(benches, inputs, steals);
criterion_main!(benches);
