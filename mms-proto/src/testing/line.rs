//! A connection with all that is to be read from and written to it, in one place.

use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{Duration, Instant, sleep_until, timeout};

/// Bytes that wait to be written, beyond which no media is added.
const FULL: usize = 64 * 1024;
/// Bytes that a client may send ahead of what was understood.
const INBOX: usize = 256 * 1024;
/// How long a connection that closes waits for a client that takes nothing more.
const FLUSH: Duration = Duration::from_secs(10);
/// How long a closed connection is read until the client has closed it too.
const LINGER: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Line {
    io: TcpStream,
    pub(super) inbox: BytesMut,
    pub(super) out: BytesMut,
    at_most: usize,
}

/// What has happened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Read,
    Wrote,
    Woke,
    Ended,
}

impl Line {
    pub(super) fn new(io: TcpStream, at_most: usize) -> io::Result<Line> {
        io.set_nodelay(true)?;
        Ok(Line { io, inbox: BytesMut::new(), out: BytesMut::new(), at_most })
    }

    /// Whether there is room for more media.
    pub(super) fn has_room(&self) -> bool {
        self.out.len() < FULL
    }

    /// Waits for the first of: bytes from the client, bytes taken by it, the given instant.
    ///
    /// # Errors
    ///
    /// The connection is broken, or the client sends more than anybody could want to say.
    pub(super) async fn turn(&mut self, wake: Option<Instant>) -> io::Result<Turn> {
        if self.inbox.len() > INBOX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let (mut read, mut write) = self.io.split();
        let len = self.out.len().min(self.at_most);
        let turn = tokio::select! {
            biased;
            read = read.read_buf(&mut self.inbox) => Ok(if read? == 0 { Turn::Ended } else { Turn::Read }),
            wrote = write.write(&self.out[..len]), if len > 0 => {
                self.out.advance(wrote?);
                Ok(Turn::Wrote)
            }
            () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => Ok(Turn::Woke),
        };
        // A client on this thread would find many small writes as one.
        if self.at_most < usize::MAX && matches!(turn, Ok(Turn::Wrote)) {
            yield_now().await;
        }
        turn
    }

    /// Writes all that waits, and lets the client close first, or at once if it has.
    pub(super) async fn close(mut self) {
        let mut given_up = Instant::now() + FLUSH;
        while !self.out.is_empty() {
            match self.turn(Some(given_up)).await {
                Ok(Turn::Wrote) => given_up = Instant::now() + FLUSH,
                Ok(Turn::Read) => self.inbox.clear(),
                _ => return,
            }
        }
        if self.io.shutdown().await.is_ok() {
            let _ = timeout(LINGER, async {
                while let Ok(Turn::Read) = self.turn(None).await {
                    self.inbox.clear();
                }
            })
            .await;
        }
    }
}
