//! Servers take the padding off before they send a packet. Here it is put back.
//!
//! The padding of a packet is counted by a field of 0, 1, 2 or 4 bytes before the payloads. A server that takes it off
//! sets the field to 0, or takes the field off as well, or forgets about it.

use bytes::BytesMut;

use super::packet::Head;
use super::{AsfError, LengthType, MAX_PACKET_SIZE, PaddingLength, Rule};

/// The bits of the length type flags that tell how wide packet length and padding length are.
const PACKET_LENGTH_BITS: u8 = 0b0110_0000;
const PADDING_LENGTH_BITS: u8 = 0b0001_1000;

/// How the padding of a packet came back.
///
/// Ordered by trust: the worst of all packets of a file is what can be said of the file.
///
/// Spec: ASF 5.2.4
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Padding {
    /// It was never gone: the packet is as the server has it.
    Full,
    /// The field was there, and either said 0 or what is missing. If the padding was zeros, as it always is, the packet
    /// is the original's.
    Restored,
    /// The field was gone, or too narrow. The smallest that fits is in its place; the original may have had a wider
    /// one, or a length of its own instead.
    Reconstructed,
    /// The field said something else. What is missing has been added to it.
    Ambiguous,
}

/// Gives a packet the length that it has in the file. A packet of that length is not touched nor looked at.
///
/// Only the head of the packet is decoded. Nothing is allocated if the buffer has the capacity. After an error the
/// packet is as it was.
///
/// # Errors
///
/// The packet is longer than `packet_size`, or that is 0 or more than [`MAX_PACKET_SIZE`]; the packet's head cannot be
/// decoded, or states lengths that it has no room for.
///
/// Observed: zefie's server sets the field to 0; for Windows Media Services it is assumed, for want of a capture
pub fn restore(packet: &mut BytesMut, packet_size: u32) -> Result<Padding, AsfError> {
    let size = checked_size(packet_size)?;
    if packet.len() == size {
        return Ok(Padding::Full);
    }
    let received = packet.len();
    let (head, Sent { kind, write, .. }) = examine(packet, size)?;
    let (flags_at, flags) = (head.flags_at, head.length_type_flags);
    let PaddingLength { width: old, offset: at, .. } = head.padding;
    packet.resize(size, 0);
    if let Some(Write { width, value, grow }) = write {
        // What follows the field makes way; behind it are zeros.
        let from = at.saturating_add(old.width());
        packet.copy_within(from..received, from.saturating_add(grow));
        let field = packet.get_mut(at..at.saturating_add(width.width())).into_iter().flatten();
        field.zip(value.to_le_bytes()).for_each(|(byte, new)| *byte = new);
        if let Some(byte) = packet.get_mut(flags_at) {
            *byte = (flags & !PADDING_LENGTH_BITS) | width.bits().checked_shl(3).unwrap_or(0);
        }
    }
    Ok(kind)
}

fn checked_size(packet_size: u32) -> Result<usize, AsfError> {
    let size = usize::try_from(packet_size).ok().filter(|_| (1..=MAX_PACKET_SIZE).contains(&packet_size));
    size.ok_or_else(|| AsfError::new("packet", 0, Rule::PacketSizeOutOfRange(packet_size)))
}

fn examine(packet: &[u8], size: usize) -> Result<(Head<'_>, Sent), AsfError> {
    if packet.len() > size {
        return Err(AsfError::new("packet", size, Rule::PacketTooLong));
    }
    let head = Head::read(packet)?;
    let sent = Sent::of(&head, packet.len(), size)?;
    Ok((head, sent))
}

/// What a packet was before it was sent.
struct Sent {
    kind: Padding,
    /// Padding among what was received, in bytes.
    inside: usize,
    /// The field as it has to be, if it is not so.
    write: Option<Write>,
}

struct Write {
    width: LengthType,
    value: u32,
    /// By how much the field gets wider, in bytes.
    grow: usize,
}

impl Sent {
    fn of(head: &Head<'_>, received: usize, size: usize) -> Result<Self, AsfError> {
        let error = |rule| AsfError::new("packet", head.padding.offset, rule);
        let value = usize::try_from(head.padding.value).unwrap_or(usize::MAX);
        // The packet's own length, where it states one, is what padding is counted from; behind it is padding as well.
        let own = head.packet_length.map(|len| usize::try_from(len).unwrap_or(usize::MAX));
        if own.is_some_and(|own| own < head.end || own > size) {
            return Err(error(Rule::PacketLength));
        }
        let own = own.unwrap_or(size);
        let payloads = received.min(own).saturating_sub(head.end);
        let behind = received.saturating_sub(own);
        let missing = own.saturating_sub(received);
        let (kind, inside) = if missing == 0 {
            (if received == size { Padding::Full } else { Padding::Reconstructed }, value)
        } else if head.padding.width == LengthType::Absent {
            (Padding::Reconstructed, 0)
        } else if value == 0 || value == missing {
            (if own == size { Padding::Restored } else { Padding::Ambiguous }, 0)
        } else {
            (Padding::Ambiguous, value)
        };
        if inside > payloads {
            return Err(error(Rule::PaddingLength));
        }
        let total = inside.saturating_add(missing);
        let write = if missing == 0 || total == value { None } else { Some(Write::of(head.padding.width, total)) };
        // A field that had to be made wider was not that of the original.
        let kind =
            if write.as_ref().is_some_and(|write| write.grow > 0) { kind.max(Padding::Reconstructed) } else { kind };
        Ok(Self { kind, inside: inside.saturating_add(behind), write })
    }
}

impl Write {
    /// For `total` bytes of padding, of which those that make the field wider are taken. A field of 2 bytes always
    /// suffices, for no packet is longer than 2^16.
    fn of(width: LengthType, total: usize) -> Self {
        let fitting = [LengthType::Byte, LengthType::Word, LengthType::Dword].into_iter().filter_map(|new| {
            let grow = new.width().checked_sub(width.width())?;
            let value = u32::try_from(total.checked_sub(grow)?).ok()?;
            let most = if new == LengthType::Byte { 0xFF } else { u32::MAX };
            Some(Self { width: new, value, grow }).filter(|_| value <= most)
        });
        fitting.min_by_key(|write| write.grow).unwrap_or(Self { width, value: 0, grow: 0 })
    }
}

/// A packet without its padding and without what is said about it. Two packets that are equal so differ at most in how
/// their padding is written.
///
/// Compare and hash it; that looks at the bytes where they are.
///
/// Spec: ASF 5.2.2
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Unpadded<'a> {
    error_correction: &'a [u8],
    /// Length type flags without the types of packet length and padding length, and property flags.
    flags: [u8; 2],
    sequence: Option<u32>,
    /// Times and payloads.
    contents: &'a [u8],
}

impl<'a> Unpadded<'a> {
    /// Looks at a packet that is whole, or as a server sent it.
    ///
    /// # Errors
    ///
    /// Those of [`restore`]; and the head of a whole packet is decoded as well.
    ///
    /// Spec: ASF 5.2.2
    pub fn of(packet: &'a [u8], packet_size: u32) -> Result<Self, AsfError> {
        let size = checked_size(packet_size)?;
        let (head, sent) = examine(packet, size)?;
        let from = head.padding.offset.saturating_add(head.padding.width.width());
        let contents = packet.get(from..packet.len().saturating_sub(sent.inside)).unwrap_or_default();
        Ok(Self {
            error_correction: head.error_correction,
            flags: [head.length_type_flags & !(PACKET_LENGTH_BITS | PADDING_LENGTH_BITS), head.property_flags],
            sequence: head.sequence,
            contents,
        })
    }
}
