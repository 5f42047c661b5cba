//! What became of a film.

use mms_proto::testing::Film;

/// What a program made of a film.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Got {
    /// Every byte of header and packets; of a program that plays: it was there until all had been sent.
    All,
    /// All but the end: less than a packet is missing.
    TailMissing,
    /// All packets, with zeros for padding that the server took away, and a padding length of 0.
    ZeroPadded,
    /// All packets but the tail, with something else for the padding.
    GarbagePadded,
    /// The header, and nothing else.
    HeaderAlone,
    /// All packets, and another header.
    WrongHeader,
    /// The header and some of the packets, one behind the other as if none were missing.
    Shifted,
    /// The film, and the header of the next.
    NextHeader,
    /// As much as it was given room for.
    Endless,
    /// Not a byte.
    Nothing,
    /// Not a byte, but it asked for the header of a file that it had not been given.
    WentOn,
    /// Something else: its length, and where it differs first.
    Else(usize, usize),
}

/// A film, and how much may be written of it.
#[derive(Clone, Copy)]
pub(super) struct Whole<'a> {
    pub(super) film: &'a Film,
    pub(super) next: &'a Film,
    pub(super) most: usize,
}

/// Where the length of the padding is in packets of the film: behind error correction and flags.
const LENGTH_AT: usize = 5;

impl Whole<'_> {
    /// What became of the film.
    pub(super) fn judge(&self, bytes: &[u8]) -> Got {
        let (served, header) = (self.film.served(), self.film.header());
        let is_whole = bytes.len() == served.len();
        let is_nearly = bytes.len() < served.len() && served.len() - bytes.len() < self.film.packet_size();
        if bytes.is_empty() {
            return Got::Nothing;
        } else if bytes == served {
            return Got::All;
        } else if bytes == header {
            return Got::HeaderAlone;
        } else if served.starts_with(bytes) && is_nearly {
            return Got::TailMissing;
        } else if bytes.strip_prefix(&served[..]).is_some_and(|rest| rest == self.next.header()) {
            return Got::NextHeader;
        } else if bytes.len() >= self.most {
            return Got::Endless;
        } else if bytes.ends_with(&served[header.len()..]) {
            return Got::WrongHeader;
        }
        let differs = served.iter().zip(bytes).take_while(|(ours, theirs)| ours == theirs).count();
        let Some(media) = bytes.strip_prefix(&header[..]) else { return Got::Else(bytes.len(), differs) };
        let theirs: Vec<&[u8]> = media.chunks(self.film.packet_size()).collect();
        let ours: Vec<_> = (0..self.film.packets()).map(|number| self.film.packet(number)).collect();
        let media_is_same = ours.iter().zip(&theirs).all(|(ours, theirs)| {
            let (len, zeroed) = without_padding(ours);
            let len = len.min(theirs.len());
            theirs[..len] == zeroed[..len]
        });
        let mut rest = ours.iter();
        if is_whole && ours.iter().zip(&theirs).all(|(ours, theirs)| without_padding(ours).1 == *theirs) {
            Got::ZeroPadded
        } else if (is_whole || is_nearly) && media_is_same {
            Got::GarbagePadded
        } else if theirs.iter().all(|packet| rest.any(|ours| ours == packet)) {
            Got::Shifted
        } else {
            Got::Else(bytes.len(), differs)
        }
    }
}

/// The bytes of a packet before its padding, and the packet with zeros for length and content of the padding.
fn without_padding(packet: &[u8]) -> (usize, Vec<u8>) {
    let len = packet.len() - usize::from(u16::from_le_bytes([packet[LENGTH_AT], packet[LENGTH_AT + 1]]));
    let mut zeroed = packet.to_vec();
    zeroed[LENGTH_AT..LENGTH_AT + 2].fill(0);
    zeroed[len..].fill(0);
    (len, zeroed)
}
