//! What the server saw: counters, a log and the data streams, readable while it runs.

use std::fmt;
use std::sync::Mutex;
use std::time::Instant;

use tokio::sync::watch;

use super::lock;

/// Counters of a [`Server`](super::Server); a snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Control connections accepted since the start, the refused ones included.
    pub connections: u64,
    /// Control connections whose session still runs, the refused ones included.
    pub sessions: usize,
    /// Slots held now: sessions that count against the limit of connections.
    pub open: usize,
    /// The most slots ever held at once.
    pub max_open: usize,
    /// Successful logins.
    pub logins: u64,
    /// Connections or logins refused because a limit was reached.
    pub refusals: u64,
    /// Logins refused for the name or the password.
    pub bad_passwords: u64,
    /// Connections that have come and are neither logged in nor gone.
    pub in_login: usize,
    /// The most connections ever in that state at once.
    pub max_in_login: usize,
    /// Connections that came while another was in login.
    pub overlapping_logins: u64,
    /// Those of them that came after the first refusal.
    pub overlapping_logins_after_refusal: u64,
    /// RETR commands received.
    pub retrs: u64,
    /// Bytes of files handed to data sockets.
    pub bytes_sent: u64,
    /// Data connections of RETR open now.
    pub data_open: usize,
    /// The most data connections of RETR ever open at once.
    pub max_data_open: usize,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// Position in the log; strictly increasing over all sessions.
    pub seq: u64,
    /// When it happened.
    pub at: Instant,
    /// The session, numbered from 1 in the order of connecting.
    pub session: u64,
    /// What happened.
    pub kind: EventKind,
}

/// What an [`Event`] tells.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// The control connection was accepted, while so many others were in login.
    Connected {
        /// Connections in login at that moment, this one not counted.
        others_in_login: usize,
    },
    /// A command line came, without its line end. The argument of `PASS` is replaced by `***`.
    Command(Vec<u8>),
    /// A reply was sent, without its last line end.
    Reply(Vec<u8>),
    /// The login succeeded.
    LoggedIn,
    /// A limit was reached; the connection closes.
    Refused,
    /// The session is over.
    Closed,
}

impl fmt::Debug for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventKind::Connected { others_in_login } => write!(f, "Connected, {others_in_login} others in login"),
            EventKind::Command(line) => write!(f, "> {}", line.escape_ascii()),
            EventKind::Reply(line) => write!(f, "< {}", line.escape_ascii()),
            EventKind::LoggedIn => f.write_str("LoggedIn"),
            EventKind::Refused => f.write_str("Refused"),
            EventKind::Closed => f.write_str("Closed"),
        }
    }
}

/// One data connection that carried (part of) a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DataStream {
    /// The session whose RETR it served.
    pub session: u64,
    /// The absolute path of the file.
    pub path: Vec<u8>,
    /// The offset of its first byte.
    pub offset: u64,
    /// Bytes handed to the socket so far. The peer may have read fewer.
    pub sent: u64,
    /// When the connection was accepted.
    pub started: Instant,
    /// When it was closed; `None` while it runs.
    pub ended: Option<Instant>,
}

impl DataStream {
    /// Whether the two ran at the same time.
    pub fn overlaps(&self, other: &DataStream) -> bool {
        self.ended.is_none_or(|end| other.started < end) && other.ended.is_none_or(|end| self.started < end)
    }
}

#[derive(Debug)]
pub(super) struct Stats {
    counters: watch::Sender<Counters>,
    log: Mutex<Vec<Event>>,
    streams: Mutex<Vec<DataStream>>,
}

impl Stats {
    pub(super) fn new() -> Stats {
        Stats { counters: watch::Sender::new(Counters::default()), log: Mutex::default(), streams: Mutex::default() }
    }

    pub(super) fn counters(&self) -> Counters {
        *self.counters.borrow()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Counters> {
        self.counters.subscribe()
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Counters)) {
        self.counters.send_modify(change);
    }

    pub(super) fn log(&self) -> Vec<Event> {
        lock(&self.log).clone()
    }

    pub(super) fn note(&self, session: u64, kind: EventKind) {
        let mut log = lock(&self.log);
        let seq = log.len() as u64;
        log.push(Event { seq, at: now(), session, kind });
    }

    pub(super) fn streams(&self) -> Vec<DataStream> {
        lock(&self.streams).clone()
    }

    /// Opens the record of a data stream; dropping the guard closes it.
    pub(super) fn stream(&self, session: u64, path: Vec<u8>, offset: u64) -> StreamRecord<'_> {
        let mut streams = lock(&self.streams);
        streams.push(DataStream { session, path, offset, sent: 0, started: now(), ended: None });
        self.count(|c| {
            c.data_open += 1;
            c.max_data_open = c.max_data_open.max(c.data_open);
        });
        StreamRecord { stats: self, index: streams.len() - 1 }
    }
}

/// The clock of the runtime, so that records agree with a paused clock too.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[derive(Debug)]
pub(super) struct StreamRecord<'a> {
    stats: &'a Stats,
    index: usize,
}

impl StreamRecord<'_> {
    pub(super) fn sent(&self, n: usize) {
        lock(&self.stats.streams)[self.index].sent += n as u64;
        self.stats.count(|c| c.bytes_sent += n as u64);
    }
}

impl Drop for StreamRecord<'_> {
    fn drop(&mut self) {
        lock(&self.stats.streams)[self.index].ended = Some(now());
        self.stats.count(|c| c.data_open -= 1);
    }
}
