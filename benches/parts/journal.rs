//! What surviving a crash costs: checksums of blocks, the record of a checkpoint, and reading a long journal back. Throughput is in
//! bytes of the file, bytes of the journal, and blocks.

use std::ops::Range;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use segfetch::checkpoint::record::{Axis, HEADER_LEN, Header, Record, Seed};
use segfetch::checkpoint::{BlockSums, Identity, Run, recover};
use segfetch::source::{Strength, Validator};

/// Blocks of 1 MiB.
const SHIFT: u8 = 20;
/// Blocks of 1 TiB.
const BLOCKS: u64 = 1 << 20;
const STREAMS: u64 = 16;

const HEADER: Header =
    Header { job_id: *b"0123456789abcdef", generation: 0, block_shift: SHIFT, axis: Axis::Bytes, created: 0 };

fn run(blocks: Range<u64>) -> Run {
    let sum = |block: u64| (block as u32).wrapping_mul(0x9e37_79b9);
    Run { start: blocks.start << SHIFT, end: blocks.end << SHIFT, shift: SHIFT, sums: blocks.map(sum).collect() }
}

/// Checkpoint `n` of streams that bring so many blocks each between two.
fn checkpoint(n: u64, blocks: u64) -> Record {
    let starts = (0..STREAMS).map(|stream| stream * (BLOCKS / STREAMS) + n * blocks);
    Record::Durable(starts.map(|start| run(start..start + blocks)).collect())
}

/// A journal of 1 TiB with these claims.
fn journal(claims: impl IntoIterator<Item = Record>) -> Vec<u8> {
    let validator = Validator::new(Strength::Strong, &b"version 1"[..]);
    let identity = Identity::new("ftp://ftp.example.org/pub/file.iso", validator, Some(BLOCKS << SHIFT));
    let mut bytes = HEADER.encode().to_vec();
    for record in [Record::Identity(identity)].into_iter().chain(claims) {
        bytes.extend(record.encode(Seed::of(&HEADER), bytes.len() as u64));
    }
    bytes
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("journal, encode a checkpoint of 16 streams");
    for mib in [64, 256] {
        let record = checkpoint(0, mib / STREAMS);
        let encode = || record.encode(Seed::of(&HEADER), HEADER_LEN as u64);
        group.throughput(Throughput::Bytes(encode().len() as u64));
        group.bench_function(BenchmarkId::new("MiB", mib), |b| b.iter(encode));
    }
}

fn recovery(c: &mut Criterion) {
    let mut group = c.benchmark_group("journal, recover 1 TiB");
    group.throughput(Throughput::Elements(BLOCKS)).sample_size(20);
    let each = 4;
    let appended = journal((0..BLOCKS / STREAMS / each).map(|n| checkpoint(n, each)));
    let rewritten = journal(Record::durable([run(0..BLOCKS)]));
    for (name, bytes) in [("as checkpoints of 64 MiB left it", appended), ("as rewritten", rewritten)] {
        let found = recover(&bytes).expect("a journal");
        assert!(found.clean && found.claims.count() == BLOCKS, "{name}");
        group.bench_function(name, |b| b.iter(|| recover(&bytes)));
    }
}

fn sums(c: &mut Criterion) {
    const LEN: u64 = 64 << 20;
    let mut group = c.benchmark_group("journal, sum blocks of 1 MiB");
    group.throughput(Throughput::Bytes(LEN));
    for kib in [64, 1024] {
        let piece = vec![0x5a; kib << 10];
        group.bench_function(BenchmarkId::new("KiB written at once", kib), |b| {
            b.iter(|| {
                let mut sums = BlockSums::new(SHIFT);
                (0..LEN).step_by(piece.len()).for_each(|at| assert_eq!(sums.update(at, &piece), piece.len() as u64));
                sums.freeze()
            });
        });
    }
}

criterion_group!(benches, encode, recovery, sums);
criterion_main!(benches);
