//! Makes a recording a proper file: counts, sizes, durations, an index.

use std::collections::BTreeMap;
use std::time::Duration;

use super::header::DATA_OBJECT_HEADER_LEN;
use super::index::{IndexBuilder, MAX_INDEX_ENTRIES};
use super::{AsfError, Header, Packet, Rule, StreamKind};

/// Is fed the packets of a recording in order, and then says which header and which indexes the file should have.
///
/// The recording itself is not touched: its bytes are what a server sent, and worth keeping. The caller reads and
/// writes. One pass is enough for a file of any length: what is kept is the header, and 6 bytes for each second of each
/// video stream, at most [`MAX_INDEX_ENTRIES`] of them.
///
/// Counts and sizes are set to what there is. Durations are set from the packets if the header is that of a broadcast,
/// says nothing of them, or counts another number of packets; otherwise they stay. The file is marked seekable if it
/// has an index, or nothing but one stream of sound, which needs none. Times are not shifted: those of a broadcast
/// begin when it was joined, unless the packets went through [`rebase`](super::rebase()) before.
///
/// Spec: ASF 3.2, 5.1, 6.1
#[derive(Clone, Debug)]
pub struct Tidy {
    raw: Vec<u8>,
    header: Header,
    packet_size: u32,
    packets: u64,
    unreadable: u64,
    /// When the last packet is over, by send time.
    end: Duration,
    /// `None` since there were too many entries.
    indexes: Option<BTreeMap<u8, IndexBuilder>>,
    /// How many entries there may be more, in all of them.
    index_room: usize,
}

/// What to write: `header` over the beginning of the file, `index` behind the last packet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tidied {
    /// The header, as long as it was.
    pub header: Vec<u8>,
    /// Simple Index Objects, one for each video stream with a key frame. Empty if there is none, or the entries were
    /// too many.
    pub index: Vec<u8>,
    /// Packets that could not be decoded. They are in the counts, but not in the index.
    pub unreadable: u64,
}

impl Tidy {
    /// Begins with the header of the recording, as [`Header::decode`] takes it.
    ///
    /// # Errors
    ///
    /// Those of [`Header::decode`] and [`Header::packet_size`].
    pub fn new(header: &[u8]) -> Result<Self, AsfError> {
        let raw = header.get(..Header::measure(header)?).unwrap_or(header).to_vec();
        let header = Header::decode(&raw)?;
        let video = header.streams.iter().filter(|(_, stream)| matches!(stream.kind, StreamKind::Video(_)));
        let indexes = video.map(|(number, _)| (*number, IndexBuilder::default())).collect();
        Ok(Self {
            packet_size: header.packet_size()?,
            raw,
            header,
            packets: 0,
            unreadable: 0,
            end: Duration::ZERO,
            indexes: Some(indexes),
            index_room: MAX_INDEX_ENTRIES,
        })
    }

    /// Marks a stream as one that was not recorded: its average bit rate becomes 0.
    ///
    /// Observed: libmms and xine mark streams so that they did not select
    pub fn without_stream(&mut self, stream: u8) {
        let at = self.header.bit_rates_at.get(&stream).copied();
        if let Some(at) = at {
            put(&mut self.raw, at, &0_u32.to_le_bytes());
        }
    }

    /// The next packet.
    ///
    /// # Errors
    ///
    /// It has not the length that all have, or there are more than 2^32 - 2. A packet that cannot be decoded is
    /// counted.
    pub fn packet(&mut self, packet: &[u8]) -> Result<(), AsfError> {
        let size = usize::try_from(self.packet_size).unwrap_or(usize::MAX);
        if packet.len() != size {
            let rule = if packet.len() < size { Rule::PacketTooShort } else { Rule::PacketTooLong };
            return Err(AsfError::new("packet", packet.len().min(size), rule));
        }
        let number = u32::try_from(self.packets).ok().filter(|number| *number < u32::MAX.saturating_sub(1));
        let number = number.ok_or_else(|| AsfError::new("packet", 0, Rule::TooManyPackets))?;
        self.packets = self.packets.saturating_add(1);
        match Packet::decode(packet) {
            Ok(packet) => self.decoded(number, &packet),
            Err(_) => self.unreadable = self.unreadable.saturating_add(1),
        }
        Ok(())
    }

    fn decoded(&mut self, number: u32, packet: &Packet<'_>) {
        self.end = self.end.max(packet.send_time.saturating_add(packet.duration));
        for payload in packet.payloads() {
            let Ok(payload) = payload else {
                self.unreadable = self.unreadable.saturating_add(1);
                return;
            };
            let Some(indexes) = &mut self.indexes else { continue };
            if let Some(index) = indexes.get_mut(&payload.stream)
                && index.payload(number, &payload, &mut self.index_room).is_none()
            {
                self.indexes = None;
            }
        }
    }

    /// What the file should have.
    ///
    /// Spec: ASF 3.2, 5.1, 6.1
    pub fn finish(mut self) -> Tidied {
        let index = self.index();
        let properties = self.header.properties;
        let packets_len = self.packets.saturating_mul(u64::from(self.packet_size));
        let data_size = packets_len.saturating_add(u64::try_from(DATA_OBJECT_HEADER_LEN).unwrap_or(0));
        let index_len = u64::try_from(index.len()).unwrap_or(u64::MAX);
        let file_size = self.header.data_offset.saturating_add(packets_len).saturating_add(index_len);

        let mut streams = self.header.streams.values().map(|stream| stream.kind);
        let only_sound = matches!((streams.next(), streams.next()), (Some(StreamKind::Audio(_)), None));
        let seekable = properties.seekable || only_sound || !index.is_empty();

        let at = |offset: usize| self.header.properties_at.saturating_add(offset);
        let header = &mut self.raw;
        put(header, at(40), &file_size.to_le_bytes());
        put(header, at(56), &self.packets.to_le_bytes());
        let known = !properties.broadcast && properties.packets == self.packets && !properties.play_duration.is_zero();
        if !known {
            put(header, at(64), &ticks(self.end.saturating_add(properties.preroll)).to_le_bytes());
            put(header, at(72), &ticks(self.end).to_le_bytes());
        }
        // The flags that matter are in the first of four bytes.
        if let Some(flags) = header.get_mut(at(88)) {
            *flags = (*flags & !3) | if seekable { 2 } else { 0 };
        }
        let data_at = header.len().saturating_sub(DATA_OBJECT_HEADER_LEN);
        put(header, data_at.saturating_add(16), &data_size.to_le_bytes());
        put(header, data_at.saturating_add(40), &self.packets.to_le_bytes());
        Tidied { header: self.raw, index, unreadable: self.unreadable }
    }

    /// One object after the other, in the order of the streams.
    fn index(&mut self) -> Vec<u8> {
        let mut objects = Vec::new();
        let indexes = self.indexes.take().unwrap_or_default();
        for (_, index) in indexes {
            let object = index.finish(self.header.properties.file_id, &mut self.index_room);
            let Some(object) = object else { return Vec::new() };
            objects.extend_from_slice(&object);
        }
        objects
    }
}

/// Writes `value` at `offset`, where a decoded header has it.
fn put(header: &mut [u8], offset: usize, value: &[u8]) {
    if let Some(field) = header.get_mut(offset..).and_then(|rest| rest.get_mut(..value.len())) {
        field.copy_from_slice(value);
    }
}

/// In units of 100 ns.
fn ticks(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos() / 100).unwrap_or(u64::MAX)
}
