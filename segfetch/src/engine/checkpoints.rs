//! When a job's bytes are made durable.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::checkpoint::{JobStore, StoreError};

/// This much written and not yet durable makes a checkpoint due.
const DUE_BYTES: u64 = 256 << 20;
/// A checkpoint is not due before this many times the last one's duration, so that a slow disk does not only sync.
const REST: u32 = 20;

/// The store of a job, which is away on a blocking thread while a checkpoint runs. Writes go on meanwhile.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    state: State,
    every: Duration,
    /// When the last one was through, and how long the next one is not due after that.
    last: (Instant, Duration),
    durable: u64,
}

#[derive(Debug)]
enum State {
    Idle(Box<JobStore>),
    Running(JoinHandle<Done>),
    /// Only inside one call.
    Moved,
}

#[derive(Debug)]
struct Done {
    store: Box<JobStore>,
    result: Result<(), StoreError>,
    took: Duration,
}

impl Checkpoints {
    /// Checkpoints of `store`, at most `every` so often.
    pub(crate) fn new(store: JobStore, every: Duration) -> Self {
        let durable = store.have().total();
        Self { state: State::Idle(Box::new(store)), every, last: (Instant::now(), every), durable }
    }

    /// Bytes that are durable now.
    pub(crate) fn durable(&self) -> u64 {
        self.durable
    }

    /// Begins a checkpoint if one is due, `written` being all bytes that a kill cannot reach.
    pub(crate) fn begin_if_due(&mut self, written: u64) {
        let pending = written.saturating_sub(self.durable);
        if pending >= DUE_BYTES || (pending > 0 && self.last.0.elapsed() >= self.last.1) {
            self.begin();
        }
    }

    fn begin(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Moved) {
            State::Idle(store) => State::Running(tokio::task::spawn_blocking(move || checkpoint(store))),
            other => other,
        };
    }

    /// Waits for the checkpoint that runs, if one does, and says what it took. Cancel safe.
    ///
    /// # Errors
    /// After an error nothing more becomes durable.
    pub(crate) async fn done(&mut self) -> Result<Duration, StoreError> {
        let State::Running(task) = &mut self.state else { return std::future::pending().await };
        let done = match task.await {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime is shutting down, and this task with it.
            Err(_) => return std::future::pending().await,
        };
        self.durable = done.store.have().total();
        self.state = State::Idle(done.store);
        done.result?;
        self.last = (Instant::now(), self.every.max(done.took * REST));
        Ok(done.took)
    }

    /// Waits for a running checkpoint, makes a last one if `last` says so, and gives the store back.
    pub(crate) async fn close(mut self, last: bool) -> (JobStore, Result<(), StoreError>) {
        let mut result = Ok(());
        let mut wanted = last;
        loop {
            self = match self.state {
                State::Idle(store) if !wanted || result.is_err() => return (*store, result),
                _ => {
                    if matches!(self.state, State::Idle(_)) {
                        wanted = false;
                        self.begin();
                    }
                    result = result.and(self.done().await.map(|_| ()));
                    self
                }
            };
        }
    }
}

fn checkpoint(mut store: Box<JobStore>) -> Done {
    let started = Instant::now();
    let result = store.checkpoint().map(|_| ());
    Done { store, result, took: started.elapsed() }
}
