//! The streams of a job, waited for together.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use segfetch_source::{Opened, SourceError};
use tokio::sync::Notify;

use super::lane::{Outcome, Shared, Stream};
use crate::plan::{Next, WorkerId};

pub(crate) type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// One slot of the planner with what is going on in it.
pub(crate) struct Lane {
    pub(crate) worker: WorkerId,
    /// Ends the step that is under way.
    pub(crate) interrupt: Arc<Notify>,
    /// The planner waits for the stream to be stopped.
    pub(crate) stop: bool,
    /// The byte behind the last one that the stream brought, for display.
    pub(crate) front: u64,
    state: State,
}

enum State {
    Opening(Pending<Result<(Stream, Opened), SourceError>>),
    Stepping(Pending<(Stream, Next, Outcome)>),
    /// Being given back.
    Leaving {
        stop: Pending<()>,
        ended: bool,
    },
    /// Between two steps.
    Between(Stream),
    /// Only inside one call.
    Moved,
}

/// What a lane did.
pub(crate) enum LaneEvent {
    /// The attempt to open is decided.
    Opened(Result<(Stream, Opened), SourceError>),
    /// A step is through; `Next` is what it was asked for.
    Stepped(Stream, Next, Outcome),
    /// The stream is given back.
    Left {
        /// The peer had confirmed the end.
        ended: bool,
    },
}

/// What is left of a lane when the job ends.
pub(crate) enum Remains {
    /// Nothing was open yet.
    Attempt,
    /// A stream that the caller must end, with what the last step brought.
    Stream(Box<Stream>, Option<(Next, Outcome)>),
    /// A stream that is being given back.
    Leaving(Pending<()>),
}

impl Lane {
    /// A lane that begins to open its stream.
    pub(crate) fn opening(worker: WorkerId, open: Pending<Result<(Stream, Opened), SourceError>>) -> Self {
        Self { worker, interrupt: Arc::default(), stop: false, front: 0, state: State::Opening(open) }
    }

    /// Whether the stream is not open yet.
    pub(crate) fn is_opening(&self) -> bool {
        matches!(self.state, State::Opening(_))
    }

    /// Puts a stream back between two steps.
    pub(crate) fn put_back(&mut self, stream: Stream) {
        self.state = State::Between(stream);
    }

    /// Begins the next step, towards what is `next`, if none is under way.
    pub(crate) fn start_step(&mut self, shared: &Arc<Shared>, next: Next) {
        self.state = match std::mem::replace(&mut self.state, State::Moved) {
            State::Between(mut stream) => {
                let (shared, interrupt) = (Arc::clone(shared), Arc::clone(&self.interrupt));
                State::Stepping(Box::pin(async move {
                    let outcome = stream.step(&shared, next, &interrupt).await;
                    (stream, next, outcome)
                }))
            }
            other => other,
        };
    }

    /// Takes the stream if it is between two steps. It must be put back, or [leave](Self::leave).
    pub(crate) fn take(&mut self) -> Option<Stream> {
        match std::mem::replace(&mut self.state, State::Moved) {
            State::Between(stream) => Some(stream),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Begins to give a stream back.
    pub(crate) fn leave(&mut self, stream: Stream, ended: bool) {
        self.state = State::Leaving { stop: Box::pin(stream.stop()), ended };
    }

    /// Ends whatever is going on.
    pub(crate) async fn into_remains(self) -> Remains {
        match self.state {
            State::Opening(_) | State::Moved => Remains::Attempt,
            State::Leaving { stop, .. } => Remains::Leaving(stop),
            State::Between(stream) => Remains::Stream(Box::new(stream), None),
            State::Stepping(step) => {
                self.interrupt.notify_one();
                let (stream, next, outcome) = step.await;
                Remains::Stream(Box::new(stream), Some((next, outcome)))
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<LaneEvent> {
        let event = match &mut self.state {
            State::Opening(open) => open.as_mut().poll(cx).map(LaneEvent::Opened),
            State::Stepping(step) => {
                step.as_mut().poll(cx).map(|(stream, next, outcome)| LaneEvent::Stepped(stream, next, outcome))
            }
            State::Leaving { stop, ended } => {
                let ended = *ended;
                stop.as_mut().poll(cx).map(|()| LaneEvent::Left { ended })
            }
            State::Between(_) | State::Moved => Poll::Pending,
        };
        if event.is_ready() {
            self.state = State::Moved;
        }
        event
    }
}

/// The next thing that any of `lanes` does, with its index. `turn` decides who comes first where several are ready.
pub(crate) async fn next_event(lanes: &mut [Lane], turn: usize) -> (usize, LaneEvent) {
    std::future::poll_fn(|cx| {
        let count = lanes.len();
        for step in 0..count {
            let index = (turn + step) % count;
            if let Poll::Ready(event) = lanes[index].poll(cx) {
                return Poll::Ready((index, event));
            }
        }
        Poll::Pending
    })
    .await
}
