//! When to try again.

use std::time::Duration;

/// Numbers for jitter (SplitMix64): predictable, which jitter may be.
#[derive(Clone, Debug)]
pub(super) struct Jitter(u64);

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 up to, but without, 1.
    pub(super) fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// `least` and up to a quarter more: for waits that a server has asked for.
    pub(super) fn stretch(&mut self, least: Duration) -> Duration {
        least.mul_f64(1.0 + 0.25 * self.fraction())
    }

    /// Anything up to `most` (full jitter): for waits that only spread the load.
    pub(super) fn up_to(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.fraction())
    }
}

/// `first`, doubled `times` times, at most `cap`.
pub(crate) fn doubled(first: Duration, times: u32, cap: Duration) -> Duration {
    first.saturating_mul(2u32.saturating_pow(times)).min(cap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_ends_at_the_cap_and_never_overflows() {
        let (first, cap) = (Duration::from_millis(250), Duration::from_secs(30));
        let delays: Vec<_> = (0..9).map(|n| doubled(first, n, cap).as_millis()).collect();
        assert_eq!(delays, [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert_eq!(doubled(first, u32::MAX, cap), cap);
    }

    #[test]
    fn jitter_is_full_below_and_a_quarter_above() {
        let mut jitter = Jitter::new(7);
        let second = Duration::from_secs(1);
        let below: Vec<_> = (0..1000).map(|_| jitter.up_to(second)).collect();
        assert!(below.iter().all(|&d| d < second));
        assert!(below.iter().any(|&d| d < second / 20) && below.iter().any(|&d| d > second * 19 / 20));
        let above: Vec<_> = (0..1000).map(|_| jitter.stretch(second)).collect();
        assert!(above.iter().all(|&d| d >= second && d <= second * 5 / 4));
        assert!(above.iter().any(|&d| d > second * 6 / 5));
    }

    #[test]
    fn the_numbers_are_those_of_split_mix_64() {
        let mut jitter = Jitter::new(0);
        let drawn = [(); 3].map(|()| (jitter.fraction() * (1u64 << 53) as f64) as u64);
        let published: [u64; 3] = [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f];
        assert_eq!(drawn, published.map(|number| number >> 11));
    }

    #[test]
    fn equal_seeds_give_equal_jitter_and_others_do_not() {
        let draw = |seed| (0..4).map(|_| Jitter::new(seed).fraction()).collect::<Vec<_>>();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
