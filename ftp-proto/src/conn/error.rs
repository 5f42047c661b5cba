//! Why a control connection is of no more use.

use thiserror::Error;

use super::Awaited;
use crate::wire::{Reply, ReplyError};

/// The end of a control connection. The first one is final, and every later call repeats it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer's bytes are no reply.
    #[error("malformed: {0}")]
    Malformed(#[from] ReplyError),
    /// A reply that answers nothing, or more preliminary replies than any server needs.
    #[error("too many stray replies while {awaiting} was awaited, the last one {reply}")]
    Stray {
        /// What should have come.
        awaiting: Awaited,
        /// What came.
        reply: Reply,
    },
    /// The server lost or confused commands that were sent together. Log in again with [`Quirks::serial`](super::Quirks::serial),
    /// which is set.
    #[error("the server does not take commands that are sent together")]
    Pipelining,
    /// The peer took longer than allowed.
    #[error("no answer from the server while {0} was awaited")]
    TimedOut(Awaited),
    /// The server ends the session (421).
    #[error("the server closes the session: {0}")]
    Closing(Reply),
    /// The control connection ended.
    #[error("the control connection ended while {0} was awaited")]
    Closed(Awaited),
    /// The caller asked for something while something else was under way. Not final.
    #[error("called out of order: {0}")]
    Misuse(&'static str),
}
