//! Datagrams in order again: a loss is a hole, and not a shift.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::conn::Packet;
use crate::wire::{DataHeader, DataPacket};

/// Packets that wait for one before them.
const MAX_HELD: usize = 512;
/// The same, in bytes.
const MAX_HELD_LEN: usize = 4 << 20;
/// Numbers that did not come.
const MAX_MISSING: usize = 1024;
/// Packets after the last one that came which are asked for. The 8 bits that are sent of a number tell no more apart.
const MAX_TAIL: u64 = 255;
/// Before it is asked for, a datagram may have been overtaken only.
const OVERTAKEN: Duration = Duration::from_millis(50);
/// Between one request and the next for the same.
const AGAIN: Duration = Duration::from_millis(300);
const MAX_REQUESTS: u8 = 3;
/// When a hole is given up.
const GIVE_UP: Duration = Duration::from_millis(1000);
/// A first stream whose first number is higher begins there: numbers need not begin with 0.
const MAX_FIRST_GAP: u8 = 32;
/// The place of LocationId 0: what comes late may be before it.
const ORIGIN: u64 = 1 << 32;

/// The packets of one stream that came as datagrams.
///
/// Where a packet belongs its LocationId says, and that alone orders them. Whether something is missing between two of
/// them AFFlags say: the low 8 bits of a number that counts what the server has sent, through all streams of a session.
/// A packet with a later LocationId has a later number, which is how 8 bits become 32. Packets that follow one another
/// in the file have nothing between them, whatever their numbers are.
///
/// The places of a broadcast that is on long enough begin again with 0, so here they have more bits, and are counted from [`ORIGIN`].
///
/// Spec: MMSP 2.2.2, 2.2.5. Observed: servers leave out the number 0xFF where a stream ended with 0xFE before (examples
/// of WMSP), or never count at all (VLC)
#[derive(Debug)]
pub(super) struct Slots {
    /// The packet that was asked for.
    from: u64,
    /// The packet to be told next; `None` before the first.
    next: Option<u64>,
    /// The last packet that came.
    last: Option<u64>,
    /// The last number.
    top: Option<u32>,
    held: BTreeMap<u64, Held>,
    held_len: usize,
    missing: BTreeSet<u32>,
    /// What is before the first packet that is held, or after the last one of a stream that has ended.
    hole: Option<Hole>,
    /// No packet follows those that are on their way.
    ended: bool,
}

#[derive(Debug)]
struct Held {
    /// `None` if the server does not count.
    sequence: Option<u32>,
    data: Bytes,
}

/// Something is missing, and it is known where.
#[derive(Debug)]
struct Hole {
    since: Instant,
    ask_at: Instant,
    requests: u8,
}

impl Slots {
    /// For a stream from packet `from` on, after one that ended with the number `top`.
    pub(super) fn new(from: u32, top: Option<u32>) -> Self {
        Self {
            from: ORIGIN.saturating_add(from.into()),
            next: None,
            last: None,
            top,
            held: BTreeMap::new(),
            held_len: 0,
            missing: BTreeSet::new(),
            hole: None,
            ended: false,
        }
    }

    /// The last number, for the next stream.
    pub(super) fn top(&self) -> Option<u32> {
        self.top
    }

    /// Whether the last of `packets` has been told, so that nothing can follow.
    pub(super) fn is_complete(&self, packets: Option<u64>) -> bool {
        let told = self.next.and_then(|next| next.checked_sub(ORIGIN));
        let last = told.is_some_and(|told| packets.is_some_and(|packets| told >= packets));
        last && self.held.is_empty()
    }

    /// Nothing follows of a file of so many packets: those after the last one that came are missing, too. How they are counted
    /// follows from the count so far. If the server has left some of them out, there are fewer, and nothing comes for the
    /// numbers that it did not use.
    ///
    /// Spec: MMSP 2.2.2, 2.2.5
    pub(super) fn end(&mut self, packets: Option<u64>) {
        self.ended = true;
        let begin = self.last.map_or(self.from, |last| last.saturating_add(1));
        let count = packets.unwrap_or(0).saturating_sub(begin.saturating_sub(ORIGIN)).min(MAX_TAIL);
        let is_counted = self.top != Some(0) || self.last == Some(self.from);
        let (Ok(count), true) = (u32::try_from(count), is_counted) else { return };
        let first = self.top.map_or(0, |top| top.saturating_add(1));
        self.missing.extend(first..first.saturating_add(count));
    }

    /// Takes a packet of this stream in.
    pub(super) fn insert(&mut self, packet: DataPacket) {
        let location = self.place(packet.header.location);
        if self.next.is_some_and(|next| location < next) || self.held.contains_key(&location) {
            return;
        }
        let sequence = match self.last {
            Some(last) if location < last => self.older(location, &packet.header),
            _ => self.newer(location, &packet.header),
        };
        if let Some(sequence) = sequence {
            self.missing.remove(&sequence);
        }
        self.held_len = self.held_len.saturating_add(packet.payload.len());
        self.held.insert(location, Held { sequence, data: packet.payload });
    }

    /// The place of a LocationId: the one of this number that is nearest to the last packet.
    fn place(&self, location: u32) -> u64 {
        let Some(last) = self.last else { return ORIGIN.saturating_add(location.into()) };
        let ahead = location.wrapping_sub(location_of(last));
        last.saturating_add_signed(i32::from_ne_bytes(ahead.to_ne_bytes()).into())
    }

    /// The number of a packet behind all others.
    fn newer(&mut self, location: u64, header: &DataHeader) -> Option<u32> {
        let last = self.last.replace(location);
        let Some(top) = self.top else {
            let sequence = u32::from(header.flags);
            if location != self.from && header.flags <= MAX_FIRST_GAP {
                self.missing.extend(0..sequence);
            }
            self.top = Some(sequence);
            return self.top;
        };
        let [low, ..] = top.to_le_bytes();
        let ahead = header.flags.wrapping_sub(low);
        let sequence = top.checked_add(u32::from(ahead)).filter(|_| ahead != 0)?;
        let left_out = last.is_none() && low == 0xFE && header.flags == 0;
        let follows = match last {
            Some(last) => location.checked_sub(1) == Some(last),
            None => location == self.from,
        };
        if !follows && !left_out {
            self.missing.extend(top.saturating_add(1)..sequence);
        }
        self.top = Some(sequence);
        self.top
    }

    /// The number of a packet before the last one, counted back from the next packet that is there.
    fn older(&mut self, location: u64, header: &DataHeader) -> Option<u32> {
        let (_, later) = self.held.range(location..).next()?;
        let later = later.sequence?;
        let [low, ..] = later.to_le_bytes();
        later.checked_sub(u32::from(low.wrapping_sub(header.flags)))
    }

    /// The next packet, if nothing that could still come is before it.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Packet> {
        let Some((&location, held)) = self.held.first_key_value() else {
            if self.ended && !self.missing.is_empty() {
                self.mind_hole(now);
            }
            return None;
        };
        let begins = self.next.unwrap_or(self.from) == location;
        let counted = held.sequence.is_some_and(|sequence| self.missing.first().is_none_or(|first| *first > sequence));
        if !begins && !counted && !self.is_given_up(now) {
            return None;
        }
        let held = self.held.remove(&location)?;
        self.held_len = self.held_len.saturating_sub(held.data.len());
        if let Some(sequence) = held.sequence {
            self.missing = self.missing.split_off(&sequence);
        }
        self.next = Some(location.saturating_add(1));
        self.hole = None;
        Some(Packet { location: location_of(location), data: held.data })
    }

    /// Takes what is there, whatever is missing.
    pub(super) fn pop_anyway(&mut self) -> Option<Packet> {
        let (location, held) = self.held.pop_first()?;
        self.held_len = self.held_len.saturating_sub(held.data.len());
        self.next = Some(location.saturating_add(1));
        Some(Packet { location: location_of(location), data: held.data })
    }

    fn is_given_up(&mut self, now: Instant) -> bool {
        let full = self.held.len() > MAX_HELD || self.held_len > MAX_HELD_LEN || self.missing.len() > MAX_MISSING;
        full || now >= self.mind_hole(now).since + GIVE_UP
    }

    fn mind_hole(&mut self, now: Instant) -> &mut Hole {
        self.hole.get_or_insert(Hole { since: now, ask_at: now + OVERTAKEN, requests: 0 })
    }

    /// The numbers to be asked for now.
    pub(super) fn ask(&mut self, now: Instant) -> Vec<u32> {
        let Some(hole) = &mut self.hole else { return Vec::new() };
        if now < hole.ask_at || hole.requests >= MAX_REQUESTS {
            return Vec::new();
        }
        hole.requests = hole.requests.saturating_add(1);
        hole.ask_at = now + AGAIN;
        self.missing.iter().copied().collect()
    }

    /// When [`pop`](Self::pop) and [`ask`](Self::ask) have something to say even if nothing comes.
    pub(super) fn timer(&self) -> Option<Instant> {
        let hole = self.hole.as_ref()?;
        let asks = hole.requests < MAX_REQUESTS && !self.missing.is_empty();
        Some((hole.since + GIVE_UP).min(if asks { hole.ask_at } else { hole.since + GIVE_UP }))
    }
}

/// The LocationId of a place.
fn location_of(place: u64) -> u32 {
    let [a, b, c, d, ..] = place.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
