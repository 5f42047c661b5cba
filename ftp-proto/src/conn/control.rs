//! The expect queue: which command each reply belongs to.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::Awaited;
use crate::wire::{Arg, Command, Iac};

/// A reply that is awaited, and what is needed when it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    Greeting,
    User,
    Pass,
    Acct,
    Feat,
    Type,
    Pwd,
    /// Into this directory; `None` is the login directory.
    Cwd(Option<Arg>),
    Size,
    Mdtm,
    Mlst,
    Epsv,
    Pasv,
    Rest,
    Rang,
    Retr,
    /// `NOOP` before work on a session that has been idle for long.
    Check,
    /// `NOOP` after a stop without a last word. Only its own 200 ends it.
    Fence,
    Quit,
}

impl Expect {
    pub(super) fn awaited(&self) -> Awaited {
        Awaited::Command(match self {
            Self::Greeting => return Awaited::Greeting,
            Self::User => "USER",
            Self::Pass => "PASS",
            Self::Acct => "ACCT",
            Self::Feat => "FEAT",
            Self::Type => "TYPE",
            Self::Pwd => "PWD",
            Self::Cwd(_) => "CWD",
            Self::Size => "SIZE",
            Self::Mdtm => "MDTM",
            Self::Mlst => "MLST",
            Self::Epsv => "EPSV",
            Self::Pasv => "PASV",
            Self::Rest => "REST",
            Self::Rang => "RANG",
            Self::Retr => "RETR",
            Self::Check | Self::Fence => "NOOP",
            Self::Quit => "QUIT",
        })
    }
}

/// Commands on their way out, and the replies that they owe.
///
/// ```text
///   plan(command) --> planned --flush--> pending --final reply--> pop
///                               ^
///                               one at a time if `serial` or while the greeting is awaited; else all at once
/// ```
///
/// Spec: RFC 959 section 4.2: a reply to each command, in order
pub(super) struct Control {
    planned: VecDeque<(Command, Expect)>,
    pending: VecDeque<Expect>,
    out: BytesMut,
    pub(super) serial: bool,
    /// When the front of `pending` is overdue.
    deadline: Option<Instant>,
    /// When the front of `pending` was sent, if nothing was pending then: the next reply measures a round trip.
    sent: Option<Instant>,
    round_trip: Option<Duration>,
}

/// Without the bytes on their way out, which may hold a password.
impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("planned", &self.planned)
            .field("pending", &self.pending)
            .field("serial", &self.serial)
            .field("round_trip", &self.round_trip)
            .finish_non_exhaustive()
    }
}

impl Control {
    /// A queue that awaits the greeting.
    pub(super) fn new(serial: bool, greeting_by: Instant) -> Self {
        Self {
            planned: VecDeque::new(),
            pending: VecDeque::from([Expect::Greeting]),
            out: BytesMut::new(),
            serial,
            deadline: Some(greeting_by),
            sent: None,
            round_trip: None,
        }
    }

    pub(super) fn plan(&mut self, command: Command, expect: Expect) {
        self.planned.push_back((command, expect));
    }

    /// Plans a command that has to go out before all others.
    pub(super) fn plan_next(&mut self, command: Command, expect: Expect) {
        self.planned.push_front((command, expect));
    }

    /// Forgets the planned commands that await `unwanted`; returns how many there were.
    pub(super) fn forget(&mut self, unwanted: impl Fn(&Expect) -> bool) -> usize {
        let before = self.planned.len();
        self.planned.retain(|(_, expect)| !unwanted(expect));
        before.saturating_sub(self.planned.len())
    }

    /// Moves what may be sent now to the transmit buffer.
    pub(super) fn flush(&mut self, now: Instant, iac: Iac, reply_within: Duration) {
        while let Some((command, expect)) = self.planned.front() {
            let alone = self.serial || self.pending.front() == Some(&Expect::Greeting);
            if alone && !self.pending.is_empty() {
                return;
            }
            command.encode_with(&mut self.out, iac);
            if self.pending.is_empty() {
                self.sent = Some(now);
                self.deadline = Some(now + reply_within);
            }
            self.pending.push_back(expect.clone());
            self.planned.pop_front();
        }
    }

    pub(super) fn take_output(&mut self) -> Option<Bytes> {
        (!self.out.is_empty()).then(|| self.out.split().freeze())
    }

    pub(super) fn front(&self) -> Option<&Expect> {
        self.pending.front()
    }

    pub(super) fn awaited(&self) -> Awaited {
        self.pending.front().map_or(Awaited::Nothing, Expect::awaited)
    }

    /// Takes the expectation that a final reply answers.
    pub(super) fn pop(&mut self, now: Instant, reply_within: Duration) -> Option<Expect> {
        let expect = self.pending.pop_front()?;
        if let Some(sent) = self.sent.take()
            && !matches!(expect, Expect::Retr | Expect::Pass)
        {
            self.measure(now.saturating_duration_since(sent));
        }
        self.deadline = (!self.pending.is_empty()).then(|| now + reply_within);
        Some(expect)
    }

    /// A preliminary reply: the peer is alive, the same reply is still owed.
    pub(super) fn extend(&mut self, now: Instant, reply_within: Duration) {
        self.deadline = Some(now + reply_within);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.planned.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.planned.clear();
        self.pending.clear();
        self.out.clear();
        self.deadline = None;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn shorten_deadline(&mut self, by: Instant) {
        self.deadline = Some(self.deadline.map_or(by, |deadline| deadline.min(by)));
    }

    /// Smoothed time from a command to its reply; `None` before the first one.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    fn measure(&mut self, sample: Duration) {
        // RFC 6298's weights: one eighth of what is new.
        self.round_trip = Some(self.round_trip.map_or(sample, |old| old.saturating_mul(7).saturating_add(sample) / 8));
    }
}
