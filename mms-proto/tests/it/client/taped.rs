//! What a server has said, said again from memory: as far as it goes, as slowly as it likes, on paused runtimes.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes};
use mms_proto::client::{Connected, Connecting, Connector, Io, Target, TcpConnector};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// What came on a connection, each piece after so many bytes that were sent.
pub(super) type Tape = Vec<(usize, Bytes)>;

/// Connects by TCP, and keeps what it hears, connection by connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorder(Arc<Mutex<Vec<Tape>>>);

impl Recorder {
    pub(super) fn tapes(&self) -> Vec<Tape> {
        self.0.lock().unwrap().clone()
    }
}

impl Connector for Recorder {
    fn connect(&self, target: Target) -> Connecting {
        let (connecting, tapes) = (TcpConnector::default().connect(target), self.0.clone());
        Box::pin(async move {
            let Connected { io, .. } = connecting.await?;
            let number = {
                let mut tapes = tapes.lock().unwrap();
                tapes.push(Tape::new());
                tapes.len() - 1
            };
            Ok(Connected { io: Box::new(Recording { io, sent: 0, tapes, number }), addresses: None })
        })
    }
}

struct Recording {
    io: Box<dyn Io>,
    sent: usize,
    tapes: Arc<Mutex<Vec<Tape>>>,
    number: usize,
}

impl AsyncRead for Recording {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.io).poll_read(cx, buf);
        let new = &buf.filled()[before..];
        if !new.is_empty() {
            let piece = (self.sent, Bytes::copy_from_slice(new));
            self.tapes.lock().unwrap()[self.number].push(piece);
        }
        poll
    }
}

impl AsyncWrite for Recording {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write(cx, buf);
        if let Poll::Ready(Ok(sent)) = poll {
            self.sent += sent;
        }
        poll
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// What a server does that has said what it is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Silence,
    Close,
    /// It goes on, with one byte in so long a time.
    Drip(Duration),
}

/// Plays tapes, the first to the first connection. The last one ends in `then` after so many bytes; there are no more.
#[derive(Clone, Debug)]
pub(super) struct Player {
    tapes: Arc<Mutex<Vec<(Tape, Then)>>>,
}

impl Player {
    pub(super) fn new(tapes: &[Tape], last: Tape, then: Then) -> Self {
        let mut all: Vec<(Tape, Then)> = tapes.iter().map(|tape| (tape.clone(), Then::Silence)).collect();
        all.push((last, then));
        all.reverse();
        Self { tapes: Arc::new(Mutex::new(all)) }
    }
}

impl Connector for Player {
    fn connect(&self, _: Target) -> Connecting {
        let (tape, then) = self.tapes.lock().unwrap().pop().unwrap_or((Tape::new(), Then::Silence));
        Box::pin(async move {
            let io = Playing { tape, then, sent: 0, reader: None, drip: None };
            Ok(Connected { io: Box::new(io), addresses: None })
        })
    }
}

struct Playing {
    tape: Tape,
    then: Then,
    sent: usize,
    reader: Option<Waker>,
    drip: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for Playing {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.reader = Some(cx.waker().clone());
        let Some((after, piece)) = this.tape.first_mut() else {
            return if this.then == Then::Close { Poll::Ready(Ok(())) } else { Poll::Pending };
        };
        if *after > this.sent {
            return Poll::Pending;
        }
        let mut most = buf.remaining();
        if let Then::Drip(each) = this.then {
            let drip = this.drip.get_or_insert_with(|| Box::pin(sleep(each)));
            if drip.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            this.drip = None;
            most = 1;
        }
        let len = piece.len().min(most);
        buf.put_slice(&piece[..len]);
        piece.advance(len);
        if piece.is_empty() {
            this.tape.remove(0);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Playing {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.sent += buf.len();
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
