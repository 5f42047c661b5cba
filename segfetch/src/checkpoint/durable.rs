//! The order of data and record, as types: only a sync of the part makes a [`Durable`], and only a `Durable` is recorded.

use super::part::PartFile;
use super::{Run, StoreError};

/// Runs that were written to the part before now.
#[derive(Debug, Default)]
pub(super) struct Frozen {
    runs: Vec<Run>,
}

/// Runs that are on the disk.
#[derive(Debug)]
pub(super) struct Durable {
    runs: Vec<Run>,
}

impl Frozen {
    pub(super) fn new(runs: Vec<Run>) -> Self {
        Self { runs }
    }

    /// These runs, then later ones.
    pub(super) fn then(mut self, later: Self) -> Self {
        self.runs.extend(later.runs);
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Syncs the part. An error means that it is not known which of its bytes are on the disk, now or later.
    pub(super) fn sync(self, part: &PartFile) -> Result<Durable, StoreError> {
        part.file().sync_data().map_err(|e| StoreError::io("save the data of", part.path(), e))?;
        Ok(Durable { runs: self.runs })
    }
}

impl Durable {
    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Back to what may be recorded after another sync: the record could not be written.
    pub(super) fn thaw(self) -> Frozen {
        Frozen { runs: self.runs }
    }
}
