//! Where the body of a response ends.
//!
//! Spec: RFC 9112 section 6.3

use bytes::BytesMut;

use crate::wire::{Dechunker, Head, WireError};

/// How the end of the body is told, and how far it has come.
#[derive(Debug, Default)]
pub(super) enum Body {
    /// By the end of the connection.
    #[default]
    UntilClose,
    /// By its length; so many bytes were not taken yet.
    Length(u64),
    /// By a last chunk of the transfer coding.
    Chunked {
        decoder: Dechunker,
        /// Without the coding, and not taken yet.
        plain: BytesMut,
    },
}

impl Body {
    pub(super) fn of(head: &Head) -> Self {
        match head.content_length() {
            _ if matches!(head.status, 204 | 304) => Self::Length(0),
            _ if head.is_chunked() => Self::Chunked { decoder: Dechunker::default(), plain: BytesMut::new() },
            Some(len) => Self::Length(len),
            None => Self::UntilClose,
        }
    }

    /// Whether its end can be known while the connection stays open, within this many bytes as far as it says.
    pub(super) fn ends_within(&self, len: usize) -> bool {
        match self {
            Self::UntilClose => false,
            Self::Length(left) => usize::try_from(*left).is_ok_and(|left| left <= len),
            Self::Chunked { .. } => true,
        }
    }

    /// Gives `take` what has come of the body and was not taken yet, and whether that is all there will be. What `take` leaves
    /// is given again. Bytes after the body stay in `buf`. In the second place, what is wrong with the coding behind that.
    pub(super) fn read<R>(
        &mut self,
        buf: &mut BytesMut,
        take: impl FnOnce(&mut BytesMut, bool) -> R,
    ) -> (R, Result<(), WireError>) {
        match self {
            Self::UntilClose => (take(buf, false), Ok(())),
            Self::Length(left) => {
                let len = usize::try_from(*left).unwrap_or(usize::MAX);
                let after = buf.split_off(len.min(buf.len()));
                let before = buf.len();
                let taken = take(buf, before == len);
                *left = left.saturating_sub(u64::try_from(before.saturating_sub(buf.len())).unwrap_or(u64::MAX));
                buf.unsplit(after);
                (taken, Ok(()))
            }
            Self::Chunked { decoder, plain } => {
                let decoded = decoder.decode(buf, plain);
                (take(plain, decoder.is_done()), decoded)
            }
        }
    }
}
