//! The borrowed end of an engine buffer.

use bytes::{BufMut, BytesMut};

/// Room in an engine's buffer, lent to a reader for one call.
///
/// It cannot grow: whatever is put behind the end is refused. `remaining` is in bytes.
#[derive(Debug)]
pub struct Space<'a> {
    buffer: &'a mut BytesMut,
    /// Length of `buffer` at which the space is full.
    full_at: usize,
}

impl<'a> Space<'a> {
    /// Lends at most `max` bytes of the spare capacity of `buffer`.
    pub fn new(buffer: &'a mut BytesMut, max: usize) -> Self {
        let spare = buffer.capacity() - buffer.len();
        let full_at = buffer.len() + spare.min(max);
        Self { buffer, full_at }
    }

    /// Bytes that can still be put.
    pub fn remaining(&self) -> usize {
        self.full_at.saturating_sub(self.buffer.len())
    }

    /// Copies as much of `data` as fits and returns how many bytes that were.
    pub fn put(&mut self, data: &[u8]) -> usize {
        let n = data.len().min(self.remaining());
        self.buffer.extend_from_slice(&data[..n]);
        n
    }

    /// The space as a [`BufMut`], for readers that can receive into memory without a copy. What is put there is put: no further call
    /// is needed.
    pub fn buf_mut(&mut self) -> impl BufMut + '_ {
        let remaining = self.remaining();
        (&mut *self.buffer).limit(remaining)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_space_is_never_larger_than_the_spare_capacity() {
        let mut buffer = BytesMut::with_capacity(64);
        let capacity = buffer.capacity();
        let space = Space::new(&mut buffer, usize::MAX);
        assert_eq!(space.remaining(), capacity);
    }

    #[test]
    fn put_takes_what_fits_and_keeps_what_was_there() {
        let mut buffer = BytesMut::with_capacity(64);
        buffer.extend_from_slice(b"old");
        let mut space = Space::new(&mut buffer, 4);
        assert_eq!(space.put(b"abcdef"), 4);
        assert_eq!(space.put(b"x"), 0);
        assert_eq!(space.remaining(), 0);
        assert_eq!(&buffer[..], b"oldabcd");
    }

    #[test]
    fn buf_mut_is_limited_too() {
        let mut buffer = BytesMut::with_capacity(64);
        let mut space = Space::new(&mut buffer, 4);
        assert_eq!(space.buf_mut().remaining_mut(), 4);
        space.buf_mut().put_slice(b"abc");
        assert_eq!(space.buf_mut().remaining_mut(), 1);
    }
}
