//! One download into a file; of a live stream into several, where it goes on with another content.

use std::path::PathBuf;
use std::sync::Arc;

use segfetch::{Download, DownloadError, Engine, IfExists, Progress, Report};
use tokio::task::JoinHandle;

use super::{Message, Screen};
use crate::args::Fetch;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::media::Take;
use crate::naming::{self, printable};
use crate::render::{Followed, Summary};
use crate::signals::{self, Stop};

/// Files of one live stream. More contents than this are none that anybody made.
const MOST_FILES: u32 = 999;

/// How a download is carried through.
pub(super) struct File {
    pub(super) engine: Engine,
    pub(super) args: Arc<Fetch>,
    pub(super) screen: Screen,
    pub(super) stop: Stop,
}

/// A file whose bytes have all come, and that is being finished while the next one has begun.
type Finishing = JoinHandle<Result<Summary, Failure>>;

impl File {
    /// Carries a download through, and tells the screen.
    pub(super) async fn run(self, mut download: Download, first: PathBuf, mut take: Take) {
        let (mut target, mut number) = (first.clone(), 2);
        let mut before: Option<Finishing> = None;
        loop {
            let (result, last) = self.one(download, &take, &mut before).await;
            let signal = *self.stop.borrow();
            if let Some(finishing) = before.take() {
                let finished = finished(finishing).await;
                if matches!(result, Err(DownloadError::Cancelled { .. })) && last.received == 0 {
                    // Of what has followed nothing came: the recording had ended in good order before.
                    naming::remove_part(&target);
                    return self.screen.tell(Message::Ended(finished.map(Summary::without_following))).await;
                }
                self.screen.tell(Message::WentOn(finished)).await;
            }
            let summary = match result {
                Ok(report) => Summary::from(report),
                Err(error) => {
                    let failure = take.refused(&error, Some(&target), &last);
                    let failure = failure.unwrap_or_else(|| Failure::of(&error, Some(&target), signal, &last));
                    return self.screen.tell(Message::Ended(Err(failure))).await;
                }
            };
            let next = if signal.is_some() { None } else { take.next().await };
            let (next, followed) = match next.map(|next| (next.source(), next)) {
                Some((Some(source), next)) if number <= MOST_FILES => {
                    target = naming::following(&first, &mut number);
                    (Some((source, next)), Some(Followed::In(printable(target.as_os_str()))))
                }
                Some(_) => (None, Some(Followed::Nowhere)),
                None => (None, None),
            };
            let Some((source, next)) = next else {
                let finished = take.finish(summary, followed).await;
                return self.screen.tell(Message::Ended(finished)).await;
            };
            // At once: the server waits already.
            download = self.args.download(source, &target).if_exists(IfExists::Unique);
            let ended = std::mem::replace(&mut take, next);
            before = Some(tokio::spawn(async move { ended.finish(summary, followed).await }));
        }
    }

    /// Carries one file through, up to its last byte. When something of it is there, tells what became of the one before.
    async fn one(
        &self,
        download: Download,
        take: &Take,
        before: &mut Option<Finishing>,
    ) -> (Result<Report, DownloadError>, Progress) {
        let screen = &self.screen;
        let mut job = self.engine.start(download);
        let (mut events, mut progress, control) = (job.events(), job.progress(), job.control());
        let (asked, ending) = (self.stop.clone(), take.clone());
        // On its own, so that it also works while the screen takes nothing.
        let cancelling = tokio::spawn(async move {
            signals::asked(asked).await;
            if !ending.end() {
                control.cancel();
            }
        });
        let mut joined = std::pin::pin!(job.join());
        let (mut telling, mut moving, mut has_begun) = (true, true, false);
        let result = loop {
            let finishing = async {
                match before.as_mut().filter(|_| has_begun) {
                    Some(finishing) => finished(finishing).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                result = &mut joined => break result,
                finished = finishing => {
                    *before = None;
                    screen.tell(Message::WentOn(finished)).await;
                }
                event = events.next(), if telling => match event {
                    Some(event) => screen.tell(Message::Event(event)).await,
                    None => telling = false,
                },
                changed = progress.changed(), if moving => match changed {
                    Ok(()) => {
                        let latest = progress.borrow_and_update().clone();
                        has_begun |= latest.received > 0;
                        screen.tell(Message::Progress(latest)).await;
                    }
                    Err(_) => moving = false,
                },
            }
        };
        cancelling.abort();
        while telling {
            match events.next().await {
                Some(event) => screen.tell(Message::Event(event)).await,
                None => telling = false,
            }
        }
        let last = progress.borrow().clone();
        screen.tell(Message::Progress(last.clone())).await;
        (result, last)
    }
}

async fn finished(
    finishing: impl Future<Output = Result<Result<Summary, Failure>, tokio::task::JoinError>>,
) -> Result<Summary, Failure> {
    finishing.await.unwrap_or_else(|error| Err(Failure::new(Exit::Other, error.to_string())))
}
