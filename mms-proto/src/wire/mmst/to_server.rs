//! What a client says. Each message is encoded with its TcpMessageHeader before it, and fields count from chunkLen.

use bytes::{BufMut, Bytes, BytesMut};

use super::Text;
use crate::wire::{StreamChoice, WireError};

/// Of [`StartPlaying::position`]: it does not say where to begin.
pub const UNUSED_POSITION: f64 = f64::MAX;
/// Of [`StartPlaying::location`]: it does not say where to begin.
pub const UNUSED_LOCATION: u32 = u32::MAX;
/// The longest [`Token`], in bytes.
pub const MAX_TOKEN_LEN: usize = 16 << 10;

const UNUSED_OFFSET: u32 = u32::MAX;
const NO_STREAM: u16 = 0xFFFF;

/// A message to the server.
///
/// Spec: MMSP 2.2.4
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LinkViewerToMac {
    /// The first message: who we are.
    Connect {
        /// `NSPlayer/7.0.0.1956; {GUID}; Host: host`.
        subscriber_name: Text,
    },
    /// Asks for what ReportFunnelInfo tells, without measuring the bandwidth.
    FunnelInfo,
    /// How packets shall be sent.
    ConnectFunnel(Funnel),
    /// Which file.
    OpenFile {
        /// Names this request.
        incarnation: u8,
        /// The path without its first slash, decoded, with the query.
        file_name: Text,
    },
    /// Asks for the header.
    ReadBlock {
        /// What ReportOpenFile said.
        open_file_id: u32,
        /// What the pieces are stamped with.
        incarnation: u8,
    },
    /// Asks for no more pieces.
    CancelReadBlock {
        /// That of the ReadBlock.
        incarnation: u8,
    },
    /// Which streams. Players that do not send it get none.
    StreamSwitch(Vec<StreamChoice>),
    /// From where, in which direction.
    StartPlaying(StartPlaying),
    /// As StartPlaying, key frames only.
    StartStriding {
        /// From where.
        start: StartPlaying,
        /// How fast, -5 to 5.
        rate: f64,
    },
    /// No more packets.
    StopPlaying {
        /// What ReportOpenFile said.
        open_file_id: u32,
        /// That of the StartPlaying.
        incarnation: u8,
    },
    /// The end.
    CloseFile {
        /// That of the OpenFile.
        incarnation: u8,
        /// What ReportOpenFile said.
        open_file_id: u32,
    },
    /// The answer to SecurityChallenge.
    SecurityResponse {
        /// That of the challenge.
        incarnation: u32,
        /// That of the challenge.
        cookie: u32,
        /// What answers it.
        token: Token,
    },
    /// The answer to Ping, with its two numbers.
    Pong(u32, u32),
}

/// How packets are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Funnel {
    /// On the connection.
    Tcp,
    /// As datagrams.
    Udp {
        /// To this port of ours.
        port: u16,
    },
}

/// Where to begin.
///
/// Spec: MMSP 2.2.4.25
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StartPlaying {
    /// What ReportOpenFile said.
    pub open_file_id: u32,
    /// What the packets are stamped with.
    pub incarnation: u8,
    /// Seconds, or [`UNUSED_POSITION`].
    pub position: f64,
    /// The number of the packet; 0 and [`UNUSED_LOCATION`] say nothing.
    pub location: u32,
    /// How fast the server may begin.
    pub acceleration: Option<Acceleration>,
}

/// How fast a server may send at the beginning. Windows Media Services 2003 and later.
///
/// Spec: MMSP 2.2.4.25
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Acceleration {
    /// dwAccelBandwidth, in bits per second.
    pub bandwidth: u32,
    /// dwAccelDuration, in milliseconds.
    pub duration: u32,
    /// dwLinkBandwidth, in bits per second.
    pub link_bandwidth: u32,
}

/// What answers a challenge. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Bytes);

impl Token {
    /// A token.
    ///
    /// # Errors
    /// It is longer than [`MAX_TOKEN_LEN`].
    pub fn new(token: Bytes) -> Result<Self, WireError> {
        if token.len() > MAX_TOKEN_LEN {
            return Err(WireError::new("token", MAX_TOKEN_LEN, "a token has 16384 bytes at most"));
        }
        Ok(Self(token))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token({} bytes)", self.0.len())
    }
}

impl LinkViewerToMac {
    /// The message with its TcpMessageHeader. `seq` counts the messages of this connection, from 0.
    ///
    /// Spec: MMSP 2.2.3, 2.2.4
    pub fn encode(&self, seq: u16) -> Bytes {
        let mut body = BytesMut::new();
        self.put_body(&mut body);
        let padding = body.len().next_multiple_of(8).saturating_sub(body.len());
        body.put_bytes(0, padding);

        let message_len = u32::try_from(body.len()).unwrap_or(u32::MAX).saturating_add(8);
        let message_length = message_len.saturating_add(16);
        let mut frame = BytesMut::with_capacity(body.len().saturating_add(40));
        frame.put_slice(&[1, 0, 0, 0, 0xCE, 0xFA, 0x0B, 0xB0]);
        frame.put_u32_le(message_length);
        frame.put_slice(b"MMS ");
        frame.put_u32_le(message_length >> 3);
        frame.put_u16_le(seq);
        frame.put_u16_le(0);
        frame.put_u64_le(0);

        frame.put_u32_le(message_len >> 3);
        frame.put_u32_le(0x0003_0000 | u32::from(self.command()));
        frame.put_slice(&body);
        frame.freeze()
    }

    fn command(&self) -> u16 {
        match self {
            Self::Connect { .. } => 0x01,
            Self::ConnectFunnel(_) => 0x02,
            Self::OpenFile { .. } => 0x05,
            Self::StartPlaying(_) => 0x07,
            Self::StopPlaying { .. } => 0x09,
            Self::CloseFile { .. } => 0x0D,
            Self::ReadBlock { .. } => 0x15,
            Self::FunnelInfo => 0x18,
            Self::SecurityResponse { .. } => 0x1A,
            Self::Pong(..) => 0x1B,
            Self::CancelReadBlock { .. } => 0x25,
            Self::StartStriding { .. } => 0x28,
            Self::StreamSwitch(_) => 0x33,
        }
    }

    /// From offset 8 on.
    fn put_body(&self, body: &mut BytesMut) {
        match self {
            Self::Connect { subscriber_name } => {
                body.put_u32_le(0); // no packet pair, in the manner of all players in the wild
                body.put_u32_le(0x0004_000B);
                body.put_u32_le(0x0003_001C);
                body.put_slice(subscriber_name.as_bytes());
            }
            Self::FunnelInfo => body.put_u32_le(0xF0F0_F0EF),
            Self::ConnectFunnel(funnel) => {
                body.put_u32_le(0);
                body.put_u32_le(u32::MAX); // maxBlockBytes
                body.put_u32_le(0); // maxFunnelBytes
                body.put_u32_le(10_000_000); // maxBitRate
                body.put_u32_le(2); // funnelMode
                put_text(body, &funnel.name());
            }
            Self::OpenFile { incarnation, file_name } => {
                body.put_u32_le(u32::from(*incarnation));
                body.put_u32_le(0); // spare
                body.put_u32_le(0); // token
                body.put_u32_le(0); // cbtoken
                body.put_slice(file_name.as_bytes());
            }
            Self::ReadBlock { open_file_id, incarnation } => {
                body.put_u32_le(*open_file_id);
                body.put_u32_le(0); // fileBlockId
                body.put_u32_le(0); // offset
                body.put_u32_le(0x8000); // length
                body.put_u32_le(u32::MAX); // flags
                body.put_u32_le(0);
                body.put_f64_le(0.0); // tEarliest
                body.put_f64_le(3600.0); // tDeadline
                body.put_u32_le(u32::from(*incarnation));
                body.put_u32_le(0); // playSequence
            }
            Self::CancelReadBlock { incarnation } => body.put_u32_le(u32::from(*incarnation)),
            Self::StreamSwitch(entries) => {
                body.put_u32_le(u32::try_from(entries.len()).unwrap_or(u32::MAX));
                for entry in entries {
                    body.put_u16_le(NO_STREAM);
                    body.put_u16_le(entry.stream.into());
                    body.put_u16_le(entry.thinning.code().into());
                }
            }
            Self::StartPlaying(start) => {
                start.put(body);
                start.put_acceleration(body);
            }
            Self::StartStriding { start, rate } => {
                start.put(body);
                body.put_f64_le(*rate);
            }
            Self::StopPlaying { open_file_id, incarnation } => {
                body.put_u32_le(*open_file_id);
                body.put_u32_le(u32::from(*incarnation));
            }
            Self::CloseFile { incarnation, open_file_id } => {
                body.put_u32_le(u32::from(*incarnation));
                body.put_u32_le(*open_file_id);
            }
            Self::SecurityResponse { incarnation, cookie, token } => {
                body.put_u32_le(*incarnation);
                body.put_u32_le(*cookie);
                body.put_u32_le(u32::try_from(token.0.len()).unwrap_or(u32::MAX));
                body.put_slice(&token.0);
            }
            Self::Pong(first, second) => {
                body.put_u32_le(*first);
                body.put_u32_le(*second);
            }
        }
    }
}

impl Funnel {
    /// Servers take the address of the connection, whatever is said here; so nobody is told ours.
    ///
    /// Observed: libmms and ffmpeg send this very address and port, wherever they run
    fn name(self) -> String {
        match self {
            Self::Tcp => r"\\192.168.0.129\TCP\1037".to_owned(),
            Self::Udp { port } => format!(r"\\192.168.0.129\UDP\{port}"),
        }
    }
}

impl StartPlaying {
    /// Offsets 8 to 39.
    fn put(&self, body: &mut BytesMut) {
        body.put_u32_le(self.open_file_id);
        body.put_u32_le(0x0001_FFFF); // padding, as all players in the wild fill it
        body.put_f64_le(self.position);
        body.put_u32_le(UNUSED_OFFSET); // asfOffset
        body.put_u32_le(self.location);
        // frameOffset. Not the 0x00FFFFFF of other players, which stops after 4 h 39 min 37 s.
        body.put_u32_le(0);
        body.put_u32_le(u32::from(self.incarnation));
    }

    fn put_acceleration(&self, body: &mut BytesMut) {
        if let Some(acceleration) = self.acceleration {
            body.put_u32_le(acceleration.bandwidth);
            body.put_u32_le(acceleration.duration);
            body.put_u32_le(acceleration.link_bandwidth);
        }
    }
}

fn put_text(body: &mut BytesMut, text: &str) {
    text.encode_utf16().chain([0]).for_each(|unit| body.put_u16_le(unit));
}
