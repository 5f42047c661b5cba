//! Packets of a film, one after the other.

use std::collections::BTreeMap;

use super::build::{FilmBuilder, PaddingField, Payloads, Stream};
use super::media::{self, LARGEST_BARE_PICTURE};

pub(super) const PREROLL_MS: u64 = 1000;
/// Time between packets of a film without audio.
const PACKET_MS: u64 = 40;
/// Head of a payload: stream, object, offset, length of what is replicated, object length, presentation time.
const PAYLOAD_HEAD: usize = 15;
/// Head of a compressed payload: stream, object, presentation time, 1, time between.
const COMPRESSED_HEAD: usize = 8;
/// Bytes of a small object in a compressed payload.
const SMALL: usize = 160;

/// The outcome.
pub(super) struct Muxed {
    pub(super) packets: Vec<u8>,
    pub(super) frames: Vec<Frame>,
    pub(super) stream_bytes: BTreeMap<u8, usize>,
    pub(super) duration_ms: u64,
}

/// How much of a stream has been sent.
#[derive(Clone, Copy, Default)]
struct Sent {
    bytes: u64,
    payloads: u64,
    /// Of video: the frame that comes next, counted over all streams, and the bytes before it.
    frame: usize,
    before: u64,
}

/// A video frame.
pub(super) struct Frame {
    pub(super) stream: u8,
    pub(super) key: bool,
    /// The first packet that has a part of it.
    pub(super) packet: u32,
    /// How many packets have a part of it, the first to the last.
    pub(super) count: u16,
    pub(super) ms: u64,
    /// Which of its stream.
    number: u64,
    bytes: Vec<u8>,
}

/// Where a payload of a stream is, and how much media it has.
#[derive(Clone, Copy)]
struct Slot {
    packet: u32,
    len: usize,
}

pub(super) struct Muxer<'a> {
    film: &'a FilmBuilder,
    /// By stream, in the order of the film.
    slots: Vec<Vec<Slot>>,
    /// When each packet is due, and when the film is over.
    times: Vec<u64>,
}

impl<'a> Muxer<'a> {
    pub(super) fn new(film: &'a FilmBuilder) -> Muxer<'a> {
        let mut muxer = Muxer { film, slots: vec![Vec::new(); film.streams.len()], times: Vec::new() };
        let clock = film.streams.iter().position(|stream| !stream.is_video());
        let mut heard = 0_u64;
        for packet in 0..film.packets {
            muxer.times.push(match clock {
                Some(_) => heard * 1000 / u64::from(film.sample_rate),
                None => u64::from(packet) * PACKET_MS,
            });
            for (stream, len) in muxer.shares(packet) {
                muxer.slots[stream].push(Slot { packet, len });
                if Some(stream) == clock {
                    heard += len as u64;
                }
            }
        }
        muxer.times.push(match clock {
            Some(_) => heard * 1000 / u64::from(film.sample_rate),
            None => u64::from(film.packets) * PACKET_MS,
        });
        muxer
    }

    pub(super) fn mux(&self) -> Muxed {
        let mut frames: Vec<Frame> = Vec::new();
        let mut sent = vec![Sent::default(); self.film.streams.len()];
        for (index, stream) in self.film.streams.iter().enumerate().filter(|(_, stream)| stream.is_video()) {
            sent[index].frame = frames.len();
            frames.extend(self.frames(index, stream.number()));
        }
        let mut muxed = Muxed { packets: Vec::new(), frames, stream_bytes: BTreeMap::new(), duration_ms: 0 };
        muxed.duration_ms = self.times.last().copied().unwrap_or(0);
        for packet in 0..self.film.packets {
            self.packet(packet, &mut muxed, &mut sent);
        }
        muxed
    }

    fn pad(&self, packet: u32) -> usize {
        if self.film.padding_field == PaddingField::None {
            return 0;
        }
        self.film.padding[packet as usize % self.film.padding.len()] as usize
    }

    fn multiple(&self) -> bool {
        self.film.payloads == Payloads::Multiple
    }

    /// Bytes before the first payload.
    fn head_len(&self) -> usize {
        let film = self.film;
        let fields = 2 * usize::from(film.explicit_length) + film.padding_field.len();
        3 * usize::from(film.error_correction) + 2 + fields + 6 + usize::from(self.multiple())
    }

    fn is_compressed(&self, stream: Stream) -> bool {
        self.film.compressed && !stream.is_video()
    }

    /// Streams with payloads in a packet, and how much media each has there.
    fn shares(&self, packet: u32) -> Vec<(usize, usize)> {
        let streams = &self.film.streams;
        let here: Vec<usize> = match self.film.payloads {
            Payloads::Single => vec![packet as usize % streams.len()],
            Payloads::Multiple => (0..streams.len()).collect(),
        };
        let weight = |index: &usize| if streams[*index].is_video() { 3 } else { 1 };
        let total: usize = here.iter().map(weight).sum();
        let free = self.film.packet_size.checked_sub(self.head_len() + self.pad(packet));
        let free = free.unwrap_or_else(|| panic!("packets of {} bytes have no room", self.film.packet_size));
        let (mut left, mut shares) = (free, Vec::new());
        for (place, index) in here.iter().enumerate() {
            let last = place + 1 == here.len();
            let room = if last { left } else { free * weight(index) / total };
            left -= room;
            let length_field = 2 * usize::from(self.multiple());
            let media = if self.is_compressed(streams[*index]) {
                let room = room.saturating_sub(COMPRESSED_HEAD + length_field);
                let (whole, rest) = (room / (SMALL + 1), room % (SMALL + 1));
                whole * SMALL + rest.saturating_sub(1)
            } else {
                room.saturating_sub(PAYLOAD_HEAD + length_field)
            };
            assert!(media > 0, "packets of {} bytes have no room", self.film.packet_size);
            shares.push((*index, media));
        }
        shares
    }

    /// Cuts the slots of a video stream into frames, each large enough for a picture.
    fn frames(&self, stream: usize, number: u8) -> Vec<Frame> {
        let mut groups: Vec<Vec<Slot>> = Vec::new();
        let len = |group: &[Slot]| group.iter().map(|slot| slot.len).sum::<usize>();
        let whole = |group: &[Slot]| group.len() >= self.film.frame_packets && len(group) > LARGEST_BARE_PICTURE;
        for slot in &self.slots[stream] {
            match groups.last_mut().filter(|group| !whole(group)) {
                Some(group) => group.push(*slot),
                None => groups.push(vec![*slot]),
            }
        }
        if groups.len() > 1 && groups.last().is_some_and(|group| len(group) <= LARGEST_BARE_PICTURE) {
            let rest = groups.pop().unwrap_or_default();
            if let Some(last) = groups.last_mut() {
                last.extend(rest);
            }
        }
        let frame = |(index, group): (usize, Vec<Slot>)| {
            let (first, last) = (group[0].packet, group[group.len() - 1].packet);
            let bytes = media::picture(self.film.seed, number, index as u64, len(&group));
            Frame {
                stream: number,
                key: index % self.film.key_every == 0,
                packet: first,
                count: (last - first + 1) as u16,
                ms: self.times[first as usize],
                number: index as u64,
                bytes,
            }
        };
        groups.into_iter().enumerate().map(frame).collect()
    }

    fn packet(&self, packet: u32, muxed: &mut Muxed, sent: &mut [Sent]) {
        let film = self.film;
        let begin = muxed.packets.len();
        let pad = self.pad(packet);
        let [now, next] = [0, 1].map(|after| self.times[packet as usize + after]);
        let mut out = Vec::with_capacity(film.packet_size);
        if film.error_correction {
            out.extend([0x82, 0, 0]);
        }
        let length_bits = if film.explicit_length { 2 << 5 } else { 0 };
        out.push(u8::from(self.multiple()) | film.padding_field.bits() << 3 | length_bits);
        // One byte each for stream, object and what is replicated, four for the offset.
        out.push(0x5D);
        if film.explicit_length {
            out.extend((film.packet_size as u16).to_le_bytes());
        }
        let field = (pad as u32).to_le_bytes();
        let (held, beyond) = field.split_at(film.padding_field.len());
        assert!(beyond.iter().all(|byte| *byte == 0), "{pad} bytes of padding do not fit the field");
        out.extend(held);
        out.extend((now as u32).to_le_bytes());
        out.extend(((next - now).min(0xFFFF) as u16).to_le_bytes());
        let shares = self.shares(packet);
        if self.multiple() {
            out.push(shares.len() as u8 | 2 << 6);
        }
        for (index, len) in shares {
            let stream = film.streams[index];
            let payload = if stream.is_video() {
                video(packet, stream.number(), &mut sent[index], len, &muxed.frames)
            } else {
                self.audio(stream, sent[index], len)
            };
            let (head, media) = payload;
            out.extend(head);
            if self.multiple() {
                out.extend((media.len() as u16).to_le_bytes());
            }
            out.extend(media);
            sent[index].bytes += len as u64;
            sent[index].payloads += 1;
            *muxed.stream_bytes.entry(stream.number()).or_default() += len;
        }
        out.resize(out.len() + pad, 0);
        assert_eq!(out.len(), film.packet_size, "packet {packet}");
        muxed.packets.extend(out);
        debug_assert_eq!(muxed.packets.len() - begin, film.packet_size);
    }

    fn audio(&self, stream: Stream, sent: Sent, len: usize) -> (Vec<u8>, Vec<u8>) {
        let Sent { bytes: from, payloads: objects, .. } = sent;
        let (number, rate) = (stream.number(), u64::from(self.film.sample_rate));
        let (media, ms) = (media::samples(self.film.seed, number, from, len), from * 1000 / rate);
        if !self.is_compressed(stream) {
            return (payload_head(number | 0x80, objects as u8, 0, len, ms), media);
        }
        let between = (SMALL as u64 * 1000 / rate).min(255) as u8;
        let mut head = vec![number | 0x80, objects as u8];
        head.extend(((ms + PREROLL_MS) as u32).to_le_bytes());
        head.extend([1, between]);
        let small = media.chunks(SMALL).flat_map(|object| [&[object.len() as u8], object].concat());
        (head, small.collect())
    }
}

/// Head and content of a payload.
fn video(packet: u32, number: u8, sent: &mut Sent, len: usize, frames: &[Frame]) -> (Vec<u8>, Vec<u8>) {
    let frame = loop {
        let frame = frames.get(sent.frame).filter(|frame| frame.stream == number);
        let Some(frame) = frame else { unreachable!("packet {packet} is in a frame") };
        let ends = sent.before + frame.bytes.len() as u64;
        if sent.bytes < ends {
            break frame;
        }
        (sent.frame, sent.before) = (sent.frame + 1, ends);
    };
    let offset = (sent.bytes - sent.before) as usize;
    let stream = number | if frame.key { 0x80 } else { 0 };
    let head = payload_head(stream, frame.number as u8, offset, frame.bytes.len(), frame.ms);
    (head, frame.bytes[offset..offset + len].to_vec())
}

fn payload_head(stream: u8, object: u8, offset: usize, object_len: usize, ms: u64) -> Vec<u8> {
    let mut head = vec![stream, object];
    head.extend((offset as u32).to_le_bytes());
    head.push(8);
    head.extend((object_len as u32).to_le_bytes());
    head.extend(((ms + PREROLL_MS) as u32).to_le_bytes());
    head
}
