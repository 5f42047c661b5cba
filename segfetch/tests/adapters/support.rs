//! What the tests of readers stand on.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use segfetch::adapters::{ReadError, RemoteFile};
use segfetch::source::conformance::{Content, Fixture, MemorySource, Pacer, pattern};
use segfetch::source::{OpenRequest, RangeReader, RangeSource, SourceContext, SourceError, SourceInfo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt};
use tokio::time::Instant;

pub(crate) const KIB: u64 = 1 << 10;
pub(crate) const MIB: u64 = 1 << 20;

/// The bytes of a source's file.
pub(crate) fn bytes(source: &MemorySource, range: std::ops::Range<u64>) -> Vec<u8> {
    let mut bytes = vec![0; (range.end - range.start) as usize];
    source.fill(range.start, &mut bytes);
    bytes
}

/// The next `n` bytes.
pub(crate) async fn take(reader: &mut (impl AsyncRead + Unpin), n: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; n as usize];
    reader.read_exact(&mut bytes).await.map(|_| bytes)
}

/// `n` bytes from a place.
pub(crate) async fn take_at(file: &mut RemoteFile, at: u64, n: u64) -> io::Result<Vec<u8>> {
    file.seek(io::SeekFrom::Start(at)).await?;
    take(file, n).await
}

/// What a reader failed with.
#[track_caller]
pub(crate) fn failure<T: std::fmt::Debug>(result: &io::Result<T>) -> &ReadError {
    let error = result.as_ref().expect_err("it fails");
    ReadError::of(error).unwrap_or_else(|| panic!("not a failure of the reader: {error:?}"))
}

/// A pattern with other bytes from `at` on.
pub(crate) fn with_bytes(at: u64, bytes: Vec<u8>) -> Content {
    let all = pattern(0);
    Arc::new(move |offset, out| {
        all(offset, out);
        let end = offset + out.len() as u64;
        let (start, stop) = (at.max(offset), (at + bytes.len() as u64).min(end));
        if start < stop {
            out[(start - offset) as usize..(stop - offset) as usize]
                .copy_from_slice(&bytes[(start - at) as usize..(stop - at) as usize]);
        }
    })
}

/// The paused clock of the runtime.
#[derive(Debug)]
pub(crate) struct TokioClock(Instant);

impl TokioClock {
    pub(crate) fn start() -> Arc<dyn Pacer> {
        Arc::new(Self(Instant::now()))
    }
}

#[async_trait]
impl Pacer for TokioClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    async fn wait_until(&self, due: Duration) {
        tokio::time::sleep_until(self.0 + due).await;
    }
}

/// A source that takes its time to open.
#[derive(Debug)]
pub(crate) struct Slow {
    pub(crate) source: MemorySource,
    pub(crate) opening: Duration,
}

#[async_trait]
impl RangeSource for Slow {
    fn label(&self) -> &str {
        self.source.label()
    }
    async fn probe(&self, cx: &SourceContext) -> Result<SourceInfo, SourceError> {
        self.source.probe(cx).await
    }
    async fn open(&self, cx: &SourceContext, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        tokio::time::sleep(self.opening).await;
        self.source.open(cx, request).await
    }
}
