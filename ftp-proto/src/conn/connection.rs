//! One control connection from its greeting to its end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::asking::{Asking, Here};
use super::control::{Control, Expect};
use super::moving::Moving;
use super::prearm::Ahead;
use super::transfer::Outcome;
use super::{Config, Error, Event, Input, Output, Quirks};
use crate::wire::{Arg, Command, Iac, Path, ReplyReader};

/// One control connection.
///
/// ```text
///   greeting --> LoggingIn --> Ready                     the stage
///                    |
///                    +--> Refused
///
///   Idle --stat--> Asking --> Idle                       the work
///    |                                                   (may be given while logging in: it goes out with the login)
///    +--arm--> Asking --> Armed --retrieve--> Moving --> Idle
///                                               |
///                                               +--stop, and no last word--> Fencing --> Idle
///
///   Nothing --prearm--> Asked --> Port                   what is ready ahead of the work
///                                  |
///   Idle --------retrieve_at_once--+--------> Moving
/// ```
///
/// Refusals are [`Event`]s. The first error is final and every later call repeats it, with one exception: a transfer goes
/// on without its control connection until its data ends.
///
/// Spec: RFC 959 sections 5 and 6
#[derive(Debug)]
pub struct Connection {
    pub(super) config: Config,
    pub(super) quirks: Quirks,
    pub(super) control: Control,
    pub(super) stage: Stage,
    pub(super) work: Work,
    pub(super) here: Here,
    pub(super) ahead: Ahead,
    pub(super) outputs: VecDeque<Output>,
    /// 0xFF is sent twice on trial; [`Quirks::doubled_ff`] says so for good.
    pub(super) doubling: bool,
    /// The last `REST` was not 0, and no transfer is known to have used it up.
    pub(super) restart_set: bool,
    pub(super) reader: ReplyReader,
    /// When an unfinished reply counts as finished.
    pub(super) silence: Option<Instant>,
    pub(super) strays: u8,
    pub(super) preliminary: u8,
    /// Nothing but the first batch of commands was sent, several in one segment.
    pub(super) first_batch: bool,
    /// What was asked during the login is not wanted any more, but its replies are still to come.
    stale: bool,
    pub(super) failed: Option<Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    LoggingIn {
        /// The server wants no password any more.
        admitted: bool,
    },
    Ready,
    Refused,
}

#[derive(Debug)]
pub(super) enum Work {
    Idle,
    Asking(Asking),
    Armed { port: u16, name: Arg, size: Option<u64> },
    Moving(Moving),
    Fencing(Outcome),
}

impl Connection {
    /// A control connection that has just been made, to a server of which `quirks` are known.
    pub fn new(now: Instant, config: Config, quirks: Quirks) -> Self {
        // An account may be asked for at two places; one by one there is no guessing.
        let serial = quirks.serial || config.credentials.account.is_some();
        let mut connection = Self {
            control: Control::new(serial, now + config.waits.greeting),
            config,
            quirks,
            stage: Stage::LoggingIn { admitted: false },
            work: Work::Idle,
            here: Here::default(),
            ahead: Ahead::Nothing,
            outputs: VecDeque::new(),
            doubling: false,
            restart_set: false,
            reader: ReplyReader::default(),
            silence: None,
            strays: 0,
            preliminary: 0,
            first_batch: !serial,
            stale: false,
            failed: None,
        };
        connection.plan_login();
        connection
    }

    /// Asks what a file is: [`Event::Facts`] or [`Event::PathRefused`].
    ///
    /// # Errors
    /// [`Error::Misuse`] while something else is under way; the stored error after a fatal one.
    pub fn stat(&mut self, now: Instant, path: &Path) -> Result<(), Error> {
        self.ask(now, path, false)
    }

    /// Asks what a file is and makes the server open a port for it: [`Event::Facts`], [`Event::PathRefused`] or
    /// [`Event::PassiveRefused`].
    ///
    /// # Errors
    /// [`Error::Misuse`] while something else is under way; the stored error after a fatal one.
    pub fn arm(&mut self, now: Instant, path: &Path) -> Result<(), Error> {
        self.ask(now, path, true)
    }

    /// Starts the transfer of the file that was armed, at `start`. With `exact_end` the server is asked (`RANG`) to end before
    /// that offset; else it sends up to the end of the file.
    ///
    /// [`Event::Accepted`], then [`Event::Ended`]; or [`Event::Refused`], or [`Event::StartRefused`].
    ///
    /// # Errors
    /// [`Error::Misuse`] if no file is armed or the range is empty; the stored error after a fatal one.
    pub fn retrieve(&mut self, now: Instant, start: u64, exact_end: Option<u64>) -> Result<(), Error> {
        self.check_failed()?;
        self.start_moving(now, start, exact_end)
    }

    /// Gives up whatever is under way, without `ABOR`. When [`is_settled`](Self::is_settled) says so, the session can
    /// carry something else.
    pub fn stop(&mut self, now: Instant) {
        match &mut self.work {
            Work::Asking(_) => {
                self.control.forget(Expect::is_question);
                self.work = Work::Idle;
                self.stale = !self.control.is_empty();
            }
            Work::Armed { port, .. } => {
                // It serves the next transfer as well.
                let port = *port;
                self.work = Work::Idle;
                if self.failed.is_none() {
                    self.ahead = Ahead::port(port, now + self.config.waits.prearmed);
                }
            }
            Work::Moving(_) => self.stop_moving(now),
            Work::Fencing(outcome) => *outcome = Outcome::Stopped,
            Work::Idle => {}
        }
    }

    /// Sends a `NOOP` before anything else, on a session that has been idle for long, and gives the server `within` to
    /// answer it.
    ///
    /// # Errors
    /// [`Error::Misuse`] unless the session is settled; the stored error after a fatal one.
    pub fn check(&mut self, now: Instant, within: Duration) -> Result<(), Error> {
        self.check_failed()?;
        if !self.is_settled() {
            return Err(Error::Misuse("a check while something is under way"));
        }
        self.control.plan(Command::Noop, Expect::Check);
        self.flush(now);
        self.control.shorten_deadline(now + within);
        Ok(())
    }

    /// Says goodbye. The answer is not worth waiting for.
    pub fn quit(&mut self, now: Instant) {
        if self.is_settled() {
            self.control.plan(Command::Quit, Expect::Quit);
            self.flush(now);
        }
    }

    /// Whether the login is complete.
    pub fn is_logged_in(&self) -> bool {
        self.stage == Stage::Ready
    }

    /// Whether the session is logged in, in step, and free for the next thing.
    pub fn is_settled(&self) -> bool {
        self.failed.is_none()
            && self.stage == Stage::Ready
            && (self.control.is_empty() || self.ahead.is_asked())
            && matches!(self.work, Work::Idle | Work::Armed { .. })
    }

    /// Whether `PASV` can be used in place of `EPSV`.
    pub fn is_pasv_allowed(&self) -> bool {
        self.config.pasv_allowed
    }

    /// Whether a file can be named from where this session stands: always where paths are whole (`TVFS`), else only if the
    /// way back to the login directory is known.
    pub fn can_reach(&self, path: &Path) -> bool {
        self.here.can_reach(path, self.has_tvfs())
    }

    /// What was learned about the server.
    pub fn quirks(&self) -> &Quirks {
        &self.quirks
    }

    /// What was learned about the server, for the caller to add to.
    pub fn quirks_mut(&mut self) -> &mut Quirks {
        &mut self.quirks
    }

    /// Sends 0xFF in names twice from now on, or as [`Quirks::doubled_ff`] says.
    pub fn try_doubled_ff(&mut self, on: bool) {
        self.doubling = on;
    }

    /// Smoothed round trip of the control connection; `None` before the first reply.
    pub fn round_trip(&self) -> Option<Duration> {
        self.control.round_trip()
    }

    /// Bytes that may be read from the data connection now. `None`: do not read, the server has not said where it starts.
    /// 0: all that is due has come; read one byte aside, so that a server which sends too much is noticed.
    pub fn may_read(&self) -> Option<u64> {
        match &self.work {
            Work::Moving(moving) => moving.transfer.may_read(),
            _ => None,
        }
    }

    /// Whether the control connection is in use. A transfer may outlive it.
    pub fn is_alive(&self) -> bool {
        self.failed.is_none() && self.stage != Stage::Refused
    }

    /// Takes in what happened.
    ///
    /// # Errors
    /// The control connection is of no more use, and every later call gives the same error. Events that were caused before
    /// can still be polled. A transfer under way goes on without it, and the error is given after [`Event::Ended`].
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) -> Result<(), Error> {
        self.check_failed()?;
        match input {
            Input::Received(buf) => self.received(now, buf),
            Input::Closed => self.closed(now),
            Input::Timeout => self.timeout(now),
            Input::DataConnected | Input::DataRead(_) | Input::DataEnded(_) => self.moved(now, &input),
        }
        self.flush(now);
        self.check_failed()
    }

    /// What the driver has to do next. Call it until it says [`Output::Wait`].
    pub fn poll_output(&mut self) -> Output {
        if let Some(bytes) = self.control.take_output() {
            return Output::Transmit(bytes);
        }
        self.outputs.pop_front().unwrap_or_else(|| Output::Wait(self.deadline()))
    }

    pub(super) fn check_failed(&self) -> Result<(), Error> {
        match (&self.failed, &self.work) {
            (None, _) | (_, Work::Moving(_)) => Ok(()),
            (Some(error), _) => Err(error.clone()),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let (answer, transfer) = match &self.work {
            Work::Moving(moving) => {
                let streaming = self.control.front() == Some(&Expect::Retr) && !moving.transfer.is_answer_due();
                (self.control.deadline().filter(|_| !streaming), moving.transfer.deadline())
            }
            _ => (self.control.deadline(), self.ahead.until()),
        };
        [answer, transfer, self.silence].into_iter().flatten().min()
    }

    pub(super) fn flush(&mut self, now: Instant) {
        let iac = if self.quirks.doubled_ff || self.doubling { Iac::Doubled } else { Iac::Raw };
        self.control.flush(now, iac, self.reply_within());
        if self.control.is_empty() {
            self.first_batch = false;
            self.stale = false;
        }
    }

    pub(super) fn reply_within(&self) -> Duration {
        let waits = &self.config.waits;
        match (&self.work, self.first_batch) {
            (Work::Fencing(_), _) => waits.fence,
            (_, true) => waits.pipelined_login,
            (_, false) => waits.reply,
        }
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(super) fn is_ask_allowed(&self) -> bool {
        let free = match self.stage {
            Stage::LoggingIn { .. } => !self.stale,
            Stage::Ready => {
                self.control.is_empty() || self.ahead.is_asked() || self.control.front() == Some(&Expect::Check)
            }
            Stage::Refused => false,
        };
        free && matches!(self.work, Work::Idle | Work::Armed { .. })
    }
}
