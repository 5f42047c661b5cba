//! Opening a store: what was left, what of it can be believed, and what is left to do.

use std::io;
use std::sync::Arc;

use super::durable::Frozen;
use super::journal::{Found, Journal};
use super::names::Names;
use super::part::{PartFile, Poison};
use super::place::{look, sync_dir};
use super::publish::{check_target, publish, remove_journal};
use super::recover::Journaled;
use super::verify::bad_blocks;
use super::{
    BlockClaim, BlockSums, Finished, FreshJob, JobStore, OnDamage, Opened, Recovered, StoreError, StoreOptions,
};
use crate::sink::{FileKind, Locking, Metadata, Volume, VolumeFile};

/// How often the part is looked for again because it was renamed or removed between two looks.
const ATTEMPTS: u32 = 8;

/// A part that is there.
struct FoundPart {
    file: Box<dyn VolumeFile>,
    metadata: Metadata,
    locked: bool,
}

pub(super) fn open(volume: Arc<dyn Volume>, names: Names, options: StoreOptions) -> Result<Opened, StoreError> {
    let part = find_part(&*volume, &names)?;
    let found = Journal::find(&*volume, &names)?;
    let part_bytes = part.as_ref().map_or(0, |part| part.metadata.len);
    let (lost, part) = match (found, part) {
        (Found::Whole(found), Some(part)) => return resume(volume, names, options, part, *found),
        (Found::Whole(found), None) => {
            let (_, Journaled { done, claims, .. }) = *found;
            if let Some(finished) = done.map(|done| finished(&*volume, &names, done)).transpose()?.flatten() {
                // A killed process may have left the new name in the cache only.
                sync_dir(&*volume, &names)?;
                remove_journal(&*volume, &names)?;
                return Ok(Opened::Finished(finished));
            }
            let missing = StoreError::PartMissing { part: names.part.clone(), journal: names.journal.clone() };
            let lost = (claims.count() > 0).then_some((missing, options.on_damage));
            (lost, None)
        }
        (Found::Corrupt(reason), part) => {
            let corrupt = StoreError::CheckpointCorrupt { path: names.journal.clone(), reason };
            (Some((corrupt, options.on_damage)), part)
        }
        (Found::Nothing, part) => {
            let orphan = || (StoreError::OrphanPart { part: names.part.clone() }, options.on_orphan);
            ((part_bytes > 0).then(orphan), part)
        }
    };
    let given_up = match lost {
        Some((error, OnDamage::Fail)) => return Err(error),
        Some((error, OnDamage::Restart)) => Some(error),
        None => None,
    };
    check_target(&*volume, &names, options.if_exists)?;
    let part = part.map(|part| (part.file, part.metadata));
    Ok(Opened::Fresh(FreshJob { volume, names, options, part, given_up }))
}

/// Makes the part, with its lock.
pub(super) fn create_part(volume: &dyn Volume, names: &Names) -> Result<(Box<dyn VolumeFile>, Metadata), StoreError> {
    let path = &names.part;
    let locked_by = |pid| StoreError::Locked { path: path.clone(), pid };
    let file = volume.create_new(path).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => locked_by(None),
        _ => StoreError::io("make", path, e),
    })?;
    if let Locking::Busy(pid) = file.try_lock().map_err(|e| StoreError::io("lock", path, e))? {
        return Err(locked_by(pid));
    }
    let metadata = file.metadata().map_err(|e| StoreError::io("look at", path, e))?;
    // Before it was locked, another process may have taken it for an abandoned one, and even have been done with it.
    match look(volume, path)? {
        Some(now) if now.id == metadata.id => Ok((file, metadata)),
        _ => Err(locked_by(None)),
    }
}

/// Finds and locks the part.
///
/// The part is what is locked, not the journal: a journal is replaced now and then, and its lock would go with it. Between
/// the open and the lock the part may have got its final name or been removed, so its place is looked at again.
fn find_part(volume: &dyn Volume, names: &Names) -> Result<Option<FoundPart>, StoreError> {
    let path = &names.part;
    for _ in 0..ATTEMPTS {
        match look(volume, path)? {
            None => return Ok(None),
            Some(Metadata { kind: FileKind::Regular, .. }) => {}
            Some(Metadata { kind, .. }) => return Err(StoreError::NotRegular { path: path.clone(), kind }),
        }
        let file = match volume.open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(StoreError::io("open", path, e)),
        };
        let locked = match file.try_lock().map_err(|e| StoreError::io("lock", path, e))? {
            Locking::Held => true,
            Locking::Unsupported => false,
            Locking::Busy(pid) => return Err(StoreError::Locked { path: path.clone(), pid }),
        };
        let metadata = file.metadata().map_err(|e| StoreError::io("look at", path, e))?;
        if look(volume, path)?.is_some_and(|now| now.id == metadata.id) {
            return Ok(Some(FoundPart { file, metadata, locked }));
        }
    }
    Err(StoreError::Locked { path: path.clone(), pid: None })
}

/// The file that a journal without a part says is complete, if it is at its place.
fn finished(volume: &dyn Volume, names: &Names, done: super::record::Done) -> Result<Option<Finished>, StoreError> {
    let path = names.sibling(&done.name);
    let there = look(volume, &path)?.is_some_and(|found| found.kind == FileKind::Regular && found.len == done.len);
    let digest = (!done.digest.is_empty()).then_some(done.digest);
    Ok(there.then_some(Finished { path, len: done.len, digest }))
}

fn resume(
    volume: Arc<dyn Volume>,
    names: Names,
    options: StoreOptions,
    part: FoundPart,
    (mut journal, journaled): (Journal, Journaled),
) -> Result<Opened, StoreError> {
    let FoundPart { file, metadata, locked } = part;
    // The same of records and names: what is built on them from here on might outlive them.
    journal.sync()?;
    sync_dir(&*volume, &names)?;
    let have = journaled.claims.have();
    let bad = bad_blocks(&*file, &journaled, options.verify);
    let Journaled { header, identity, mut claims, aux, done, clean, .. } = journaled;
    // A block that reaches behind the end of the part has a checksum of bytes that are not there.
    let end_of = |claim: BlockClaim| (claim.block << header.block_shift) + u64::from(claim.len);
    let is_there = |claim: BlockClaim| end_of(claim) <= metadata.len && bad.binary_search(&claim.block).is_err();
    if !claims.blocks().all(is_there) {
        claims.retain(is_there);
    }
    let durable = claims.have();
    let mut dropped = have;
    for range in durable.iter() {
        dropped.remove(range);
    }

    let poison = Poison::default();
    let sums = BlockSums::resume(header.block_shift, &claims);
    let state = (identity.epoch(), identity.extent, sums);
    let part = PartFile::new(file, &names.part, metadata.id, poison.clone(), state);
    if let Some(done) = done.filter(|done| dropped.is_empty() && metadata.len == done.len) {
        let (len, digest) = (done.len, (!done.digest.is_empty()).then(|| done.digest.clone()));
        let path = publish(&*volume, &names, &part, &mut journal, done, options.if_exists)?;
        return Ok(Opened::Finished(Finished { path, len, digest }));
    }
    check_target(&*volume, &names, options.if_exists)?;
    let recovered = Recovered {
        identity: identity.clone(),
        have: durable.clone(),
        aux: aux.clone(),
        dropped,
        damaged_tail: !clean,
        locked,
    };
    let pending = Frozen::default();
    let mut store = JobStore { volume, names, options, part, journal, identity, durable, aux, pending, poison };
    // What was given up must not be claimed again by the next run, which may find half of it rewritten. Where there are
    // no locks, a journal of our own at the place tells another process that still runs that it has lost the job.
    if !recovered.dropped.is_empty() || !clean || !locked {
        store.replace_journal(&recovered.identity, &claims)?;
    }
    Ok(Opened::Resumed(store, recovered))
}
