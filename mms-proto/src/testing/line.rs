//! A connection with all that is to be read from and written to it, in one place.

use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{Duration, Instant, sleep_until, timeout};

use super::habits::Media;

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
    /// How long a client may take nothing, and since when it has.
    patience: Option<Duration>,
    took: Instant,
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
    pub(super) fn new(io: TcpStream, habits: &Media) -> io::Result<Line> {
        io.set_nodelay(true)?;
        let (at_most, patience) = (habits.write_at_most, habits.patience);
        Ok(Line { io, inbox: BytesMut::new(), out: BytesMut::new(), at_most, patience, took: Instant::now() })
    }

    /// Whether there is room for more media.
    pub(super) fn has_room(&self) -> bool {
        self.out.len() < FULL
    }

    /// Waits for the first of: bytes from the client, bytes taken by it, the given instant.
    ///
    /// # Errors
    ///
    /// The connection is broken, the client sends more than anybody could want to say, or takes nothing for longer than the server's patience.
    pub(super) async fn turn(&mut self, wake: Option<Instant>) -> io::Result<Turn> {
        if self.inbox.len() > INBOX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if self.out.is_empty() {
            self.took = Instant::now();
        }
        let stalled = self.patience.filter(|_| !self.out.is_empty()).map(|patience| self.took + patience);
        let (mut read, mut write) = self.io.split();
        let len = self.out.len().min(self.at_most);
        let turn = tokio::select! {
            biased;
            read = read.read_buf(&mut self.inbox) => Ok(if read? == 0 { Turn::Ended } else { Turn::Read }),
            wrote = write.write(&self.out[..len]), if len > 0 => {
                self.out.advance(wrote?);
                self.took = Instant::now();
                Ok(Turn::Wrote)
            }
            () = sleep_until(stalled.unwrap_or_else(Instant::now)), if stalled.is_some() => {
                Err(io::ErrorKind::TimedOut.into())
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

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::super::Habits;
    use super::*;

    /// More than a connection takes that nobody reads.
    const MUCH: usize = 32 << 20;

    async fn pair() -> (Line, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (io, _) = listener.accept().await.unwrap();
        (Line::new(io, &Habits::default().media).unwrap(), client)
    }

    async fn took(closing: impl Future<Output = ()>) -> Duration {
        let begun = Instant::now();
        closing.await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_close_waits_no_longer_than_it_should_for_a_client_that_takes_nothing() {
        let (mut line, client) = pair().await;
        line.out.resize(MUCH, 7);
        let waited = took(line.close()).await;
        assert!(waited >= FLUSH && waited < FLUSH * 2, "{waited:?}");
        drop(client);
    }

    #[tokio::test(start_paused = true)]
    async fn a_close_waits_a_little_for_a_client_that_does_not_close() {
        let (mut line, mut client) = pair().await;
        line.out.extend_from_slice(b"the end");
        let waited = took(line.close()).await;
        assert!(waited >= LINGER && waited < LINGER * 2, "{waited:?}");
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"the end");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_for_longer_than_the_patience_is_given_up() {
        let (mut line, client) = pair().await;
        line.patience = Some(Duration::from_secs(60));
        assert_eq!(line.turn(Some(Instant::now() + FLUSH * 100)).await.unwrap(), Turn::Woke, "nothing to take");
        line.out.resize(MUCH, 7);
        let begun = Instant::now();
        let error = loop {
            match line.turn(None).await {
                Ok(turn) => assert_eq!(turn, Turn::Wrote),
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), begun.elapsed().as_secs()), (io::ErrorKind::TimedOut, 60));
        drop(client);
    }
}
