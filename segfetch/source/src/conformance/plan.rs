//! Which streams of a [`MemorySource`](super::MemorySource) go wrong, and how.

use crate::ErrorClass;

/// One way for a stream to go wrong. Byte counts are of the body as delivered on that stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The open fails with this class.
    Refused(ErrorClass),
    /// An open at any other byte than 0 fails with [`ErrorClass::RangeNotSupported`].
    RangeNotSupported,
    /// The open is never answered.
    Unanswered,
    /// The stream is reset after this many bytes.
    Transient {
        /// Bytes that still come.
        after: u64,
    },
    /// Nothing more comes after this many bytes, and the stream stays open.
    Silent {
        /// Bytes that still come.
        after: u64,
    },
    /// The stream says [`Step::End`](crate::Step::End) after this many bytes, wherever it is then: a server that lies.
    ShortEnd {
        /// Bytes that still come.
        after: u64,
    },
    /// All bytes come, the end does not.
    Unconfirmed,
    /// So many bytes come behind the place where the stream should end.
    ExtraBytes(u64),
    /// The stream starts so many bytes behind the one asked for, and says so.
    StartsLate(u64),
    /// The stream starts so many bytes before the one asked for, at most at 0, and says so.
    StartsEarly(u64),
    /// The stream says that it starts where asked, and delivers the file from byte 0.
    IgnoresStart,
    /// The answer carries a validator that is not the one of the probe.
    OtherValidator,
}

/// A script of failures by the number of the open, counted from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailPlan {
    /// First open, last open (inclusive), what happens.
    rules: Vec<(u64, u64, Failure)>,
}

impl FailPlan {
    /// Nothing fails.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, and every open fails so.
    #[must_use]
    pub fn always(self, failure: Failure) -> Self {
        self.from_open(1, failure)
    }

    /// The same, and the `n`-th open from when the plan is set fails so. The first is 1.
    #[must_use]
    pub fn on_open(mut self, n: u64, failure: Failure) -> Self {
        self.rules.push((n, n, failure));
        self
    }

    /// The same, and every open from the `n`-th on fails so.
    #[must_use]
    pub fn from_open(mut self, n: u64, failure: Failure) -> Self {
        self.rules.push((n, u64::MAX, failure));
        self
    }

    /// What happens to the `n`-th open.
    pub(super) fn for_open(&self, n: u64) -> Vec<Failure> {
        self.rules.iter().filter(|(first, last, _)| (*first..=*last).contains(&n)).map(|(_, _, what)| *what).collect()
    }
}
