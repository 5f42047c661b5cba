//! Giving the complete file its name.

use std::io;
use std::path::PathBuf;

use super::journal::Journal;
use super::names::Names;
use super::part::PartFile;
use super::place::{look, remove_if_there, sync_dir};
use super::record::Done;
use super::{IfExists, StoreError};
use crate::sink::{FileKind, Metadata, Rename, Volume};

/// Most names that are tried before the search for a free one is given up.
const MAX_UNIQUE: u32 = 100_000;

/// Whether a download to this target can end well, as far as can be told now.
pub(super) fn check_target(volume: &dyn Volume, names: &Names, policy: IfExists) -> Result<(), StoreError> {
    choose(volume, names, policy).map(drop)
}

/// The name that the file is to get.
pub(super) fn choose(volume: &dyn Volume, names: &Names, policy: IfExists) -> Result<PathBuf, StoreError> {
    let target = &names.target;
    match (look(volume, target)?, policy) {
        (None, _) => Ok(target.clone()),
        (Some(_), IfExists::Fail) => Err(StoreError::TargetExists { path: target.clone() }),
        // A rename over a device would replace the device.
        (Some(Metadata { kind: kind @ (FileKind::Directory | FileKind::Other), .. }), IfExists::Replace) => {
            Err(StoreError::NotRegular { path: target.clone(), kind })
        }
        (Some(_), IfExists::Replace) => Ok(target.clone()),
        (Some(_), IfExists::Unique) => {
            for n in 1..MAX_UNIQUE {
                let path = names.unique(n);
                if look(volume, &path)?.is_none() {
                    return Ok(path);
                }
            }
            Err(StoreError::TargetExists { path: target.clone() })
        }
    }
}

/// Gives a part that is complete, synced and recorded as [`Done`] its name, and removes the journal.
pub(super) fn publish(
    volume: &dyn Volume,
    names: &Names,
    part: &PartFile,
    journal: &mut Journal,
    mut done: Done,
    policy: IfExists,
) -> Result<PathBuf, StoreError> {
    let how = if policy == IfExists::Replace { Rename::Replace } else { Rename::NoReplace };
    let path = loop {
        let path = names.sibling(&done.name);
        // Both names may stand for the part already: a link was made and the old name not removed yet.
        if look(volume, &path)?.is_some_and(|found| found.id == part.id()) {
            remove_if_there(volume, part.path()).map_err(|e| StoreError::io("remove", part.path(), e))?;
            break path;
        }
        match volume.rename(part.path(), &path, how) {
            Ok(()) => break path,
            // Someone took the name since it was chosen.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                done.name = choose(volume, names, policy)?.file_name().unwrap_or_default().to_owned();
                journal.append_done(&done)?;
                journal.sync()?;
            }
            Err(e) => return Err(StoreError::io("give the finished file its name", &path, e)),
        }
    };
    sync_dir(volume, names)?;
    remove_journal(volume, names)?;
    Ok(path)
}

/// Removes the journal for good.
pub(super) fn remove_journal(volume: &dyn Volume, names: &Names) -> Result<(), StoreError> {
    // The journal goes last: as long as it is there, somebody will come and tidy up.
    for path in [&names.journal_new, &names.journal] {
        if remove_if_there(volume, path).map_err(|e| StoreError::io("remove", path, e))? {
            sync_dir(volume, names)?;
        }
    }
    Ok(())
}
