//! One stream, from StartPlaying to its last packet.

use std::time::{Duration, Instant};

use super::context::Context;
use super::header::File;
use super::slots::Slots;
use super::stamps::Stream;
use crate::conn::{Event, Packet};
use crate::wire::mmst::{MAX_RESEND_NUMBERS, ResendRequest};
use crate::wire::{DataPacket, Hresult};

/// Datagrams may be overtaken by the word that they were the last.
const LINGER: Duration = Duration::from_millis(1000);

/// A stream that was asked for.
///
/// Spec: MMSP 2.2.4.5, 2.2.4.10
#[derive(Debug)]
pub(super) struct Playing {
    from: u32,
    /// ReportStartedPlaying has come.
    reported: bool,
    /// The caller has been told.
    told: bool,
    /// When the first packet is due; `None` after it.
    until: Option<Instant>,
    /// Packets come as datagrams. A server may send them on the connection all the same.
    slots: Option<Slots>,
    ending: Option<Ending>,
}

/// A stream that has ended, but for datagrams on their way.
#[derive(Debug)]
struct Ending {
    reason: Hresult,
    until: Instant,
}

impl Playing {
    /// What StartPlaying asks for. `top` is the last number of a datagram before.
    pub(super) fn asked(from: u32, file: &File, top: Option<u32>, cx: &Context<'_>) -> Self {
        let slots = (!file.is_on_connection()).then(|| Slots::new(from, top));
        let until = Some(cx.now + cx.config.waits.first_packet);
        Self { from, reported: false, told: false, until, slots, ending: None }
    }

    /// What follows a header that came unasked, and of which the caller knows.
    pub(super) fn announced(cx: &Context<'_>) -> Self {
        let until = Some(cx.now + cx.config.waits.first_packet);
        Self { from: 0, reported: true, told: true, until, slots: None, ending: None }
    }

    pub(super) fn is_reported(&self) -> bool {
        self.reported
    }

    pub(super) fn is_by_datagram(&self) -> bool {
        self.slots.is_some()
    }

    /// What ended it, if only datagrams are still awaited.
    pub(super) fn ending(&self) -> Option<Hresult> {
        self.ending.as_ref().map(|ending| ending.reason)
    }

    /// The last number of a datagram.
    pub(super) fn top(&self) -> Option<u32> {
        self.slots.as_ref().and_then(Slots::top)
    }

    pub(super) fn stream(&self, file: &File) -> Stream {
        Stream { from: self.from, reported: self.reported, packets: file.packets }
    }

    /// ReportStartedPlaying has come.
    pub(super) fn report(&mut self, cx: &mut Context<'_>) {
        self.reported = true;
        self.tell_started(cx);
    }

    /// ReportEndOfStream has come. What is missing of the file then is asked for, unless the server has failed.
    pub(super) fn end(&mut self, reason: Hresult, file: &File, cx: &Context<'_>) {
        self.until = None;
        if self.ending.is_some() {
            return;
        }
        self.ending = Some(Ending { reason, until: cx.now + LINGER });
        if let Some(slots) = self.slots.as_mut().filter(|_| !reason.is_failure()) {
            slots.end(file.packets);
        }
    }

    /// A packet on the connection. If datagrams were asked for, there will be none.
    pub(super) fn take(&mut self, packet: DataPacket, cx: &mut Context<'_>) {
        self.flush(cx);
        self.slots = None;
        self.tell(Packet { location: packet.header.location, data: packet.payload }, cx);
    }

    /// A packet that came as a datagram.
    pub(super) fn hold(&mut self, packet: DataPacket) {
        if let Some(slots) = &mut self.slots {
            slots.insert(packet);
        }
    }

    /// Tells what is in order, and asks for what is not; gives the reason when the stream has ended.
    pub(super) fn pump(&mut self, file: &File, cx: &mut Context<'_>) -> Option<Hresult> {
        while let Some(packet) = self.slots.as_mut().and_then(|slots| slots.pop(cx.now)) {
            self.tell(packet, cx);
        }
        // What would be asked for now could not be waited for any more.
        let is_over = self.ending.as_ref().is_some_and(|ending| cx.now >= ending.until);
        let asking = self.slots.as_mut().filter(|_| !is_over);
        let lost = asking.map(|slots| slots.ask(cx.now)).unwrap_or_default();
        if let Some(client_id) = file.client_id {
            for sequences in lost.chunks(MAX_RESEND_NUMBERS) {
                let request = ResendRequest::new(client_id, file.open_file_id, sequences.iter().copied());
                cx.outbox.send_datagram(request.encode());
            }
        }
        let ending = self.ending.as_ref()?;
        let complete = self.slots.as_ref().is_none_or(|slots| slots.is_complete(file.packets));
        if !complete && !is_over {
            return None;
        }
        let reason = ending.reason;
        self.flush(cx);
        Some(reason)
    }

    /// Tells what is held, without what is missing.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) {
        while let Some(packet) = self.slots.as_mut().and_then(Slots::pop_anyway) {
            self.tell(packet, cx);
        }
    }

    pub(super) fn first_packet_until(&self) -> Option<Instant> {
        self.until
    }

    /// When [`pump`](Self::pump) has something to do even if nothing comes.
    pub(super) fn timer(&self) -> Option<Instant> {
        let hole = self.slots.as_ref().and_then(Slots::timer);
        let ending = self.ending.as_ref().map(|ending| ending.until);
        hole.into_iter().chain(ending).min()
    }

    fn tell(&mut self, packet: Packet, cx: &mut Context<'_>) {
        self.tell_started(cx);
        self.until = None;
        cx.outbox.tell(Event::Packet(packet));
    }

    fn tell_started(&mut self, cx: &mut Context<'_>) {
        if !std::mem::replace(&mut self.told, true) {
            cx.outbox.tell(Event::Started);
        }
    }
}
