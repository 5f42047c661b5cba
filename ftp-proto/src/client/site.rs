//! Getting a session: reuse, wait for one that is being retired, or log in.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Mutex, Notify};
use tokio::time::{Instant, timeout};

use super::ahead::Early;
use super::beginning::{Beginning, FirstBytes, ToCome, is_telling};
use super::config::{Config, Prearm};
use super::connector::Target;
use super::error::{ConnectError, OpenError};
use super::lease::Lease;
use super::pool::Pool;
use super::session::{Peer, Session, now};
use crate::conn::{self, Awaited, Connection, Credentials, Event, FileFacts, Quirks, Restart};
use crate::wire::{self, Path, Reply};

/// Sessions that turn out to be dead before a new one is opened: as many as a server that was restarted left behind.
const MAX_STALE: usize = 64;

/// When a port is asked for along with what a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    Never,
    /// By a session that logs in.
    WithLogin,
    Always,
}

/// One server and one account on it.
pub(super) struct Site {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) credentials: Credentials,
    pub(super) config: Config,
    pub(super) pool: Arc<Pool>,
    /// Held by the one download that waits for a session to become free.
    pub(super) turn: Mutex<()>,
    /// Held by the one transfer that finds out whether the server starts where it is asked to.
    pub(super) proof: Mutex<()>,
    /// Somebody has found out.
    pub(super) proven: Notify,
    pub(super) beginning: Beginning,
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.credentials.user)
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

impl Site {
    /// What the file is. A session that has to log in for it asks for a port in the same breath, for the transfer that is likely
    /// to follow.
    ///
    /// `ahead`: connections to be made beside it, if it has to connect itself.
    pub(super) async fn probe(&self, path: &Path, ahead: u16) -> Result<(Lease, FileFacts), OpenError> {
        let port = if self.may_use_ready(path) { Port::WithLogin } else { Port::Never };
        let answer = self.ask(path, port, ahead).await;
        // Nobody had asked for the port, so its failure is none. Some servers die of it.
        let failed = match &answer {
            Err(OpenError::PassiveRefused(_) | OpenError::NoPort(_)) => true,
            Err(OpenError::Connect(ConnectError::Session(conn::Error::Closing(reply)))) => speaks_of_ports(reply),
            _ => false,
        };
        let answer = if port == Port::Never || !failed {
            answer
        } else {
            self.pool.learn(|quirks| quirks.no_prearm = true);
            self.ask(path, Port::Never, 0).await
        };
        if let Ok((_, facts)) = &answer {
            self.beginning.probed(path, facts);
        }
        answer
    }

    /// An idle session that has a port or a data connection ready, if a transfer of this file from there may begin with no
    /// question asked before.
    pub(super) fn take_ready(&self, path: &Path, start: u64, exact_end: Option<u64>) -> Option<Lease> {
        let provable = is_telling(&self.pool.quirks(), start) && self.beginning.is_of(path);
        if !(self.is_start_safe(start, exact_end) || provable) || !self.may_use_ready(path) {
            return None;
        }
        Some(self.lease(self.pool.take_ready(path)?))
    }

    /// Whether a transfer from there needs no proof that it starts where it is asked to.
    pub(super) fn is_start_safe(&self, start: u64, exact_end: Option<u64>) -> bool {
        start == 0 || exact_end.is_some() || self.pool.quirks().is_restart_proven(start)
    }

    /// The first bytes of the file, if those of a transfer from `start` would show whether the server starts there.
    pub(super) fn first_bytes(&self, path: &Path, facts: &FileFacts, start: u64) -> Option<FirstBytes> {
        let telling = is_telling(&self.pool.quirks(), start) && facts.size.is_some_and(|size| start < size);
        if telling { self.beginning.of(path, facts) } else { None }
    }

    /// The first bytes of the file are about to come, and may be of use.
    pub(super) fn announce(&self, path: &Path, facts: &FileFacts) -> Option<ToCome> {
        if is_telling(&self.pool.quirks(), 0) { self.beginning.announce(path, facts) } else { None }
    }

    /// The same, as far as the last probe tells.
    pub(super) fn announce_as_probed(&self, path: &Path) -> Option<ToCome> {
        if is_telling(&self.pool.quirks(), 0) { self.beginning.announce_as_probed(path) } else { None }
    }

    /// What a session has learned about where the server starts.
    pub(super) fn learn_restart(&self, learned: &Quirks) {
        self.pool.learn(|quirks| quirks.absorb(learned));
        if learned.restart != Restart::Unknown {
            self.proven.notify_waiters();
        }
    }

    fn may_use_ready(&self, path: &Path) -> bool {
        // A name with a 0xFF may have to be tried in two ways, step by step.
        self.config.prearm != Prearm::Never && !self.pool.quirks().no_prearm && !has_ff(path)
    }

    /// A session that has answered what the file is, and has a port for it if `port` says so.
    ///
    /// Never waits for a session that somebody uses: it reuses an idle one, takes over one that is being retired, or tries
    /// once for a new one; behind that, `ahead` connections are made for others.
    pub(super) async fn ask(&self, path: &Path, port: Port, mut ahead: u16) -> Result<(Lease, FileFacts), OpenError> {
        let handover = Instant::now() + self.config.timeouts.handover;
        let probes = ahead > 0;
        let mut stale = 0;
        let mut serial = false;
        loop {
            let (mut lease, fresh) = match self.pool.take_idle(path) {
                // Where one was dead the others may be, and not all of them say so.
                Some((session, _)) if (1..MAX_STALE).contains(&stale) => (self.reuse(session, Duration::MAX), false),
                Some((session, idle)) if stale == 0 => (self.reuse(session, idle), false),
                _ if self.pool.wait_for_retiring(handover).await => continue,
                _ => (self.connect(std::mem::take(&mut ahead)).await?, true),
            };
            let passive = port == Port::Always || (fresh && port == Port::WithLogin);
            lease.ask(path, passive).map_err(OpenError::Session)?;
            let answer = match self.log_in(&mut lease, fresh, probes).await {
                Ok(true) => lease.facts().await,
                Ok(false) => continue,
                Err(ConnectError::Session(error)) => Err(OpenError::Session(error)),
                Err(error) => return Err(error.into()),
            };
            match answer.map_err(|error| self.judge_port(error)) {
                // It had died while it was idle. Nothing that matters has been asked of it.
                Err(OpenError::Session(_)) if !fresh => stale += 1,
                Err(OpenError::Session(conn::Error::Pipelining)) if !serial => {
                    serial = true;
                    self.pool.learn(|quirks| quirks.serial = true);
                }
                Err(OpenError::Session(error)) => return Err(self.judge_loss(error).into()),
                answer => {
                    let answer = match self.ask_doubled(&mut lease, path, passive, &answer).await {
                        Some(facts) => Ok(facts),
                        None => answer,
                    };
                    return answer.map(|facts| (lease, facts));
                }
            }
        }
    }

    /// A refused port, beside other sessions of ours, is about there being too many of them.
    pub(super) fn judge_port(&self, error: OpenError) -> OpenError {
        match error {
            OpenError::PassiveRefused(Some(reply)) | OpenError::Session(conn::Error::Closing(reply))
                if self.pool.begun() > 1 && speaks_of_ports(&reply) =>
            {
                OpenError::NoPort(reply)
            }
            error => error,
        }
    }

    /// Asks again with every 0xFF sent twice, if the name has one and is not found: Telnet wants it so, most servers do not.
    /// `None` if that is no better.
    async fn ask_doubled(
        &self,
        lease: &mut Lease,
        path: &Path,
        passive: bool,
        answer: &Result<FileFacts, OpenError>,
    ) -> Option<FileFacts> {
        let refusal = match answer {
            Ok(facts) => facts.refusal.as_ref()?,
            Err(OpenError::PathRefused(reply)) => reply,
            Err(_) => return None,
        };
        if refusal.code != 550 || !has_ff(path) || lease.machine.quirks().doubled_ff || !lease.machine.can_reach(path) {
            return None;
        }
        lease.machine.try_doubled_ff(true);
        lease.ask(path, passive).ok()?;
        match lease.facts().await {
            Ok(facts) if facts.refusal.is_none() => {
                lease.machine.quirks_mut().doubled_ff = true;
                Some(facts)
            }
            _ => {
                // The first answer stands, and what was armed for it is gone: arm it again.
                lease.machine.try_doubled_ff(false);
                if answer.is_ok() {
                    lease.ask(path, passive).ok()?;
                    lease.facts().await.ok()
                } else {
                    None
                }
            }
        }
    }

    fn reuse(&self, mut session: Session, idle: Duration) -> Lease {
        session.machine.try_doubled_ff(false);
        if idle > self.config.limits.unchecked {
            // The answer comes with the others; a failure shows in the first of them.
            let _ = session.machine.check(now(), self.config.timeouts.check);
        }
        self.lease(session)
    }

    fn lease(&self, session: Session) -> Lease {
        Lease::new(session, Arc::clone(&self.pool), self.config.timeouts.handover)
    }

    /// Takes over a connection that was made ahead, or is in the making, or makes one; then makes some ahead itself.
    async fn connect(&self, ahead: u16) -> Result<Lease, ConnectError> {
        let connect = || self.config.connector.connect(Target::Host { name: self.host.clone(), port: self.port });
        let early = match self.take_ahead().await {
            Some(early) => early,
            None => {
                let slot = self.pool.slot().ok_or(ConnectError::LimitReached { reply: None, limit_hint: None })?;
                Early::new(connect(), slot)
            }
        };
        let limit = self.config.timeouts.connect;
        let stands = timeout(limit, early.stands()).await;
        let (connected, heard, slot) =
            stands.map_err(|_| ConnectError::TimedOut { host: self.host.clone(), limit })??;
        self.pool.connect_ahead(ahead, connect);
        let mut config = conn::Config::new(self.credentials.clone()).with_waits(self.config.timeouts.waits);
        let peer = match connected.peer {
            Some(address) => {
                if address.is_ipv6() && address.ip().to_canonical().is_ipv6() {
                    config = config.without_pasv();
                }
                Peer::Address(address)
            }
            None => Peer::Name(self.host.clone()),
        };
        let machine = Connection::new(now(), config, self.pool.quirks());
        let session = Session::new(connected.io, heard, peer, Arc::clone(&self.config.connector), machine, slot);
        Ok(self.lease(session))
    }

    /// A connection made ahead that is of use, as far as can be told at once.
    async fn take_ahead(&self) -> Option<Early> {
        loop {
            let mut early = self.pool.take_ahead()?;
            if poll_fn(|cx| Poll::Ready(early.poll(cx))).await {
                return Some(early);
            }
        }
    }

    /// False if it `probes` and was turned away at the door, while a connection that was made ahead is there to be tried: on the
    /// way to a server that admits few, one of those may have overtaken it.
    async fn log_in(&self, lease: &mut Lease, fresh: bool, probes: bool) -> Result<bool, ConnectError> {
        if !fresh && lease.machine.is_logged_in() {
            return Ok(true);
        }
        loop {
            let event = lease.event().await;
            let turned_away = matches!(
                event,
                Ok(Event::LoginRefused { step: Awaited::Greeting, .. }) | Err(conn::Error::Closed(Awaited::Greeting))
            );
            if turned_away && probes && self.pool.has_ahead() {
                return Ok(false);
            }
            match event? {
                Event::LoggedIn => {
                    self.pool.account_is_known();
                    self.pool.learn(|quirks| quirks.absorb(lease.machine.quirks()));
                    return Ok(true);
                }
                Event::LoginRefused { step, reply } => return Err(self.judge_refusal(step, reply)),
                _ => {}
            }
        }
    }

    /// A refused login may be about the account, or about the number of sessions.
    ///
    /// Observed: vsftpd, pure-ftpd and pyftpdlib say 421 at the greeting; proftpd says 530 after `PASS`, as for a wrong
    /// password.
    fn judge_refusal(&self, step: Awaited, reply: Reply) -> ConnectError {
        let limit = match reply.code.get() {
            421 | 430 | 530 if wire::reply_hints_limit(&reply) => true,
            421 => true,
            430 | 530 => self.pool.is_account_known(),
            _ => false,
        };
        match reply.class() {
            _ if limit => ConnectError::LimitReached { limit_hint: limit_hint(&reply), reply: Some(reply) },
            wire::Class::TransientNegative => ConnectError::Unavailable(reply),
            _ => ConnectError::Denied { step, reply },
        }
    }

    /// A connection that is closed before the greeting, while others of ours are up, is a limit whose 421 was lost.
    ///
    /// Observed: pyftpdlib 1.5.7 resets the connection right after its 421.
    fn judge_loss(&self, error: conn::Error) -> ConnectError {
        match error {
            conn::Error::Closed(Awaited::Greeting) if self.pool.begun() > 1 => {
                ConnectError::LimitReached { reply: None, limit_hint: None }
            }
            error => ConnectError::Session(error),
        }
    }
}

fn has_ff(path: &Path) -> bool {
    path.segments().any(|segment| segment.as_bytes().contains(&0xff))
}

/// The number in parentheses, where servers put it.
///
/// Observed: proftpd 1.3.8 (`the maximum number of clients (4) from your host`), pure-ftpd 1.0.50
/// (`Too many connections (5) from this IP`)
fn limit_hint(reply: &Reply) -> Option<u16> {
    let text = reply.lossy();
    let (_, rest) = text.split_once('(')?;
    let (number, _) = rest.split_once(')')?;
    number.trim().parse().ok().filter(|&limit| limit > 0)
}

/// Whether a refused `EPSV` or `PASV`, or a server that died of one, is about this moment and not about the command.
fn speaks_of_ports(reply: &Reply) -> bool {
    match reply.code.get() {
        500 => reply.first().starts_with(b"OOPS:"),
        421 | 501 | 502 | 504 | 522 => false,
        _ => true,
    }
}
