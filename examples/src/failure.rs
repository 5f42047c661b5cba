//! What a person is told when a download did not finish: what happened, and what to do next.

use std::error::Error;
use std::fmt;
use std::path::Path;

use segfetch::checkpoint::StoreError;
use segfetch::source::{ErrorClass, Phase, SourceError};
use segfetch::{DownloadError, Progress};

use crate::exit::Exit;
use crate::naming::{clean, printable};
use crate::render::{bytes, percent};

/// Why a download did not finish. Its text is one sentence, and a second line with advice if there is any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) text: String,
    pub(crate) advice: Option<String>,
    /// Bytes that the next run need not fetch.
    pub(crate) durable: u64,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        self.advice.iter().try_for_each(|advice| write!(f, "\n  {advice}"))
    }
}

impl Failure {
    pub(crate) fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into(), advice: None, durable: 0 }
    }

    pub(crate) fn advising(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// A failure of a source without a download around it.
    pub(crate) fn of_source(error: &SourceError) -> Self {
        let failure = Self::new(Exit::of_source(error), clean(&chain(error)));
        match error.class() {
            ErrorClass::NotFound if matches!(error.code(), Some(404 | 410)) || is_of_media(error) => failure.advising("Check the URL."),
            ErrorClass::Denied if error.code() == Some(403) => {
                failure.advising("It may not be for everybody, or the link has expired: get a new one, or a user and a password.")
            }
            ErrorClass::NotFound => failure.advising("Check the path in the URL; it begins at the login directory, /%2F at the root."),
            ErrorClass::Denied if error.phase() == Phase::Login || is_of_media(error) => failure.advising(
                "Check user and password: USER@HOST in the URL with the password in SEGFETCH_PASSWORD, or USER:PASSWORD@HOST.",
            ),
            ErrorClass::Denied => failure.advising("The server lets this account log in, but not read this file."),
            ErrorClass::Transient | ErrorClass::Throttled { .. } => failure.advising("Try again later."),
            _ => failure,
        }
    }

    /// A failure of the download into `target`, `None` being standard output; `signal` is what was received, and `last` the last known state.
    pub(crate) fn of(error: &DownloadError, target: Option<&Path>, signal: Option<Exit>, last: &Progress) -> Self {
        let durable = match error {
            DownloadError::Cancelled { durable } => *durable,
            _ => last.durable,
        };
        let text = clean(&chain(error));
        let failure = match (error, target) {
            (DownloadError::Source(error), _) => Self::of_source(error),
            (DownloadError::Cancelled { .. }, Some(_)) if durable == 0 => {
                Self::new(Exit::Other, "stopped before anything was kept").advising("Run the same command again to begin.")
            }
            (DownloadError::Cancelled { .. }, Some(target)) => {
                let kept = match last.total {
                    Some(total) => format!("{} ({} of {})", percent(durable, total), bytes(durable), bytes(total)),
                    None => bytes(durable),
                };
                Self::new(Exit::Other, format!("stopped; {kept} kept in {}", part_of(target)))
                    .advising("Run the same command again to go on.")
            }
            (DownloadError::Cancelled { .. }, None) => Self::new(Exit::Other, "stopped; what is not in the output is lost"),
            (DownloadError::GaveUp { .. }, Some(_)) => {
                let advice = match last.total {
                    _ if durable == 0 => "Run the same command again later.".into(),
                    Some(total) => format!("Run the same command again to go on: {} kept.", percent(durable, total)),
                    None => format!("Run the same command again to go on: {} kept.", bytes(durable)),
                };
                Self::new(Exit::Other, text).advising(advice)
            }
            (DownloadError::Changed { .. }, Some(target)) => Self::new(Exit::Other, text).advising(format!(
                "To fetch the new file, run the command again with --on-change restart; to keep the old part, move {} away first.",
                pair_of(target)
            )),
            (DownloadError::Changed { reason }, None) => {
                Self::new(Exit::Other, format!("the file on the server has changed ({}); the output has a part of the old one", clean(reason)))
            }
            (DownloadError::WrongLength { .. }, _) => Self::new(Exit::Other, text)
                .advising("Either the file has just changed or the server misstates its length; try again."),
            (DownloadError::Digest { .. }, Some(target)) => Self::new(Exit::Other, text).advising(format!(
                "What came is in {}. If the digest is the right one, remove {} and fetch it again.",
                part_of(target),
                pair_of(target)
            )),
            (DownloadError::Store(error), Some(target)) => Self::new(Exit::Other, text).with_store_advice(error, target),
            _ => Self::new(Exit::Other, text),
        };
        Self { exit: Exit::of(error, signal), durable, ..failure }
    }

    /// Names the options and files that the store cannot know of.
    fn with_store_advice(self, error: &StoreError, target: &Path) -> Self {
        match error {
            StoreError::TargetExists { .. } => {
                self.advising("--overwrite replaces it, --unique chooses another name, -o names one.")
            }
            StoreError::CheckpointCorrupt { .. } | StoreError::PartMissing { .. } => {
                self.advising(format!("--on-damage restart begins anew, as does removing {}.", pair_of(target)))
            }
            _ => self,
        }
    }
}

/// Whether it was a media server that said so.
fn is_of_media(error: &SourceError) -> bool {
    matches!(error.cause(), Some(cause) if cause.is::<mms_proto::client::OpenError>())
}

/// What an error says, and all that it came from.
fn chain(error: &dyn Error) -> String {
    let texts = std::iter::successors(Some(error), |&error| error.source()).map(ToString::to_string);
    texts.collect::<Vec<_>>().join(": ")
}

/// The name of an incomplete `target`.
fn part_of(target: &Path) -> String {
    printable(target.as_os_str()) + ".part"
}

/// The two files that an incomplete `target` consists of.
fn pair_of(target: &Path) -> String {
    let part = part_of(target);
    format!("{part} and {part}.sfj")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last() -> Progress {
        let mut progress = Progress::default();
        progress.total = Some(256 << 20);
        progress.durable = 128 << 20;
        progress
    }

    fn of(error: &DownloadError) -> Failure {
        Failure::of(error, Some(Path::new("d/f")), Some(Exit::Terminated), &last())
    }

    #[test]
    fn a_stopped_download_says_what_is_kept_and_how_to_go_on() {
        let failure = of(&DownloadError::Cancelled { durable: 136 << 20 });
        assert_eq!(failure.exit, Exit::Terminated);
        assert_eq!(failure.durable, 136 << 20);
        assert_eq!(
            failure.to_string(),
            "stopped; 53 % (136.00 MiB of 256.00 MiB) kept in d/f.part\n  Run the same command again to go on."
        );
    }

    #[test]
    fn what_does_not_exist_is_not_said_to_be_kept() {
        let failure = of(&DownloadError::Cancelled { durable: 0 });
        assert_eq!(failure.to_string(), "stopped before anything was kept\n  Run the same command again to begin.");
    }

    #[test]
    fn the_reason_of_the_system_is_said_once() {
        use std::io::{self, ErrorKind::TimedOut};
        let reason = io::Error::from(TimedOut).to_string();
        let store = StoreError::Io { op: "write", path: "d/f.part".into(), source: TimedOut.into() };
        assert_eq!(of(&DownloadError::Store(store)).text, format!("cannot write d/f.part: {reason}"));
        let last = Box::new(SourceError::io(Phase::Connect, TimedOut.into()));
        let gave_up = DownloadError::GaveUp { patience: std::time::Duration::from_secs(9), last };
        assert_eq!(of(&gave_up).text, format!("no progress for 9 s: connecting: {reason}"));
    }

    #[test]
    fn a_damaged_checkpoint_names_the_option_that_begins_anew() {
        let missing = StoreError::PartMissing { part: "d/f.part".into(), journal: "d/f.part.sfj".into() };
        let advice = of(&DownloadError::Store(missing)).advice.unwrap();
        assert!(advice.contains("--on-damage restart") && advice.contains("d/f.part.sfj"), "{advice}");
    }

    #[test]
    fn giving_up_on_a_file_of_unknown_length_says_how_much_is_kept() {
        let last_error = Box::new(SourceError::new(ErrorClass::Transient, Phase::Body, "no answer"));
        let error = DownloadError::GaveUp { patience: std::time::Duration::from_secs(1), last: last_error };
        let mut last = last();
        last.total = None;
        let failure = Failure::of(&error, Some(Path::new("d/f")), None, &last);
        assert_eq!(failure.advice.unwrap(), "Run the same command again to go on: 128.00 MiB kept.");
    }

    #[test]
    fn a_changed_file_names_both_ways_out() {
        let failure = of(&DownloadError::Changed { reason: "another time".into() });
        assert_eq!(failure.exit, Exit::Changed);
        let advice = failure.advice.unwrap();
        assert!(advice.contains("--on-change restart") && advice.contains("d/f.part.sfj"), "{advice}");
    }

    #[test]
    fn giving_up_says_how_much_is_kept() {
        let reset = SourceError::new(ErrorClass::Transient, Phase::Connect, "refused");
        let failure =
            of(&DownloadError::GaveUp { patience: std::time::Duration::from_secs(300), last: Box::new(reset) });
        assert_eq!(failure.exit, Exit::Network);
        assert_eq!(failure.advice.as_deref(), Some("Run the same command again to go on: 50 % kept."));
    }

    #[test]
    fn a_refused_login_tells_where_a_password_goes() {
        let denied = SourceError::new(ErrorClass::Denied, Phase::Login, "530 no\u{1b}[2J");
        let failure = of(&DownloadError::Source(denied));
        assert_eq!(failure.exit, Exit::Permanent);
        assert_eq!(failure.text, "logging in: 530 no\\u{1b}[2J");
        assert!(failure.advice.unwrap().contains("SEGFETCH_PASSWORD"));
    }
}
