//! The Data packet: what carries the pieces of the header and the packets of the media, in MMST, MMSU and MMSH alike.
//!
//! ```text
//! 0            4                   5         6            8
//! | LocationId | playIncarnation   | AFFlags | PacketSize | payload ..
//! | u32        | u8                | u8      | u16        | PacketSize - 8 bytes
//! ```
//! Little-endian.

use std::fmt;

use bytes::Bytes;
use nom::number::complete::{le_u16, le_u32, u8};
use nom::{Err, IResult, Parser};

use super::WireError;

const WHAT: &str = "Data packet";

/// The first 8 bytes of a Data packet.
///
/// Spec: MMSP 2.2.2, WMSP 2.2.3
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DataHeader {
    /// LocationId: of media, the number of the ASF packet in the file; of a header, the number of the piece. From 0.
    pub location: u32,
    /// The low 8 bits of the playIncarnation of the request that this answers.
    pub incarnation: u8,
    /// AFFlags: of a header, marks; of media, the low 8 bits of a number that counts the packets sent.
    pub flags: u8,
    /// PacketSize: the length of header and payload, in bytes. At least 8.
    pub packet_size: u16,
}

impl DataHeader {
    /// In bytes.
    pub const LEN: usize = 8;
    /// The mark in [`flags`](Self::flags) of a piece that another one follows: all but the last in MMST, the first in
    /// MMSH.
    pub const MARK_FIRST: u8 = 0x04;
    /// The mark in [`flags`](Self::flags) of the last piece of a header.
    pub const MARK_LAST: u8 = 0x08;
    /// The incarnation of packets that nobody asked for: those of a bandwidth test, and those of new content after
    /// ReportStreamChange.
    pub const UNASKED: u8 = 0xFF;

    /// Reads the beginning of a Data packet.
    ///
    /// # Errors
    /// There are fewer than 8 bytes, or a PacketSize that does not count its own header.
    ///
    /// Spec: MMSP 2.2.2
    pub fn decode(input: &[u8]) -> Result<Self, WireError> {
        let parsed: IResult<_, _> = (le_u32, u8, u8, le_u16).parse(input);
        let (_, (location, incarnation, flags, packet_size)) = parsed.map_err(|_: Err<nom::error::Error<_>>| {
            WireError::new(WHAT, input.len(), "a Data packet has a header of 8 bytes")
        })?;
        if usize::from(packet_size) < Self::LEN {
            return Err(WireError::new(WHAT, 6, "PacketSize counts the header of 8 bytes"));
        }
        Ok(Self { location, incarnation, flags, packet_size })
    }

    /// Bytes after the header.
    pub fn payload_len(&self) -> usize {
        usize::from(self.packet_size).saturating_sub(Self::LEN)
    }

    /// Whether this is the last piece of a header.
    pub fn is_last_piece(&self) -> bool {
        self.flags & Self::MARK_LAST != 0
    }

    /// Whether this is half of a packet pair, whose payload is noise.
    pub fn is_packet_pair(&self) -> bool {
        self.incarnation == Self::UNASKED && matches!(self.location, 0xF0F0_F000 | 0xF0F0_F001)
    }
}

/// A Data packet. `Debug` does not show the payload.
#[derive(Clone, PartialEq, Eq)]
pub struct DataPacket {
    /// What it is.
    pub header: DataHeader,
    /// A piece of a header, or one ASF packet, perhaps without its padding.
    pub payload: Bytes,
}

impl DataPacket {
    /// A packet at the beginning of `body`, of which its payload is a part. What stands behind PacketSize is ignored.
    pub(super) fn within(body: &Bytes) -> Option<Self> {
        let header = DataHeader::decode(body).ok()?;
        let size = usize::from(header.packet_size);
        (size <= body.len()).then(|| Self { header, payload: body.slice(DataHeader::LEN..size) })
    }

    /// Reads a datagram, and copies its payload. What stands behind PacketSize is ignored.
    ///
    /// # Errors
    /// The header is malformed, or PacketSize says more than there is.
    ///
    /// Spec: MMSP 2.2.2
    pub fn decode(datagram: &[u8]) -> Result<Self, WireError> {
        let header = DataHeader::decode(datagram)?;
        let payload = datagram.get(DataHeader::LEN..usize::from(header.packet_size));
        let short = || WireError::new(WHAT, datagram.len(), "the datagram is shorter than its PacketSize");
        Ok(Self { header, payload: Bytes::copy_from_slice(payload.ok_or_else(short)?) })
    }
}

impl fmt::Debug for DataPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataPacket").field("header", &self.header).finish_non_exhaustive()
    }
}
