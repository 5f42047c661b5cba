//! The journal as a file: appended to, and replaced as a whole.

use std::io;
use std::path::PathBuf;

use super::CorruptJournal;
use super::StoreError;
use super::durable::Durable;
use super::names::Names;
use super::part::Poison;
use super::place::{check_place, look, remove_if_there};
use super::record::{Done, HEADER_LEN, Header, Record, Seed};
use super::recover::{Journaled, recover_from};
use crate::sink::{FileId, FileKind, Rename, Volume, VolumeFile, read_full_at, write_all_at};

/// Zeros are written ahead in steps of this many bytes, so that an append changes no length and its sync is cheap.
const STEP: u64 = 64 << 10;
/// A journal shorter than this is not worth rewriting.
const MIN_REWRITE: u64 = 256 << 10;
/// How many times longer than what it says a journal may get.
const REWRITE_FACTOR: u64 = 4;
/// A longer one is not read: what it claims would not fit into memory. It would be that of a file of 64 TiB, in blocks of
/// 1 MiB, shortly before it is rewritten.
const MAX_LEN: u64 = 1 << 30;

/// An open journal, at its place.
#[derive(Debug)]
pub(super) struct Journal {
    file: Box<dyn VolumeFile>,
    path: PathBuf,
    id: FileId,
    pub(super) header: Header,
    seed: Seed,
    /// Where the next record goes.
    end: u64,
    /// Up to here the file was written.
    filled: u64,
    /// From this length on it is worth rewriting.
    rewrite_at: u64,
}

/// A complete and synced journal that is not at its place yet.
#[derive(Debug)]
pub(super) struct Prepared(Journal);

/// What was found at the place of the journal.
pub(super) enum Found {
    Nothing,
    Corrupt(CorruptJournal),
    Whole(Box<(Journal, Journaled)>),
}

impl Journal {
    /// Looks at the journal of a job, changing nothing.
    pub(super) fn find(volume: &dyn Volume, names: &Names) -> Result<Found, StoreError> {
        let path = &names.journal;
        let io = |op| move |e| StoreError::io(op, path, e);
        let Some(metadata) = look(volume, path)? else { return Ok(Found::Nothing) };
        if metadata.kind != FileKind::Regular {
            return Err(StoreError::NotRegular { path: path.clone(), kind: metadata.kind });
        }
        if metadata.len > MAX_LEN {
            return Ok(Found::Corrupt(CorruptJournal::Long(metadata.len)));
        }
        let file = volume.open(path).map_err(io("open"))?;
        let journaled = match recover_from(|offset, buf| read_full_at(&*file, offset, buf)).map_err(io("read"))? {
            Ok(journaled) => journaled,
            Err(corrupt) => return Ok(Found::Corrupt(corrupt)),
        };
        let header = journaled.header;
        let (seed, end, filled) = (Seed::of(&header), journaled.end, metadata.len.max(journaled.end));
        let live = 4 * journaled.claims.count() + journaled.aux.as_ref().map_or(0, |aux| aux.len() as u64);
        let rewrite_at = rewrite_at(live);
        let journal = Self { file, path: path.clone(), id: metadata.id, header, seed, end, filled, rewrite_at };
        Ok(Found::Whole(Box::new((journal, journaled))))
    }

    /// Writes a whole journal beside the place of the old one. A failure leaves everything as it was.
    pub(super) fn prepare(
        volume: &dyn Volume,
        names: &Names,
        header: Header,
        records: &[Record],
    ) -> Result<Prepared, StoreError> {
        let path = &names.journal_new;
        let written = Self::write_new(volume, names, header, records);
        written.map_err(|e| {
            // Best effort: the next attempt removes it as well.
            let _ = volume.unlink(path);
            StoreError::io("write", path, e)
        })
    }

    fn write_new(volume: &dyn Volume, names: &Names, header: Header, records: &[Record]) -> io::Result<Prepared> {
        remove_if_there(volume, &names.journal_new)?;
        let file = volume.create_new(&names.journal_new)?;
        let seed = Seed::of(&header);
        let mut end = HEADER_LEN as u64;
        write_all_at(&*file, 0, &header.encode())?;
        for record in records {
            let bytes = record.encode(seed, end);
            write_all_at(&*file, end, &bytes)?;
            end += bytes.len() as u64;
        }
        let filled = end.next_multiple_of(STEP);
        write_zeros(&*file, end, filled)?;
        file.sync_all()?;
        let id = file.metadata()?.id;
        let rewrite_at = rewrite_at(end);
        Ok(Prepared(Self { file, path: names.journal.clone(), id, header, seed, end, filled, rewrite_at }))
    }

    /// Records what is on the disk.
    pub(super) fn append_durable(&mut self, durable: &Durable) -> Result<(), StoreError> {
        Record::durable(durable.runs().iter().cloned()).iter().try_for_each(|record| self.append(record))
    }

    /// Records what a source left.
    pub(super) fn append_aux(&mut self, blob: &[u8]) -> Result<(), StoreError> {
        self.append(&Record::Aux(blob.to_vec()))
    }

    /// Records that the file is complete and on the disk.
    pub(super) fn append_done(&mut self, done: &Done) -> Result<(), StoreError> {
        self.append(&Record::Done(done.clone()))
    }

    /// Makes what was appended durable. An error means that it is not known what is on the disk, now or later.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(|e| StoreError::io("save", &self.path, e))
    }

    /// Whether so much of it is outdated that a new one is due.
    pub(super) fn is_long(&self) -> bool {
        self.end > self.rewrite_at
    }

    /// Rewriting failed: try again when it is twice as long.
    pub(super) fn put_off_rewriting(&mut self) {
        self.rewrite_at = self.rewrite_at.saturating_mul(2);
    }

    pub(super) fn len(&self) -> u64 {
        self.end
    }

    /// Reads it again. It must say all that was appended.
    pub(super) fn read_back(&self) -> Result<Journaled, StoreError> {
        let io = |e| StoreError::io("read", &self.path, e);
        let corrupt = |reason| StoreError::CheckpointCorrupt { path: self.path.clone(), reason };
        let journaled = recover_from(|offset, buf| read_full_at(&*self.file, offset, buf)).map_err(io)?;
        let journaled = journaled.map_err(corrupt)?;
        if journaled.end != self.end {
            return Err(corrupt(CorruptJournal::Record {
                offset: journaled.end,
                rule: "changed since it was written",
            }));
        }
        Ok(journaled)
    }

    /// Whether its name still stands for it.
    pub(super) fn check_place(&self, volume: &dyn Volume) -> Result<(), StoreError> {
        check_place(volume, &self.path, self.id)
    }

    /// A failure leaves the end where it was: the next append overwrites what this one left.
    fn append(&mut self, record: &Record) -> Result<(), StoreError> {
        let bytes = record.encode(self.seed, self.end);
        let end = self.end + bytes.len() as u64;
        let filled = self.filled.max(end.next_multiple_of(STEP));
        write_zeros(&*self.file, self.filled, filled)
            .and_then(|()| {
                self.filled = filled;
                write_all_at(&*self.file, self.end, &bytes)
            })
            .map_err(|e| StoreError::io("write", &self.path, e))?;
        self.end = end;
        Ok(())
    }
}

impl Prepared {
    /// Puts the new journal in the place of the old one. If its name cannot be made durable it is not known which of the
    /// two a crash would leave; that is the end. Any other failure leaves the old one, and all may go on.
    pub(super) fn install(self, volume: &dyn Volume, names: &Names, poison: &Poison) -> Result<Journal, StoreError> {
        let io = |e| StoreError::io("replace", &names.journal, e);
        volume.rename(&names.journal_new, &names.journal, Rename::Replace).map_err(io)?;
        volume.sync_dir(&names.dir).map_err(|e| poison.set(io(e)))?;
        Ok(self.0)
    }
}

/// The length at which a journal that could be this short is rewritten.
fn rewrite_at(live: u64) -> u64 {
    (REWRITE_FACTOR * live).clamp(MIN_REWRITE, MAX_LEN / 2)
}

fn write_zeros(file: &dyn VolumeFile, from: u64, to: u64) -> io::Result<()> {
    let mut steps = (from..to).step_by(STEP as usize);
    steps.try_for_each(|at| write_all_at(file, at, &[0; STEP as usize][..(to - at).min(STEP) as usize]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_is_rewritten_at_four_times_what_it_says_and_long_before_it_is_too_long_to_be_read() {
        assert_eq!(rewrite_at(0), MIN_REWRITE);
        assert_eq!(rewrite_at(1 << 20), 4 << 20);
        assert_eq!(rewrite_at(MAX_LEN), 512 << 20);
    }
}
