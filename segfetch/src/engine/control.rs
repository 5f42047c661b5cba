//! What the holder of a job wants of it: that it runs, pauses, or ends.

use tokio::sync::watch;

use super::error::DownloadError;
use super::progress::{Event, Stage};
use super::run::Context;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Run,
    Pause,
    /// The last one.
    Cancel,
}

/// Pauses, resumes and cancels a [`Job`](crate::Job) from elsewhere, also while somebody waits in
/// [`join`](crate::Job::join). A clone is another handle of the same job.
///
/// Repeated calls, and calls that cross each other, are harmless: the last one counts, and nothing undoes [`cancel`](Self::cancel).
#[derive(Clone, Debug)]
pub struct Control(watch::Sender<Wish>);

impl Control {
    /// The two ends of it.
    pub(crate) fn new() -> (Self, Wishes) {
        let (sender, receiver) = watch::channel(Wish::Run);
        (Self(sender), Wishes(receiver))
    }

    /// As [`Job::pause`](crate::Job::pause).
    pub fn pause(&self) {
        self.change(Wish::Run, Wish::Pause);
    }

    /// As [`Job::resume`](crate::Job::resume).
    pub fn resume(&self) {
        self.change(Wish::Pause, Wish::Run);
    }

    /// As [`Job::cancel`](crate::Job::cancel).
    pub fn cancel(&self) {
        self.0.send_replace(Wish::Cancel);
    }

    fn change(&self, from: Wish, to: Wish) {
        self.0.send_if_modified(|wish| {
            let fits = *wish == from;
            if fits {
                *wish = to;
            }
            fits
        });
    }
}

/// The job's end of its [`Control`].
#[derive(Debug)]
pub(crate) struct Wishes(watch::Receiver<Wish>);

impl Wishes {
    /// Whether the job is to end.
    pub(crate) fn is_cancelled(&self) -> bool {
        *self.0.borrow() == Wish::Cancel
    }

    /// Waits until the job is to pause or to end. Cancel safe.
    pub(crate) async fn interrupted(&mut self) {
        self.until(|wish| wish != Wish::Run).await;
    }

    /// Waits until the job is to end. Cancel safe.
    pub(crate) async fn cancelled(&mut self) {
        self.until(|wish| wish == Wish::Cancel).await;
    }

    async fn until(&mut self, fits: impl Fn(Wish) -> bool) -> Wish {
        match self.0.wait_for(|&wish| fits(wish)).await.map(|wish| *wish) {
            Ok(wish) => wish,
            // The handle is gone, and with it this task.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Context {
    /// Returns as soon as the job is to run, and at once if it is not to pause. Nothing is open meanwhile, and `durable` bytes
    /// are durable.
    ///
    /// # Errors
    /// [`DownloadError::Cancelled`].
    pub(crate) async fn wait_while_paused(&self, wishes: &mut Wishes, durable: u64) -> Result<(), DownloadError> {
        let stage = self.progress.borrow().stage;
        let pauses = *wishes.0.borrow() == Wish::Pause;
        if pauses {
            self.set_stage(Stage::Paused);
            self.tell(Event::Paused { durable });
        }
        match wishes.until(|wish| wish != Wish::Pause).await {
            Wish::Cancel => Err(DownloadError::Cancelled { durable }),
            _ => {
                if pauses {
                    self.set_stage(stage);
                    self.tell(Event::Continued);
                }
                Ok(())
            }
        }
    }
}
