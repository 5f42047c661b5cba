//! What the user sees: bars on a terminal, lines elsewhere, JSON for programs.

mod bars;
mod json;
mod lines;
mod media;
mod text;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use segfetch::{Event, Integrity, Progress, Report};

use crate::exit::Exit;
use crate::failure::Failure;

pub(crate) use json::{Answer, algorithm_word, hex, print_probe as print_probe_json};
pub(crate) use media::{Followed, MediaSummary};
pub(crate) use text::{bytes, percent, seconds, utc};

/// One download, as it is called in messages.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// The source's label: the URL without its password.
    pub(crate) url: String,
    /// What lines and bars begin with; nothing in it can drive a terminal.
    pub(crate) name: String,
    /// The server whose limits are shared.
    pub(crate) host: Option<String>,
    /// The file, or `None` for standard output.
    pub(crate) target: Option<PathBuf>,
}

/// What a finished download did.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    /// Where the file is; `None` for standard output.
    pub(crate) path: Option<PathBuf>,
    pub(crate) len: u64,
    pub(crate) fetched: u64,
    pub(crate) resumed: u64,
    pub(crate) elapsed: Duration,
    pub(crate) integrity: Integrity,
    pub(crate) opens: u32,
    pub(crate) retries: u32,
    pub(crate) refusals: u32,
    pub(crate) already_complete: bool,
    pub(crate) sha256: Option<[u8; 32]>,
    /// If it came from a media server.
    pub(crate) media: Option<MediaSummary>,
}

impl Summary {
    /// The same, if nothing came of what a live stream went on with.
    pub(crate) fn without_following(mut self) -> Self {
        self.media.iter_mut().for_each(|media| media.followed = None);
        self
    }
}

impl From<Report> for Summary {
    fn from(report: Report) -> Self {
        Self {
            path: Some(report.path),
            len: report.len,
            fetched: report.fetched,
            resumed: report.resumed,
            elapsed: report.elapsed,
            integrity: report.integrity,
            opens: report.opens,
            retries: report.retries,
            refusals: report.refusals,
            already_complete: report.already_complete,
            sha256: report.sha256,
            media: None,
        }
    }
}

/// A listener to everything that a run does. `id` is the index of the download.
pub(crate) trait View {
    /// A download begins.
    fn started(&mut self, id: usize);
    /// Something happened.
    fn event(&mut self, id: usize, event: &Event);
    /// The latest state; `now` decides whether it is shown.
    fn progress(&mut self, now: Instant, id: usize, progress: &Progress);
    /// A file of a download is over, and another one goes on: of a live stream that did.
    fn went_on(&mut self, id: usize, result: &Result<Summary, Failure>);
    /// A download is over.
    fn ended(&mut self, id: usize, result: &Result<Summary, Failure>);
    /// The user asked to stop, and the downloads are being brought to rest.
    fn stopping(&mut self);
    /// Everything is over.
    fn finished(&mut self, exit: Exit);
}

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loudness {
    /// Errors only.
    Quiet,
    /// Milestones, and progress.
    Normal,
    /// Also what each connection does.
    Verbose,
}

/// The views for this run: JSON on standard output if it is wanted, and for people whatever standard error is. `patience` is how long
/// a download goes on without progress.
pub(crate) fn views(subjects: &[Subject], loudness: Loudness, json: bool, patience: Duration) -> Vec<Box<dyn View>> {
    let teller = text::Teller::new(subjects.to_vec(), if json { Loudness::Quiet } else { loudness }, patience);
    let for_people: Box<dyn View> = if teller.loudness() != Loudness::Quiet && io::stderr().is_terminal() {
        Box::new(bars::Bars::new(teller))
    } else {
        Box::new(lines::Lines::new(io::stderr(), teller))
    };
    let mut views = vec![for_people];
    if json {
        views.push(Box::new(json::Json::new(io::stdout(), subjects.to_vec())));
    }
    views
}
