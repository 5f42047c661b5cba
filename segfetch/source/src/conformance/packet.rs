//! A source as streaming servers are: packets, holes, real time, and sessions that die of neglect.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{MemorySource, Pacer};
use crate::{Cost, HostKey, OpenRequest, Pace, RangeReader, RangeSource, SourceContext, SourceError, SourceInfo};

/// Length of a packet of a [`PacketSource`] in bytes.
pub const PACKET: u64 = 3_200;

/// A file of packets of [`PACKET`] bytes, the last one perhaps shorter.
///
/// * A stream starts at the packet boundary at or before the byte asked for, and cannot end anywhere but at the end.
/// * A packet comes whole, at the rate that [`Pace::RealTime`] claims, by the clock that the source is given.
/// * Packets that are holes never come: [`Step::Skip`](crate::Step::Skip).
/// * A session that is neither read nor held for longer than its patience is lost.
#[derive(Clone, Debug)]
pub struct PacketSource(MemorySource);

impl PacketSource {
    /// A file of `len` bytes, sent at `bytes_per_second` of `clock`. The patience is 5 seconds.
    pub fn new(len: u64, clock: Arc<dyn Pacer>, bytes_per_second: u64) -> Self {
        let memory = MemorySource::new(len)
            .with_label("packets:file")
            .with_pace(clock, bytes_per_second)
            .with_info(|info| {
                let pace = Pace::RealTime { bytes_per_second: bytes_per_second.max(1) };
                info.with_exact_ends(false).with_pace(pace).with_cost(Cost::new(5, 1, true))
            })
            .set(|state| state.settings.grid = Some(PACKET));
        Self(memory).with_patience(Duration::from_secs(5))
    }

    /// The same without the packets of these numbers; the first is 0.
    #[must_use]
    pub fn with_holes(self, packets: impl IntoIterator<Item = u64>) -> Self {
        let mut holes: Vec<u64> = packets.into_iter().collect();
        holes.sort_unstable();
        Self(self.0.set(|state| state.settings.holes = holes))
    }

    /// The same with sessions that are lost when nobody looks after them for longer than this.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self(self.0.set(|state| state.settings.patience = Some(patience)))
    }

    /// The source behind: its script, its counters, its content.
    pub fn memory(&self) -> &MemorySource {
        &self.0
    }
}

#[async_trait]
impl RangeSource for PacketSource {
    fn label(&self) -> &str {
        self.0.label()
    }

    fn host(&self) -> Option<HostKey> {
        self.0.host()
    }

    async fn probe(&self, cx: &SourceContext) -> Result<SourceInfo, SourceError> {
        self.0.probe(cx).await
    }

    async fn open(&self, cx: &SourceContext, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        self.0.open(cx, request).await
    }
}
