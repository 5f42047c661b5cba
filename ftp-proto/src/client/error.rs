//! One error for each operation, and one word for what to do about it.

use std::io;
use std::time::Duration;

use thiserror::Error;

use super::connector::ConnectorError;
use crate::conn::{self, Awaited, Ending};
use crate::wire::{Reply, reply_hints_transient};

/// What to do about an error. There is no default: each error decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorClass {
    /// Try again, later: a reset, a time-out, a busy file.
    Transient,
    /// The server admits no further session now.
    LimitReached {
        /// How long the server asked to be left alone.
        retry_after: Option<Duration>,
        /// How many sessions the server says that it allows.
        limit_hint: Option<u16>,
    },
    /// The server cannot start, or end, where it was asked to.
    RangeRefused,
    /// The file is shorter, or longer, than it was.
    Changed,
    /// There is no such file, as far as the server tells.
    NotFound,
    /// The account may not do this, or is refused. Repeating it may lock the account.
    Denied,
    /// It will fail again.
    Permanent,
    /// It cannot be told.
    Unknown,
}

/// Why there is no session.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The connection was not made.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// Looking up the host and connecting took too long.
    #[error("no connection to {host} within {limit:?}")]
    TimedOut {
        /// The host.
        host: String,
        /// [`Timeouts::connect`](super::Timeouts::connect).
        limit: Duration,
    },
    /// The server admits no further session of this account or address.
    #[error("the server admits no further session{}", said(reply.as_ref()))]
    LimitReached {
        /// What the server said, if it said anything; or the client's own limit was reached.
        reply: Option<Reply>,
        /// How many sessions the server says that it allows.
        limit_hint: Option<u16>,
    },
    /// The server does not let this account in.
    #[error("{}", denied(*step, reply))]
    Denied {
        /// The step that was refused.
        step: Awaited,
        /// What the server said. The text of the error has it only where it is about the login.
        reply: Reply,
    },
    /// The server is not ready for anybody.
    #[error("the server is not ready: {0}")]
    Unavailable(Reply),
    /// The control connection failed.
    #[error(transparent)]
    Session(#[from] conn::Error),
}

impl ConnectError {
    /// What to do about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Connector(ConnectorError::Resolve { .. }) => ErrorClass::Unknown,
            Self::Connector(ConnectorError::Connect { error, .. }) => class_of_io(error.kind()),
            Self::TimedOut { .. } | Self::Unavailable(_) => ErrorClass::Transient,
            Self::LimitReached { limit_hint, .. } => {
                ErrorClass::LimitReached { retry_after: None, limit_hint: *limit_hint }
            }
            Self::Denied { .. } => ErrorClass::Denied,
            Self::Session(error) => class_of_session(error),
        }
    }

    /// The reply code that says so, if one does.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::LimitReached { reply: Some(reply), .. } | Self::Denied { reply, .. } | Self::Unavailable(reply) => {
                Some(reply.code.get())
            }
            Self::Session(error) => code_of_session(error),
            _ => None,
        }
    }
}

/// Why a transfer did not begin, or a question was not answered.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no session.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The path names a directory.
    #[error("it is a directory")]
    Directory,
    /// A directory of the path cannot be entered.
    #[error("the directory cannot be entered: {0}")]
    PathRefused(Reply),
    /// The server opens no port for data.
    #[error("the server opens no port for data{}", said(.0.as_ref()))]
    PassiveRefused(Option<Reply>),
    /// The server opens no port for data while it serves other transfers of this client: all of its ports are taken.
    ///
    /// Observed: vsftpd 3.0.3 dies of it (`500 OOPS: priv_sock_get_int`)
    #[error("the server has no port left for data: {0}")]
    NoPort(Reply),
    /// The data connection was not made.
    #[error("no data connection: {0}")]
    DataConnection(io::ErrorKind),
    /// The server does not start where it was asked to. `None`: it says that it does, and sends other bytes.
    #[error("the server cannot start there{}", said(.0.as_ref()))]
    StartRefused(Option<Reply>),
    /// The start lies behind the end of the file.
    #[error("the file has only {size} bytes")]
    BeyondEnd {
        /// The length of the file, in bytes.
        size: u64,
    },
    /// The server does not send the file.
    #[error("the server does not send the file: {reply}")]
    Refused {
        /// What the server said.
        reply: Reply,
        /// The server answers questions about it, so it is there.
        exists: bool,
    },
    /// The transfer was over before it began.
    #[error("the transfer was over before it began: {0}")]
    Ended(#[from] ReadError),
    /// The control connection failed.
    #[error(transparent)]
    Session(conn::Error),
}

impl OpenError {
    /// Of a transfer that was over before it brought a byte.
    pub(super) fn over(error: ReadError) -> Self {
        match error {
            ReadError::NotConnected(kind) => Self::DataConnection(kind),
            ReadError::Session(error) => Self::Session(error),
            error => Self::Ended(error),
        }
    }

    /// Of a transfer that the server has accepted and sends nothing of, where its bytes decide about others.
    pub(super) fn no_byte() -> Self {
        Self::Session(conn::Error::TimedOut(Awaited::Command("RETR")))
    }

    /// What to do about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Connect(error) => error.class(),
            Self::Directory => ErrorClass::Permanent,
            Self::PathRefused(reply) => class_of_refusal(reply, false),
            Self::PassiveRefused(None) => ErrorClass::Unknown,
            Self::PassiveRefused(Some(reply)) => class_of_refusal(reply, false),
            Self::NoPort(_) => ErrorClass::LimitReached { retry_after: None, limit_hint: None },
            Self::DataConnection(_) => ErrorClass::Transient,
            Self::StartRefused(_) => ErrorClass::RangeRefused,
            Self::BeyondEnd { .. } => ErrorClass::Changed,
            Self::Refused { reply, exists } => class_of_refusal(reply, *exists),
            Self::Ended(error) => error.class(),
            Self::Session(error) => class_of_session(error),
        }
    }

    /// The reply code that says so, if one does.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Connect(error) => error.code(),
            Self::PathRefused(reply)
            | Self::PassiveRefused(Some(reply))
            | Self::NoPort(reply)
            | Self::StartRefused(Some(reply))
            | Self::Refused { reply, .. } => Some(reply.code.get()),
            Self::Ended(error) => error.code(),
            Self::Session(error) => code_of_session(error),
            _ => None,
        }
    }
}

/// Why a transfer that had begun did not end well.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// All bytes due have come, but the server never confirmed it.
    #[error("the server did not confirm the end")]
    Unconfirmed,
    /// The server says that it sent all, and this many bytes are missing.
    #[error("the server claims success, but {0} bytes are missing")]
    Short(u64),
    /// The server sends more bytes than there should be.
    #[error("the server sends more than the rest of the file")]
    Overrun,
    /// The server gave up.
    #[error("the server gave up: {0}")]
    Aborted(Reply),
    /// The data connection broke.
    #[error("the data connection broke: {0}")]
    Broken(io::ErrorKind),
    /// The data connection was not made after all.
    #[error("no data connection: {0}")]
    NotConnected(io::ErrorKind),
    /// The data ended, and nothing says that it is complete.
    #[error("the data ended without a word from the server")]
    Lost,
    /// The control connection failed.
    #[error(transparent)]
    Session(#[from] conn::Error),
}

impl ReadError {
    pub(super) fn of(ending: Ending) -> Option<Self> {
        Some(match ending {
            Ending::Complete => return None,
            Ending::Unconfirmed => Self::Unconfirmed,
            Ending::Short(missing) => Self::Short(missing),
            Ending::Overrun => Self::Overrun,
            Ending::Aborted(reply) => Self::Aborted(reply),
            Ending::NotConnected(kind) => Self::NotConnected(kind),
            Ending::Broken(kind) => Self::Broken(kind),
            Ending::Lost => Self::Lost,
        })
    }

    /// What to do about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Overrun => ErrorClass::Changed,
            Self::Session(error) => class_of_session(error),
            _ => ErrorClass::Transient,
        }
    }

    /// The reply code that says so, if one does.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Aborted(reply) => Some(reply.code.get()),
            Self::Session(error) => code_of_session(error),
            _ => None,
        }
    }
}

/// The table from a refusal of a file to a class.
///
/// Spec: RFC 959 section 4.2. Observed: 550 stands for "no such file", "no permission" and more on all servers.
fn class_of_refusal(reply: &Reply, exists: bool) -> ErrorClass {
    match reply.code.get() {
        400..500 => ErrorClass::Transient,
        _ if reply_hints_transient(reply) => ErrorClass::Transient,
        550 if exists || speaks_of_permission(reply) => ErrorClass::Denied,
        550 => ErrorClass::NotFound,
        530 | 532 | 553 => ErrorClass::Denied,
        551 | 554 => ErrorClass::RangeRefused,
        500 | 502 | 504 => ErrorClass::Permanent,
        _ => ErrorClass::Unknown,
    }
}

fn speaks_of_permission(reply: &Reply) -> bool {
    let text = reply.lossy().to_ascii_lowercase();
    ["permission", "denied", "not allowed", "forbidden"].iter().any(|hint| text.contains(hint))
}

fn class_of_session(error: &conn::Error) -> ErrorClass {
    match error {
        conn::Error::Malformed(_) | conn::Error::Stray { .. } => ErrorClass::Unknown,
        conn::Error::Misuse(_) => ErrorClass::Permanent,
        _ => ErrorClass::Transient,
    }
}

fn code_of_session(error: &conn::Error) -> Option<u16> {
    match error {
        conn::Error::Closing(reply) | conn::Error::Stray { reply, .. } => Some(reply.code.get()),
        _ => None,
    }
}

fn class_of_io(kind: io::ErrorKind) -> ErrorClass {
    match kind {
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => ErrorClass::Permanent,
        io::ErrorKind::PermissionDenied => ErrorClass::Denied,
        _ => ErrorClass::Transient,
    }
}

/// Behind `PASS`, 530 is about the account as well, whatever command it answers; its words are about that command.
///
/// Observed: pyftpdlib keeps back its answer to a wrong password, and says `530 Log in with USER and PASS first.` to what came
/// behind it.
fn denied(step: Awaited, reply: &Reply) -> String {
    match (reply.code.get(), step) {
        (530, Awaited::Command("USER" | "PASS" | "ACCT")) => {
            format!("the server refuses this user or password, and says: {reply}")
        }
        (530, Awaited::Command(_)) => "the server refuses this user or password (530)".to_owned(),
        _ => format!("the server refuses the login at {}: {reply}", step.verb()),
    }
}

fn said(reply: Option<&Reply>) -> String {
    reply.map_or_else(String::new, |reply| format!(": {reply}"))
}
