//! Films: ASF files that are made from a few parameters, or given.

mod build;
mod header;
mod index;
mod media;
mod muxer;
mod repeated;

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

pub use build::{FilmBuilder, PaddingField, Payloads, Stream};
use repeated::Pattern;

use super::packet;

/// An ASF file as a server keeps it. Cloning is cheap.
#[derive(Clone, PartialEq, Eq)]
pub struct Film(Arc<Parts>);

#[derive(PartialEq, Eq)]
struct Parts {
    bytes: Bytes,
    /// Header Object, and the first 50 bytes of the Data Object.
    header_len: usize,
    packet_size: usize,
    packets: u32,
    play_ms: u64,
    bit_rate: u32,
    streams: Vec<u8>,
    /// Of a film whose packets are made when they are sent.
    pattern: Option<Pattern>,
}

/// Before the packets of the Data Object.
const DATA_HEAD: usize = 50;
const HEADER: [u8; 16] = header::guid(0x75B22630, 0x668E, 0x11CF, 0xA6D900AA0062CE6C);
const FILE_PROPERTIES: [u8; 16] = header::guid(0x8CABDCA1, 0xA947, 0x11CF, 0x8EE400C00C205365);
const STREAM_PROPERTIES: [u8; 16] = header::guid(0xB7DC0791, 0xA9B7, 0x11CF, 0x8EE600C00C205365);
const DATA: [u8; 16] = header::guid(0x75B22636, 0x668E, 0x11CF, 0xA6D900AA0062CE6C);

impl Film {
    /// A film of one video and one audio stream in packets of 3,200 bytes, to be changed.
    pub fn builder() -> FilmBuilder {
        FilmBuilder::new()
    }

    /// Such a film of so many packets, whose content depends on the seed.
    pub fn generated(packets: u32, seed: u64) -> Film {
        Film::builder().packets(packets).seed(seed).build()
    }

    /// A file that somebody else made. What follows the packets is taken for indexes.
    ///
    /// # Errors
    ///
    /// It is no ASF file, has no packets of one size, or fewer than it says.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> io::Result<Film> {
        let bytes = bytes.into();
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("no film: {what}"));
        let parts = parse(bytes).map_err(wrong)?;
        Ok(Film(Arc::new(parts)))
    }

    /// The whole file; the header alone if packets are made on demand.
    pub fn bytes(&self) -> &Bytes {
        &self.0.bytes
    }

    /// What a server sends as the header: the Header Object and the first 50 bytes of the Data Object.
    pub fn header(&self) -> Bytes {
        self.0.bytes.slice(..self.0.header_len)
    }

    /// What a client can have: header and packets, without indexes; the header alone if packets are made on demand.
    pub fn served(&self) -> Bytes {
        self.0.bytes.slice(..self.stored_len())
    }

    /// What follows the packets.
    pub fn indexes(&self) -> Bytes {
        self.0.bytes.slice(self.stored_len()..)
    }

    /// Bytes of each packet.
    pub fn packet_size(&self) -> usize {
        self.0.packet_size
    }

    /// How many packets there are.
    pub fn packets(&self) -> u32 {
        self.0.packets
    }

    /// A packet, counted from 0, as it is in the file.
    ///
    /// # Panics
    ///
    /// There is no such packet.
    pub fn packet(&self, number: u32) -> Bytes {
        assert!(number < self.0.packets, "packet {number} of {}", self.0.packets);
        match &self.0.pattern {
            Some(pattern) => pattern.packet(number),
            None => self.0.bytes.slice(self.packet_range(number)),
        }
    }

    /// The numbers of the streams, in the order of the header.
    pub fn streams(&self) -> &[u8] {
        &self.0.streams
    }

    /// Play time with preroll, in milliseconds.
    pub fn play_ms(&self) -> u64 {
        self.0.play_ms
    }

    /// Bits per second, all streams together.
    pub fn bit_rate(&self) -> u32 {
        self.0.bit_rate
    }

    /// The same file with other bytes at an offset: another File ID or creation date, or damage.
    ///
    /// # Panics
    ///
    /// The bytes reach beyond the end.
    pub fn with_bytes_at(&self, offset: usize, change: &[u8]) -> Film {
        let mut bytes = self.0.bytes.to_vec();
        bytes[offset..offset + change.len()].copy_from_slice(change);
        let parts = &*self.0;
        let (streams, pattern) = (parts.streams.clone(), parts.pattern.clone());
        Film(Arc::new(Parts { bytes: bytes.into(), streams, pattern, ..*parts }))
    }

    /// The same film under another File ID, in the header and in the Data Object.
    pub fn with_file_id(&self, id: [u8; 16]) -> Film {
        let changed = match self.child(&FILE_PROPERTIES) {
            Some(at) => self.with_bytes_at(at + 24, &id),
            None => self.clone(),
        };
        changed.with_bytes_at(self.0.header_len - DATA_HEAD + 24, &id)
    }

    /// The header as it is before the end of a live broadcast: no count, no length, and the broadcast flag.
    pub(super) fn live_header(&self) -> Bytes {
        let mut header = self.header().to_vec();
        if let Some(at) = self.child(&FILE_PROPERTIES) {
            for field in [at + 40..at + 48, at + 56..at + 80] {
                header[field].fill(0);
            }
            header[at + 88] = 1;
        }
        let data = self.0.header_len - DATA_HEAD;
        header[data + 16..data + 24].fill(0);
        header[data + 40..data + 48].fill(0);
        header.into()
    }

    /// The packet that has the last key frame begun at or before this time, in milliseconds without preroll; 0 if none has.
    pub(super) fn key_packet_at(&self, ms: u64) -> u32 {
        let mut found = 0;
        for number in 0..self.0.packets {
            let Some(look) = packet::look(&self.packet(number)) else { continue };
            if u64::from(look.send_ms) > ms {
                break;
            }
            if look.key {
                found = number;
            }
        }
        found
    }

    /// Bytes that are kept, without indexes.
    fn stored_len(&self) -> usize {
        if self.0.pattern.is_some() { self.0.header_len } else { self.packet_range(self.0.packets).start }
    }

    fn packet_range(&self, number: u32) -> Range<usize> {
        let start = self.0.header_len + number as usize * self.0.packet_size;
        start..(start + self.0.packet_size).min(self.0.bytes.len())
    }

    /// Where an object of the header begins.
    fn child(&self, guid: &[u8; 16]) -> Option<usize> {
        children(&self.0.bytes).into_iter().find(|&(_, id)| id == guid).map(|(range, _)| range.start)
    }
}

impl fmt::Debug for Film {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = &*self.0;
        write!(f, "Film({} bytes, {} packets of {})", parts.bytes.len(), parts.packets, parts.packet_size)
    }
}

/// The objects of the header with their kinds.
fn children(bytes: &[u8]) -> Vec<(Range<usize>, &[u8])> {
    let end = number(bytes, 16, 8).map_or(0, |len| (len as usize).min(bytes.len()));
    let (mut found, mut at) = (Vec::new(), 30);
    while at + 24 <= end {
        let len = number(bytes, at + 16, 8).unwrap_or(0);
        if len < 24 || len > (end - at) as u64 {
            break;
        }
        found.push((at..at + len as usize, &bytes[at..at + 16]));
        at += len as usize;
    }
    found
}

/// A little-endian number of `len` bytes.
fn number(bytes: &[u8], at: usize, len: usize) -> Option<u64> {
    let mut wide = [0; 8];
    wide[..len].copy_from_slice(bytes.get(at..at.checked_add(len)?)?);
    Some(u64::from_le_bytes(wide))
}

fn parse(bytes: Bytes) -> Result<Parts, &'static str> {
    if !bytes.starts_with(&HEADER) {
        return Err("it does not begin with a Header Object");
    }
    let object = number(&bytes, 16, 8).filter(|&len| len <= bytes.len() as u64).ok_or("the header is cut")?;
    let header_len = object as usize + DATA_HEAD;
    if header_len > bytes.len() || !bytes[object as usize..].starts_with(&DATA) {
        return Err("no Data Object follows the header");
    }
    let objects = children(&bytes);
    let properties = objects.iter().find(|(range, id)| *id == FILE_PROPERTIES && range.len() >= 104);
    let at = properties.ok_or("it has no File Properties")?.0.start;
    let field = |offset: usize, len: usize| number(&bytes, at + offset, len).unwrap_or(0);
    let (packets, smallest, largest) = (field(56, 8), field(92, 4) as usize, field(96, 4) as usize);
    if smallest != largest || largest == 0 || largest > 65_527 {
        return Err("its packets are not of one size");
    }
    let packets = u32::try_from(packets).map_err(|_| "it has too many packets")?;
    if header_len as u64 + u64::from(packets) * largest as u64 > bytes.len() as u64 {
        return Err("packets are missing");
    }
    let is_stream = |(range, id): &&(Range<usize>, &[u8])| *id == STREAM_PROPERTIES && range.len() >= 78;
    let streams = objects.iter().filter(is_stream).map(|(range, _)| bytes[range.start + 72] & 0x7F).collect();
    let (play_ms, bit_rate) = (field(64, 8) / 10_000, field(100, 4) as u32);
    drop(objects);
    Ok(Parts { bytes, header_len, packet_size: largest, packets, play_ms, bit_rate, streams, pattern: None })
}
