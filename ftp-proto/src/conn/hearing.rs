//! What comes in on the control connection, or does not: to whom it belongs, and what it ends.

use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::connection::{Stage, Work};
use super::control::Expect;
use super::transfer::Due;
use super::{Connection, Error};
use crate::wire::{Class, Reply};

/// Replies in a row that answer nothing. Two follow an `ABOR` at most; a few more are no attack.
const MAX_STRAYS: u8 = 16;

/// Preliminary replies to one command. `120` may repeat while a server starts, nothing else does.
const MAX_PRELIMINARY: u8 = 16;

/// How long a multi-line reply may pause before a last line with another code is taken for its end (glFTPd).
const SILENCE: Duration = Duration::from_secs(2);

impl Connection {
    pub(super) fn received(&mut self, now: Instant, buf: &mut BytesMut) {
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

    pub(super) fn closed(&mut self, now: Instant) {
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
        if self.first_batch && greeted {
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
        self.quirks.no_prearm |= self.ahead.is_asked();
        self.drop_ahead();
        if let Work::Moving(moving) = &mut self.work {
            moving.transfer.control_gone();
            self.settle_moving();
        }
    }

    pub(super) fn timeout(&mut self, now: Instant) {
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
        self.expire_ahead(now);
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
            Expect::Epsv | Expect::Pasv if self.ahead.is_asked() => self.answered_ahead(now, expect, &reply),
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
