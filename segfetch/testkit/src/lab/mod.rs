//! Real FTP and web servers for tests: started on a port of their own, stopped on drop, their logs read as values.
//!
//! ```no_run
//! use segfetch_testkit::lab::Kind;
//! # fn main() -> std::io::Result<()> {
//! let root = tempfile::tempdir()?;
//! segfetch_testkit::random_file(root.path().join("f"), 1 << 20, 1)?;
//! for kind in Kind::ALL {
//!     let server = kind.serve(root.path()).rate(4 << 20).max_per_ip(4).start()?;
//!     println!("{}", server.url("f"));
//!     // ... a client downloads ...
//!     let log = server.wait_for("the download", |log| !log.transfers.is_empty());
//!     assert_eq!(log.logins_granted(), 1);
//! }
//! # Ok(()) }
//! ```
//!
//! The servers run as root, from Debian's packages (`.ci/servers`), without touching system state: no account is made, no file outside
//! a temporary directory is written. They serve anonymous users, or with [`Builder::account`] one user with a password.

mod log;
mod ports;
mod process;
mod proftpd;
mod pureftpd;
mod pyftpd;
mod vsftpd;
mod web;

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;

pub use log::{Log, Login, Session, Transfer};
pub use pyftpd::Fault;
pub use web::{Nginx, Web};

use log::{Follower, Parser, Sessions, Shared, Tail};
use ports::Ports;
use process::Process;

/// Password of every account that the kit makes.
pub const PASSWORD: &str = "labpass";
/// Name of the account on every server but vsftpd.
const USER: &str = "lab";

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// vsftpd. No MLST, no RANG. Over the limit: 421 at connect. Logs to the second; the kit stamps lines as it sees them.
    Vsftpd,
    /// proftpd. MLST, RANG. Over the limit: 530 after `PASS`.
    Proftpd,
    /// pure-ftpd. MLST. Over the limit: 421 at connect. The final reply to a stopped `RETR` is a 150.
    PureFtpd,
    /// pyftpdlib. MLST, and [`Fault`]s. Over the limit: 421 at connect.
    Pyftpd,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Vsftpd, Self::Proftpd, Self::PureFtpd, Self::Pyftpd];

    /// A server that serves the files below `root`, to be [started](Builder::start).
    pub fn serve(self, root: impl AsRef<Path>) -> Builder {
        Builder {
            kind: self,
            root: root.as_ref().to_owned(),
            ip: Ipv4Addr::LOCALHOST.into(),
            passive: 100,
            rate: None,
            max_per_ip: None,
            account: false,
            without: Vec::new(),
            faults: Vec::new(),
            lines: Vec::new(),
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Vsftpd => "vsftpd",
            Self::Proftpd => "proftpd",
            Self::PureFtpd => "pure-ftpd",
            Self::Pyftpd => "/usr/bin/python3", // the one that Debian's packages of pyftpdlib belong to
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Pyftpd { "pyftpdlib" } else { self.program() })
    }
}

/// What a server should be like. Made by [`Kind::serve`].
#[derive(Debug, Clone)]
pub struct Builder {
    kind: Kind,
    root: PathBuf,
    ip: IpAddr,
    passive: u16,
    rate: Option<u64>,
    max_per_ip: Option<u32>,
    account: bool,
    without: Vec<String>,
    faults: Vec<Fault>,
    lines: Vec<String>,
}

impl Builder {
    /// Listens on `::1` instead of `127.0.0.1`.
    #[must_use]
    pub fn ipv6(self) -> Self {
        self.ip(Ipv6Addr::LOCALHOST.into())
    }

    /// Listens on this address of the loopback interface.
    #[must_use]
    pub fn ip(mut self, ip: IpAddr) -> Self {
        self.ip = ip;
        self
    }

    /// Number of ports for passive data connections, 1 to 127; 100 unless told.
    #[must_use]
    pub fn passive_ports(mut self, ports: u16) -> Self {
        self.passive = ports;
        self
    }

    /// Cap of each data connection in bytes per second. proftpd and pure-ftpd take whole KiB.
    #[must_use]
    pub fn rate(mut self, bytes_per_second: u64) -> Self {
        self.rate = Some(bytes_per_second);
        self
    }

    /// Most control connections of one client address.
    #[must_use]
    pub fn max_per_ip(mut self, connections: u32) -> Self {
        self.max_per_ip = Some(connections);
        self
    }

    /// Only [`Server::account`] may log in, and only with its password. Without this, `anonymous` may with any.
    #[must_use]
    pub fn account(mut self) -> Self {
        self.account = true;
        self
    }

    /// The server does not know, or denies, this command. Not for pure-ftpd, which cannot be told.
    #[must_use]
    pub fn without(mut self, command: &str) -> Self {
        self.without.push(command.to_owned());
        self
    }

    /// A misbehaviour, of pyftpdlib alone.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// A further line of the configuration file (vsftpd, proftpd) or a further argument (pure-ftpd, pyftpdlib).
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Starts the server and returns once it listens.
    ///
    /// The root directory is made readable to everyone (mode 755): the servers give up being root after the login.
    ///
    /// # Errors
    /// The server is not installed; it needs root; it cannot do what was asked; no ports; or it ended, with its own words.
    pub fn start(self) -> io::Result<Server> {
        let failed = |why: String| io::Error::other(format!("{}: {why}", self.kind));
        if crate::find_bin(self.kind.program()).is_none() {
            return Err(failed("not installed; run .ci/servers as root".into()));
        }
        if self.kind != Kind::Pyftpd && !rustix::process::geteuid().is_root() {
            return Err(failed("must be started as root".into()));
        }
        if self.kind != Kind::Pyftpd && !self.faults.is_empty() {
            return Err(failed("only pyftpdlib has faults".into()));
        }
        fs::set_permissions(&self.root, fs::Permissions::from_mode(0o755))?;
        let mut spec = self;
        spec.root = spec.root.canonicalize()?;
        let ports = Ports::take(spec.ip, spec.passive)?;
        let work = tempfile::Builder::new().prefix("segfetch-lab-").tempdir()?;
        let mut server = Server { spec, ports, work, shared: Arc::default(), running: None };
        server.start()?;
        Ok(server)
    }
}

/// A running server. Dropping it kills its processes, those alone, and removes its working directory.
#[derive(Debug)]
pub struct Server {
    spec: Builder,
    ports: Ports,
    work: TempDir,
    shared: Arc<Shared>,
    running: Option<Running>,
}

/// Fields are dropped in order: no more log after the follower is gone.
#[derive(Debug)]
struct Running {
    process: Process,
    _follower: Follower,
    _authenticator: Option<pureftpd::Authenticator>,
}

/// How to run a server: what each kind makes of a [`Builder`].
struct Plan {
    command: Vec<String>,
    tail: Tail,
    sessions: Sessions,
    parser: Box<dyn Parser>,
    authenticator: Option<pureftpd::Authenticator>,
}

impl Server {
    /// Which server it is.
    pub fn kind(&self) -> Kind {
        self.spec.kind
    }

    /// Where its control connections are accepted.
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::new(self.spec.ip, self.ports.control)
    }

    /// URL of a file below the root. `path` is taken as it is: already percent-encoded where it must be.
    pub fn url(&self, path: &str) -> String {
        self.url_via(self.addr(), path)
    }

    /// The same URL for a client that goes through a relay at `addr`.
    pub fn url_via(&self, addr: SocketAddr, path: &str) -> String {
        match self.account() {
            Some((user, password)) => format!("ftp://{user}:{password}@{addr}/{path}"),
            None => format!("ftp://{addr}/{path}"),
        }
    }

    /// Name and password that are let in, if not everyone is.
    ///
    /// vsftpd knows accounts only from the system, so its account is `anonymous` with the one password that it accepts.
    pub fn account(&self) -> Option<(&'static str, &'static str)> {
        self.spec.account.then_some((if self.kind() == Kind::Vsftpd { "anonymous" } else { USER }, PASSWORD))
    }

    /// What the server has logged so far. The end of a transfer is logged some milliseconds after the client has seen it: see
    /// [`wait_for`](Self::wait_for).
    pub fn log(&self) -> Log {
        self.shared.read()
    }

    /// Waits until the log satisfies `done`.
    ///
    /// # Panics
    /// If it does not within ten seconds; the message says `what` was waited for and shows the log.
    pub fn wait_for(&self, what: &str, done: impl Fn(&Log) -> bool) -> Log {
        let (log, done) = self.shared.wait(Duration::from_secs(10), done);
        assert!(done, "{}: waited in vain for {what}; its log: {log:#?}", self.kind());
        log
    }

    /// Stops the server with all its sessions, as [`Drop`] does. The log stays, the port stays reserved.
    pub fn stop(&mut self) {
        self.running = None;
        let now = SystemTime::now();
        self.shared.change(|log| log.sessions.iter_mut().for_each(|session| _ = session.end.get_or_insert(now)));
    }

    /// Starts the server again where it was.
    ///
    /// # Errors
    /// As [`Builder::start`].
    pub fn start(&mut self) -> io::Result<()> {
        const PATIENCE: Duration = Duration::from_secs(20);
        self.stop();
        let kind = self.kind();
        let out = self.work.path().join("out");
        let plan = match kind {
            Kind::Vsftpd => vsftpd::plan(self)?,
            Kind::Proftpd => proftpd::plan(self)?,
            Kind::PureFtpd => pureftpd::plan(self)?,
            Kind::Pyftpd => pyftpd::plan(self)?,
        };
        let mut process = Process::start(&plan.command, &out)?;
        let deadline = Instant::now() + PATIENCE;
        while !process::listens(self.ports.control) || process.server().is_none() {
            let ended = process.ended();
            if ended || Instant::now() > deadline {
                let said = fs::read_to_string(&out).unwrap_or_default();
                let how = if ended { "ended at once" } else { "does not listen" };
                return Err(io::Error::other(format!("{kind} {how}: {}", said.trim())));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let pid = process.server().ok_or_else(|| io::Error::other(format!("{kind} is gone")))?;
        let follower = Follower::start(plan.tail, pid, plan.sessions, plan.parser, Arc::clone(&self.shared));
        self.running = Some(Running { process, _follower: follower, _authenticator: plan.authenticator });
        Ok(())
    }

    /// Kills the server's part of every control connection, with its data connection, as a crash or an administrator does; the server
    /// itself stays. Returns how many. Not for pyftpdlib, which is one process.
    pub fn kill_sessions(&mut self) -> usize {
        let server =
            if self.kind() == Kind::Pyftpd { None } else { self.running.as_mut().and_then(|it| it.process.server()) };
        let sessions = server.map(process::children).unwrap_or_default();
        for &session in &sessions {
            process::children(session).into_iter().for_each(process::kill);
            process::kill(session);
        }
        sessions.len()
    }

    fn work(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    /// Path of a program of ours, as an argument. [`Builder::start`] has seen that it exists.
    fn program(&self) -> String {
        crate::need_bin(self.kind().program()).display().to_string()
    }
}
