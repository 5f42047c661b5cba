//! One request and its answer.

use std::collections::VecDeque;
use std::mem;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::ask::request;
use super::body::Body;
use super::frames::Frames;
use super::listen::{Drain, Foreign, Success};
use super::{Ask, Config};
use crate::conn::{Awaited, Challenger, Error, Event, Input, Output};
use crate::wire::{HeadReader, Secret, is_of_connection};

/// One request of MMSH on a connection that has just been made.
///
/// ```text
///   client                                server
///     | GET, with pragmas                   |
///     | ----------------------------------> |   Response
///     | <--------------- HTTP/1.x status .. |
///     |                  301 302 303 307    |   --> Redirected, Done            305 --> UseProxy, Done
///     |                  401 407            |   Draining --> Challenged --authenticate--> Response
///     |                  404 503 ..         |   --> Refused, Done
///     |                  200                |   Sniffing
///     | <------ no chunks: a playlist, ..   |   Foreign --> Refused, Done
///     | <------ [$P $P $P] [$M ..] $H [$H]  |   Framed: header                  Describe --> Done
///     | <------ $D $D $D ..                 |           packets
///     | <------ $E(1), $C [$M ..] $H, $D .. |           between, header, packets
///     | <------ $E [$E ..]                  |   --> Ended, Done
/// ```
///
/// A phase has a deadline, not a read: the head, the header, the first packet. Between packets there is none; how long a stream
/// may be silent depends on what it is.
///
/// Refusals are [`Event`]s. The first error is final, and every later call repeats it. Whether packets come from where they were
/// asked to, the caller sees from their numbers.
///
/// In memory are at most the header so far ([`Limits::header_len`](crate::conn::Limits)), or 64 KiB of a head or of a body
/// that is something else; under the transfer coding of HTTP also one chunk of 64 KiB. Packets are parts of the caller's buffer,
/// in which at most one chunk is left over. What one call causes waits to be polled: a chunk of twelve bytes makes one event.
///
/// Spec: WMSP 3.1.5
#[derive(Debug)]
pub struct Connection {
    pub(super) config: Config,
    pub(super) ask: Ask,
    pub(super) outputs: VecDeque<Output>,
    pub(super) body: Body,
    pub(super) header_by: Instant,
    pub(super) interim: u8,
    pub(super) challenges: u8,
    stage: Stage,
    answer_by: Instant,
    failed: Option<Error>,
}

#[derive(Debug)]
pub(super) enum Stage {
    Response(HeadReader),
    Draining(Drain),
    Challenged { from: Challenger, open: bool },
    Sniffing(Success),
    Foreign(Foreign),
    Framed(Frames),
    Done,
}

impl Connection {
    /// Asks for something on a connection that has just been made.
    ///
    /// # Errors
    /// [`Error::Misuse`] if it cannot be asked for: a packet number or an offset that means none, a seek by offset without one,
    /// stream numbers outside 1 to 127, a GUID that is none.
    pub fn new(now: Instant, config: Config, ask: Ask) -> Result<Self, Error> {
        let mut connection = Self {
            outputs: VecDeque::new(),
            body: Body::default(),
            header_by: now + config.waits.header,
            answer_by: now + config.waits.answer,
            interim: 0,
            challenges: 0,
            stage: Stage::Done,
            failed: None,
            config,
            ask,
        };
        connection.send(now)?;
        Ok(connection)
    }

    /// Sends the request again, with an answer to the challenge: a scheme and what belongs to it, such as `Basic dTpw`. What was said to
    /// the other one of server and proxy is said again, unless it holds for the connection.
    ///
    /// # Errors
    /// [`Error::Misuse`] unless [`is_answerable`](Self::is_answerable) says so; the stored error after a fatal one.
    pub fn authenticate(&mut self, now: Instant, answer: Secret) -> Result<(), Error> {
        self.check_failed()?;
        let Config { authorization, proxy_authorization, .. } = &mut self.config;
        let (ours, other) = match self.stage {
            Stage::Challenged { from: Challenger::Server, open: true } => (authorization, proxy_authorization),
            Stage::Challenged { from: Challenger::Proxy, open: true } => (proxy_authorization, authorization),
            _ => return Err(Error::Misuse("an answer to a challenge that is not open here")),
        };
        *ours = Some(answer);
        // Whoever took it knows this connection now, and would take it for a beginning.
        if other.as_ref().is_some_and(|said| is_of_connection(said.expose())) {
            *other = None;
        }
        self.send(now)
    }

    /// Whether the answer to the last [`Event::Challenged`] can be given here. If not, it belongs into the [`Config`] of
    /// another connection.
    pub fn is_answerable(&self) -> bool {
        self.failed.is_none() && matches!(self.stage, Stage::Challenged { open: true, .. })
    }

    /// Takes in what happened.
    ///
    /// # Errors
    /// The connection is of no more use, and every later call gives the same error. Events that were caused before can still
    /// be polled. [`Error::Misuse`] for a datagram, which is not final.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) -> Result<(), Error> {
        self.check_failed()?;
        let result = match input {
            Input::Received(buf) => self.received(now, buf),
            Input::Closed => self.closed(now),
            Input::Timeout if self.deadline().is_some_and(|deadline| deadline <= now) => self.timed_out(now),
            Input::Timeout => Ok(()),
            Input::Datagram(_) => return Err(Error::Misuse("a datagram, and nothing here uses any")),
        };
        if let Err(error) = &result {
            self.failed = Some(error.clone());
        }
        result
    }

    /// What the driver has to do next. Call it until it says [`Output::Wait`].
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| Output::Wait(self.deadline()))
    }

    fn check_failed(&self) -> Result<(), Error> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn send(&mut self, now: Instant) -> Result<(), Error> {
        let request = request(&self.config, &self.ask)?;
        self.outputs.push_back(Output::Transmit(Bytes::from(request)));
        self.answer_by = now + self.config.waits.answer;
        self.header_by = now + self.config.waits.header;
        self.stage = Stage::Response(HeadReader::default());
        Ok(())
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// The last event.
    pub(super) fn finish(&mut self, event: Event) -> Stage {
        self.tell(event);
        self.outputs.push_back(Output::Close);
        Stage::Done
    }

    fn deadline(&self) -> Option<Instant> {
        if self.failed.is_some() {
            return None;
        }
        match &self.stage {
            Stage::Response(_) | Stage::Draining(_) => Some(self.answer_by.min(self.header_by)),
            Stage::Sniffing(_) | Stage::Foreign(_) => Some(self.header_by),
            Stage::Framed(frames) => frames.deadline(),
            Stage::Challenged { .. } | Stage::Done => None,
        }
    }

    fn received(&mut self, now: Instant, buf: &mut BytesMut) -> Result<(), Error> {
        loop {
            match mem::replace(&mut self.stage, Stage::Done) {
                Stage::Response(mut reader) => match reader.decode(buf)? {
                    Some(head) => self.stage = self.answered(&head)?,
                    None => {
                        self.stage = Stage::Response(reader);
                        return Ok(());
                    }
                },
                // More than was announced. Whatever it is, the next answer could not be told from it.
                Stage::Challenged { from, open } => {
                    if open && !buf.is_empty() {
                        self.outputs.push_back(Output::Close);
                    }
                    self.stage = Stage::Challenged { from, open: open && buf.is_empty() };
                    buf.clear();
                    return Ok(());
                }
                Stage::Done => {
                    buf.clear();
                    return Ok(());
                }
                stage => {
                    let mut body = mem::take(&mut self.body);
                    let (stage, coding) = body.read(buf, |bytes, whole| self.listen(now, stage, bytes, whole));
                    self.body = body;
                    match (stage?, coding) {
                        (stage @ (Stage::Challenged { .. } | Stage::Done), _) => self.stage = stage,
                        (Stage::Draining(drain), Err(_)) => self.stage = self.ask_who(drain.challenge, false),
                        (_, Err(error)) => return Err(error.into()),
                        (stage, Ok(())) => {
                            self.stage = stage;
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    fn closed(&mut self, now: Instant) -> Result<(), Error> {
        self.stage = match mem::replace(&mut self.stage, Stage::Done) {
            Stage::Response(_) => return Err(Error::Closed(Awaited::Response)),
            Stage::Challenged { from, .. } => Stage::Challenged { from, open: false },
            stage => self.cut_off(now, stage)?,
        };
        Ok(())
    }

    /// A deadline has passed. What came of a question or of a foreign body is still of use.
    fn timed_out(&mut self, now: Instant) -> Result<(), Error> {
        self.stage = match mem::replace(&mut self.stage, Stage::Done) {
            Stage::Response(_) => return Err(Error::TimedOut(Awaited::Response)),
            Stage::Sniffing(_) => return Err(Error::TimedOut(Awaited::Header)),
            Stage::Framed(frames) => return Err(Error::TimedOut(frames.awaited())),
            stage => self.cut_off(now, stage)?,
        };
        Ok(())
    }
}
