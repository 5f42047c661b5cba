//! One packet: what is said before its payloads.

use std::time::Duration;

use super::payload::Payloads;
use super::reader::Reader;
use super::{AsfError, Rule};

/// How wide a number is that may be absent.
///
/// Spec: ASF 5.2.2
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LengthType {
    /// It is not there.
    Absent,
    /// 1 byte.
    Byte,
    /// 2 bytes.
    Word,
    /// 4 bytes.
    Dword,
}

impl LengthType {
    /// From bits `shift` and `shift + 1`.
    pub(super) fn of(flags: u8, shift: u32) -> Self {
        match flags.checked_shr(shift).unwrap_or(0) & 3 {
            0 => Self::Absent,
            1 => Self::Byte,
            2 => Self::Word,
            _ => Self::Dword,
        }
    }

    /// The two bits, lowest first.
    pub(super) fn bits(self) -> u8 {
        match self {
            Self::Absent => 0,
            Self::Byte => 1,
            Self::Word => 2,
            Self::Dword => 3,
        }
    }

    /// In bytes.
    pub fn width(self) -> usize {
        match self {
            Self::Absent => 0,
            Self::Byte => 1,
            Self::Word => 2,
            Self::Dword => 4,
        }
    }
}

/// A packet, and where its payloads are.
///
/// ```text
/// | error correction: 1 000 0010, then 2 bytes; may be absent |
/// | length type flags u8: types of packet length 5-6, padding length 3-4, sequence 1-2; several payloads 0 |
/// | property flags u8: types of stream number 6-7, object number 4-5, offset 2-3, replicated data length 0-1 |
/// | packet length | sequence | padding length | send time u32, ms | duration u16, ms | payloads | padding |
/// ```
///
/// Spec: ASF 5.2
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Packet<'a> {
    /// Error correction data without the byte that announces it; mostly 2 zeros.
    pub error_correction: &'a [u8],
    /// The packet's own length in bytes, if it states one. What follows that is padding, too.
    pub packet_length: Option<u32>,
    /// Its sequence number, if it has one; nobody uses it.
    pub sequence: Option<u32>,
    /// What it says of its padding.
    pub padding: PaddingLength,
    /// When to send it, from the beginning of the file.
    pub send_time: Duration,
    /// How long its contents play, up to 65,535 ms.
    pub duration: Duration,
    payloads: Payloads<'a>,
}

/// The field that says how much padding ends a packet.
///
/// Spec: ASF 5.2.2
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PaddingLength {
    /// How wide the field is.
    pub width: LengthType,
    /// Where it is, or would be, in bytes from the beginning of the packet.
    pub offset: usize,
    /// How much padding it announces, in bytes; 0 if it is absent.
    pub value: u32,
}

impl<'a> Packet<'a> {
    /// Decodes a whole packet, that is one as it stands in a file. One that came without its padding is first to be
    /// [restored](super::restore). Payloads are decoded when they are asked for.
    ///
    /// # Errors
    ///
    /// It is cut off before the payloads; its own length or its padding is more than there is; it is error correction
    /// of an unknown kind, or numbers of streams are not one byte.
    ///
    /// Spec: ASF 5.2
    pub fn decode(bytes: &'a [u8]) -> Result<Self, AsfError> {
        let head = Head::read(bytes)?;
        // The number of the stream is of type BYTE, always.
        if LengthType::of(head.property_flags, 6) != LengthType::Byte {
            return Err(AsfError::new("packet", head.flags_at.saturating_add(1), Rule::StreamNumberType));
        }
        let mut rest = Reader::new("packet", bytes);
        let len = match head.packet_length {
            Some(len) => usize::try_from(len).ok().filter(|len| (head.end..=bytes.len()).contains(len)),
            None => Some(bytes.len()),
        };
        let len = len.ok_or_else(|| AsfError::new("packet", head.padding.offset, Rule::PacketLength))?;
        let padding = usize::try_from(head.padding.value).unwrap_or(usize::MAX);
        let end = len.checked_sub(padding).filter(|end| *end >= head.end);
        let end = end.ok_or_else(|| AsfError::new("packet", head.padding.offset, Rule::PaddingLength))?;
        rest.take(head.end)?;
        let area = rest.part(end.saturating_sub(head.end))?;
        let several = head.length_type_flags & 1 != 0;
        Ok(Self {
            error_correction: head.error_correction,
            packet_length: head.packet_length,
            sequence: head.sequence,
            padding: head.padding,
            send_time: Duration::from_millis(u64::from(head.send_time)),
            duration: Duration::from_millis(u64::from(head.duration)),
            payloads: Payloads::new(area, head.property_flags, several)?,
        })
    }

    /// The payloads in order. The first error ends them.
    ///
    /// Spec: ASF 5.2.3
    pub fn payloads(&self) -> Payloads<'a> {
        self.payloads.clone()
    }
}

/// All that precedes the payloads, as it stands, with nothing held against anything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub(super) error_correction: &'a [u8],
    /// Where the length type flags are.
    pub(super) flags_at: usize,
    pub(super) length_type_flags: u8,
    pub(super) property_flags: u8,
    pub(super) packet_length: Option<u32>,
    pub(super) sequence: Option<u32>,
    pub(super) padding: PaddingLength,
    pub(super) send_time: u32,
    pub(super) duration: u16,
    /// Where the payloads begin.
    pub(super) end: usize,
}

impl<'a> Head<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, AsfError> {
        let mut reader = Reader::new("packet", bytes);
        let error_correction = match bytes.first() {
            Some(flags) if flags & 0x80 != 0 => {
                // Bits 5-6: a length that is elsewhere. Bit 4: opaque data.
                if flags & 0x70 != 0 {
                    return Err(reader.error(Rule::ErrorCorrection));
                }
                reader.take(1)?;
                reader.take(usize::from(flags & 0x0F))?
            }
            _ => &[],
        };
        let flags_at = reader.offset();
        let (length_type_flags, property_flags) = (reader.u8()?, reader.u8()?);
        let optional = |reader: &mut Reader<'_>, width| {
            let value = reader.number(width)?;
            Ok(Some(value).filter(|_| width != LengthType::Absent))
        };
        let packet_length = optional(&mut reader, LengthType::of(length_type_flags, 5))?;
        let sequence = optional(&mut reader, LengthType::of(length_type_flags, 1))?;
        let width = LengthType::of(length_type_flags, 3);
        let padding = PaddingLength { width, offset: reader.offset(), value: reader.number(width)? };
        let (send_time, duration) = (reader.u32()?, reader.u16()?);
        Ok(Self {
            error_correction,
            flags_at,
            length_type_flags,
            property_flags,
            packet_length,
            sequence,
            padding,
            send_time,
            duration,
            end: reader.offset(),
        })
    }
}
