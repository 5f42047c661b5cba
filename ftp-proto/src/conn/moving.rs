//! A transfer under way: the [`Transfer`] machine wired to the control connection.
//!
//! `REST` goes right before `RETR`, as some servers forget it otherwise, and both go out together.
//!
//! Spec: RFC 3659 section 5 (`REST`), draft-bryan-ftp-range-08 (`RANG`). Observed: FileZilla Server drops an offset that does not
//! stand right before `RETR`

use std::time::Instant;

use super::asking::Asking;
use super::connection::Work;
use super::control::Expect;
use super::transfer::{Outcome, Transfer};
use super::{Connection, Error, Event, Input, Output, Restart};
use crate::wire::{Arg, Class, Command, Reply};

#[derive(Debug)]
pub(super) struct Moving {
    pub(super) transfer: Transfer,
    range: Range,
    /// `REST` or `RANG` was sent.
    asks_start: bool,
    /// It uses what was ready ahead.
    at_once: bool,
    /// The questions that went out with it.
    asking: Option<Box<Asking>>,
    /// [`Event::Accepted`] was told.
    told: bool,
    /// The driver has been told to close the data connection, or has closed it itself.
    closed: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) start: u64,
    pub(super) exact_end: Option<u64>,
}

impl Range {
    /// How many bytes of a file of this size it has.
    fn len(self, size: Option<u64>) -> Option<u64> {
        self.exact_end.or(size).and_then(|end| end.checked_sub(self.start))
    }
}

impl Moving {
    pub(super) fn asking(&mut self) -> Option<&mut Asking> {
        self.asking.as_deref_mut()
    }
}

impl Connection {
    pub(super) fn start_moving(&mut self, now: Instant, start: u64, exact_end: Option<u64>) -> Result<(), Error> {
        if exact_end.is_some_and(|end| end <= start) {
            return Err(Error::Misuse("an empty range"));
        }
        let Work::Armed { port, name, size } = &self.work else {
            return Err(Error::Misuse("no file is armed"));
        };
        let (port, name, size) = (*port, name.clone(), *size);
        self.outputs.push_back(Output::ConnectData(port));
        self.begin_moving(now, name, Range { start, exact_end }, size, None);
        self.flush(now);
        Ok(())
    }

    /// The data connection is being made.
    pub(super) fn begin_moving(
        &mut self,
        now: Instant,
        name: Arg,
        range: Range,
        size: Option<u64>,
        asking: Option<Asking>,
    ) {
        let Range { start, exact_end } = range;
        // A failed transfer may have left the last offset in place, so REST 0 is said when the last one was not 0.
        let asks_start = match exact_end {
            Some(end) => {
                self.control.plan(Command::Rang { first: start, last: end.saturating_sub(1) }, Expect::Rang);
                true
            }
            None if start > 0 || self.restart_set => {
                self.control.plan(Command::Rest(start), Expect::Rest);
                true
            }
            None => false,
        };
        self.restart_set = start > 0;
        self.control.plan(Command::Retr(name), Expect::Retr);
        let mut waits = self.config.waits;
        if let Some(round_trip) = self.control.round_trip() {
            waits.retire = waits.retire.max(round_trip.saturating_mul(3));
            waits.fence = waits.fence.max(round_trip.saturating_mul(3));
        }
        let (at_once, asking) = (asking.is_some(), asking.map(Box::new));
        // Without the facts the start is not confirmed either.
        let transfer = Transfer::new(now, asks_start || at_once, range.len(size), waits);
        self.work = Work::Moving(Moving { transfer, range, asks_start, at_once, asking, told: false, closed: false });
    }

    /// The questions that went out with the transfer are answered.
    pub(super) fn asked_at_once(&mut self) {
        let Work::Moving(moving) = &mut self.work else { return };
        let Some(asking) = moving.asking.take() else { return };
        let facts = asking.into_facts();
        moving.transfer.expect(moving.range.len(facts.size));
        if !moving.asks_start {
            moving.transfer.start_confirmed();
        }
        self.emit(Event::Facts(facts));
        self.settle_moving();
    }

    pub(super) fn stop_moving(&mut self, now: Instant) {
        if let Work::Moving(moving) = &mut self.work {
            moving.transfer.abandon(now);
            moving.asking = None;
            self.control.forget(|expect| expect.is_question() || matches!(expect, Expect::Rest | Expect::Rang));
            if self.control.forget(|expect| *expect == Expect::Retr) > 0 {
                moving.transfer.done(now);
            }
            self.settle_moving();
        }
    }

    pub(super) fn answered_moving(&mut self, now: Instant, expect: &Expect, reply: Reply) {
        let ok = match expect {
            Expect::Retr => reply.class() == Class::Completion,
            // Offset 0 is where it starts anyway, so whoever refuses to hear of it has nothing else in mind.
            _ => reply.class() == Class::Intermediate || (*expect == Expect::Rest && !self.restart_set),
        };
        if !ok {
            self.learn_from_refused_start(expect, &reply);
        }
        let Work::Moving(moving) = &mut self.work else { return };
        match (expect, ok) {
            (Expect::Retr, true) => moving.transfer.done(now),
            (Expect::Retr, false) => moving.transfer.failed(now, reply),
            (_, true) => moving.transfer.start_confirmed(),
            (_, false) => {
                moving.transfer.start_refused(now, reply);
                if self.control.forget(|expect| *expect == Expect::Retr) > 0 {
                    moving.transfer.done(now);
                }
            }
        }
        self.settle_moving();
    }

    pub(super) fn moving_opened(&mut self, now: Instant) {
        let Work::Moving(moving) = &mut self.work else { return };
        moving.transfer.preliminary(now);
        if moving.transfer.ended_by_1xx() {
            self.quirks.terminal_is_1xx = true;
            let within = self.config.waits.reply;
            self.control.pop(now, within);
        }
        self.settle_moving();
    }

    pub(super) fn moved(&mut self, now: Instant, input: &Input<'_>) {
        let Work::Moving(moving) = &mut self.work else { return self.moved_ahead(input) };
        match input {
            Input::DataConnected => moving.transfer.data_connected(),
            Input::DataRead(n) => moving.transfer.data_read(now, *n),
            Input::DataEnded(how) => {
                moving.closed = true;
                moving.transfer.data_ended(now, *how);
            }
            _ => {}
        }
        self.settle_moving();
    }

    /// No word after a stop: raise a fence and pass over everything before its answer.
    pub(super) fn raise_fence(&mut self, now: Instant) {
        let Work::Moving(moving) = &self.work else { return };
        self.work = Work::Fencing(moving.transfer.outcome_in_silence());
        self.control.clear();
        self.control.plan(Command::Noop, Expect::Fence);
        self.flush(now);
    }

    /// No word after the data: the bytes may be right, the session is not.
    pub(super) fn moved_in_silence(&mut self) {
        let Work::Moving(moving) = &self.work else { return };
        let outcome = moving.transfer.outcome_in_silence();
        self.work = Work::Idle;
        self.tell(outcome);
        self.lose(Error::TimedOut(self.control.awaited()));
    }

    /// Draws the conclusions of whatever has changed.
    pub(super) fn settle_moving(&mut self) {
        let Work::Moving(moving) = &mut self.work else { return };
        if moving.transfer.is_accepted() && !moving.told {
            moving.told = true;
            self.outputs.push_back(Output::Event(Event::Accepted));
        }
        let outcome = moving.transfer.outcome();
        if (outcome.is_some() || !moving.transfer.is_data_in_use()) && !moving.closed {
            moving.closed = true;
            self.outputs.push_back(Output::CloseData);
        }
        if let Some(outcome) = outcome {
            self.quirks.no_prearm |= moving.at_once && !moving.told && speaks_of_data(&outcome);
            self.work = Work::Idle;
            self.tell(outcome);
        }
    }

    pub(super) fn tell(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Ended(ending) => self.emit(Event::Ended(ending)),
            Outcome::Refused(reply) => self.emit(Event::Refused(reply)),
            Outcome::StartRefused(reply) => self.emit(Event::StartRefused(reply)),
            Outcome::Stopped => {}
        }
    }

    /// Not "not here", but "not at all".
    fn learn_from_refused_start(&mut self, expect: &Expect, reply: &Reply) {
        match (expect, reply.code.get()) {
            (Expect::Rest, 500 | 502 | 504) => self.quirks.restart = Restart::Refused,
            (Expect::Rang, 500 | 501 | 502 | 504) => self.quirks.no_rang = true,
            _ => {}
        }
    }
}

/// Whether a transfer came to nothing for want of a data connection.
fn speaks_of_data(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Ended(_) => true,
        Outcome::Refused(reply) => matches!(reply.code.get(), 425 | 426),
        Outcome::StartRefused(_) | Outcome::Stopped => false,
    }
}
