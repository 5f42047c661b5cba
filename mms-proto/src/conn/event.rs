//! What goes into the machines and what comes out of them.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::wire::Hresult;

/// Something that happened outside.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// Bytes of the connection. The machine takes whole messages and leaves the tail.
    Received(&'a mut BytesMut),
    /// One datagram from the server's address.
    Datagram(&'a [u8]),
    /// The connection ended, cleanly or not.
    Closed,
    /// The deadline of the last [`Output::Wait`] may have passed.
    Timeout,
}

/// What the driver has to do. `Debug` does not show what is to be sent.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Send these bytes on the connection. May hold a password.
    Transmit(Bytes),
    /// Send this datagram to the port of the server that the connection goes to.
    SendDatagram(Bytes),
    /// Tell the caller.
    Event(Event),
    /// Close the connection: everything has been said.
    Close,
    /// Nothing more to do until something happens, or until this instant.
    Wait(Option<Instant>),
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transmit(bytes) => write!(f, "Transmit({} bytes)", bytes.len()),
            Self::SendDatagram(bytes) => write!(f, "SendDatagram({} bytes)", bytes.len()),
            Self::Event(event) => write!(f, "Event({event:?})"),
            Self::Close => f.write_str("Close"),
            Self::Wait(deadline) => write!(f, "Wait({deadline:?})"),
        }
    }
}

/// What the caller is told. The same for both ways to carry MMS, so that everything above is written once.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The server has the file, and says this much of it.
    Opened(Facts),
    /// The whole ASF header: the Header Object, and the first 50 bytes of the Data Object. Once for each content; after
    /// [`Event::Changed`] another one.
    Header(Bytes),
    /// The server wants to know who we are. Answer with the machine's `authenticate`.
    Challenged(Challenge),
    /// Packets follow.
    Started,
    /// One ASF packet as the server sent it, which may be without its padding.
    Packet(Packet),
    /// The server has sent all there is from where it was asked to begin.
    Ended {
        /// Why, in the server's words; a failure is one of them.
        reason: Hresult,
        /// Something else follows: [`Event::Changed`], another header and its packets.
        more: bool,
    },
    /// A stream that was asked to end has ended. The session can carry another one.
    Stopped,
    /// What follows belongs to another content.
    Changed,
    /// The server says to look elsewhere: a URL as it stands there.
    Redirected(String),
    /// The server wants to be asked through a proxy, of HTTP where it is asked by HTTP: its URL as it stands there. Over MMST an
    /// empty one means: through none.
    ///
    /// Spec: WMSP 3.1.5.5, MMSP 2.2.4.9 and 3.1.5.7
    UseProxy(String),
    /// The server will not.
    Refused(Refusal),
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened(facts) => write!(f, "Opened({facts:?})"),
            Self::Header(bytes) => write!(f, "Header({} bytes)", bytes.len()),
            Self::Challenged(challenge) => write!(f, "Challenged({challenge:?})"),
            Self::Started => f.write_str("Started"),
            Self::Packet(packet) => write!(f, "Packet({}, {} bytes)", packet.location, packet.data.len()),
            Self::Ended { reason, more } => write!(f, "Ended({reason:?}, more: {more})"),
            Self::Stopped => f.write_str("Stopped"),
            Self::Changed => f.write_str("Changed"),
            Self::Redirected(url) => write!(f, "Redirected({url:?})"),
            Self::UseProxy(url) => write!(f, "UseProxy({url:?})"),
            Self::Refused(refusal) => write!(f, "Refused({refusal:?})"),
        }
    }
}

/// What the server says of a file before a byte of it has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// The server's own name and version, as it states them.
    pub server: Option<String>,
    /// Streams can begin anywhere.
    pub seekable: bool,
    /// Everybody who listens is at the same place.
    pub broadcast: bool,
    /// It is made while it is sent.
    pub live: bool,
    /// Several contents one after another.
    pub playlist: bool,
    /// How long it plays.
    pub duration: Option<Duration>,
    /// Length of the largest ASF packet, in bytes.
    pub packet_size: Option<u32>,
    /// How many ASF packets there are.
    pub packets: Option<u64>,
    /// All streams together, in bits per second.
    pub bit_rate: Option<u32>,
    /// Length of what [`Event::Header`] will bring, in bytes.
    pub header_len: Option<u32>,
}

/// An ASF packet and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Number of the packet in the file, from 0: the LocationId.
    pub location: u32,
    /// The packet, perhaps without its padding.
    pub data: Bytes,
}

/// A question for credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Challenge {
    /// Who asks: the server, or a proxy before it.
    pub from: Challenger,
    /// The scheme and what belongs to it, one for each that is offered: `NTLM`, then its token, or `Basic realm="x"`.
    pub offers: Vec<Offer>,
}

impl Challenge {
    /// A question with these offers, for whoever tries an authenticator without a server.
    pub fn new(from: Challenger, offers: Vec<Offer>) -> Self {
        Self { from, offers }
    }
}

/// One way to answer a [`Challenge`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offer {
    /// The scheme, as the server writes it.
    pub scheme: String,
    /// What came with it: parameters, or the decoded token.
    pub token: Bytes,
}

impl Offer {
    /// An offer of this scheme.
    pub fn new(scheme: impl Into<String>, token: impl Into<Bytes>) -> Self {
        Self { scheme: scheme.into(), token: token.into() }
    }
}

/// Who wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Challenger {
    /// The server itself.
    Server,
    /// An HTTP proxy.
    Proxy,
}

/// A "no" in the words of the protocol it was said in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// A message of MMS said so.
    Mms {
        /// What was asked for.
        awaiting: super::Awaited,
        /// The reason.
        reason: Hresult,
    },
    /// An HTTP status said so.
    Http {
        /// The status code.
        status: u16,
        /// The words after it.
        text: String,
        /// How long to wait before asking again.
        retry_after: Option<Duration>,
    },
    /// The answer is no media of this protocol: a plain ASF file, a playlist, a web page.
    NotMms {
        /// The content type that it claims.
        content_type: Option<String>,
        /// The first bytes of it, at most 64 KiB: a playlist is read from them.
        body: Bytes,
    },
}
