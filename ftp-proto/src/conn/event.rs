//! What goes into the machine and what comes out of it.

use std::fmt;
use std::io;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::{DataEnd, Ending};
use crate::wire::{Reply, Timestamp};

/// Something that happened outside.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// Bytes of the control connection. The machine takes whole replies and leaves the tail.
    Received(&'a mut BytesMut),
    /// The control connection ended, cleanly or not.
    Closed,
    /// The data connection of the last [`Output::ConnectData`] stands.
    DataConnected,
    /// This many bytes were read from the data connection.
    DataRead(u64),
    /// The data connection ended, or could not be made; the driver has closed it.
    DataEnded(DataEnd),
    /// The deadline of the last [`Output::Wait`] may have passed.
    Timeout,
}

impl Input<'_> {
    /// A data connection that could not be made.
    pub fn not_connected(error: &io::Error) -> Self {
        Self::DataEnded(DataEnd::NotConnected(error.kind()))
    }
}

/// What the driver has to do. `Debug` does not show what is to be sent.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Send these bytes on the control connection. May hold a password.
    Transmit(Bytes),
    /// Make a data connection to this port of the control connection's peer.
    ConnectData(u16),
    /// Close the data connection, or give up making it.
    CloseData,
    /// Tell the caller.
    Event(Event),
    /// Nothing more to do until something happens, or until this instant.
    Wait(Option<Instant>),
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transmit(bytes) => write!(f, "Transmit({} bytes)", bytes.len()),
            Self::ConnectData(port) => write!(f, "ConnectData({port})"),
            Self::CloseData => f.write_str("CloseData"),
            Self::Event(event) => write!(f, "Event({event:?})"),
            Self::Wait(deadline) => write!(f, "Wait({deadline:?})"),
        }
    }
}

/// What the caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The login is complete; the server takes binary transfers.
    LoggedIn,
    /// The server does not let us in. The connection is of no more use.
    LoginRefused {
        /// The step that was refused.
        step: Awaited,
        /// What the server said.
        reply: Reply,
    },
    /// Answer to [`stat`](super::Connection::stat) and [`arm`](super::Connection::arm).
    Facts(FileFacts),
    /// The directory of the file cannot be entered.
    PathRefused(Reply),
    /// The server opens no port for data. `None`: it does, but says unreadably which.
    PassiveRefused(Option<Reply>),
    /// The transfer has begun.
    Accepted,
    /// The server does not start, or end, where it was asked to. The connection is ready for something else.
    StartRefused(Reply),
    /// The server does not send the file. The connection is ready for something else.
    Refused(Reply),
    /// The transfer is over.
    Ended(Ending),
}

/// What the server says about a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileFacts {
    /// Length in bytes, in binary mode.
    pub size: Option<u64>,
    /// When it was last changed, by `MDTM`.
    pub mdtm: Option<Timestamp>,
    /// When it was last changed, by the `MLST` fact `modify`; it need not agree with `MDTM` on old servers.
    pub modify: Option<Timestamp>,
    /// The `MLST` fact `unique`: equal for two names of the same file.
    pub unique: Option<Bytes>,
    /// `MLST` says that it is a directory.
    pub is_directory: bool,
    /// Every question that the server understood was refused; this is the last refusal.
    pub refusal: Option<Reply>,
}

/// What a reply is awaited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Awaited {
    /// The first words of the server.
    Greeting,
    /// The answer to this command.
    Command(&'static str),
    /// Nothing: the session is idle.
    Nothing,
}

impl FileFacts {
    /// When the file was last changed, as far as anything says so.
    pub fn modified(&self) -> Option<Timestamp> {
        self.mdtm.or(self.modify)
    }

    /// Whether any answer shows that there is something under this name.
    pub(super) fn is_found(&self) -> bool {
        self.size.is_some() || self.modified().is_some() || self.unique.is_some()
    }

    /// A refusal counts only if nothing else is known.
    pub(super) fn judged(self) -> Self {
        let refusal = if self.is_found() { None } else { self.refusal };
        Self { refusal, ..self }
    }
}

impl Awaited {
    /// The verb of the command, or what else is awaited.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Greeting => "the greeting",
            Self::Command(verb) => verb,
            Self::Nothing => "nothing",
        }
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Greeting => f.write_str("the greeting"),
            Self::Command(verb) => write!(f, "the answer to {verb}"),
            Self::Nothing => f.write_str("nothing"),
        }
    }
}
