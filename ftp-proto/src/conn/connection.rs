//! One control connection from its greeting to its end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::asking::{Asking, Here};
use super::control::{Control, Expect};
use super::moving::Moving;
use super::transfer::{Due, Outcome};
use super::{Config, Error, Event, Input, Output, Quirks};
use crate::wire::{Arg, Class, Command, Iac, Path, Reply, ReplyReader};

/// Replies in a row that answer nothing. Two follow an `ABOR` at most; a few more are no attack.
const MAX_STRAYS: u8 = 16;

/// Preliminary replies to one command. `120` may repeat while a server starts, nothing else does.
const MAX_PRELIMINARY: u8 = 16;

/// How long a multi-line reply may pause before a last line with another code is taken for its end (glFTPd).
const SILENCE: Duration = Duration::from_secs(2);

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
/// ```
///
/// Refusals are [`Event`]s. The first error is final and every later call repeats it, with one exception: a transfer goes
/// on without its control connection until its data ends.
#[derive(Debug)]
pub struct Connection {
    pub(super) config: Config,
    pub(super) quirks: Quirks,
    pub(super) control: Control,
    pub(super) stage: Stage,
    pub(super) work: Work,
    pub(super) here: Here,
    pub(super) outputs: VecDeque<Output>,
    /// 0xFF is sent twice on trial; [`Quirks::doubled_ff`] says so for good.
    pub(super) doubling: bool,
    /// The last `REST` was not 0, and no transfer is known to have used it up.
    pub(super) restart_set: bool,
    reader: ReplyReader,
    /// When an unfinished reply counts as finished.
    silence: Option<Instant>,
    strays: u8,
    preliminary: u8,
    /// Nothing but the first batch of commands was sent, several in one segment.
    first_batch: bool,
    /// What was asked during the login is not wanted any more, but its replies are still to come.
    stale: bool,
    failed: Option<Error>,
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
            Work::Asking(_) | Work::Armed { .. } => {
                self.control.forget(Expect::is_question);
                self.work = Work::Idle;
                self.stale = !self.control.is_empty();
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
            && self.control.is_empty()
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

    fn deadline(&self) -> Option<Instant> {
        let (answer, transfer) = match &self.work {
            Work::Moving(moving) => {
                let streaming = self.control.front() == Some(&Expect::Retr) && !moving.transfer.is_answer_due();
                (self.control.deadline().filter(|_| !streaming), moving.transfer.deadline())
            }
            _ => (self.control.deadline(), None),
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

    fn reply_within(&self) -> Duration {
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
            Stage::Ready => self.control.is_empty() || self.control.front() == Some(&Expect::Check),
            Stage::Refused => false,
        };
        free && matches!(self.work, Work::Idle | Work::Armed { .. })
    }

    fn received(&mut self, now: Instant, buf: &mut BytesMut) {
        self.silence = None;
        while self.failed.is_none() {
            match self.reader.decode(buf) {
                Ok(Some(reply)) => self.replied(now, reply),
                Ok(None) => break,
                Err(error) => self.lose(error.into()),
            }
            // Before the next reply is looked at, so that it does not matter how they are cut.
            self.flush(now);
        }
        if self.reader.may_end_on_silence() {
            self.silence = Some(now + SILENCE);
        }
    }

    fn closed(&mut self, now: Instant) {
        match self.reader.on_eof() {
            Ok(Some(reply)) => self.replied(now, reply),
            Ok(None) => {}
            Err(error) => return self.lose(error.into()),
        }
        if self.failed.is_none() {
            let error = self.unanswered(Error::Closed(self.control.awaited()));
            self.lose(error);
        }
    }

    /// What it means that no answer will come: commands sent together may have been too much for the server.
    fn unanswered(&mut self, otherwise: Error) -> Error {
        let greeted = self.control.front().is_some_and(|front| *front != Expect::Greeting);
        if self.first_batch && greeted && self.stage != Stage::Refused {
            self.quirks.serial = true;
            return Error::Pipelining;
        }
        otherwise
    }

    /// The control connection is of no more use.
    pub(super) fn lose(&mut self, error: Error) {
        if self.failed.is_none() {
            self.failed = Some(error);
        }
        self.silence = None;
        self.control.clear();
        if let Work::Moving(moving) = &mut self.work {
            moving.transfer.control_gone();
            self.settle_moving();
        }
    }

    fn timeout(&mut self, now: Instant) {
        if self.silence.is_some_and(|silence| silence <= now) {
            self.silence = None;
            if let Some(reply) = self.reader.on_silence() {
                self.replied(now, reply);
            }
        }
        if let Work::Moving(moving) = &mut self.work {
            match moving.transfer.timeout(now) {
                Due::Nothing => self.settle_moving(),
                Due::Fence => self.raise_fence(now),
                Due::Silent => self.moved_in_silence(),
            }
        }
        if self.deadline().is_some_and(|deadline| deadline <= now) && self.failed.is_none() {
            let error = self.unanswered(Error::TimedOut(self.control.awaited()));
            self.lose(error);
        }
    }

    fn replied(&mut self, now: Instant, reply: Reply) {
        if is_farewell(&reply) {
            return self.closing(reply);
        }
        if let Work::Fencing(_) = self.work {
            return self.replied_to_fence(now, reply);
        }
        let Some(front) = self.control.front() else { return self.stray(reply) };
        if reply.class() == Class::Preliminary {
            return self.preliminary(now, reply);
        }
        if *front != Expect::Retr && matches!(reply.code.get(), 225 | 226 | 426) {
            return self.stray(reply);
        }
        let within = self.reply_within();
        if let Some(expect) = self.control.pop(now, within) {
            self.strays = 0;
            self.preliminary = 0;
            self.answered(now, &expect, reply);
        }
    }

    fn answered(&mut self, now: Instant, expect: &Expect, reply: Reply) {
        match expect {
            Expect::Greeting | Expect::User | Expect::Pass | Expect::Acct | Expect::Feat | Expect::Type => {
                self.answered_login(expect, reply);
            }
            Expect::Rest | Expect::Rang | Expect::Retr => self.answered_moving(now, expect, reply),
            Expect::Check | Expect::Fence | Expect::Quit => {}
            _ => self.answered_question(expect, &reply),
        }
    }

    /// The server says goodbye, whatever was asked.
    fn closing(&mut self, reply: Reply) {
        if let Stage::LoggingIn { .. } = self.stage {
            let step = self.control.awaited();
            self.refuse_login(step, reply.clone());
        }
        self.lose(Error::Closing(reply));
    }

    /// A reply that answers nothing: a second 226, a 426 after a 226. It is passed over.
    fn stray(&mut self, reply: Reply) {
        self.strays = self.strays.saturating_add(1);
        if self.strays > MAX_STRAYS {
            let awaiting = self.control.awaited();
            self.lose(Error::Stray { awaiting, reply });
        }
    }

    fn preliminary(&mut self, now: Instant, reply: Reply) {
        self.preliminary = self.preliminary.saturating_add(1);
        if self.preliminary > MAX_PRELIMINARY {
            let awaiting = self.control.awaited();
            return self.lose(Error::Stray { awaiting, reply });
        }
        let within = match self.control.front() {
            Some(Expect::Greeting) => self.config.waits.greeting,
            _ => self.reply_within(),
        };
        self.control.extend(now, within);
        if self.control.front() == Some(&Expect::Retr) {
            self.moving_opened(now);
        }
    }

    /// Between a stop and the answer to the fence everything is possible; only 200 belongs to `NOOP` for certain.
    fn replied_to_fence(&mut self, now: Instant, reply: Reply) {
        if reply.code != 200 {
            return self.stray(reply);
        }
        self.strays = 0;
        self.control.pop(now, Duration::ZERO);
        if let Work::Fencing(outcome) = std::mem::replace(&mut self.work, Work::Idle) {
            self.tell(outcome);
        }
    }
}

/// Whether the server ends the session with this.
///
/// Spec: RFC 959 section 4.2.2 (421). Observed: vsftpd 3.0.3 dies with `500 OOPS: ..`, e.g. when no passive port is free
fn is_farewell(reply: &Reply) -> bool {
    reply.code == 421 || (reply.code == 500 && reply.first().starts_with(b"OOPS:"))
}
