//! What is claimed to be on the disk, block by block.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::range_set::RangeSet;

/// Bytes that are on the disk: from the start of a block to `end`, with a checksum for each block.
///
/// The last block may be a partial one; its checksum is that of its bytes up to `end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// First byte; the start of a block.
    pub start: u64,
    /// Behind the last byte.
    pub end: u64,
    /// Binary logarithm of the bytes of a block.
    pub shift: u8,
    /// CRC32C of each block from `start` on.
    pub sums: Vec<u32>,
}

/// One block, or the beginning of one, that is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockClaim {
    /// The number of the block.
    pub block: u64,
    /// Bytes from its start; the whole block, or less.
    pub len: u32,
    /// CRC32C of those bytes.
    pub sum: u32,
}

/// All claims of a journal. Takes four bytes for each block: 4 MiB for a file of 1 TiB in blocks of 1 MiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    shift: u8,
    /// Sums of neighbouring blocks by the first block; neighbours may touch.
    sums: BTreeMap<u64, Vec<u32>>,
    /// Bytes of the blocks of which only the beginning is claimed.
    partial: BTreeMap<u64, u32>,
}

impl Run {
    /// Bytes of the run.
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Whether it holds nothing; no run of a journal does.
    pub fn is_empty(&self) -> bool {
        self.end == self.start
    }

    /// The bytes as a range.
    pub fn range(&self) -> Range<u64> {
        self.start..self.end
    }

    /// Each block of it.
    pub fn blocks(&self) -> impl Iterator<Item = BlockClaim> + '_ {
        (self.start >> self.shift..).zip(&self.sums).map(|(block, &sum)| {
            let len = (self.end - (block << self.shift)).min(1 << self.shift) as u32;
            BlockClaim { block, len, sum }
        })
    }

    /// Puts neighbouring blocks, in ascending order, together.
    pub(super) fn collect(shift: u8, blocks: impl IntoIterator<Item = BlockClaim>) -> Vec<Self> {
        let mut runs: Vec<Self> = Vec::new();
        for BlockClaim { block, len, sum } in blocks {
            let start = block << shift;
            match runs.last_mut() {
                Some(last) if last.end == start => {
                    last.end += u64::from(len);
                    last.sums.push(sum);
                }
                _ => runs.push(Self { start, end: start + u64::from(len), shift, sums: vec![sum] }),
            }
        }
        runs
    }

    /// Keeps the first `blocks` blocks, fewer than it has, and returns the rest.
    pub(super) fn split_off(&mut self, blocks: usize) -> Self {
        let at = self.start + ((blocks as u64) << self.shift);
        let rest = Self { start: at, end: self.end, shift: self.shift, sums: self.sums.split_off(blocks) };
        self.end = at;
        rest
    }
}

impl Claims {
    /// No claim, in blocks of `1 << shift` bytes.
    pub fn new(shift: u8) -> Self {
        Self { shift, sums: BTreeMap::new(), partial: BTreeMap::new() }
    }

    /// Adds a run; its sums take the place of earlier ones of the same blocks.
    pub fn apply(&mut self, run: &Run) {
        let (first, mut sums) = (run.start >> self.shift, run.sums.as_slice());
        let behind = first + sums.len() as u64;
        let full: Vec<u64> = self.partial.range(first..behind).map(|(&block, _)| block).collect();
        for block in full {
            self.partial.remove(&block);
        }
        let tail = run.end & ((1 << self.shift) - 1);
        if tail != 0 {
            self.partial.insert(behind - 1, tail as u32);
        }
        let mut block = first;
        while let Some(&next) = sums.first() {
            // Up to the next run, what is there is replaced and what is not there is added behind it.
            let until = self.sums.range(block + 1..).next().map_or(u64::MAX, |(&start, _)| start);
            let n = sums.len().min(usize::try_from(until - block).unwrap_or(usize::MAX));
            let (now, later) = sums.split_at(n);
            match self.sums.range_mut(..=block).next_back() {
                Some((&start, have)) if start + have.len() as u64 >= block => {
                    let at = (block - start) as usize;
                    let replaced = n.min(have.len() - at);
                    have[at..at + replaced].copy_from_slice(&now[..replaced]);
                    have.extend_from_slice(&now[replaced..]);
                }
                _ => {
                    debug_assert_eq!(next, now[0]);
                    self.sums.insert(block, now.to_vec());
                }
            }
            block += n as u64;
            sums = later;
        }
    }

    /// Each block of which something is claimed, in ascending order.
    pub fn blocks(&self) -> impl Iterator<Item = BlockClaim> + '_ {
        let numbered = self.sums.iter().flat_map(|(&first, sums)| (first..).zip(sums));
        numbered.map(|(block, &sum)| BlockClaim { block, len: self.len_of(block), sum })
    }

    /// The blocks of which only the beginning is claimed.
    pub fn partial(&self) -> impl Iterator<Item = BlockClaim> + '_ {
        self.partial.keys().filter_map(|&block| {
            let (&first, sums) = self.sums.range(..=block).next_back()?;
            let sum = *sums.get(usize::try_from(block - first).ok()?)?;
            Some(BlockClaim { block, len: self.len_of(block), sum })
        })
    }

    /// How many blocks something is claimed of.
    pub fn count(&self) -> u64 {
        self.sums.values().map(|sums| sums.len() as u64).sum()
    }

    /// The claimed bytes.
    pub fn have(&self) -> RangeSet {
        let mut have = RangeSet::new();
        for (&first, sums) in &self.sums {
            have.insert(first << self.shift..(first + sums.len() as u64) << self.shift);
        }
        for (&block, &len) in &self.partial {
            have.remove((block << self.shift) + u64::from(len)..(block + 1) << self.shift);
        }
        have
    }

    /// The claims as sorted, disjoint runs.
    pub fn runs(&self) -> Vec<Run> {
        Run::collect(self.shift, self.blocks())
    }

    /// Gives up what is claimed of each block for which `keep` is false.
    pub fn retain(&mut self, mut keep: impl FnMut(BlockClaim) -> bool) {
        let kept = Run::collect(self.shift, self.blocks().filter(|&claim| keep(claim)));
        *self = Self::new(self.shift);
        for run in &kept {
            self.apply(run);
        }
    }

    fn len_of(&self, block: u64) -> u32 {
        self.partial.get(&block).copied().unwrap_or(1 << self.shift)
    }
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "lists of ranges are what is compared")]
mod tests {
    use super::*;

    const SHIFT: u8 = 12;

    fn run(first: u64, blocks: u64, missing: u64, sum: u32) -> Run {
        let start = first << SHIFT;
        let end = start + (blocks << SHIFT) - missing;
        Run { start, end, shift: SHIFT, sums: (0..blocks as u32).map(|i| sum + i).collect() }
    }

    fn claims(runs: &[Run]) -> Claims {
        let mut claims = Claims::new(SHIFT);
        runs.iter().for_each(|run| claims.apply(run));
        claims
    }

    #[test]
    fn the_length_of_a_run_is_that_of_its_bytes() {
        let run = run(3, 2, 100, 10);
        assert_eq!((run.len(), run.is_empty(), run.range().start), ((2 << SHIFT) - 100, false, 3 << SHIFT));
        assert!(Run { end: run.start, ..run }.is_empty());
    }

    #[test]
    fn a_later_run_supersedes_the_sums_and_the_length_of_its_blocks() {
        let claims = claims(&[run(3, 2, 100, 10), run(4, 1, 0, 20)]);
        assert_eq!(claims.runs(), [Run { sums: vec![10, 20], ..run(3, 2, 0, 0) }]);
        assert_eq!(claims.partial().count(), 0);
    }

    #[test]
    fn a_run_over_several_others_fills_their_gaps_and_replaces_their_sums() {
        let all = claims(&[run(2, 1, 0, 100), run(4, 2, 7, 200), run(9, 1, 0, 300), run(0, 12, 5, 0)]);
        assert_eq!(all.runs(), [run(0, 12, 5, 0)]);
        assert_eq!(all.have().iter().collect::<Vec<_>>(), [0..(12 << SHIFT) - 5]);
        assert_eq!(all.partial().collect::<Vec<_>>(), [BlockClaim { block: 11, len: 4091, sum: 11 }]);
    }

    #[test]
    fn a_partial_block_ends_a_run_even_if_its_neighbour_is_claimed() {
        let claims = claims(&[run(0, 2, 96, 1), run(2, 1, 0, 9)]);
        assert_eq!(claims.runs(), [run(0, 2, 96, 1), run(2, 1, 0, 9)]);
        assert_eq!(claims.have().total(), (3 << SHIFT) - 96);
    }

    #[test]
    fn a_block_that_is_given_up_leaves_its_neighbours() {
        let mut claims = claims(&[run(0, 5, 50, 1)]);
        claims.retain(|claim| claim.block != 2);
        assert_eq!(claims.runs(), [run(0, 2, 0, 1), run(3, 2, 50, 4)]);
        assert_eq!(claims.count(), 4);
    }
}
