//! The header of a film, and the head of its Data Object.

use super::build::{FilmBuilder, Stream};
use super::media::{HEIGHT, WIDTH};
use super::muxer::{Muxed, PREROLL_MS};
use super::{DATA, DATA_HEAD, FILE_PROPERTIES, HEADER, STREAM_PROPERTIES};

const HEADER_EXTENSION: [u8; 16] = guid(0x5FBF03B5, 0xA92E, 0x11CF, 0x8EE300C00C205365);
const RESERVED_1: [u8; 16] = guid(0xABD3D211, 0xA9BA, 0x11CF, 0x8EE600C00C205365);
const BIT_RATES: [u8; 16] = guid(0x7BF875CE, 0x468D, 0x11D1, 0x8D82006097C9A2B2);
const CONTENT_DESCRIPTION: [u8; 16] = guid(0x75B22633, 0x668E, 0x11CF, 0xA6D900AA0062CE6C);
const PADDING: [u8; 16] = guid(0x1806D474, 0xCADF, 0x4509, 0xA4BA9AABCB96AAE8);
const AUDIO: [u8; 16] = guid(0xF8699E40, 0x5B4D, 0x11CF, 0xA8FD00805F5C442B);
const VIDEO: [u8; 16] = guid(0xBC19EFC0, 0x5B4D, 0x11CF, 0xA8FD00805F5C442B);
const NO_ERROR_CORRECTION: [u8; 16] = guid(0x20FB5700, 0x5B55, 0x11CF, 0xA8FD00805F5C442B);

/// 1 January 2005, in steps of 100 ns from 1601.
const CREATED: u64 = 127_490_112_000_000_000;
const SEEKABLE: u32 = 2;

/// A GUID as it is in a file: the first three groups are numbers, the rest is bytes.
pub(super) const fn guid(a: u32, b: u16, c: u16, d: u64) -> [u8; 16] {
    let value = ((a.swap_bytes() as u128) << 96)
        | ((b.swap_bytes() as u128) << 80)
        | ((c.swap_bytes() as u128) << 64)
        | d as u128;
    value.to_be_bytes()
}

/// The File ID of films of this seed.
pub(super) fn file_id(seed: u64) -> [u8; 16] {
    guid(0x5347_4649, 0x4C4D, 0x4000, seed | 0x8000_0000_0000_0000)
}

/// An object in the making: GUID, length, content.
pub(super) struct Object(Vec<u8>);

impl Object {
    pub(super) fn new(guid: [u8; 16]) -> Object {
        Object([&guid[..], &[0; 8]].concat())
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> &mut Object {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn u16(&mut self, value: u16) -> &mut Object {
        self.put(&value.to_le_bytes())
    }

    pub(super) fn u32(&mut self, value: u32) -> &mut Object {
        self.put(&value.to_le_bytes())
    }

    pub(super) fn u64(&mut self, value: u64) -> &mut Object {
        self.put(&value.to_le_bytes())
    }

    pub(super) fn finish(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.0);
        let len = bytes.len() as u64;
        bytes[16..24].copy_from_slice(&len.to_le_bytes());
        bytes
    }
}

pub(super) struct Header<'a> {
    pub(super) film: &'a FilmBuilder,
    pub(super) muxed: &'a Muxed,
    pub(super) indexes_len: usize,
}

impl Header<'_> {
    /// Header Object and the head of the Data Object.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut children: Vec<Vec<u8>> = vec![Vec::new()];
        children.extend(self.film.streams.iter().map(|stream| self.stream(*stream)));
        children.push(extension());
        children.push(self.bit_rates());
        children.push(description(self.film.seed));
        let so_far = 30 + 104 + children.iter().map(Vec::len).sum::<usize>() + DATA_HEAD;
        if self.film.header_len > so_far {
            // A Padding Object takes 24 bytes at least, so a header may get that much longer than was asked for.
            let pad = (self.film.header_len - so_far).max(24) - 24;
            children.push(Object::new(PADDING).put(&vec![0; pad]).finish());
        }
        let len = 30 + 104 + children.iter().map(Vec::len).sum::<usize>();
        children[0] = self.properties(len);
        let mut header = Object::new(HEADER);
        header.u32(children.len() as u32).put(&[1, 2]).put(&children.concat());
        let mut file = header.finish();
        file.extend(self.data_head());
        file
    }

    fn properties(&self, header_len: usize) -> Vec<u8> {
        let packets = self.muxed.packets.len();
        let file_len = header_len + DATA_HEAD + packets + self.indexes_len;
        let duration = self.muxed.duration_ms * 10_000;
        let (size, has_video) = (self.film.packet_size as u32, self.film.streams.iter().any(|s| s.is_video()));
        let seekable = if self.indexes_len > 0 || !has_video { SEEKABLE } else { 0 };
        let mut object = Object::new(FILE_PROPERTIES);
        object.put(&file_id(self.film.seed)).u64(file_len as u64).u64(CREATED).u64(u64::from(self.film.packets));
        object.u64(duration + PREROLL_MS * 10_000).u64(duration).u64(PREROLL_MS);
        object.u32(seekable).u32(size).u32(size).u32(self.bit_rate(packets)).finish()
    }

    fn stream(&self, stream: Stream) -> Vec<u8> {
        let data = if stream.is_video() { video_format() } else { audio_format(self.film.sample_rate) };
        let mut object = Object::new(STREAM_PROPERTIES);
        object.put(if stream.is_video() { &VIDEO } else { &AUDIO }).put(&NO_ERROR_CORRECTION).u64(0);
        object.u32(data.len() as u32).u32(0).u16(u16::from(stream.number())).u32(0).put(&data).finish()
    }

    fn bit_rates(&self) -> Vec<u8> {
        let mut object = Object::new(BIT_RATES);
        object.u16(self.film.streams.len() as u16);
        for stream in &self.film.streams {
            let bytes = self.muxed.stream_bytes.get(&stream.number()).copied().unwrap_or(0);
            object.u16(u16::from(stream.number())).u32(self.bit_rate(bytes));
        }
        object.finish()
    }

    fn bit_rate(&self, bytes: usize) -> u32 {
        (bytes as u64 * 8 * 1000 / self.muxed.duration_ms.max(1)) as u32
    }

    fn data_head(&self) -> Vec<u8> {
        let len = (DATA_HEAD + self.muxed.packets.len()) as u64;
        let mut object = Object::new(DATA);
        object.put(&file_id(self.film.seed)).u64(u64::from(self.film.packets)).put(&[1, 1]);
        let mut head = object.finish();
        head[16..24].copy_from_slice(&len.to_le_bytes());
        head
    }
}

fn extension() -> Vec<u8> {
    Object::new(HEADER_EXTENSION).put(&RESERVED_1).u16(6).u32(0).finish()
}

/// A title, so that a player has something to show.
fn description(seed: u64) -> Vec<u8> {
    let title: Vec<u8> = format!("Test film {seed}\0").encode_utf16().flat_map(u16::to_le_bytes).collect();
    Object::new(CONTENT_DESCRIPTION).u16(title.len() as u16).put(&[0; 8]).put(&title).finish()
}

/// WAVEFORMATEX: PCM, one channel, eight bits.
fn audio_format(sample_rate: u32) -> Vec<u8> {
    let rate = sample_rate.to_le_bytes();
    [&[1, 0, 1, 0][..], &rate, &rate, &[1, 0, 8, 0, 0, 0]].concat()
}

/// The size of the picture, and a BITMAPINFOHEADER for motion JPEG.
fn video_format() -> Vec<u8> {
    let (width, height) = (u32::from(WIDTH).to_le_bytes(), u32::from(HEIGHT).to_le_bytes());
    let image_len = (u32::from(WIDTH) * u32::from(HEIGHT) * 3).to_le_bytes();
    let bitmap = [&[40, 0, 0, 0][..], &width, &height, &[1, 0, 24, 0], b"MJPG", &image_len, &[0; 16]].concat();
    [&width[..], &height, &[2, 40, 0], &bitmap].concat()
}
