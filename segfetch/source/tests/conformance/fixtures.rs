//! A packet source on a clock that each pause advances.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use segfetch_source::RangeSource;
use segfetch_source::conformance::{
    Fixture, ManualClock, MemorySource, NotApplicable, Outcome, PACKET, PacketSource, Situation,
};

/// Long enough for a packet at [`RATE`] to come in a few pauses, and for a session to die within a watch.
const PAUSE: Duration = Duration::from_millis(200);
const RATE: u64 = 8_000;

pub(crate) struct Packets {
    source: PacketSource,
    clock: Arc<ManualClock>,
}

impl Packets {
    pub(crate) fn new(len: u64) -> Self {
        Self::with_holes(len, &[3, 4, 100, len / 2 / PACKET + 2])
    }

    pub(crate) fn with_holes(len: u64, holes: &[u64]) -> Self {
        let clock = Arc::new(ManualClock::new());
        let source = PacketSource::new(len, clock.clone(), RATE).with_holes(holes.iter().copied());
        Self { source, clock }
    }

    pub(crate) fn memory(&self) -> &MemorySource {
        self.source.memory()
    }
}

#[async_trait]
impl Fixture for Packets {
    fn source(&self) -> Arc<dyn RangeSource> {
        Arc::new(self.source.clone())
    }
    fn file_len(&self) -> u64 {
        self.memory().file_len()
    }
    fn fill(&self, offset: u64, out: &mut [u8]) {
        self.memory().fill(offset, out);
    }
    fn held(&self) -> Result<u64, NotApplicable> {
        self.memory().held()
    }
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
    async fn arrange(&self, situation: Situation) -> Outcome {
        self.memory().arrange(situation).await
    }
    async fn pause(&self) {
        self.clock.advance(PAUSE);
        self.memory().pause().await;
    }
}
