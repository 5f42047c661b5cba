//! A TCP relay in front of an FTP server: a worse network than loopback, in user space, without root.
//!
//! The control connection is forwarded line by line; replies 227 and 229 are rewritten so that passive data connections come through the
//! relay too. Active mode does not. The relay is not a judge: it passes on whatever the two sides say.
//!
//! ```text
//!  client ── control ──> relay ── control ──> server        each way: read -> rate cap -> delay line -> (black-out) -> write
//!         ── data    ──>       ── data    ──>
//! ```

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// Most bytes taken in one read.
const CHUNK: usize = 64 << 10;
/// Most reads under way in one direction: 50 ms of 1 Gbit/s in whole chunks fit, and a stopped reader costs 16 MiB at most.
const IN_FLIGHT: usize = 256;
/// How long a passive port waits for its connection.
const ACCEPT: Duration = Duration::from_secs(60);

/// What a relay should be like. Made by [`Relay::to`].
#[derive(Debug, Clone, Copy)]
pub struct Builder {
    target: SocketAddr,
    link: Link,
}

#[derive(Debug, Clone, Copy, Default)]
struct Link {
    delay: Duration,
    rate: Option<u64>,
}

impl Builder {
    /// One-way delay of every byte, control and data: half of a round trip. Connecting is not delayed.
    #[must_use]
    pub fn delay(mut self, one_way: Duration) -> Self {
        self.link.delay = one_way;
        self
    }

    /// Cap in bytes per second of each data connection, each way.
    #[must_use]
    pub fn rate(mut self, bytes_per_second: u64) -> Self {
        self.link.rate = Some(bytes_per_second.max(1));
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
        let path = Path { target: self.target, link: self.link, switches: seen, counts: Arc::default() };
        let counts = Arc::clone(&path.counts);
        tokio::spawn(async move {
            let mut switches = path.switches.clone();
            loop {
                let client = tokio::select! {
                    accepted = listener.accept() => accepted,
                    // The one way to be answered is the relay's end.
                    _ = switches.wait_for(|_| false) => return,
                };
                let Ok((client, _)) = client else { return };
                tokio::spawn(path.clone().connection(client, path.target, Channel::Control));
            }
        });
        Ok(Relay { addr, switches, counts })
    }
}

/// A running relay. Dropping it resets all its connections.
#[derive(Debug)]
pub struct Relay {
    addr: SocketAddr,
    switches: watch::Sender<Switches>,
    counts: Arc<Mutex<Counts>>,
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
    pub turns: usize,
    /// Replies 421 and 530 that came through.
    pub refusals: usize,
}

impl Relay {
    /// A relay in front of `target`, to be [started](Builder::start).
    pub fn to(target: SocketAddr) -> Builder {
        Builder { target, link: Link::default() }
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
}

/// What every connection of a relay knows.
#[derive(Debug, Clone)]
struct Path {
    target: SocketAddr,
    link: Link,
    switches: watch::Receiver<Switches>,
    counts: Arc<Mutex<Counts>>,
}

impl Path {
    /// Waits for the client at a passive port of ours, then connects to the server's. Boxed, because connections open connections.
    fn data(self, listener: TcpListener, server: SocketAddr) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let accepted = tokio::select! {
                accepted = tokio::time::timeout(ACCEPT, listener.accept()) => accepted,
                () = self.killed() => return,
            };
            if let Ok(Ok((client, _))) = accepted {
                drop(listener);
                self.connection(client, server, Channel::Data).await;
            }
        })
    }

    async fn connection(self, client: TcpStream, server: SocketAddr, channel: Channel) {
        let _open = Open::count(&self.counts, channel);
        let server = tokio::select! {
            connected = async { self.light().await?; TcpStream::connect(server).await } => connected,
            () = self.killed() => Err(io::ErrorKind::ConnectionReset.into()),
        };
        let (mut client, Ok(mut server)) = (client, server) else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let wire = Wire { path: &self, channel, client_spoke_last: AtomicBool::new(false) };
        let over = tokio::select! {
            done = async {
                tokio::try_join!(
                    wire.pump(from_client, to_server, Way::ToServer),
                    wire.pump(from_server, to_client, Way::ToClient),
                )
            } => done.is_ok(),
            () = self.killed() => false,
        };
        if !over {
            // What one side has done roughly, the other shall feel.
            let _ = (client.set_zero_linger(), server.set_zero_linger());
        }
    }

    /// Returns when everything is killed from now on, or the relay is no more.
    async fn killed(&self) {
        let mut switches = self.switches.clone();
        let kills = switches.borrow_and_update().kills;
        let _ = switches.wait_for(|now| now.kills != kills).await;
    }

    /// Returns when there is no black-out.
    async fn light(&self) -> io::Result<()> {
        let mut switches = self.switches.clone();
        switches.wait_for(|now| !now.dark).await.map(|_| ()).map_err(io::Error::other)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channel {
    Control,
    Data,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    ToServer,
    ToClient,
}

/// One connection, both ways.
struct Wire<'a> {
    path: &'a Path,
    channel: Channel,
    client_spoke_last: AtomicBool,
}

impl Wire<'_> {
    /// One way, to its end of file.
    async fn pump(&self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, way: Way) -> io::Result<()> {
        let (sender, mut line) = mpsc::channel::<(Instant, Bytes)>(IN_FLIGHT);
        let Link { delay, rate } = self.path.link;
        let rate = rate.filter(|_| self.channel == Channel::Data);
        let chunk = rate.map_or(CHUNK, |rate| usize::try_from(rate / 20).unwrap_or(CHUNK).clamp(1 << 10, CHUNK));
        let read = async move {
            let mut due = Instant::now();
            let mut unfinished = BytesMut::new();
            loop {
                let mut buf = BytesMut::with_capacity(chunk);
                let got = from.read_buf(&mut buf).await?;
                if let Some(rate) = rate {
                    due = due.max(Instant::now()) + Duration::from_secs_f64(got as f64 / rate as f64);
                    sleep_until(due).await;
                }
                if (self.channel, way) == (Channel::Control, Way::ToClient) {
                    unfinished.extend_from_slice(&buf);
                    let whole = if got == 0 {
                        Some(unfinished.len())
                    } else {
                        unfinished.iter().rposition(|&byte| byte == b'\n').map(|end| end + 1)
                    };
                    buf = self.rewritten(&unfinished.split_to(whole.unwrap_or(0))).await?;
                }
                let gone = !buf.is_empty() && sender.send((Instant::now() + delay, buf.freeze())).await.is_err();
                if got == 0 || gone {
                    return Ok::<_, io::Error>(());
                }
            }
        };
        let write = async {
            while let Some((at, bytes)) = line.recv().await {
                sleep_until(at).await;
                self.path.light().await?;
                to.write_all(&bytes).await?;
                self.count(way, bytes.len());
            }
            to.shutdown().await
        };
        tokio::try_join!(read, write).map(|_| ())
    }

    /// Whole reply lines, the addresses of passive ports replaced by our own.
    async fn rewritten(&self, lines: &[u8]) -> io::Result<BytesMut> {
        let mut out = BytesMut::with_capacity(lines.len() + 32);
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            match passive_port(line) {
                Some(port) => {
                    let listener = TcpListener::bind(SocketAddr::new(self.path.target.ip(), 0)).await?;
                    let ours = listener.local_addr()?;
                    tokio::spawn(self.path.clone().data(listener, SocketAddr::new(self.path.target.ip(), port)));
                    out.extend_from_slice(announcement(line.starts_with(b"227"), ours).as_bytes());
                }
                None => out.extend_from_slice(line),
            }
            if line.starts_with(b"421") || line.starts_with(b"530") {
                lock(&self.path.counts).refusals += 1;
            }
        }
        Ok(out)
    }

    fn count(&self, way: Way, len: usize) {
        let mut counts = lock(&self.path.counts);
        match (self.channel, way) {
            (Channel::Data, Way::ToClient) => counts.data_to_client += len as u64,
            (Channel::Data, Way::ToServer) => counts.data_to_server += len as u64,
            (Channel::Control, way) => {
                let client = way == Way::ToServer;
                let before = self.client_spoke_last.swap(client, Ordering::Relaxed);
                counts.turns += usize::from(client && !before);
            }
        }
    }
}

/// The port of `227 ... (h1,h2,h3,h4,p1,p2)` or `229 ... (|||port|)`; the address in a 227 is not looked at.
fn passive_port(line: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(line).ok()?;
    let inside = line.split_once('(')?.1.split_once(')')?.0;
    match line.get(..4)? {
        "227 " => {
            let numbers: Vec<u8> = inside.split(',').map_while(|number| number.parse().ok()).collect();
            let [_, _, _, _, high, low] = numbers[..] else { return None };
            Some(u16::from_be_bytes([high, low]))
        }
        "229 " => inside.strip_prefix("|||")?.strip_suffix('|')?.parse().ok(),
        _ => None,
    }
}

fn announcement(short: bool, ours: SocketAddr) -> String {
    match ours {
        SocketAddr::V4(v4) if short => {
            let [a, b, c, d] = v4.ip().octets();
            let [high, low] = v4.port().to_be_bytes();
            format!("227 Entering Passive Mode ({a},{b},{c},{d},{high},{low}).\r\n")
        }
        _ => format!("229 Entering Extended Passive Mode (|||{}|)\r\n", ours.port()),
    }
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

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
