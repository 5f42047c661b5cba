//! What waits to be polled.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::conn::{Event, Output};
use crate::wire::mmst::LinkViewerToMac;

/// Pings that are answered in one [`PING_WINDOW`]. A server sends one in ten seconds at most.
const MAX_PONGS: u8 = 10;
const PING_WINDOW: Duration = Duration::from_secs(1);

/// Messages before datagrams before events before the end.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    messages: VecDeque<LinkViewerToMac>,
    datagrams: VecDeque<Bytes>,
    events: VecDeque<Event>,
    closing: bool,
    seq: u16,
    /// Where the window began, and how many pings it has seen.
    pings: Option<(Instant, u8)>,
}

impl Outbox {
    pub(super) fn send(&mut self, message: LinkViewerToMac) {
        self.messages.push_back(message);
    }

    /// Before everything else: servers end sessions over a missing answer. A flood of questions is not matched.
    ///
    /// Spec: MMSP 2.2.4.1, 2.2.4.22
    pub(super) fn pong(&mut self, now: Instant, first: u32, second: u32) {
        let recent = self.pings.filter(|(since, _)| now.saturating_duration_since(*since) < PING_WINDOW);
        let (since, count) = recent.unwrap_or((now, 0));
        if count < MAX_PONGS {
            self.pings = Some((since, count.saturating_add(1)));
            self.messages.push_front(LinkViewerToMac::Pong(first, second));
        }
    }

    pub(super) fn send_datagram(&mut self, datagram: Bytes) {
        self.datagrams.push_back(datagram);
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// After what is to be sent and told.
    pub(super) fn close(&mut self) {
        self.closing = true;
    }

    /// Nothing more is sent; what happened before is still told.
    pub(super) fn fail(&mut self) {
        self.messages.clear();
        self.datagrams.clear();
        self.closing = true;
    }

    pub(super) fn poll(&mut self) -> Option<Output> {
        if let Some(message) = self.messages.pop_front() {
            let bytes = message.encode(self.seq);
            self.seq = self.seq.wrapping_add(1);
            return Some(Output::Transmit(bytes));
        }
        if let Some(datagram) = self.datagrams.pop_front() {
            return Some(Output::SendDatagram(datagram));
        }
        if let Some(event) = self.events.pop_front() {
            return Some(Output::Event(event));
        }
        std::mem::take(&mut self.closing).then_some(Output::Close)
    }
}
