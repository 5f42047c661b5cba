//! One control connection of the honest server: greeting, login, and the loop over commands.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Duration, sleep, sleep_until, timeout};

use super::command::fill;
use super::control::Control;
use super::fault::GREETING;
use super::server::{AccountSlot, Shared, Slot};
use super::transfer::Plan;
use super::{EventKind, Fault, LimitAt};

/// Wrong passwords before the server hangs up. Observed: vsftpd, proftpd and pyftpdlib take three.
const MAX_BAD_PASSWORDS: u32 = 3;
/// How long the client has to close its end after the server's last word. Closing at once would reset the connection when
/// commands are unread, and the last word might be lost.
const PARTING: Duration = Duration::from_secs(1);

// The order of fields is the order of dropping: sockets are closed before the slot is free and the session counts as gone.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) control: Control,
    /// The listener of the last PASV or EPSV. A new one closes it. Observed: vsftpd, proftpd, pure-ftpd, pyftpdlib.
    pub(super) passive: Option<TcpListener>,
    /// A transfer that waits for PASV.
    pub(super) pending: Option<Plan>,
    /// A line that came during a transfer and is next.
    pub(super) carried: Option<Vec<u8>>,
    pub(super) state: State,
    login: Login,
    pub(super) presence: Presence,
}

/// What commands change.
#[derive(Debug)]
pub(super) struct State {
    pub(super) id: u64,
    pub(super) peer: IpAddr,
    pub(super) local: IpAddr,
    pub(super) cwd: Vec<u8>,
    pub(super) binary: bool,
    pub(super) rest: u64,
    pub(super) range: Option<(u64, u64)>,
    pub(super) epsv_only: bool,
    /// Commands were eaten during the transfer.
    pub(super) eaten: bool,
}

#[derive(Debug, Default)]
struct Login {
    user: Vec<u8>,
    done: bool,
    bad: u32,
    account: Option<AccountSlot>,
    slot: Option<Slot>,
}

/// Whether the session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    /// The last reply arrives before the end does.
    Close,
    /// The sockets are dropped as they are.
    Drop,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, id: u64, io: TcpStream) -> io::Result<Session> {
        io.set_nodelay(true)?;
        let state = State {
            id,
            peer: io.peer_addr()?.ip(),
            local: io.local_addr()?.ip(),
            cwd: shared.config.home.clone(),
            binary: false,
            rest: 0,
            range: None,
            epsv_only: false,
            eaten: false,
        };
        Ok(Session {
            control: Control::new(io),
            passive: None,
            pending: None,
            carried: None,
            state,
            login: Login::default(),
            presence: Presence::new(shared, id),
        })
    }

    /// Serves until either side ends it.
    pub(super) async fn run(mut self) {
        // An error means that the control connection is gone: nobody is left to be told.
        if let Ok(Flow::Close) = self.serve().await {
            (self.passive, self.login) = Default::default();
            timeout(PARTING, self.control.part()).await.ok();
        }
    }

    async fn serve(&mut self) -> io::Result<Flow> {
        let mut flow = self.greet().await?;
        if flow != Flow::Next {
            return Ok(flow);
        }
        while let Some(line) = self.next_line().await {
            let (verb, arg) = split(&line);
            self.note_command(&line);
            flow = match self.presence.shared.faults.due(&verb) {
                Some(fault) => self.misbehave(&fault, &verb, arg).await?,
                None => self.obey(&verb, arg).await?,
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Drop)
    }

    pub(super) fn note_command(&self, line: &[u8]) {
        let secret = split(line).0 == "PASS";
        self.presence.note(EventKind::Command(if secret { b"PASS ***".to_vec() } else { line.to_vec() }));
    }

    async fn greet(&mut self) -> io::Result<Flow> {
        if let Some(fault) = self.presence.shared.faults.due(GREETING) {
            return self.misbehave(&fault, GREETING, b"").await;
        }
        if self.presence.shared.config.limit_at == LimitAt::Greeting {
            self.login.slot = self.presence.shared.slot();
            if self.login.slot.is_none() {
                return self.refuse("421", self.words().limit, self.presence.shared.max_connections()).await;
            }
        }
        self.reply(self.words().greeting).await?;
        Ok(Flow::Next)
    }

    async fn next_line(&mut self) -> Option<Vec<u8>> {
        let habits = self.presence.shared.config.personality.habits;
        loop {
            let line = self.carried.take();
            if let Some(line) = line.or_else(|| self.control.line(habits.bare_lf_ends_line, habits.undoubles_iac)) {
                return Some(line);
            }
            if self.control.eof() {
                return None;
            }
            self.control.fill().await;
        }
    }

    async fn obey(&mut self, verb: &str, arg: &[u8]) -> io::Result<Flow> {
        match verb {
            "USER" => return self.user(arg).await,
            "PASS" => return self.pass(arg).await,
            "QUIT" => {
                self.reply(self.words().quit).await?;
                return Ok(Flow::Close);
            }
            _ if !self.login.done => self.reply(self.words().not_logged_in).await?,
            "PASV" | "EPSV" => return self.enter_passive(verb, arg).await,
            "RETR" => return self.retrieve(arg).await,
            "LIST" | "NLST" | "MLSD" => return self.list(verb, arg).await,
            "ABOR" => {
                self.passive = None;
                self.reply(self.words().abor_idle).await?;
            }
            _ => {
                let answer = self.answer(verb, arg);
                self.reply(answer).await?;
            }
        }
        Ok(Flow::Next)
    }

    async fn user(&mut self, user: &[u8]) -> io::Result<Flow> {
        if self.login.done {
            self.reply(self.words().again).await?;
            return Ok(Flow::Next);
        }
        self.login.user = user.to_vec();
        let habits = self.presence.shared.config.personality.habits;
        if habits.anonymous_needs_no_password && self.is_anonymous() {
            return self.admit().await;
        }
        self.reply(fill(self.words().need_password, &[("user", user)])).await?;
        Ok(Flow::Next)
    }

    async fn pass(&mut self, password: &[u8]) -> io::Result<Flow> {
        if self.login.done {
            self.reply(self.words().again).await?;
            return Ok(Flow::Next);
        }
        let delay = self.presence.shared.config.login_delay;
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let known = |(user, pass): &(Vec<u8>, Vec<u8>)| *user == self.login.user && pass == password;
        if self.is_anonymous() || self.presence.shared.config.accounts.iter().any(known) {
            return self.admit().await;
        }
        self.presence.shared.stats.count(|c| c.bad_passwords += 1);
        self.presence.leave_login();
        self.login.bad += 1;
        self.reply(self.words().bad_login).await?;
        Ok(if self.login.bad < MAX_BAD_PASSWORDS { Flow::Next } else { Flow::Close })
    }

    fn is_anonymous(&self) -> bool {
        let name = self.login.user.to_ascii_lowercase();
        self.presence.shared.config.anonymous && (name == b"anonymous" || name == b"ftp")
    }

    async fn admit(&mut self) -> io::Result<Flow> {
        let shared = self.presence.shared.clone();
        if self.login.slot.is_none() {
            self.login.slot = shared.slot();
            if self.login.slot.is_none() {
                return self.refuse("530", self.words().limit, shared.max_connections()).await;
            }
        }
        self.login.account = shared.account_slot(&self.login.user);
        if self.login.account.is_none() {
            let words = self.words().account_limit;
            return self.refuse(&words[..3], words, shared.config.max_per_account).await;
        }
        self.login.done = true;
        self.presence.logged_in();
        self.reply(fill(self.words().logged_in, &[("user", &self.login.user)])).await?;
        Ok(Flow::Next)
    }

    /// The code depends on the place, whichever words the personality has for it.
    async fn refuse(&mut self, code: &str, words: &str, limit: usize) -> io::Result<Flow> {
        self.presence.note(EventKind::Refused);
        self.presence.shared.stats.count(|c| c.refusals += 1);
        self.presence.leave_login();
        let text = format!("{code}{}", &words[3..]);
        self.reply(fill(&text, &[("limit", limit.to_string().as_bytes())])).await?;
        Ok(Flow::Close)
    }

    async fn misbehave(&mut self, fault: &Fault, verb: &str, arg: &[u8]) -> io::Result<Flow> {
        match fault {
            Fault::Reply(_, text) => self.say(text).await,
            Fault::HangUp(_) => {
                self.presence.leave_login();
                Ok(Flow::Close)
            }
            Fault::Silence(_) => self.fall_silent().await,
            Fault::WrongSize(by) => {
                let answer = self.answer(verb, arg);
                let size =
                    answer.strip_prefix(b"213 ").and_then(|size| std::str::from_utf8(size).ok()?.parse::<u64>().ok());
                let answer =
                    size.map_or(answer, |size| format!("213 {}", size.saturating_add_signed(*by)).into_bytes());
                self.reply(answer).await?;
                Ok(Flow::Next)
            }
            _ => unreachable!("faults of data are due in transfers only"),
        }
    }

    /// Sends the reply of a fault, which closes the connection if its code is 421.
    pub(super) async fn say(&mut self, text: &str) -> io::Result<Flow> {
        let closes = text.starts_with("421");
        if closes {
            self.presence.leave_login();
        }
        self.reply(text).await?;
        Ok(if closes { Flow::Close } else { Flow::Next })
    }

    /// Reads and ignores all that comes, until the client goes.
    pub(super) async fn fall_silent(&mut self) -> io::Result<Flow> {
        self.control.drain().await;
        Ok(Flow::Drop)
    }

    /// Sends a reply, given without its last line end.
    pub(super) async fn reply(&mut self, text: impl AsRef<[u8]>) -> io::Result<()> {
        let text = text.as_ref();
        let delay = self.presence.shared.config.reply_delay;
        // Even a sleep of no time lasts until the next tick of the timer.
        if !delay.is_zero() {
            sleep_until(self.control.arrived() + delay).await;
        }
        self.presence.note(EventKind::Reply(text.to_vec()));
        self.control.send(&[text, b"\r\n"].concat()).await
    }
}

/// The verb in capitals, and all that follows the one space after it.
pub(super) fn split(line: &[u8]) -> (String, &[u8]) {
    let (verb, arg) = match line.iter().position(|b| *b == b' ') {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, &[][..]),
    };
    (String::from_utf8_lossy(verb).to_ascii_uppercase(), arg)
}

/// That the session exists: counted from the first moment, until dropped.
#[derive(Debug)]
pub(super) struct Presence {
    pub(super) shared: Arc<Shared>,
    id: u64,
    in_login: bool,
}

impl Presence {
    fn new(shared: Arc<Shared>, id: u64) -> Presence {
        let mut others_in_login = 0;
        shared.stats.count(|c| {
            others_in_login = c.in_login;
            c.connections += 1;
            c.sessions += 1;
            c.overlapping_logins += u64::from(c.in_login > 0);
            c.overlapping_logins_after_refusal += u64::from(c.in_login > 0 && c.refusals > 0);
            c.in_login += 1;
            c.max_in_login = c.max_in_login.max(c.in_login);
        });
        shared.stats.note(id, EventKind::Connected { others_in_login });
        Presence { shared, id, in_login: true }
    }

    pub(super) fn note(&self, kind: EventKind) {
        self.shared.stats.note(self.id, kind);
    }

    fn logged_in(&mut self) {
        self.leave_login();
        self.shared.stats.count(|c| c.logins += 1);
        self.note(EventKind::LoggedIn);
    }

    /// The attempt to log in has its result.
    fn leave_login(&mut self) {
        let was_in = std::mem::take(&mut self.in_login);
        self.shared.stats.count(|c| c.in_login -= usize::from(was_in));
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.leave_login();
        self.note(EventKind::Closed);
        self.shared.stats.count(|c| c.sessions -= 1);
    }
}
