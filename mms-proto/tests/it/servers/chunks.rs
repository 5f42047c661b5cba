//! A client that speaks MMSH in bytes written here.

use mms_proto::testing::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The line that asks for media.
pub(super) const PLAY: &str = "Pragma: xPlayStrm=1";

/// What the server sends behind the head of an answer.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) mark: u8,
    pub(super) kind: u8,
    /// All behind the length.
    pub(super) body: Vec<u8>,
}

impl std::fmt::Debug for Chunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.body[..self.body.len().min(12)];
        write!(f, "{:02X} {} {} {shown:02X?}", self.mark, char::from(self.kind), self.body.len())
    }
}

impl Chunk {
    pub(super) fn new(kind: u8, body: &[u8]) -> Chunk {
        Chunk { mark: b'$', kind, body: body.to_vec() }
    }

    /// A chunk of data: LocationId, playIncarnation 0, AFFlags, PacketSize, and the payload.
    pub(super) fn data(kind: u8, location: u32, flags: u8, payload: &[u8]) -> Chunk {
        let mut body = [&location.to_le_bytes()[..], &[0, flags]].concat();
        body.extend((payload.len() as u16 + 8).to_le_bytes());
        body.extend(payload);
        Chunk::new(kind, &body)
    }

    /// The end, and why.
    pub(super) fn end(reason: u32) -> Chunk {
        Chunk::new(b'E', &reason.to_le_bytes())
    }

    pub(super) fn location(&self) -> u32 {
        u32::from_le_bytes([self.body[0], self.body[1], self.body[2], self.body[3]])
    }
}

pub(super) struct Wire(TcpStream);

impl Wire {
    pub(super) async fn connect(server: &Server) -> Wire {
        Wire(TcpStream::connect(server.mmsh_addr()).await.unwrap())
    }

    pub(super) async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Asks for the film, as a player of version 7.1 with these lines more.
    pub(super) async fn get(&mut self, lines: &[&str]) {
        self.get_as("NSPlayer/7.1.0.3055", lines).await;
    }

    pub(super) async fn get_as(&mut self, agent: &str, lines: &[&str]) {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        self.send(&format!("GET /clip.asf HTTP/1.0\r\nUser-Agent: {agent}\r\n{lines}\r\n")).await;
    }

    /// The head of an answer; nothing if the connection closes instead.
    pub(super) async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.0.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8(head).unwrap()
    }

    /// The next chunk; `None`: the connection is closed.
    pub(super) async fn chunk(&mut self) -> Option<Chunk> {
        let mark = self.0.read_u8().await.ok()?;
        let kind = self.0.read_u8().await.unwrap();
        let mut body = vec![0; usize::from(self.0.read_u16_le().await.unwrap())];
        self.0.read_exact(&mut body).await.unwrap();
        Some(Chunk { mark, kind, body })
    }

    pub(super) async fn chunks(&mut self, count: usize) -> Vec<Chunk> {
        let mut all = Vec::new();
        while all.len() < count {
            all.push(self.chunk().await.unwrap_or_else(|| panic!("no more than {all:?}")));
        }
        all
    }

    /// All that comes until the connection closes.
    pub(super) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).await.unwrap();
        rest
    }

    pub(super) async fn read(&mut self, into: &mut [u8]) -> usize {
        self.0.read(into).await.unwrap()
    }

    /// Leaves, and hears what was said until then.
    pub(super) async fn leave(mut self) -> Vec<u8> {
        self.0.shutdown().await.unwrap();
        self.rest().await
    }
}

/// All chunks of an answer until the connection closes.
pub(super) async fn answered(server: &Server, lines: &[&str]) -> Vec<Chunk> {
    answered_as(server, "NSPlayer/7.1.0.3055", lines).await
}

pub(super) async fn answered_as(server: &Server, agent: &str, lines: &[&str]) -> Vec<Chunk> {
    let mut wire = Wire::connect(server).await;
    wire.get_as(agent, lines).await;
    let head = wire.head().await;
    assert!(head.starts_with("HTTP/1.0 200 OK\r\n"), "{head}");
    let mut all = Vec::new();
    while let Some(chunk) = wire.chunk().await {
        all.push(chunk);
    }
    all
}

pub(super) fn kinds(all: &[Chunk]) -> String {
    all.iter().map(|chunk| char::from(chunk.kind)).collect()
}

pub(super) fn locations(all: &[Chunk]) -> Vec<u32> {
    all.iter().filter(|chunk| chunk.kind == b'D').map(Chunk::location).collect()
}
