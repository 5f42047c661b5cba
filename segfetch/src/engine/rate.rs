//! Rate limits that can be changed while they are waited for.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// How much may be received at once after a pause.
const BURST: Duration = Duration::from_millis(250);
/// A read asks for at most this part of a second's worth, so that slow limits stay smooth.
const READS_PER_SECOND: u64 = 20;
/// A single read is never cut below this, or small limits would cost a system call per byte.
const SMALLEST_READ: u64 = 512;

/// A token bucket in bytes per second. Readers take what the bucket has *before* they read and give back what they did not use.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    bucket: Mutex<Option<Bucket>>,
    changed: Notify,
}

#[derive(Debug)]
struct Bucket {
    /// Bytes per second.
    rate: u64,
    /// Bytes that may be read now.
    tokens: f64,
    filled_at: Instant,
}

impl RateLimit {
    /// Sets the limit in bytes per second; `None` or zero lifts it. Works at once, also for those who wait.
    pub(crate) fn set(&self, bytes_per_second: Option<u64>) {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        // What has been saved up stays, or a limit that is set again and again would let nothing through.
        let (tokens, filled_at) =
            bucket.take().map_or_else(|| (0.0, Instant::now()), |old| (old.tokens, old.filled_at));
        *bucket = bytes_per_second.filter(|&rate| rate > 0).map(|rate| Bucket { rate, tokens, filled_at });
        drop(bucket);
        self.changed.notify_waiters();
    }

    /// Waits until something may be read, and takes up to `want` bytes (at least 1).
    async fn take(&self, want: usize) -> usize {
        loop {
            let changed = self.changed.notified();
            let wait = {
                let mut guard = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(bucket) = guard.as_mut() else { return want };
                match bucket.take(Instant::now(), want) {
                    Ok(taken) => return taken,
                    Err(wait) => wait,
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = changed => {}
            }
        }
    }

    /// As [`take`](Self::take); what is not used of it goes back.
    pub(crate) async fn grant(&self, want: usize) -> Grant<'_> {
        Grant { limit: self, unused: self.take(want).await }
    }

    fn give_back(&self, unused: usize) {
        if let Some(bucket) = self.bucket.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            bucket.tokens += unused as f64;
        }
    }
}

/// Bytes that may be read. What is left of them when this is dropped goes back to its limit.
#[derive(Debug)]
pub(crate) struct Grant<'a> {
    limit: &'a RateLimit,
    pub(crate) unused: usize,
}

impl Grant<'_> {
    /// Gives back what is above `most`.
    pub(crate) fn shrink(&mut self, most: usize) {
        self.limit.give_back(self.unused.saturating_sub(most));
        self.unused = self.unused.min(most);
    }
}

impl Drop for Grant<'_> {
    fn drop(&mut self) {
        self.limit.give_back(self.unused);
    }
}

impl Bucket {
    fn take(&mut self, now: Instant, want: usize) -> Result<usize, Duration> {
        let rate = self.rate as f64;
        let elapsed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.filled_at = now;
        let smallest = (self.rate / READS_PER_SECOND).max(SMALLEST_READ).min(want as u64);
        // A bucket smaller than one read would never be full enough.
        let room = (rate * BURST.as_secs_f64()).max(smallest as f64);
        self.tokens = (self.tokens + elapsed * rate).min(room);
        if self.tokens < smallest as f64 {
            let missing = smallest as f64 - self.tokens;
            return Err(Duration::from_secs_f64(missing / rate).max(Duration::from_millis(1)));
        }
        let taken = (self.tokens as usize).min(want).max(1);
        self.tokens -= taken as f64;
        Ok(taken)
    }
}

/// Bytes per second over the last few seconds, for people.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    counted: u64,
    /// Totals at past moments, at most [`METER_WINDOW`] old.
    marks: VecDeque<(Instant, u64)>,
}

/// What "now" means for a displayed rate.
const METER_WINDOW: Duration = Duration::from_secs(3);

impl Meter {
    /// Adds received bytes.
    pub(crate) fn count(&mut self, bytes: u64) {
        self.counted += bytes;
    }

    /// The rate at `now`; called a few times a second.
    pub(crate) fn rate(&mut self, now: Instant) -> u64 {
        while self.marks.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > METER_WINDOW) {
            self.marks.pop_front();
        }
        let rate = self.marks.front().map_or(0.0, |(at, then)| {
            let seconds = now.saturating_duration_since(*at).as_secs_f64();
            if seconds > 0.0 { (self.counted - then) as f64 / seconds } else { 0.0 }
        });
        self.marks.push_back((now, self.counted));
        rate as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_for(limit: &RateLimit, want: usize, seconds: u64) -> (u64, Vec<u64>) {
        let start = Instant::now();
        let mut per_second = vec![0; seconds as usize];
        while start.elapsed() < Duration::from_secs(seconds) {
            let taken = limit.take(want).await as u64;
            if let Some(slot) = per_second.get_mut(start.elapsed().as_secs() as usize) {
                *slot += taken;
            }
        }
        (per_second.iter().sum(), per_second)
    }

    #[tokio::test(start_paused = true)]
    async fn a_low_limit_with_large_buffers_is_kept_and_smooth() {
        let limit = RateLimit::default();
        limit.set(Some(10 * 1024));
        let (total, per_second) = read_for(&limit, 1 << 20, 20).await;
        assert!((190 * 1024..=203 * 1024).contains(&total), "{total}");
        assert!(per_second.iter().all(|&n| n <= 13 * 1024), "{per_second:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_of_one_byte_per_second_does_not_deadlock() {
        let limit = RateLimit::default();
        limit.set(Some(1));
        assert_eq!(limit.take(1).await, 1);
        assert!(limit.take(1 << 20).await >= 1);
    }

    #[tokio::test(start_paused = true)]
    async fn lifting_the_limit_wakes_those_who_wait() {
        let limit = std::sync::Arc::new(RateLimit::default());
        limit.set(Some(1));
        let waiting = tokio::spawn({
            let limit = std::sync::Arc::clone(&limit);
            async move { limit.take(1 << 20).await }
        });
        tokio::task::yield_now().await;
        let before = Instant::now();
        limit.set(None);
        assert_eq!(waiting.await.expect("the task ends"), 1 << 20);
        assert_eq!(Instant::now(), before);
    }
}
