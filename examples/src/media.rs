//! A download from a media server, beside what any download is: a live stream that is to end, and a file that players can seek in.

use std::path::Path;

use segfetch::{DownloadError, Progress};
use segfetch_cli::mms::{Media, Tidying, tidy};

use crate::args::Mms;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::naming::{clean, printable};
use crate::render::{Followed, MediaSummary, Summary, seconds};

/// What a download is to be, if it comes from a media server; of no consequence if not.
#[derive(Clone, Debug)]
pub(crate) struct Take {
    media: Option<Media>,
    options: Mms,
}

impl Take {
    pub(crate) fn new(media: Option<Media>, options: &Mms) -> Self {
        Self { media, options: options.clone() }
    }

    /// Ends the recording of a live stream in good order. False if there is none: then the download has to be stopped.
    pub(crate) fn end(&self) -> bool {
        self.media.as_ref().is_some_and(Media::end_recording)
    }

    /// What a live stream has gone on with, if that is not all that was wanted.
    pub(crate) async fn next(&self) -> Option<Self> {
        let media = self.media.as_ref()?.next().await?;
        Some(Self { media: Some(media), options: self.options.clone() })
    }

    /// The source of what is taken, if it is on a media server.
    pub(crate) fn source(&self) -> Option<Media> {
        self.media.clone()
    }

    /// Why there is no recording, if an earlier one is in its place: the part of one that was killed is all that there is of it.
    pub(crate) fn refused(&self, error: &DownloadError, target: Option<&Path>, last: &Progress) -> Option<Failure> {
        self.media.as_ref().filter(|media| media.is_live() && last.resumed > 0)?;
        let (DownloadError::NotRepeatable { last: None }, Some(target)) = (error, target) else { return None };
        let part = printable(target.as_os_str()) + ".part";
        let text =
            format!("{part} is of an earlier recording that was not ended, and a live stream cannot be gone on with");
        let advice = format!(
            "It is whole but for its end: keep it under another name and remove {part}.sfj, or record to another name with -o."
        );
        let mut failure = Failure::new(Exit::TargetExists, text).advising(advice);
        failure.durable = last.durable;
        Some(failure)
    }

    /// What is left to do when all has come, and a live stream went on with something else, or not.
    ///
    /// # Errors
    /// The recording is shorter than it was to be, or could not be made seekable; it is whole all the same.
    pub(crate) async fn finish(&self, mut summary: Summary, followed: Option<Followed>) -> Result<Summary, Failure> {
        let Some(media) = self.media.as_ref().filter(|_| !summary.already_complete) else { return Ok(summary) };
        let live = media.is_live();
        let (padding, left_out, gaps) = (media.padding(), media.left_out(), media.gaps());
        let mut told = MediaSummary { padding, live, left_out, tidied: None, gaps, followed };
        let partial = !told.left_out.is_empty();
        if let Some(path) = summary.path.clone().filter(|_| self.options.tidies(live || partial)) {
            let mut tidying = Tidying::default();
            (tidying.left_out, tidying.rebase) = (told.left_out.clone(), self.options.rebase);
            let work = tokio::task::spawn_blocking(move || tidy(&path, &tidying).map_err(|error| error.to_string()));
            let tidied = work.await.unwrap_or_else(|error| Err(error.to_string()));
            let tidied = tidied.map_err(|error| not_tidy(&error, &summary))?;
            (summary.len, told.tidied) = (tidied.len, Some(tidied));
        }
        if let Some(reason) = media.broke_off() {
            return Err(broke_off(&reason, media, &summary));
        }
        summary.media = Some(told);
        Ok(summary)
    }
}

fn not_tidy(error: &str, summary: &Summary) -> Failure {
    let text = format!("all is here, but it could not be made seekable: {}", clean(error));
    let mut failure = Failure::new(Exit::Storage, text).advising(format!("It is in {} as it came.", place(summary)));
    failure.durable = summary.len;
    failure
}

fn broke_off(reason: &str, media: &Media, summary: &Summary) -> Failure {
    let text = format!("the live stream broke off after {}: {}", seconds(media.recorded()), clean(reason));
    let advice = format!("What came until then is whole, in {}. Another recording needs another name.", place(summary));
    let mut failure = Failure::new(Exit::Network, text).advising(advice);
    failure.durable = summary.len;
    failure
}

fn place(summary: &Summary) -> String {
    summary.path.as_deref().map_or_else(|| "standard output".into(), |path: &Path| printable(path.as_os_str()))
}
