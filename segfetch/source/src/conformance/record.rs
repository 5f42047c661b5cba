//! What is done to a [`MemorySource`], on record.

use std::task::{Context, Poll};

use super::MemorySource;
use super::clock::remember;
use crate::{ErrorClass, OpenRequest, Phase, SourceError};

/// How often things were done to a [`MemorySource`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Calls of `probe`.
    pub probes: u64,
    /// Calls of `open`, refused ones too.
    pub opens: u64,
    /// Calls of `open` that were answered by an error.
    pub refused: u64,
    /// Streams that are open or being opened now.
    pub open_now: u64,
    /// The most that [`open_now`](Self::open_now) has been, refused attempts left out.
    pub max_open: u64,
    /// Bytes put into spaces.
    pub delivered: u64,
}

/// One call of `open` and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opening {
    /// What was asked for.
    pub request: OpenRequest,
    /// Where the stream said that it starts.
    pub start: Option<u64>,
    /// Bytes put into spaces.
    pub delivered: u64,
    /// How it ended.
    pub finish: Finish,
}

/// How a stream of a [`MemorySource`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Finish {
    /// It has not ended.
    Running,
    /// The open was answered by an error.
    Refused,
    /// It said its end.
    Ended,
    /// It failed.
    Failed,
    /// It was stopped early.
    Stopped,
    /// The reader, or the call of `open`, was dropped.
    Dropped,
}

/// A place at the server, given back when it is dropped.
pub(super) struct Session {
    pub(super) source: MemorySource,
    pub(super) number: usize,
    pub(super) finish: Finish,
}

impl Session {
    /// Ends the session with a refusal.
    pub(super) fn refuse(&mut self, class: ErrorClass) -> SourceError {
        self.finish = Finish::Refused;
        SourceError::new(class, Phase::Open, "the script says so")
    }

    /// Counts bytes that were put.
    pub(super) fn deliver(&self, bytes: u64) {
        let mut state = self.source.lock();
        state.counters.delivered += bytes;
        state.opens[self.number].delivered += bytes;
    }

    pub(super) fn is_lost(&self) -> bool {
        self.number < self.source.lock().lost_before
    }

    /// Ready when somebody has taken the session away.
    pub(super) fn poll_lost(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.source.lock();
        if self.number < state.lost_before {
            return Poll::Ready(());
        }
        remember(&mut state.waiting, cx.waker());
        Poll::Pending
    }

    /// Waits until somebody takes the session away.
    pub(super) async fn lost(&self, phase: Phase) -> SourceError {
        std::future::poll_fn(|cx| self.poll_lost(cx)).await;
        SourceError::new(ErrorClass::Transient, phase, "the session is lost")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut state = self.source.lock();
        state.counters.open_now -= 1;
        state.counters.refused += u64::from(self.finish == Finish::Refused);
        state.opens[self.number].finish = self.finish;
    }
}
