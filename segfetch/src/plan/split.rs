//! Where to cut a span.

use std::ops::Range;

/// A free span is worth a stream if that brings it for this many times what opening it costs...
const WORTH: f64 = 2.0;
/// ...and a share that is stolen if the victim would need this part of that for it: it is the end of all, and nobody waits behind it.
const WORTH_STEALING: f64 = 0.7;
/// Seconds that nothing takes.
const FOREVER: f64 = 1e9;
/// So often an interval is halved: a part of a billion.
const HALVINGS: u32 = 30;

/// The least multiple of `block` that is not below `at`; `u64::MAX` if there is none.
fn align_up(at: u64, block: u64) -> u64 {
    at.div_ceil(block).saturating_mul(block)
}

/// The end of the first of several shares of `span`: `share` units, up to a block boundary, or all of it if the rest, or the
/// share itself, would be smaller than `floor`.
pub(super) fn first_share(span: &Range<u64>, share: u64, floor: u64, block: u64) -> u64 {
    let cut = align_up(span.start.saturating_add(share.max(floor).max(1)), block);
    if span.end.saturating_sub(cut) < floor.max(1) { span.end } else { cut }
}

/// The fewest free units that are worth a stream at `rate` units per second, when opening one costs `setup` seconds.
pub(super) fn worthwhile(rate: f64, setup: f64) -> u64 {
    (WORTH * setup * rate) as u64
}

/// The fewest units of a stream with that rate that are worth being stolen.
pub(super) fn worth_stealing(rate: f64, setup: f64) -> f64 {
    WORTH_STEALING * setup * rate
}

/// When everybody is done, in seconds from now, if all share what is left; infinity if nobody moves.
///
/// `streams` are pairs of units left and units per second, `thieves` the rates of those that start after `setup` seconds.
pub(super) fn finish(streams: impl Iterator<Item = (f64, f64)>, thieves: impl Iterator<Item = f64>, setup: f64) -> f64 {
    let all = streams.chain(thieves.map(|rate| (rate * setup, rate)));
    let (units, rate) = all.fold((0.0, 0.0), |(units, rate), (u, r)| (units + u, rate + r));
    if rate > 0.0 { units / rate } else { f64::INFINITY }
}

/// When all are done, in seconds from now, if those that are done early take over what others have too much, which costs each of
/// them `behind` seconds; infinity if nobody moves.
///
/// `loads` are pairs of units left and units per second, those of thieves with nothing left.
pub(super) fn level(loads: &[(f64, f64)], behind: f64, setup: f64) -> f64 {
    let excess = |at: f64| {
        let of = |&(units, rate): &(f64, f64)| match helps((units, rate), at, behind, setup) {
            true => units - rate * (at - behind),
            false => (units - rate * at).max(0.0),
        };
        loads.iter().map(of).sum::<f64>()
    };
    let (mut low, mut high) = (0.0, 1.0);
    while excess(high) > 0.0 {
        (low, high) = (high, high * 2.0);
        if high > FOREVER {
            return f64::INFINITY;
        }
    }
    for _ in 0..HALVINGS {
        let at = (low + high) / 2.0;
        (low, high) = if excess(at) > 0.0 { (at, high) } else { (low, at) };
    }
    high
}

/// Whether one that has so many units left and brings so many per second is done early enough to take over a share of others
/// that is worth it, if all are to be done `at` that time.
pub(super) fn helps((units, rate): (f64, f64), at: f64, behind: f64, setup: f64) -> bool {
    rate > 0.0 && units / rate + behind + WORTH_STEALING * setup < at
}

/// Where to cut `rest`, the span of a victim with `rate` units per second, so that the victim is done in `finish` seconds.
///
/// With one thief, that is where both finish together. `None` if the thief would get less than is worth the `setup` seconds of
/// its opening, or less than a block.
pub(super) fn equal_finish(rest: &Range<u64>, rate: f64, finish: f64, setup: f64, block: u64) -> Option<u64> {
    if finish.is_infinite() {
        return None;
    }
    // At the nearest boundary. The victim keeps something, even when it is silent: it holds a stream that may come back to life.
    let kept = ((rate * finish) as u64).saturating_sub(block / 2).max(1);
    let cut = align_up(rest.start.saturating_add(kept), block);
    let taken = rest.end.checked_sub(cut).filter(|&taken| taken > 0)?;
    (taken as f64 >= worth_stealing(rate, setup)).then_some(cut)
}

#[cfg(test)]
mod tests {
    use std::iter::{once, repeat_n};

    use super::*;

    const FULL: u64 = 1 << 30;

    fn pair(length: u64, victim: f64, thief: f64, setup: f64) -> Option<u64> {
        let finish = finish(once((length as f64, victim)), once(thief), setup);
        equal_finish(&(0..length), victim, finish, setup, 1)
    }

    #[test]
    fn equals_share_equally() {
        assert_eq!(pair(1000, 10.0, 10.0, 0.0), Some(500));
        assert_eq!(pair(1000, 10.0, 30.0, 0.0), Some(250));
    }

    #[test]
    fn both_finish_together_although_the_thief_starts_late() {
        let cut = pair(10_000, 10.0, 40.0, 5.0).unwrap() as f64;
        let (victim, thief) = (cut / 10.0, 5.0 + (10_000.0 - cut) / 40.0);
        assert!((victim - thief).abs() < 0.2, "{victim} {thief}");
    }

    #[test]
    fn several_thieves_one_after_the_other_share_equally() {
        let mut lengths = vec![4000];
        for idle in (1..=3).rev() {
            let streams = lengths.iter().map(|&length| (length as f64, 10.0));
            let finish = finish(streams, repeat_n(10.0, idle), 0.0);
            let longest = lengths.iter_mut().max().unwrap();
            let cut = equal_finish(&(0..*longest), 10.0, finish, 0.0, 1).unwrap();
            let taken = *longest - cut;
            *longest = cut;
            lengths.push(taken);
        }
        assert_eq!(lengths, [1000; 4]);
    }

    #[test]
    fn a_share_is_worth_the_better_part_of_a_set_up_of_the_victims_time() {
        // Equal rates of 10 and a set-up of 10 s: the share of R is (R - 100) / 2, and must be 70.
        assert_eq!(pair(240, 10.0, 10.0, 10.0), Some(170));
        assert_eq!(pair(238, 10.0, 10.0, 10.0), None);
        assert_eq!(worthwhile(10.0, 3.0), 60);
    }

    #[test]
    fn who_is_done_early_counts_from_when_it_has_begun_again() {
        // Two seconds to begin again: 20 units in the time of the one with 100 to go are shared.
        let near = |loads: &[(f64, f64)], expected: f64| {
            let found = level(loads, 2.0, 0.5);
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        };
        near(&[(100.0, 10.0), (0.0, 10.0)], 6.0);
        near(&[(100.0, 10.0), (20.0, 10.0)], 7.0);
        near(&[(100.0, 10.0), (100.0, 10.0)], 10.0);
        near(&[(100.0, 10.0), (0.0, 30.0)], 4.0);
        near(&[(100.0, 0.0), (0.0, 10.0), (10.0, 10.0)], 7.5);
        near(&[], 0.0);
        assert_eq!(level(&[(1.0, 0.0)], 2.0, 0.5), f64::INFINITY, "nobody moves");
        assert_eq!(level(&[(1.0, 0.0), (0.0, 0.0)], 2.0, 0.5), f64::INFINITY, "nor does the thief");
        assert_eq!(level(&[(4e9, 1.0)], 2.0, 0.5), f64::INFINITY, "a century");
    }

    #[test]
    fn who_has_no_time_for_a_worthwhile_share_does_not_help() {
        assert!(helps((10.0, 10.0), 3.36, 2.0, 0.5));
        assert!(!helps((10.0, 10.0), 3.34, 2.0, 0.5));
        assert!(!helps((0.0, 0.0), 3.6, 2.0, 0.5));
        assert!(!helps((10.0, 10.0), 3.0, 2.0, 0.0), "what is done at once is done by itself");
        // 30 to go, and 10: it would have to be done with nothing to spare.
        assert!((level(&[(30.0, 10.0), (10.0, 10.0)], 2.0, 0.5) - 3.0).abs() < 1e-6);
    }

    #[test]
    fn cuts_lie_on_blocks_behind_the_front_and_before_the_end() {
        assert_eq!(equal_finish(&(100..1000), 1.0, 450.0, 0.0, 64), Some(576));
        assert_eq!(equal_finish(&(100..128), 1.0, 14.0, 0.0, 64), None, "no boundary inside");
        assert_eq!(equal_finish(&(128..1000), 0.0, 9.0, 1.0, 64), Some(192), "a silent victim keeps one block");
        assert_eq!(equal_finish(&(0..1000), 1.0, f64::INFINITY, 0.0, 64), None, "nobody moves");
        assert_eq!(equal_finish(&(u64::MAX - 9..u64::MAX), 0.0, 1.0, 0.0, 64), None, "the last block has no end");
    }

    #[test]
    fn where_nobody_moves_nobody_finishes() {
        assert_eq!(finish(once((1000.0, 0.0)), once(0.0), 1.0), f64::INFINITY);
        assert_eq!(finish(std::iter::empty(), std::iter::empty(), 1.0), f64::INFINITY);
        assert_eq!(pair(1000, 0.0, 0.0, 1.0), None);
    }

    #[test]
    fn the_first_share_is_whole_blocks_and_leaves_no_crumb() {
        assert_eq!(first_share(&(0..FULL), FULL / 8, 1 << 20, 1 << 16), FULL / 8);
        assert_eq!(first_share(&(10..1000), 100, 1, 64), 128);
        assert_eq!(first_share(&(0..1000), 10, 400, 64), 448, "never below the floor");
        assert_eq!(first_share(&(0..800), 10, 400, 64), 800, "nor a rest below it");
        assert_eq!(first_share(&(0..64), 1, 0, 64), 64);
        assert_eq!(first_share(&(0..65), 1, 0, 64), 64);
        assert_eq!(first_share(&(u64::MAX - 3..u64::MAX), 1, 0, 64), u64::MAX);
    }
}
