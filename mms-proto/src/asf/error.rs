//! Why bytes are no ASF.

use thiserror::Error;

/// Bytes that break a rule of ASF, or a limit of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{rule} (offset {offset} of the {what})")]
#[non_exhaustive]
pub struct AsfError {
    /// What they were read as: "header" or "packet".
    pub what: &'static str,
    /// How many bytes from its beginning.
    pub offset: usize,
    /// What is broken.
    pub rule: Rule,
}

impl AsfError {
    pub(super) fn new(what: &'static str, offset: usize, rule: Rule) -> Self {
        Self { what, offset, rule }
    }
}

/// A rule of ASF, or a limit of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Rule {
    /// Something goes on behind the end of what contains it.
    #[error("it ends within a field")]
    Truncated,
    /// The first object is no Header Object.
    #[error("no ASF Header Object")]
    NotAHeader,
    /// The header is longer than [`MAX_HEADER_LEN`](super::MAX_HEADER_LEN).
    #[error("the header is longer than {} bytes", super::MAX_HEADER_LEN)]
    HeaderTooLong,
    /// An object is shorter than its own GUID and size, or than its fixed fields.
    #[error("the size of an object is less than what it must have")]
    ObjectTooSmall,
    /// An object is longer than what contains it.
    #[error("an object goes beyond the end of what contains it")]
    ObjectBeyondParent,
    /// There is no File Properties Object.
    #[error("no File Properties Object")]
    NoFileProperties,
    /// There are two File Properties Objects: which one counts?
    #[error("a second File Properties Object")]
    SecondFileProperties,
    /// What follows the header is no Data Object.
    #[error("no Data Object after the header")]
    NoDataObject,
    /// Streams are numbered from 1 to 127.
    #[error("a stream of number 0")]
    StreamZero,
    /// Packets have no common size, so that none can be found by its number.
    #[error("packets of {min} to {max} bytes: there is no one packet size")]
    PacketSizeVaries {
        /// Length of the shortest, in bytes.
        min: u32,
        /// Length of the longest, in bytes.
        max: u32,
    },
    /// No packet size, or one above [`MAX_PACKET_SIZE`](super::MAX_PACKET_SIZE).
    #[error("a packet size of {0}, which is not 1 to {max}", max = super::MAX_PACKET_SIZE)]
    PacketSizeOutOfRange(u32),
    /// A packet is longer than the packet size.
    #[error("the packet is longer than the packet size")]
    PacketTooLong,
    /// A packet is shorter than the packet size where whole ones are needed.
    #[error("the packet is shorter than the packet size")]
    PacketTooShort,
    /// More packets than an index can number.
    #[error("more packets than 32 bits can number")]
    TooManyPackets,
    /// Error correction data of unknown length, or opaque data.
    #[error("error correction of an unknown kind")]
    ErrorCorrection,
    /// The packet's own length leaves no room for what it must have, or is more than there is.
    #[error("the packet states an impossible length")]
    PacketLength,
    /// The padding is longer than what is left of the packet.
    #[error("the padding is longer than the packet has room for")]
    PaddingLength,
    /// A stream's number is one byte.
    #[error("the number of the stream is not one byte")]
    StreamNumberType,
    /// Replicated data has a size and a time, or is one byte, or absent.
    #[error("replicated data of 2 to 7 bytes")]
    ReplicatedLength,
    /// A packet of several payloads has none.
    #[error("a packet of several payloads without one")]
    NoPayload,
    /// One of several payloads has no length.
    #[error("one of several payloads without a length")]
    NoPayloadLength,
    /// A piece of a media object lies beyond the object's size.
    #[error("a piece that is beyond the end of its media object")]
    BeyondObject,
}
