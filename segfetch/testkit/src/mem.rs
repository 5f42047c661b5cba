//! The cut driver: bytes handed to a reader in pieces, because a decoder test that does not try every cut is half a test.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, ReadBuf};

/// Calls `check` with `bytes` whole, one byte at a time, and cut in two at every place.
pub fn every_cut(bytes: &[u8], mut check: impl FnMut(&[&[u8]])) {
    check(&[bytes]);
    check(&bytes.chunks(1).collect::<Vec<_>>());
    for cut in 1..bytes.len() {
        let (head, tail) = bytes.split_at(cut);
        check(&[head, tail]);
    }
}

/// A reader that gives one piece per read, says "not ready" once before each, and then ends.
///
/// A piece longer than the reader's buffer is given in several reads.
#[derive(Debug, Clone)]
pub struct Pieces {
    pieces: std::collections::VecDeque<Bytes>,
    ready: bool,
}

impl Pieces {
    /// Pieces in the order in which they will be read; empty ones are left out, since an empty read means the end.
    pub fn new<P: AsRef<[u8]>>(pieces: impl IntoIterator<Item = P>) -> Self {
        let pieces = pieces.into_iter().map(|piece| Bytes::copy_from_slice(piece.as_ref()));
        Self { pieces: pieces.filter(|piece| !piece.is_empty()).collect(), ready: false }
    }
}

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        self.ready = !self.ready;
        if self.ready {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(piece) = self.pieces.front_mut() {
            let len = piece.len().min(buf.remaining());
            buf.put_slice(&piece[..len]);
            piece.advance(len);
            if piece.is_empty() {
                self.pieces.pop_front();
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[test]
    fn every_cut_keeps_the_bytes_and_visits_each_place_once() {
        let mut shapes = Vec::new();
        every_cut(b"abcd", |pieces| {
            assert_eq!(pieces.concat(), b"abcd");
            shapes.push(pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>());
        });
        assert_eq!(shapes, [vec![4], vec![1; 4], vec![1, 3], vec![2, 2], vec![3, 1]]);
    }

    #[tokio::test]
    async fn a_reader_sees_the_pieces_as_they_were_cut_then_the_end() {
        let mut reader = Pieces::new(["ab", "", "cde"]);
        let mut buf = [0; 2];
        let mut sizes = Vec::new();
        loop {
            let n = reader.read(&mut buf).await.unwrap();
            sizes.push(n);
            if n == 0 {
                break;
            }
        }
        assert_eq!(sizes, [2, 2, 1, 0]);
    }
}
