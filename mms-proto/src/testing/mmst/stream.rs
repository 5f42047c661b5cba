//! Header and media, over the control connection or in datagrams.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::super::Film;
use super::super::fault::{Fault, Step};
use super::super::habits::{AtEnd, Incarnations, Marks};
use super::super::play::{self, Next, Playout, Selection, Start};
use super::super::stats::Asked;
use super::message::Body;
use super::{Active, Flow, IN_A_ROW, Session, answer};

/// Between two datagrams: a receiver's buffer is small.
const APART: Duration = Duration::from_millis(1);
/// Between the last datagram and the message that tells of the end.
const LAST: Duration = Duration::from_millis(50);
const UNUSED: u32 = u32::MAX;
/// What data carries that follows a change of the stream.
const CHANGED: u8 = 0xFF;

impl Session {
    pub(super) async fn header(&mut self, film: &Film, incarnation: u8) {
        let media = &self.habits.media;
        let like_mmst = match media.marks {
            Marks::OfTransport | Marks::Mmst => Some(true),
            Marks::Mmsh => Some(false),
            Marks::Missing => None,
        };
        if let Some(channel) = &self.channel {
            channel.pair().await;
        }
        let header = self.header_of(film);
        let pieces = play::pieces(&header, media.piece.min(film.packet_size()), like_mmst);
        for (index, (mark, piece)) in pieces.into_iter().enumerate() {
            let bytes = play::data(index as u32, incarnation, mark, piece);
            match &mut self.channel {
                Some(channel) => channel.header(index as u32, &bytes).await,
                None => self.line.out.extend_from_slice(&bytes),
            }
            if self.habits.mmst.ping_in_header {
                self.ping();
            }
        }
        self.spoke = Instant::now();
        self.shared.stats.count(|c| c.headers += 1);
    }

    /// Begins a play, and forgets the one under way.
    pub(super) fn play(&mut self, film: Film, asked: &Asked) {
        let Asked::StartPlaying { position, offset, location, incarnation, .. } = *asked else { return };
        let start = match () {
            () if location != 0 && location != UNUSED => Start::Packet(location),
            () if position > 0.0 && position < 1e300 => Start::Time((position * 1000.0) as u64),
            () if offset != 0 && offset != UNUSED => Start::Byte(u64::from(offset)),
            () => Start::Beginning,
        };
        let stamp = match self.habits.mmst.incarnations {
            Incarnations::Echoed => incarnation as u8,
            Incarnations::Fixed(stamp) => stamp,
            Incarnations::OfHeader => self.header_incarnation as u8,
        };
        self.closing = None;
        // After 0xFE the first packet of a new play is 0x00.
        self.sequence += u32::from(self.sequence & 0xFF == 0xFF);
        let fault = match self.shared.faults.due(Step::Media) {
            Some(Fault::Silence(_)) => Some(Fault::Stall { after: 0 }),
            Some(Fault::HangUp(_)) => Some(Fault::Cut { after: 0 }),
            Some(Fault::Bytes(_, bytes)) => Some(Fault::Between { after: 0, bytes }),
            fault => fault,
        };
        let playout = self.playout(film, start).with_fault(fault);
        self.play = Some(Active { playout, incarnation, stamp, sent: 0, due: Instant::now() });
        self.shared.stats.count(|c| c.plays += 1);
    }

    fn playout(&self, film: Film, start: Start) -> Playout {
        // Players that choose no stream get none; servers get all.
        let nothing = || if self.relay { Selection::Everything } else { Selection::Only([].into()) };
        let selection = self.selection.clone().unwrap_or_else(nothing);
        let media = self.habits.media.clone();
        match media.live_from {
            Some(first) => {
                let at = first.wrapping_add(self.shared.live_at());
                Playout::live(film, media, self.padding(), at, selection)
            }
            None => Playout::new(film, media, self.padding(), start, selection),
        }
    }

    /// Sends what is due.
    pub(super) async fn media(&mut self) -> Flow {
        for _ in 0..IN_A_ROW {
            let now = Instant::now();
            let Some(play) = self.play.as_mut() else { return Flow::Go };
            if !self.line.has_room() || play.due.max(play.playout.due()) > now {
                return Flow::Go;
            }
            match play.playout.next() {
                Next::Packet { location, bytes } => self.packet(location, &bytes).await,
                Next::Bytes(bytes) => self.line.out.extend_from_slice(&bytes),
                Next::End => return self.end().await,
                Next::Cut => return Flow::Close,
                Next::Nothing => self.play = None,
            }
        }
        Flow::Go
    }

    async fn packet(&mut self, location: u32, bytes: &Bytes) {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        let Some(play) = self.play.as_mut() else { return };
        play.sent += 1;
        let (sent, position) = (play.sent, play.playout.position());
        let packet = play::data(location, play.stamp, sequence as u8, bytes);
        match &mut self.channel {
            Some(channel) => {
                channel.media(sequence, packet.into()).await;
                play.due = Instant::now() + APART;
            }
            None => self.line.out.extend_from_slice(&packet),
        }
        self.spoke = Instant::now();
        if let Some(first) = self.habits.media.live_from {
            self.shared.live_went_to(position.wrapping_sub(first));
        }
        self.shared.stats.count(|c| {
            c.packets_sent += 1;
            c.bytes_sent += bytes.len() as u64;
        });
        let every = self.habits.mmst.ping_every_packets;
        if every > 0 && sent.is_multiple_of(every) {
            self.ping();
        }
    }

    async fn end(&mut self) -> Flow {
        if let Some(channel) = &mut self.channel {
            channel.flush().await;
            // What is on its way is to arrive first.
            tokio::time::sleep(LAST).await;
        }
        let incarnation = self.play.take().map_or(0, |play| play.incarnation);
        let next = self.habits.media.then.take().and_then(|path| self.shared.film(&path));
        if let Some(film) = next {
            self.say(0x1E, Body::words(&[1, incarnation]));
            self.change(film, incarnation).await;
            return Flow::Go;
        }
        match self.habits.media.at_end {
            AtEnd::Close => return Flow::Close,
            AtEnd::Silence => return Flow::Go,
            AtEnd::Tell => {}
            AtEnd::TellAndClose(after) => self.closing = Some(Instant::now() + after),
        }
        self.say(0x1E, Body::words(&[self.habits.media.end_reason, incarnation]));
        Flow::Go
    }

    /// Another film follows: on the connection by itself, in datagrams when it is asked for.
    async fn change(&mut self, film: Film, incarnation: u32) {
        self.say(0x20, answer::stream_change(&film));
        if self.channel.is_none() {
            self.header(&film, CHANGED).await;
            let playout = self.playout(film.clone(), Start::Beginning);
            self.play = Some(Active { playout, incarnation, stamp: CHANGED, sent: 0, due: Instant::now() });
        }
        if let Some(opened) = &mut self.opened {
            opened.film = film;
        }
    }
}
