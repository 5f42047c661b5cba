//! What a name stands for.

use std::io;
use std::path::Path;

use super::StoreError;
use super::names::Names;
use crate::sink::{FileId, Metadata, Volume};

/// What has this name, if anything has.
pub(super) fn look(volume: &dyn Volume, path: &Path) -> Result<Option<Metadata>, StoreError> {
    match volume.metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(StoreError::io("look at", path, e)),
    }
}

/// Whether the name still stands for this file: another process that took the job over has put its own there.
pub(super) fn check_place(volume: &dyn Volume, path: &Path, id: FileId) -> Result<(), StoreError> {
    match look(volume, path)? {
        Some(found) if found.id == id => Ok(()),
        _ => Err(StoreError::Displaced { path: path.to_owned() }),
    }
}

/// Removes a file, and says whether there was one.
pub(super) fn remove_if_there(volume: &dyn Volume, path: &Path) -> io::Result<bool> {
    match volume.unlink(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        other => other.map(|()| true),
    }
}

pub(super) fn sync_dir(volume: &dyn Volume, names: &Names) -> Result<(), StoreError> {
    volume.sync_dir(&names.dir).map_err(|e| StoreError::io("save the directory", &names.dir, e))
}
