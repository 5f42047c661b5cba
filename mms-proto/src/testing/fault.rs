//! Faults: what goes wrong on some occasions only.

use std::sync::Mutex;

use bytes::Bytes;

use super::lock;

/// A step of the dialogue, named by what the client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Connect (MMST).
    Connect,
    /// FunnelInfo (MMST).
    FunnelInfo,
    /// ConnectFunnel (MMST).
    ConnectFunnel,
    /// OpenFile (MMST).
    OpenFile,
    /// ReadBlock (MMST).
    ReadBlock,
    /// StreamSwitch (MMST).
    StreamSwitch,
    /// StartPlaying (MMST).
    StartPlaying,
    /// StopPlaying (MMST).
    StopPlaying,
    /// A request for the header alone (MMSH).
    Describe,
    /// A request for media (MMSH).
    Play,
    /// The media of a play, whatever the transport.
    Media,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The answer carries this result code, and nothing follows from the request; a code without the failure bit changes nothing else.
    /// On MMSH it is an HTTP status. [`Step::Media`] has no answer, and cannot be refused.
    Refused(Step, u32),
    /// Nothing is sent for this step.
    Silence(Step),
    /// The connection closes instead of an answer.
    HangUp(Step),
    /// These bytes are sent instead of an answer, and then MMSH closes; at [`Step::Media`] they come before the first
    /// packet, and all goes on.
    Bytes(Step, Bytes),
    /// The client is asked to go there: ReportRedirect instead of ReportOpenFile.
    Redirect(String),
    /// The same with the type that names a proxy.
    RedirectToProxy(String),
    /// MMSH redirects by this status, 301, 302 or 305.
    HttpRedirect(u16, String),
    /// The connection closes after so many packets of a play.
    Cut {
        /// Packets sent before.
        after: u32,
    },
    /// The connection falls silent after so many packets of a play.
    Stall {
        /// Packets sent before.
        after: u32,
    },
    /// These bytes come between two packets of a play, once.
    Between {
        /// Packets sent before.
        after: u32,
        /// As they are on the connection.
        bytes: Bytes,
    },
}

impl Fault {
    /// The steps at which the fault is due.
    fn is_at(&self, step: Step) -> bool {
        match self {
            Fault::Refused(at, _) | Fault::Silence(at) | Fault::HangUp(at) | Fault::Bytes(at, _) => *at == step,
            Fault::Redirect(_) | Fault::RedirectToProxy(_) => step == Step::OpenFile,
            Fault::HttpRedirect(..) => matches!(step, Step::Describe | Step::Play),
            Fault::Cut { .. } | Fault::Stall { .. } | Fault::Between { .. } => step == Step::Media,
        }
    }
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

    /// Counts an occasion for every fault of this step, and returns the first that is due.
    pub(super) fn due(&self, step: Step) -> Option<Fault> {
        let mut due = None;
        for armed in lock(&self.0).iter_mut().filter(|armed| armed.fault.is_at(step)) {
            armed.seen += 1;
            if due.is_none() && armed.when.holds(armed.seen) {
                due = Some(armed.fault.clone());
            }
        }
        due
    }
}
