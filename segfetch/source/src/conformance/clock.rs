//! Time as an argument: the clock that paced sources are given.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;

/// A clock to pace a source by: a runtime's timer, paused or not, or a [`ManualClock`].
#[async_trait]
pub trait Pacer: fmt::Debug + Send + Sync + 'static {
    /// Time since a fixed moment of this clock's own choice.
    fn now(&self) -> Duration;

    /// Resolves when [`now`](Self::now) has reached `due`. Cancel safe.
    async fn wait_until(&self, due: Duration);
}

/// A clock that stands still until it is told to go on.
#[derive(Debug, Default)]
pub struct ManualClock {
    state: Mutex<ClockState>,
}

#[derive(Debug, Default)]
struct ClockState {
    now: Duration,
    waiting: Vec<Waker>,
}

impl ManualClock {
    /// A clock at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets `by` pass and wakes everybody who waits.
    pub fn advance(&self, by: Duration) {
        let waiting = {
            let mut state = self.lock();
            state.now = state.now.saturating_add(by);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, ClockState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Pacer for ManualClock {
    fn now(&self) -> Duration {
        self.lock().now
    }

    async fn wait_until(&self, due: Duration) {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.now >= due {
                return Poll::Ready(());
            }
            remember(&mut state.waiting, cx.waker());
            Poll::Pending
        })
        .await;
    }
}

/// Adds a waker unless it is there already, so that polling often does not pile them up.
pub(super) fn remember(waiting: &mut Vec<Waker>, waker: &Waker) {
    if !waiting.iter().any(|known| known.will_wake(waker)) {
        waiting.push(waker.clone());
    }
}

/// Returns to the executor once: an await at which a caller may drop the future.
pub(super) async fn yield_once() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
