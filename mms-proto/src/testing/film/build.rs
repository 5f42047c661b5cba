//! The parameters of a film.

use super::header::Header;
use super::muxer::{Muxer, PREROLL_MS};
use super::{Film, index};

/// One stream of a film.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stream {
    /// 8-bit PCM, one channel.
    Audio {
        /// 1 to 127.
        number: u8,
    },
    /// Motion JPEG, 64 by 48, without colour.
    Video {
        /// 1 to 127.
        number: u8,
    },
}

impl Stream {
    /// An audio stream of this number.
    pub fn audio(number: u8) -> Stream {
        Stream::Audio { number }
    }

    /// A video stream of this number.
    pub fn video(number: u8) -> Stream {
        Stream::Video { number }
    }

    /// The number.
    pub fn number(self) -> u8 {
        let (Stream::Audio { number } | Stream::Video { number }) = self;
        number
    }

    pub(super) fn is_video(self) -> bool {
        matches!(self, Stream::Video { .. })
    }
}

/// The width of the field that says how much padding a packet has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PaddingField {
    /// No field, and no padding.
    None,
    /// One byte.
    Byte,
    /// Two bytes.
    Word,
    /// Four bytes.
    Dword,
}

impl PaddingField {
    pub(super) fn bits(self) -> u8 {
        self as u8
    }

    pub(super) fn len(self) -> usize {
        [0, 1, 2, 4][self as usize]
    }
}

/// What a packet is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Payloads {
    /// One payload; streams take turns.
    Single,
    /// One payload of each stream.
    Multiple,
}

/// What a film is to be; from [`Film::builder`]. The same parameters make the same bytes.
#[derive(Debug, Clone)]
pub struct FilmBuilder {
    pub(super) packet_size: usize,
    pub(super) packets: u32,
    pub(super) streams: Vec<Stream>,
    pub(super) payloads: Payloads,
    pub(super) compressed: bool,
    pub(super) padding_field: PaddingField,
    pub(super) padding: Vec<u32>,
    pub(super) explicit_length: bool,
    pub(super) error_correction: bool,
    pub(super) frame_packets: usize,
    pub(super) key_every: usize,
    pub(super) index: bool,
    pub(super) header_len: usize,
    pub(super) sample_rate: u32,
    pub(super) seed: u64,
}

impl FilmBuilder {
    pub(super) fn new() -> FilmBuilder {
        FilmBuilder {
            packet_size: 3200,
            packets: 100,
            streams: Vec::new(),
            payloads: Payloads::Multiple,
            compressed: false,
            padding_field: PaddingField::Word,
            padding: vec![0],
            explicit_length: false,
            error_correction: true,
            frame_packets: 1,
            key_every: 1,
            index: true,
            header_len: 0,
            sample_rate: 16_000,
            seed: 1,
        }
    }

    /// Bytes of each packet; 3,200 if not set.
    pub fn packet_size(mut self, bytes: usize) -> Self {
        self.packet_size = bytes;
        self
    }

    /// How many packets; 100 if not set.
    pub fn packets(mut self, count: u32) -> Self {
        self.packets = count;
        self
    }

    /// Adds a stream. Without any, there is a video stream 1 and an audio stream 2.
    pub fn stream(mut self, stream: Stream) -> Self {
        self.streams.push(stream);
        self
    }

    /// What each packet is made of; multiple payloads if not set.
    pub fn payloads(mut self, payloads: Payloads) -> Self {
        self.payloads = payloads;
        self
    }

    /// Audio comes in compressed payloads: many small objects under one head.
    pub fn compressed_payloads(mut self) -> Self {
        self.compressed = true;
        self
    }

    /// The field, and the padding of the packets in turn; a word and none if not set.
    pub fn padding(mut self, field: PaddingField, bytes: &[u32]) -> Self {
        self.padding_field = field;
        self.padding = if bytes.is_empty() { vec![0] } else { bytes.to_vec() };
        self
    }

    /// Packets say how long they are, in a word, with their padding: that is what it is counted from.
    pub fn explicit_packet_length(mut self) -> Self {
        self.explicit_length = true;
        self
    }

    /// Packets begin without error correction data.
    pub fn without_error_correction(mut self) -> Self {
        self.error_correction = false;
        self
    }

    /// A video frame takes at least so many packets; 1 if not set.
    pub fn frame_packets(mut self, count: usize) -> Self {
        self.frame_packets = count.max(1);
        self
    }

    /// The first of so many video frames is a key frame; all if not set.
    pub fn key_frame_every(mut self, frames: usize) -> Self {
        self.key_every = frames.max(1);
        self
    }

    /// No Simple Index follows the packets.
    pub fn without_index(mut self) -> Self {
        self.index = false;
        self
    }

    /// The header that is sent has at least so many bytes, by a Padding Object.
    pub fn header_len(mut self, bytes: usize) -> Self {
        self.header_len = bytes;
        self
    }

    /// Audio samples, which are bytes, in a second; 16,000 if not set. The rate of the whole film follows from it.
    pub fn sample_rate(mut self, hertz: u32) -> Self {
        self.sample_rate = hertz.max(1);
        self
    }

    /// Films of other seeds have other contents and another File ID.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Makes the film.
    ///
    /// # Panics
    ///
    /// The packets have no room for their payloads, or the padding does not fit its field.
    pub fn build(mut self) -> Film {
        if self.streams.is_empty() {
            self.streams = vec![Stream::video(1), Stream::audio(2)];
        }
        let muxed = Muxer::new(&self).mux();
        let indexes: Vec<Vec<u8>> = if self.index { index::simple(&self, &muxed) } else { Vec::new() };
        let indexes = indexes.concat();
        let mut file = Header { film: &self, muxed: &muxed, indexes_len: indexes.len() }.bytes();
        file.extend_from_slice(&muxed.packets);
        file.extend_from_slice(&indexes);
        match Film::from_bytes(file) {
            Ok(film) => film,
            Err(error) => unreachable!("a film that was just made: {error}"),
        }
    }

    /// Makes a film whose packets are made when they are sent, so that there can be any number of them: each is the first one but for its
    /// time, and for eight bytes of media that no other one has. It has no index, and players are not for it.
    ///
    /// # Panics
    ///
    /// As [`build`](Self::build).
    pub fn build_on_demand(self) -> Film {
        let (packets, seed) = (self.packets, self.seed);
        let first = FilmBuilder { packets: 1, index: false, ..self }.build();
        let each_ms = first.play_ms() - PREROLL_MS;
        first.repeated(packets, seed, each_ms).unwrap_or_else(|| unreachable!("a packet that was just made"))
    }
}
