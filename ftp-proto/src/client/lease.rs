//! A session in use.

use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::error::OpenError;
use super::pool::Pool;
use super::session::{Session, now};
use crate::conn::{Error, Event, FileFacts};
use crate::wire::Path;

/// A session that belongs to one caller. Dropping it gives the session back to its pool, whatever is under way on it.
pub(super) struct Lease {
    /// Empty only while it is being dropped.
    session: Option<Session>,
    pool: Arc<Pool>,
    /// How long somebody may wait for it to be in step again.
    pub(super) handover: Duration,
    /// Another transfer is likely to follow soon.
    pub(super) again: bool,
}

impl Deref for Lease {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session.as_ref().expect("a lease has a session until it is dropped")
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Session {
        self.session.as_mut().expect("a lease has a session until it is dropped")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.pool.give_back(session, self.again);
        }
    }
}

impl Lease {
    pub(super) fn new(session: Session, pool: Arc<Pool>, handover: Duration) -> Self {
        Self { session: Some(session), pool, handover, again: false }
    }

    pub(super) async fn event(&mut self) -> Result<Event, Error> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Asks what a file is, and for a port if `passive`.
    pub(super) fn ask(&mut self, path: &Path, passive: bool) -> Result<(), Error> {
        let now = now();
        if passive { self.machine.arm(now, path) } else { self.machine.stat(now, path) }
    }

    /// The answer to [`ask`](Self::ask), on a session that is logged in.
    pub(super) async fn facts(&mut self) -> Result<FileFacts, OpenError> {
        loop {
            match self.event().await.map_err(OpenError::Session)? {
                Event::Facts(facts) => return Ok(facts),
                Event::PathRefused(reply) => return Err(OpenError::PathRefused(reply)),
                Event::PassiveRefused(reply) => return Err(OpenError::PassiveRefused(reply)),
                _ => {}
            }
        }
    }

    /// Starts a transfer and waits until it is accepted.
    pub(super) async fn start(&mut self, start: u64, exact_end: Option<u64>, exists: bool) -> Result<(), OpenError> {
        self.machine.retrieve(now(), start, exact_end).map_err(OpenError::Session)?;
        match poll_fn(|cx| self.poll_opening(cx)).await.map_err(OpenError::Session)? {
            Event::Refused(reply) => Err(OpenError::Refused { reply, exists }),
            Event::StartRefused(reply) => Err(OpenError::StartRefused(Some(reply))),
            // Accepted comes first, so this is a failure; an empty transfer is none in any case.
            Event::Ended(ending) => self.judge(ending).map_or(Ok(()), |error| Err(OpenError::over(error))),
            _ => Ok(()),
        }
    }

    /// Asks what a file is and starts its transfer in one go. `None`: it did not come about, for whatever reason; whoever wants
    /// to know asks step by step.
    pub(super) async fn start_at_once(&mut self, path: &Path, start: u64, exact_end: Option<u64>) -> Option<FileFacts> {
        self.machine.retrieve_at_once(now(), path, start, exact_end).ok()?;
        let mut facts = None;
        loop {
            match poll_fn(|cx| self.poll_opening(cx)).await.ok()? {
                Event::Facts(told) => facts = Some(told),
                Event::Accepted => return facts,
                _ => return None,
            }
        }
    }

    /// Ends what is under way and waits until the session is in step again, or lost.
    pub(super) async fn settle(&mut self) {
        self.stop();
        poll_fn(|cx| {
            loop {
                // What settles a session need not be an event.
                let polled = self.poll_event(cx);
                if !self.is_alive() || self.is_settled() {
                    return Poll::Ready(());
                }
                if polled.is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await;
    }
}
