//! Why bytes are not what they should be.

use thiserror::Error;

/// Bytes that break a rule of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{rule} (offset {offset} of {what})")]
#[non_exhaustive]
pub struct WireError {
    /// Of which message.
    pub what: &'static str,
    /// How many bytes from its beginning.
    pub offset: usize,
    /// What is broken, as a sentence without a full stop.
    pub rule: &'static str,
}

impl WireError {
    /// `rule` is broken `offset` bytes into `what`.
    pub fn new(what: &'static str, offset: usize, rule: &'static str) -> Self {
        Self { what, offset, rule }
    }
}
