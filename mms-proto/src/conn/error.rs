//! Why a connection is of no more use.

use thiserror::Error;

use super::Awaited;
use crate::wire::WireError;

/// The end of a connection. The first one is final, and every later call repeats it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer's bytes break a rule.
    #[error("malformed: {0}")]
    Malformed(#[from] WireError),
    /// A well-formed message that has no place here.
    #[error("{what} while {awaiting} was awaited")]
    OutOfOrder {
        /// What came.
        what: &'static str,
        /// What should have come.
        awaiting: Awaited,
    },
    /// More than is allowed.
    #[error("more than {max} {what}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How much there may be.
        max: u64,
    },
    /// The peer took longer than allowed.
    #[error("no answer from the server while {0} was awaited")]
    TimedOut(Awaited),
    /// The connection ended.
    #[error("the connection ended while {0} was awaited")]
    Closed(Awaited),
    /// The caller asked for something while something else was under way. Not final.
    #[error("called out of order: {0}")]
    Misuse(&'static str),
}
