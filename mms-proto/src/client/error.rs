//! What can go wrong, by operation.

use std::io;
use std::time::Duration;

use thiserror::Error;

use super::driver::ConnectionError;
use super::{ConnectorError, Transport};
use crate::asf::AsfError;
use crate::conn::{self, Awaited, Refusal};
use crate::wire::{Blame, Hresult};

/// What to make of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorClass {
    /// By chance: again.
    Transient,
    /// The server admits no more sessions now.
    Busy {
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// It does not begin where it is asked to.
    SeekRefused,
    /// The file is another one.
    Changed,
    /// There is no such file.
    NotFound,
    /// Credentials are missing or wrong.
    Denied,
    /// It will not be otherwise next time.
    Permanent,
    /// Nobody knows.
    Unknown,
}

/// Why a file is not open, or a stream of it did not begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no connection.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// Connecting took too long.
    #[error("no connection to {target} within {} s", within.as_secs())]
    ConnectTimedOut {
        /// To whom.
        target: String,
        /// How long it was tried.
        within: Duration,
    },
    /// The connection is of no more use.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The server says no.
    #[error("the server refuses: {}", said(.0))]
    Refused(Refusal),
    /// The server wants credentials that nobody has, or other ones.
    #[error("the server wants credentials ({schemes})")]
    Denied {
        /// The schemes that it offers.
        schemes: String,
    },
    /// The server says no to whoever we are, in the words of MMST.
    #[error("{}: {reason}", if *.answered { "the server refuses the credentials" } else { "the server refuses access, and was given no credentials" })]
    NotAdmitted {
        /// The reason.
        reason: Hresult,
        /// It had asked for credentials, and got some.
        answered: bool,
    },
    /// What the server says is the header is none, or of a file whose packets have no places.
    #[error("the header is not one of a file of packets: {0}")]
    Header(#[from] AsfError),
    /// The server sends elsewhere, too often.
    #[error("more than {0} redirects")]
    Redirects(u8),
    /// The server sends elsewhere, to something that this crate does not speak.
    #[error("the server sends elsewhere: {0}")]
    Elsewhere(String),
    /// The server wants to be asked through a proxy where that is not done: over MMST, beside a proxy of the configuration, a second
    /// time, or through one of TLS. Empty: it wants to be asked through none.
    ///
    /// Who can write on the way to the server could put himself there for good, and what is told to a proxy goes to a stranger. Over
    /// HTTP, where servers are known to say it (WMSP), it is done once, for this file alone, and without any credentials. Nobody was
    /// seen to say it over MMST.
    ///
    /// Spec: RFC 9110 section 15.4.6 (305 is deprecated for that reason), WMSP 3.1.5.5, MMSP 3.1.5.7
    #[error("{}", sent_to_proxy(.0))]
    Proxy(String),
    /// The header is another one than before.
    #[error("the file has changed: {0}")]
    Changed(&'static str),
    /// The server does not begin where it is asked to.
    #[error("asked for packet {asked}, the server begins with packet {got}")]
    SeekNotHonoured {
        /// The packet that was asked for.
        asked: u32,
        /// The packet that came.
        got: u32,
    },
    /// The name of the file cannot be said in this way.
    #[error("{0}")]
    Name(String),
    /// No way works; each has its reason.
    #[error("no way works: {}", ways(.0))]
    Rollover(Vec<(Transport, Box<OpenError>)>),
}

/// Why a stream broke off.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The connection is of no more use.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The server ends it with a failure.
    #[error("the server ends the stream: {0}")]
    Ended(Hresult),
    /// A packet cannot be put back to its length.
    #[error("packet {location}: {error}")]
    Packet {
        /// Which one.
        location: u32,
        /// Why.
        error: AsfError,
    },
    /// More packets that belong elsewhere than a healthy server sends.
    #[error("the server sends packet {got} again and again, where packet {expected} is due")]
    OutOfPlace {
        /// The packet that is due.
        expected: u32,
        /// The packet that came.
        got: u32,
    },
}

fn said(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Mms { awaiting, reason } => format!("{reason} instead of {awaiting}"),
        Refusal::Http { status, text, .. } => format!("HTTP {status} {text}"),
        Refusal::NotMms { content_type: Some(kind), .. } => format!("it sends {kind}, and no stream of MMSH"),
        Refusal::NotMms { content_type: None, .. } => "it sends something else than a stream of MMSH".to_owned(),
    }
}

fn sent_to_proxy(proxy: &str) -> String {
    match proxy {
        "" => "the server wants to be asked without a proxy".to_owned(),
        proxy => format!("the server wants to be asked through a proxy, which is not done: {proxy}"),
    }
}

fn ways(all: &[(Transport, Box<OpenError>)]) -> String {
    let each: Vec<String> = all.iter().map(|(transport, error)| format!("{transport}: {error}")).collect();
    each.join("; ")
}

impl ConnectionError {
    /// What to make of it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Io(_) | Self::Dialogue(conn::Error::Closed(_) | conn::Error::TimedOut(_)) => ErrorClass::Transient,
            // A byte that was lost on the way breaks everything behind it; whether it was, the next attempt shows.
            Self::Dialogue(_) => ErrorClass::Unknown,
        }
    }
}

impl OpenError {
    /// What to make of it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Connector(ConnectorError::Resolve { error, .. } | ConnectorError::Connect { error, .. }) => {
                match error.kind() {
                    io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput => ErrorClass::Permanent,
                    _ => ErrorClass::Transient,
                }
            }
            Self::ConnectTimedOut { .. } => ErrorClass::Transient,
            Self::Connection(error) => error.class(),
            Self::Refused(refusal) => refused(refusal),
            Self::Denied { .. } | Self::NotAdmitted { .. } => ErrorClass::Denied,
            Self::Changed(_) => ErrorClass::Changed,
            Self::SeekNotHonoured { .. } => ErrorClass::SeekRefused,
            Self::Header(_) => ErrorClass::Unknown,
            Self::Redirects(_) | Self::Elsewhere(_) | Self::Proxy(_) | Self::Name(_) => ErrorClass::Permanent,
            Self::Rollover(all) => rolled(all),
        }
    }
}

/// The one that says most: a file that is not there or not for us, then what may be otherwise later.
fn rolled(all: &[(Transport, Box<OpenError>)]) -> ErrorClass {
    let rank = |class: &ErrorClass| match class {
        ErrorClass::Busy { .. } => 0,
        ErrorClass::Denied => 1,
        ErrorClass::NotFound => 2,
        ErrorClass::Changed | ErrorClass::SeekRefused => 3,
        ErrorClass::Transient => 4,
        ErrorClass::Unknown => 5,
        ErrorClass::Permanent => 6,
    };
    all.iter().map(|(_, error)| error.class()).min_by_key(rank).unwrap_or(ErrorClass::Permanent)
}

fn refused(refusal: &Refusal) -> ErrorClass {
    match refusal {
        Refusal::Mms { awaiting: Awaited::ConnectedFunnel, .. } => ErrorClass::Permanent,
        Refusal::Mms { reason, .. } => match reason.blame() {
            Some(Blame::NotFound) => ErrorClass::NotFound,
            Some(Blame::Denied) => ErrorClass::Denied,
            Some(Blame::Busy) => ErrorClass::Busy { retry_after: None },
            Some(Blame::Transient | Blame::Dialogue | Blame::End) => ErrorClass::Transient,
            Some(Blame::Transport | Blame::Permanent) => ErrorClass::Permanent,
            Some(Blame::Unknown) | None => ErrorClass::Unknown,
        },
        Refusal::Http { status: 401 | 403 | 407, .. } => ErrorClass::Denied,
        Refusal::Http { status: 404 | 410, .. } => ErrorClass::NotFound,
        Refusal::Http { status: 429 | 453 | 503, retry_after, .. } => ErrorClass::Busy { retry_after: *retry_after },
        Refusal::Http { status: 408 | 500..=599, .. } => ErrorClass::Transient,
        Refusal::Http { .. } | Refusal::NotMms { .. } => ErrorClass::Permanent,
    }
}

impl ReadError {
    /// What to make of it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Connection(error) => error.class(),
            Self::Ended(reason) => match reason.blame() {
                Some(Blame::Busy) => ErrorClass::Busy { retry_after: None },
                Some(Blame::NotFound) => ErrorClass::NotFound,
                Some(Blame::Denied) => ErrorClass::Denied,
                Some(Blame::Permanent) => ErrorClass::Permanent,
                _ => ErrorClass::Transient,
            },
            Self::Packet { .. } => ErrorClass::Unknown,
            Self::OutOfPlace { .. } => ErrorClass::Unknown,
        }
    }
}
