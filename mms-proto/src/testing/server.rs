//! The server: configuration, accepting, and what tests may ask it.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::fault::Faults;
use super::stats::Stats;
use super::udp::Datagrams;
use super::{Asked, Auth, Counters, Fault, Film, Habits, When, lock, mmsh, mmst, udp};

/// A server of films on loopback addresses: MMST and MMSU on one port, MMSH on another. It stops when it is dropped.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    mmst: SocketAddr,
    mmsh: SocketAddr,
    tasks: JoinSet<()>,
}

/// What a [`Server`] is to be; from [`Server::builder`].
#[derive(Debug)]
pub struct ServerBuilder {
    ip: IpAddr,
    films: BTreeMap<String, Film>,
    habits: Habits,
    auth: Option<Auth>,
    max_sessions: usize,
}

impl ServerBuilder {
    /// Serves a film under this path.
    pub fn film(mut self, path: &str, film: Film) -> Self {
        self.films.insert(plain(path), film);
        self
    }

    /// What the server does in every session.
    pub fn habits(mut self, habits: Habits) -> Self {
        self.habits = habits;
        self
    }

    /// Asks for credentials.
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = Some(auth);
        self
    }

    /// At most so many sessions at once: a further one gets 0xC00D000F from MMST, 503 from MMSH.
    pub fn max_sessions(mut self, limit: usize) -> Self {
        self.max_sessions = limit;
        self
    }

    /// Listens on `[::1]` instead of `127.0.0.1`.
    pub fn ipv6(mut self) -> Self {
        self.ip = Ipv6Addr::LOCALHOST.into();
        self
    }

    /// Starts the server on the current runtime.
    ///
    /// # Errors
    ///
    /// No address can be bound.
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
    /// No address can be bound.
    pub fn start_on(self, runtime: &Handle) -> io::Result<Server> {
        let _guard = runtime.enter();
        let (control, datagrams) = twins(self.ip)?;
        let web = listen(self.ip, 0)?;
        let (mmst, mmsh) = (control.local_addr()?, web.local_addr()?);
        let shared = Arc::new(Shared {
            films: Mutex::new(self.films),
            habits: Mutex::new(self.habits),
            auth: self.auth,
            max_sessions: AtomicUsize::new(self.max_sessions),
            ids: AtomicU64::new(0),
            live_at: AtomicU32::new(0),
            stats: Stats::new(),
            faults: Faults::default(),
            datagrams: Datagrams::new(datagrams),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn_on(accept(control, shared.clone(), Port::Mmst), runtime);
        tasks.spawn_on(accept(web, shared.clone(), Port::Mmsh), runtime);
        tasks.spawn_on(udp::serve(shared.clone()), runtime);
        Ok(Server { shared, mmst, mmsh, tasks })
    }
}

impl Server {
    /// An honest server on `127.0.0.1` and free ports, without films, to be changed.
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            ip: Ipv4Addr::LOCALHOST.into(),
            films: BTreeMap::new(),
            habits: Habits::default(),
            auth: None,
            max_sessions: usize::MAX,
        }
    }

    /// The address of MMST, and of the datagrams of MMSU.
    pub fn mmst_addr(&self) -> SocketAddr {
        self.mmst
    }

    /// The address of MMSH.
    pub fn mmsh_addr(&self) -> SocketAddr {
        self.mmsh
    }

    /// The URL of a film: `mmst`, `mmsu` and `mms` lead to one port, all other schemes to that of MMSH.
    pub fn url(&self, scheme: &str, path: &str) -> String {
        let addr = if ["mmst", "mmsu", "mms"].contains(&scheme) { self.mmst } else { self.mmsh };
        format!("{scheme}://{addr}/{}", percent_encoded(&plain(path)))
    }

    /// Puts a film under this path. Sessions that have opened another one there go on with it.
    pub fn put(&self, path: &str, film: Film) {
        lock(&self.shared.films).insert(plain(path), film);
    }

    /// Removes a film. Returns whether there was one.
    pub fn remove(&self, path: &str) -> bool {
        lock(&self.shared.films).remove(&plain(path)).is_some()
    }

    /// Changes the habits, for connections that come from now on.
    pub fn set_habits(&self, habits: Habits) {
        *lock(&self.shared.habits) = habits;
    }

    /// Changes the limit of sessions; those that are there stay.
    pub fn set_max_sessions(&self, limit: usize) {
        self.shared.max_sessions.store(limit, Relaxed);
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

    /// What was asked so far, with the number of the connection, counted from 1 over both ports.
    pub fn asked(&self) -> Vec<(u64, Asked)> {
        self.shared.stats.asked()
    }

    /// Closes all sockets and waits until that is done.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
        self.wait_for(|counters| counters.open == 0).await;
    }
}

/// State that all sessions share.
#[derive(Debug)]
pub(super) struct Shared {
    films: Mutex<BTreeMap<String, Film>>,
    habits: Mutex<Habits>,
    pub(super) auth: Option<Auth>,
    max_sessions: AtomicUsize,
    ids: AtomicU64,
    /// How many packets of the broadcast have gone out.
    live_at: AtomicU32,
    pub(super) stats: Stats,
    pub(super) faults: Faults,
    pub(super) datagrams: Datagrams,
}

impl Shared {
    pub(super) fn habits(&self) -> Habits {
        lock(&self.habits).clone()
    }

    /// The film of a path, which may have a query.
    pub(super) fn film(&self, path: &str) -> Option<Film> {
        let (films, path) = (lock(&self.films), plain(path));
        let without_query = path.split('?').next().unwrap_or_default();
        films.get(&path).or_else(|| films.get(without_query)).cloned()
    }

    /// One of the server's sessions, if any is left.
    pub(super) fn slot(self: &Arc<Self>) -> Option<Slot> {
        let mut taken = false;
        self.stats.count(|c| {
            taken = c.sessions < self.max_sessions.load(Relaxed);
            c.sessions += usize::from(taken);
            c.max_sessions = c.max_sessions.max(c.sessions);
            c.refusals += u64::from(!taken);
        });
        taken.then(|| Slot(self.clone()))
    }

    /// How far the broadcast is.
    pub(super) fn live_at(&self) -> u32 {
        self.live_at.load(Relaxed)
    }

    pub(super) fn live_went_to(&self, packets: u32) {
        self.live_at.fetch_max(packets, Relaxed);
    }
}

/// A place below the limit of sessions; dropping it frees it.
#[derive(Debug)]
pub(super) struct Slot(Arc<Shared>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.stats.count(|c| c.sessions -= 1);
    }
}

/// An open connection, in the counters.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.stats.count(|c| c.open -= 1);
    }
}

#[derive(Clone, Copy)]
enum Port {
    Mmst,
    Mmsh,
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, port: Port) {
    let mut connections = JoinSet::new();
    loop {
        // Out of descriptors, or a connection gone before it was accepted: the next one may be well.
        let Ok((io, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        connections.spawn(serve(io, shared.clone(), port));
    }
}

async fn serve(io: TcpStream, shared: Arc<Shared>, port: Port) {
    let id = shared.ids.fetch_add(1, Relaxed) + 1;
    shared.stats.count(|c| {
        c.connections += 1;
        c.open += 1;
    });
    let open = Open(shared.clone());
    // A broken connection is the client's business.
    let _ = match port {
        Port::Mmst => mmst::serve(io, shared, id).await,
        Port::Mmsh => mmsh::serve(io, shared, id).await,
    };
    drop(open);
}

fn listen(ip: IpAddr, port: u16) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind((ip, port))?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// TCP and UDP on one port.
fn twins(ip: IpAddr) -> io::Result<(TcpListener, UdpSocket)> {
    const TRIES: u32 = 20;
    let mut tried = 0;
    loop {
        let listener = listen(ip, 0)?;
        match std::net::UdpSocket::bind((ip, listener.local_addr()?.port())) {
            Ok(socket) => {
                socket.set_nonblocking(true)?;
                return Ok((listener, UdpSocket::from_std(socket)?));
            }
            Err(error) if tried == TRIES => return Err(error),
            Err(_) => tried += 1,
        }
    }
}

/// A path without slashes at its start.
fn plain(path: &str) -> String {
    path.trim_start_matches('/').to_owned()
}

fn percent_encoded(path: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
