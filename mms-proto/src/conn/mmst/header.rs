//! Collecting the ASF header.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::context::Context;
use super::playing::Playing;
use super::session::{Phase, Session};
use super::stamps::Stamps;
use super::state::State;
use crate::asf::DATA_OBJECT_HEADER_LEN;
use crate::conn::{Awaited, Error, Event, Limits};
use crate::wire::mmst::{Funnel, LinkMacToViewer, LinkViewerToMac, OpenedFile, StreamChange};
use crate::wire::{DataHeader, DataPacket, WireError};

/// A header in more pieces is none.
const MAX_PIECES: usize = 4096;
/// Requests for one header, where pieces can be lost.
const MAX_TRIES: u8 = 4;

/// The file, as far as the messages about it need to know.
#[derive(Debug)]
pub(super) struct File {
    pub(super) open_file_id: u32,
    /// For requests of lost datagrams; `None` if ReportFunnelInfo did not say.
    pub(super) client_id: Option<u32>,
    pub(super) funnel: Funnel,
    pub(super) header_size: u32,
    pub(super) bit_rate: u32,
    /// How many packets there are, if it is known.
    pub(super) packets: Option<u64>,
}

impl File {
    pub(super) fn new(opened: &OpenedFile, client_id: Option<u32>, funnel: Funnel) -> Self {
        let endless = opened.attributes & (OpenedFile::BROADCAST | OpenedFile::LIVE | OpenedFile::PLAYLIST) != 0;
        Self {
            open_file_id: opened.open_file_id,
            client_id,
            funnel,
            header_size: opened.header_size,
            bit_rate: opened.bit_rate,
            packets: Some(opened.packet_count).filter(|count| *count > 0 && !endless),
        }
    }

    pub(super) fn change(&mut self, change: &StreamChange) {
        self.header_size = change.header_size;
        self.bit_rate = change.bit_rate;
        self.packets = None;
    }

    pub(super) fn is_on_connection(&self) -> bool {
        self.funnel == Funnel::Tcp
    }
}

/// Waits for the pieces of the header.
///
/// Spec: MMSP 2.2.2, 2.2.4.8
#[derive(Debug)]
pub(super) struct AwaitHeader {
    file: File,
    stamps: Stamps,
    from: Source,
    pieces: Pieces,
    until: Instant,
}

/// Why pieces come.
#[derive(Debug)]
enum Source {
    /// ReadBlock asked for them.
    ReadBlock {
        incarnation: u8,
        /// Nothing else has been asked for before, so that on the connection any stamp will do.
        only: bool,
        tries: u8,
        /// When to ask again, where pieces can be lost.
        again: Option<Instant>,
    },
    /// ReportStreamChange announced them; packets follow at once.
    StreamChange,
}

impl AwaitHeader {
    /// Asks for the header. `first`: nothing has been asked for yet.
    pub(super) fn ask(file: File, mut stamps: Stamps, first: bool, cx: &mut Context<'_>) -> Result<State, Error> {
        check_header_size(&file, &cx.config.limits)?;
        let incarnation = stamps.read_block();
        cx.outbox.send(LinkViewerToMac::ReadBlock { open_file_id: file.open_file_id, incarnation });
        let again = (!file.is_on_connection()).then(|| cx.now + patience(&file));
        Ok(Self::waiting(file, stamps, Source::ReadBlock { incarnation, only: first, tries: 1, again }, cx))
    }

    /// A header that comes unasked.
    pub(super) fn announced(file: File, mut stamps: Stamps, cx: &mut Context<'_>) -> Result<State, Error> {
        check_header_size(&file, &cx.config.limits)?;
        stamps.unasked();
        Ok(Self::waiting(file, stamps, Source::StreamChange, cx))
    }

    fn waiting(file: File, stamps: Stamps, from: Source, cx: &mut Context<'_>) -> State {
        *cx.stale = 0;
        let until = cx.now + cx.config.waits.header;
        State::Header(Box::new(Self { file, stamps, from, pieces: Pieces::default(), until }))
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn deadline(&self) -> Instant {
        self.until
    }

    pub(super) fn timer(&self) -> Option<Instant> {
        match self.from {
            Source::ReadBlock { again, .. } => again,
            Source::StreamChange => None,
        }
    }

    pub(super) fn handle(self: Box<Self>, message: LinkMacToViewer, cx: &mut Context<'_>) -> Result<State, Error> {
        match message {
            // Of several requests, the first ones were given up, and the server may say so.
            LinkMacToViewer::ReportReadBlock(Err(reason))
                if matches!(self.from, Source::ReadBlock { tries: 1, .. }) =>
            {
                Ok(cx.refuse(Awaited::Header, reason))
            }
            other => cx.unexpected(&other, Awaited::Header).map(|()| State::Header(self)),
        }
    }

    pub(super) fn data(mut self: Box<Self>, packet: &DataPacket, cx: &mut Context<'_>) -> Result<State, Error> {
        let header = &packet.header;
        if !self.takes(header) {
            cx.drop_stale(header)?;
            return Ok(State::Header(self));
        }
        if self.file.is_on_connection() && self.pieces.next() != header.location {
            return Err(WireError::new("Data packet", 0, "the pieces of a header come in order").into());
        }
        self.add(packet, cx)
    }

    pub(super) fn datagram(self: Box<Self>, packet: &DataPacket, cx: &mut Context<'_>) -> Result<State, Error> {
        match self.from {
            Source::ReadBlock { incarnation, .. } if incarnation == packet.header.incarnation => self.add(packet, cx),
            _ => Ok(State::Header(self)),
        }
    }

    fn takes(&mut self, header: &DataHeader) -> bool {
        match &mut self.from {
            Source::StreamChange => header.incarnation == DataHeader::UNASKED && !header.is_packet_pair(),
            Source::ReadBlock { .. } if header.incarnation == DataHeader::UNASKED => false,
            Source::ReadBlock { incarnation, only, .. } => {
                if std::mem::take(only) && self.pieces.pieces.is_empty() {
                    *incarnation = header.incarnation;
                }
                *incarnation == header.incarnation
            }
        }
    }

    fn add(mut self: Box<Self>, packet: &DataPacket, cx: &mut Context<'_>) -> Result<State, Error> {
        self.pieces.add(packet, &cx.config.limits)?;
        let Some(header) = self.pieces.whole(u64::from(self.file.header_size))? else { return Ok(State::Header(self)) };
        cx.outbox.tell(Event::Header(header));
        let phase = match self.from {
            Source::ReadBlock { .. } => Phase::Ready,
            Source::StreamChange => {
                cx.outbox.tell(Event::Started);
                Phase::Playing(Playing::announced(cx))
            }
        };
        Ok(State::Session(Box::new(Session::new(self.file, self.stamps, phase))))
    }

    /// Pieces carry no number by which a single one could be asked for.
    ///
    /// Spec: MMSP 3.1
    pub(super) fn tick(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        let Source::ReadBlock { incarnation, tries, again: Some(again), only } = &mut self.from else { return Ok(()) };
        if cx.now < *again {
            return Ok(());
        }
        if *tries >= MAX_TRIES {
            return Err(Error::TimedOut(Awaited::Header));
        }
        cx.outbox.send(LinkViewerToMac::CancelReadBlock { incarnation: *incarnation });
        *incarnation = self.stamps.read_block();
        *only = false;
        *tries = tries.saturating_add(1);
        *again = cx.now + patience(&self.file);
        cx.outbox.send(LinkViewerToMac::ReadBlock { open_file_id: self.file.open_file_id, incarnation: *incarnation });
        Ok(())
    }
}

fn check_header_size(file: &File, limits: &Limits) -> Result<(), Error> {
    if usize::try_from(file.header_size).is_ok_and(|size| size <= limits.header_len) {
        return Ok(());
    }
    Err(too_long(limits))
}

fn too_long(limits: &Limits) -> Error {
    Error::Limit { what: "bytes of header", max: u64::try_from(limits.header_len).unwrap_or(u64::MAX) }
}

/// A second, and as long as the header takes at the rate of the media.
fn patience(file: &File) -> Duration {
    let bits = u64::from(file.header_size).saturating_mul(8000);
    let sending = bits.checked_div(u64::from(file.bit_rate)).unwrap_or(0);
    Duration::from_secs(1) + Duration::from_millis(sending)
}

/// What has come of a header.
///
/// The end is where the marks say, else where as much has come as was announced, else, if neither marks nor sizes are
/// there, where the last field of the Data Object is. Marks must be confirmed: by what was announced, or by the length
/// that the Header Object itself has.
///
/// Spec: MMSP 2.2.2, ASF 3.1, 5.1. Observed: MMSP marks all pieces with 4 and the last with 12, WMSP the last with 8;
/// MPlayer looks for the last field
#[derive(Debug, Default)]
struct Pieces {
    pieces: BTreeMap<u32, Bytes>,
    len: usize,
    last: Option<u32>,
    marked: bool,
}

impl Pieces {
    /// The piece after those that are there, if they came in order.
    fn next(&self) -> u32 {
        u32::try_from(self.pieces.len()).unwrap_or(u32::MAX)
    }

    fn add(&mut self, packet: &DataPacket, limits: &Limits) -> Result<(), Error> {
        let header = &packet.header;
        if self.pieces.contains_key(&header.location) {
            return Ok(());
        }
        self.len = self.len.saturating_add(packet.payload.len());
        if self.len > limits.header_len {
            return Err(too_long(limits));
        }
        if self.pieces.len() >= MAX_PIECES {
            return Err(Error::Limit { what: "pieces of header", max: u64::try_from(MAX_PIECES).unwrap_or(u64::MAX) });
        }
        self.marked |= header.flags & (DataHeader::MARK_FIRST | DataHeader::MARK_LAST) != 0;
        if header.is_last_piece() {
            self.last = Some(self.last.map_or(header.location, |last| last.min(header.location)));
        }
        // Copied, or a small piece would keep a large buffer.
        self.pieces.insert(header.location, Bytes::copy_from_slice(&packet.payload));
        Ok(())
    }

    fn whole(&self, announced: u64) -> Result<Option<Bytes>, Error> {
        let last = self.pieces.last_key_value().map(|(location, _)| *location);
        if last.is_none_or(|last| last.checked_add(1) != Some(self.next())) {
            return Ok(None); // something is missing
        }
        let len = u64::try_from(self.len).unwrap_or(u64::MAX);
        let broken = |rule| Err(WireError::new("ASF header", self.len, rule).into());
        if let Some(end) = self.last {
            let confirmed = last == Some(end) && (announced == 0 || announced == len || self.own_len() == Some(len));
            return match confirmed {
                true => Ok(Some(self.joined())),
                false => broken("marks and announced length agree on the end of the header"),
            };
        }
        if announced > 0 && len > announced {
            return broken("the header is not longer than was announced");
        }
        let by_field = || {
            let ends = self.pieces.values().next_back().is_some_and(|piece| piece.ends_with(&[1, 1]));
            announced == 0 && !self.marked && ends && self.own_len() == Some(len)
        };
        Ok((announced == len && announced > 0 || by_field()).then(|| self.joined()))
    }

    /// How long the Header Object says that it is, with the fields of the Data Object.
    fn own_len(&self) -> Option<u64> {
        let size = self.pieces.get(&0)?.get(16..24)?.first_chunk()?;
        u64::from_le_bytes(*size).checked_add(u64::try_from(DATA_OBJECT_HEADER_LEN).ok()?)
    }

    fn joined(&self) -> Bytes {
        let mut all = BytesMut::with_capacity(self.len);
        self.pieces.values().for_each(|piece| all.extend_from_slice(piece));
        all.freeze()
    }
}
