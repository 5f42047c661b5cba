//! How far a running download can be read from its beginning.

use std::path::PathBuf;
use std::sync::Arc;

use super::error::{DownloadError, chain};
use super::progress::Report;
use crate::checkpoint::{Epoch, JobStore, PartFile};
use crate::range_set::RangeSet;
use crate::sink::Volume;

/// What a reader of a running download goes by.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    pub(crate) volume: Arc<dyn Volume>,
    /// Where the bytes are, and of which epoch, once there are any.
    pub(crate) part: Option<(Arc<PartFile>, Epoch)>,
    /// All bytes before this one are in the file.
    pub(crate) written: u64,
    /// How the download ended.
    pub(crate) outcome: Option<Outcome>,
}

#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// The file is complete, and has its name.
    Complete { path: PathBuf, len: u64 },
    /// With the texts of the error.
    Failed(String),
}

impl Front {
    pub(crate) fn new(volume: Arc<dyn Volume>) -> Self {
        Self { volume, part: None, written: 0, outcome: None }
    }

    /// A version of the file begins, or goes on from what earlier runs left.
    pub(crate) fn begin(&mut self, store: &JobStore) {
        let part = store.part();
        let epoch = part.epoch();
        self.part = Some((part, epoch));
        self.written = end_of_first(store.have());
    }

    /// Takes what is written by now; says whether the front has moved.
    pub(crate) fn advance(&mut self, written: &RangeSet) -> bool {
        let before = std::mem::replace(&mut self.written, end_of_first(written));
        self.written != before
    }

    /// The download is over. The file stays open only for readers that are there and may go on; who comes later opens it by
    /// its name.
    pub(crate) fn end(&mut self, result: &Result<Report, DownloadError>, has_readers: bool) {
        if result.is_err() || !has_readers {
            self.part = None;
        }
        self.outcome = Some(match result {
            Ok(report) => Outcome::Complete { path: report.path.clone(), len: report.len },
            Err(error) => Outcome::Failed(chain(error)),
        });
    }
}

fn end_of_first(have: &RangeSet) -> u64 {
    have.range_at(0).map_or(0, |range| range.end)
}
