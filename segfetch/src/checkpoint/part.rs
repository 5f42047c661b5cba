//! The file that the data goes to.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::durable::Frozen;
use super::place::check_place;
use super::record::MAX_EXTENT;
use super::{BlockSums, Epoch, StoreError};
use crate::sink::{FileId, Volume, VolumeFile, read_full_at, write_all_at};

/// The data of a job until it is complete: `name.part`.
///
/// Shared by whoever writes. A write goes to the file and into the checksums of its blocks in one step, under one lock, so
/// that a checkpoint can only claim what was written, and a change of epoch waits for the write that is under way. Writes
/// of one job therefore follow each other; several jobs write at once.
#[derive(Debug)]
pub struct PartFile {
    file: Box<dyn VolumeFile>,
    path: PathBuf,
    id: FileId,
    state: Mutex<State>,
    poison: Poison,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) epoch: Epoch,
    pub(super) sums: BlockSums,
    pub(super) extent: Option<u64>,
}

/// The text of the first failure that leaves it unknown what is on the disk.
///
/// After an error of a sync the system takes the pages for clean: a repeated sync succeeds, and the data is gone.
#[derive(Clone, Debug, Default)]
pub(super) struct Poison(Arc<OnceLock<String>>);

impl Poison {
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self.0.get() {
            Some(first) => Err(StoreError::Poisoned { first: first.clone() }),
            None => Ok(()),
        }
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.get().is_some()
    }

    /// Passes the error on, and refuses everything from here on.
    pub(super) fn set(&self, error: StoreError) -> StoreError {
        let text = match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        // A second failure adds nothing to the first.
        let _ = self.0.set(text);
        error
    }
}

impl PartFile {
    pub(super) fn new(
        file: Box<dyn VolumeFile>,
        path: &Path,
        id: FileId,
        poison: Poison,
        (epoch, extent, sums): (Epoch, Option<u64>, BlockSums),
    ) -> Arc<Self> {
        let state = Mutex::new(State { epoch, sums, extent });
        Arc::new(Self { file, path: path.to_owned(), id, state, poison })
    }

    /// The epoch of bytes that are fetched now.
    pub fn epoch(&self) -> Epoch {
        self.lock().epoch
    }

    /// Bytes of this epoch that were written, claimed or not.
    pub fn written(&self) -> u64 {
        self.lock().sums.have().total()
    }

    /// Writes bytes of the file, at `offset` from its start, and returns how many of them were new.
    ///
    /// A byte is written once in an epoch: what was there is left as it is, so nothing that is claimed is ever in
    /// motion. When this returns, the bytes are safe from a crash of the process, and are claimed by the next checkpoint.
    ///
    /// # Errors
    /// [`StoreError::StaleEpoch`] if the job has started over since; [`StoreError::BeyondEnd`]; [`StoreError::Full`] and
    /// other failures of the system, after which none or some of these bytes are written and only those are ever claimed.
    pub fn write_at(&self, epoch: Epoch, offset: u64, data: &[u8]) -> Result<u64, StoreError> {
        let mut state = self.lock();
        self.poison.check()?;
        if epoch != state.epoch {
            return Err(StoreError::StaleEpoch { path: self.path.clone() });
        }
        let (extent, end) = (state.extent.unwrap_or(MAX_EXTENT), offset.saturating_add(data.len() as u64));
        if end > extent {
            return Err(StoreError::BeyondEnd { path: self.path.clone(), end, extent });
        }
        let mut new = 0;
        for gap in state.sums.missing(offset..end) {
            let piece = &data[(gap.start - offset) as usize..(gap.end - offset) as usize];
            write_all_at(&*self.file, gap.start, piece).map_err(|e| StoreError::io("write", &self.path, e))?;
            new += state.sums.update(gap.start, piece);
        }
        Ok(new)
    }

    /// Reads what is in the file, written in this epoch or not, and returns how many bytes that were.
    ///
    /// # Errors
    /// Those of the system.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StoreError> {
        read_full_at(&*self.file, offset, buf).map_err(|e| StoreError::io("read", &self.path, e))
    }

    /// Reads what was written in this epoch, while the job goes on and after it has finished.
    ///
    /// # Errors
    /// [`StoreError::StaleEpoch`] if the job has started over; those of the system.
    pub fn read_of(&self, epoch: Epoch, offset: u64, buf: &mut [u8]) -> Result<usize, StoreError> {
        let n = self.read_at(offset, buf)?;
        // Looked at afterwards: who starts over empties the file under the lock of the epoch.
        match self.epoch() {
            now if now == epoch || now == Epoch::CLOSED => Ok(n),
            _ => Err(StoreError::StaleEpoch { path: self.path.clone() }),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held can only have left bytes on the disk that nothing claims.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn file(&self) -> &dyn VolumeFile {
        &*self.file
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn id(&self) -> FileId {
        self.id
    }

    /// Everything that was written since the last freeze, summed. What came out of order is read back first.
    pub(super) fn freeze(&self) -> Result<Frozen, StoreError> {
        let mut state = self.lock();
        for range in state.sums.unsummed() {
            let mut bytes = vec![0; (range.end - range.start) as usize];
            let n = self.read_at(range.start, &mut bytes)?;
            state.sums.read_back(range.start, &bytes[..n]);
        }
        Ok(Frozen::new(state.sums.freeze()))
    }

    /// Whether `path` still stands for this file.
    pub(super) fn check_place(&self, volume: &dyn Volume) -> Result<(), StoreError> {
        check_place(volume, &self.path, self.id)
    }
}
