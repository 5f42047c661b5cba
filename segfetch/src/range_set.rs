//! Sets of half-open ranges on a `u64` axis.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// Sorted, disjoint, half-open ranges. Ranges that touch are joined, so equal sets are equal values.
///
/// The axis ends before `u64::MAX`: a half-open range cannot hold that last unit. An empty or reversed range is nothing.
/// With `n` ranges, looking and changing cost O(log n), plus the number of ranges that a change swallows.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RangeSet {
    /// From start to end; neither empty nor touching its neighbour.
    ends: BTreeMap<u64, u64>,
    total: u64,
}

impl RangeSet {
    /// The empty set.
    pub const fn new() -> Self {
        Self { ends: BTreeMap::new(), total: 0 }
    }

    /// Adds every unit of `range` and returns how many of them were not there before.
    pub fn insert(&mut self, range: Range<u64>) -> u64 {
        if range.is_empty() {
            return 0;
        }
        let before = self.total;
        let Range { mut start, mut end } = range;
        if let Some((&s, &e)) = self.ends.range(..=start).next_back()
            && e >= start
        {
            start = s;
        }
        while let Some((&s, &e)) = self.ends.range(start..=end).next() {
            self.ends.remove(&s);
            self.total -= e - s;
            end = end.max(e);
        }
        self.ends.insert(start, end);
        self.total += end - start;
        self.total - before
    }

    /// Takes every unit of `range` out and returns how many of them were there.
    pub fn remove(&mut self, range: Range<u64>) -> u64 {
        if range.is_empty() {
            return 0;
        }
        let before = self.total;
        while let Some((&s, &e)) = self.ends.range(..range.end).next_back() {
            if e <= range.start {
                break;
            }
            self.ends.remove(&s);
            self.total -= e - s;
            for rest in [s..range.start, range.end..e] {
                if !rest.is_empty() {
                    self.total += rest.end - rest.start;
                    self.ends.insert(rest.start, rest.end);
                }
            }
        }
        before - self.total
    }

    /// The range of the set that holds `at`.
    pub fn range_at(&self, at: u64) -> Option<Range<u64>> {
        self.ends.range(..=at).next_back().filter(|&(_, &end)| at < end).map(|(&start, &end)| start..end)
    }

    /// Whether the unit `at` is in the set.
    pub fn contains(&self, at: u64) -> bool {
        self.range_at(at).is_some()
    }

    /// Whether every unit of `range` is in the set; true of an empty range.
    pub fn contains_range(&self, range: &Range<u64>) -> bool {
        range.is_empty() || self.range_at(range.start).is_some_and(|found| range.end <= found.end)
    }

    /// The ranges in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Range<u64>> + ExactSizeIterator + Clone + '_ {
        self.ends.iter().map(|(&start, &end)| start..end)
    }

    /// What the set holds of `within`, in ascending order.
    pub fn overlaps(&self, within: Range<u64>) -> impl Iterator<Item = Range<u64>> + Clone + '_ {
        let Range { start, end } = within;
        let head = self.range_at(start).map(|found| start..found.end.min(end)).filter(|head| !head.is_empty());
        // From `start + 1` on there is nothing that `head` has; a reversed `within` must not reach `BTreeMap::range`.
        let from = start.saturating_add(1).min(end);
        head.into_iter().chain(self.ends.range(from..end).map(move |(&s, &e)| s..e.min(end)))
    }

    /// What the set lacks of `within`, in ascending order.
    pub fn gaps(&self, within: Range<u64>) -> impl Iterator<Item = Range<u64>> + Clone + '_ {
        let Range { start, end } = within;
        let mut at = start;
        // The empty range at the end stands for what follows the last held one.
        self.overlaps(start..end).chain(std::iter::once(end..end)).filter_map(move |held| {
            let gap = at..held.start;
            at = held.end;
            (!gap.is_empty()).then_some(gap)
        })
    }

    /// The first range that the set lacks of `within`.
    pub fn first_gap(&self, within: Range<u64>) -> Option<Range<u64>> {
        self.gaps(within).next()
    }

    /// Every unit that is in at least one of the two sets. Cheapest if `other` is the one of fewer ranges.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        all.extend(other.iter());
        all
    }

    /// Every unit that is in both sets. Cheapest if `other` is the one of fewer ranges.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        other.iter().flat_map(|range| self.overlaps(range)).collect()
    }

    /// How many units the set holds.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many separate ranges the set consists of.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether the set holds nothing.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The lowest range.
    pub fn first(&self) -> Option<Range<u64>> {
        self.iter().next()
    }

    /// The highest range.
    pub fn last(&self) -> Option<Range<u64>> {
        self.iter().next_back()
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        *self = Self::new();
    }
}

impl fmt::Debug for RangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl From<Range<u64>> for RangeSet {
    fn from(range: Range<u64>) -> Self {
        Self::from_iter([range])
    }
}

impl FromIterator<Range<u64>> for RangeSet {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(ranges: I) -> Self {
        let mut set = Self::new();
        set.extend(ranges);
        set
    }
}

impl Extend<Range<u64>> for RangeSet {
    fn extend<I: IntoIterator<Item = Range<u64>>>(&mut self, ranges: I) {
        for range in ranges {
            self.insert(range);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One bit per unit of a short axis.
    type Bits = u64;
    const AXIS: u64 = 64;

    fn bits(range: &Range<u64>) -> Bits {
        (range.start..range.end).fold(0, |bits, at| bits | 1 << at)
    }

    fn bits_of(ranges: impl Iterator<Item = Range<u64>>) -> Bits {
        ranges.fold(0, |bits, range| {
            assert!(!range.is_empty());
            bits | self::bits(&range)
        })
    }

    fn set_of(bits: Bits) -> RangeSet {
        (0..AXIS).filter(|at| bits >> at & 1 == 1).map(|at| at..at + 1).collect()
    }

    fn any_range() -> impl Strategy<Value = Range<u64>> {
        (0..=AXIS, 0..=AXIS).prop_map(|(a, b)| a..b)
    }

    fn assert_canonical(set: &RangeSet) {
        let ranges: Vec<_> = set.iter().collect();
        assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start), "sorted, disjoint, joined: {set:?}");
        assert_eq!(ranges.len(), set.len());
        assert_eq!(ranges.iter().map(|r| r.end - r.start).sum::<u64>(), set.total());
        assert_eq!(ranges.first().cloned(), set.first());
        assert_eq!(ranges.last().cloned(), set.last());
        assert_eq!(set.iter().rev().count(), set.iter().len());
    }

    proptest! {
        #[test]
        fn a_set_does_what_a_bitmap_does(steps in prop::collection::vec((any::<bool>(), any_range()), 0..40), within in any_range()) {
            let (mut set, mut model) = (RangeSet::new(), 0);
            for (add, range) in steps {
                let mask = bits(&range);
                if add {
                    prop_assert_eq!(set.insert(range.clone()), u64::from((mask & !model).count_ones()));
                    model |= mask;
                } else {
                    prop_assert_eq!(set.remove(range.clone()), u64::from((mask & model).count_ones()));
                    model &= !mask;
                }
                assert_canonical(&set);
                prop_assert_eq!(&set, &set_of(model));
                prop_assert_eq!(set.contains_range(&range), bits(&range) & !model == 0);
            }
            for at in 0..AXIS {
                prop_assert_eq!(set.contains(at), model >> at & 1 == 1);
            }
            let mask = bits(&within);
            prop_assert_eq!(bits_of(set.overlaps(within.clone())), model & mask);
            prop_assert_eq!(bits_of(set.gaps(within.clone())), !model & mask);
            prop_assert_eq!(set.first_gap(within.clone()), set.gaps(within.clone()).next());
            // Gaps are whole: between two of them there is something held.
            prop_assert_eq!(set.gaps(within.clone()).count(), set.gaps(within).collect::<RangeSet>().len());
        }

        #[test]
        fn union_and_intersection_are_those_of_bitmaps(a in any::<Bits>(), b in any::<Bits>()) {
            prop_assert_eq!(set_of(a).union(&set_of(b)), set_of(a | b));
            prop_assert_eq!(set_of(a).intersect(&set_of(b)), set_of(a & b));
        }
    }

    #[test]
    fn the_whole_axis_fits() {
        let mut set = RangeSet::from(0..u64::MAX);
        assert_eq!(set.total(), u64::MAX);
        assert_eq!(set.insert(u64::MAX - 1..u64::MAX), 0);
        assert_eq!(set.remove(u64::MAX - 1..u64::MAX), 1);
        assert_eq!(set.gaps(0..u64::MAX).collect::<Vec<_>>(), vec![u64::MAX - 1..u64::MAX]);
        assert_eq!(set.overlaps(u64::MAX..u64::MAX).count(), 0);
        assert!(!set.contains(u64::MAX));
        assert_eq!(format!("{set:?}"), format!("{{0..{}}}", u64::MAX - 1));
    }

    #[test]
    fn nothing_is_added_by_an_empty_or_reversed_range() {
        let mut set = RangeSet::from(10..20);
        #[expect(clippy::reversed_empty_ranges, reason = "that is the case")]
        for nothing in [15..15, 18..12, 30..5] {
            assert_eq!(set.insert(nothing.clone()), 0);
            assert_eq!(set.remove(nothing.clone()), 0);
            assert!(set.contains_range(&nothing));
            assert_eq!(set.overlaps(nothing.clone()).count() + set.gaps(nothing).count(), 0);
        }
        assert_eq!(set, RangeSet::from(10..20));
        assert!(!set.is_empty());
        set.clear();
        assert!(set.is_empty());
        assert_eq!(set.first_gap(3..9), Some(3..9));
    }
}
