//! The end of a download: the digest, the name, the report.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use segfetch_source::{Digest, SourceInfo, Strength};

use super::error::DownloadError;
use super::progress::{Integrity, Report, Stage};
use super::run::{Run, blocking};
use super::verify;
use crate::checkpoint::{Completed, JobStore, StoreError};
use crate::sink::{FileKind, Metadata};

impl Run<'_> {
    /// Gives the complete file of `len` bytes its name. The store refuses if one of them is not there.
    pub(crate) async fn finish(
        &mut self,
        store: JobStore,
        len: u64,
        info: &SourceInfo,
    ) -> Result<Report, DownloadError> {
        let download = &self.cx.download;
        self.cx.set_stage(Stage::Verifying);
        let sha256 = match self.expected(Some(info)) {
            None => None,
            Some(expected) => {
                let part = store.part();
                let found = blocking(move || verify::sha256(len, |at, buf| part.read_at(at, buf))).await??;
                verify::compare(expected, &found)?;
                Some(found)
            }
        };
        self.cx.set_stage(Stage::Finishing);
        let mut completed = Completed::new(len);
        completed.modified = info.modified.filter(|_| download.keep_modified).and_then(system_time);
        completed.digest = sha256.map(Vec::from);
        let path = blocking(move || {
            let mut store = store;
            store.finish(&completed)
        })
        .await??;
        let integrity = match (sha256, info.validator.strength()) {
            (Some(_), _) => Integrity::Digest,
            (None, Strength::Strong) if self.counts.unproven == 0 => Integrity::Validator,
            (None, _) if self.counts.opens == 1 && self.resumed == 0 => Integrity::OneStream,
            (None, _) => Integrity::Unverified,
        };
        Ok(Report { sha256, ..self.report(path, len, integrity) })
    }

    /// The digest to check: that of the caller, or else that of the source, if it can be computed.
    fn expected<'a>(&'a self, info: Option<&'a SourceInfo>) -> Option<&'a Digest> {
        let stated = || info?.digest.as_ref().filter(|digest| verify::is_supported(digest));
        self.cx.download.expected.as_ref().or_else(stated)
    }

    /// The target is there already; `info` is what the server says, if it was asked.
    pub(crate) async fn already_there(
        &mut self,
        path: &Path,
        len: u64,
        info: Option<&SourceInfo>,
    ) -> Result<Report, DownloadError> {
        self.resumed = len;
        let mut sha256 = None;
        if let Some(expected) = self.expected(info) {
            self.cx.set_stage(Stage::Verifying);
            let (volume, path) = (Arc::clone(&self.cx.engine.volume), path.to_owned());
            let found = blocking(move || {
                let file =
                    volume.open(&path).map_err(|source| StoreError::Io { op: "open", path: path.clone(), source })?;
                let unreadable = |source| StoreError::Io { op: "read", path: path.clone(), source };
                verify::sha256(len, |at, buf| file.read_at(at, buf).map_err(unreadable))
            })
            .await??;
            verify::compare(expected, &found)?;
            sha256 = Some(found);
        }
        let integrity = if sha256.is_some() { Integrity::Digest } else { Integrity::Unverified };
        Ok(Report { sha256, already_complete: true, ..self.report(path.to_owned(), len, integrity) })
    }

    fn report(&self, path: PathBuf, len: u64, integrity: Integrity) -> Report {
        Report {
            path,
            len,
            fetched: self.counts.fetched,
            resumed: self.resumed,
            elapsed: self.started.elapsed(),
            integrity,
            opens: self.counts.opens,
            retries: self.counts.retries,
            refusals: self.counts.refusals,
            already_complete: false,
            sha256: None,
        }
    }
}

/// Whether a file on the disk has the length and the time of the one on the server.
pub(crate) fn is_copy(found: &Metadata, info: &SourceInfo) -> bool {
    let (Some(len), Some(modified)) = (info.extent.known(), info.modified.and_then(system_time)) else { return false };
    found.kind == FileKind::Regular && found.len == len && found.modified == Some(modified)
}

fn system_time((seconds, nanoseconds): (i64, u32)) -> Option<SystemTime> {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let second = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    second?.checked_add(Duration::from_nanos(u64::from(nanoseconds)))
}
