//! The machine for one `RETR`: three things that happen in any order, and what they amount to.

use std::io;
use std::time::Instant;

use super::Waits;
use crate::wire::Reply;

/// How the data connection ended, as the driver saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataEnd {
    /// End of file.
    Eof,
    /// It broke after it had been made.
    Broken(io::ErrorKind),
    /// It could not be made.
    NotConnected(io::ErrorKind),
}

/// How a transfer ended that the server had not refused and that nobody stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The server confirmed it (2xx), and the number of bytes is right as far as it is known.
    Complete,
    /// Exactly the bytes due have come, but no confirmation: the control channel is silent, gone, or says otherwise.
    Unconfirmed,
    /// The server confirmed it, but this many bytes are missing.
    Short(u64),
    /// More bytes came than are due: the file grew, or the server did not start where it said.
    Overrun,
    /// The server gave up in the middle.
    Aborted(Reply),
    /// The data connection could not be made.
    NotConnected(io::ErrorKind),
    /// The data connection broke.
    Broken(io::ErrorKind),
    /// The data ended, and the control channel is silent or gone; how many bytes are due is not known or not reached.
    Lost,
}

/// What a transfer came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Ended(Ending),
    /// The server would not send the file.
    Refused(Reply),
    /// The server would not start, or end, where it was asked to.
    StartRefused(Reply),
    /// It was stopped, and the server has said its last word on it.
    Stopped,
}

/// What the passing of time calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// The server has not answered `RETR` at all, or not in time after the end of the data.
    Silent,
    /// No word after a stop: it may never come, so a fence is needed.
    Fence,
}

/// What is known of `REST` or `RANG`.
#[derive(Debug, PartialEq, Eq)]
enum Start {
    /// Not sent: the transfer starts at 0 by itself.
    Plain,
    Asked,
    Confirmed,
    Refused(Reply),
}

/// What the server has said to `RETR`.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    /// 125 or 150.
    Opening,
    Done,
    Failed(Reply),
    /// The control channel is gone; nothing more will be said.
    Gone,
}

/// What has become of the data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Data {
    Connecting,
    Open,
    Ended(DataEnd),
    /// Closed by this side before its end.
    Closed,
}

/// One `RETR`.
///
/// Two dialogues run beside each other, and every interleaving of them is met in the field:
///
/// ```text
///   control:  Nothing --1xx--> Opening --2xx--> Done          data:  Connecting --> Open --> Ended
///                |                |                                      |            |
///                +--2xx--> Done   +--4xx/5xx--> Failed                   +--> Ended   +--> Closed (stop)
///                +--4xx/5xx--> Failed = refused
/// ```
///
/// * 2xx before the data is drained (pure-ftpd, pyftpdlib) or before it is even connected: the data decides when it is over.
/// * 2xx only after this side closed (proftpd): the driver closes at the end of the data, then the reply is awaited.
/// * No 1xx at all: the first byte of data says the same.
/// * Stopped: the data connection is closed, and the next final reply, whatever it says, is the last word. So is a 1xx after
///   a first 1xx (pure-ftpd). Nothing within [`Waits::retire`]: a fence.
///
/// Spec: RFC 959 sections 5.4 and 6. Observed: vsftpd 3.0.3, proftpd 1.3.8, pure-ftpd 1.0.50, pyftpdlib 1.5.7.
#[derive(Debug)]
pub(super) struct Transfer {
    waits: Waits,
    start: Start,
    said: Said,
    data: Data,
    stopping: bool,
    /// Nobody wants to know how it ends.
    abandoned: bool,
    /// A 1xx or a byte of data has come: from here on a 4xx is the end of a transfer, not the refusal of one.
    accepted: bool,
    /// Bytes that the transfer has to bring, if that is known.
    due: Option<u64>,
    received: u64,
    /// For connecting, for draining, for the last word after the data and after a stop.
    deadline: Option<Instant>,
    /// A 1xx turned out to be the last word.
    ended_by_1xx: bool,
}

impl Transfer {
    /// A transfer whose data connection is being made now.
    pub(super) fn new(now: Instant, asked_start: bool, due: Option<u64>, waits: Waits) -> Self {
        Self {
            waits,
            start: if asked_start { Start::Asked } else { Start::Plain },
            said: Said::Nothing,
            data: Data::Connecting,
            stopping: false,
            abandoned: false,
            accepted: false,
            due,
            received: 0,
            deadline: Some(now + waits.data_connect),
            ended_by_1xx: false,
        }
    }

    /// How long it has to be turns out only now; nothing has been read of it.
    pub(super) fn expect(&mut self, due: Option<u64>) {
        self.due = due;
    }

    /// Bytes that may be read from the data connection now: `None` until the server has confirmed where it starts, and 0 when
    /// all that is due has come and only the end should follow.
    pub(super) fn may_read(&self) -> Option<u64> {
        let started = matches!(self.start, Start::Plain | Start::Confirmed);
        (started && self.data == Data::Open).then(|| self.due.map_or(u64::MAX, |due| due.saturating_sub(self.received)))
    }

    pub(super) fn is_accepted(&self) -> bool {
        let started = matches!(self.start, Start::Plain | Start::Confirmed);
        started && !self.stopping && (self.accepted || self.said == Said::Done)
    }

    pub(super) fn is_data_in_use(&self) -> bool {
        matches!(self.data, Data::Connecting | Data::Open)
    }

    pub(super) fn ended_by_1xx(&self) -> bool {
        self.ended_by_1xx
    }

    /// Whether silence on the control channel is the server's fault: it owes a word that does not depend on the data.
    pub(super) fn is_answer_due(&self) -> bool {
        self.said == Said::Nothing && !self.accepted
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether the server has nothing more to say on it.
    pub(super) fn is_last_word_said(&self) -> bool {
        matches!(self.said, Said::Done | Said::Failed(_) | Said::Gone)
    }

    /// 350 to `REST` or `RANG`.
    pub(super) fn start_confirmed(&mut self) {
        self.start = Start::Confirmed;
    }

    /// Anything but 350 to `REST` or `RANG`: what follows is the file from its beginning, so it is stopped.
    pub(super) fn start_refused(&mut self, now: Instant, reply: Reply) {
        self.start = Start::Refused(reply);
        self.stop(now);
    }

    pub(super) fn preliminary(&mut self, now: Instant) {
        self.accepted = true;
        match self.said {
            Said::Nothing => {
                self.said = Said::Opening;
                if self.stopping {
                    self.deadline = Some(now + self.waits.retire);
                }
            }
            Said::Opening if self.stopping => {
                self.said = Said::Done;
                self.ended_by_1xx = true;
            }
            _ => {}
        }
    }

    pub(super) fn done(&mut self, now: Instant) {
        self.said = Said::Done;
        self.expect_end(now);
    }

    /// Confirmed, and all bytes are here: the end of the data is a formality that is not waited for long.
    fn expect_end(&mut self, now: Instant) {
        if self.said == Said::Done && self.data == Data::Open && self.is_count_right() && !self.stopping {
            self.deadline = Some(now + self.waits.retire);
        }
    }

    pub(super) fn failed(&mut self, now: Instant, reply: Reply) {
        if self.data == Data::Open && !self.stopping {
            self.deadline = Some(now + self.waits.retire);
        }
        self.said = Said::Failed(reply);
    }

    pub(super) fn control_gone(&mut self) {
        if !self.is_last_word_said() {
            self.said = Said::Gone;
        }
    }

    pub(super) fn data_connected(&mut self) {
        if self.data == Data::Connecting {
            self.data = Data::Open;
            if !self.stopping {
                self.deadline = None;
            }
        }
    }

    pub(super) fn data_read(&mut self, now: Instant, n: u64) {
        self.accepted = true;
        self.received = self.received.saturating_add(n);
        if self.due.is_some_and(|due| self.received > due) {
            self.stop(now);
        }
        self.expect_end(now);
    }

    pub(super) fn data_ended(&mut self, now: Instant, how: DataEnd) {
        if !self.is_data_in_use() {
            return;
        }
        self.data = Data::Ended(how);
        let wait = match how {
            DataEnd::NotConnected(_) => self.waits.retire,
            DataEnd::Eof | DataEnd::Broken(_) => self.waits.last_word,
        };
        self.deadline = Some(now + wait);
    }

    /// The caller has lost interest, even in what it may have come to already.
    pub(super) fn abandon(&mut self, now: Instant) {
        self.abandoned = true;
        self.stop(now);
    }

    /// Closes the data connection early. The connection to the server stays in use until its last word, or a fence.
    pub(super) fn stop(&mut self, now: Instant) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        if self.is_data_in_use() {
            self.data = Data::Closed;
        }
        self.deadline = Some(now + self.waits.retire);
    }

    /// The deadline has passed.
    pub(super) fn timeout(&mut self, now: Instant) -> Due {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return Due::Nothing;
        }
        self.deadline = None;
        match self.data {
            Data::Connecting => {
                self.data_ended(now, DataEnd::NotConnected(io::ErrorKind::TimedOut));
                Due::Nothing
            }
            _ if self.is_last_word_said() => {
                if self.is_data_in_use() {
                    self.data = Data::Closed;
                }
                Due::Nothing
            }
            _ if self.stopping => Due::Fence,
            _ => Due::Silent,
        }
    }

    /// What the transfer came to, once it is over.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        if self.stopping {
            return self.is_last_word_said().then(|| self.outcome_of_stop());
        }
        match (&self.said, self.data) {
            (Said::Failed(reply), _) if !self.accepted => Some(self.outcome_of_refusal(reply)),
            (Said::Failed(_), Data::Connecting | Data::Open) => None,
            (Said::Failed(reply), _) => Some(Outcome::Ended(if self.is_count_right() {
                Ending::Unconfirmed
            } else {
                Ending::Aborted(reply.clone())
            })),
            (Said::Done, Data::Ended(how)) => Some(Outcome::Ended(self.confirmed(how))),
            (Said::Done, Data::Closed) => Some(Outcome::Ended(self.confirmed(DataEnd::Eof))),
            (Said::Gone, Data::Ended(_)) => Some(Outcome::Ended(self.unconfirmed())),
            (Said::Gone, Data::Connecting) => Some(Outcome::Ended(Ending::Lost)),
            (Said::Gone, Data::Open) if !self.accepted => Some(Outcome::Ended(Ending::Lost)),
            _ => None,
        }
    }

    /// What the transfer came to, given that the last word will not come.
    pub(super) fn outcome_in_silence(&self) -> Outcome {
        if self.stopping { self.outcome_of_stop() } else { Outcome::Ended(self.unconfirmed()) }
    }

    fn outcome_of_stop(&self) -> Outcome {
        match &self.start {
            _ if self.abandoned => Outcome::Stopped,
            Start::Refused(reply) => Outcome::StartRefused(reply.clone()),
            // More than was due is all that else stops a transfer.
            _ => Outcome::Ended(Ending::Overrun),
        }
    }

    fn outcome_of_refusal(&self, reply: &Reply) -> Outcome {
        match self.data {
            Data::Ended(DataEnd::NotConnected(kind)) if reply.code == 425 => Outcome::Ended(Ending::NotConnected(kind)),
            _ => Outcome::Refused(reply.clone()),
        }
    }

    fn is_count_right(&self) -> bool {
        self.due == Some(self.received)
    }

    fn confirmed(&self, how: DataEnd) -> Ending {
        match (how, self.due) {
            (_, Some(due)) if due == self.received => Ending::Complete,
            (DataEnd::NotConnected(kind), _) => Ending::NotConnected(kind),
            (DataEnd::Broken(kind), _) => Ending::Broken(kind),
            (DataEnd::Eof, Some(due)) => Ending::Short(due.saturating_sub(self.received)),
            (DataEnd::Eof, None) => Ending::Complete,
        }
    }

    fn unconfirmed(&self) -> Ending {
        match self.data {
            Data::Ended(DataEnd::NotConnected(kind)) => Ending::NotConnected(kind),
            _ if self.is_count_right() && self.received > 0 => Ending::Unconfirmed,
            Data::Ended(DataEnd::Broken(kind)) => Ending::Broken(kind),
            _ => Ending::Lost,
        }
    }
}
