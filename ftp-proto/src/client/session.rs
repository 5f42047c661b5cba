//! The driver: one control connection, its machine, and the data connection beside it.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::time::Sleep;

use super::beginning::FIRST;
use super::connector::{Connecting, Connector, Io, Target};
use super::error::ReadError;
use super::pool::Slot;
use crate::conn::{Connection, DataEnd, Ending, Error, Event, Input, Output};

/// Body bytes that may be taken in before the server has said that it sends: one small segment, from servers that omit 1xx.
const MAX_HEAD: usize = 4096;

/// Room for one read of the control connection.
const CONTROL_READ: usize = 4096;

/// What a poll of the body brought.
#[derive(Debug)]
pub(super) enum Got {
    Bytes(usize),
    Event(Event),
}

/// One session with a server. All of its state is here: whoever drops it closes the data connection first, then the control
/// connection, so that the server frees its slot at once.
///
/// Observed: vsftpd 3.0.3 and proftpd 1.3.8 keep the slot for 30 s and more when only the control connection is closed.
pub(super) struct Session {
    data: DataSide,
    control: Option<Box<dyn Io>>,
    pub(super) machine: Connection,
    connector: Arc<dyn Connector>,
    /// Where data connections go to, but for the port.
    peer: Peer,
    inbox: BytesMut,
    /// The machine has not been told of what is in the inbox.
    untold: bool,
    outbox: BytesMut,
    flushing: bool,
    head: BytesMut,
    timer: Option<(Instant, Pin<Box<Sleep>>)>,
    failed: Option<Error>,
    _slot: Slot,
}

#[derive(Clone, Debug)]
pub(super) enum Peer {
    Address(SocketAddr),
    Name(String),
}

enum DataSide {
    None,
    Connecting(Connecting),
    Open(Box<dyn Io>),
}

pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Session {
    /// `heard`: what was read of the control connection before.
    pub(super) fn new(
        control: Box<dyn Io>,
        heard: BytesMut,
        peer: Peer,
        connector: Arc<dyn Connector>,
        machine: Connection,
        slot: Slot,
    ) -> Self {
        Self {
            data: DataSide::None,
            control: Some(control),
            machine,
            connector,
            peer,
            untold: !heard.is_empty(),
            inbox: heard,
            outbox: BytesMut::new(),
            flushing: false,
            head: BytesMut::new(),
            timer: None,
            failed: None,
            _slot: slot,
        }
    }

    /// Drives the control connection, and the making of the data connection, up to the next event.
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Error>> {
        loop {
            if let Some(event) = self.apply_outputs() {
                return Poll::Ready(Ok(event));
            }
            if let Some(error) = &self.failed {
                return Poll::Ready(Err(error.clone()));
            }
            let wrote = self.poll_write(cx).is_ready();
            let connected = self.poll_connect(cx).is_ready() || self.poll_prearmed(cx).is_ready();
            let heard = self.poll_hear(cx).is_ready();
            let late = self.poll_timer(cx).is_ready();
            if !(wrote || connected || heard || late) {
                return Poll::Pending;
            }
        }
    }

    /// Reads the body into `buf`, whose room is not zero, or brings the next event.
    pub(super) fn poll_body<B: BufMut>(&mut self, cx: &mut Context<'_>, buf: &mut B) -> Poll<Result<Got, Error>> {
        loop {
            if !self.head.is_empty() {
                let n = self.head.len().min(buf.remaining_mut());
                buf.put_slice(&self.head[..n]);
                self.head.advance(n);
                let more = if buf.has_remaining_mut() { self.poll_data(cx, buf) } else { Poll::Pending };
                let Poll::Ready(Some(more)) = more else { return Poll::Ready(Ok(Got::Bytes(n))) };
                return Poll::Ready(Ok(Got::Bytes(n.saturating_add(more))));
            }
            if let Poll::Ready(event) = self.poll_event(cx) {
                return Poll::Ready(event.map(Got::Event));
            }
            if let Some(n) = ready!(self.poll_data(cx, buf)) {
                return Poll::Ready(Ok(Got::Bytes(n)));
            }
        }
    }

    /// Waits for the next event of a transfer that has not been accepted. The first bytes may be what tells.
    pub(super) fn poll_opening(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Error>> {
        loop {
            if let Poll::Ready(event) = self.poll_event(cx) {
                return Poll::Ready(event);
            }
            ready!(self.poll_fill(cx, MAX_HEAD));
        }
    }

    /// Waits for the first bytes of the body and leaves them in [`head`](Self::head), or brings the next event.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Got, Error>> {
        while self.head.is_empty() {
            if let Poll::Ready(event) = self.poll_event(cx) {
                return Poll::Ready(event.map(Got::Event));
            }
            ready!(self.poll_fill(cx, FIRST));
        }
        Poll::Ready(Ok(Got::Bytes(self.head.len())))
    }

    /// Body bytes that have come, and that nobody has taken yet.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Reads body bytes into `head`, up to `limit` in all. Ready when something has changed.
    fn poll_fill(&mut self, cx: &mut Context<'_>, limit: usize) -> Poll<()> {
        let mut head = std::mem::take(&mut self.head);
        let room = limit.saturating_sub(head.len());
        head.reserve(room.min(FIRST));
        let read = if room == 0 { Poll::Pending } else { self.poll_data(cx, &mut (&mut head).limit(room)) };
        self.head = head;
        read.map(drop)
    }

    /// Why the control connection is of no more use, if it is.
    pub(super) fn failure(&self) -> Option<&Error> {
        self.failed.as_ref()
    }

    /// How a transfer ended, for the caller: `None` if well.
    pub(super) fn judge(&self, ending: Ending) -> Option<ReadError> {
        match (ReadError::of(ending), self.failure()) {
            // What became of the control connection says more.
            (Some(ReadError::Lost), Some(error)) => Some(ReadError::Session(error.clone())),
            (judged, _) => judged,
        }
    }

    /// Closes what has to be closed, without waiting for anything. The session may need more driving to be of use again.
    pub(super) fn stop(&mut self) {
        self.machine.stop(now());
        self.head.clear();
        while self.apply_outputs().is_some() {}
    }

    /// Whether it can carry the next thing at once.
    pub(super) fn is_settled(&self) -> bool {
        self.failed.is_none() && self.machine.is_settled() && self.outbox.is_empty()
    }

    /// Whether it can still come to be of use.
    pub(super) fn is_alive(&self) -> bool {
        self.failed.is_none() && self.machine.is_alive() && self.control.is_some()
    }

    /// Says goodbye if that can be done without waiting.
    pub(super) fn quit(&mut self, cx: &mut Context<'_>) {
        self.machine.quit(now());
        while self.apply_outputs().is_some() {}
        let _ = self.poll_write(cx);
    }

    fn input(&mut self, input: Input<'_>) {
        if let Err(error) = self.machine.handle_input(now(), input) {
            self.failed = Some(error);
        }
    }

    fn apply_outputs(&mut self) -> Option<Event> {
        loop {
            match self.machine.poll_output() {
                Output::Transmit(bytes) => self.outbox.extend_from_slice(&bytes),
                Output::ConnectData(port) => {
                    let target = match &self.peer {
                        Peer::Address(address) => Target::Address(SocketAddr::new(address.ip(), port)),
                        Peer::Name(name) => Target::Host { name: name.clone(), port },
                    };
                    self.head.clear();
                    self.data = DataSide::Connecting(self.connector.connect(target));
                }
                Output::CloseData => self.data = DataSide::None,
                Output::Event(event) => return Some(event),
                Output::Wait(deadline) => {
                    self.set_timer(deadline);
                    return None;
                }
            }
        }
    }

    fn set_timer(&mut self, deadline: Option<Instant>) {
        match (deadline, &mut self.timer) {
            (None, timer) => *timer = None,
            (Some(deadline), Some((set, _))) if *set == deadline => {}
            (Some(deadline), Some((set, sleep))) => {
                *set = deadline;
                sleep.as_mut().reset(deadline.into());
            }
            // Outside of a runtime nothing can be timed. Whoever drives the session next comes by here again.
            (Some(_), None) if tokio::runtime::Handle::try_current().is_err() => {}
            (Some(deadline), timer) => {
                *timer = Some((deadline, Box::pin(tokio::time::sleep_until(deadline.into()))));
            }
        }
    }

    /// Ready when something has changed.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(control) = &mut self.control else { return Poll::Pending };
        let mut io = Pin::new(control);
        while !self.outbox.is_empty() {
            match ready!(io.as_mut().poll_write(cx, &self.outbox)) {
                Ok(n) if n > 0 => {
                    self.outbox.advance(n);
                    self.flushing = true;
                }
                _ => return self.control_ended(),
            }
        }
        if self.flushing {
            match ready!(io.poll_flush(cx)) {
                Ok(()) => self.flushing = false,
                Err(_) => return self.control_ended(),
            }
        }
        Poll::Pending
    }

    /// A failed write is no reason not to hear what the server has said before it closed.
    fn control_ended(&mut self) -> Poll<()> {
        self.outbox.clear();
        self.flushing = false;
        Poll::Pending
    }

    fn poll_connect(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let DataSide::Connecting(connecting) = &mut self.data else { return Poll::Pending };
        match ready!(connecting.as_mut().poll(cx)) {
            Ok(connected) => {
                self.data = DataSide::Open(connected.io);
                self.input(Input::DataConnected);
            }
            Err(error) => {
                self.data = DataSide::None;
                self.input(Input::DataEnded(DataEnd::NotConnected(error.kind())));
            }
        }
        Poll::Ready(())
    }

    /// Watches a data connection that no transfer uses: nothing may come from it.
    fn poll_prearmed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let DataSide::Open(io) = &mut self.data else { return Poll::Pending };
        if !self.machine.is_prearmed() {
            return Poll::Pending;
        }
        let end = match ready!(pin!(io.read(&mut [0; 1])).poll(cx)) {
            Ok(0) => DataEnd::Eof,
            Ok(_) => DataEnd::Broken(io::ErrorKind::InvalidData),
            Err(error) => DataEnd::Broken(error.kind()),
        };
        self.data = DataSide::None;
        self.input(Input::DataEnded(end));
        Poll::Ready(())
    }

    fn poll_hear(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(control) = &mut self.control else { return Poll::Pending };
        let heard = if std::mem::take(&mut self.untold) {
            Ok(self.inbox.len())
        } else {
            self.inbox.reserve(CONTROL_READ);
            ready!(pin!(control.read_buf(&mut self.inbox)).poll(cx))
        };
        if matches!(heard, Ok(n) if n > 0) {
            let mut inbox = std::mem::take(&mut self.inbox);
            self.input(Input::Received(&mut inbox));
            self.inbox = inbox;
        } else {
            self.control = None;
            self.input(Input::Closed);
        }
        Poll::Ready(())
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some((_, sleep)) = &mut self.timer else { return Poll::Pending };
        ready!(sleep.as_mut().poll(cx));
        self.timer = None;
        self.input(Input::Timeout);
        Poll::Ready(())
    }

    /// `Some(n)`: bytes were put into `buf`. `None`: something else has changed.
    fn poll_data<B: BufMut>(&mut self, cx: &mut Context<'_>, buf: &mut B) -> Poll<Option<usize>> {
        let Some(due) = self.machine.may_read() else { return Poll::Pending };
        let DataSide::Open(io) = &mut self.data else { return Poll::Pending };
        let mut aside = [0; 1];
        let read: io::Result<usize> = if due == 0 {
            ready!(pin!(io.read(&mut aside)).poll(cx))
        } else {
            let room = usize::try_from(due).unwrap_or(usize::MAX);
            ready!(pin!(io.read_buf(&mut buf.limit(room))).poll(cx))
        };
        match read {
            Ok(0) => {
                // Before anything else: proftpd says 226 only after we have closed.
                self.data = DataSide::None;
                self.input(Input::DataEnded(DataEnd::Eof));
            }
            Ok(n) => {
                self.input(Input::DataRead(u64::try_from(n).unwrap_or(u64::MAX)));
                if due > 0 {
                    return Poll::Ready(Some(n));
                }
            }
            Err(error) => {
                self.data = DataSide::None;
                self.input(Input::DataEnded(DataEnd::Broken(error.kind())));
            }
        }
        Poll::Ready(None)
    }
}
