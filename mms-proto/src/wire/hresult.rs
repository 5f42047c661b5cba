//! The words in which servers of Microsoft's say no.

use std::fmt;

/// A result code, in messages of MMST and in the end of an MMSH stream. Bit 31 set is a failure.
///
/// Spec: MMSP 2.2.4, and the tables of error codes of Windows (facilities 0x007 and 0x00D)
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hresult(pub u32);

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Blame {
    /// There is no such file.
    NotFound,
    /// Credentials are missing or wrong.
    Denied,
    /// The server has too much to do: later, and with fewer sessions.
    Busy,
    /// By chance: again.
    Transient,
    /// This way of carrying does not work there: another one.
    Transport,
    /// The dialogue went wrong: again, on another connection.
    Dialogue,
    /// There is nothing more.
    End,
    /// It will not be otherwise next time.
    Permanent,
    /// Nobody knows.
    Unknown,
}

/// Code, name, what to do.
const NAMES: &[(u32, &str, Blame)] = &[
    (0x8000_FFFF, "unexpected failure", Blame::Transient),
    (0x8007_0002, "file not found", Blame::NotFound),
    (0x8007_0003, "path not found", Blame::NotFound),
    (0x8007_0005, "access denied", Blame::Denied),
    (0x8007_0057, "invalid argument", Blame::Dialogue),
    (0xC00D_0005, "no connection", Blame::Transient),
    (0xC00D_0006, "cannot connect", Blame::Transient),
    (0xC00D_000C, "no transport agreed on", Blame::Transport),
    (0xC00D_000E, "network busy", Blame::Busy),
    (0xC00D_000F, "too many sessions", Blame::Busy),
    (0xC00D_0012, "protocol mismatch", Blame::Transport),
    (0xC00D_0013, "timed out", Blame::Transient),
    (0xC00D_0014, "network write failed", Blame::Transient),
    (0xC00D_0015, "network read failed", Blame::Transient),
    (0xC00D_001A, "file not found", Blame::NotFound),
    (0xC00D_001C, "invalid name", Blame::Permanent),
    (0xC00D_0020, "the file cannot be played", Blame::Dialogue),
    (0xC00D_0025, "busy", Blame::Busy),
    (0xC00D_0026, "unrecognised stream type", Blame::Permanent),
    (0xC00D_0028, "network service failed", Blame::Transient),
    (0xC00D_0029, "network connection failed", Blame::Transient),
    (0xC00D_002B, "invalid request in this state", Blame::Dialogue),
    (0xC00D_002C, "insufficient bandwidth", Blame::Busy),
    (0xC00D_002F, "invalid data", Blame::Permanent),
    (0xC00D_0030, "bandwidth limit of the file reached", Blame::Busy),
    (0xC00D_0031, "limit of open files reached", Blame::Busy),
    (0xC00D_0033, "no stream", Blame::End),
    (0xC00D_0034, "end of the stream", Blame::End),
    (0xC00D_0035, "server not found", Blame::Permanent),
];

impl Hresult {
    /// Everything is as it should be.
    pub const OK: Self = Self(0);
    /// Success with a remark; at the end of a stream: something else follows.
    pub const FALSE: Self = Self(1);

    /// Whether it is a failure. Small numbers other than 0 are none.
    pub fn is_failure(self) -> bool {
        self.0 & 0x8000_0000 != 0
    }

    /// What to do about it; `None` if it is no failure.
    pub fn blame(self) -> Option<Blame> {
        let known = NAMES.iter().find(|(code, ..)| *code == self.without_customer_bit());
        self.is_failure().then(|| known.map_or(Blame::Unknown, |(_, _, blame)| *blame))
    }

    /// The words for it, if it is a known failure.
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(code, ..)| *code == self.without_customer_bit()).map(|(_, name, _)| *name)
    }

    /// Vendors may set bit 29 in codes of their own, which mean the same here.
    fn without_customer_bit(self) -> u32 {
        self.0 & !0x2000_0000
    }
}

impl fmt::Debug for Hresult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hresult({:#010x})", self.0)
    }
}

impl fmt::Display for Hresult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({:#010x})", self.0),
            None => write!(f, "code {:#010x}", self.0),
        }
    }
}
