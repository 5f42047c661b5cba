//! Connections made ahead of the sessions that will need them.
//!
//! ```text
//!   probe     connect -----> greeting -----> login, questions -----> answers
//!   another                  connect ------> greeting ---------> |  taken over: login, questions ----->
//! ```
//!
//! Whoever is about to fetch a file over several sessions says so before asking what the file is; then the others connect
//! beside that question, behind its session, so that a server which admits only one admits that one. Nothing is said on them
//! before they are taken over: a wrong password is sent once. What the server says by itself is kept for whoever takes it
//! over: a refusal is his as if he had connected himself. What fails, or is greeted and hung up on, before that is forgotten.
//! Where a proxy, or chance, lets one of them overtake the probe's own, and the server is full then, the probe takes that one over.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::AsyncReadExt;

use super::connector::{Connected, Connecting, ConnectorError};
use super::pool::{Pool, Slot};
use super::session::now;

/// How long after the probe they are kept for somebody to come: whoever asked what the file is may have to make room for it on
/// a slow disk first. While the probe lasts they are kept anyway, since a server that is slow to greet one is slow to greet all.
pub(super) const KEPT: Duration = Duration::from_secs(5);

/// What a server may say before it is spoken to. No greeting is longer; the rest is left on the way.
const MAX_HEARD: usize = 4096;

/// A connection in the making, or made, on which nothing was said yet.
pub(super) struct Early {
    stage: Stage,
    slot: Slot,
}

enum Stage {
    Connecting(Connecting),
    Standing(Connected, BytesMut),
}

impl Early {
    pub(super) fn new(connecting: Connecting, slot: Slot) -> Self {
        Self { stage: Stage::Connecting(connecting), slot }
    }

    /// Goes on with it. False if it is of no use: it was not made, or the server has greeted and hung up since.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if let Stage::Connecting(connecting) = &mut self.stage {
            match connecting.as_mut().poll(cx) {
                Poll::Pending => return true,
                Poll::Ready(Err(_)) => return false,
                Poll::Ready(Ok(connected)) => self.stage = Stage::Standing(connected, BytesMut::new()),
            }
        }
        let Stage::Standing(connected, heard) = &mut self.stage else { return true };
        while heard.len() < MAX_HEARD {
            heard.reserve(MAX_HEARD);
            match pin!(connected.io.read_buf(heard)).poll(cx) {
                Poll::Pending => return true,
                Poll::Ready(Ok(n)) if n > 0 => {}
                // One that was not let in tells of a limit, be it without a word.
                Poll::Ready(_) => return !heard.first().is_some_and(|class| matches!(class, b'1' | b'2')),
            }
        }
        true
    }

    /// The connection, what was heard on it, and its place, when it stands.
    pub(super) async fn stands(self) -> Result<(Connected, BytesMut, Slot), ConnectorError> {
        Ok(match self.stage {
            Stage::Connecting(connecting) => (connecting.await?, BytesMut::new(), self.slot),
            Stage::Standing(connected, heard) => (connected, heard, self.slot),
        })
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Ahead {
    /// How many the next probe is to make.
    wish: u16,
    /// In the order of their making.
    early: VecDeque<Early>,
    /// When they are given up; `None` while the probe that they were made for is under way.
    until: Option<Instant>,
}

impl Ahead {
    pub(super) fn len(&self) -> usize {
        self.early.len()
    }

    /// Goes on with all of them, and gives up what is of no use. Returns when to look again at the latest.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> Option<Instant> {
        if self.until.is_some_and(|until| until <= now) {
            self.early.clear();
        }
        self.early.retain_mut(|early| early.poll(cx));
        self.until.filter(|_| !self.early.is_empty())
    }
}

/// A probe under way. Unless it succeeds, what was made ahead is closed when this is dropped.
pub(super) struct Probing<'a> {
    pool: &'a Arc<Pool>,
    /// How many connections are to be made behind its own.
    pub(super) ahead: u16,
    succeeded: bool,
}

impl Probing<'_> {
    pub(super) fn succeeded(mut self) {
        self.succeeded = true;
    }
}

impl Drop for Probing<'_> {
    fn drop(&mut self) {
        if self.ahead == 0 {
            return;
        }
        let mut state = self.pool.state();
        let closed = if self.succeeded { VecDeque::new() } else { std::mem::take(&mut state.ahead.early) };
        // One that connected nothing itself does not keep those of another one any longer.
        state.ahead.until.get_or_insert_with(|| now() + KEPT);
        self.pool.tend(&mut state);
        drop(state);
        drop(closed);
    }
}

impl Pool {
    /// The next probe is to make so many connections ahead.
    pub(super) fn wish_ahead(&self, connections: u16) {
        self.state().ahead.wish = connections;
    }

    pub(super) fn probing(self: &Arc<Self>) -> Probing<'_> {
        Probing { pool: self, ahead: std::mem::take(&mut self.state().ahead.wish), succeeded: false }
    }

    /// Makes connections until so many are there, as far as there is room, and a runtime.
    pub(super) fn connect_ahead(self: &Arc<Self>, connections: u16, connect: impl Fn() -> Connecting) {
        let missing = usize::from(connections).saturating_sub(self.state().ahead.len());
        let slots = std::iter::from_fn(|| self.free_slot());
        let mut early: VecDeque<_> = slots.take(missing).map(|slot| Early::new(connect(), slot)).collect();
        if early.is_empty() {
            return;
        }
        let mut state = self.state();
        state.ahead.early.append(&mut early);
        state.ahead.until = None;
        if !self.tend(&mut state) {
            early = std::mem::take(&mut state.ahead.early);
        }
        drop(state);
        drop(early);
    }

    pub(super) fn has_ahead(&self) -> bool {
        self.state().ahead.len() > 0
    }

    /// The first of them, for a session.
    pub(super) fn take_ahead(&self) -> Option<Early> {
        self.state().ahead.early.pop_front()
    }
}
