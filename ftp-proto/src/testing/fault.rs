//! One-off misbehaviour of the honest server.

use std::sync::Mutex;

use super::lock;

/// Something that goes wrong; handed to [`Server::fault`](super::Server::fault).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// This text instead of the reply to the command (`"greeting"` for the greeting). The command has no effect.
    /// A code of 421 closes the connection.
    Reply(&'static str, &'static str),
    /// The control connection is closed instead of a reply to the command, or the greeting.
    HangUp(&'static str),
    /// The command, or the greeting, never gets a reply; all that comes after it is read and ignored.
    Silence(&'static str),
    /// The data connection ends after so many bytes of a RETR. Then comes the reply, if there is one; without one the
    /// control connection is silent from then on. A code of 421 closes the connection.
    Cut {
        /// Bytes sent before the end.
        after: u64,
        /// How the data connection ends.
        end: Ending,
        /// The final reply.
        reply: Option<&'static str>,
    },
    /// After so many bytes of a RETR nothing more comes; all connections stay open.
    Stall {
        /// Bytes sent before.
        after: u64,
    },
    /// The file comes whole and the data connection ends, but the control connection is silent from then on.
    SilentEnd,
    /// The file comes whole and the data connection ends, and then comes this reply instead of the one that confirms it.
    /// A code of 421 closes the connection.
    LastWord(&'static str),
    /// Control and data connection are reset after so many bytes of a RETR, as when a server process is killed.
    Kill {
        /// Bytes sent before.
        after: u64,
    },
    /// The control connection closes after so many bytes of a RETR; the data goes on to its end.
    LoseControl {
        /// Bytes sent before.
        after: u64,
    },
    /// RETR starts this many bytes before the offset that REST was granted (negative: after it), when that is above `above`.
    /// `back: i64::MAX, above: 0` is a server that answers 350 and sends from the start; `above: 1 << 31` is one with an
    /// offset of 32 bits.
    WrongOffset {
        /// Bytes by which the start is early.
        back: i64,
        /// Offsets up to this one are right.
        above: u64,
    },
    /// SIZE is wrong by so many bytes.
    WrongSize(i64),
}

impl Fault {
    /// REST is granted and ignored: every RETR sends from the start.
    pub const REST_IGNORED: Fault = Fault::WrongOffset { back: i64::MAX, above: 0 };

    /// The command on which the fault is due.
    fn verb(&self) -> &str {
        match self {
            Fault::Reply(verb, _) | Fault::HangUp(verb) | Fault::Silence(verb) => verb,
            Fault::WrongSize(_) => "SIZE",
            _ => RETR_DATA,
        }
    }

    /// Bytes of a transfer after which the fault happens.
    pub(super) fn after(&self) -> Option<u64> {
        match self {
            Fault::Cut { after, .. }
            | Fault::Stall { after }
            | Fault::Kill { after }
            | Fault::LoseControl { after } => Some(*after),
            _ => None,
        }
    }
}

/// The pseudo verb of a fault in a transfer of a file that was found.
pub(super) const RETR_DATA: &str = "RETR data";
/// The pseudo verb of a fault in the greeting.
pub(super) const GREETING: &str = "greeting";

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// In order: what was sent arrives, then the end of file.
    Fin,
    /// By a reset: what was sent may be lost.
    Rst,
}

/// On which of its occasions, counted over all sessions from the moment it is set, a fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum When {
    /// The n-th alone; 1 is the next one.
    Nth(u64),
    /// The next n.
    Next(u64),
    /// The n-th and all that follow.
    From(u64),
    /// All.
    Always,
}

impl When {
    fn holds(self, occasion: u64) -> bool {
        match self {
            When::Nth(n) => occasion == n,
            When::Next(n) => occasion <= n,
            When::From(n) => occasion >= n,
            When::Always => true,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Armed>>);

#[derive(Debug)]
struct Armed {
    fault: Fault,
    when: When,
    seen: u64,
}

impl Faults {
    pub(super) fn set(&self, when: When, fault: Fault) {
        lock(&self.0).push(Armed { fault, when, seen: 0 });
    }

    pub(super) fn clear(&self) {
        lock(&self.0).clear();
    }

    /// Counts an occasion for every fault of this verb, and returns the first that is due.
    pub(super) fn due(&self, verb: &str) -> Option<Fault> {
        let mut due = None;
        for armed in lock(&self.0).iter_mut().filter(|armed| armed.fault.verb() == verb) {
            armed.seen += 1;
            if due.is_none() && armed.when.holds(armed.seen) {
                due = Some(armed.fault.clone());
            }
        }
        due
    }
}
