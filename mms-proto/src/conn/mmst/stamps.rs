//! Which packets belong to the stream that was asked for last.

use crate::wire::DataHeader;

/// A server leaves out packets none of whose payloads were selected, but not so many in a row.
const FAR: u32 = 1000;

/// The incarnations of one session: what was given away, and what the server stamps its packets with.
///
/// A server stamps the packets of a stream with the incarnation that StartPlaying had. Some have a fixed stamp instead,
/// or that of ReadBlock. A packet of the stream *before*, taken for one of this, would be written at a place that was
/// never asked for, so for any other stamp than the one that was given away there must be evidence, and a lack of
/// packets is none:
///
/// * Before ReportStartedPlaying, none is enough: whatever comes may have been on its way.
/// * In the first stream of a session after it, any stamp is believed: there is no stream before. Its packets come
///   after the pieces of the header on the same connection; datagrams can overtake one another, so there the stamps of
///   headers are not believed.
/// * In a later stream, nothing is believed of a server that has stamped as it was asked, or of which no packet has
///   been seen. One whose last stream had a fixed stamp is believed by *place*: the packet is exactly the one that was
///   asked for, and the stream before cannot be there: it has passed it, for streams only go forward, or it is [`FAR`]
///   from it. What is left of that stream is watched for this. Datagrams may be late by any time, so they prove
///   nothing.
///
/// Where the evidence is missing, the first packet never comes, and the caller starts on another connection, in which
/// the stream is the first again.
///
/// Spec: MMSP 2.2.2, 3.2.5.11. Observed: WTVMMS stamps 4 whatever it is asked for
#[derive(Debug)]
pub(super) struct Stamps {
    /// What the last StartPlaying had; 0 before the first.
    current: u8,
    /// Incarnations have been given away a second time.
    wrapped: bool,
    /// What the last ReadBlock had; 1 before the first.
    header: u8,
    headers_wrapped: bool,
    /// What packets of this stream have; `None` before the first.
    locked: Option<u8>,
    /// What would be the next packet of this stream.
    next: u32,
    earlier: Earlier,
    /// This stream was refused, and has no packets.
    refused: bool,
}

/// The streams before this one.
#[derive(Clone, Copy, Debug)]
enum Earlier {
    /// There was none.
    Nothing,
    /// Of the last one's packets nothing is known, or they had the stamp that they should have.
    Regular,
    /// Its packets had a stamp of their own. The next one would be `next`.
    Fixed { stamp: u8, next: u32 },
}

/// What is known of the stream at the moment when a packet comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    /// The packet that was asked for.
    pub(super) from: u32,
    /// ReportStartedPlaying has come.
    pub(super) reported: bool,
    /// How many packets there are, if it is known.
    pub(super) packets: Option<u64>,
}

impl Stamps {
    const FIRST: u8 = 9;
    const LAST: u8 = 0xFE;
    /// It makes the middle of a Data packet look like that of a TcpMessageHeader.
    const AMBIGUOUS: u8 = 0xCE;
    const FIRST_HEADER: u8 = 2;
    const LAST_HEADER: u8 = 8;

    pub(super) fn new() -> Self {
        Self {
            current: 0,
            wrapped: false,
            header: 1,
            headers_wrapped: false,
            locked: None,
            next: 0,
            earlier: Earlier::Nothing,
            refused: false,
        }
    }

    /// The incarnation of the last StartPlaying.
    pub(super) fn current(&self) -> u8 {
        self.current
    }

    /// An incarnation for ReadBlock.
    pub(super) fn read_block(&mut self) -> u8 {
        self.header = match self.header {
            Self::LAST_HEADER => {
                self.headers_wrapped = true;
                Self::FIRST_HEADER
            }
            header => header.saturating_add(1),
        };
        self.header
    }

    /// An incarnation for StartPlaying.
    pub(super) fn start(&mut self) -> u8 {
        self.earlier = match (self.current, self.locked) {
            _ if std::mem::take(&mut self.refused) => self.earlier,
            (0, _) => Earlier::Nothing,
            (current, Some(stamp)) if stamp != current && stamp != DataHeader::UNASKED => {
                Earlier::Fixed { stamp, next: self.next }
            }
            _ => Earlier::Regular,
        };
        self.locked = None;
        self.current = match self.current {
            0 => Self::FIRST,
            Self::LAST => {
                self.wrapped = true;
                Self::FIRST
            }
            current if current.saturating_add(1) == Self::AMBIGUOUS => current.saturating_add(2),
            current => current.saturating_add(1),
        };
        self.current
    }

    /// The last StartPlaying was refused before a packet came: what was known of the streams before still holds.
    pub(super) fn refused(&mut self) {
        self.refused = self.locked.is_none();
    }

    /// After ReportStreamChange: what follows on the connection has a stamp that nobody asked for.
    pub(super) fn unasked(&mut self) {
        self.locked = Some(DataHeader::UNASKED);
    }

    /// Whether a message names a stream before this one.
    pub(super) fn is_of_earlier(&self, incarnation: u32) -> bool {
        let Ok(incarnation) = u8::try_from(incarnation) else { return false };
        let given = Self::FIRST..=if self.wrapped { Self::LAST } else { self.current };
        incarnation != self.current && self.locked != Some(incarnation) && given.contains(&incarnation)
    }

    /// Whether a packet on the connection belongs to this stream.
    pub(super) fn takes(&mut self, header: &DataHeader, stream: Stream) -> bool {
        let taken = self.is_known(header).unwrap_or_else(|| {
            let believed = match &mut self.earlier {
                Earlier::Nothing => is_in_file(header, stream),
                Earlier::Fixed { stamp, next } => *stamp == header.incarnation && is_by_place(header, stream, next),
                Earlier::Regular => false,
            };
            let believed = believed && stream.reported;
            self.lock(header, believed)
        });
        self.count(header, taken)
    }

    /// Whether a datagram belongs to this stream.
    pub(super) fn takes_datagram(&mut self, header: &DataHeader, stream: Stream) -> bool {
        let taken = self.is_known(header).unwrap_or_else(|| {
            let last_header = if self.headers_wrapped { Self::LAST_HEADER } else { self.header };
            let of_header = (Self::FIRST_HEADER..=last_header).contains(&header.incarnation);
            let first = matches!(self.earlier, Earlier::Nothing);
            self.lock(header, stream.reported && first && !of_header && is_in_file(header, stream))
        });
        self.count(header, taken)
    }

    /// A packet that is not wanted any more.
    pub(super) fn pass_over(&mut self, header: &DataHeader) {
        self.count(header, self.locked == Some(header.incarnation));
    }

    /// Where the answer needs no evidence.
    fn is_known(&mut self, header: &DataHeader) -> Option<bool> {
        if header.is_packet_pair() {
            return Some(false);
        }
        if let Some(locked) = self.locked {
            return Some(locked == header.incarnation);
        }
        if header.incarnation == self.current {
            return Some(self.lock(header, true));
        }
        (header.incarnation == DataHeader::UNASKED).then_some(false)
    }

    fn lock(&mut self, header: &DataHeader, believed: bool) -> bool {
        if believed {
            self.locked = Some(header.incarnation);
            self.next = 0;
        }
        believed
    }

    fn count(&mut self, header: &DataHeader, taken: bool) -> bool {
        if taken {
            self.next = header.location.saturating_add(1).max(self.next);
        }
        taken
    }
}

/// Whether there is such a packet in the file. A server that begins elsewhere than it was asked to is believed: the
/// caller sees where each packet belongs.
fn is_in_file(header: &DataHeader, stream: Stream) -> bool {
    stream.packets.is_none_or(|packets| u64::from(header.location) < packets)
}

/// Whether a packet can only be of this stream: the stream before, whose next packet would be `next`, cannot be where
/// this one begins. If not, it is of that stream, as far as we know, which then has gone on.
fn is_by_place(header: &DataHeader, stream: Stream, next: &mut u32) -> bool {
    let behind = stream.from < *next;
    let far = stream.from.checked_sub(*next).is_some_and(|distance| distance >= FAR);
    if header.location == stream.from && (behind || far) {
        return true;
    }
    *next = header.location.saturating_add(1).max(*next);
    false
}
