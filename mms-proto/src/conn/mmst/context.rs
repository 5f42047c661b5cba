//! What the states share.

use std::time::Instant;

use super::config::Config;
use super::outbox::Outbox;
use super::state::State;
use crate::conn::{Awaited, Error, Event, Refusal};
use crate::wire::mmst::LinkMacToViewer;
use crate::wire::{DataHeader, Hresult};

/// The surroundings of a state while it takes something in.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) now: Instant,
    pub(super) config: &'a Config,
    pub(super) outbox: &'a mut Outbox,
    /// Bytes of packets that did not belong to what was asked for last.
    pub(super) stale: &'a mut u64,
}

impl Context<'_> {
    /// When the answer to what is sent now is due.
    pub(super) fn answer(&self) -> Instant {
        self.now + self.config.waits.answer
    }

    /// A "no" after which there is nothing left to ask for.
    pub(super) fn refuse(&mut self, awaiting: Awaited, reason: Hresult) -> State {
        self.outbox.tell(Event::Refused(Refusal::Mms { awaiting, reason }));
        self.outbox.close();
        State::Over
    }

    /// A message for which a state has no use. Some come late, or as often as a server likes, and mean nothing then.
    ///
    /// Spec: MMSP 3.1. Observed: servers answer FunnelInfo three times, ReadBlock late, early or never, and StopPlaying
    /// when everything has been sent already
    pub(super) fn unexpected(&self, message: &LinkMacToViewer, awaiting: Awaited) -> Result<(), Error> {
        use LinkMacToViewer as M;
        match message {
            M::ReportFunnelInfo(_) | M::ReportReadBlock(_) | M::ReportStreamSwitch(_) | M::ReportEndOfStream { .. } => {
                Ok(())
            }
            M::ReportStartedPlaying(_) | M::ReportStartStriding(_) | M::Unknown(_) => Ok(()),
            other => Err(Error::OutOfOrder { what: other.name(), awaiting }),
        }
    }

    /// A packet that belongs to nothing, or no longer. As a datagram it is no reason to give up: anybody can send those.
    pub(super) fn pass_over(&mut self, header: &DataHeader) {
        *self.stale = self.stale.saturating_add(header.packet_size.into());
    }

    /// The same on the connection, where a server that goes on with it wastes it.
    pub(super) fn drop_stale(&mut self, header: &DataHeader) -> Result<(), Error> {
        let max = self.config.limits.stale;
        self.pass_over(header);
        if *self.stale > max {
            return Err(Error::Limit { what: "bytes of packets that were not asked for", max });
        }
        Ok(())
    }
}
