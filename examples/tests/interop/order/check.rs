//! Whether calls came in the order that makes a crash at any point harmless.
//!
//! * When the write of a journal record begins, every byte that the journal claims then was written to the part before the beginning
//!   of a sync of the part that has returned.
//! * Every record is followed by a sync of the journal; a journal gets its place only when it is synced.
//! * At the end: sync of part and journal, then the rename of the part, then a sync of the directory, then the end of the journal.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use segfetch::checkpoint::{Journaled, recover};
use segfetch::range_set::RangeSet;

use super::trace::{Call, Step};

/// What was seen of a download that ended well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Records that claimed more than those before.
    pub(super) durable_records: usize,
    /// Bytes of the part that were seen being written.
    pub(super) written: u64,
    /// Bytes that the journal claimed in the end.
    pub(super) claimed: u64,
}

/// Checks a download of `name` into `dir` from its first call to its last.
///
/// # Errors
/// The first thing that is out of order.
pub(super) fn check(steps: &[Step], dir: &Path, name: &str) -> Result<Seen, String> {
    check_resumed(steps, dir, name, RangeSet::new(), Vec::new())
}

/// The same for one that goes on from `have`, which `journal` claims.
pub(super) fn check_resumed(
    steps: &[Step],
    dir: &Path,
    name: &str,
    have: RangeSet,
    journal: Vec<u8>,
) -> Result<Seen, String> {
    let named = |suffix: &str| format!("{name}{suffix}");
    let claimed = recover(&journal).map(|journaled| journaled.claims.have()).unwrap_or_default();
    let mut checker = Checker {
        dir,
        names: [named(".part"), named(".part.sfj"), named(".part.sfj.new"), named("")],
        part: Data { synced: have, ..Data::default() },
        journal: Journal { image: journal, claimed, ..Journal::default() },
        new: Journal::default(),
        calls: HashMap::new(),
        place: Place::Part,
        seen: Seen::default(),
    };
    for (index, step) in steps.iter().enumerate() {
        let result = match step {
            Step::Began(thread, call) => checker.began(*thread, call),
            Step::Returned(thread, result) => checker.returned(*thread, *result),
        };
        result.map_err(|text| format!("at step {index}: {text}"))?;
    }
    if checker.place != Place::Tidy { Err(format!("it ended at {:?}", checker.place)) } else { Ok(checker.seen) }
}

struct Checker<'a> {
    dir: &'a Path,
    /// Part, journal, new journal, target.
    names: [String; 4],
    part: Data,
    journal: Journal,
    new: Journal,
    /// What each thread is in, and what a sync will have made durable when it returns.
    calls: HashMap<u32, (Call, Promise)>,
    place: Place,
    seen: Seen,
}

/// The bytes of the part.
#[derive(Default)]
struct Data {
    /// Written, and the write has returned.
    written: RangeSet,
    synced: RangeSet,
    /// Something was changed since the last sync began.
    dirty: bool,
}

#[derive(Default)]
struct Journal {
    image: Vec<u8>,
    claimed: RangeSet,
    done: bool,
    /// It has a record whose sync has not returned.
    dirty: bool,
}

/// What a sync covers, from its beginning.
enum Promise {
    Nothing,
    Part(RangeSet),
    Journal,
    New,
    Directory,
}

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Part,
    Renamed,
    /// The directory is synced after the rename.
    Named,
    /// The journal is gone.
    Tidy,
}

/// Which of the files.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Part,
    Journal,
    New,
    Target,
}

impl Checker<'_> {
    fn kind(&self, path: &Path) -> Option<Kind> {
        let name = path.file_name()?.to_str()?;
        let index = self.names.iter().position(|known| known == name)?;
        let inside = path.parent().is_some_and(|parent| parent == Path::new("") || parent == self.dir);
        inside.then_some([Kind::Part, Kind::Journal, Kind::New, Kind::Target][index])
    }

    fn began(&mut self, thread: u32, call: &Call) -> Result<(), String> {
        let mut promise = Promise::Nothing;
        match call {
            Call::Write { path, offset, len, shown } => match self.kind(path) {
                Some(Kind::Part) => self.begin_write(*offset..*offset + *len),
                Some(Kind::Journal) => self.record(false, *offset, *len, shown)?,
                Some(Kind::New) => self.record(true, *offset, *len, shown)?,
                Some(Kind::Target) => return Err("the target is written to".into()),
                None => {}
            },
            Call::SetLen { path, len } if self.kind(path) == Some(Kind::Part) => self.begin_write(*len..u64::MAX),
            Call::Sync(path) if path == self.dir => promise = Promise::Directory,
            Call::Sync(path) => match self.kind(path) {
                Some(Kind::Part) => {
                    self.part.dirty = false;
                    promise = Promise::Part(self.part.written.clone());
                }
                Some(Kind::Journal) => promise = Promise::Journal,
                Some(Kind::New) => promise = Promise::New,
                _ => {}
            },
            Call::Rename { from, to } => match (self.kind(from), self.kind(to)) {
                (Some(Kind::New), Some(Kind::Journal)) if self.new.dirty => {
                    return Err("a new journal gets its place before it is synced".into());
                }
                (Some(Kind::Part), Some(Kind::Target)) => self.finish()?,
                _ => {}
            },
            Call::Unlink(path) if self.kind(path) == Some(Kind::Journal) && self.place != Place::Named => {
                return Err(format!("the journal is removed at {:?}, before the directory is synced", self.place));
            }
            Call::SetLen { .. } | Call::Unlink(_) | Call::WriteOn(_) => {}
        }
        self.calls.insert(thread, (call.clone(), promise));
        Ok(())
    }

    fn returned(&mut self, thread: u32, result: Option<u64>) -> Result<(), String> {
        let Some((call, promise)) = self.calls.remove(&thread) else { return Err("a return without a call".into()) };
        let Some(result) = result else { return Ok(()) };
        match (call, promise) {
            (Call::Write { path, offset, .. }, _) if self.kind(&path) == Some(Kind::Part) => {
                self.part.written.insert(offset..offset + result);
            }
            (Call::Rename { from, to }, _) => match (self.kind(&from), self.kind(&to)) {
                (Some(Kind::New), Some(Kind::Journal)) => self.journal = std::mem::take(&mut self.new),
                (Some(Kind::Part), Some(Kind::Target)) => self.place = Place::Renamed,
                _ => {}
            },
            (Call::Unlink(path), _) if self.kind(&path) == Some(Kind::Journal) => self.place = Place::Tidy,
            (_, Promise::Part(covered)) => covered.iter().for_each(|range| _ = self.part.synced.insert(range)),
            // The store writes and syncs a journal from one thread, so nothing was added meanwhile.
            (_, Promise::Journal) => self.journal.dirty = false,
            (_, Promise::New) => self.new.dirty = false,
            (_, Promise::Directory) if self.place == Place::Renamed => self.place = Place::Named,
            _ => {}
        }
        Ok(())
    }

    /// What was there is not any more, and no sync that is under way brings it back.
    fn begin_write(&mut self, range: Range<u64>) {
        self.part.dirty = true;
        self.part.written.remove(range.clone());
        self.part.synced.remove(range.clone());
        for (_, promise) in self.calls.values_mut() {
            if let Promise::Part(covered) = promise {
                covered.remove(range.clone());
            }
        }
    }

    /// A write to a journal: what it claims from now on has to be true.
    fn record(&mut self, new: bool, offset: u64, len: u64, shown: &[u8]) -> Result<(), String> {
        if shown.len() as u64 != len {
            return Err(format!("only {} of {len} bytes of a record are in the log", shown.len()));
        }
        let journal = if new { &mut self.new } else { &mut self.journal };
        let start = usize::try_from(offset).map_err(|e| e.to_string())?;
        let end = start + shown.len();
        journal.image.resize(journal.image.len().max(end), 0);
        journal.image[start..end].copy_from_slice(shown);
        if shown.iter().all(|&byte| byte == 0) {
            return Ok(());
        }
        journal.dirty = true;
        let journaled: Journaled = match recover(&journal.image) {
            Ok(journaled) if journaled.clean => journaled,
            // It is written in pieces, and it has no place yet.
            _ if new => return Ok(()),
            Ok(_) => return Err(format!("what is written at {offset} of the journal is no record")),
            Err(error) => {
                return Err(format!("what is written at {offset} of the journal makes it unreadable: {error}"));
            }
        };
        let claims = journaled.claims.have();
        if let Some(range) = claims.iter().find(|range| !self.part.synced.contains_range(range)) {
            let missing = self.part.synced.first_gap(range).unwrap_or_default();
            return Err(format!("a record claims {missing:?}, which no sync has made durable"));
        }
        journal.done = journaled.done.is_some();
        if claims != journal.claimed {
            self.seen.durable_records += usize::from(!new);
            self.seen.claimed = claims.total();
            journal.claimed = claims;
        }
        Ok(())
    }

    /// The part gets its name.
    fn finish(&mut self) -> Result<(), String> {
        let writing = |(call, _): &(Call, Promise)| matches!(call, Call::Write { .. } | Call::Sync(_));
        if self.part.dirty || self.calls.values().any(writing) {
            return Err("the part gets its name before its sync has returned".into());
        }
        if self.journal.dirty || !self.journal.done {
            return Err("the part gets its name before the record of that is durable".into());
        }
        self.seen.written = self.part.written.total();
        Ok(())
    }
}

#[cfg(test)]
#[path = "planted.rs"]
mod planted;
