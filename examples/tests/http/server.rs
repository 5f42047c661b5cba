//! A web server in bytes, without an HTTP library, so that it shares no misreading with the client. It is honest, until a
//! script changes its answers. Foreign clients judge it in the interop tests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ftp_proto::testing::content_at;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Most bytes of a request's head.
const MOST_HEAD: usize = 64 << 10;
/// Bytes of one write, unless an answer comes in pieces.
const PIECE: usize = 64 << 10;

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Counted from 1, over all connections.
    pub(crate) number: u64,
    /// The connection it came on, counted from 1.
    pub(crate) connection: u64,
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    /// By their names in small letters.
    pub(crate) headers: BTreeMap<String, String>,
}

impl Request {
    /// First byte and, exclusive, end of a `Range` of one part.
    pub(crate) fn range(&self) -> Option<(u64, Option<u64>)> {
        let (first, last) = self.headers.get("range")?.strip_prefix("bytes=")?.split_once('-')?;
        let end = if last.is_empty() { None } else { Some(last.parse::<u64>().ok()?.checked_add(1)?) };
        Some((first.parse().ok()?, end))
    }

    /// Whether it asks for more than whether ranges work.
    pub(crate) fn is_stream(&self) -> bool {
        self.range() != Some((0, Some(1)))
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<&'static str, String>,
    pub(crate) body: Body,
    /// The body is sent in chunks, without a length.
    pub(crate) chunked: bool,
    /// So many bytes at a time, with a moment between.
    pub(crate) piece: Option<(usize, Duration)>,
    /// What happens after so many bytes of the body, if that is not its end.
    pub(crate) then: Option<(u64, Then)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// This part of the file that is generated from this seed.
    Part(u64, Range<u64>),
    Bytes(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The connection is closed.
    Close,
    /// It stays, and nothing more is said.
    Silence,
}

impl Answer {
    /// An answer without a part of the file.
    pub(crate) fn set_refusal(&mut self, status: u16) {
        self.status = status;
        self.headers.clear();
        self.body = Body::Bytes(format!("no: {status}\n").into_bytes());
    }

    /// The whole file, whatever was asked for.
    pub(crate) fn set_whole(&mut self, seed: u64, len: u64) {
        self.status = 200;
        self.headers.remove("Content-Range");
        self.body = Body::Part(seed, 0..len);
    }

    #[allow(clippy::needless_pass_by_value, reason = "callers read better")]
    pub(crate) fn set(&mut self, name: &'static str, value: impl ToString) {
        self.headers.insert(name, value.to_string());
    }

    /// Sends at most so many bytes per second.
    pub(crate) fn set_rate(&mut self, rate: usize) {
        self.piece = Some(((rate / 100).max(1), Duration::from_millis(10)));
    }

    /// Bytes of the body.
    pub(crate) fn len(&self) -> u64 {
        match &self.body {
            Body::Part(_, range) => range.end - range.start,
            Body::Bytes(bytes) => bytes.len() as u64,
        }
    }

    fn fill(&self, at: u64, out: &mut [u8]) {
        match &self.body {
            Body::Part(seed, range) => content_at(*seed, range.start + at, out),
            Body::Bytes(bytes) => {
                let at = usize::try_from(at).expect("it is in memory");
                out.copy_from_slice(&bytes[at..at + out.len()]);
            }
        }
    }
}

/// Changes an answer before it is sent.
type Script = dyn Fn(&Request, &mut Answer) + Send + Sync;

/// What has happened and is happening.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) connections: u64,
    /// Connections that are there now.
    pub(crate) open: u64,
    /// Answers that are being sent now.
    pub(crate) sending: u64,
    pub(crate) most_sending: u64,
    pub(crate) requests: Vec<Request>,
    /// Bytes of bodies.
    pub(crate) sent: u64,
}

struct State {
    seed: u64,
    len: u64,
    script: Arc<Script>,
    log: Log,
    /// Connections behind this one are answered by 503.
    last_admitted: u64,
    /// Every connection, and whether an answer is being sent on it.
    sockets: BTreeMap<u64, (TcpStream, bool)>,
    stopped: bool,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<State>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.lock())
    }
}

/// A server with one file, `/f`. Dropping it ends it with all its connections.
pub(crate) struct Server {
    addr: SocketAddr,
    shared: Shared,
    scheme: &'static str,
}

impl Server {
    /// Serves `/f`, `len` bytes generated from `seed`.
    pub(crate) fn start(len: u64, seed: u64) -> Self {
        Self::listen(len, seed, None)
    }

    /// The same over TLS.
    pub(crate) fn start_tls(len: u64, seed: u64, config: ServerConfig) -> Self {
        Self::listen(len, seed, Some(Arc::new(config)))
    }

    fn listen(len: u64, seed: u64, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let state = State {
            seed,
            len,
            script: Arc::new(|_, _| {}),
            log: Log::default(),
            last_admitted: u64::MAX,
            sockets: BTreeMap::new(),
            stopped: false,
        };
        let shared = Shared(Arc::new(Mutex::new(state)));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let server = Self { addr: listener.local_addr().expect("an address"), shared: shared.clone(), scheme };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (shared, tls) = (shared.clone(), tls.clone());
                if shared.lock().stopped {
                    break;
                }
                std::thread::spawn(move || accept(stream, tls, &shared));
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/f", self.origin())
    }

    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.addr)
    }

    /// From now on `script` has the last word on every answer.
    pub(crate) fn script(&self, script: impl Fn(&Request, &mut Answer) + Send + Sync + 'static) {
        self.shared.change(|state| state.script = Arc::new(script));
    }

    pub(crate) fn honest(&self) {
        self.script(|_, _| {});
        self.shared.change(|state| state.last_admitted = u64::MAX);
    }

    /// Another file takes the place of `/f`.
    pub(crate) fn put(&self, len: u64, seed: u64) {
        self.shared.change(|state| (state.len, state.seed) = (len, seed));
    }

    /// Further connections are answered by 503.
    pub(crate) fn admit_no_more(&self) {
        self.shared.change(|state| state.last_admitted = state.log.connections);
    }

    pub(crate) fn log(&self) -> Log {
        self.shared.lock().log.clone()
    }

    /// Closes the connections on which an answer is being sent.
    pub(crate) fn cut_streams(&self) {
        let state = self.shared.lock();
        let sending = state.sockets.values().filter(|(_, sending)| *sending);
        sending.for_each(|(socket, _)| drop(socket.shutdown(Shutdown::Both)));
    }

    /// Waits until the log satisfies `done`.
    pub(crate) async fn wait_for(&self, what: &str, done: impl Fn(&Log) -> bool) -> Log {
        for _ in 0..60_000 {
            let log = self.log();
            if done(&log) {
                return log;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("waited in vain for {what}: {:#?}", self.log());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.change(|state| {
            state.stopped = true;
            state.sockets.values().for_each(|(socket, _)| drop(socket.shutdown(Shutdown::Both)));
        });
        let _ = TcpStream::connect(self.addr);
    }
}

fn accept(stream: TcpStream, tls: Option<Arc<ServerConfig>>, shared: &Shared) {
    let Ok(handle) = stream.try_clone() else { return };
    let connection = shared.change(|state| {
        state.log.connections += 1;
        state.log.open += 1;
        state.sockets.insert(state.log.connections, (handle, false));
        state.log.connections
    });
    // How a connection ends is the client's business.
    let _ = match tls.map(ServerConnection::new) {
        None => serve(stream, connection, shared),
        Some(Ok(tls)) => serve(StreamOwned::new(tls, stream), connection, shared),
        Some(Err(_)) => Ok(()),
    };
    shared.change(|state| {
        state.log.open -= 1;
        if let Some((socket, _)) = state.sockets.remove(&connection) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    });
}

/// Answers one request after the other.
fn serve(mut stream: impl Read + Write, connection: u64, shared: &Shared) -> io::Result<()> {
    while let Some(mut request) = read_request(&mut stream).transpose() {
        let Ok(request) = &mut request else { return stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n") };
        request.connection = connection;
        let (script, mut answer) = shared.change(|state| {
            request.number = state.log.requests.len() as u64 + 1;
            state.log.requests.push(request.clone());
            (state.script.clone(), honest(request, state))
        });
        script(request, &mut answer);
        shared.change(|state| {
            state.log.sending += 1;
            state.log.most_sending = state.log.most_sending.max(state.log.sending);
            state.sockets.entry(connection).and_modify(|(_, sending)| *sending = true);
        });
        let sent = send(&mut stream, request, &answer, shared);
        shared.change(|state| {
            state.log.sending -= 1;
            state.sockets.entry(connection).and_modify(|(_, sending)| *sending = false);
        });
        if !sent? {
            break;
        }
    }
    Ok(())
}

/// ```text
/// GET /f HTTP/1.1 CRLF *(name ":" value CRLF) CRLF
/// ```
fn read_request(stream: &mut impl Read) -> io::Result<Option<Request>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if head.len() == MOST_HEAD || stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
        if !byte[0].is_ascii() {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ').map(String::from);
    let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    Ok(Some(Request { number: 0, connection: 0, method, path, headers }))
}

/// The answer of a good server.
fn honest(request: &Request, state: &State) -> Answer {
    let (seed, len) = (state.seed, state.len);
    let mut answer = Answer {
        status: 200,
        headers: BTreeMap::new(),
        body: Body::Part(seed, 0..len),
        chunked: false,
        piece: None,
        then: None,
    };
    if request.connection > state.last_admitted {
        answer.set_refusal(503);
    } else if request.path.split('?').next() != Some("/f") {
        answer.set_refusal(404);
    } else if !matches!(&*request.method, "GET" | "HEAD") {
        answer.set_refusal(405);
    } else {
        answer.set("ETag", format_args!("\"v{seed}\""));
        answer.set("Last-Modified", format_args!("Sun, 06 Nov 1994 08:49:{:02} GMT", seed % 60));
        answer.set("Accept-Ranges", "bytes");
        match request.range() {
            Some((start, _)) if start >= len => {
                answer.set_refusal(416);
                answer.set("Content-Range", format_args!("bytes */{len}"));
            }
            Some((start, end)) => {
                let end = end.unwrap_or(len).min(len);
                answer.status = 206;
                answer.set("Content-Range", format_args!("bytes {start}-{}/{len}", end - 1));
                answer.body = Body::Part(seed, start..end);
            }
            None => {}
        }
    }
    answer
}

/// False if the connection is of no more use.
fn send(stream: &mut (impl Read + Write), request: &Request, answer: &Answer, shared: &Shared) -> io::Result<bool> {
    let len = answer.len();
    let mut head = format!("HTTP/1.1 {} {}\r\n", answer.status, reason(answer.status));
    for (name, value) in &answer.headers {
        write!(head, "{name}: {value}\r\n").expect("a String takes everything");
    }
    if answer.chunked {
        head += "Transfer-Encoding: chunked\r\n";
    } else if !answer.headers.contains_key("Content-Length") && !answer.headers.contains_key("Connection") {
        write!(head, "Content-Length: {len}\r\n").expect("a String takes everything");
    }
    head += "\r\n";
    let (stop_at, then) = answer.then.map_or((u64::MAX, None), |(at, then)| (at, Some(then)));
    // Of an answer that is withheld, not even the head is sent.
    let withheld = stop_at == 0 && then == Some(Then::Silence);
    if !withheld {
        stream.write_all(head.as_bytes())?;
    }
    let mut buffer = vec![0; answer.piece.map_or(PIECE, |(piece, _)| piece)];
    let mut at = 0;
    while at < len.min(stop_at) && request.method != "HEAD" {
        let left = usize::try_from(len.min(stop_at) - at).unwrap_or(usize::MAX);
        let piece = &mut buffer[..left.min(answer.piece.map_or(PIECE, |(piece, _)| piece))];
        answer.fill(at, piece);
        if answer.chunked {
            write!(stream, "{:x}\r\n", piece.len())?;
        }
        stream.write_all(piece)?;
        if answer.chunked {
            stream.write_all(b"\r\n")?;
        }
        at += piece.len() as u64;
        let bytes = piece.len() as u64;
        shared.change(|state| state.log.sent += bytes);
        if let Some((_, pause)) = answer.piece {
            stream.flush()?;
            std::thread::sleep(pause);
        }
    }
    stream.flush()?;
    match then {
        Some(Then::Close) if at >= stop_at => return Ok(false),
        Some(Then::Silence) if at >= stop_at => {
            // Until the other side has had enough.
            while stream.read(&mut [0; 64])? > 0 {}
            return Ok(false);
        }
        _ => {}
    }
    if answer.chunked {
        stream.write_all(b"0\r\n\r\n")?;
    }
    Ok(answer.headers.get("Connection").is_none_or(|value| value != "close"))
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        302 => "Found",
        404 => "Not Found",
        416 => "Range Not Satisfiable",
        503 => "Service Unavailable",
        _ => "Whatever",
    }
}
