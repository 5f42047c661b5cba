//! Sessions that nobody uses at the moment, and the one task that looks after them.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout_at;

use super::ahead::Ahead;
use super::config::{Limits, Prearm};
use super::session::{Session, now};
use crate::conn::Quirks;
use crate::wire::Path;

/// A round trip from which on a data connection is made in advance: three of them can be felt.
const FAR: Duration = Duration::from_millis(10);
/// Data connections made in advance and not used, in all sessions together: passive ports are few on some servers.
const MAX_PREARMED: usize = 2;
/// After so many in a row that nobody used there are no more.
const MAX_IN_VAIN: u8 = 4;
/// A session that is used again after no longer than this would have used a data connection.
const SOON: Duration = Duration::from_secs(10);

/// What all sessions of one server and account share.
///
/// One task drives sessions that are being retired, and watches idle ones: a server that hangs up is noticed at once, what is
/// idle for too long says goodbye, and what is likely to be used soon makes a data connection in advance. It makes the
/// connections that are made ahead, too. The task lives as long as there is such a session. Where there is no runtime a
/// session that needs more driving is closed instead.
#[derive(Debug)]
pub(super) struct Pool {
    state: Mutex<State>,
    limits: Limits,
    prearm: Prearm,
    /// A session became idle, or ceased to be.
    changed: Notify,
    live: Arc<Live>,
}

#[derive(Debug, Default)]
struct Live {
    sessions: AtomicUsize,
    changed: Notify,
}

/// A place among the live sessions, held by each of them from before it connects.
#[derive(Debug)]
pub(super) struct Slot(Arc<Live>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::AcqRel);
        self.0.changed.notify_waiters();
    }
}

#[derive(Default)]
pub(super) struct State {
    idle: Vec<Idle>,
    retiring: Vec<Retiring>,
    pub(super) ahead: Ahead,
    /// Callers that wait for one of `retiring`.
    waiting: usize,
    task: Option<Task>,
    /// Tasks so far.
    tasks: u64,
    quirks: Quirks,
    /// A login with this account has succeeded.
    known: bool,
    /// Data connections made in advance since one was of use, or would have been.
    in_vain: u8,
}

/// The task that runs, by number, and how to wake it.
struct Task {
    number: u64,
    waker: Option<Waker>,
}

struct Idle {
    session: Session,
    since: Instant,
    /// A data connection is to be made in advance.
    prearm: bool,
}

struct Retiring {
    session: Session,
    prearm: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("idle", &self.idle.len())
            .field("retiring", &self.retiring.len())
            .field("ahead", &self.ahead.len())
            .field("quirks", &self.quirks)
            .finish_non_exhaustive()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // The task finds its pool gone, and ends.
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(Task { waker: Some(waker), .. }) = &state.task {
            waker.wake_by_ref();
        }
    }
}

impl Pool {
    pub(super) fn new(limits: Limits, prearm: Prearm) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), limits, prearm, changed: Notify::new(), live: Arc::default() })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn quirks(&self) -> Quirks {
        self.state().quirks.clone()
    }

    pub(super) fn learn(&self, learn: impl FnOnce(&mut Quirks)) {
        learn(&mut self.state().quirks);
    }

    /// Whether a login with this account has ever succeeded: then a refused one is not about the password.
    pub(super) fn is_account_known(&self) -> bool {
        self.state().known
    }

    pub(super) fn account_is_known(&self) {
        self.state().known = true;
    }

    /// Live sessions: leased, idle, retiring and connecting, and what was connected ahead of one.
    pub(super) fn live(&self) -> usize {
        self.live.sessions.load(Ordering::Acquire)
    }

    /// Those of them that are more than a connection made ahead: only they show that the server lets us in.
    pub(super) fn begun(&self) -> usize {
        let state = self.state();
        self.live().saturating_sub(state.ahead.len())
    }

    pub(super) fn idle(&self) -> usize {
        self.state().idle.len()
    }

    pub(super) fn prearmed(&self) -> usize {
        self.state().idle.iter().filter(|idle| idle.session.machine.is_prearmed()).count()
    }

    /// A place for one more session, if the limit allows it. An idle session that cannot be used makes room.
    pub(super) fn slot(&self) -> Option<Slot> {
        loop {
            if let Some(slot) = self.free_slot() {
                return Some(slot);
            }
            let evicted = self.state().idle.pop()?;
            drop(evicted);
        }
    }

    /// A place for one more session, if there is one that nobody has to make room for.
    pub(super) fn free_slot(&self) -> Option<Slot> {
        let limit = self.limits.sessions;
        let more = |live: usize| live.checked_add(1).filter(|more| *more <= limit);
        let live = &self.live;
        live.sessions.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok().map(|_| Slot(Arc::clone(live)))
    }

    /// The session used last that can name the file from where it stands, and for how long it was idle. One that cannot
    /// is closed: it stands for one of the sessions that the caller is entitled to.
    pub(super) fn take_idle(&self, path: &Path) -> Option<(Session, Duration)> {
        let mut state = self.state();
        let now = now();
        let index = state.idle.iter().rposition(|idle| idle.session.machine.can_reach(path));
        let Some(index) = index else {
            drop(state.idle.pop());
            return None;
        };
        let Idle { mut session, since, .. } = state.idle.remove(index);
        session.machine.quirks_mut().absorb(&state.quirks);
        let idle = now.saturating_duration_since(since);
        if idle < SOON {
            state.in_vain = 0;
        }
        Some((session, idle))
    }

    /// The session used last that can start a transfer of the file at once.
    pub(super) fn take_ready(&self, path: &Path) -> Option<Session> {
        let mut state = self.state();
        let index = state.idle.iter().rposition(|idle| idle.session.machine.is_ready_for(path))?;
        let mut session = state.idle.remove(index).session;
        session.machine.quirks_mut().absorb(&state.quirks);
        state.in_vain = 0;
        Some(session)
    }

    /// Waits for a session that is being retired, if there is one that nobody else waits for. Returns whether it is worth
    /// looking again. One that is not ready `until` then is closed, so that a new one may take its place.
    pub(super) async fn wait_for_retiring(&self, until: tokio::time::Instant) -> bool {
        let changed = self.changed.notified();
        let mut changed = std::pin::pin!(changed);
        changed.as_mut().enable();
        let _waiting = {
            let mut state = self.state();
            if !state.idle.is_empty() {
                return true;
            }
            if state.retiring.len() <= state.waiting {
                return false;
            }
            state.waiting += 1;
            Waiting(self)
        };
        if timeout_at(until, changed).await.is_ok() {
            return true;
        }
        let slow = self.state().retiring.pop();
        drop(slow);
        false
    }

    /// Waits until a session becomes idle or ceases to be.
    pub(super) async fn wait_for_change(&self, before: usize) {
        let (gone, idle) = (self.live.changed.notified(), self.changed.notified());
        tokio::pin!(gone, idle);
        gone.as_mut().enable();
        idle.as_mut().enable();
        if self.begun() < before || self.idle() > 0 {
            return;
        }
        tokio::select! {
            () = gone => {}
            () = idle => {}
        }
    }

    /// Takes a session back: at once if it is in step, by way of retirement if it can get there, else it is closed.
    ///
    /// `again`: another transfer is likely to follow soon.
    pub(super) fn give_back(self: &Arc<Self>, mut session: Session, again: bool) {
        session.stop();
        let mut state = self.state();
        state.quirks.absorb(session.machine.quirks());
        if !session.is_alive() || self.live() > self.limits.sessions {
            drop(state);
            drop(session);
            return self.changed.notify_waiters();
        }
        let settled = session.is_settled();
        let prearm = self.is_prearm_worthwhile(&state, &session, again);
        if settled {
            state.idle.push(Idle { session, since: now(), prearm });
        } else {
            state.retiring.push(Retiring { session, prearm });
        }
        let tended = self.tend(&mut state);
        if !tended {
            // No runtime: what is in step may wait for the next caller, the rest cannot be driven.
            state.retiring.clear();
        }
        drop(state);
        if settled || !tended {
            self.changed.notify_waiters();
        }
    }

    /// Whether a data connection made in advance on this session would be used, and worth it.
    fn is_prearm_worthwhile(&self, state: &State, session: &Session, again: bool) -> bool {
        let others = self.live() > state.idle.len() + state.retiring.len() + state.ahead.len() + 1;
        let far = session.machine.round_trip().is_some_and(|round_trip| round_trip >= FAR);
        let ready = state.idle.iter().filter(|idle| idle.prearm || idle.session.machine.is_prearmed()).count()
            + state.retiring.iter().filter(|retiring| retiring.prearm).count();
        match self.prearm {
            _ if state.quirks.no_prearm => false,
            Prearm::Never => false,
            Prearm::Always => true,
            Prearm::Auto => (again || others) && far && ready < MAX_PREARMED && state.in_vain < MAX_IN_VAIN,
        }
    }

    /// Makes sure that the task runs and looks; false without a runtime.
    pub(super) fn tend(self: &Arc<Self>, state: &mut State) -> bool {
        if let Some(task) = &mut state.task {
            if let Some(waker) = task.waker.take() {
                waker.wake();
            }
            return true;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return false };
        state.tasks += 1;
        let number = state.tasks;
        state.task = Some(Task { number, waker: None });
        let pool = Arc::downgrade(self);
        runtime.spawn(async move {
            let _running = Running { pool: Weak::clone(&pool), number };
            let mut timer = Box::pin(tokio::time::sleep(Duration::ZERO));
            poll_fn(move |cx| {
                let Some(pool) = pool.upgrade() else { return Poll::Ready(()) };
                let Some(wake_at) = pool.poll_all(cx) else { return Poll::Ready(()) };
                timer.as_mut().reset(wake_at.into());
                if timer.as_mut().poll(cx).is_ready() {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            })
            .await;
        });
        true
    }

    /// Drives everything once. Returns when to look again at the latest; `None` if there is nothing left.
    fn poll_all(&self, cx: &mut Context<'_>) -> Option<Instant> {
        let now = now();
        let mut state = self.state();
        let State { idle, retiring, ahead, quirks, task, in_vain, .. } = &mut *state;
        let before = retiring.len() + idle.len();
        let mut changed = false;
        for Retiring { mut session, prearm } in std::mem::take(retiring) {
            while let Poll::Ready(Ok(_)) = session.poll_event(cx) {}
            quirks.absorb(session.machine.quirks());
            if session.is_settled() {
                idle.push(Idle { session, since: now, prearm });
                changed = true;
            } else if session.is_alive() {
                retiring.push(Retiring { session, prearm });
            }
        }
        idle.retain_mut(|Idle { session, since, prearm }| {
            if std::mem::take(prearm) && !quirks.no_prearm && session.machine.prearm(now).is_ok() {
                *in_vain = in_vain.saturating_add(1);
            }
            while let Poll::Ready(Ok(_)) = session.poll_event(cx) {}
            quirks.absorb(session.machine.quirks());
            let expired = now.saturating_duration_since(*since) >= self.limits.idle;
            if expired {
                session.quit(cx);
            }
            session.is_settled() && !expired
        });
        changed |= before != retiring.len() + idle.len();
        let given_up = ahead.poll(cx, now);
        let oldest = idle.iter().map(|idle| idle.since).min();
        let left = !idle.is_empty() || !retiring.is_empty() || ahead.len() > 0;
        match task {
            Some(task) if left => task.waker = Some(cx.waker().clone()),
            _ => *task = None,
        }
        drop(state);
        if changed {
            self.changed.notify_waiters();
        }
        // Retiring sessions have timers of their own.
        let expires = oldest.unwrap_or(now) + self.limits.idle.max(Duration::from_millis(1));
        left.then(|| given_up.map_or(expires, |given_up| given_up.min(expires)))
    }
}

/// Tells the pool when its task is gone, be it with its runtime.
struct Running {
    pool: Weak<Pool>,
    number: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.state().task.take_if(|task| task.number == self.number);
        }
    }
}

struct Waiting<'a>(&'a Pool);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state().waiting -= 1;
    }
}
