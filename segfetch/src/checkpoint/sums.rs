//! Checksums of blocks while they are written.

use std::collections::BTreeMap;
use std::ops::Range;

use crc32c::crc32c_append;

use super::{BlockClaim, Claims, Run};
use crate::range_set::RangeSet;

/// Sums the bytes of each block as they are written, and knows which bytes those were.
///
/// The rules, for bytes in any order:
/// * A byte counts once. Updating a byte that was there changes nothing: whoever writes asks [`missing`](Self::missing)
///   first, and leaves alone what was written before.
/// * A block is claimed from its start as far as it was written without a gap.
/// * Bytes that go on where the sum of their block ends are summed at once: the normal case, as streams start at block
///   boundaries or where an earlier one ended. Others are in [`unsummed`](Self::unsummed) from the moment when no gap is
///   before them, until they are given to [`read_back`](Self::read_back).
///
/// Memory: one entry for each block that is begun and not whole, or whole and not yet frozen; nothing for the others.
#[derive(Debug)]
pub struct BlockSums {
    shift: u8,
    have: RangeSet,
    open: BTreeMap<u64, Open>,
}

/// A block that is not finished, or not frozen yet.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    /// Bytes from the start of the block that are in `sum`.
    len: u32,
    sum: u32,
    /// Whether `sum` grew since the last freeze.
    news: bool,
}

impl BlockSums {
    /// Nothing written, blocks of `1 << shift` bytes.
    pub fn new(shift: u8) -> Self {
        Self { shift, have: RangeSet::new(), open: BTreeMap::new() }
    }

    /// Goes on from what a journal claims.
    pub fn resume(shift: u8, claims: &Claims) -> Self {
        let open = claims.partial().map(|BlockClaim { block, len, sum }| (block, Open { len, sum, news: false }));
        Self { shift, have: claims.have(), open: open.collect() }
    }

    /// What was written, frozen or not.
    pub fn have(&self) -> &RangeSet {
        &self.have
    }

    /// The parts of `range` that were not written yet.
    pub fn missing(&self, range: Range<u64>) -> Vec<Range<u64>> {
        self.have.gaps(range).collect()
    }

    /// Takes bytes that were written at `offset`, and returns how many of them were new.
    pub fn update(&mut self, mut offset: u64, mut data: &[u8]) -> u64 {
        let mut new = 0;
        while !data.is_empty() {
            let block = offset >> self.shift;
            let room = ((block + 1) << self.shift) - offset;
            let (piece, rest) = data.split_at(data.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
            let end = offset + piece.len() as u64;
            new += self.update_in_block(block, offset..end, piece);
            offset = end;
            data = rest;
        }
        new
    }

    /// Written bytes, each following the sum of its block, that are not in that sum.
    pub fn unsummed(&self) -> Vec<Range<u64>> {
        let ranges = self.open.iter().filter_map(|(&block, open)| {
            let summed = (block << self.shift) + u64::from(open.len);
            let written = self.have.range_at(summed)?.end.min((block + 1) << self.shift);
            (summed < written).then_some(summed..written)
        });
        ranges.collect()
    }

    /// Takes the bytes of one of the ranges that [`unsummed`](Self::unsummed) named.
    pub fn read_back(&mut self, offset: u64, data: &[u8]) {
        let block = offset >> self.shift;
        if let Some(open) = self.open.get_mut(&block) {
            open.extend(offset - (block << self.shift), data);
        }
    }

    /// The runs of blocks whose sums grew since the last freeze.
    pub fn freeze(&mut self) -> Vec<Run> {
        let mut blocks = Vec::new();
        let whole = 1 << self.shift;
        self.open.retain(|&block, open| {
            if std::mem::take(&mut open.news) {
                blocks.push(BlockClaim { block, len: open.len, sum: open.sum });
            }
            open.len < whole
        });
        Run::collect(self.shift, blocks)
    }

    /// Takes a piece that lies within one block.
    fn update_in_block(&mut self, block: u64, range: Range<u64>, piece: &[u8]) -> u64 {
        let gaps = self.missing(range.clone());
        for gap in &gaps {
            let new = &piece[(gap.start - range.start) as usize..(gap.end - range.start) as usize];
            self.open.entry(block).or_default().extend(gap.start - (block << self.shift), new);
            self.have.insert(gap.clone());
        }
        gaps.iter().map(|gap| gap.end - gap.start).sum()
    }
}

impl Open {
    /// Takes bytes at `offset` in the block, if they go on where the sum ends.
    fn extend(&mut self, offset: u64, bytes: &[u8]) {
        if offset == u64::from(self.len) {
            self.sum = crc32c_append(self.sum, bytes);
            self.len += bytes.len() as u32;
            self.news = true;
        }
    }
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "lists of ranges are what is compared")]
mod tests {
    use crc32c::crc32c;
    use proptest::prelude::*;

    use super::*;

    const SHIFT: u8 = 4;

    fn content(range: Range<u64>) -> Vec<u8> {
        range.map(|i| (i.wrapping_mul(2_654_435_761) >> 7) as u8).collect()
    }

    fn write(sums: &mut BlockSums, range: Range<u64>) -> u64 {
        sums.update(range.start, &content(range.clone()))
    }

    /// What the store does before a freeze.
    fn freeze(sums: &mut BlockSums) -> Vec<Run> {
        for range in sums.unsummed() {
            sums.read_back(range.start, &content(range.clone()));
        }
        sums.freeze()
    }

    fn assert_true(runs: &[Run]) {
        for claim in runs.iter().flat_map(Run::blocks) {
            let start = claim.block << SHIFT;
            assert_eq!(claim.sum, crc32c(&content(start..start + u64::from(claim.len))), "sum of {claim:?}");
        }
    }

    #[test]
    fn interleaved_spans_are_claimed_to_the_byte() {
        let mut sums = BlockSums::new(SHIFT);
        write(&mut sums, 0..20);
        write(&mut sums, 64..70);
        write(&mut sums, 20..37);
        let runs = freeze(&mut sums);
        assert_eq!(runs.iter().map(Run::range).collect::<Vec<_>>(), [0..37, 64..70]);
        assert_true(&runs);
        write(&mut sums, 70..80);
        let runs = freeze(&mut sums);
        assert_eq!(
            runs.iter().map(Run::range).collect::<Vec<_>>(),
            [64..80],
            "only what is new, from its block's start"
        );
        assert_true(&runs);
        assert!(freeze(&mut sums).is_empty());
    }

    #[test]
    fn a_whole_block_costs_nothing_once_it_is_frozen() {
        let mut sums = BlockSums::new(SHIFT);
        write(&mut sums, 0..24);
        assert!(sums.unsummed().is_empty(), "what follows a whole block is its neighbour's");
        freeze(&mut sums);
        assert_eq!(sums.open.keys().copied().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn bytes_that_come_again_change_nothing() {
        let mut sums = BlockSums::new(SHIFT);
        write(&mut sums, 0..24);
        assert_eq!(sums.missing(8..40), [24..40]);
        assert_eq!(sums.update(4, &[0xee; 16]), 0);
        let runs = freeze(&mut sums);
        assert_true(&runs);
        assert_eq!(sums.update(0, &[0xee; 16]), 0, "nor after the block was frozen whole");
        assert!(freeze(&mut sums).is_empty());
    }

    #[test]
    fn bytes_that_come_again_around_a_gap_are_summed_as_they_came_first() {
        let mut sums = BlockSums::new(SHIFT);
        write(&mut sums, 5..9);
        let mut again = content(0..16);
        again[5..9].fill(0xee);
        assert_eq!(sums.update(0, &again), 12);
        let runs = freeze(&mut sums);
        assert_eq!(runs.iter().map(Run::range).collect::<Vec<_>>(), [0..16]);
        assert_true(&runs);
    }

    #[test]
    fn a_block_that_is_begun_in_the_middle_is_claimed_when_the_gap_is_filled_and_read_back() {
        let mut sums = BlockSums::new(SHIFT);
        write(&mut sums, 5..16);
        assert!(freeze(&mut sums).is_empty(), "nothing is claimed behind a gap");
        write(&mut sums, 0..5);
        assert_eq!(sums.unsummed(), [5..16]);
        let runs = freeze(&mut sums);
        assert_eq!(runs.iter().map(Run::range).collect::<Vec<_>>(), [0..16]);
        assert_true(&runs);
    }

    #[test]
    fn a_recovered_partial_block_goes_on_where_it_ended() {
        let mut first = BlockSums::new(SHIFT);
        write(&mut first, 0..21);
        let mut claims = Claims::new(SHIFT);
        freeze(&mut first).iter().for_each(|run| claims.apply(run));
        let mut sums = BlockSums::resume(SHIFT, &claims);
        assert_eq!(sums.missing(0..40), [21..40]);
        write(&mut sums, 21..40);
        let runs = freeze(&mut sums);
        assert_eq!(runs.iter().map(Run::range).collect::<Vec<_>>(), [16..40]);
        assert_true(&runs);
    }

    proptest! {
        #[test]
        fn any_order_of_writes_and_freezes_claims_exactly_the_written_prefix_of_each_block(
            writes in proptest::collection::vec((0u64..160, 1u64..50, any::<bool>()), 1..40),
        ) {
            let mut sums = BlockSums::new(SHIFT);
            let mut claims = Claims::new(SHIFT);
            let mut written = RangeSet::new();
            for (start, len, freeze_now) in writes {
                let new = write(&mut sums, start..start + len);
                prop_assert_eq!(new, written.insert(start..start + len));
                if freeze_now {
                    let runs = freeze(&mut sums);
                    assert_true(&runs);
                    runs.iter().for_each(|run| claims.apply(run));
                }
            }
            freeze(&mut sums).iter().for_each(|run| claims.apply(run));
            let mut expected = RangeSet::new();
            for start in (0..256).step_by(1 << SHIFT) {
                if let Some(held) = written.range_at(start) {
                    expected.insert(start..held.end.min(start + (1 << SHIFT)));
                }
            }
            assert_true(&claims.runs());
            prop_assert_eq!(claims.have(), expected);
            prop_assert_eq!(sums.have(), &written);
        }
    }
}
