//! A token bucket for one data connection.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Spreads bytes evenly: [`Pace::quantum`] bytes at a time, a hundred times a second.
#[derive(Debug)]
pub(super) struct Pace {
    /// When the bytes sent so far will have been earned.
    earned: Instant,
}

/// Time that a late sender may make up for; more would be a burst.
const SLACK: Duration = Duration::from_millis(50);
const PER_SECOND: u64 = 100;
/// Bytes per write when nothing limits the rate.
pub(super) const CHUNK: usize = 64 * 1024;

impl Pace {
    pub(super) fn new() -> Pace {
        Pace { earned: Instant::now() }
    }

    /// How many bytes to send at once at `rate` bytes per second (0: unlimited).
    pub(super) fn quantum(rate: u64) -> usize {
        if rate == 0 { CHUNK } else { usize::try_from(rate / PER_SECOND).unwrap_or(CHUNK).clamp(1, CHUNK) }
    }

    /// Waits until the next write is due. Cancel safe.
    pub(super) async fn due(&self) {
        if self.earned > Instant::now() {
            sleep_until(self.earned).await;
        }
    }

    /// Counts `n` bytes sent.
    pub(super) fn sent(&mut self, n: usize, rate: u64) {
        if rate != 0 {
            let oldest = Instant::now().checked_sub(SLACK).unwrap_or_else(Instant::now);
            self.earned = self.earned.max(oldest) + Duration::from_secs_f64(n as f64 / rate as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_kept_from_the_first_byte_to_the_last() {
        for rate in [1, 99, 1000, 8 << 20, 1 << 30] {
            let (begin, mut pace, mut sent) = (Instant::now(), Pace::new(), 0);
            while sent < rate * 2 {
                pace.due().await;
                sent += Pace::quantum(rate) as u64;
                pace.sent(Pace::quantum(rate), rate);
            }
            pace.due().await;
            let seconds = begin.elapsed().as_secs_f64();
            let ideal = sent as f64 / rate as f64;
            assert!((ideal - 0.01..ideal + 0.01).contains(&seconds), "{sent} bytes at {rate} B/s took {seconds} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn time_that_was_not_used_is_not_saved_up() {
        let mut pace = Pace::new();
        tokio::time::sleep(Duration::from_secs(100)).await;
        let begin = Instant::now();
        for _ in 0..100 {
            pace.due().await;
            pace.sent(10, 1000);
        }
        pace.due().await;
        assert!(begin.elapsed() >= Duration::from_millis(949), "{:?}", begin.elapsed());
    }
}
