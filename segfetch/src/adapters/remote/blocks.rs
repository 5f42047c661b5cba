//! The last few blocks that were read.

use std::ops::Range;

/// Bytes of a block. What is thrown away at once, and the smallest piece that a backward seek finds again.
pub(super) const BLOCK: usize = 256 << 10;

/// Bytes of a file, in blocks at multiples of [`BLOCK`], of which the least recently used one makes room for a new one.
///
/// Of each block one run of bytes is held: where a stream began in its middle, only the rest of it.
#[derive(Debug)]
pub(super) struct Blocks {
    most: usize,
    blocks: Vec<Block>,
    /// Counts uses.
    clock: u64,
}

#[derive(Debug)]
struct Block {
    /// The first byte that is held.
    start: u64,
    bytes: Vec<u8>,
    used: u64,
}

impl Blocks {
    /// Holds at most `bytes`, rounded down to whole blocks, at least one.
    pub(super) fn new(bytes: usize) -> Self {
        Self { most: (bytes / BLOCK).max(1), blocks: Vec::new(), clock: 0 }
    }

    /// The bytes from `at` on that are held, up to the end of their block.
    pub(super) fn get(&mut self, at: u64) -> Option<&[u8]> {
        self.clock += 1;
        let block = self.blocks.iter_mut().find(|block| block.range().contains(&at))?;
        block.used = self.clock;
        block.bytes.get(usize::try_from(at - block.start).ok()?..)
    }

    /// Takes bytes that belong at `at`. Of those that are held already, the range that differs is the error.
    pub(super) fn put(&mut self, mut at: u64, mut data: &[u8]) -> Result<(), Range<u64>> {
        while !data.is_empty() {
            let room = BLOCK - (at % BLOCK as u64) as usize;
            let (piece, rest) = data.split_at(data.len().min(room));
            self.put_in_block(at, piece)?;
            at += piece.len() as u64;
            data = rest;
        }
        Ok(())
    }

    fn put_in_block(&mut self, at: u64, piece: &[u8]) -> Result<(), Range<u64>> {
        self.clock += 1;
        let number = at / BLOCK as u64;
        let index = match self.blocks.iter().position(|block| block.start / BLOCK as u64 == number) {
            Some(index) => index,
            None => self.make_room(at),
        };
        let block = &mut self.blocks[index];
        block.used = self.clock;
        block.join(at, piece)
    }

    /// An empty block.
    fn make_room(&mut self, start: u64) -> usize {
        if self.blocks.len() < self.most {
            self.blocks.push(Block { start, bytes: Vec::with_capacity(BLOCK), used: 0 });
            return self.blocks.len() - 1;
        }
        let oldest = self.blocks.iter().enumerate().min_by_key(|(_, block)| block.used).map_or(0, |(index, _)| index);
        let block = &mut self.blocks[oldest];
        block.bytes.clear();
        block.start = start;
        oldest
    }
}

impl Block {
    fn range(&self) -> Range<u64> {
        self.start..self.start + self.bytes.len() as u64
    }

    /// Takes bytes of this block. They replace what is there if there is a gap between the two.
    fn join(&mut self, at: u64, piece: &[u8]) -> Result<(), Range<u64>> {
        let (have, come) = (self.range(), at..at + piece.len() as u64);
        if come.start > have.end || come.end < have.start {
            self.bytes.clear();
            self.bytes.extend_from_slice(piece);
            self.start = at;
            return Ok(());
        }
        let both = have.start.max(come.start)..have.end.min(come.end);
        let len = (both.end - both.start) as usize;
        let (old, new) = ((both.start - have.start) as usize, (both.start - come.start) as usize);
        if self.bytes[old..old + len] != piece[new..new + len] {
            return Err(both);
        }
        if come.end > have.end {
            self.bytes.extend_from_slice(&piece[new + len..]);
        }
        if come.start < have.start {
            self.bytes.splice(..0, piece[..new].iter().copied());
            self.start = at;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const B: u64 = BLOCK as u64;

    fn bytes(range: Range<u64>) -> Vec<u8> {
        range.map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
    }

    /// All that is held from `at` on without a gap.
    fn held(blocks: &mut Blocks, mut at: u64) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(more) = blocks.get(at) {
            all.extend_from_slice(more);
            at += more.len() as u64;
        }
        all
    }

    #[test]
    fn bytes_that_were_put_are_found_from_any_place_on() {
        let mut blocks = Blocks::new(4 * BLOCK);
        blocks.put(B - 100, &bytes(B - 100..2 * B + 5)).unwrap();
        blocks.put(2 * B + 5, &bytes(2 * B + 5..2 * B + 9)).unwrap();
        for at in [B - 100, B - 1, B, B + 1, 2 * B + 8] {
            assert_eq!(held(&mut blocks, at), bytes(at..2 * B + 9), "{at}");
        }
        assert!(blocks.get(B - 101).is_none() && blocks.get(2 * B + 9).is_none());
    }

    #[test]
    fn what_overlaps_is_joined_on_either_side_and_what_does_not_touch_replaces() {
        let mut blocks = Blocks::new(BLOCK);
        blocks.put(100, &bytes(100..200)).unwrap();
        for range in [150..250, 50..120, 60..70, 20..300, 10..20, 300..310] {
            blocks.put(range.start, &bytes(range)).unwrap();
        }
        assert_eq!(held(&mut blocks, 10), bytes(10..310));
        blocks.put(400, &bytes(400..500)).unwrap();
        assert!(blocks.get(309).is_none());
        assert_eq!(held(&mut blocks, 400), bytes(400..500));
    }

    #[test]
    fn bytes_that_are_held_and_come_again_otherwise_are_named() {
        let mut blocks = Blocks::new(BLOCK);
        blocks.put(100, &bytes(100..200)).unwrap();
        let mut other = bytes(150..250);
        other[10] ^= 1;
        assert_eq!(blocks.put(150, &other), Err(150..200));
        other[10] ^= 1;
        other[60] ^= 1;
        assert_eq!(blocks.put(150, &other), Ok(()), "the difference lies behind what is held");
    }

    #[test]
    fn the_least_recently_used_block_makes_room_and_memory_is_bounded() {
        let mut blocks = Blocks::new(3 * BLOCK + 1);
        for number in 0..3 {
            blocks.put(number * B, &bytes(number * B..(number + 1) * B)).unwrap();
        }
        blocks.get(0);
        blocks.put(7 * B, &bytes(7 * B..7 * B + 1)).unwrap();
        assert_eq!([0, 1, 2, 7].map(|number| blocks.get(number * B).is_some()), [true, false, true, true]);
        assert_eq!(blocks.blocks.len(), 3);
        assert!(blocks.blocks.iter().all(|block| block.bytes.capacity() == BLOCK));
    }
}
