//! What follows when a stream of a drive fails, and when nothing follows any more.

use segfetch_source::{ErrorClass, Phase, SourceError};

use super::Drive;
use crate::engine::error::{DownloadError, chain};
use crate::engine::progress::Event;
use crate::plan::{Failure, GiveUp, Input, WorkerId};

impl Drive<'_> {
    /// Sorts an attempt to open a stream that came to nothing.
    pub(super) fn not_opened(&mut self, worker: WorkerId, error: SourceError) -> Result<(), DownloadError> {
        let streams = self.lanes.iter().filter(|lane| !lane.is_opening()).count();
        let (retry_after, limit_hint) = match error.class() {
            ErrorClass::Throttled { retry_after, limit_hint } => (retry_after, limit_hint),
            // A server that carries some streams and twice fails to take one more is full, whatever it says.
            ErrorClass::Transient if streams > 0 && self.not_opened >= 1 => (None, None),
            class => {
                self.not_opened += u32::from(class == ErrorClass::Transient);
                self.seat.failed();
                return self.failed(worker, error);
            }
        };
        self.counts.refusals += 1;
        self.seat.refused(retry_after, limit_hint);
        let granted = u16::try_from(streams).unwrap_or(u16::MAX);
        self.tell(Event::Throttled { granted, message: chain(&error) });
        self.last_error = Some(error);
        self.plan(Input::Failed { worker, failure: Failure::Throttled });
        Ok(())
    }

    /// Sorts a failure of a stream, or of an attempt to open one.
    pub(super) fn failed(&mut self, worker: WorkerId, error: SourceError) -> Result<(), DownloadError> {
        let failure = match error.class() {
            ErrorClass::Transient | ErrorClass::Throttled { .. } => Failure::Transient,
            ErrorClass::RangeNotSupported => Failure::RangeNotSupported,
            ErrorClass::Unknown if !self.last_error.as_ref().is_some_and(|last| error.is_repeat_of(last)) => {
                Failure::Transient
            }
            ErrorClass::Changed => return Err(DownloadError::Changed { reason: chain(&error) }),
            _ => return Err(DownloadError::Source(error)),
        };
        self.counts.retries += 1;
        let (class, phase, message) = (error.class(), error.phase(), chain(&error));
        self.tell(Event::Retry { worker: u32::from(worker.0), class, phase, message });
        self.last_error = Some(error);
        self.plan(Input::Failed { worker, failure });
        Ok(())
    }

    pub(super) fn gave_up(&mut self, reason: GiveUp) -> DownloadError {
        let last = self.last_error.take();
        match (reason, last) {
            (GiveUp::ExtentChanged { expected, found }, _) => {
                DownloadError::WrongLength { announced: expected, actual: found }
            }
            (GiveUp::OutOfPatience, last) => {
                let silent =
                    || SourceError::new(ErrorClass::Transient, Phase::Body, "no stream brings a byte that is new");
                let last = Box::new(last.unwrap_or_else(silent));
                DownloadError::GaveUp { patience: self.cx.download.patience, last }
            }
            (GiveUp::NotRepeatable, last) => DownloadError::NotRepeatable { last: last.map(Box::new) },
            (_, Some(last)) => DownloadError::Source(last),
            (reason, None) => DownloadError::Interrupted(format!("{reason:?} without a failure")),
        }
    }
}
