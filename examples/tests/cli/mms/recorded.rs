//! What a recording of a live stream has to be.

use std::path::Path;

use mms_proto::asf::Header;
use mms_proto::testing::{Film, Habits};

/// A broadcast that was long under way when it was joined.
const JOINED_AT: u32 = 4_000_000;

pub(super) fn live() -> Habits {
    Habits::default().live_from(JOINED_AT)
}

/// A recording, checked from its first byte to its last.
pub(super) struct Recording {
    pub(super) header: Header,
    pub(super) packets: usize,
    pub(super) index: Vec<u8>,
}

impl Recording {
    /// Takes the packets that are those of the film, one after the other and over and over, from wherever it was joined.
    pub(super) fn of(bytes: &[u8], film: &Film) -> Self {
        let header = Header::decode(bytes).expect("a header");
        let (from, size) = (header.data_offset as usize, film.packet_size());
        let packet = |number: usize| bytes.get(from + number * size..from + (number + 1) * size);
        let joined = (0..film.packets()).find(|number| packet(0).is_some_and(|first| first == film.packet(*number)));
        let joined = joined.expect("the first packet is one of the film");
        let next = |number: usize| film.packet((joined + number as u32) % film.packets());
        let is_next = |number: &usize| packet(*number).is_some_and(|packet| packet == next(*number));
        let packets = (0..).take_while(is_next).count();
        Self { header, packets, index: bytes[from + packets * size..].to_vec() }
    }

    pub(super) fn at(path: &Path, film: &Film) -> Self {
        Self::of(&std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())), film)
    }

    /// Fails unless it is a file that players can seek in.
    pub(super) fn assert_tidy(&self, len: u64) {
        let properties = self.header.properties;
        assert!(!properties.broadcast && properties.seekable);
        assert_eq!(properties.packets, self.packets as u64);
        assert!(self.header.packet_counts_agree());
        assert_eq!(properties.file_size, len);
        assert!(!self.index.is_empty());
    }
}
