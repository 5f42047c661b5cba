//! The face of the machine.

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::config::{Config, SeekForm};
use super::context::Context;
use super::opening::{AwaitConnected, OPEN_FILE_INCARNATION};
use super::outbox::Outbox;
use super::session::Session;
use super::state::State;
use crate::conn::{Error, Input, Output, StreamChoice};
use crate::wire::mmst::{Frame, Funnel, LinkMacToViewer, LinkViewerToMac, Token, split_frame};
use crate::wire::{DataPacket, WireError};

/// A session with a server for one file, on a connection that has just been made.
///
/// It introduces itself, opens the file and fetches the header without being told. Then it is *ready*, and streams can
/// be asked for, one after another:
///
/// ```text
///  Opened, Header, is_ready
///    -> select, is_ready -> play -> Started, Packet .. -> Ended
///                                                      -> stop -> Stopped
/// ```
/// A seek is a stop and a play. A content can be followed by another one: then there is a
/// [`Changed`](crate::conn::Event::Changed) and another header. If packets follow it by themselves, the machine is
/// *streaming* after it; else it is ready.
///
/// Each thing that is awaited has a deadline, which begins with the asking and not with the last byte. Between packets
/// there is none: what silence means the caller knows.
///
/// # Memory
/// Beside what is not polled yet, which is no more than was put in, it holds the pieces of a header (up to
/// [`Limits::header_len`](crate::conn::Limits::header_len)), and of datagrams that wait for others 512 or 4 MiB.
///
/// Spec: MMSP 3.1. Observed: players do not wait for ReportReadBlock, which some servers do not send (VLC)
#[derive(Debug)]
pub struct Connection {
    config: Config,
    state: State,
    outbox: Outbox,
    stale: u64,
    failed: Option<Error>,
}

impl Connection {
    /// On a connection that has just been made.
    pub fn new(now: Instant, config: Config) -> Self {
        let mut outbox = Outbox::default();
        outbox.send(LinkViewerToMac::Connect { subscriber_name: config.subscriber_name.clone() });
        let state = State::Connected(AwaitConnected { until: now + config.waits.answer });
        Self { config, state, outbox, stale: 0, failed: None }
    }

    /// Takes in what happened.
    ///
    /// # Errors
    /// The connection is of no more use, and every later call gives the same error. Events that were caused before can
    /// still be polled.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) -> Result<(), Error> {
        self.check_failed()?;
        let outcome = match input {
            Input::Received(buf) => self.received(now, buf),
            Input::Datagram(datagram) => self.datagram(now, datagram),
            Input::Closed => self.closed(now),
            Input::Timeout => Ok(()),
        };
        let outcome = outcome.and_then(|()| self.tick(now));
        outcome.map_err(|error| self.fail(error))
    }

    /// What the driver has to do next. Call it until it says [`Output::Wait`].
    pub fn poll_output(&mut self) -> Output {
        self.outbox.poll().unwrap_or_else(|| Output::Wait(self.wake_at()))
    }

    /// Chooses among the streams of the header. The machine is ready again when the server has answered; a "no" is an
    /// event, and changes nothing else. Also while streaming.
    ///
    /// # Errors
    /// [`Error::Misuse`] before the header, while the last selection or a stop is under way, or if it names no stream
    /// or none that can be; the stored error after a fatal one.
    pub fn select(&mut self, now: Instant, choices: &[StreamChoice]) -> Result<(), Error> {
        self.with_session(now, |session, cx| session.select(choices, cx))
    }

    /// Asks for packets from number `from` on.
    ///
    /// # Errors
    /// [`Error::Misuse`] unless the machine is ready and there is such a packet; the stored error after a fatal one.
    pub fn play(&mut self, now: Instant, from: u32, form: SeekForm) -> Result<(), Error> {
        self.with_session(now, |session, cx| session.play(from, form, cx))
    }

    /// Asks for no more packets. None is told any more, and [`Event::Stopped`](crate::conn::Event::Stopped) says when
    /// the machine is ready again.
    ///
    /// # Errors
    /// [`Error::Misuse`] unless the machine is streaming; the stored error after a fatal one.
    pub fn stop(&mut self, now: Instant) -> Result<(), Error> {
        self.with_session(now, Session::stop)
    }

    /// Answers [`Event::Challenged`](crate::conn::Event::Challenged).
    ///
    /// # Errors
    /// [`Error::Misuse`] if there is no challenge, or the answer is longer than 16 KiB; the stored error after a fatal
    /// one.
    pub fn authenticate(&mut self, now: Instant, answer: Bytes) -> Result<(), Error> {
        self.check_failed()?;
        let token = Token::new(answer).map_err(|_| Error::Misuse("an answer of more than 16 KiB"))?;
        let (state, mut cx) = self.parts(now);
        match state {
            State::OpenFile(state) => state.authenticate(token, &mut cx),
            _ => Err(Error::Misuse("an answer without a challenge")),
        }
    }

    /// Asks for packets in another way, after a refusal while
    /// [`Awaited::ConnectedFunnel`](crate::conn::Awaited::ConnectedFunnel).
    ///
    /// # Errors
    /// [`Error::Misuse`] if nothing was refused; the stored error after a fatal one.
    pub fn retry_funnel(&mut self, now: Instant, funnel: Funnel) -> Result<(), Error> {
        self.check_failed()?;
        let (state, mut cx) = self.parts(now);
        match std::mem::replace(state, State::Over) {
            State::FunnelRefused(refused) => {
                *state = refused.retry(funnel, &mut cx);
                Ok(())
            }
            other => {
                *state = other;
                Err(Error::Misuse("another transport, and none was refused"))
            }
        }
    }

    /// Says goodbye, and has the connection closed.
    pub fn close(&mut self, _now: Instant) {
        let open_file_id = match &self.state {
            State::Header(state) => Some(state.file().open_file_id),
            State::Session(state) => Some(state.file().open_file_id),
            _ => None,
        };
        if let Some(open_file_id) = open_file_id {
            self.outbox.send(LinkViewerToMac::CloseFile { incarnation: OPEN_FILE_INCARNATION, open_file_id });
        }
        if !matches!(self.state, State::Over) && self.failed.is_none() {
            self.outbox.close();
        }
        self.state = State::Over;
    }

    /// Whether [`select`](Self::select) and [`play`](Self::play) can be called.
    pub fn is_ready(&self) -> bool {
        matches!(&self.state, State::Session(session) if session.is_ready())
    }

    /// Whether a stream is under way, from [`play`](Self::play) until it has ended or is stopped.
    pub fn is_streaming(&self) -> bool {
        matches!(&self.state, State::Session(session) if session.is_streaming())
    }

    /// Whether packets have come since the last [`play`](Self::play) of which nothing says that they belong to it. If such a stream
    /// ends without a packet, that says nothing about the file.
    pub fn has_passed_over(&self) -> bool {
        self.stale > 0
    }

    fn check_failed(&self) -> Result<(), Error> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn fail(&mut self, error: Error) -> Error {
        self.state = State::Over;
        self.outbox.fail();
        self.failed = Some(error.clone());
        error
    }

    fn parts(&mut self, now: Instant) -> (&mut State, Context<'_>) {
        let cx = Context { now, config: &self.config, outbox: &mut self.outbox, stale: &mut self.stale };
        (&mut self.state, cx)
    }

    fn with_session(
        &mut self,
        now: Instant,
        command: impl FnOnce(&mut Session, &mut Context<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.check_failed()?;
        let (state, mut cx) = self.parts(now);
        match state {
            State::Session(session) => command(session, &mut cx),
            _ => Err(Error::Misuse("there is no header")),
        }
    }

    fn step(
        &mut self,
        now: Instant,
        step: impl FnOnce(State, &mut Context<'_>) -> Result<State, Error>,
    ) -> Result<(), Error> {
        let (state, mut cx) = self.parts(now);
        *state = step(std::mem::replace(state, State::Over), &mut cx)?;
        Ok(())
    }

    fn received(&mut self, now: Instant, buf: &mut BytesMut) -> Result<(), Error> {
        while !matches!(self.state, State::Over) {
            match split_frame(buf)? {
                None => return Ok(()),
                Some(Frame::Data(packet)) => self.step(now, |state, cx| state.data(packet, cx))?,
                Some(Frame::Control(messages)) => {
                    for message in messages {
                        let message = LinkMacToViewer::decode(&message?)?;
                        self.step(now, |state, cx| state.handle(message, cx))?;
                    }
                }
            }
        }
        buf.clear();
        Ok(())
    }

    fn datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), Error> {
        let packet: Result<DataPacket, WireError> = DataPacket::decode(datagram);
        // Whoever sent it: it is no word of the server's.
        let Ok(packet) = packet else { return Ok(()) };
        self.step(now, |state, cx| state.datagram(packet, cx))
    }

    fn closed(&mut self, now: Instant) -> Result<(), Error> {
        let (state, mut cx) = self.parts(now);
        match state {
            State::Over => return Ok(()),
            State::Session(session) => session.closed(&mut cx),
            _ => {}
        }
        Err(Error::Closed(self.state.awaited()))
    }

    fn tick(&mut self, now: Instant) -> Result<(), Error> {
        let (state, mut cx) = self.parts(now);
        state.tick(&mut cx)?;
        match state.deadline() {
            Some((until, awaited)) if now >= until => Err(Error::TimedOut(awaited)),
            _ => Ok(()),
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        let deadline = self.state.deadline().map(|(until, _)| until);
        deadline.into_iter().chain(self.state.timer()).min()
    }
}
