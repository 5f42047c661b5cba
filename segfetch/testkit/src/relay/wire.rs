//! One relayed connection: two pumps, each with its pace and its delay line.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep_until;

use super::pace::{Meter, Place, SlowStart};
use super::passive::{announcement, passive_port};
use super::{Channel, Flow, Path, lock};

/// Most bytes taken in one read.
const CHUNK: usize = 64 << 10;
/// Fewest: a slow connection is still one of many small pieces and not of bursts.
const SMALL: usize = 4 << 10;
/// Most bytes under way in one direction of an uncapped connection: 100 ms of 160 MB/s.
const IN_FLIGHT: u64 = 16 << 20;
/// Buffers of the relay's sockets where the rate is capped (the kernel doubles it): what waits there would otherwise hide the cap.
const SOCKET: usize = 64 << 10;
/// How long a passive port waits for its connection.
const ACCEPT: Duration = Duration::from_secs(60);

/// Bytes under way; none are the end of file, which travels like a byte.
#[derive(Debug)]
struct Parcel {
    due: Instant,
    bytes: Bytes,
    /// Permits to give back when it has arrived.
    room: usize,
}

/// What the client has said last on a control connection, and when.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Said {
    passive: Option<Instant>,
    retrieve: Option<Instant>,
}

impl Said {
    fn hear(&mut self, now: Instant, bytes: &[u8]) {
        let has = |word: &[u8]| bytes.windows(word.len()).any(|it| it.eq_ignore_ascii_case(word));
        if has(b"EPSV") || has(b"PASV") {
            self.passive = Some(now);
        }
        if has(b"RETR ") || has(b"GET ") {
            self.retrieve = Some(now);
        }
    }
}

/// Where a connection belongs.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// Number of the control connection, from 0.
    pub(super) number: usize,
    pub(super) opened: Instant,
    pub(super) said: Arc<Mutex<Said>>,
}

impl Path {
    /// Waits for the client at a passive port of ours, then connects to the server's. Boxed, because connections open connections.
    fn data(
        self,
        listener: TcpListener,
        server: SocketAddr,
        session: Session,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let accepted = tokio::select! {
                accepted = tokio::time::timeout(ACCEPT, listener.accept()) => accepted,
                () = self.killed() => return,
            };
            if let Ok(Ok((client, _))) = accepted {
                drop(listener);
                self.connection(client, server, Channel::Data, session).await;
            }
        })
    }

    pub(super) async fn connection(self, client: TcpStream, server: SocketAddr, channel: Channel, session: Session) {
        let accepted = Instant::now();
        let _open = super::Open::count(&self.counts, channel);
        let place = if channel == Channel::Data { self.road.lanes.enter() } else { None };
        let wire = Wire::new(&self, channel, session, place);
        let server = tokio::select! {
            connected = wire.connect(server, accepted) => connected,
            () = self.killed() => Err(io::ErrorKind::ConnectionReset.into()),
        };
        let (mut client, Ok(mut server)) = (client, server) else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        if wire.rate.is_some() {
            let _ = rustix::net::sockopt::set_socket_send_buffer_size(&client, SOCKET);
        }
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let over = tokio::select! {
            done = async {
                tokio::try_join!(
                    wire.pump(from_client, to_server, Way::ToServer),
                    wire.pump(from_server, to_client, Way::ToClient),
                )
            } => done.is_ok(),
            () = self.killed() => false,
        };
        wire.end();
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
enum Way {
    ToServer,
    ToClient,
}

/// The rates of one way of one connection alone.
struct Pace {
    cap: Option<Meter>,
    young: Option<SlowStart>,
}

/// One connection, both ways.
struct Wire<'a> {
    path: &'a Path,
    channel: Channel,
    session: Session,
    place: Mutex<Option<Place>>,
    /// The lowest of the rates that are known.
    rate: Option<u64>,
    /// Its line in the book of flows.
    flow: Option<usize>,
    client_spoke_last: AtomicBool,
    /// vsftpd says 230 at `USER anonymous` and again at `PASS`.
    logged_in: AtomicBool,
    client_ended: AtomicBool,
    silent: AtomicBool,
}

impl<'a> Wire<'a> {
    fn new(path: &'a Path, channel: Channel, session: Session, place: Option<Place>) -> Self {
        let lane = place.as_ref().map(Place::rate);
        let rate = [path.road.rate, path.road.total, lane].into_iter().flatten().min();
        let flow = (channel == Channel::Data).then(|| {
            let mut flows = lock(&path.flows);
            flows.push(Flow {
                session: session.number,
                lane: place.as_ref().map(Place::lane),
                session_opened: path.since(session.opened),
                asked: lock(&session.said).passive.map(|at| path.since(at)),
                opened: path.since(Instant::now()),
                ..Flow::default()
            });
            flows.len() - 1
        });
        Self {
            path,
            channel,
            session,
            place: Mutex::new(place),
            rate: rate.filter(|_| channel == Channel::Data),
            flow,
            client_spoke_last: AtomicBool::new(false),
            logged_in: AtomicBool::new(false),
            client_ended: AtomicBool::new(false),
            silent: AtomicBool::new(false),
        }
    }

    /// The server sees a connection when the third packet of the handshake comes: three delays after the client began it.
    async fn connect(&self, server: SocketAddr, accepted: Instant) -> io::Result<TcpStream> {
        sleep_until((accepted + self.path.road.delay * 3).into()).await;
        self.path.light().await?;
        let socket = if server.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if self.rate.is_some() {
            socket.set_recv_buffer_size(SOCKET as u32)?;
        }
        socket.connect(server).await
    }

    /// One way, to its end of file.
    async fn pump(&self, from: ReadHalf<'_>, to: WriteHalf<'_>, way: Way) -> io::Result<()> {
        let (sender, line) = mpsc::unbounded_channel();
        let delay = self.path.road.delay;
        let most = self.rate.map_or(IN_FLIGHT, |rate| {
            let under_way = (rate as f64 * delay.as_secs_f64()) as u64 + 2 * CHUNK as u64;
            under_way.min(IN_FLIGHT)
        });
        let room = Semaphore::new(most as usize);
        tokio::try_join!(self.fill(from, way, sender, &room), self.drain(to, way, line, &room)).map(|_| ())
    }

    async fn fill(
        &self,
        mut from: ReadHalf<'_>,
        way: Way,
        line: mpsc::UnboundedSender<Parcel>,
        room: &Semaphore,
    ) -> io::Result<()> {
        let road = &self.path.road;
        let chunk = self.rate.map_or(CHUNK, |rate| usize::try_from(rate / 100).unwrap_or(CHUNK).clamp(SMALL, CHUNK));
        let slow = road.slow_start && self.channel == Channel::Data && !road.delay.is_zero();
        let mut pace = Pace {
            cap: road.rate.filter(|_| self.rate.is_some()).map(Meter::new),
            young: slow.then(|| SlowStart::new(road.delay * 2, self.rate)),
        };
        let (mut unfinished, mut buf) = (BytesMut::new(), BytesMut::new());
        loop {
            let most = pace.young.as_ref().and_then(SlowStart::chunk).map_or(chunk, |young| young.min(chunk));
            // A permit is a byte under way.
            room.acquire_many(most as u32).await.map_err(io::Error::other)?.forget();
            buf.reserve(most);
            let got = from.read_buf(&mut (&mut buf).limit(most)).await?;
            room.add_permits(most - got);
            let now = Instant::now();
            if way == Way::ToServer {
                lock(&self.session.said).hear(now, &buf);
            }
            let mut bytes = buf.split();
            if (self.channel, way) == (Channel::Control, Way::ToClient) {
                unfinished.extend_from_slice(&bytes);
                let line = unfinished.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
                let whole = if got == 0 { unfinished.len() } else { line };
                bytes = self.rewritten(&unfinished.split_to(whole)).await?;
            }
            let Some(passed) = self.pass(&mut pace, way, now, got as u64) else { return self.silence().await };
            if passed > now {
                sleep_until(passed.into()).await;
            }
            // A wake-up that is late makes nothing later.
            let due = passed + road.delay;
            if bytes.is_empty() {
                room.add_permits(got);
            } else {
                let _ = line.send(Parcel { due, bytes: bytes.freeze(), room: got });
            }
            if got == 0 {
                let _ = line.send(Parcel { due, bytes: Bytes::new(), room: 0 });
                return if way == Way::ToServer { self.client_left() } else { Ok(()) };
            }
        }
    }

    /// When `len` bytes that came `now` have passed all rates; `None`: never.
    fn pass(&self, pace: &mut Pace, way: Way, now: Instant, len: u64) -> Option<Instant> {
        if self.channel == Channel::Control || len == 0 {
            return Some(now);
        }
        let mut due = pace.cap.as_mut().map_or(now, |cap| cap.pass(now, len)).max(now);
        if way == Way::ToClient {
            due = due.max(pace.young.as_mut().map_or(now, |young| young.pass(now, len)));
            due = due.max(self.path.road.shared.as_ref().map_or(now, |shared| lock(shared).pass(now, len)));
            if let Some(place) = lock(&self.place).as_mut() {
                due = due.max(place.pass(now, len)?);
            }
        }
        Some(due)
    }

    async fn drain(
        &self,
        mut to: WriteHalf<'_>,
        way: Way,
        mut line: mpsc::UnboundedReceiver<Parcel>,
        room: &Semaphore,
    ) -> io::Result<()> {
        while let Some(Parcel { due, bytes, room: permits }) = line.recv().await {
            if due > Instant::now() {
                sleep_until(due.into()).await;
            }
            self.path.light().await?;
            if bytes.is_empty() {
                break;
            }
            to.write_all(&bytes).await?;
            room.add_permits(permits);
            self.count(way, bytes.len());
        }
        to.shutdown().await
    }

    /// The client of a data connection that it has closed makes room on the lane at once, not when the server has noticed.
    fn client_left(&self) -> io::Result<()> {
        self.client_ended.store(true, Ordering::Relaxed);
        if self.channel == Channel::Data && !self.path.road.plain {
            lock(&self.place).take();
        }
        // Who is silent does not see the end of the client; somebody has to.
        if self.silent.load(Ordering::Relaxed) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }

    /// Never returns while the client waits.
    async fn silence(&self) -> io::Result<()> {
        self.silent.store(true, Ordering::Relaxed);
        if self.client_ended.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        std::future::pending().await
    }

    /// Whole reply lines, the addresses of passive ports replaced by our own.
    async fn rewritten(&self, lines: &[u8]) -> io::Result<BytesMut> {
        let mut out = BytesMut::with_capacity(lines.len() + 32);
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            match passive_port(line) {
                Some(port) => {
                    let listener = TcpListener::bind(SocketAddr::new(self.path.target.ip(), 0)).await?;
                    let ours = listener.local_addr()?;
                    let theirs = SocketAddr::new(self.path.target.ip(), port);
                    tokio::spawn(self.path.clone().data(listener, theirs, self.session.clone()));
                    out.extend_from_slice(announcement(line.starts_with(b"227"), ours).as_bytes());
                }
                None => out.extend_from_slice(line),
            }
            let mut counts = lock(&self.path.counts);
            counts.refusals += usize::from(line.starts_with(b"421") || line.starts_with(b"530"));
            if line.starts_with(b"230 ") && !self.logged_in.swap(true, Ordering::Relaxed) {
                counts.logins += 1;
            }
        }
        Ok(out)
    }

    fn count(&self, way: Way, len: usize) {
        let mut counts = lock(&self.path.counts);
        match (self.channel, way) {
            (Channel::Data, Way::ToClient) => counts.data_to_client += len as u64,
            (Channel::Data, Way::ToServer) => counts.data_to_server += len as u64,
            (Channel::Control, _) => {}
        }
        if self.channel == Channel::Control || self.path.road.plain {
            let client = way == Way::ToServer;
            let before = self.client_spoke_last.swap(client, Ordering::Relaxed);
            counts.turns += usize::from(client && !before);
        }
        drop(counts);
        if let (Some(flow), Way::ToClient) = (self.flow, way) {
            let now = self.path.since(Instant::now());
            let retrieve = lock(&self.session.said).retrieve.map(|at| self.path.since(at));
            if let Some(flow) = lock(&self.path.flows).get_mut(flow) {
                flow.bytes += len as u64;
                if flow.first_byte.is_none() {
                    (flow.first_byte, flow.retrieve) = (Some(now), retrieve);
                }
            }
        }
    }

    fn end(&self) {
        let now = self.path.since(Instant::now());
        let mut flows = lock(&self.path.flows);
        if let Some(flow) = self.flow.and_then(|flow| flows.get_mut(flow)) {
            flow.ended = Some(now);
        }
    }
}
