//! The handle of a running download.

use std::sync::Arc;

use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

use super::control::Control;
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
    pub(crate) control: Control,
    pub(crate) progress: watch::Receiver<Progress>,
    pub(crate) front: watch::Receiver<Front>,
    pub(crate) events: broadcast::WeakSender<Event>,
    pub(crate) first_events: Option<Events>,
    pub(crate) rate: Arc<RateLimit>,
}

impl Job {
    /// The latest state, as a [`tokio::sync::watch::Receiver`]: `changed().await` waits for the next one, `borrow()` looks at it, and
    /// after the end the last one stays.
    ///
    /// In [`Stage::Receiving`](crate::Stage::Receiving) there is a new one at most ten times a second, and beside that one for each
    /// change of [`stage`](crate::Progress::stage): a download that is paused, or waits, sends one and then none. So whoever shows
    /// only some of them must pass over none whose stage differs from the last.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// The events: from the very first one on for the first caller, from now on for later ones. When the
    /// download is over, all that it told can still be read, and then comes `None`.
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
        self.control.cancel();
    }

    /// Asks the download to close its streams, to make everything durable that has arrived, and to wait for
    /// [`resume`](Job::resume). Returns at once; [`Stage::Paused`](crate::Stage::Paused) and
    /// [`Event::Paused`](crate::Event::Paused) tell when it is done.
    ///
    /// Calls that are repeated, or cross each other, are harmless: the last one counts. A pause that is over before it has begun
    /// may be told by nothing, so do not wait for [`Event::Paused`](crate::Event::Paused) after a `resume`.
    ///
    /// Meanwhile other downloads of the engine can have its connections, and no patience is spent. It keeps its files locked,
    /// and its place among [`max_running`](crate::EngineConfig::max_running). What is complete is finished nevertheless, and a
    /// stream that exists only once ([`Access::Sequential`](crate::source::Access::Sequential)) goes on once it has begun: it
    /// could not be had again.
    pub fn pause(&self) {
        self.control.pause();
    }

    /// Goes on where [`pause`](Job::pause) left off. A server that can only start at the beginning sends everything again, and it is
    /// compared. If the file is another one by now, that is found out as when an earlier run is gone on from.
    pub fn resume(&self) {
        self.control.resume();
    }

    /// A handle that can do the same while somebody waits in [`join`](Job::join).
    pub fn control(&self) -> Control {
        self.control.clone()
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
