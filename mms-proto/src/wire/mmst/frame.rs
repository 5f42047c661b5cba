//! Framing: what comes next on the connection, and where it ends.
//!
//! ```text
//! 0     1         2              3         4             8               12
//! | rep | version | versionMinor | padding | sessionId   | messageLength | seal
//! | 1   | 0       | 0            | any     | CE FA 0B B0 | u32           | "MMS "
//!
//! 16           20    22    24          32
//! | chunkCount | seq | MBZ | timeSent  | messages: messageLength - 16 bytes
//! | u32        | u16 | u16 | 8 bytes   |
//! ```

use bytes::{Buf, Bytes, BytesMut};

use crate::wire::{DataHeader, DataPacket, WireError};

/// The largest messageLength that is accepted, in bytes. The longest message known, half a packet pair, has 1056.
pub const MAX_MESSAGE_LENGTH: usize = 64 << 10;

/// The most that [`split_frame`] waits for, in bytes: a reader's buffer must be able to hold it.
pub const MAX_FRAME_LEN: usize = UNCOUNTED_LEN + MAX_MESSAGE_LENGTH;

/// TcpMessageHeader, in bytes.
const HEADER_LEN: usize = 32;
/// Bytes of it that messageLength does not count.
const UNCOUNTED_LEN: usize = 16;
/// chunkLen and MID.
const MESSAGE_HEAD_LEN: usize = 8;
const MIN_MESSAGE_LENGTH: usize = HEADER_LEN - UNCOUNTED_LEN + MESSAGE_HEAD_LEN;
const WHAT: &str = "TcpMessageHeader";

/// What a connection carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// What follows a TcpMessageHeader.
    Control(Messages),
    /// A piece of a header, or a packet of the media.
    Data(DataPacket),
}

/// Takes the next whole frame out of `buf`, without copying its payload; `None` if it is not whole yet.
///
/// The bytes of sessionId can also be the middle of a Data packet: incarnation 0xCE, flags 0xFA, and a size of 45 067.
/// So 16 bytes are looked at before it is decided, which either of them has. Of the TcpMessageHeader nothing but
/// messageLength is believed: chunkCount is written in two ways, and timeSent is noise.
///
/// # Errors
/// No frame can begin so.
///
/// Spec: MMSP 2.2.3, 2.2.2. Observed: chunkCount as messageLength / 8 in all clients and in Windows Media Services
/// 9.01, as the spec has it in WTVMMS
pub fn split_frame(buf: &mut BytesMut) -> Result<Option<Frame>, WireError> {
    let Some([1, 0, 0, _, 0xCE, 0xFA, 0x0B, 0xB0, length @ .., b'M', b'M', b'S', b' ']) = buf.first_chunk::<16>()
    else {
        return split_data(buf);
    };
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length < MIN_MESSAGE_LENGTH {
        return Err(WireError::new(WHAT, 8, "messageLength has room for a message"));
    }
    if length > MAX_MESSAGE_LENGTH {
        return Err(WireError::new(WHAT, 8, "messageLength is 65536 at most"));
    }
    let whole = length.saturating_add(UNCOUNTED_LEN);
    if buf.len() < whole {
        return Ok(None);
    }
    let mut rest = buf.split_to(whole).freeze();
    rest.advance(HEADER_LEN);
    Ok(Some(Frame::Control(Messages { rest, offset: 0 })))
}

fn split_data(buf: &mut BytesMut) -> Result<Option<Frame>, WireError> {
    if buf.len() < DataHeader::LEN {
        return Ok(None);
    }
    let header = DataHeader::decode(buf)?;
    let whole = usize::from(header.packet_size);
    if buf.len() < whole {
        return Ok(None);
    }
    let mut payload = buf.split_to(whole).freeze();
    payload.advance(DataHeader::LEN);
    Ok(Some(Frame::Data(DataPacket { header, payload })))
}

/// The messages after one TcpMessageHeader, each from its chunkLen on: mostly one, but there may be several.
///
/// If the first chunkLen cannot be, all of it is one message: messageLength has said how long it is. Zeros behind a
/// message are padding. Anything else there is an error, and the last item.
///
/// Spec: MMSP 2.2.3, 2.2.4
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Messages {
    rest: Bytes,
    offset: usize,
}

impl Iterator for Messages {
    type Item = Result<Bytes, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        let chunks = u32::from_le_bytes(*self.rest.first_chunk()?);
        let len = usize::try_from(chunks).unwrap_or(usize::MAX).saturating_mul(8);
        let fits = (MESSAGE_HEAD_LEN..=self.rest.len()).contains(&len);
        if !fits && self.offset > 0 {
            let rest = std::mem::take(&mut self.rest);
            let error =
                WireError::new(WHAT, HEADER_LEN.saturating_add(self.offset), "chunkLen stays within messageLength");
            return rest.iter().any(|byte| *byte != 0).then_some(Err(error));
        }
        let len = if fits { len } else { self.rest.len() };
        self.offset = self.offset.saturating_add(len);
        Some(Ok(self.rest.split_to(len)))
    }
}
