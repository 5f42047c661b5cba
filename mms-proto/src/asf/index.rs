//! Where the key frames of a video stream are, by time.

use super::{Guid, Payload};

/// Most entries of all indexes of a file: 48 days of one video stream, 24 MiB.
pub const MAX_INDEX_ENTRIES: usize = 1 << 22;

/// What stands before the entries, in bytes.
const INDEX_HEADER_LEN: usize = 56;

/// One entry, in bytes.
const ENTRY_LEN: usize = 6;

/// The time from entry to entry, in milliseconds.
///
/// Observed: ffmpeg writes one for each second, and counts the preroll in
const INTERVAL_MS: u64 = 1000;

/// A key frame: its first packet, and in how many packets it is.
#[derive(Clone, Copy, Debug)]
struct KeyFrame {
    packet: u32,
    count: u16,
    object_number: u32,
}

/// Makes the Simple Index Object of one video stream.
///
/// Entry N is the last key frame at N seconds or before it, by presentation time, in which the preroll is counted; what
/// precedes the first one has the first one.
///
/// ```text
/// | GUID | size u64 | file id GUID | interval u64, 100 ns | most packets u32 |
/// | entries u32 | { packet u32, packets u16 } |
/// ```
///
/// Spec: ASF 6.1: in terms of presentation times, as those of payloads are
#[derive(Clone, Debug, Default)]
pub(super) struct IndexBuilder {
    /// Not yet in `entries`: a later piece may make it longer, and the next one tells how far it reaches.
    current: Option<KeyFrame>,
    entries: Vec<u8>,
    most_packets: u16,
    /// Latest presentation time.
    last_ms: u64,
}

impl IndexBuilder {
    /// One piece of a picture, in the order of the file. `room` is how many entries there may be more, of all streams.
    /// `None`: too many.
    pub(super) fn payload(&mut self, packet: u32, payload: &Payload<'_>, room: &mut usize) -> Option<()> {
        let time_ms = payload.presentation_time.and_then(|time| u64::try_from(time.as_millis()).ok());
        // What has no time has no place in an index.
        let Some(time_ms) = time_ms else { return Some(()) };
        self.last_ms = self.last_ms.max(time_ms);
        if !payload.key_frame {
            return Some(());
        }
        if payload.object_offset == 0 {
            self.fill(time_ms.div_ceil(INTERVAL_MS), room)?;
            self.current = Some(KeyFrame { packet, count: 1, object_number: payload.object_number });
        } else if let Some(current) = self.current.as_mut().filter(|it| it.object_number == payload.object_number) {
            let count = packet.saturating_sub(current.packet).saturating_add(1);
            current.count = u16::try_from(count).unwrap_or(u16::MAX);
        }
        Some(())
    }

    /// Entries so far.
    fn len(&self) -> usize {
        self.entries.len() / ENTRY_LEN
    }

    /// Entries up to `end`, all for the current key frame. Before the first one nothing is known; it will fill that.
    fn fill(&mut self, end: u64, room: &mut usize) -> Option<()> {
        let Some(KeyFrame { packet, count, .. }) = self.current else { return Some(()) };
        let wanted = usize::try_from(end).ok()?.saturating_sub(self.len());
        *room = room.checked_sub(wanted)?;
        if wanted > 0 {
            self.most_packets = self.most_packets.max(count);
        }
        for _ in 0..wanted {
            self.entries.extend_from_slice(&packet.to_le_bytes());
            self.entries.extend_from_slice(&count.to_le_bytes());
        }
        Some(())
    }

    /// The object; nothing if the stream had no key frame. `None`: too many entries.
    pub(super) fn finish(mut self, file_id: Guid, room: &mut usize) -> Option<Vec<u8>> {
        if self.current.is_none() {
            return Some(Vec::new());
        }
        self.fill((self.last_ms / INTERVAL_MS).saturating_add(1), room)?;
        let size = u64::try_from(self.entries.len().saturating_add(INDEX_HEADER_LEN)).ok()?;
        let mut object = Vec::with_capacity(self.entries.len().saturating_add(INDEX_HEADER_LEN));
        object.extend_from_slice(&Guid::SIMPLE_INDEX.0);
        object.extend_from_slice(&size.to_le_bytes());
        object.extend_from_slice(&file_id.0);
        object.extend_from_slice(&INTERVAL_MS.saturating_mul(10_000).to_le_bytes());
        object.extend_from_slice(&u32::from(self.most_packets).to_le_bytes());
        object.extend_from_slice(&u32::try_from(self.len()).ok()?.to_le_bytes());
        object.extend_from_slice(&self.entries);
        Some(object)
    }
}
