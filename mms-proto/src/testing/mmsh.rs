//! A connection of MMSH: requests of HTTP, answered by framed media.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::auth::{base64, from_base64};
use super::fault::{Fault, Step};
use super::habits::{AtEnd, Habits, Marks};
use super::http::{self, Request, digits};
use super::line::{Line, Turn};
use super::play::{self, Next, Playout, Selection, Start};
use super::server::{Shared, Slot};
use super::{Film, Padding};

/// Most bytes of the header in one chunk, whose length is a word.
const LARGEST_PIECE: usize = 65_000;
/// Clients that get media instead of a playlist.
const PLAYERS: [&str; 4] = ["NSPlayer", "NSServer", "WMCacheProxy", "WMFSDK"];

/// Serves one connection to its end.
pub(super) async fn serve(io: TcpStream, shared: Arc<Shared>, id: u64) -> io::Result<()> {
    let habits = shared.habits();
    let line = Line::new(io, &habits.media)?;
    let mut session = Session { shared, id, line, habits, slot: None, leg: 0, sequence: 0 };
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
    line: Line,
    habits: Habits,
    slot: Option<Slot>,
    /// Questions for credentials that were answered rightly.
    leg: usize,
    /// Media packets sent.
    sequence: u8,
}

/// Whether another request may follow.
#[derive(PartialEq, Eq)]
enum Flow {
    Next,
    Close,
}

impl Session {
    async fn run(&mut self) -> io::Result<()> {
        loop {
            while let Some(request) = http::take(&mut self.line.inbox)? {
                self.shared.stats.count(|c| c.requests += 1);
                self.shared.stats.note(self.id, request.asked());
                if self.handle(&request).await? == Flow::Close {
                    return Ok(());
                }
            }
            if self.line.turn(None).await? == Turn::Ended {
                return Ok(());
            }
        }
    }

    async fn handle(&mut self, request: &Request) -> io::Result<Flow> {
        if request.method == "POST" {
            // Logs, keep-alives and stops are welcome.
            self.head("200 OK", &["Content-Length: 0"]);
            return Ok(Flow::Next);
        }
        let plays = request.pragma("xPlayStrm").is_some_and(|value| value != "0")
            || request.pragma("xPlayNextEntry").is_some_and(|value| value != "0");
        let step = if plays { Step::Play } else { Step::Describe };
        match self.shared.faults.due(step) {
            Some(Fault::Refused(_, status)) => return Ok(self.status(status, &[])),
            Some(Fault::Silence(_)) => return self.wait().await,
            Some(Fault::HangUp(_)) => return Ok(Flow::Close),
            Some(Fault::Bytes(_, bytes)) => {
                self.line.out.extend_from_slice(&bytes);
                return Ok(Flow::Close);
            }
            Some(Fault::HttpRedirect(status, url)) => {
                return Ok(self.status(u32::from(status), &[&format!("Location: {url}")]));
            }
            _ => {}
        }
        if !self.is_let_in(request) {
            return Ok(Flow::Next);
        }
        let agent = request.header("user-agent").unwrap_or_default().to_owned();
        let Some(film) = self.shared.film(&request.path) else { return Ok(self.status(404, &[])) };
        if !PLAYERS.iter().any(|player| agent.starts_with(player)) {
            self.playlist(request);
            return Ok(Flow::Close);
        }
        if !plays {
            self.describe(&film);
            return Ok(Flow::Close);
        }
        self.slot = self.shared.slot();
        if self.slot.is_none() {
            return Ok(self.status(503, &[]));
        }
        self.play(request, film, agent.starts_with("NSServer")).await?;
        Ok(Flow::Close)
    }

    /// Answers no more, until the client goes.
    async fn wait(&mut self) -> io::Result<Flow> {
        while self.line.turn(None).await? != Turn::Ended {
            self.line.inbox.clear();
        }
        Ok(Flow::Close)
    }

    /// The head of an answer.
    fn head(&mut self, status: &str, lines: &[&str]) {
        let mut head = format!("HTTP/1.0 {status}\r\n");
        if let Some(server) = &self.habits.mmsh.server {
            head += &format!("Server: {server}\r\n");
        }
        for line in lines {
            head += &format!("{line}\r\n");
        }
        head += "\r\n";
        self.line.out.extend_from_slice(head.as_bytes());
    }

    fn status(&mut self, status: u32, lines: &[&str]) -> Flow {
        let reason = match status {
            200 => "OK",
            301 => "Moved Permanently",
            302 => "Found",
            305 => "Use Proxy",
            401 => "Unauthorized",
            404 => "Not Found",
            503 => "Service Unavailable",
            _ => "Error",
        };
        self.head(&format!("{status} {reason}"), &[lines, &["Content-Length: 0", "Connection: close"]].concat());
        Flow::Close
    }

    /// Whether no credentials are missing; else they were asked for, and the connection stays.
    fn is_let_in(&mut self, request: &Request) -> bool {
        let Some(auth) = self.shared.auth.clone() else { return true };
        let scheme = auth.scheme().1;
        let given = request.header("authorization").and_then(|value| value.split_once(' '));
        if let Some((_, answer)) = given.filter(|(name, _)| name.eq_ignore_ascii_case(scheme)) {
            let right = auth.accepts(self.leg, &from_base64(answer.trim().as_bytes()));
            self.leg = if right { self.leg + 1 } else { 0 };
        }
        let Some(question) = auth.question(self.leg) else { return true };
        let detail = match scheme {
            "Basic" => " realm=\"films\"".to_owned(),
            _ if question.is_empty() => String::new(),
            _ => format!(" {}", base64(&question)),
        };
        let ask = format!("WWW-Authenticate: {scheme}{detail}");
        self.head("401 Unauthorized", &[&ask, "Content-Length: 0", "Connection: keep-alive"]);
        false
    }

    /// Clients that are no players are told where a player finds the film.
    fn playlist(&mut self, request: &Request) {
        let host = request.header("host").unwrap_or("127.0.0.1");
        let path = request.path.trim_start_matches('/');
        let body = format!("<ASX VERSION=\"3.0\"><ENTRY><REF HREF=\"mms://{host}/{path}\"/></ENTRY></ASX>\r\n");
        self.head("200 OK", &["Content-Type: video/x-ms-asf", &format!("Content-Length: {}", body.len())]);
        self.line.out.extend_from_slice(body.as_bytes());
    }

    /// The lines of an answer that has frames.
    fn film_head(&mut self, content_type: &str, len: Option<usize>) {
        let (mmsh, features) = (&self.habits.mmsh, self.habits.told_features());
        let content_type = format!("Content-Type: {}", mmsh.content_type.as_deref().unwrap_or(content_type));
        let features = format!("Pragma: no-cache,client-id={},features=\"{features}\",timeout=60000", self.id);
        let len = len.map(|len| format!("Content-Length: {len}"));
        let mut lines = vec![content_type.as_str(), &features, "Cache-Control: no-cache", "Connection: close"];
        lines.extend(len.as_deref());
        self.head("200 OK", &lines);
    }

    fn describe(&mut self, film: &Film) {
        let frames = self.header(film);
        self.film_head("application/vnd.ms.wms-hdr.asfv1", Some(frames.len()));
        self.line.out.extend_from_slice(&frames);
    }

    /// A chunk: mark, kind, length.
    fn chunk(&self, kind: u8, body: &[u8]) -> Vec<u8> {
        let mmsh = &self.habits.mmsh;
        let mark = if mmsh.unpaced_mark || mmsh.unpaced_media && kind == b'D' { 0xA4 } else { b'$' };
        let mut chunk = vec![mark, kind];
        chunk.extend((body.len() as u16).to_le_bytes());
        chunk.extend_from_slice(body);
        chunk
    }

    /// The chunks before the media.
    fn header(&mut self, film: &Film) -> Vec<u8> {
        let (media, mmsh) = (&self.habits.media, &self.habits.mmsh);
        let like_mmst = match media.marks {
            Marks::OfTransport | Marks::Mmsh => Some(false),
            Marks::Mmst => Some(true),
            Marks::Missing => None,
        };
        let mut frames = Vec::new();
        if mmsh.packet_pair {
            frames.extend(self.chunk(b'P', &[0x5A; 504]));
        }
        if mmsh.metadata {
            let text = format!("playlist-gen-id=1, broadcast-id=0, features=\"{}\"\0", self.habits.told_features());
            frames.extend(self.chunk(b'M', &play::data(0, 0, 0x0C, text.as_bytes())));
        }
        let header = if media.live_from.is_some() { film.live_header() } else { film.header() };
        let pieces = play::pieces(&header, media.piece.min(LARGEST_PIECE), like_mmst);
        for (index, (mark, piece)) in pieces.into_iter().enumerate() {
            frames.extend(self.chunk(b'H', &play::data(index as u32, 0, mark, piece)));
        }
        self.shared.stats.count(|c| c.headers += 1);
        frames
    }

    async fn play(&mut self, request: &Request, film: Film, relay: bool) -> io::Result<()> {
        self.film_head("application/x-mms-framed", None);
        let (start, selection) = (start(request), selection(request));
        self.shared.stats.count(|c| c.plays += 1);
        let frames = self.header(&film);
        self.line.out.extend_from_slice(&frames);
        let media = self.habits.media.clone();
        let padding = if relay && !media.strip_for_relays { Padding::Kept } else { media.padding };
        let fault = match self.shared.faults.due(Step::Media) {
            Some(Fault::Silence(_)) => Some(Fault::Stall { after: 0 }),
            Some(Fault::HangUp(_)) => Some(Fault::Cut { after: 0 }),
            Some(Fault::Bytes(_, bytes)) => Some(Fault::Between { after: 0, bytes }),
            fault => fault,
        };
        let shared = Arc::clone(&self.shared);
        let playout = |film, start| match media.live_from {
            Some(first) => {
                let at = first.wrapping_add(shared.live_at());
                Playout::live(film, media.clone(), padding, at, selection.clone())
            }
            None => Playout::new(film, media.clone(), padding, start, selection.clone()),
        };
        if !self.media(playout(film, start).with_fault(fault)).await? {
            return Ok(());
        }
        if let Some(next) = media.then.as_deref().and_then(|path| self.shared.film(path)) {
            let mut frames = self.chunk(b'E', &1_u32.to_le_bytes());
            frames.extend(self.chunk(b'C', &[0; 4]));
            frames.extend(self.header(&next));
            self.line.out.extend_from_slice(&frames);
            if !self.media(playout(next, Start::Beginning)).await? {
                return Ok(());
            }
        }
        match media.at_end {
            AtEnd::Close => {}
            AtEnd::Silence => {
                self.wait().await?;
            }
            AtEnd::Tell | AtEnd::TellAndClose(_) => {
                let end = self.chunk(b'E', &media.end_reason.to_le_bytes());
                self.line.out.extend_from_slice(&end);
            }
        }
        Ok(())
    }

    /// Sends the packets of a play. Whether it came to its end.
    async fn media(&mut self, mut playout: Playout) -> io::Result<bool> {
        loop {
            while self.line.has_room() && playout.due() <= Instant::now() {
                match playout.next() {
                    Next::Packet { location, bytes } => self.packet(location, &bytes, playout.position()),
                    Next::Bytes(bytes) => self.line.out.extend_from_slice(&bytes),
                    Next::End => return Ok(true),
                    Next::Cut => return Ok(false),
                    Next::Nothing => {
                        self.wait().await?;
                        return Ok(false);
                    }
                }
            }
            let wake = self.line.has_room().then(|| playout.due());
            if self.line.turn(wake).await? == Turn::Ended {
                return Ok(false);
            }
            self.line.inbox.clear();
        }
    }

    fn packet(&mut self, location: u32, bytes: &Bytes, position: u32) {
        let chunk = self.chunk(b'D', &play::data(location, 0, self.sequence, bytes));
        self.sequence = self.sequence.wrapping_add(1);
        self.line.out.extend_from_slice(&chunk);
        if let Some(first) = self.habits.media.live_from {
            self.shared.live_went_to(position.wrapping_sub(first));
        }
        self.shared.stats.count(|c| {
            c.packets_sent += 1;
            c.bytes_sent += bytes.len() as u64;
        });
    }
}

/// Time goes before packet, packet before byte.
fn start(request: &Request) -> Start {
    const UNUSED: u64 = u32::MAX as u64;
    let number = |name: &str| request.pragma(name).map(|value| digits(&value));
    let time = number("stream-time").filter(|ms| *ms != 0 && *ms != UNUSED);
    let packet = number("packet-num").filter(|packet| *packet != UNUSED);
    let offset = request.pragma("stream-offset").and_then(|value| {
        let (high, low) = value.split_once(':')?;
        let (high, low) = (digits(high), digits(low));
        ((high, low) != (UNUSED, UNUSED)).then(|| (high << 32) + low)
    });
    match (time, packet, offset) {
        (Some(ms), _, _) => Start::Time(ms),
        (_, Some(packet), _) => Start::Packet(packet as u32),
        (_, _, Some(offset)) => Start::Byte(offset),
        _ => Start::Beginning,
    }
}

/// `stream-switch-entry=ffff:1:0 ffff:a:2`, hexadecimal: from, to, how much is left out.
fn selection(request: &Request) -> Selection {
    let entries = request.pragma("stream-switch-entry").or_else(|| request.pragma("switch-stream-entry"));
    let Some(entries) = entries else { return Selection::Everything };
    let hex = |text: &str| u16::from_str_radix(text, 16).ok();
    let entry = |entry: &str| {
        let mut parts = entry.split(':').skip(1);
        Some((hex(parts.next()?)?, hex(parts.next()?)?))
    };
    Selection::Only(entries.split_ascii_whitespace().filter_map(entry).collect::<BTreeMap<u16, u16>>())
}
