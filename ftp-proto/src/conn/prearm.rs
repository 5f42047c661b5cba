//! What is made ready before anybody asks for it: a port, and the data connection to it.
//!
//! ```text
//!   prearm --> EPSV --229--> connect --> (idle) --retrieve_at_once--> SIZE, MDTM, REST, RETR in one segment
//!                |                          |
//!                +--anything else           +--the server closes it, or time is up: dropped
//! ```
//!
//! Three round trips before the first byte become one. A port that [`arm`](Connection::arm) opened and nobody used is kept in
//! the same way, without a connection; that saves one.
//!
//! Nothing depends on it. What failed is dropped and remembered ([`Quirks::no_prearm`](super::Quirks::no_prearm)), and the
//! transfer begins anew with a port of its own.
//!
//! Observed: vsftpd 3.0.3, proftpd 1.3.8, pure-ftpd 1.0.50 and pyftpdlib 1.5.7 serve a connection that has been idle for
//! 8 s; a second `EPSV` closes the port of the first; pyftpdlib gives up a port after 30 s

use std::time::Instant;

use super::asking::{Asking, port_of};
use super::connection::Work;
use super::control::Expect;
use super::moving::Range;
use super::{Connection, Error, Input, Output};
use crate::wire::{Path, Reply};

/// What is ready ahead of the work.
#[derive(Debug)]
pub(super) enum Ahead {
    Nothing,
    /// The answer to `EPSV`, or `PASV`, is awaited.
    Asked,
    Port {
        port: u16,
        link: Link,
        until: Instant,
    },
}

/// The data connection to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Unmade,
    Connecting,
    Open,
}

impl Ahead {
    /// A port without a connection.
    pub(super) fn port(port: u16, until: Instant) -> Self {
        Self::Port { port, link: Link::Unmade, until }
    }

    pub(super) fn is_asked(&self) -> bool {
        matches!(self, Self::Asked)
    }

    pub(super) fn until(&self) -> Option<Instant> {
        match self {
            Self::Port { until, .. } => Some(*until),
            _ => None,
        }
    }
}

impl Connection {
    /// Makes a port and a data connection to it for the next transfer, whichever it will be. There is no event; look at
    /// [`is_prearmed`](Self::is_prearmed). Kept for [`Waits::prearmed`](super::Waits::prearmed).
    ///
    /// # Errors
    /// [`Error::Misuse`] unless the session is settled, idle, and nothing is ready; the stored error after a fatal one.
    pub fn prearm(&mut self, now: Instant) -> Result<(), Error> {
        self.check_failed()?;
        if !self.is_settled() || !matches!((&self.work, &self.ahead), (Work::Idle, Ahead::Nothing)) {
            return Err(Error::Misuse("a port in advance while something else is under way"));
        }
        self.ahead = Ahead::Asked;
        self.plan_passive();
        self.flush(now);
        Ok(())
    }

    /// Whether a data connection stands, or is being made, that no transfer uses. The driver watches it: an end, and bytes that
    /// nobody asked for, are [`Input::DataEnded`].
    pub fn is_prearmed(&self) -> bool {
        matches!(self.ahead, Ahead::Port { link: Link::Connecting | Link::Open, .. })
    }

    /// Whether a transfer of this file could start at once.
    pub fn is_ready_for(&self, path: &Path) -> bool {
        let ready = matches!((&self.work, &self.ahead), (Work::Idle, Ahead::Port { .. }));
        ready && self.is_settled() && path.file().is_some() && self.is_here(path)
    }

    /// Asks what the file is and starts its transfer in one go, with the port or connection that is ready.
    ///
    /// [`Event::Facts`](super::Event::Facts), and then as for [`retrieve`](Self::retrieve). No byte may be read before the facts have
    /// come: if they are not as expected, [`stop`](Self::stop) it.
    ///
    /// # Errors
    /// [`Error::Misuse`] unless [`is_ready_for`](Self::is_ready_for) says so, or if the range is empty; the stored error after
    /// a fatal one.
    pub fn retrieve_at_once(
        &mut self,
        now: Instant,
        path: &Path,
        start: u64,
        exact_end: Option<u64>,
    ) -> Result<(), Error> {
        self.check_failed()?;
        let Ahead::Port { port, link, .. } = self.ahead else {
            return Err(Error::Misuse("nothing is ready"));
        };
        let name = self.name_of(path).filter(|_| self.is_ready_for(path));
        let Some(name) = name else {
            return Err(Error::Misuse("nothing is ready for that file"));
        };
        if exact_end.is_some_and(|end| end <= start) {
            return Err(Error::Misuse("an empty range"));
        }
        self.ahead = Ahead::Nothing;
        let questions = self.plan_facts(&name);
        if link == Link::Unmade {
            self.outputs.push_back(Output::ConnectData(port));
        }
        let range = Range { start, exact_end };
        self.begin_moving(now, name, range, None, Some(Asking::of_transfer(path, questions)));
        if link == Link::Open {
            self.moved(now, &Input::DataConnected);
        }
        if questions == 0 {
            self.finish_asking();
        }
        self.flush(now);
        Ok(())
    }

    pub(super) fn answered_ahead(&mut self, now: Instant, expect: &Expect, reply: &Reply) {
        let Some(port) = port_of(expect, reply) else {
            self.quirks.no_prearm = true;
            self.ahead = Ahead::Nothing;
            return;
        };
        self.ahead = Ahead::Port { port, link: Link::Connecting, until: now + self.config.waits.prearmed };
        self.outputs.push_back(Output::ConnectData(port));
    }

    /// What happened to a data connection that no transfer uses.
    pub(super) fn moved_ahead(&mut self, input: &Input<'_>) {
        let Ahead::Port { link, .. } = &mut self.ahead else { return };
        match input {
            Input::DataConnected => *link = Link::Open,
            Input::DataEnded(_) => {
                // The driver has closed it.
                self.quirks.no_prearm = true;
                self.ahead = Ahead::Nothing;
            }
            _ => {}
        }
    }

    pub(super) fn expire_ahead(&mut self, now: Instant) {
        if let Ahead::Port { link, until, .. } = self.ahead
            && until <= now
        {
            self.quirks.no_prearm |= link == Link::Connecting;
            self.drop_ahead();
        }
    }

    pub(super) fn drop_ahead(&mut self) {
        if self.is_prearmed() {
            self.outputs.push_back(Output::CloseData);
        }
        self.ahead = Ahead::Nothing;
    }
}
