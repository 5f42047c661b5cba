//! One transfer, from the answer of the server to its last word.

use std::fmt;
use std::future::poll_fn;

use bytes::{BufMut, BytesMut};

use super::beginning::ToCome;
use super::error::{OpenError, ReadError};
use super::face::Client;
use super::lease::Lease;
use super::session::Got;
use super::site::Port;
use crate::conn::{Event, FileFacts};
use crate::wire::Path;

/// A file that the server is ready to send.
pub struct Prepared {
    pub(super) client: Client,
    pub(super) path: Path,
    pub(super) lease: Lease,
    pub(super) facts: FileFacts,
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("path", &self.path).field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl Prepared {
    pub(super) fn new(client: Client, path: Path, lease: Lease, facts: FileFacts) -> Self {
        Self { client, path, lease, facts }
    }

    /// What the server says about the file now.
    pub fn facts(&self) -> &FileFacts {
        &self.facts
    }

    /// Whether the server can end a transfer where it is asked to (`RANG`).
    pub fn can_end_exactly(&self) -> bool {
        let quirks = self.lease.machine.quirks();
        !quirks.no_rang && quirks.features.as_ref().is_some_and(|features| features.rang_stream)
    }

    /// Starts the transfer at byte `start`. With `exact_end` the server is asked to end before that offset; for that
    /// [`can_end_exactly`](Self::can_end_exactly), and the end is not behind the end of the file.
    ///
    /// Some servers answer 350 and start elsewhere: at byte 0, as a rule. So the first start behind 0 on a server takes a proof.
    /// * Where another transfer has brought the first bytes of the same file, by its length and time, or is being read and about
    ///   to, the proof is free: the transfer is handed out when its own first bytes have come, if they differ. (What starts at
    ///   yet another place shows at the end of the file, by the number of bytes.)
    /// * Else, and for the first start behind 2 GiB and 4 GiB, the last byte of the file is fetched before, which must be one
    ///   byte. What starts beside that does so at once and is handed out when the proof is there.
    ///
    /// Where the length is not known nothing can be proven.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn start(mut self, start: u64, exact_end: Option<u64>) -> Result<Download, OpenError> {
        if let Some(size) = self.facts.size
            && start > size
        {
            return Err(OpenError::BeyondEnd { size });
        }
        if start == 0 || exact_end.is_some() || self.is_restart_proven(start)? {
            return self.begin(start, exact_end).await;
        }
        let (client, path) = (self.client.clone(), self.path.clone());
        let provable_by_it = client.site.first_bytes(&path, &self.facts, start).is_some();
        if !provable_by_it && let Ok(turn) = client.site.proof.try_lock() {
            return self.prove_restart(start, turn).await?.begin(start, None).await;
        }
        self.begin(start, None).await?.vouched_for(&client, &path).await
    }

    pub(super) async fn begin(self, start: u64, exact_end: Option<u64>) -> Result<Download, OpenError> {
        let to_come = if start == 0 { self.client.site.announce(&self.path, &self.facts) } else { None };
        let (lease, facts) = self.transfer(start, exact_end).await?;
        Ok(Download::new(lease, facts, start, to_come))
    }

    /// Makes the data connection; by `PASV` if the port that `EPSV` named cannot be reached. Some NAT helpers open the port
    /// of `PASV` only, so that is tried before giving up, and remembered if it helps.
    async fn transfer(self, start: u64, exact_end: Option<u64>) -> Result<(Lease, FileFacts), OpenError> {
        let Self { client, path, mut lease, facts } = self;
        let may_try_pasv = !lease.machine.quirks().no_epsv && lease.machine.is_pasv_allowed();
        match lease.start(start, exact_end, exists(&facts)).await {
            Ok(()) => return Ok((lease, facts)),
            Err(OpenError::DataConnection(_)) if may_try_pasv => {}
            Err(error) => return Err(error),
        }
        drop(lease);
        let pool = &client.site.pool;
        pool.learn(|quirks| quirks.no_epsv = true);
        let (mut lease, facts) = client.site.ask(&path, Port::Always, 0).await?;
        let started = lease.start(start, exact_end, exists(&facts)).await;
        if let Err(OpenError::DataConnection(_)) = started {
            lease.machine.quirks_mut().no_epsv = false;
            pool.learn(|quirks| quirks.no_epsv = false);
        }
        started.map(|()| (lease, facts))
    }
}

/// Whether the server shows in any way that the file is there.
fn exists(facts: &FileFacts) -> bool {
    facts.refusal.is_none() && (facts.size.is_some() || facts.modified().is_some())
}

/// A transfer that the server has accepted.
///
/// Dropping it ends it, and gives the session back in the background.
pub struct Download {
    /// `None` when the transfer is over, so that the session is free for others at once.
    lease: Option<Lease>,
    pub(super) facts: FileFacts,
    pub(super) start: u64,
    received: u64,
    end: Option<Result<(), ReadError>>,
    /// What came before the end and has not been read.
    left: BytesMut,
    /// Its first bytes are those of the file, and others wait for them.
    to_come: Option<ToCome>,
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("start", &self.start)
            .field("received", &self.received)
            .field("facts", &self.facts)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl Download {
    pub(super) fn new(mut lease: Lease, facts: FileFacts, start: u64, to_come: Option<ToCome>) -> Self {
        // Whoever ends it early goes on elsewhere, as a rule.
        lease.again = true;
        let to_come = to_come.filter(|to_come| to_come.is_of(&facts));
        let mut download =
            Self { lease: Some(lease), facts, start, received: 0, end: None, left: BytesMut::new(), to_come };
        download.tell_first_bytes();
        download
    }

    /// What the server said about the file just before the transfer.
    pub fn facts(&self) -> &FileFacts {
        &self.facts
    }

    /// Offset of the first byte.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Offset of the next byte.
    pub fn position(&self) -> u64 {
        self.start.saturating_add(self.received)
    }

    /// Reads into the spare room of `buf` and returns how many bytes came; 0 when the server has confirmed that the transfer
    /// is complete, or when `buf` has no room. Waits for as long as the server is silent. Cancel safe.
    ///
    /// # Errors
    /// [`ReadError`]; every later call gives the same one.
    pub async fn read<B: BufMut>(&mut self, buf: &mut B) -> Result<usize, ReadError> {
        if !buf.has_remaining_mut() {
            return Ok(0);
        }
        while let Some(lease) = &mut self.lease {
            let to_come = self.to_come.is_some();
            let got = poll_fn(|cx| if to_come { lease.poll_head(cx) } else { lease.poll_body(cx, buf) });
            match got.await {
                Ok(Got::Bytes(_)) if to_come => self.tell_first_bytes(),
                Ok(Got::Bytes(n)) => return Ok(self.count(n)),
                Ok(Got::Event(event)) => self.take_in(event),
                Err(error) => self.end_with(Err(error.into())),
            }
        }
        if !self.left.is_empty() {
            let n = self.left.len().min(buf.remaining_mut());
            buf.put(self.left.split_to(n));
            return Ok(self.count(n));
        }
        self.end.clone().unwrap_or(Ok(())).map(|()| 0)
    }

    fn count(&mut self, n: usize) -> usize {
        self.received = self.received.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
        n
    }

    /// Pending while the session is healthy; resolves with what ended it. Reads no byte of the body. Cancel safe.
    pub async fn hold(&mut self) -> ReadError {
        while let Some(lease) = &mut self.lease {
            let watched = poll_fn(|cx| match lease.poll_event(cx) {
                std::task::Poll::Pending if !lease.is_alive() => std::task::Poll::Ready(None),
                watched => watched.map(Some),
            });
            match watched.await {
                None => return ReadError::Lost,
                Some(Ok(event)) => self.take_in(event),
                Some(Err(error)) => self.end_with(Err(error.into())),
            }
        }
        match &self.end {
            Some(Err(error)) => error.clone(),
            _ => std::future::pending().await,
        }
    }

    /// Ends the transfer early and waits until the session is in step again: a round trip as a rule,
    /// [`Timeouts::handover`](super::Timeouts::handover) at most. What takes longer goes on in the background.
    pub async fn stop(mut self) {
        if let Some(mut lease) = self.lease.take() {
            let _ = tokio::time::timeout(lease.handover, lease.settle()).await;
        }
    }

    /// Waits for the first bytes, which stay in the lease's head. `None`: it is over without one.
    pub(super) async fn wait_for_head(&mut self) -> Result<Option<&mut Lease>, OpenError> {
        while let Some(lease) = &mut self.lease {
            match poll_fn(|cx| lease.poll_head(cx)).await {
                Ok(Got::Bytes(_)) => break,
                Ok(Got::Event(event)) => self.take_in(event),
                Err(error) => self.end_with(Err(error.into())),
            }
        }
        match &self.end {
            // That may be a server that is wrong about the length, or about the start.
            Some(Err(error)) if !matches!(error, ReadError::Short(_)) => Err(OpenError::over(error.clone())),
            _ => Ok(self.lease.as_mut()),
        }
    }

    fn tell_first_bytes(&mut self) {
        if let Some(lease) = &self.lease
            && !lease.head().is_empty()
            && let Some(to_come) = self.to_come.take()
        {
            to_come.bring(lease.head());
        }
    }

    fn take_in(&mut self, event: Event) {
        if let (Event::Ended(ending), Some(lease)) = (event, &self.lease) {
            let end = lease.judge(ending).map_or(Ok(()), Err);
            self.end_with(end);
        }
    }

    fn end_with(&mut self, end: Result<(), ReadError>) {
        let position = self.position();
        if let Some(lease) = &mut self.lease {
            lease.again = end.is_ok() && self.facts.size.is_some_and(|size| position < size);
            self.left.extend_from_slice(lease.head());
        }
        self.end.get_or_insert(end);
        self.to_come = None;
        self.lease = None;
    }
}
