//! The handle of a running download.

use std::sync::Arc;

use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

use super::error::DownloadError;
use super::front::Front;
use super::progress::{Event, Events, Progress, Report};
use super::rate::RateLimit;

/// A running download.
///
/// Dropping it ends the download as a kill would: what the last checkpoint covers is kept. [`cancel`](Job::cancel) followed by
/// [`join`](Job::join) keeps everything that has arrived.
#[derive(Debug)]
pub struct Job {
    pub(crate) task: JoinHandle<Result<Report, DownloadError>>,
    pub(crate) cancel: watch::Sender<bool>,
    pub(crate) progress: watch::Receiver<Progress>,
    pub(crate) front: watch::Receiver<Front>,
    pub(crate) events: broadcast::WeakSender<Event>,
    pub(crate) first_events: Option<Events>,
    pub(crate) rate: Arc<RateLimit>,
}

impl Job {
    /// The latest state, updated about ten times a second.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// The events: from the very first one on for the first caller, from now on for later ones.
    pub fn events(&mut self) -> Events {
        self.first_events.take().unwrap_or_else(|| match self.events.upgrade() {
            Some(sender) => Events(sender.subscribe()),
            None => Events(broadcast::channel(1).1),
        })
    }

    /// Sets the limit in bytes per second; `None` lifts it. Works at once.
    pub fn set_rate_limit(&self, bytes_per_second: Option<u64>) {
        self.rate.set(bytes_per_second);
    }

    /// Asks the download to stop, to make everything durable that has arrived, and to end with
    /// [`DownloadError::Cancelled`]. Returns at once; [`join`](Job::join) tells when it is done.
    pub fn cancel(&self) {
        self.cancel.send_replace(true);
    }

    /// A handle that can cancel while somebody else waits in [`join`](Job::join).
    pub fn canceller(&self) -> Canceller {
        Canceller(self.cancel.clone())
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// [`DownloadError`]; after an error the same download can be started again and goes on.
    pub async fn join(mut self) -> Result<Report, DownloadError> {
        match (&mut self.task).await {
            Ok(result) => result,
            Err(error) => Err(DownloadError::Interrupted(error.to_string())),
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Cancels a [`Job`] from elsewhere.
#[derive(Clone, Debug)]
pub struct Canceller(watch::Sender<bool>);

impl Canceller {
    /// As [`Job::cancel`].
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }
}
