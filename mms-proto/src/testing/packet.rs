//! ASF packets as a server looks at them: just enough to pace them, to find key frames and streams, and to take padding away.

use bytes::{Bytes, BytesMut};

/// What is in a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    /// When it is due, in milliseconds from the start of the film.
    pub(super) send_ms: u32,
    /// Whether a video frame begins in it, or an audio object does, that is marked as a key frame.
    pub(super) key: bool,
    /// The streams of its payloads.
    pub(super) streams: Vec<u8>,
    /// Where the length type flags are.
    flags_at: usize,
    /// Where the padding length is, and how many bytes the field has.
    padding_at: usize,
    padding_field: usize,
    padding: usize,
}

impl Look {
    /// Bytes of padding.
    pub(super) fn padding(&self) -> usize {
        self.padding
    }

    /// Where the send time is, a double word.
    pub(super) fn send_time_at(&self) -> usize {
        self.padding_at + self.padding_field
    }
}

/// A cursor that ends at the end.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// A number of a length type: none, a byte, a word or a double word.
    fn number(&mut self, length_type: u8) -> Option<usize> {
        let mut value = 0;
        for index in 0..width(length_type) {
            value |= usize::from(self.byte()?) << (8 * index);
        }
        Some(value)
    }

    fn skip(&mut self, len: usize) -> Option<()> {
        self.at = self.at.checked_add(len).filter(|at| *at <= self.bytes.len())?;
        Some(())
    }
}

fn width(length_type: u8) -> usize {
    [0, 1, 2, 4][usize::from(length_type & 3)]
}

/// Looks into a packet; `None` if it is none.
pub(super) fn look(bytes: &[u8]) -> Option<Look> {
    let mut reader = Reader { bytes, at: 0 };
    let mut flags = reader.byte()?;
    if flags & 0x80 != 0 {
        reader.skip(usize::from(flags & 0x0F))?;
        flags = reader.byte()?;
    }
    let flags_at = reader.at - 1;
    let properties = reader.byte()?;
    reader.number(flags >> 5)?;
    reader.number(flags >> 1)?;
    let (padding_at, padding_field) = (reader.at, width(flags >> 3));
    let padding = reader.number(flags >> 3)?;
    let send_ms = reader.number(3)? as u32;
    reader.skip(2)?;
    let mut look = Look { send_ms, key: false, streams: Vec::new(), flags_at, padding_at, padding_field, padding };
    let (count, length_type) = match flags & 1 {
        0 => (1, None),
        _ => reader.byte().map(|byte| (byte & 0x3F, Some(byte >> 6)))?,
    };
    for _ in 0..count {
        let stream = reader.byte()?;
        reader.number(properties >> 4)?;
        let offset = reader.number(properties >> 2)?;
        let replicated = reader.number(properties)?;
        reader.skip(replicated)?;
        look.streams.push(stream & 0x7F);
        // In compressed payloads the offset is a time, and each object is whole.
        look.key |= stream & 0x80 != 0 && (offset == 0 || replicated == 1);
        if let Some(length_type) = length_type {
            let len = reader.number(length_type)?;
            reader.skip(len)?;
        }
    }
    Some(look)
}

/// The packet without its padding and with a padding length of zero.
pub(super) fn zeroed(packet: &Bytes) -> Bytes {
    let Some(look) = look(packet).filter(|look| look.padding > 0 && look.padding < packet.len()) else {
        return packet.clone();
    };
    let mut bytes = BytesMut::from(&packet[..packet.len() - look.padding]);
    bytes[look.padding_at..look.padding_at + look.padding_field].fill(0);
    bytes.freeze()
}

/// The packet without its padding and without the field that tells of it.
pub(super) fn removed(packet: &Bytes) -> Bytes {
    let Some(look) = look(packet).filter(|look| look.padding < packet.len()) else { return packet.clone() };
    let mut bytes = BytesMut::from(&packet[..look.padding_at]);
    bytes.extend_from_slice(&packet[look.padding_at + look.padding_field..packet.len() - look.padding]);
    bytes[look.flags_at] &= !0x18;
    bytes.freeze()
}
