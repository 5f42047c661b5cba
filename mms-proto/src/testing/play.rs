//! One play: which packets come, in which order, when, and how it ends.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::fault::Fault;
use super::habits::{Media, Padding, Rate, Seek};
use super::{Film, packet};

/// Where a client wants a play to start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Start {
    Beginning,
    /// A packet.
    Packet(u32),
    /// A byte of the file.
    Byte(u64),
    /// Milliseconds.
    Time(u64),
}

/// Streams that are wanted, and how much is left out of each: 0 nothing, 1 all but key frames, 2 all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Selection {
    Everything,
    Only(BTreeMap<u16, u16>),
}

impl Selection {
    fn wants(&self, look: Option<&packet::Look>) -> bool {
        let (Selection::Only(streams), Some(look)) = (self, look) else { return true };
        let wanted = |stream: &u8| match streams.get(&u16::from(*stream)) {
            Some(0) => true,
            Some(1) => look.key,
            _ => false,
        };
        look.streams.iter().any(wanted)
    }
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Next {
    Packet {
        location: u32,
        bytes: Bytes,
    },
    /// These bytes, which are no packet.
    Bytes(Bytes),
    /// The packets are over.
    End,
    /// The connection is to close.
    Cut,
    /// Nothing more will come.
    Nothing,
}

#[derive(Debug)]
pub(super) struct Playout {
    film: Film,
    media: Media,
    padding: Padding,
    selection: Selection,
    fault: Option<Fault>,
    next: u32,
    sent: u32,
    sent_bytes: u64,
    silent: bool,
    began: Instant,
    /// The send time of the first packet.
    first_ms: Option<u64>,
}

impl Playout {
    pub(super) fn new(film: Film, media: Media, padding: Padding, start: Start, selection: Selection) -> Playout {
        let asked = match start {
            Start::Beginning => 0,
            Start::Packet(number) => number,
            Start::Byte(offset) => {
                let packets = offset.saturating_sub(film.header().len() as u64) / film.packet_size() as u64;
                u32::try_from(packets).unwrap_or(u32::MAX)
            }
            Start::Time(ms) => film.key_packet_at(ms),
        };
        let next = match media.seek {
            Seek::Exact | Seek::Silent => asked,
            Seek::Ignored => 0,
            _ if asked == 0 => 0,
            Seek::Early(packets) => asked.saturating_sub(packets),
            Seek::Late(packets) => asked.saturating_add(packets),
            Seek::KeyFrame => (0..=asked.min(film.packets().saturating_sub(1)))
                .rev()
                .filter(|number| *number < film.packets())
                .find(|number| packet::look(&film.packet(*number)).is_some_and(|look| look.key))
                .unwrap_or(0),
        };
        // A real server that is asked for more than there is sends neither data nor the end.
        let beyond = next >= film.packets() && asked != 0;
        let silent = beyond || media.seek == Seek::Silent && asked != 0;
        let began = Instant::now();
        Playout {
            film,
            media,
            padding,
            selection,
            fault: None,
            next,
            sent: 0,
            sent_bytes: 0,
            silent,
            began,
            first_ms: None,
        }
    }

    /// A broadcast from this packet of its own count on.
    pub(super) fn live(film: Film, media: Media, padding: Padding, at: u32, selection: Selection) -> Playout {
        let mut playout = Playout::new(film, media, padding, Start::Beginning, selection);
        playout.next = at;
        playout.silent = false;
        playout
    }

    pub(super) fn with_fault(mut self, fault: Option<Fault>) -> Playout {
        self.fault = fault;
        self
    }

    /// When the next packet is to be sent.
    pub(super) fn due(&mut self) -> Instant {
        let after = match self.media.rate {
            Rate::Unlimited => Duration::ZERO,
            Rate::Each(gap) => gap * self.sent,
            Rate::Bytes(per_second) => Duration::from_secs_f64(self.sent_bytes as f64 / per_second.max(1) as f64),
            Rate::Play(times) => {
                let ms = self.send_ms();
                let first = *self.first_ms.get_or_insert(ms);
                Duration::from_millis(ms.saturating_sub(first) / u64::from(times.max(1)))
            }
        };
        self.began + after
    }

    /// The packet that comes next, by the count of the transport.
    pub(super) fn position(&self) -> u32 {
        self.next
    }

    /// The next thing to happen.
    pub(super) fn next(&mut self) -> Next {
        match &self.fault {
            Some(Fault::Cut { after }) if self.sent >= *after => return Next::Cut,
            Some(Fault::Stall { after }) if self.sent >= *after => return Next::Nothing,
            Some(Fault::Between { after, bytes }) if self.sent >= *after => {
                let bytes = bytes.clone();
                self.fault = None;
                return Next::Bytes(bytes);
            }
            _ => {}
        }
        if self.silent {
            return Next::Nothing;
        }
        if self.media.live_from.and(self.media.live_for).is_some_and(|packets| self.sent >= packets) {
            return Next::End;
        }
        // A broadcast that has nothing for this client in one round of the film has nothing in the next.
        let mut left = self.film.packets();
        loop {
            let location = self.next;
            if self.media.live_from.is_none() && location >= self.film.packets() {
                return self.beyond(location);
            }
            if self.media.live_from.is_some() {
                let Some(less) = left.checked_sub(1) else { return Next::Nothing };
                left = less;
            }
            self.next = location.wrapping_add(1);
            let packet = self.packet(location);
            let skipped = self.media.missing.iter().any(|range| range.contains(&location))
                || !self.selection.wants(packet::look(&packet).as_ref());
            if !skipped {
                let bytes = self.stripped(&packet);
                return self.sends(location, bytes);
            }
        }
    }

    /// After the last packet there may be a piece of the indexes.
    fn beyond(&mut self, location: u32) -> Next {
        let indexes = self.film.indexes();
        if !self.media.extra_packet || location > self.film.packets() || indexes.is_empty() {
            return Next::End;
        }
        self.next += 1;
        self.sends(location, indexes.slice(..indexes.len().min(self.film.packet_size())))
    }

    fn sends(&mut self, location: u32, bytes: Bytes) -> Next {
        self.sent += 1;
        self.sent_bytes += bytes.len() as u64;
        Next::Packet { location, bytes }
    }

    fn packet(&self, location: u32) -> Bytes {
        let number = match self.media.live_from {
            Some(first) => location.wrapping_sub(first) % self.film.packets().max(1),
            None => location,
        };
        self.film.packet(number)
    }

    /// When the next packet is due by the film itself; a broadcast begins anew each time that it is over.
    fn send_ms(&self) -> u64 {
        let live = self.media.live_from.map(|first| self.next.wrapping_sub(first) / self.film.packets().max(1));
        if self.film.packets() == 0 || live.is_none() && self.next >= self.film.packets() {
            return self.film.play_ms();
        }
        let look = packet::look(&self.packet(self.next));
        let rounds = u64::from(live.unwrap_or(0)) * self.film.play_ms();
        rounds + look.map_or(0, |look| u64::from(look.send_ms))
    }

    fn stripped(&self, packet: &Bytes) -> Bytes {
        match self.padding {
            Padding::Kept => packet.clone(),
            Padding::Zeroed => packet::zeroed(packet),
            Padding::Removed => packet::removed(packet),
        }
    }
}

/// The head that every piece of data has: LocationId, playIncarnation, AFFlags, PacketSize.
pub(super) fn data(location: u32, incarnation: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = location.to_le_bytes().to_vec();
    bytes.extend([incarnation, flags]);
    bytes.extend(((payload.len() + 8) as u16).to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// The pieces of a header, each with its marks.
pub(super) fn pieces(header: &[u8], largest: usize, like_mmst: Option<bool>) -> Vec<(u8, &[u8])> {
    let all: Vec<&[u8]> = header.chunks(largest.max(1)).collect();
    let last = all.len().saturating_sub(1);
    let mark = |index: usize| match like_mmst {
        None => 0,
        Some(true) if index == last => 0x0C,
        Some(true) => 0x04,
        Some(false) => 4 * u8::from(index == 0) + 8 * u8::from(index == last),
    };
    all.iter().enumerate().map(|(index, piece)| (mark(index), *piece)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Habits;
    use super::*;

    #[test]
    fn a_film_of_no_packets_has_no_key_frame_to_begin_at() {
        let film = Film::builder().packets(0).without_index().build();
        let media = Habits::default().seek(Seek::KeyFrame).media;
        for (start, ends) in [(Start::Beginning, true), (Start::Packet(1), false), (Start::Packet(u32::MAX), false)] {
            let mut play = Playout::new(film.clone(), media.clone(), Padding::Kept, start, Selection::Everything);
            assert_eq!((play.position(), matches!(play.next(), Next::End)), (0, ends), "{start:?}");
        }
    }
}
