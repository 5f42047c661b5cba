//! A whole download from memory into memory: what the engine costs on top of moving the bytes. Throughput is in bytes of the file.
//!
//! Each byte is copied from the source, summed, and copied into fresh memory, whose page faults are in the figure.

#[path = "../scale/zeros.rs"]
mod zeros;

use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use segfetch::sink::MemoryVolume;
use segfetch::{Connections, Download, Engine, EngineConfig};
use tokio::runtime::Runtime;
use zeros::Zeros;

const LEN: u64 = 256 << 20;
const TARGET: &str = "/file";

fn engine(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let volume = MemoryVolume::new();
    let mut config = EngineConfig::default();
    config.volume = Arc::new(volume.clone());
    let engine = Engine::new(config).expect("threads");
    let fetch = |connections| {
        let download = Download::new(Zeros(LEN), TARGET).connections(Connections::Exactly(connections));
        let report = runtime.block_on(async { engine.start(download).join().await }).expect("a file");
        assert_eq!(report.len, LEN);
    };

    let mut group = c.benchmark_group("engine, 256 MiB from memory to memory");
    group.throughput(Throughput::Bytes(LEN)).sample_size(10).sampling_mode(SamplingMode::Flat);
    for connections in [1, 4, 16] {
        group.bench_function(BenchmarkId::new("connections", connections), |b| {
            b.iter_batched(|| drop(volume.take(TARGET)), |()| fetch(connections), BatchSize::PerIteration);
        });
    }
}

criterion_group!(benches, engine);
criterion_main!(benches);
