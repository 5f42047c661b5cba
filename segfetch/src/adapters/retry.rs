//! How often, and how long, a failure is tried again.

use std::time::Duration;

use segfetch_source::{ErrorClass, SourceError};
use tokio::time::Instant;

use super::ReadError;
use crate::engine::chain;
use crate::plan::doubled;

/// First and longest wait before a new attempt.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// Attempts without progress.
#[derive(Debug)]
pub(super) struct Retry {
    patience: Duration,
    trouble: Option<Trouble>,
}

#[derive(Debug)]
struct Trouble {
    give_up_at: Instant,
    attempts: u32,
    last: SourceError,
}

impl Retry {
    /// Gives up when there was no progress for as long as `patience`.
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, trouble: None }
    }

    /// Something came: what failed before is forgotten.
    pub(super) fn progress(&mut self) {
        self.trouble = None;
    }

    /// Attempts that failed since the last progress.
    pub(super) fn attempts(&self) -> u32 {
        self.trouble.as_ref().map_or(0, |trouble| trouble.attempts)
    }

    /// How long to wait after so many failures in a row.
    pub(super) fn backoff(failures: u32) -> Duration {
        doubled(BACKOFF.0, failures.saturating_sub(1), BACKOFF.1)
    }

    /// When to try again, if that can help. After an error the next failure counts as the first.
    pub(super) fn failed(&mut self, error: SourceError) -> Result<Instant, ReadError> {
        let asked = match error.class() {
            ErrorClass::Transient => None,
            ErrorClass::Throttled { retry_after, .. } => retry_after,
            // Two identical ones are permanent.
            ErrorClass::Unknown if self.trouble.as_ref().is_none_or(|trouble| !error.is_repeat_of(&trouble.last)) => {
                None
            }
            ErrorClass::Changed => return Err(ReadError::Changed { reason: chain(&error) }),
            _ => {
                self.trouble = None;
                return Err(ReadError::Source(error));
            }
        };
        let now = Instant::now();
        let (give_up_at, attempts) = match self.trouble.take() {
            Some(before) => (before.give_up_at, before.attempts.saturating_add(1)),
            None => (now + self.patience, 1),
        };
        let backoff = Self::backoff(attempts);
        let at = now + asked.map_or(backoff, |asked| asked.max(backoff));
        if at > give_up_at {
            return Err(ReadError::GaveUp { patience: self.patience, last: Box::new(error) });
        }
        self.trouble = Some(Trouble { give_up_at, attempts, last: error });
        Ok(at)
    }
}
