//! Asking for a stream, and what the answer says.

use std::num::{NonZeroU64, NonZeroUsize};

use crate::{Extent, Validator};

/// What the engine tells a source about the call; made by the engine only.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SourceContext {
    /// How many attempts without progress preceded this one, for the source's log; 0 on the first.
    pub attempt: u32,
}

impl SourceContext {
    /// The context of a first attempt.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with the number of attempts that came before.
    #[must_use]
    pub fn with_attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }
}

/// Where the engine means to end a stream. Offsets are absolute and exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum End {
    /// Ask the server to end exactly here if it can. The engine asks for an end behind the start only.
    Exact(u64),
    /// Probably here, but the engine may read on; do not spend anything on the end.
    Soft(u64),
    /// At the end of the file.
    Open,
}

/// A request for a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenRequest {
    /// First byte wanted.
    pub start: u64,
    /// Where the engine means to stop.
    pub end: End,
    /// What the file must still be; checked by the source where that costs nothing, by the engine in any case.
    pub expect: Option<Validator>,
}

impl OpenRequest {
    /// A request for everything from `start` on.
    pub fn from(start: u64) -> Self {
        Self { start, end: End::Open, expect: None }
    }

    /// The same with an intended end.
    #[must_use]
    pub fn with_end(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    /// The same with a validator that must still hold.
    #[must_use]
    pub fn expecting(mut self, validator: Validator) -> Self {
        self.expect = Some(validator);
        self
    }
}

/// What the server answered when it accepted a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// Offset of the first byte that [`read`](crate::RangeReader::read) will deliver; at most the one asked for.
    pub start: u64,
    /// Where the stream ends by itself, with [`Step::End`], if that is before the end of the file. Exclusive. To be said wherever
    /// [`End::Exact`] is kept.
    pub ends_at: Option<u64>,
    /// Length of the file as this answer states it.
    pub extent: Extent,
    /// Validator as this answer states it; `None` where the answer says nothing of it.
    pub validator: Option<Validator>,
}

impl Opened {
    /// A stream that starts at `start`, about which nothing more is known.
    pub fn at(start: u64) -> Self {
        Self { start, ends_at: None, extent: Extent::Unknown, validator: None }
    }

    /// The same with the end that the server will keep.
    #[must_use]
    pub fn with_ends_at(mut self, end: u64) -> Self {
        self.ends_at = Some(end);
        self
    }

    /// The same with the length that the server stated.
    #[must_use]
    pub fn with_extent(mut self, extent: Extent) -> Self {
        self.extent = extent;
        self
    }

    /// The same with the validator that the server stated.
    #[must_use]
    pub fn with_validator(mut self, validator: Validator) -> Self {
        self.validator = Some(validator);
        self
    }
}

/// What one call of [`read`](crate::RangeReader::read) brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// This many bytes were put into the space.
    Bytes(NonZeroUsize),
    /// This many bytes will not come on this stream; what follows lies behind them.
    Skip(NonZeroU64),
    /// The peer confirmed that the stream is complete: at the end of the file, or at [`Opened::ends_at`].
    End,
}
