//! What is held, what is free, and how long the axis is.

use std::ops::Range;

use crate::range_set::RangeSet;

use super::GiveUp;

/// The axis without the spans of workers. `have`, `missing` and `free` are disjoint, and with those spans cover it exactly once.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) extent: Option<u64>,
    pub(super) have: RangeSet,
    pub(super) missing: RangeSet,
    pub(super) free: RangeSet,
    /// Skipped by one stream: skipped again, it is missing.
    doubtful: RangeSet,
}

impl Axis {
    pub(super) fn new(have: RangeSet) -> Self {
        let free = have.gaps(0..u64::MAX).collect();
        Self { extent: None, have, missing: RangeSet::new(), free, doubtful: RangeSet::new() }
    }

    /// End of the axis, or of all axes.
    pub(super) fn end(&self) -> u64 {
        self.extent.unwrap_or(u64::MAX)
    }

    /// Takes a statement about the extent, or what contradicts it. Spans are the caller's to clip.
    pub(super) fn learn(&mut self, found: u64) -> Result<(), GiveUp> {
        let ends = [&self.have, &self.missing].into_iter().filter_map(RangeSet::last).map(|last| last.end);
        let expected = self.extent.unwrap_or_else(|| ends.fold(found, u64::max));
        if expected != found {
            return Err(GiveUp::ExtentChanged { expected, found });
        }
        self.extent = Some(found);
        self.free.remove(found..u64::MAX);
        Ok(())
    }

    /// A stream said that it will not bring `range`.
    pub(super) fn skip(&mut self, range: Range<u64>) {
        let again: RangeSet = self.doubtful.overlaps(range.clone()).collect();
        self.free.extend(again.gaps(range.clone()));
        self.missing.extend(again.iter());
        self.doubtful.insert(range);
    }

    /// What is held or missing of `range` is to be fetched.
    pub(super) fn lose(&mut self, range: Range<u64>) {
        for set in [&mut self.have, &mut self.missing] {
            self.free.extend(set.overlaps(range.clone()));
            set.remove(range.clone());
        }
        self.doubtful.remove(range);
    }

    /// Whether nothing is left to fetch.
    pub(super) fn is_complete(&self) -> bool {
        self.have.total() + self.missing.total() == self.end()
    }
}
