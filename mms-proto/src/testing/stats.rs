//! What the server saw: counters, and what was asked of it.

use std::sync::Mutex;

use tokio::sync::watch;

use super::lock;

/// Counters of a [`Server`](super::Server); a snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections accepted since the start, of both ports.
    pub connections: u64,
    /// Connections that are open.
    pub open: usize,
    /// Sessions that count against the limit now: MMST from the Connect on, MMSH while a play is answered.
    pub sessions: usize,
    /// The most of them ever at once.
    pub max_sessions: usize,
    /// Sessions refused because of the limit.
    pub refusals: u64,
    /// Control messages and HTTP requests.
    pub requests: u64,
    /// Headers sent.
    pub headers: u64,
    /// Plays begun.
    pub plays: u64,
    /// Packets of media handed to a socket, datagrams sent again not counted.
    pub packets_sent: u64,
    /// Bytes of ASF packets in them.
    pub bytes_sent: u64,
    /// Pings sent.
    pub pings: u64,
    /// Pongs received.
    pub pongs: u64,
    /// Datagrams left out on purpose.
    pub dropped: u64,
    /// Datagrams sent again because the client asked.
    pub resends: u64,
}

/// What a client asked, as it was understood.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Asked {
    /// Connect, with the name that the client gives itself.
    Connect(String),
    /// FunnelInfo, with its playIncarnation.
    FunnelInfo(u32),
    /// ConnectFunnel, with the name of the funnel.
    ConnectFunnel(String),
    /// OpenFile.
    OpenFile {
        /// As it came.
        name: String,
        /// The credentials sent with it.
        token: Vec<u8>,
    },
    /// SecurityResponse, with its token.
    SecurityResponse(Vec<u8>),
    /// ReadBlock, with its playIncarnation.
    ReadBlock(u32),
    /// CancelReadBlock.
    CancelReadBlock,
    /// StreamSwitch: stream numbers, and how much of each is left out (0 nothing, 1 all but key frames, 2 all).
    StreamSwitch(Vec<(u16, u16)>),
    /// StartPlaying.
    StartPlaying {
        /// Seconds.
        position: f64,
        /// Bytes from the start of the file.
        offset: u32,
        /// A packet.
        location: u32,
        /// When to stop.
        frame_offset: u32,
        /// Of the play.
        incarnation: u32,
        /// The openFileId that the client believes in.
        file: u32,
    },
    /// StopPlaying, with its playIncarnation.
    StopPlaying(u32),
    /// CloseFile.
    CloseFile,
    /// Pong.
    Pong,
    /// A message of another kind.
    Other(u32),
    /// A request for other packets to be sent again, by their sequence numbers.
    Resend(Vec<u32>),
    /// An HTTP request.
    Http {
        /// Method and target.
        request: String,
        /// Names in lower case, and values.
        headers: Vec<(String, String)>,
        /// The values of all `Pragma` lines, cut at commas.
        pragmas: Vec<String>,
    },
}

#[derive(Debug)]
pub(super) struct Stats {
    counters: watch::Sender<Counters>,
    asked: Mutex<Vec<(u64, Asked)>>,
}

impl Stats {
    pub(super) fn new() -> Stats {
        Stats { counters: watch::Sender::new(Counters::default()), asked: Mutex::default() }
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

    pub(super) fn note(&self, session: u64, asked: Asked) {
        lock(&self.asked).push((session, asked));
    }

    pub(super) fn asked(&self) -> Vec<(u64, Asked)> {
        lock(&self.asked).clone()
    }
}
