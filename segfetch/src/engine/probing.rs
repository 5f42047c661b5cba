//! Asking what the file is, until somebody answers.

use std::time::Duration;

use segfetch_source::{ErrorClass, RangeSource, SourceContext, SourceError, SourceInfo};
use tokio::time::Instant;

use super::control::Wishes;
use super::error::{DownloadError, chain};
use super::hosts::Seat;
use super::options::Connections;
use super::progress::Event;
use super::run::Run;

/// Streams that a source is told of before the first probe, at most: with the probe's session as many as browsers open to one
/// host at once. A server that admits few has to refuse them all.
const MOST_AHEAD: u16 = 5;
/// Pauses between probes, from the first to the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));

impl Run<'_> {
    /// Asks what the file is, as long as patience lasts.
    pub(crate) async fn probe(&mut self, seat: &mut Seat, wishes: &mut Wishes) -> Result<SourceInfo, DownloadError> {
        let durable = self.cx.progress.borrow().durable.max(self.resumed);
        loop {
            self.cx.wait_while_paused(wishes, durable).await?;
            if let Some(info) = self.probe_unless_interrupted(seat, wishes).await? {
                return Ok(info);
            }
            seat.want(0);
        }
    }

    /// Tells the source how many streams will be opened behind the first probe, if that is known, as far as the host is expected to
    /// admit them.
    pub(crate) fn say_what_follows(&self, seat: &Seat) {
        let download = &self.cx.download;
        if download.connections == Connections::Auto {
            return;
        }
        let streams = u16::try_from(download.connections.most()).unwrap_or(u16::MAX);
        let beside = (seat.expect(streams) - 1).min(MOST_AHEAD);
        if beside > 0 {
            download.source.preconnect(beside);
        }
    }

    /// `None` if the job is to pause or to end first.
    async fn probe_unless_interrupted(
        &mut self,
        seat: &mut Seat,
        wishes: &mut Wishes,
    ) -> Result<Option<SourceInfo>, DownloadError> {
        let mut pause = PAUSE.0;
        let mut last: Option<SourceError> = None;
        let mut patient_since = Instant::now();
        seat.want(1);
        loop {
            while seat.limit() == 0 {
                tokio::select! {
                    _ = seat.changed() => {}
                    () = wishes.interrupted() => return Ok(None),
                }
            }
            seat.opening();
            let cx = SourceContext::new().with_attempt(self.counts.retries);
            let result = tokio::select! {
                result = self.cx.download.source.probe(&cx) => result,
                () = wishes.interrupted() => {
                    seat.failed();
                    return Ok(None);
                }
            };
            let error = match result {
                Ok(info) => {
                    seat.opened();
                    // What follows says itself what it needs.
                    seat.want(0);
                    seat.closed();
                    seat.set_max(info.sessions.max);
                    return Ok(Some(info));
                }
                Err(error) => error,
            };
            if let ErrorClass::Throttled { retry_after, limit_hint } = error.class() {
                // The gate says when to try again.
                self.counts.refusals += 1;
                self.cx.tell(Event::Throttled { granted: 0, message: chain(&error) });
                seat.refused(retry_after, limit_hint);
                patient_since = Instant::now();
                continue;
            }
            seat.failed();
            let repeated = last.as_ref().is_some_and(|last| error.is_repeat_of(last));
            match error.class() {
                ErrorClass::Transient => {}
                ErrorClass::Unknown if !repeated => {}
                _ => return Err(DownloadError::Source(error)),
            }
            if patient_since.elapsed() >= self.cx.download.patience {
                return Err(DownloadError::GaveUp { patience: self.cx.download.patience, last: Box::new(error) });
            }
            self.counts.retries += 1;
            let (class, phase, message) = (error.class(), error.phase(), chain(&error));
            self.cx.tell(Event::Retry { worker: 0, class, phase, message });
            last = Some(error);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = wishes.interrupted() => return Ok(None),
            }
            pause = (pause * 2).min(PAUSE.1);
        }
    }
}
