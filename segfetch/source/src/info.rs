//! What a probe can tell about a file and its server.

use std::fmt;

use crate::Validator;

/// How long a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Extent {
    /// Exactly this many bytes.
    Known(u64),
    /// At least this many bytes.
    AtLeast(u64),
    /// It grows while it is read.
    Growing,
    /// Not stated.
    Unknown,
}

impl Extent {
    /// The exact length in bytes, if it is known.
    pub fn known(self) -> Option<u64> {
        match self {
            Self::Known(len) => Some(len),
            _ => None,
        }
    }
}

/// Where a stream can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Access {
    /// At any byte.
    Random,
    /// Only at the beginning, as often as wanted.
    FromStartOnly,
    /// Once, from where it is: a live stream.
    Sequential,
}

/// Names the server whose limits this source shares: host, port and account. No secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostKey(String);

impl HostKey {
    /// A key from the parts of an address that the server counts sessions by.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostKey({})", self.0)
    }
}

impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How many streams the server carries at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Sessions {
    /// The most that the server is known to allow; `None` if that is not known.
    pub max: Option<u16>,
    /// Several streams share one connection, so that more of them do not go faster.
    pub shares_connection: bool,
}

impl Sessions {
    /// Any number, each on a connection of its own.
    pub fn unlimited() -> Self {
        Self::default()
    }

    /// At most `max` at once.
    pub fn at_most(max: u16) -> Self {
        Self { max: Some(max), shares_connection: false }
    }
}

/// What starting and ending a stream costs, in round trips.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Cost {
    /// Round trips from asking to the first byte on a warm session.
    pub open_round_trips: u8,
    /// Round trips until a stopped session can carry the next stream.
    pub stop_round_trips: u8,
    /// Whether a session survives an early stop.
    pub stop_keeps_session: bool,
}

impl Cost {
    /// A cost from round trips to open and to stop.
    pub fn new(open_round_trips: u8, stop_round_trips: u8, stop_keeps_session: bool) -> Self {
        Self { open_round_trips, stop_round_trips, stop_keeps_session }
    }
}

impl Default for Cost {
    /// A protocol that needs a new connection for every stream: three round trips, nothing kept.
    fn default() -> Self {
        Self::new(3, 0, false)
    }
}

/// How fast a healthy server sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Pace {
    /// As fast as the network takes it.
    #[default]
    AsFastAsPossible,
    /// At the rate of the media, in bytes per second; slower than peers is not a fault.
    RealTime {
        /// The nominal rate.
        bytes_per_second: u64,
    },
}

/// A hash function that a server can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DigestAlgorithm {
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-512, 64 bytes.
    Sha512,
    /// SHA-1, 20 bytes: finds accidents, proves nothing against an adversary.
    Sha1,
    /// MD5, 16 bytes: finds accidents, proves nothing against an adversary.
    Md5,
}

/// The hash of the whole file, as the server states it, or as a caller expects it.
///
/// The `segfetch` engine computes SHA-256 alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Digest {
    /// The hash function.
    pub algorithm: DigestAlgorithm,
    /// The raw hash.
    pub bytes: Vec<u8>,
}

impl Digest {
    /// A digest from its raw bytes.
    pub fn new(algorithm: DigestAlgorithm, bytes: impl Into<Vec<u8>>) -> Self {
        Self { algorithm, bytes: bytes.into() }
    }
}

/// The answer of [`RangeSource::probe`](crate::RangeSource::probe).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceInfo {
    /// Length in bytes, as far as it is known.
    pub extent: Extent,
    /// Where streams can start.
    pub access: Access,
    /// What the file is recognised by.
    pub validator: Validator,
    /// How many streams at once.
    pub sessions: Sessions,
    /// Price of a stream.
    pub cost: Cost,
    /// Speed of a healthy stream.
    pub pace: Pace,
    /// Whether [`End::Exact`](crate::End::Exact) is kept by the server.
    pub exact_ends: bool,
    /// The last part of the file's name, as bytes that the server gave. Hostile: check before using it as a path.
    pub name: Option<Vec<u8>>,
    /// When the file was last changed, as seconds since 1970-01-01 UTC and nanoseconds. Without it, a target that exists is never
    /// known to be this file.
    pub modified: Option<(i64, u32)>,
    /// Whole-file digest, if the server states one. The `segfetch` engine checks a SHA-256 before a file gets its name, unless the
    /// caller expects another one. Other algorithms are not computed, and ignored; so is any by its readers.
    pub digest: Option<Digest>,
}

impl SourceInfo {
    /// What a probe knows at least; everything else starts as "not known".
    pub fn new(extent: Extent, access: Access) -> Self {
        Self {
            extent,
            access,
            validator: Validator::none(),
            sessions: Sessions::unlimited(),
            cost: Cost::default(),
            pace: Pace::default(),
            exact_ends: false,
            name: None,
            modified: None,
            digest: None,
        }
    }

    /// The same with a validator.
    #[must_use]
    pub fn with_validator(mut self, validator: Validator) -> Self {
        self.validator = validator;
        self
    }

    /// The same with a limit of sessions.
    #[must_use]
    pub fn with_sessions(mut self, sessions: Sessions) -> Self {
        self.sessions = sessions;
        self
    }

    /// The same with a price.
    #[must_use]
    pub fn with_cost(mut self, cost: Cost) -> Self {
        self.cost = cost;
        self
    }

    /// The same with a pace.
    #[must_use]
    pub fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// The same, saying whether exact ends are kept.
    #[must_use]
    pub fn with_exact_ends(mut self, exact: bool) -> Self {
        self.exact_ends = exact;
        self
    }

    /// The same with the file's own name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<Vec<u8>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The same with the time of the last change: seconds since 1970-01-01 UTC, and nanoseconds.
    #[must_use]
    pub fn with_modified(mut self, seconds: i64, nanoseconds: u32) -> Self {
        self.modified = Some((seconds, nanoseconds));
        self
    }

    /// The same with a whole-file digest.
    #[must_use]
    pub fn with_digest(mut self, digest: Digest) -> Self {
        self.digest = Some(digest);
        self
    }
}
