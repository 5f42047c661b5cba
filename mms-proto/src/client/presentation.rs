//! What is known of a file on a server.

use std::time::Duration;

use bytes::Bytes;

use super::Transport;
use crate::asf::{AsfError, Header};
use crate::conn::{Facts, StreamChoice};
use crate::wire::Url;

/// A file on a server, as far as a session has been told of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Presentation {
    /// How it is carried.
    pub transport: Transport,
    /// Where it is, after all redirects.
    pub url: Url,
    /// What the server says of it.
    pub facts: Facts,
    /// What its header says.
    pub header: Header,
    /// The header itself: the first bytes of the file.
    pub raw_header: Bytes,
    /// What is asked for of each stream.
    pub streams: Vec<StreamChoice>,
    /// Length of each packet in the file, in bytes.
    pub packet_size: u32,
}

impl Presentation {
    /// # Errors
    /// The header is no ASF, or has no place for packets.
    pub(super) fn new(
        transport: Transport,
        url: Url,
        facts: Facts,
        raw_header: &Bytes,
        choose: impl FnOnce(&Header) -> Vec<StreamChoice>,
    ) -> Result<Self, AsfError> {
        let header = Header::decode(raw_header)?;
        let packet_size = header.packet_size()?;
        // Packets follow at once; whatever else was sent with the header has no place in the file.
        let len = usize::try_from(header.data_offset).unwrap_or(usize::MAX).min(raw_header.len());
        let raw_header = raw_header.slice(..len);
        let streams = choose(&header);
        Ok(Self { transport, url, facts, header, raw_header, streams, packet_size })
    }

    /// Whether it is made, or moves on, while it is sent: there is one place in it, and no length.
    pub fn is_live(&self) -> bool {
        self.facts.live || self.facts.broadcast || self.header.properties.broadcast
    }

    /// Whether a header is that of this file. That of a broadcast is written when it is asked for, and may tell of times; what its
    /// packets are has to be the same.
    pub(super) fn is_begun_by(&self, header: &[u8]) -> bool {
        if !self.is_live() {
            return header.get(..self.raw_header.len()) == Some(&self.raw_header[..]);
        }
        let now = Header::decode(header);
        now.is_ok_and(|now| now.streams == self.header.streams && now.packet_size() == Ok(self.packet_size))
    }

    /// How many packets there are; `None` if it is live, or does not say.
    pub fn packets(&self) -> Option<u64> {
        if self.is_live() { None } else { self.header.packets().or(self.facts.packets) }
    }

    /// Whether a stream can begin at any packet, as far as the server says so.
    pub fn is_seekable(&self) -> bool {
        self.facts.seekable && !self.is_live() && !self.facts.playlist && self.packets().is_some()
    }

    /// Length of the file that its packets make, in bytes. It ends with the last packet: servers do not send the indexes behind it.
    pub fn file_len(&self) -> Option<u64> {
        let packets = self.packets()?.checked_mul(u64::from(self.packet_size))?;
        packets.checked_add(self.header.data_offset)
    }

    /// How long it plays.
    pub fn duration(&self) -> Option<Duration> {
        self.header.duration().or(self.facts.duration).filter(|_| !self.is_live())
    }

    /// What a server that sends at the pace of the media sends, in bytes per second.
    pub fn bytes_per_second(&self) -> Option<u64> {
        let over_time = || {
            let millis = u64::try_from(self.duration()?.as_millis()).ok()?;
            self.file_len()?.checked_mul(1000)?.checked_div(millis)
        };
        let stated = self.facts.bit_rate.or(Some(self.header.properties.max_bit_rate)).filter(|rate| *rate > 0);
        over_time().or(stated.map(|bits| u64::from(bits) / 8)).filter(|rate| *rate > 0)
    }
}
