//! A whole download from memory into memory: what the engine costs on top of moving the bytes. Throughput is in bytes of the file.
//!
//! Each byte is copied from the source, summed, and copied into fresh memory, whose page faults are in the figure.

use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use segfetch::sink::MemoryVolume;
use segfetch::source::{
    Access, End, Extent, OpenRequest, Opened, RangeReader, RangeSource, SourceContext, SourceError, SourceInfo, Space,
    Step, Strength, Validator,
};
use segfetch::{Connections, Download, Engine, EngineConfig};
use tokio::runtime::Runtime;

const LEN: u64 = 256 << 20;
const TARGET: &str = "/file";
/// What each read brings, so far as it fits: little enough to stay in the processor's cache.
static PIECE: [u8; 256 << 10] = [0x5a; 256 << 10];

/// A file that repeats one piece, as fast as it is read.
#[derive(Debug)]
struct Memory;

struct Reader {
    opened: Opened,
    left: u64,
}

fn validator() -> Validator {
    Validator::new(Strength::Strong, &b"the only version"[..])
}

#[async_trait]
impl RangeSource for Memory {
    fn label(&self) -> &str {
        "memory"
    }

    async fn probe(&self, _: &SourceContext) -> Result<SourceInfo, SourceError> {
        Ok(SourceInfo::new(Extent::Known(LEN), Access::Random).with_validator(validator()).with_exact_ends(true))
    }

    async fn open(&self, _: &SourceContext, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        let end = if let End::Exact(end) = request.end { end } else { LEN };
        let opened = Opened::at(request.start).with_ends_at(end).with_validator(validator());
        Ok(Box::new(Reader { opened, left: end - request.start }))
    }
}

#[async_trait]
impl RangeReader for Reader {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    async fn read(&mut self, space: &mut Space<'_>) -> Result<Step, SourceError> {
        // As a socket would now and then: otherwise one stream would keep its thread to itself.
        tokio::task::yield_now().await;
        let put = space.put(&PIECE[..self.left.min(PIECE.len() as u64) as usize]);
        self.left -= put as u64;
        Ok(NonZeroUsize::new(put).map_or(Step::End, Step::Bytes))
    }

    async fn hold(&mut self) -> SourceError {
        std::future::pending().await
    }

    async fn stop(self: Box<Self>) {}
}

fn engine(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let volume = MemoryVolume::new();
    let mut config = EngineConfig::default();
    config.volume = Arc::new(volume.clone());
    let engine = Engine::new(config).expect("threads");
    let fetch = |connections| {
        let download = Download::new(Memory, TARGET).connections(Connections::Exactly(connections));
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
