//! The chunked transfer coding of HTTP/1.1, which a server may use although it was asked in HTTP/1.0.
//!
//! ```text
//!   body  = *( size [ ";" extension ] line-end  bytes line-end )  "0" [ ";" extension ] line-end  *trailer-line line-end
//! ```

use bytes::{Buf, BytesMut};

use super::WireError;

/// Longest line of a size or a trailer, in bytes with its end.
const LINE: usize = 8 << 10;

/// Most bytes of trailers.
const TRAILERS: usize = 64 << 10;

/// What the offsets of errors count in.
const WHAT: &str = "the chunked body";

/// Undoes the coding, piece by piece.
///
/// Spec: RFC 9112 section 7.1
#[derive(Debug, Default)]
pub struct Dechunker {
    state: State,
    /// Bytes taken so far.
    taken: usize,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Size,
    /// So many bytes are left of the chunk.
    Bytes(u64),
    /// The end of the line after the bytes of a chunk.
    After,
    /// So many bytes of trailers were seen.
    Trailers(usize),
    Done,
}

impl Dechunker {
    /// Moves what `buf` holds of the body to the end of `body`. Less than one line is left in `buf`, at most 8 KiB, until
    /// [`Self::is_done`]; then all that follows.
    ///
    /// # Errors
    /// No size where one should be, or a line or trailers without an end.
    ///
    /// Spec: RFC 9112 section 7.1
    pub fn decode(&mut self, buf: &mut BytesMut, body: &mut BytesMut) -> Result<(), WireError> {
        loop {
            match self.state {
                State::Done => return Ok(()),
                State::Bytes(left) => {
                    let len = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
                    body.extend_from_slice(&buf.split_to(len));
                    self.taken = self.taken.saturating_add(len);
                    let left = left.saturating_sub(u64::try_from(len).unwrap_or(u64::MAX));
                    self.state = if left == 0 { State::After } else { State::Bytes(left) };
                    if left > 0 {
                        return Ok(());
                    }
                }
                State::Size | State::After | State::Trailers(_) => {
                    let Some(end) = buf.iter().take(LINE).position(|&byte| byte == b'\n') else {
                        return if buf.len() >= LINE { Err(self.error("a line of more than 8 KiB")) } else { Ok(()) };
                    };
                    let line = buf.get(..end).unwrap_or_default();
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    self.state = self.line(line)?;
                    let len = end.saturating_add(1);
                    buf.advance(len);
                    self.taken = self.taken.saturating_add(len);
                }
            }
        }
    }

    /// Whether the last chunk and the trailers have come.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// What a line makes of the state.
    fn line(&self, line: &[u8]) -> Result<State, WireError> {
        match self.state {
            State::Size => match size(line) {
                Some(0) => Ok(State::Trailers(0)),
                Some(size) => Ok(State::Bytes(size)),
                None => Err(self.error("no size of a chunk")),
            },
            State::After if line.is_empty() => Ok(State::Size),
            State::After => Err(self.error("a chunk is longer than its size")),
            State::Trailers(_) if line.is_empty() => Ok(State::Done),
            State::Trailers(seen) => match seen.saturating_add(line.len()).saturating_add(2) {
                seen if seen > TRAILERS => Err(self.error("trailers of more than 64 KiB")),
                seen => Ok(State::Trailers(seen)),
            },
            State::Bytes(left) => Ok(State::Bytes(left)),
            State::Done => Ok(State::Done),
        }
    }

    fn error(&self, rule: &'static str) -> WireError {
        WireError::new(WHAT, self.taken, rule)
    }
}

/// Hexadecimal digits, before blanks or an extension.
fn size(line: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(line.split(|&byte| byte == b';').next()?).ok()?.trim();
    let plain = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(line, 16).ok())?
}
