//! A client that speaks MMST in bytes written here.

use mms_proto::testing::{Film, Habits, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What the server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Got {
    /// Number of the message, and all behind its MID.
    Control(u16, Vec<u8>),
    /// LocationId, playIncarnation, AFFlags, and the payload.
    Data(u32, u8, u8, Vec<u8>),
    /// The connection is closed.
    End,
}

pub(super) struct Wire(TcpStream);

pub(super) fn film() -> Film {
    Film::generated(12, 3)
}

/// A server that has the film as `/clip.asf`.
pub(super) fn server(habits: Habits) -> Server {
    Server::builder().film("/clip.asf", film()).habits(habits).start().unwrap()
}

/// The film is open.
pub(super) async fn opened(server: &Server) -> Wire {
    let mut wire = Wire::connect(server).await;
    assert_eq!(wire.open().await, [(1, 0), (2, 0), (6, 0)]);
    wire
}

pub(super) fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

pub(super) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A word of a body, counted from behind the MID.
pub(super) fn word(body: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([body[at], body[at + 1], body[at + 2], body[at + 3]])
}

/// LocationIds of the data among it.
pub(super) fn locations(all: &[Got]) -> Vec<u32> {
    all.iter().filter_map(|got| if let Got::Data(location, ..) = got { Some(*location) } else { None }).collect()
}

impl Wire {
    pub(super) async fn connect(server: &Server) -> Wire {
        Wire(TcpStream::connect(server.mmst_addr()).await.unwrap())
    }

    pub(super) async fn send(&mut self, kind: u16, mut body: Vec<u8>) {
        body.resize(body.len().next_multiple_of(8), 0);
        let message = body.len() as u32 + 8;
        let mut packet = vec![1, 0, 0, 0, 0xCE, 0xFA, 0x0B, 0xB0];
        packet.extend(words(&[message + 16]));
        packet.extend(b"MMS ");
        packet.extend(words(&[(message + 16) / 8, 0, 0, 0, message / 8, 0x0003_0000 | u32::from(kind)]));
        packet.extend(body);
        self.0.write_all(&packet).await.unwrap();
    }

    pub(super) async fn next(&mut self) -> Got {
        let mut head = [0; 8];
        if self.0.read_exact(&mut head).await.is_err() {
            return Got::End;
        }
        if head[4..] != [0xCE, 0xFA, 0x0B, 0xB0] {
            let mut payload = vec![0; usize::from(u16::from_le_bytes([head[6], head[7]])) - 8];
            self.0.read_exact(&mut payload).await.unwrap();
            return Got::Data(u32::from_le_bytes([head[0], head[1], head[2], head[3]]), head[4], head[5], payload);
        }
        let len = self.0.read_u32_le().await.unwrap() as usize;
        let mut rest = vec![0; len + 4];
        self.0.read_exact(&mut rest).await.unwrap();
        Got::Control(u16::from_le_bytes([rest[24], rest[25]]), rest[28..].to_vec())
    }

    /// The next control message.
    pub(super) async fn control(&mut self) -> (u16, Vec<u8>) {
        match self.next().await {
            Got::Control(kind, body) => (kind, body),
            other => panic!("no control message: {other:?}"),
        }
    }

    /// Connect alone.
    pub(super) async fn greet(&mut self) {
        self.greet_as("NSPlayer/7.0").await;
    }

    /// The same under another name.
    pub(super) async fn greet_as(&mut self, name: &str) {
        self.send(0x01, [words(&[0, 0x0004_000B, 3]), wide(name)].concat()).await;
    }

    /// The next control message as it is on the connection, from its head on.
    pub(super) async fn packet(&mut self) -> Vec<u8> {
        let head = self.exactly(16).await;
        let len = word(&head, 8) as usize;
        [head, self.exactly(len).await].concat()
    }

    /// So many bytes, whatever they are.
    pub(super) async fn exactly(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    /// What there is to read now, or as soon as there is something.
    pub(super) async fn some(&mut self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 << 16);
        self.0.read_buf(&mut bytes).await.unwrap();
        bytes
    }

    /// Asks for a transport.
    pub(super) async fn funnel(&mut self, transport: &str, port: u16) {
        let name = wide(&format!("\\\\127.0.0.1\\{transport}\\{port}"));
        self.send(0x02, [words(&[0, 0xFFFF_FFFF, 0, 0, 0]), name].concat()).await;
    }

    /// Asks how the funnel is; what measures it depends on the incarnation.
    pub(super) async fn funnel_info(&mut self, incarnation: u32) {
        self.send(0x18, words(&[incarnation, 0])).await;
    }

    /// Asks for the film, with credentials if there are any.
    pub(super) async fn open_file(&mut self, token: &[u8]) {
        let name = wide("clip.asf");
        let at = if token.is_empty() { 0 } else { name.len() as u32 };
        self.send(0x05, [words(&[1, 0xFFFF_FFFF, at, token.len() as u32]), name, token.to_vec()].concat()).await;
    }

    /// From Connect to ReportOpenFile; the results of the answers.
    pub(super) async fn open(&mut self) -> Vec<(u16, u32)> {
        self.open_over("TCP", 1037).await
    }

    /// The same with data over another transport.
    pub(super) async fn open_over(&mut self, transport: &str, port: u16) -> Vec<(u16, u32)> {
        let mut answers = Vec::new();
        self.greet().await;
        answers.push(self.result().await);
        self.funnel(transport, port).await;
        answers.push(self.result().await);
        self.open_file(&[]).await;
        answers.push(self.result().await);
        answers
    }

    /// Number and result of the next control message.
    pub(super) async fn result(&mut self) -> (u16, u32) {
        let (kind, body) = self.control().await;
        (kind, word(&body, 0))
    }

    /// Asks for something that is answered at once, to see that nothing else comes before the answer.
    pub(super) async fn nothing_comes(&mut self) {
        self.funnel_info(0xABCD).await;
        let (kind, body) = self.control().await;
        assert_eq!((kind, word(&body, 4)), (0x15, 0xABCD));
    }

    /// Asks for the header; what comes with it is read by the caller.
    pub(super) async fn read_block(&mut self, incarnation: u32) {
        self.send(0x15, words(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, incarnation, 0])).await;
    }

    /// Asks for these streams.
    pub(super) async fn switch(&mut self, streams: &[u16]) {
        let entries = streams.iter().flat_map(|stream| [0xFFFF, *stream, 0]).flat_map(u16::to_le_bytes);
        self.send(0x33, words(&[streams.len() as u32]).into_iter().chain(entries).collect()).await;
    }

    /// Asks for all from a packet on.
    pub(super) async fn start(&mut self, location: u32, incarnation: u32) {
        self.send(0x07, words(&[1, 0, 0, 0, u32::MAX, location, 0, incarnation])).await;
    }

    /// Stops the play.
    pub(super) async fn stop(&mut self, incarnation: u32) {
        self.send(0x09, words(&[1, incarnation])).await;
    }

    /// What comes until the end of the stream is told or the connection closes: messages and packets.
    pub(super) async fn played(&mut self) -> Vec<Got> {
        let mut all = Vec::new();
        loop {
            let got = self.next().await;
            let over = matches!(got, Got::Control(0x1E, _) | Got::End);
            all.push(got);
            if over {
                return all;
            }
        }
    }
}
