//! From the greeting to a session that takes binary transfers.
//!
//! ```text
//!   *( 120 ) 220 --> USER --+-- 230 -------------------+
//!                           |                          |
//!                           +-- 331 --> PASS --+-- 230, 202 --+--> FEAT --> TYPE I -- 200 --> ready
//!                           |                  |              |
//!                           +-- 332 -----------+-- 332 --> ACCT -- 230
//! ```
//!
//! All of it goes out in one segment after the greeting, with the first questions behind it. Where the server cannot take
//! that, which it shows by silence, by closing, or by a reply out of its class, the error is [`Error::Pipelining`], and the
//! next connection sends one by one. A refused password is never sent twice.
//!
//! Spec: RFC 959 section 5.4. Observed: MikroTik, MadGoat and old IIS lose commands that come together.

use super::connection::{Stage, Work};
use super::control::Expect;
use super::{Awaited, Connection, Error, Event};
use crate::wire::{self, Class, Command, Features, Reply, Type};

impl Connection {
    pub(super) fn plan_login(&mut self) {
        let credentials = &self.config.credentials;
        self.control.plan(Command::User(credentials.user.clone()), Expect::User);
        self.control.plan(Command::Pass(credentials.password.clone()), Expect::Pass);
        if self.quirks.features.is_none() {
            self.control.plan(Command::Feat, Expect::Feat);
        }
        self.control.plan(Command::Type(Type::Image), Expect::Type);
    }

    pub(super) fn answered_login(&mut self, expect: &Expect, reply: Reply) {
        let Stage::LoggingIn { admitted } = self.stage else { return };
        let step = expect.awaited();
        match (expect, reply.class()) {
            (Expect::Greeting, Class::Completion) => {}
            (Expect::User | Expect::Pass | Expect::Acct, Class::Completion) => self.admit(),
            // vsftpd says 230 to USER for anonymous users; what follows to PASS is of no interest.
            (Expect::Pass, _) if admitted => {}
            (Expect::User, Class::Intermediate) if reply.code == 331 => {}
            (Expect::User | Expect::Pass, Class::Intermediate) if reply.code == 332 => self.send_account(step, reply),
            (Expect::User, Class::PermanentNegative) if is_confusion(&reply) => self.confused(step, reply),
            (Expect::Pass, Class::Intermediate) => self.confused(step, reply),
            (Expect::Pass | Expect::Type, _) if reply.code == 503 => self.confused(step, reply),
            (Expect::Feat, _) => {
                // A server that does not know FEAT has no features.
                self.quirks.features = Some(wire::feat(&reply).unwrap_or_else(|_| Features::default()));
            }
            (Expect::Type, Class::Completion) => self.logged_in(),
            _ => self.refuse_login(step, reply),
        }
    }

    pub(super) fn refuse_login(&mut self, step: Awaited, reply: Reply) {
        self.stage = Stage::Refused;
        self.work = Work::Idle;
        self.control.clear();
        self.emit(Event::LoginRefused { step, reply });
    }

    fn admit(&mut self) {
        self.stage = Stage::LoggingIn { admitted: true };
        self.control.forget(|expect| *expect == Expect::Pass);
    }

    fn send_account(&mut self, step: Awaited, reply: Reply) {
        match self.config.credentials.account.clone() {
            // With an account the login is serial, so nothing behind this step has been sent.
            Some(account) => {
                self.control.forget(|expect| *expect == Expect::Pass);
                self.control.plan_next(Command::Acct(account), Expect::Acct);
            }
            None => self.refuse_login(step, reply),
        }
    }

    /// A reply that no server gives to a command it has understood.
    fn confused(&mut self, step: Awaited, reply: Reply) {
        if self.control.serial {
            return self.refuse_login(step, reply);
        }
        self.quirks.serial = true;
        self.lose(Error::Pipelining);
    }

    fn logged_in(&mut self) {
        self.stage = Stage::Ready;
        self.emit(Event::LoggedIn);
        self.plan_late_questions();
    }
}

/// Syntax errors and bad sequences: not what a server says to a `USER` it has read alone.
fn is_confusion(reply: &Reply) -> bool {
    matches!(reply.code.get(), 500 | 501 | 503)
}
