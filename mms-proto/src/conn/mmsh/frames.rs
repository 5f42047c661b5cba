//! The chunks of an answer, and what they tell.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use crate::conn::{Awaited, Error, Event, Facts, Limits, Output, Packet, Waits};
use crate::wire::{Chunk, DataPacket, Hresult, ServerPragmas, chunk, skip_pair};

/// Most pieces of a header. Each can have 64 KiB, so honest ones are few.
const PIECES: u32 = 4096;

/// Most bytes of the text in front of metadata.
const METADATA_TEXT: usize = 4096;

/// What is known of the chunks so far.
#[derive(Debug)]
pub(super) struct Frames {
    play: bool,
    waits: Waits,
    limits: Limits,
    phase: Phase,
    /// Until when the phase may last.
    until: Option<Instant>,
    /// Told with the first header, so that what precedes it can add to them.
    facts: Option<(Option<String>, ServerPragmas)>,
    /// The text in front of metadata, as far as it came: it may go on in the next chunk.
    metadata: Vec<u8>,
    header: Option<Pieces>,
    /// A bandwidth test is passed over; so many bytes of it were.
    pair: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A header is awaited or on its way.
    Header,
    FirstPacket,
    Packets,
    /// One content of several has ended.
    Between,
}

/// A header that came in part.
#[derive(Debug)]
struct Pieces {
    collected: BytesMut,
    /// LocationId of the next piece.
    next: u32,
    count: u32,
}

impl Frames {
    pub(super) fn new(
        play: bool,
        waits: Waits,
        limits: Limits,
        until: Instant,
        facts: (Option<String>, ServerPragmas),
    ) -> Self {
        Self {
            play,
            waits,
            limits,
            phase: Phase::Header,
            until: Some(until),
            facts: Some(facts),
            metadata: Vec::new(),
            header: None,
            pair: None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.until
    }

    pub(super) fn awaited(&self) -> Awaited {
        match self.phase {
            Phase::Header | Phase::Between => Awaited::Header,
            Phase::FirstPacket => Awaited::FirstPacket,
            Phase::Packets => Awaited::Packet,
        }
    }

    /// Takes all whole chunks. `true`: everything that was asked for has come.
    pub(super) fn hear(
        &mut self,
        now: Instant,
        bytes: &mut BytesMut,
        outputs: &mut VecDeque<Output>,
    ) -> Result<bool, Error> {
        let mut tell = |event| outputs.push_back(Output::Event(event));
        loop {
            if let Some(skipped) = &mut self.pair {
                if !skip_pair(bytes, skipped)? {
                    return Ok(false);
                }
                self.pair = None;
            }
            let Some(chunk) = chunk(bytes)? else { return Ok(false) };
            let finished = match chunk {
                Chunk::Header(piece) => self.header_piece(now, &piece, &mut tell)?,
                Chunk::Data(piece) => self.packet(piece, &mut tell)?,
                Chunk::End(reason) => self.ended(reason, &mut tell)?,
                Chunk::StreamChange => self.changed(now, &mut tell)?,
                Chunk::Metadata(piece) => self.metadata(&piece),
                Chunk::PacketPair => self.packet_pair()?,
                _ => false,
            };
            if finished {
                return Ok(true);
            }
        }
    }

    fn header_piece(&mut self, now: Instant, piece: &DataPacket, tell: &mut impl FnMut(Event)) -> Result<bool, Error> {
        if let Some((server, pragmas)) = self.facts.take() {
            tell(Event::Opened(facts(server, &pragmas)));
        }
        if self.phase != Phase::Header {
            // An encoder that was restarted does not announce its new header.
            self.expect_header(now, tell);
        }
        let (location, last) = (piece.header.location, piece.header.is_last_piece());
        let header = match self.header.take() {
            None if last => self.limited(piece.payload.len()).map(|()| piece.payload.clone())?,
            pieces => {
                let mut pieces =
                    pieces.unwrap_or_else(|| Pieces { collected: BytesMut::new(), next: location, count: 0 });
                if location != pieces.next {
                    return Err(self.out_of_order("a piece of the header that is not the next one"));
                }
                pieces.next = pieces.next.wrapping_add(1);
                pieces.count = pieces.count.saturating_add(1);
                if pieces.count > PIECES {
                    return Err(Error::Limit { what: "pieces of the ASF header", max: PIECES.into() });
                }
                self.limited(pieces.collected.len().saturating_add(piece.payload.len()))?;
                pieces.collected.extend_from_slice(&piece.payload);
                if !last {
                    self.header = Some(pieces);
                    return Ok(false);
                }
                pieces.collected.freeze()
            }
        };
        Ok(self.header_whole(now, header, tell))
    }

    fn header_whole(&mut self, now: Instant, header: Bytes, tell: &mut impl FnMut(Event)) -> bool {
        tell(Event::Header(header));
        if !self.play {
            return true;
        }
        tell(Event::Started);
        self.phase = Phase::FirstPacket;
        self.until = Some(now + self.waits.first_packet);
        false
    }

    fn limited(&self, len: usize) -> Result<(), Error> {
        let max = self.limits.header_len;
        let error = Error::Limit { what: "bytes of the ASF header", max: u64::try_from(max).unwrap_or(u64::MAX) };
        if len > max { Err(error) } else { Ok(()) }
    }

    fn packet(&mut self, packet: DataPacket, tell: &mut impl FnMut(Event)) -> Result<bool, Error> {
        if !matches!(self.phase, Phase::FirstPacket | Phase::Packets) {
            return Err(self.out_of_order("a packet"));
        }
        self.phase = Phase::Packets;
        self.until = None;
        tell(Event::Packet(Packet { location: packet.header.location, data: packet.payload }));
        Ok(false)
    }

    /// The end. It may be repeated, to push it through proxies; nobody listens any more then.
    fn ended(&mut self, reason: Hresult, tell: &mut impl FnMut(Event)) -> Result<bool, Error> {
        let more = reason == Hresult::FALSE;
        let early = match self.phase {
            Phase::Header => !more || !self.play || self.header.is_some(),
            Phase::Between => more,
            Phase::FirstPacket | Phase::Packets => false,
        };
        if early && !reason.is_failure() {
            return Err(self.out_of_order("the end of the stream"));
        }
        tell(Event::Ended { reason, more });
        self.phase = Phase::Between;
        self.until = None;
        Ok(!more)
    }

    fn changed(&mut self, now: Instant, tell: &mut impl FnMut(Event)) -> Result<bool, Error> {
        if self.header.is_some() {
            return Err(self.out_of_order("another content"));
        }
        // Before the first header, or said twice, it changes nothing.
        if self.phase != Phase::Header {
            self.expect_header(now, tell);
        }
        Ok(false)
    }

    fn expect_header(&mut self, now: Instant, tell: &mut impl FnMut(Event)) {
        tell(Event::Changed);
        self.phase = Phase::Header;
        self.until = Some(now + self.waits.header);
    }

    /// Metadata that do not fit into one chunk go on in further ones, numbered like the pieces of a header; their text ends with a NUL.
    ///
    /// Spec: WMSP 2.2.3.6
    fn metadata(&mut self, piece: &DataPacket) -> bool {
        let Some((_, pragmas)) = &mut self.facts else { return false };
        if piece.header.location == 0 {
            self.metadata.clear();
        }
        let room = METADATA_TEXT.saturating_sub(self.metadata.len());
        if room > 0 && !self.metadata.contains(&0) {
            self.metadata.extend(piece.payload.iter().take(room));
            pragmas.note_metadata(&self.metadata);
        }
        false
    }

    fn packet_pair(&mut self) -> Result<bool, Error> {
        if self.phase != Phase::Header || self.header.is_some() {
            return Err(self.out_of_order("a bandwidth test"));
        }
        self.pair = Some(0);
        Ok(false)
    }

    fn out_of_order(&self, what: &'static str) -> Error {
        Error::OutOfOrder { what, awaiting: self.awaited() }
    }
}

/// What the head, and perhaps metadata, say of the file.
///
/// Spec: WMSP 2.2.1.4 (features): without `seekable` there is no place to begin but the first
fn facts(server: Option<String>, pragmas: &ServerPragmas) -> Facts {
    let features = pragmas.features.unwrap_or_default();
    Facts {
        server,
        seekable: features.seekable,
        broadcast: features.broadcast,
        live: features.live,
        playlist: features.playlist,
        ..Facts::default()
    }
}
