//! The first bytes of a file: a stream that brings other ones has not started at byte 0.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::timeout;

use super::lease::Lease;
use crate::conn::{FileFacts, Quirks, Restart};
use crate::wire::Path;

/// Bytes of a beginning that are kept: many more than it takes to tell it from the middle of most files.
pub(super) const FIRST: usize = 512;

/// What the proof by the last byte takes: it is no use to wait for longer for something that saves it.
const ROUND_TRIPS_OF_A_PROOF: u32 = 4;
/// The least of that wait. On a server next door it is the reader of the other stream that takes its time.
const MIN_PATIENCE: Duration = Duration::from_millis(100);

/// The beginning of the file that was last started at byte 0; of one file, so that little is kept.
#[derive(Default)]
pub(super) struct Beginning {
    latest: Mutex<Option<Latest>>,
    /// What the last probe was told, of which file.
    probed: Mutex<Option<(Path, FileFacts)>>,
}

struct Latest {
    path: Path,
    facts: FileFacts,
    bytes: FirstBytes,
}

/// `None` while they are to come. The sender is gone: they will not.
pub(super) type FirstBytes = watch::Receiver<Option<Bytes>>;

/// Held by a stream from byte 0 that has brought nothing yet. Dropping it tells those who wait that nothing will come.
pub(super) struct ToCome {
    facts: FileFacts,
    bytes: watch::Sender<Option<Bytes>>,
}

impl ToCome {
    pub(super) fn bring(self, bytes: &[u8]) {
        let first = bytes.get(..FIRST).unwrap_or(bytes);
        self.bytes.send_replace(Some(Bytes::copy_from_slice(first)));
    }

    /// Whether they are those of the file that the server speaks of now.
    pub(super) fn is_of(&self, facts: &FileFacts) -> bool {
        is_same(&self.facts, facts)
    }
}

impl Beginning {
    /// A stream from byte 0 is about to bring the first bytes. `None` if they are known, or another one is about to.
    pub(super) fn announce(&self, path: &Path, facts: &FileFacts) -> Option<ToCome> {
        if !is_same(facts, facts) || self.of(path, facts).is_some() {
            return None;
        }
        let (sender, bytes) = watch::channel(None);
        let latest = Latest { path: path.clone(), facts: facts.clone(), bytes };
        *self.latest() = Some(latest);
        Some(ToCome { facts: facts.clone(), bytes: sender })
    }

    /// The same, of a file that is believed to be what the last probe was told; so that those who are told sooner than this
    /// stream what the file is do not prove by themselves what it is about to show.
    pub(super) fn announce_as_probed(&self, path: &Path) -> Option<ToCome> {
        let probed = lock(&self.probed).clone();
        let (_, facts) = probed.filter(|(probed, _)| probed == path)?;
        self.announce(path, &facts)
    }

    /// What a probe was told.
    pub(super) fn probed(&self, path: &Path, facts: &FileFacts) {
        *lock(&self.probed) = Some((path.clone(), facts.clone()));
    }

    /// The first bytes of this file, if they are known or to come.
    pub(super) fn of(&self, path: &Path, facts: &FileFacts) -> Option<FirstBytes> {
        let latest = self.latest();
        latest.as_ref().filter(|latest| latest.is_of(path) && is_same(&latest.facts, facts)).map(|it| it.bytes.clone())
    }

    /// Whether those of the file under this name are known or to come, if it is still the same.
    pub(super) fn is_of(&self, path: &Path) -> bool {
        self.latest().as_ref().is_some_and(|latest| latest.is_of(path))
    }

    fn latest(&self) -> MutexGuard<'_, Option<Latest>> {
        lock(&self.latest)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Latest {
    fn is_of(&self, path: &Path) -> bool {
        self.path == *path && (self.bytes.borrow().is_some() || self.bytes.has_changed().is_ok())
    }
}

/// Whether nothing says that it is another file. Without a time it might be: then bytes of different moments are not compared.
fn is_same(a: &FileFacts, b: &FileFacts) -> bool {
    let renamed = a.unique.as_ref().zip(b.unique.as_ref()).is_some_and(|(a, b)| a != b);
    a.size.is_some() && a.size == b.size && a.modified().is_some() && a.modified() == b.modified() && !renamed
}

/// Whether a start there that is not at byte 0 is where it should be: so as long as offsets are short. What a server makes of
/// longer ones, modulo 2^31 or 2^32, is not 0 either.
pub(super) fn is_telling(quirks: &Quirks, start: u64) -> bool {
    let short = Quirks { restart: Restart::Works { up_to: 1 }, ..Quirks::default() };
    quirks.restart == Restart::Unknown && short.is_restart_proven(start)
}

/// Whether what a transfer has brought that was asked to start behind 0 differs from the first bytes of the file. They are waited
/// for in vain: no.
pub(super) async fn differs(lease: &mut Lease, mut first: FirstBytes) -> bool {
    let round_trip = lease.machine.round_trip().unwrap_or_default();
    let patience = round_trip.saturating_mul(ROUND_TRIPS_OF_A_PROOF).max(MIN_PATIENCE);
    match timeout(patience, first.wait_for(Option::is_some)).await {
        Ok(Ok(first)) => first.iter().flatten().zip(lease.head()).any(|(first, own)| first != own),
        _ => false,
    }
}
