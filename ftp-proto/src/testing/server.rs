//! The honest server: configuration, accepting, and what tests may ask it.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::fault::Faults;
use super::file::Tree;
use super::session::Session;
use super::stats::Stats;
use super::{Counters, DataStream, Event, Fault, Feature, File, LimitAt, Personality, When, lock};

/// A read-only FTP server on a loopback address. It stops when it is dropped.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    addr: SocketAddr,
    tasks: JoinSet<()>,
}

/// What a [`Server`] is to be; from [`Server::builder`].
#[derive(Debug)]
pub struct ServerBuilder {
    config: Config,
    tree: Tree,
    max_connections: usize,
    rate: u64,
}

#[derive(Debug)]
pub(super) struct Config {
    bind: SocketAddr,
    pub(super) personality: Personality,
    pub(super) limit_at: LimitAt,
    pub(super) features: Vec<Feature>,
    pub(super) accounts: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) anonymous: bool,
    pub(super) home: Vec<u8>,
    pub(super) max_per_account: usize,
    pub(super) single_component: bool,
    pub(super) reply_delay: Duration,
    pub(super) login_delay: Duration,
    pub(super) data_timeout: Duration,
    pub(super) send_buffer: Option<u32>,
    pub(super) passive_ports: RangeInclusive<u16>,
    pub(super) passive_address: Option<Ipv4Addr>,
}

impl ServerBuilder {
    /// Imitates a real server. Call it before [`with`](Self::with) and [`without`](Self::without), which it resets.
    pub fn personality(mut self, personality: Personality) -> Self {
        self.config.features = personality.features.to_vec();
        self.config.limit_at = personality.limit_at;
        self.config.personality = personality;
        self
    }

    /// Listens on `[::1]` instead of `127.0.0.1`.
    pub fn ipv6(self) -> Self {
        self.bind((Ipv6Addr::LOCALHOST, 0).into())
    }

    /// Listens on this address; port 0 takes a free one. A server that comes back after [`Server::shutdown`] takes its old
    /// address here.
    pub fn bind(mut self, addr: SocketAddr) -> Self {
        self.config.bind = addr;
        self
    }

    /// Serves a file under this path. Directories follow from paths.
    pub fn file(mut self, path: impl AsRef<[u8]>, file: File) -> Self {
        self.tree.put(path.as_ref(), file);
        self
    }

    /// Offers a feature, `RANG` above all (proftpd has it).
    pub fn with(mut self, feature: Feature) -> Self {
        self.config.features.retain(|has| *has != feature);
        self.config.features.push(feature);
        self
    }

    /// Takes a feature away: it leaves the FEAT list and its commands get `500`. Old servers lack `EPSV` and `MLST`, appliances
    /// also `SIZE`, `MDTM` and `REST`; a server behind IPv6-only NAT lacks `PASV`.
    pub fn without(mut self, feature: Feature) -> Self {
        self.config.features.retain(|has| *has != feature);
        self
    }

    /// Refuses names with a `/` in RETR, SIZE, MDTM and MLST, and steps of more than one component in CWD, as servers with
    /// other file systems (VMS, z/OS) do; RFC 1738 clients come through by CWD steps. TVFS leaves the FEAT list.
    pub fn single_component_names(mut self) -> Self {
        self.config.single_component = true;
        self.without(Feature::Tvfs)
    }

    /// Lets this user in with this password, besides anonymous.
    pub fn account(mut self, user: impl AsRef<[u8]>, password: impl AsRef<[u8]>) -> Self {
        self.config.accounts.push((user.as_ref().to_vec(), password.as_ref().to_vec()));
        self
    }

    /// Refuses anonymous users.
    pub fn no_anonymous(mut self) -> Self {
        self.config.anonymous = false;
        self
    }

    /// The directory in which sessions start; `/` if not set.
    pub fn home(mut self, dir: impl AsRef<[u8]>) -> Self {
        self.config.home = super::file::resolve(b"/", dir.as_ref());
        self
    }

    /// At most so many connections at once (vsftpd `max_per_ip`, proftpd `MaxClientsPerHost`, pure-ftpd `-C`).
    pub fn max_connections(mut self, limit: usize) -> Self {
        self.max_connections = limit;
        self
    }

    /// Where the limit shows; the personality's habit if not set.
    pub fn limit_at(mut self, at: LimitAt) -> Self {
        self.config.limit_at = at;
        self
    }

    /// At most so many sessions of one user at once, refused in answer to PASS (hosters' panels, proftpd `MaxClientsPerUser`).
    pub fn max_per_account(mut self, limit: usize) -> Self {
        self.config.max_per_account = limit;
        self
    }

    /// Bytes per second of each data connection (vsftpd `anon_max_rate`, proftpd `TransferRate`, pure-ftpd `-t`); 0 is unlimited.
    pub fn rate(mut self, bytes_per_second: u64) -> Self {
        self.rate = bytes_per_second;
        self
    }

    /// Holds each reply back until its command has been there for so long: a round trip, which pipelined commands share.
    pub fn reply_delay(mut self, delay: Duration) -> Self {
        self.config.reply_delay = delay;
        self
    }

    /// Time that the check of a password takes (pure-ftpd with hashed virtual users: 2 to 5 s).
    pub fn login_delay(mut self, delay: Duration) -> Self {
        self.config.login_delay = delay;
        self
    }

    /// How long a data connection may stay away, or a write may block, before the transfer fails; 60 s if not set.
    pub fn data_timeout(mut self, timeout: Duration) -> Self {
        self.config.data_timeout = timeout;
        self
    }

    /// The kernel's send buffer of data connections: small ones keep [`Counters::bytes_sent`] near to what the client has read.
    pub fn send_buffer(mut self, bytes: u32) -> Self {
        self.config.send_buffer = Some(bytes);
        self
    }

    /// Ports for data connections; when all are taken, PASV and EPSV get `425`.
    pub fn passive_ports(mut self, ports: RangeInclusive<u16>) -> Self {
        self.config.passive_ports = ports;
        self
    }

    /// The address that PASV announces, as a server behind NAT does; data is on the true one.
    pub fn passive_address(mut self, address: Ipv4Addr) -> Self {
        self.config.passive_address = Some(address);
        self
    }

    /// Starts the server on the current runtime.
    ///
    /// # Errors
    ///
    /// The address cannot be bound.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn start(self) -> io::Result<Server> {
        self.start_on(&Handle::current())
    }

    /// Starts the server on this runtime, which must have I/O and time enabled.
    ///
    /// # Errors
    ///
    /// The address cannot be bound.
    pub fn start_on(self, runtime: &Handle) -> io::Result<Server> {
        let _guard = runtime.enter();
        let listener = listen(self.config.bind, None)?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            config: self.config,
            tree: Mutex::new(self.tree),
            rate: AtomicU64::new(self.rate),
            max_connections: AtomicUsize::new(self.max_connections),
            accounts: Mutex::default(),
            sessions: AtomicU64::new(0),
            stats: Stats::new(),
            faults: Faults::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn_on(accept(listener, shared.clone()), runtime);
        Ok(Server { shared, addr, tasks })
    }
}

impl Server {
    /// A server of no particular habits on `127.0.0.1` and a free port, with anonymous users and without files, to be changed.
    pub fn builder() -> ServerBuilder {
        let personality = Personality::plain();
        ServerBuilder {
            config: Config {
                bind: (Ipv4Addr::LOCALHOST, 0).into(),
                personality,
                limit_at: personality.limit_at,
                features: personality.features.to_vec(),
                accounts: Vec::new(),
                anonymous: true,
                home: b"/".to_vec(),
                max_per_account: usize::MAX,
                single_component: false,
                reply_delay: Duration::ZERO,
                login_delay: Duration::ZERO,
                data_timeout: Duration::from_secs(60),
                send_buffer: None,
                passive_ports: 0..=0,
                passive_address: None,
            },
            tree: Tree::default(),
            max_connections: usize::MAX,
            rate: 0,
        }
    }

    /// The address of the control port.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The `ftp://` URL of a path below the login directory, for anonymous users.
    pub fn url(&self, path: impl AsRef<[u8]>) -> String {
        format!("ftp://{}/{}", self.addr, percent_encoded(path.as_ref()))
    }

    /// The `ftp://` URL of a path below the login directory, with a user and a password.
    pub fn url_as(&self, user: &str, password: &str, path: impl AsRef<[u8]>) -> String {
        let [user, password] = [user, password].map(|text| percent_encoded(text.as_bytes()).replace('/', "%2F"));
        format!("ftp://{user}:{password}@{}/{}", self.addr, percent_encoded(path.as_ref()))
    }

    /// Puts a file under this path, as a rename over the old one does: running transfers go on with the old content.
    pub fn put(&self, path: impl AsRef<[u8]>, file: File) {
        lock(&self.shared.tree).put(path.as_ref(), file);
    }

    /// Changes a file in place, as a program that writes into it does: running transfers go on with the new content, and end
    /// early if it is shorter. Returns whether there was such a file.
    pub fn overwrite(&self, path: impl AsRef<[u8]>, file: File) -> bool {
        lock(&self.shared.tree).overwrite(path.as_ref(), file)
    }

    /// Removes a file; running transfers go on. Returns whether there was such a file.
    pub fn remove(&self, path: impl AsRef<[u8]>) -> bool {
        lock(&self.shared.tree).remove(path.as_ref())
    }

    /// Changes the rate of all data connections, the running ones included.
    pub fn set_rate(&self, bytes_per_second: u64) {
        self.shared.rate.store(bytes_per_second, Relaxed);
    }

    /// Changes the limit of connections; those that are there stay.
    pub fn set_max_connections(&self, limit: usize) {
        self.shared.max_connections.store(limit, Relaxed);
    }

    /// Lets something go wrong.
    pub fn fault(&self, when: When, fault: Fault) {
        self.shared.faults.set(when, fault);
    }

    /// Forgets all faults; those under way stay.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// The counters now.
    pub fn counters(&self) -> Counters {
        self.shared.stats.counters()
    }

    /// Waits until the counters satisfy the condition, and returns them.
    pub async fn wait_for(&self, mut condition: impl FnMut(&Counters) -> bool) -> Counters {
        let mut counters = self.shared.stats.watch();
        let found = counters.wait_for(|counters| condition(counters)).await.map(|counters| *counters);
        found.unwrap_or_else(|_| self.counters())
    }

    /// The log so far: connections, commands, replies, logins, in the order of happening.
    pub fn log(&self) -> Vec<Event> {
        self.shared.stats.log()
    }

    /// The command lines of all sessions so far, in order, without their arguments.
    pub fn verbs(&self) -> Vec<(u64, String)> {
        let verb = |event: Event| match event.kind {
            super::EventKind::Command(line) => {
                let verb = line.split(|b| *b == b' ').next().unwrap_or_default().to_ascii_uppercase();
                Some((event.session, String::from_utf8_lossy(&verb).into_owned()))
            }
            _ => None,
        };
        self.log().into_iter().filter_map(verb).collect()
    }

    /// The data connections that carried files so far, in the order of opening.
    pub fn streams(&self) -> Vec<DataStream> {
        self.shared.stats.streams()
    }

    /// Closes all sockets and waits until that is done.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
        self.wait_for(|counters| counters.sessions == 0).await;
    }
}

/// State that all sessions share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) tree: Mutex<Tree>,
    pub(super) stats: Stats,
    pub(super) faults: Faults,
    rate: AtomicU64,
    max_connections: AtomicUsize,
    accounts: Mutex<BTreeMap<Vec<u8>, usize>>,
    sessions: AtomicU64,
}

impl Shared {
    /// Bytes per second; 0 is unlimited.
    pub(super) fn rate(&self) -> u64 {
        self.rate.load(Relaxed)
    }

    pub(super) fn max_connections(&self) -> usize {
        self.max_connections.load(Relaxed)
    }

    pub(super) fn offers(&self, feature: Feature) -> bool {
        self.config.features.contains(&feature)
    }

    /// One of the server's connections, if any is left.
    pub(super) fn slot(self: &Arc<Self>) -> Option<Slot> {
        let mut taken = false;
        self.stats.count(|c| {
            taken = c.open < self.max_connections();
            c.open += usize::from(taken);
            c.max_open = c.max_open.max(c.open);
        });
        taken.then(|| Slot(self.clone()))
    }

    /// One of the user's sessions, if any is left.
    pub(super) fn account_slot(self: &Arc<Self>, user: &[u8]) -> Option<AccountSlot> {
        let mut accounts = lock(&self.accounts);
        let held = accounts.entry(user.to_vec()).or_default();
        (*held < self.config.max_per_account).then(|| {
            *held += 1;
            AccountSlot(self.clone(), user.to_vec())
        })
    }
}

/// A place below the limit of connections; dropping it frees it.
#[derive(Debug)]
pub(super) struct Slot(Arc<Shared>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.stats.count(|c| c.open -= 1);
    }
}

/// A place below the limit of a user; dropping it frees it.
#[derive(Debug)]
pub(super) struct AccountSlot(Arc<Shared>, Vec<u8>);

impl Drop for AccountSlot {
    fn drop(&mut self) {
        if let Some(held) = lock(&self.0.accounts).get_mut(&self.1) {
            *held -= 1;
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut sessions = JoinSet::new();
    loop {
        // Out of descriptors, or a connection gone before it was accepted: the next one may be well.
        let Ok((io, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        while sessions.try_join_next().is_some() {}
        let id = shared.sessions.fetch_add(1, Relaxed) + 1;
        if let Ok(session) = Session::new(shared.clone(), id, io) {
            sessions.spawn(session.run());
        }
    }
}

/// A listening socket whose accepted sockets have this send buffer.
pub(super) fn listen(addr: SocketAddr, send_buffer: Option<u32>) -> io::Result<TcpListener> {
    const BACKLOG: u32 = 256;
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A server that comes back, and a narrow range of data ports, must not wait for TIME_WAIT.
    socket.set_reuseaddr(true)?;
    if let Some(bytes) = send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

impl Config {
    /// A listener for one data connection, on the address that the control connection came to.
    pub(super) fn listen_for_data(&self, ip: IpAddr) -> io::Result<TcpListener> {
        let mut result = Err(io::ErrorKind::AddrInUse.into());
        for port in self.passive_ports.clone() {
            result = listen((ip, port).into(), self.send_buffer);
            if result.is_ok() {
                break;
            }
        }
        result
    }
}

fn percent_encoded(path: &[u8]) -> String {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let mut out = String::new();
    for &b in path {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(b)),
            _ => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}
