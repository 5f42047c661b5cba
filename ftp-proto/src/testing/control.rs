//! The control connection's bytes: lines in, replies out.

use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// A command longer than this is dropped. Observed: pure-ftpd and vsftpd take about 4 KiB.
const MAX_LINE: usize = 4096;
/// Input kept while nobody takes lines; beyond it TCP holds the client back.
const MAX_INPUT: usize = 64 * 1024;
/// Telnet: interpret as command, data mark, interrupt process.
const IAC: u8 = 0xff;
const DM: u8 = 0xf2;
const IP: u8 = 0xf4;

#[derive(Debug)]
pub(super) struct Control {
    io: TcpStream,
    input: BytesMut,
    eof: bool,
    arrived: Instant,
}

impl Control {
    pub(super) fn new(io: TcpStream) -> Control {
        Control { io, input: BytesMut::new(), eof: false, arrived: Instant::now() }
    }

    pub(super) fn io(&self) -> &TcpStream {
        &self.io
    }

    pub(super) fn eof(&self) -> bool {
        self.eof
    }

    /// Whether more input can be taken in.
    pub(super) fn reads(&self) -> bool {
        !self.eof && self.input.len() < MAX_INPUT
    }

    /// When the newest input came.
    pub(super) fn arrived(&self) -> Instant {
        self.arrived
    }

    /// Reads once; a failure counts as the end. Cancel safe.
    pub(super) async fn fill(&mut self) {
        // Room for what one segment brings: what is read at once is what a real server would have in its buffer.
        self.input.reserve(MAX_LINE);
        // A plain read takes a short one for a drained socket, and sleeps. Yet a read also ends at urgent data, which clients
        // send before ABOR, and the command behind it would stay unread. Observed: lftp 4.9.2.
        let read = loop {
            let read = match self.io.readable().await {
                Ok(()) => self.io.try_read_buf(&mut self.input),
                Err(error) => Err(error),
            };
            if !matches!(&read, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
                break read;
            }
        };
        self.arrived = Instant::now();
        self.eof = matches!(read, Ok(0) | Err(_));
    }

    /// Drops all that was received.
    pub(super) fn clear(&mut self) {
        self.input.clear();
    }

    /// Reads and ignores all that comes until the client's end.
    pub(super) async fn drain(&mut self) {
        while !self.eof {
            self.input.clear();
            self.fill().await;
        }
    }

    /// Ends this side's direction, then waits for the client's end.
    pub(super) async fn part(&mut self) {
        self.io.shutdown().await.ok();
        self.drain().await;
    }

    /// Ends this side's direction and takes no more input.
    pub(super) async fn hang_up(&mut self) {
        self.io.shutdown().await.ok();
        self.eof = true;
        self.input.clear();
    }

    /// The next whole line without its end; `None` when it is not there yet. A line that is too long comes out empty.
    pub(super) fn line(&mut self, bare_lf: bool, undouble: bool) -> Option<Vec<u8>> {
        while self.input.first() == Some(&IAC) {
            let telnet = matches!(self.input.get(1), Some(&(IP | DM | IAC)));
            // The data mark itself is urgent data and does not show in the stream: a lone IAC may be left of it.
            self.input.advance(if telnet && self.input.get(1) != Some(&IAC) { 2 } else { 1 });
        }
        let end = if bare_lf {
            self.input.iter().position(|b| *b == b'\n').map(|at| at + 1)
        } else {
            self.input.windows(2).position(|pair| pair == b"\r\n").map(|at| at + 2)
        };
        let Some(end) = end else {
            if self.input.len() > MAX_LINE {
                self.input.clear();
                return Some(Vec::new());
            }
            return None;
        };
        let line = self.input.split_to(end);
        let line = line.strip_suffix(b"\r\n").or(line.strip_suffix(b"\n")).unwrap_or(&line);
        let mut line = if line.len() > MAX_LINE { Vec::new() } else { line.to_vec() };
        if undouble {
            let mut doubled = false;
            line.retain(|b| {
                doubled = *b == IAC && !doubled;
                *b != IAC || doubled
            });
        }
        Some(line)
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.io.write_all(bytes).await
    }
}
