//! What a machine has to know beforehand.

use std::time::Duration;

/// Who we say that we are. Servers decide by it what they send.
///
/// Spec: MMSP 2.2.4.2, WMSP 2.2.1.8
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Identity {
    /// A player. Servers remove the padding of packets for it.
    Player {
        /// Names this client: a GUID in hexadecimal digits and hyphens, without braces.
        guid: String,
    },
    /// An old server that relays. Servers are told to leave the padding in place for it, and select all streams.
    Relay {
        /// As above.
        guid: String,
    },
}

/// How long each thing may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waits {
    /// One answer of the dialogue before the media.
    pub answer: Duration,
    /// The whole header, from asking for it: it may be sent at the rate of the media.
    pub header: Duration,
    /// The first packet after the start. A server that is asked for more than there is says nothing at all.
    pub first_packet: Duration,
    /// The word that a stream which was stopped has ended.
    pub stop: Duration,
}

impl Default for Waits {
    /// 15 s, 30 s, 20 s and 5 s.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { answer: seconds(15), header: seconds(30), first_packet: seconds(20), stop: seconds(5) }
    }
}

/// How much there may be of each thing that the server determines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The ASF header, in bytes.
    pub header_len: usize,
    /// Packets that do not belong to what was asked for, in bytes, before the session is given up.
    pub stale: u64,
    /// Questions for credentials in one session.
    pub challenges: u8,
}

impl Default for Limits {
    /// 1 MiB, 16 MiB, and 6.
    fn default() -> Self {
        Self { header_len: 1 << 20, stale: 16 << 20, challenges: 6 }
    }
}
