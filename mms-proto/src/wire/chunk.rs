//! The chunks in the body of an MMSH response.
//!
//! ```text
//!   0  1  '$', with bit 7 if the next chunk follows at once
//!   1  1  what it is: H D E C M P T
//!   2  2  PacketLength: bytes after this field, little-endian
//!   4     H, D and M: a Data packet; E and C: a reason, 4 bytes
//! ```

use bytes::{Buf, Bytes, BytesMut};

use super::{DataHeader, DataPacket, Hresult, WireError};

/// Longest chunk, in bytes: its length has two of them.
pub const MAX_CHUNK: usize = 65_539;

/// Length of the framing.
const HEAD: usize = 4;

/// Bit 7 of the first byte says how the server paces, which does not matter here.
const MARK: u8 = 0x7F;

/// Most bytes between a packet pair and what follows it. Three packets of a pair take up less than 3 KiB.
const PAIR: usize = 8 << 10;

/// One chunk.
///
/// Spec: WMSP 2.2.3
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Chunk {
    /// `$H`: a piece of the ASF header.
    Header(DataPacket),
    /// `$D`: an ASF packet.
    Data(DataPacket),
    /// `$E`: the end, and why.
    End(Hresult),
    /// `$C`: what follows belongs to another content.
    StreamChange,
    /// `$M`: what is known of the content, before its header.
    Metadata(DataPacket),
    /// `$P`: a packet of a bandwidth test, of which only the framing was taken: see [`skip_pair`].
    PacketPair,
    /// `$T`: a test of whether requests can be sent together.
    PipelineTest,
    /// Another one, passed over.
    Unknown(u8),
}

/// Takes the next chunk from `buf` without copying it; `None`: it is not whole yet. What is left then is at most
/// [`MAX_CHUNK`] bytes.
///
/// # Errors
/// No chunk begins here, or a Data packet is longer than its chunk or shorter than its own head.
///
/// Spec: WMSP 2.2.3.1.1 and 2.2.3.1.2, by which both lengths are the same; if not, the rest of the chunk is passed over.
/// Observed: VLC before 3.0.20 trusted the second length, and could be broken into
pub fn chunk(buf: &mut BytesMut) -> Result<Option<Chunk>, WireError> {
    let Some(&first) = buf.first() else { return Ok(None) };
    if first & MARK != b'$' {
        return Err(WireError::new("the chunks", 0, "no $ where a chunk should begin"));
    }
    let &[_, kind, low, high, ..] = &buf[..] else { return Ok(None) };
    if kind == b'P' {
        buf.advance(HEAD);
        return Ok(Some(Chunk::PacketPair));
    }
    let len = usize::from(u16::from_le_bytes([low, high])).saturating_add(HEAD);
    if buf.len() < len {
        return Ok(None);
    }
    let mut body = buf.split_to(len).freeze();
    body.advance(HEAD);
    Ok(Some(match kind {
        b'H' => Chunk::Header(packet("chunk $H", &body)?),
        b'D' => Chunk::Data(packet("chunk $D", &body)?),
        b'M' => Chunk::Metadata(packet("chunk $M", &body)?),
        b'E' => Chunk::End(reason(&body)?),
        b'C' => Chunk::StreamChange,
        b'T' => Chunk::PipelineTest,
        other => Chunk::Unknown(other),
    }))
}

/// Passes over the packets of a bandwidth test, whose lengths are not to be relied on: takes bytes from `buf` until the first
/// piece of metadata or of a header begins in it. `true`: it does. `skipped` counts what was taken so far, in bytes.
///
/// # Errors
/// Nothing of the kind within 8 KiB.
///
/// Spec: WMSP 2.2.3.7, whose length field and sizes do not agree
pub fn skip_pair(buf: &mut BytesMut, skipped: &mut usize) -> Result<bool, WireError> {
    /// Framing and the head of a Data packet.
    const BOTH: usize = HEAD + 8;
    loop {
        match buf.get(..BOTH) {
            None => return Ok(false),
            Some(head) if begins_content(head) => return Ok(true),
            Some(_) => {}
        }
        buf.advance(1);
        *skipped = skipped.saturating_add(1);
        if *skipped > PAIR {
            return Err(WireError::new("the bandwidth test", PAIR, "nothing else follows within 8 KiB"));
        }
    }
}

/// The first of several pieces, or the only one, whose lengths agree.
fn begins_content(head: &[u8]) -> bool {
    const FIRST: u8 = 0x04;
    match *head {
        [first, b'H' | b'M', low, high, _, _, _, _, _, flags, size_low, size_high, ..] => {
            let size = u16::from_le_bytes([size_low, size_high]);
            first & MARK == b'$' && flags & FIRST != 0 && size == u16::from_le_bytes([low, high]) && size >= 8
        }
        _ => false,
    }
}

/// A Data packet. `body` is what its chunk says to hold.
fn packet(what: &'static str, body: &Bytes) -> Result<DataPacket, WireError> {
    if body.len() < DataHeader::LEN {
        return Err(WireError::new(what, 2, "shorter than the head of a Data packet"));
    }
    // 10: where PacketSize stands.
    DataPacket::within(body).ok_or(WireError::new(what, 10, "the length of the Data packet does not fit its chunk"))
}

/// Why the stream ends. Without a reason, all is well.
///
/// Spec: WMSP 2.2.3.4. Observed: the `asf_stream` muxer of ffmpeg and avserver write an empty Data packet in its place, which
/// begins with a count
fn reason(body: &[u8]) -> Result<Hresult, WireError> {
    match *body {
        [] | [_, _, _, _, _, 0, 8, 0] => Ok(Hresult::OK),
        [b0, b1, b2, b3, ..] => Ok(Hresult(u32::from_le_bytes([b0, b1, b2, b3]))),
        _ => Err(WireError::new("chunk $E", 4, "a reason of less than four bytes")),
    }
}
