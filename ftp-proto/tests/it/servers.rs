//! The test servers against raw sockets: a peer that shares no code with them, nor with the client.

mod faults;
mod habits;
mod honest;
mod scripts;

use std::net::SocketAddr;
use std::time::Duration;

use ftp_proto::testing::{Event, EventKind, Server, content_at};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Ends a test that would hang.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("the test hangs")
}

/// A control connection by hand.
struct Raw {
    io: BufReader<TcpStream>,
}

impl Raw {
    async fn connect(addr: SocketAddr) -> Raw {
        Raw { io: BufReader::new(TcpStream::connect(addr).await.unwrap()) }
    }

    /// A session of an anonymous user in binary mode.
    async fn login(addr: SocketAddr) -> Raw {
        let mut raw = Raw::connect(addr).await;
        assert!(raw.reply().await.starts_with("220"));
        raw.user("anonymous", "x@y").await;
        assert!(raw.cmd("TYPE I").await.starts_with("200"));
        raw
    }

    /// USER and, if wanted, PASS; returns the last reply.
    async fn user(&mut self, user: &str, password: &str) -> String {
        match self.cmd(format!("USER {user}")).await {
            reply if reply.starts_with("331") => self.cmd(format!("PASS {password}")).await,
            reply => reply,
        }
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.io.get_mut().write_all(bytes.as_ref()).await.unwrap();
    }

    /// A whole reply, lines joined by LF; empty at the end of the connection.
    async fn reply(&mut self) -> String {
        within(async {
            let mut lines: Vec<String> = Vec::new();
            loop {
                let mut line = Vec::new();
                match self.io.read_until(b'\n', &mut line).await {
                    Ok(0) | Err(_) => return lines.join("\n"),
                    Ok(_) => lines.push(String::from_utf8_lossy(&line).trim_end().to_owned()),
                }
                let (first, last) = (&lines[0], &lines[lines.len() - 1]);
                if last.len() >= 3 && first[..3] == last[..3] && last.as_bytes().get(3) != Some(&b'-') {
                    return lines.join("\n");
                }
            }
        })
        .await
    }

    async fn cmd(&mut self, line: impl AsRef<[u8]>) -> String {
        self.send([line.as_ref(), b"\r\n"].concat()).await;
        self.reply().await
    }

    /// EPSV, and the data connection.
    async fn data(&mut self) -> TcpStream {
        let reply = self.cmd("EPSV").await;
        assert!(reply.starts_with("229"), "{reply}");
        TcpStream::connect(self.data_addr(&reply)).await.unwrap()
    }

    fn data_addr(&self, reply: &str) -> SocketAddr {
        let port = if reply.starts_with("229") {
            reply.split('|').nth(3).unwrap().parse().unwrap()
        } else {
            let numbers: Vec<u16> = reply.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
            numbers[5] * 256 + numbers[6]
        };
        (self.io.get_ref().peer_addr().unwrap().ip(), port).into()
    }

    /// Starts a transfer and returns its data connection, with the preliminary reply read.
    async fn retr(&mut self, path: &str, from: u64) -> TcpStream {
        let data = self.data().await;
        assert!(self.cmd(format!("REST {from}")).await.starts_with("350"));
        let reply = self.cmd(format!("RETR {path}")).await;
        assert!(reply.starts_with("150") || reply.starts_with("125"), "{reply}");
        data
    }
}

/// All that comes on a data connection, and whether it ended in order.
async fn drain(mut data: TcpStream) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    let end = within(data.read_to_end(&mut all)).await;
    (all, end.is_ok())
}

/// The content of a generated file.
fn content(seed: u64, range: std::ops::Range<u64>) -> Vec<u8> {
    let mut bytes = vec![0; (range.end - range.start) as usize];
    content_at(seed, range.start, &mut bytes);
    bytes
}

/// The replies that a session has sent so far.
fn replies(server: &Server) -> Vec<String> {
    let text = |event: Event| match event.kind {
        EventKind::Reply(text) => Some(String::from_utf8_lossy(&text).into_owned()),
        _ => None,
    };
    server.log().into_iter().filter_map(text).collect()
}
