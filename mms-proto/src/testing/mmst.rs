//! A session of MMST or MMSU: the dialogue on the control connection, and the media.
//!
//! ```text
//! Connect        ReportConnectedEX        StreamSwitch   ReportStreamSwitch
//! FunnelInfo     ReportFunnelInfo         StartPlaying   ReportStartedPlaying, media, ReportEndOfStream
//! ConnectFunnel  ReportConnectedFunnel    StopPlaying    ReportEndOfStream
//! OpenFile       ReportOpenFile           CloseFile      (the connection closes)
//! ReadBlock      ReportReadBlock, header  Pong           (nothing)
//! ```

mod answer;
mod dialogue;
mod message;
mod stream;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::fault::{Fault, Step};
use super::habits::Habits;
use super::line::{Line, Turn};
use super::play::{Playout, Selection};
use super::server::{Shared, Slot};
use super::udp::Channel;
use super::{Film, Padding};
use message::Body;

const FAILED: u32 = 0x8000_0000;
const PING: u16 = 0x1B;
/// Media packets written in a row before the client is listened to.
const IN_A_ROW: usize = 16;

/// Serves one connection to its end.
pub(super) async fn serve(io: TcpStream, shared: Arc<Shared>, id: u64) -> io::Result<()> {
    let habits = shared.habits();
    let peer = io.peer_addr()?;
    let line = Line::new(io, &habits.media)?;
    let mut session = Session {
        shared,
        id,
        peer,
        line,
        habits,
        slot: None,
        relay: false,
        channel: None,
        opened: None,
        leg: 0,
        header_incarnation: 0,
        selection: None,
        play: None,
        seq: 0,
        sequence: 0,
        spoke: Instant::now(),
        closing: None,
    };
    let ended = session.run().await;
    if ended.is_ok() {
        let Session { line, slot, .. } = session;
        drop(slot);
        line.close().await;
    }
    ended
}

struct Session {
    shared: Arc<Shared>,
    id: u64,
    peer: std::net::SocketAddr,
    line: Line,
    habits: Habits,
    slot: Option<Slot>,
    /// Whether the client says that it is a server.
    relay: bool,
    /// Where data goes, if it does not go over the control connection.
    channel: Option<Channel>,
    opened: Option<Opened>,
    /// Questions for credentials that were answered rightly.
    leg: usize,
    header_incarnation: u32,
    selection: Option<Selection>,
    play: Option<Active>,
    /// Control packets sent.
    seq: u16,
    /// Media packets sent.
    sequence: u32,
    /// When something was sent last.
    spoke: Instant,
    /// When the connection is to be closed.
    closing: Option<Instant>,
}

struct Opened {
    film: Film,
    /// Whether the client may have it.
    granted: bool,
    incarnation: u32,
}

/// A play under way.
struct Active {
    playout: Playout,
    /// As StartPlaying gave it.
    incarnation: u32,
    /// What the packets carry.
    stamp: u8,
    sent: u32,
    /// Not before.
    due: Instant,
}

/// Whether the connection goes on.
#[derive(Debug, PartialEq, Eq)]
enum Flow {
    Go,
    Close,
}

/// What becomes of a request.
enum Verdict {
    /// It is answered with this result.
    Answered(u32),
    /// It is dealt with.
    Done,
    Close,
}

impl Session {
    async fn run(&mut self) -> io::Result<()> {
        loop {
            while let Some(messages) = message::take(&mut self.line.inbox)? {
                for message in messages {
                    self.shared.stats.count(|c| c.requests += 1);
                    if self.handle(&message).await == Flow::Close {
                        return Ok(());
                    }
                }
            }
            if self.media().await == Flow::Close {
                return Ok(());
            }
            let now = Instant::now();
            if self.closing.is_some_and(|closing| closing <= now) {
                return Ok(());
            }
            let idle = self.spoke + self.habits.mmst.ping_idle;
            if idle <= now && self.line.out.is_empty() {
                self.ping();
            }
            let wake = self.wake(idle);
            if self.line.turn(Some(wake)).await? == Turn::Ended {
                return Ok(());
            }
        }
    }

    /// When there is something to do even if the client does nothing.
    fn wake(&mut self, idle: Instant) -> Instant {
        let media = self.play.as_mut().filter(|_| self.line.has_room()).map(|play| play.due.max(play.playout.due()));
        // While something waits to be written, the connection is not idle.
        let idle = if self.line.out.is_empty() { idle } else { Instant::now() + self.habits.mmst.ping_idle };
        [media, self.closing].into_iter().flatten().fold(idle, Instant::min)
    }

    fn verdict(&mut self, step: Step) -> Verdict {
        match self.shared.faults.due(step) {
            Some(Fault::Refused(_, code)) => Verdict::Answered(code),
            Some(Fault::Silence(_)) => Verdict::Done,
            Some(Fault::HangUp(_)) => Verdict::Close,
            Some(Fault::Bytes(_, bytes)) => {
                self.line.out.extend_from_slice(&bytes);
                Verdict::Done
            }
            Some(Fault::Redirect(url)) => self.redirect(1, &url),
            Some(Fault::RedirectToProxy(url)) => self.redirect(2, &url),
            _ => Verdict::Answered(0),
        }
    }

    fn redirect(&mut self, redirect_type: u16, url: &str) -> Verdict {
        let text = message::wide(url);
        let head = [redirect_type, text.len() as u16].map(u16::to_le_bytes).concat();
        self.say(0x22, Body::words(&[0]).put(&head).put(&text));
        Verdict::Done
    }

    /// Sends a control message.
    fn say(&mut self, kind: u16, body: Body) {
        if self.habits.mmst.ping_before_answers && kind != PING {
            self.ping();
        }
        let packet = body.packet(kind, self.seq, self.habits.mmst.chunk_count);
        self.seq = self.seq.wrapping_add(1);
        self.line.out.extend_from_slice(&packet);
        self.spoke = Instant::now();
    }

    fn ping(&mut self) {
        self.shared.stats.count(|c| c.pings += 1);
        self.say(PING, Body::words(&[0, 0]));
    }

    /// What becomes of padding for this client.
    fn padding(&self) -> Padding {
        let media = &self.habits.media;
        if self.relay && !media.strip_for_relays { Padding::Kept } else { media.padding }
    }

    fn header_of(&self, film: &Film) -> Bytes {
        if self.habits.media.live_from.is_some() { film.live_header() } else { film.header() }
    }
}
