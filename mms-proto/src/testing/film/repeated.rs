//! Films of packets that are made when they are sent: of any length, in no memory.

use bytes::{Bytes, BytesMut};

use super::media::hash;
use super::{DATA_HEAD, FILE_PROPERTIES, Film, Parts};
use crate::testing::packet;

/// The packet of which all others are made.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    packet: Bytes,
    seed: u64,
    /// Milliseconds that each plays.
    each_ms: u64,
    send_time_at: usize,
    /// Where the last bytes of media are.
    mark_at: usize,
}

/// Bytes of media that tell a packet's number.
const MARK: usize = 8;

impl Pattern {
    fn new(packet: Bytes, seed: u64, each_ms: u64) -> Option<Pattern> {
        let look = packet::look(&packet)?;
        let mark_at = packet.len().checked_sub(look.padding() + MARK)?;
        Some(Pattern { send_time_at: look.send_time_at(), packet, seed, each_ms, mark_at })
    }

    pub(super) fn packet(&self, number: u32) -> Bytes {
        let mut packet = BytesMut::from(&self.packet[..]);
        let send_ms = (u64::from(number) * self.each_ms) as u32;
        packet[self.send_time_at..self.send_time_at + 4].copy_from_slice(&send_ms.to_le_bytes());
        let mark = hash(self.seed, 0, number.into());
        packet[self.mark_at..self.mark_at + MARK].copy_from_slice(&mark.to_le_bytes());
        packet.freeze()
    }
}

impl Film {
    /// As many packets as that, each made of the first one of this film, which plays `each_ms` milliseconds. `None` if there is no first
    /// one, or no room to tell them apart.
    pub(super) fn repeated(&self, packets: u32, seed: u64, each_ms: u64) -> Option<Film> {
        let parts = &*self.0;
        let pattern = Pattern::new((parts.packets > 0).then(|| self.packet(0))?, seed, each_ms)?;
        let len = u64::from(packets) * parts.packet_size as u64;
        let more_ms = u64::from(packets.saturating_sub(1)) * each_ms;
        let mut header = self.header().to_vec();
        let mut put = |at: usize, value: u64| header[at..at + 8].copy_from_slice(&value.to_le_bytes());
        let properties = self.child(&FILE_PROPERTIES)?;
        put(properties + 40, parts.header_len as u64 + len);
        put(properties + 56, packets.into());
        put(properties + 64, (parts.play_ms + more_ms) * 10_000);
        put(properties + 72, (each_ms + more_ms) * 10_000);
        let data = parts.header_len - DATA_HEAD;
        put(data + 16, DATA_HEAD as u64 + len);
        put(data + 40, packets.into());
        Some(Film(std::sync::Arc::new(Parts {
            bytes: header.into(),
            packets,
            play_ms: parts.play_ms + more_ms,
            streams: parts.streams.clone(),
            pattern: Some(pattern),
            ..*parts
        })))
    }
}
