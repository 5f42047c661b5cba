//! The files of one download, kept in step.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::durable::Frozen;
use super::journal::{Found, Journal};
use super::names::Names;
use super::open;
use super::part::{PartFile, Poison};
use super::place;
use super::publish::{self, publish};
use super::record::{Done, Header, MAX_AUX_LEN, MAX_DIGEST_LEN, Record};
use super::{BlockSums, Claims, Epoch, Identity, StoreError, StoreOptions};
use crate::range_set::RangeSet;
use crate::sink::{Metadata, Volume, VolumeFile};

/// The files of one download: the part, its journal, and the target when all is complete.
///
/// A store holds the lock of its part. It is `Send`, and its methods block: an engine moves it to a thread that may wait,
/// while others go on writing to [`part`](Self::part).
#[derive(Debug)]
pub struct JobStore {
    pub(super) volume: Arc<dyn Volume>,
    pub(super) names: Names,
    pub(super) options: StoreOptions,
    pub(super) part: Arc<PartFile>,
    pub(super) journal: Journal,
    pub(super) identity: Identity,
    pub(super) durable: RangeSet,
    pub(super) aux: Option<Vec<u8>>,
    /// What was frozen and not recorded, because recording failed without harm.
    pub(super) pending: Frozen,
    pub(super) poison: Poison,
}

/// What [`JobStore::open`] found.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "made once for each download and taken apart at once")]
pub enum Opened {
    /// Nothing to go on from. Nothing was made or changed yet.
    Fresh(FreshJob),
    /// A download to go on with.
    Resumed(JobStore, Recovered),
    /// A download that was complete when it was interrupted. What was left to do is done.
    Finished(Finished),
}

/// A download that has no files yet.
#[derive(Debug)]
pub struct FreshJob {
    pub(super) volume: Arc<dyn Volume>,
    pub(super) names: Names,
    pub(super) options: StoreOptions,
    /// A part that is there, empty or given up, with its lock.
    pub(super) part: Option<(Box<dyn VolumeFile>, Metadata)>,
    /// What is given up by starting over.
    pub(super) given_up: Option<StoreError>,
}

/// What is left of an earlier run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recovered {
    /// Which file it was fetching.
    pub identity: Identity,
    /// The bytes that are on the disk.
    pub have: RangeSet,
    /// What its source left with [`JobStore::set_aux`].
    pub aux: Option<Vec<u8>>,
    /// Bytes that the journal claims and the part does not hold, or holds wrong. They are fetched again.
    pub dropped: RangeSet,
    /// The last record of the journal was torn or damaged; what it claimed is fetched again.
    pub damaged_tail: bool,
    /// Whether the part is locked; false where the file system has no locks.
    pub locked: bool,
}

/// A complete file at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finished {
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub len: u64,
    /// The digest that was given to [`JobStore::finish`].
    pub digest: Option<Vec<u8>>,
}

/// What a checkpoint did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// Bytes that are on the disk and were not at the last checkpoint.
    pub new_bytes: u64,
    /// All bytes of this epoch that are on the disk.
    pub durable_bytes: u64,
    /// Length of the records of the journal in bytes.
    pub journal_len: u64,
    /// Whether the journal was written anew, because most of it was outdated.
    pub rewritten: bool,
}

/// How a download ends.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Completed {
    /// Final length in bytes.
    pub len: u64,
    /// The time that the file is to carry.
    pub modified: Option<SystemTime>,
    /// A digest of the whole file, as the caller encodes it.
    pub digest: Option<Vec<u8>>,
    /// Bytes that do not exist at the source, and read as zeros.
    pub missing: RangeSet,
}

impl Completed {
    /// The end of a file of `len` bytes, all of which are there.
    pub fn new(len: u64) -> Self {
        Self { len, ..Self::default() }
    }
}

impl FreshJob {
    /// Why an earlier run is given up, if one is.
    pub fn given_up(&self) -> Option<&StoreError> {
        self.given_up.as_ref()
    }

    /// Makes the files: the part, locked; then the journal; then the space for the whole file.
    ///
    /// # Errors
    /// [`StoreError::Full`] if the file does not fit, before anything is made; [`StoreError::Locked`] if another process
    /// was faster; those of the system. What was made by then does not stand in the way of the next attempt.
    pub fn begin(self, identity: Identity) -> Result<JobStore, StoreError> {
        let Self { volume, names, options, part, .. } = self;
        let allocated = part.as_ref().map_or(0, |(_, metadata)| metadata.allocated);
        check_space(&*volume, &names, identity.extent, allocated)?;
        let (file, metadata) = match part {
            Some(part) => part,
            None => open::create_part(&*volume, &names)?,
        };
        let identity = identity.in_epoch(Epoch::default());
        let shift = options.block_shift.clamp(super::record::MIN_BLOCK_SHIFT, super::record::MAX_BLOCK_SHIFT);
        let header = Header {
            job_id: options.job_id,
            generation: 0,
            block_shift: shift,
            axis: super::record::Axis::Bytes,
            created: options.created,
        };
        let prepared = Journal::prepare(&*volume, &names, header, &[Record::Identity(identity.clone())])?;
        let poison = Poison::default();
        let journal = prepared.install(&*volume, &names, &poison)?;
        let state = (identity.epoch(), identity.extent, BlockSums::new(shift));
        let part = PartFile::new(file, &names.part, metadata.id, poison.clone(), state);
        let store = JobStore {
            volume,
            names,
            options,
            part,
            journal,
            identity,
            durable: RangeSet::new(),
            aux: None,
            pending: Frozen::default(),
            poison,
        };
        store.shape_part(true)?;
        Ok(store)
    }
}

impl JobStore {
    /// Looks for what an earlier run left beside `target`, and makes ready to go on from it.
    ///
    /// The part is locked first; then the journal is read, and what it claims is checked as
    /// [`StoreOptions::verify`] says. A block that fails is dropped. Where everything was complete and only the name was
    /// missing, the name is given. Nothing is made if there is nothing to go on from.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process is at it; [`StoreError::TargetExists`], [`StoreError::CheckpointCorrupt`],
    /// [`StoreError::PartMissing`], [`StoreError::OrphanPart`] as the options say; [`StoreError::NotRegular`]; those of
    /// the system.
    pub fn open(volume: Arc<dyn Volume>, target: &Path, options: StoreOptions) -> Result<Opened, StoreError> {
        open::open(volume, Names::of(target)?, options)
    }

    /// Bytes that the journal beside `target` claims; 0 if there is none. Looks at nothing else and changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NoFileName`], [`StoreError::NotRegular`], [`StoreError::CheckpointCorrupt`]; those of the system.
    pub fn claimed(volume: &dyn Volume, target: &Path) -> Result<u64, StoreError> {
        let names = Names::of(target)?;
        match Journal::find(volume, &names)? {
            Found::Nothing => Ok(0),
            Found::Whole(found) => Ok(found.1.claims.have().total()),
            Found::Corrupt(reason) => Err(StoreError::CheckpointCorrupt { path: names.journal, reason }),
        }
    }

    /// The file that the data goes to.
    pub fn part(&self) -> Arc<PartFile> {
        Arc::clone(&self.part)
    }

    /// The path of the part.
    pub fn part_path(&self) -> &Path {
        &self.names.part
    }

    /// The bytes that are on the disk, and recorded.
    pub fn have(&self) -> &RangeSet {
        &self.durable
    }

    /// Which file this is about.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Makes everything durable that was written before this call, and records it: first the data, then the claim.
    ///
    /// Writers may go on meanwhile; what they write belongs to the next checkpoint.
    ///
    /// # Errors
    /// After a failed sync nothing that was written since the last checkpoint is claimed, and the store refuses all further
    /// work with [`StoreError::Poisoned`]. Other failures, as of a full disk, leave it to the next checkpoint.
    pub fn checkpoint(&mut self) -> Result<Checkpoint, StoreError> {
        self.check()?;
        let before = self.durable.total();
        self.pending = std::mem::take(&mut self.pending).then(self.part.freeze()?);
        let mut rewritten = false;
        if !self.pending.is_empty() {
            let frozen = std::mem::take(&mut self.pending);
            let durable = frozen.sync(&self.part).map_err(|e| self.poison.set(e))?;
            if let Err(e) = self.journal.append_durable(&durable) {
                self.pending = durable.thaw();
                return Err(e);
            }
            self.sync_journal()?;
            self.durable.extend(durable.runs().iter().map(super::Run::range));
            rewritten = self.rewrite_if_long()?;
        }
        Ok(Checkpoint {
            new_bytes: self.durable.total() - before,
            durable_bytes: self.durable.total(),
            journal_len: self.journal.len(),
            rewritten,
        })
    }

    /// Keeps bytes for the source until the next run. The last blob counts. Durable when this returns.
    ///
    /// # Errors
    /// [`StoreError::TooLong`] above [`MAX_AUX_LEN`] bytes; otherwise as [`checkpoint`](Self::checkpoint).
    pub fn set_aux(&mut self, blob: &[u8]) -> Result<(), StoreError> {
        self.check()?;
        if blob.len() > MAX_AUX_LEN {
            return Err(StoreError::TooLong { what: "the source's own data", len: blob.len(), limit: MAX_AUX_LEN });
        }
        self.journal.append_aux(blob)?;
        self.sync_journal()?;
        self.aux = Some(blob.to_vec());
        self.rewrite_if_long().map(drop)
    }

    /// Says more about the same version of the file: that its length is known now, or a better validator. Claims stay.
    ///
    /// # Errors
    /// [`StoreError::BeyondEnd`] if more bytes are there than the file is to have; [`StoreError::Full`] if it does not fit;
    /// otherwise as [`checkpoint`](Self::checkpoint).
    pub fn update_identity(&mut self, identity: Identity) -> Result<(), StoreError> {
        self.check()?;
        let part = Arc::clone(&self.part);
        let mut state = part.lock();
        let end = state.sums.have().iter().next_back().map_or(0, |last| last.end);
        if let Some(extent) = identity.extent.filter(|&extent| end > extent) {
            return Err(StoreError::BeyondEnd { path: self.names.part.clone(), end, extent });
        }
        let new_extent = identity.extent != self.identity.extent;
        if new_extent {
            self.check_space(identity.extent)?;
        }
        let identity = identity.in_epoch(self.identity.epoch());
        let claims = self.journal.read_back()?.claims;
        self.replace_journal(&identity, &claims)?;
        state.extent = identity.extent;
        self.identity = identity;
        if new_extent { self.shape_part(false) } else { Ok(()) }
    }

    /// Starts over with another version of the remote file, in place.
    ///
    /// A write that is under way is waited for, later ones of the old epoch are refused, and all claims are void from the
    /// moment when the new journal is at its place.
    ///
    /// # Errors
    /// As [`checkpoint`](Self::checkpoint); the old epoch goes on if it was not given up yet.
    pub fn new_epoch(&mut self, identity: Identity) -> Result<Epoch, StoreError> {
        self.check()?;
        self.check_space(identity.extent)?;
        let part = Arc::clone(&self.part);
        let mut state = part.lock();
        let identity = identity.in_epoch(Epoch(self.identity.epoch().0.wrapping_add(1)));
        let shift = self.journal.header.block_shift;
        let aux = self.aux.take();
        if let Err(e) = self.replace_journal(&identity, &Claims::new(shift)) {
            self.aux = aux;
            return Err(e);
        }
        state.epoch = identity.epoch();
        state.extent = identity.extent;
        state.sums = BlockSums::new(shift);
        self.identity = identity;
        self.durable = RangeSet::new();
        self.pending = Frozen::default();
        self.shape_part(true)?;
        Ok(state.epoch)
    }

    /// Ends the download: the rest is made durable, the file gets its length, its time, and at last its name.
    ///
    /// Everything in an order that lets a crash at any point be made good by [`open`](Self::open). Afterwards the store is
    /// of no more use.
    ///
    /// # Errors
    /// [`StoreError::Incomplete`] if bytes are missing that [`Completed::missing`] does not name;
    /// [`StoreError::TargetExists`]; otherwise as [`checkpoint`](Self::checkpoint).
    pub fn finish(&mut self, completed: &Completed) -> Result<PathBuf, StoreError> {
        let digest = completed.digest.clone().unwrap_or_default();
        if digest.len() > MAX_DIGEST_LEN {
            return Err(StoreError::TooLong { what: "a digest", len: digest.len(), limit: MAX_DIGEST_LEN });
        }
        self.checkpoint()?;
        let there = self.durable.union(&completed.missing);
        if let Some(gap) = there.first_gap(0..completed.len) {
            return Err(StoreError::Incomplete { path: self.names.part.clone(), start: gap.start, end: gap.end });
        }
        let chosen = publish::choose(&*self.volume, &self.names, self.options.if_exists)?;
        // From here on a late write could only do harm.
        self.part.lock().epoch = Epoch::CLOSED;
        let (file, path) = (self.part.file(), self.part.path());
        file.set_len(completed.len).map_err(|e| StoreError::io("set the length of", path, e))?;
        if let Some(time) = completed.modified {
            // Not every file system keeps times, and a file is not worth less for it.
            let _ = file.set_modified(time);
        }
        file.sync_all().map_err(|e| self.poison.set(StoreError::io("save the data of", path, e)))?;
        let name = chosen.file_name().unwrap_or_default().to_owned();
        let done = Done { len: completed.len, name, digest };
        self.journal.append_done(&done)?;
        self.sync_journal()?;
        let policy = self.options.if_exists;
        publish(&*self.volume, &self.names, &self.part, &mut self.journal, done, policy)
    }

    /// Gives the download up, and removes its files.
    ///
    /// # Errors
    /// Those of the system. What is left then does not stand in the way of a new download.
    pub fn discard(self) -> Result<(), StoreError> {
        self.part.check_place(&*self.volume)?;
        self.part.lock().epoch = Epoch::CLOSED;
        // An empty part is nothing to anybody, whether a journal is beside it or not.
        let (file, path) = (self.part.file(), self.part.path());
        file.set_len(0).and_then(|()| file.sync_all()).map_err(|e| StoreError::io("empty", path, e))?;
        publish::remove_journal(&*self.volume, &self.names)?;
        self.volume.unlink(path).map_err(|e| StoreError::io("remove", path, e))?;
        place::sync_dir(&*self.volume, &self.names)
    }

    /// Refuses to work on a disk that failed, or on files that others have replaced.
    fn check(&self) -> Result<(), StoreError> {
        self.poison.check()?;
        self.part.check_place(&*self.volume)?;
        self.journal.check_place(&*self.volume)
    }

    fn sync_journal(&self) -> Result<(), StoreError> {
        self.journal.sync().map_err(|e| self.poison.set(e))
    }

    fn rewrite_if_long(&mut self) -> Result<bool, StoreError> {
        if !self.journal.is_long() {
            return Ok(false);
        }
        let claims = self.journal.read_back()?.claims;
        match self.replace_journal(&self.identity.clone(), &claims) {
            Err(e) if self.poison.is_set() => Err(e),
            // The old one is as good, and only longer.
            Err(_) => {
                self.journal.put_off_rewriting();
                Ok(false)
            }
            Ok(()) => Ok(true),
        }
    }

    /// Writes the journal anew, so that it says this and nothing else.
    pub(super) fn replace_journal(&mut self, identity: &Identity, claims: &Claims) -> Result<(), StoreError> {
        let mut header = self.journal.header;
        header.generation = header.generation.wrapping_add(1);
        let mut records = vec![Record::Identity(identity.clone())];
        records.extend(self.aux.clone().map(Record::Aux));
        records.extend(Record::durable(claims.runs()));
        let prepared = Journal::prepare(&*self.volume, &self.names, header, &records)?;
        self.journal = prepared.install(&*self.volume, &self.names, &self.poison)?;
        Ok(())
    }

    fn check_space(&self, extent: Option<u64>) -> Result<(), StoreError> {
        let allocated = self.part.file().metadata().map_or(0, |metadata| metadata.allocated);
        check_space(&*self.volume, &self.names, extent, allocated)
    }

    /// Gives the part its full length, and the space for it where that can be had.
    fn shape_part(&self, empty: bool) -> Result<(), StoreError> {
        let (file, path) = (self.part.file(), self.part.path());
        let set_len = |len| file.set_len(len).map_err(|e| StoreError::io("set the length of", path, e));
        if empty {
            set_len(0)?;
        }
        if let Some(extent) = self.identity.extent {
            if self.options.preallocate {
                // A file system that cannot reserve, or not as much, still takes the bytes as they come.
                let _ = file.allocate(extent);
            }
            set_len(extent)?;
        }
        Ok(())
    }
}

/// Whether a file fits, as far as the file system tells.
fn check_space(volume: &dyn Volume, names: &Names, extent: Option<u64>, allocated: u64) -> Result<(), StoreError> {
    let needed = extent.unwrap_or(0).saturating_sub(allocated);
    let available = volume.free_space(&names.dir).map_err(|e| StoreError::io("look at", &names.dir, e))?;
    match available {
        Some(free) if free < needed => {
            let (needed, available) = (Some(needed), Some(free));
            Err(StoreError::Full { path: names.part.clone(), needed, available, source: None })
        }
        _ => Ok(()),
    }
}
