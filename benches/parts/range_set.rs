//! Sets of ranges as large as a very scattered download makes them. Throughput counts ranges.

use std::ops::Range;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use segfetch::range_set::RangeSet;

const RANGES: u64 = 10_000;
const LEN: u64 = 1 << 16;
const AXIS: u64 = 1 << 40;

/// The same places each time, in no order and all over the axis (SplitMix64).
fn scattered() -> Vec<Range<u64>> {
    let place = |n: u64| {
        let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % (AXIS - LEN)
    };
    (1..=RANGES).map(place).map(|at| at..at + LEN).collect()
}

fn range_set(c: &mut Criterion) {
    let mut group = c.benchmark_group("range_set");
    group.throughput(Throughput::Elements(RANGES));

    let in_order: Vec<_> = (0..RANGES).map(|n| n * LEN..(n + 1) * LEN).collect();
    group.bench_function("insert, each touching the one before", |b| {
        b.iter(|| RangeSet::from_iter(in_order.iter().cloned()));
    });

    let scattered = scattered();
    group.bench_function("insert, scattered", |b| b.iter(|| RangeSet::from_iter(scattered.iter().cloned())));

    let set = RangeSet::from_iter(scattered);
    group.throughput(Throughput::Elements(set.gaps(0..AXIS).count() as u64));
    group.bench_function("gaps", |b| b.iter(|| set.gaps(0..AXIS).map(|gap| gap.end - gap.start).sum::<u64>()));
}

criterion_group!(benches, range_set);
criterion_main!(benches);
