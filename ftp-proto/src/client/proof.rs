//! Whether the server starts where it is asked to: by the first bytes, or by the last one.

use std::future::poll_fn;
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::MutexGuard;
use tokio::time::timeout;

use super::beginning::{FirstBytes, differs};
use super::download::{Download, Prepared};
use super::error::OpenError;
use super::face::Client;
use super::lease::Lease;
use super::session::Got;
use super::site::{Port, Site};
use crate::conn::{Ending, Event, Quirks, Restart};
use crate::wire::Path;

impl Prepared {
    /// Whether the server is known to start there, or nothing can be known.
    pub(super) fn is_restart_proven(&mut self, start: u64) -> Result<bool, OpenError> {
        // Another session may have found out while this one logged in.
        self.lease.machine.quirks_mut().absorb(&self.client.site.pool.quirks());
        Ok(is_restart_proven(self.lease.machine.quirks(), start)? || matches!(self.facts.size, None | Some(0 | 1)))
    }

    /// Makes sure that the server starts where it is asked to.
    pub(super) async fn prove_restart(mut self, start: u64, turn: MutexGuard<'_, ()>) -> Result<Self, OpenError> {
        let (false, Some(size)) = (self.is_restart_proven(start)?, self.facts.size) else { return Ok(self) };
        let Self { client, path, mut lease, .. } = self;
        let lies = fetch_last_byte(&mut lease, size, client.site.config.timeouts.waits.reply).await?;
        client.site.learn_restart(lease.machine.quirks());
        // A lie is a lie only if the file has not changed meanwhile; all else is for the others to see.
        let _turn = lies.then_some(turn);
        // The port has been used up, so it is armed again; a file that grew meanwhile proves nothing.
        lease.settle().await;
        let (mut lease, facts) = if lease.is_settled() {
            lease.ask(&path, true).map_err(OpenError::Session)?;
            let facts = lease.facts().await.map_err(|error| client.site.judge_port(error))?;
            (lease, facts)
        } else {
            drop(lease);
            client.site.ask(&path, Port::Always, 0).await?
        };
        if lies && facts.size == Some(size) {
            lease.machine.quirks_mut().restart = Restart::Lies;
            client.site.learn_restart(lease.machine.quirks());
            return Err(OpenError::StartRefused(None));
        }
        Ok(Self { client, path, lease, facts })
    }
}

impl Download {
    /// Hands out what began before the server was known to start where it is asked to, when that is known.
    pub(super) async fn vouched_for(mut self, client: &Client, path: &Path) -> Result<Self, OpenError> {
        let (site, start) = (&client.site, self.start);
        if let Some(first) = site.first_bytes(path, &self.facts, start)
            && self.is_proof(site, first).await?
        {
            return Ok(self);
        }
        let turn = site.proof.lock().await;
        if is_restart_proven(&site.pool.quirks(), start)? {
            return Ok(self);
        }
        // Its own bytes tell nothing, and what it waited for came to nothing.
        self.stop().await;
        client.prepare(path).await?.prove_restart(start, turn).await?.begin(start, None).await
    }

    /// Whether its first bytes show that the server starts where it is asked to, if nobody else finds that out before.
    async fn is_proof(&mut self, site: &Site, first: FirstBytes) -> Result<bool, OpenError> {
        let proven = site.proven.notified();
        tokio::pin!(proven);
        proven.as_mut().enable();
        if is_restart_proven(&site.pool.quirks(), self.start)? {
            return Ok(true);
        }
        let start = self.start;
        let compared = async {
            let begun = timeout(site.config.timeouts.waits.reply, self.wait_for_head()).await;
            if let Some(lease) = begun.map_err(|_| OpenError::no_byte())??
                && differs(lease, first).await
            {
                lease.machine.quirks_mut().restart = Restart::Works { up_to: start };
                site.learn_restart(lease.machine.quirks());
            }
            Ok::<_, OpenError>(())
        };
        tokio::select! {
            biased;
            compared = compared => compared?,
            () = proven => {}
        }
        is_restart_proven(&site.pool.quirks(), self.start)
    }
}

fn is_restart_proven(quirks: &Quirks, start: u64) -> Result<bool, OpenError> {
    match quirks.restart {
        Restart::Refused | Restart::Lies => Err(OpenError::StartRefused(None)),
        Restart::Works { .. } | Restart::Unknown => Ok(quirks.is_restart_proven(start)),
    }
}

/// Fetches the last byte of a file, within `limit` from when the server accepts that. Exactly one must come; returns whether it
/// did not.
async fn fetch_last_byte(lease: &mut Lease, size: u64, limit: Duration) -> Result<bool, OpenError> {
    let last = size.saturating_sub(1);
    match lease.start(last, None, true).await {
        Ok(()) => {}
        // It says nothing about where a transfer would have started; the next one will tell.
        Err(OpenError::Refused { .. } | OpenError::DataConnection(_)) => return Ok(false),
        Err(error) => return Err(error),
    }
    let mut byte = BytesMut::with_capacity(8);
    let ended = async {
        loop {
            match poll_fn(|cx| lease.poll_body(cx, &mut byte)).await.map_err(OpenError::Session)? {
                Got::Event(Event::Ended(ending)) => return Ok::<_, OpenError>(ending),
                Got::Bytes(_) | Got::Event(_) => {}
            }
        }
    };
    let ending = timeout(limit, ended).await.map_err(|_| OpenError::no_byte())??;
    if ending == Ending::Complete {
        lease.machine.quirks_mut().restart = Restart::Works { up_to: last };
    }
    Ok(matches!(ending, Ending::Overrun | Ending::Short(_)))
}
