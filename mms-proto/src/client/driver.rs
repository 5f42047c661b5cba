//! A machine on its connection.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::BytesMut;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::time::sleep_until;

use super::connector::Io;
use crate::conn::{self, Event, Input, Output, mmsh, mmst};

/// Room for bytes that are read at once. What a machine leaves over is less than one message.
const ROOM: usize = 128 << 10;

/// Largest datagram.
const DATAGRAM: usize = 1 << 16;

/// What both machines are to a driver.
pub(super) trait Machine: fmt::Debug + Send {
    fn handle_input(&mut self, now: Instant, input: Input<'_>) -> Result<(), conn::Error>;
    fn poll_output(&mut self) -> Output;
}

impl Machine for mmst::Connection {
    fn handle_input(&mut self, now: Instant, input: Input<'_>) -> Result<(), conn::Error> {
        self.handle_input(now, input)
    }
    fn poll_output(&mut self) -> Output {
        self.poll_output()
    }
}

impl Machine for mmsh::Connection {
    fn handle_input(&mut self, now: Instant, input: Input<'_>) -> Result<(), conn::Error> {
        self.handle_input(now, input)
    }
    fn poll_output(&mut self) -> Output {
        self.poll_output()
    }
}

/// Why a connection is of no more use.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The dialogue broke.
    #[error(transparent)]
    Dialogue(#[from] conn::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(io::ErrorKind),
}

impl From<io::Error> for ConnectionError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind())
    }
}

/// A machine, its connection and what is under way between them. All state is here, so every call may be dropped.
pub(super) struct Driver<M> {
    pub(super) machine: M,
    line: Line,
    datagrams: Option<UdpSocket>,
    /// The last datagram.
    datagram: BytesMut,
    /// What is told when the machine has told everything else.
    failed: Option<ConnectionError>,
}

impl<M: fmt::Debug> fmt::Debug for Driver<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("machine", &self.machine).finish_non_exhaustive()
    }
}

impl<M: Machine> Driver<M> {
    pub(super) fn new(machine: M, io: Box<dyn Io>, datagrams: Option<UdpSocket>) -> Self {
        let line = Line { io, received: BytesMut::new(), to_send: BytesMut::new(), is_flushed: true };
        Self { machine, line, datagrams, datagram: BytesMut::new(), failed: None }
    }

    /// Moves bytes until the machine has something to tell. What it wants to say goes out first: an answer to a ping must not
    /// wait for a slow caller.
    pub(super) async fn event(&mut self) -> Result<Event, ConnectionError> {
        loop {
            if let Some(event) = self.event_unless(|_| false).await? {
                return Ok(event);
            }
        }
    }

    /// The same, or `None` as soon as the machine has nothing more to tell and is as it should be.
    pub(super) async fn event_unless(&mut self, done: impl Fn(&M) -> bool) -> Result<Option<Event>, ConnectionError> {
        loop {
            match self.machine.poll_output() {
                Output::Transmit(bytes) => self.line.to_send.extend_from_slice(&bytes),
                // A request for what was lost may get lost.
                Output::SendDatagram(bytes) => _ = self.datagrams.as_ref().map(|socket| socket.try_send(&bytes)),
                Output::Event(event) => {
                    // Never pending, or the event would be lost with a call that is dropped.
                    poll_fn(|cx| {
                        self.line.poll_send(cx);
                        Poll::Ready(())
                    })
                    .await;
                    return Ok(Some(event));
                }
                Output::Close => {
                    self.failed.get_or_insert_with(gone);
                }
                Output::Wait(deadline) => match &self.failed {
                    Some(error) => return Err(error.clone()),
                    None if done(&self.machine) => return Ok(None),
                    None => self.wait(deadline).await,
                },
            }
        }
    }

    /// Says what there is to say, and nothing else: on the way out.
    pub(super) async fn finish(&mut self) {
        while let Output::Transmit(bytes) = self.machine.poll_output() {
            self.line.to_send.extend_from_slice(&bytes);
        }
        if self.line.io.write_all(&self.line.to_send).await.is_ok() {
            let _ = self.line.io.shutdown().await;
        }
    }

    /// Until something comes, or the deadline has.
    async fn wait(&mut self, deadline: Option<Instant>) {
        self.line.received.reserve(ROOM);
        let due = async {
            match deadline {
                Some(deadline) => sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        // What is said on the connection comes first: that a stream begins was said before its first packet was sent.
        let step = tokio::select! {
            biased;
            read = poll_fn(|cx| self.line.poll(cx)) => Step::Read(read),
            () = receive(self.datagrams.as_ref(), &mut self.datagram) => Step::Datagram,
            () = due => Step::Due,
        };
        let input = match &step {
            Step::Due => Input::Timeout,
            Step::Datagram => Input::Datagram(&self.datagram),
            Step::Read(Ok(0) | Err(_)) => Input::Closed,
            Step::Read(Ok(_)) => Input::Received(&mut self.line.received),
        };
        if let Err(error) = self.machine.handle_input(now(), input) {
            self.failed = Some(match (step, error) {
                (Step::Read(Err(broken)), conn::Error::Closed(_)) => broken.into(),
                (_, error) => error.into(),
            });
        }
    }
}

enum Step {
    Read(io::Result<usize>),
    Datagram,
    Due,
}

/// The connection, with what was read from it and what is to be written to it.
struct Line {
    io: Box<dyn Io>,
    received: BytesMut,
    /// May hold a password.
    to_send: BytesMut,
    is_flushed: bool,
}

impl Line {
    /// Writes what there is to write, and reads. Only reading ends it: deadlines go on while the server does not listen.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.poll_send(cx);
        pin!(self.io.read_buf(&mut self.received)).poll(cx)
    }

    /// Writes what the connection takes now.
    fn poll_send(&mut self, cx: &mut Context<'_>) {
        while !self.to_send.is_empty() {
            match pin!(self.io.write_buf(&mut self.to_send)).poll(cx) {
                Poll::Ready(Ok(written)) if written > 0 => self.is_flushed = false,
                // A server that does not listen any more may have said why: reading tells.
                Poll::Ready(_) => self.to_send.clear(),
                Poll::Pending => return,
            }
        }
        if !self.is_flushed {
            self.is_flushed = pin!(self.io.flush()).poll(cx).is_ready();
        }
    }
}

async fn receive(socket: Option<&UdpSocket>, datagram: &mut BytesMut) {
    let Some(socket) = socket else { return std::future::pending().await };
    loop {
        datagram.clear();
        datagram.reserve(DATAGRAM);
        // An error tells of a datagram of ours that nobody took.
        if socket.recv_buf(datagram).await.is_ok() {
            return;
        }
    }
}

/// By the clock that deadlines are waited for with.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A connection that is not to be used any more.
pub(super) fn gone() -> ConnectionError {
    conn::Error::Closed(conn::Awaited::Nothing).into()
}
