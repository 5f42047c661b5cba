//! A TCP relay in front of a server: a worse network than loopback, in user space, without root.
//!
//! The control connection of FTP is forwarded line by line; replies 227 and 229 are rewritten so that passive data connections come
//! through the relay too. Active mode does not. [`plain`](Builder::plain) connections (HTTP) are data from the first byte. The relay is not
//! a judge: it passes on whatever the two sides say.
//!
//! ```text
//!  client ── control ──> relay ── control ──> server        each way: read -> rates -> delay line -> (black-out) -> write
//!         ── data    ──>       ── data    ──>               rates (data alone): own cap, lane, slow start, shared link
//! ```
//!
//! What it does as a network would: bytes in flight do not wait for each other (a delay line, as long as rate times delay); the server
//! sees a connection three delays after the client asked for it, so that first bytes come when they would; an end of file travels like a
//! byte; with [`slow_start`](Builder::slow_start) a new connection begins with ten segments. What it does not: a client's `connect` returns
//! at once (which spares a client that waits for it before it speaks a round trip); nothing is lost; timers are about a millisecond late.
//! Sockets of a capped connection have small buffers, so that no more than a few hundred KiB wait in the relay itself.

mod pace;
mod passive;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::watch;

use pace::{Lanes, Meter};
use wire::Session;

/// What a relay should be like. Made by [`Relay::to`].
#[derive(Debug, Clone)]
pub struct Builder {
    target: SocketAddr,
    delay: Duration,
    rate: Option<u64>,
    total: Option<u64>,
    lanes: Vec<u64>,
    silences: Vec<(usize, u64)>,
    slow_start: bool,
    plain: bool,
}

impl Builder {
    /// One-way delay of every byte, control and data: half of a round trip.
    #[must_use]
    pub fn delay(mut self, one_way: Duration) -> Self {
        self.delay = one_way;
        self
    }

    /// Cap in bytes per second of each data connection, each way.
    #[must_use]
    pub fn rate(mut self, bytes_per_second: u64) -> Self {
        self.rate = Some(bytes_per_second.max(1));
        self
    }

    /// Rate in bytes per second of the link that all data to clients shares, in turns of equal size.
    #[must_use]
    pub fn link(mut self, bytes_per_second: u64) -> Self {
        self.total = Some(bytes_per_second.max(1));
        self
    }

    /// Rates in bytes per second of lanes, for data to clients. A data connection takes the lane with the fewest connections, of several
    /// the first, keeps it until the client closes it, and shares its rate. So rates are tied to places and not to luck: no reconnecting,
    /// and no number of connections, gets more than all lanes together.
    #[must_use]
    pub fn lanes(mut self, bytes_per_second: &[u64]) -> Self {
        self.lanes = bytes_per_second.to_vec();
        self
    }

    /// The connection on lane `lane` (from 0) that would carry the lane past `after` bytes delivers nothing more, yet does not end. It gives
    /// up its lane; the next connection there is a healthy one.
    #[must_use]
    pub fn silent(mut self, lane: usize, after: u64) -> Self {
        self.silences.push((lane, after));
        self
    }

    /// A data connection begins with a window of ten segments, doubled each round trip.
    #[must_use]
    pub fn slow_start(mut self) -> Self {
        self.slow_start = true;
        self
    }

    /// Whatever connects is a data connection: rates and lanes hold for it, and nothing is rewritten. For HTTP.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.plain = true;
        self
    }

    /// Listens on a free port of the target's address.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(self) -> io::Result<Relay> {
        let listener = TcpListener::bind(SocketAddr::new(self.target.ip(), 0)).await?;
        let addr = listener.local_addr()?;
        let (switches, seen) = watch::channel(Switches::default());
        let road = Road {
            delay: self.delay,
            rate: self.rate,
            total: self.total,
            shared: self.total.map(|rate| Mutex::new(Meter::new(rate))),
            lanes: Lanes::new(&self.lanes, &self.silences),
            slow_start: self.slow_start,
            plain: self.plain,
        };
        let path = Path {
            target: self.target,
            road: Arc::new(road),
            switches: seen,
            counts: Arc::default(),
            flows: Arc::default(),
            began: Instant::now(),
        };
        let (counts, flows) = (Arc::clone(&path.counts), Arc::clone(&path.flows));
        tokio::spawn(path.accept(listener));
        Ok(Relay { addr, switches, counts, flows })
    }
}

/// A running relay. Dropping it resets all its connections.
#[derive(Debug)]
pub struct Relay {
    addr: SocketAddr,
    switches: watch::Sender<Switches>,
    counts: Arc<Mutex<Counts>>,
    flows: Arc<Mutex<Vec<Flow>>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Switches {
    dark: bool,
    /// How often everything was killed.
    kills: u64,
}

/// What has passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Control connections accepted so far.
    pub control: usize,
    /// Data connections accepted so far.
    pub data: usize,
    /// Control connections open now.
    pub control_open: usize,
    /// Data connections open now.
    pub data_open: usize,
    /// Most control connections open at one time.
    pub control_most: usize,
    /// Most data connections open at one time.
    pub data_most: usize,
    /// Bytes delivered on data connections to clients.
    pub data_to_client: u64,
    /// Bytes delivered on data connections to the server.
    pub data_to_server: u64,
    /// Times that a client spoke on a control connection after the server had spoken: round trips without those of connecting.
    /// Of plain connections: requests.
    pub turns: usize,
    /// Control connections to which the server has said 230.
    pub logins: usize,
    /// Replies 421 and 530 that came through.
    pub refusals: usize,
}

/// One data connection. Times are since the relay was started; the client's are those at which it acted, not those at which the server
/// learnt of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flow {
    /// Which control connection it belongs to, from 0; of a plain connection, its own number.
    pub session: usize,
    /// Its lane.
    pub lane: Option<usize>,
    /// When the client opened the control connection.
    pub session_opened: Duration,
    /// When the client asked for the passive port.
    pub asked: Option<Duration>,
    /// When the client connected.
    pub opened: Duration,
    /// When the client sent the `RETR` (or `GET`) that the first byte answers.
    pub retrieve: Option<Duration>,
    /// When the first byte was delivered to the client.
    pub first_byte: Option<Duration>,
    /// When it was over on both sides.
    pub ended: Option<Duration>,
    /// Bytes delivered to the client.
    pub bytes: u64,
}

impl Relay {
    /// A relay in front of `target`, to be [started](Builder::start).
    pub fn to(target: SocketAddr) -> Builder {
        Builder {
            target,
            delay: Duration::ZERO,
            rate: None,
            total: None,
            lanes: Vec::new(),
            silences: Vec::new(),
            slow_start: false,
            plain: false,
        }
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Switches the black-out: while it lasts nothing is delivered and nothing new is connected, yet no connection ends.
    pub fn black_out(&self, dark: bool) {
        self.switches.send_modify(|switches| switches.dark = dark);
    }

    /// Resets every connection, on both sides. New ones are accepted.
    pub fn kill(&self) {
        self.switches.send_modify(|switches| switches.kills += 1);
    }

    /// What has passed so far.
    pub fn counts(&self) -> Counts {
        *lock(&self.counts)
    }

    /// Every data connection so far, in the order in which they were opened.
    pub fn flows(&self) -> Vec<Flow> {
        lock(&self.flows).clone()
    }
}

/// What every connection of a relay knows.
#[derive(Debug, Clone)]
struct Path {
    target: SocketAddr,
    road: Arc<Road>,
    switches: watch::Receiver<Switches>,
    counts: Arc<Mutex<Counts>>,
    flows: Arc<Mutex<Vec<Flow>>>,
    began: Instant,
}

/// What the network is like.
#[derive(Debug)]
struct Road {
    delay: Duration,
    rate: Option<u64>,
    total: Option<u64>,
    shared: Option<Mutex<Meter>>,
    lanes: Lanes,
    slow_start: bool,
    plain: bool,
}

impl Path {
    async fn accept(self, listener: TcpListener) {
        let mut switches = self.switches.clone();
        let channel = if self.road.plain { Channel::Data } else { Channel::Control };
        for number in 0.. {
            let client = tokio::select! {
                accepted = listener.accept() => accepted,
                // The one way to be answered is the relay's end.
                _ = switches.wait_for(|_| false) => return,
            };
            let Ok((client, _)) = client else { return };
            let session = Session { number, opened: Instant::now(), said: Arc::default() };
            tokio::spawn(self.clone().connection(client, self.target, channel, session));
        }
    }

    fn since(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.began)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channel {
    Control,
    Data,
}

/// Counts a connection while it lives.
struct Open<'a>(&'a Mutex<Counts>, Channel);

impl<'a> Open<'a> {
    fn count(counts: &'a Mutex<Counts>, channel: Channel) -> Self {
        let mut now = lock(counts);
        let Counts { control, control_open, control_most, data, data_open, data_most, .. } = &mut *now;
        let (all, open, most) = match channel {
            Channel::Control => (control, control_open, control_most),
            Channel::Data => (data, data_open, data_most),
        };
        *all += 1;
        *open += 1;
        *most = (*most).max(*open);
        Self(counts, channel)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let mut now = lock(self.0);
        match self.1 {
            Channel::Control => now.control_open -= 1,
            Channel::Data => now.data_open -= 1,
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
