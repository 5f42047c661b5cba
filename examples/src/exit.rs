//! Exit codes: what a script can rely on.

use segfetch::DownloadError;
use segfetch::checkpoint::StoreError;
use segfetch::source::{ErrorClass, SourceError};

/// For `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
    0  done (also: the target was there already, with the server's length and time; a live stream was recorded until Ctrl-C)
    1  another failure, or a defect of this program
    2  mistake in the command line
    3  network or server gave up; run the same command again to go on. A live stream broke off; what came is whole
    4  not found, denied, or refused for good
    5  the file on the server has changed
    6  the file has the wrong checksum
    7  local storage: full, read-only, locked, damaged, or nobody reads -o - any more
    8  the target exists and is another file, or what was recorded before an interruption
  130  interrupted (Ctrl-C, SIGINT); run the same command again to go on
  143  terminated (SIGTERM); run the same command again to go on
With several URLs the first of 130, 143, 1, 7, 6, 5, 4, 8, 3 that occurred.";

/// How a run, or one download of it, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    Other,
    Usage,
    Network,
    Permanent,
    Changed,
    Checksum,
    Storage,
    TargetExists,
    Interrupted,
    Terminated,
}

impl Exit {
    /// The worst last: what is left undone weighs more than what was refused, and a network that gave up weighs least,
    /// since running the command again is all that it takes.
    const ORDER: [Self; 11] = [
        Self::Done,
        Self::Network,
        Self::TargetExists,
        Self::Permanent,
        Self::Changed,
        Self::Checksum,
        Self::Storage,
        Self::Other,
        Self::Usage,
        Self::Terminated,
        Self::Interrupted,
    ];

    /// The number that the process ends with.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Other => 1,
            Self::Usage => 2,
            Self::Network => 3,
            Self::Permanent => 4,
            Self::Changed => 5,
            Self::Checksum => 6,
            Self::Storage => 7,
            Self::TargetExists => 8,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The stable word for `--json`.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Other => "other",
            Self::Usage => "usage",
            Self::Network => "network",
            Self::Permanent => "permanent",
            Self::Changed => "changed",
            Self::Checksum => "checksum",
            Self::Storage => "storage",
            Self::TargetExists => "target-exists",
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
        }
    }

    /// The worse of two.
    pub(crate) fn worse(self, other: Self) -> Self {
        let rank = |exit: Self| Self::ORDER.iter().position(|&e| e == exit);
        if rank(other) > rank(self) { other } else { self }
    }

    /// What a failure of a source means.
    pub(crate) fn of_source(error: &SourceError) -> Self {
        match error.class() {
            ErrorClass::Transient | ErrorClass::Throttled { .. } => Self::Network,
            ErrorClass::Changed => Self::Changed,
            _ => Self::Permanent,
        }
    }

    /// What a failure of a download means; `signal` is what was asked for if it was cancelled.
    pub(crate) fn of(error: &DownloadError, signal: Option<Self>) -> Self {
        match error {
            DownloadError::Source(error) => Self::of_source(error),
            DownloadError::GaveUp { .. } => Self::Network,
            DownloadError::NotRepeatable { last: Some(error) } => Self::of_source(error),
            DownloadError::NotRepeatable { last: None } => Self::TargetExists,
            DownloadError::Changed { .. } | DownloadError::WrongLength { .. } => Self::Changed,
            DownloadError::Digest { .. } => Self::Checksum,
            DownloadError::UnsupportedDigest => Self::Usage,
            DownloadError::Store(StoreError::TargetExists { .. }) => Self::TargetExists,
            DownloadError::Store(_) => Self::Storage,
            DownloadError::Cancelled { .. } => signal.unwrap_or(Self::Interrupted),
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use segfetch::source::Phase;

    #[test]
    fn the_help_names_every_code_and_the_order_that_is_used() {
        for exit in Exit::ORDER {
            assert!(HELP.contains(&format!("\n{:>5}  ", exit.code())), "{exit:?}");
        }
        let codes: Vec<_> = Exit::ORDER
            .iter()
            .rev()
            .filter(|e| !matches!(e, Exit::Done | Exit::Usage))
            .map(|e| e.code().to_string())
            .collect();
        assert!(HELP.contains(&codes.join(", ")), "{codes:?}");
    }

    #[test]
    fn the_worse_of_two_does_not_depend_on_which_came_first() {
        for (i, &better) in Exit::ORDER.iter().enumerate() {
            for &worse in &Exit::ORDER[i..] {
                assert_eq!(better.worse(worse), worse);
                assert_eq!(worse.worse(better), worse);
            }
        }
    }

    #[test]
    fn what_can_be_tried_again_is_network_and_what_cannot_is_permanent() {
        let of = |class| Exit::of_source(&SourceError::new(class, Phase::Open, "no"));
        assert_eq!(of(ErrorClass::Transient), Exit::Network);
        assert_eq!(of(ErrorClass::Throttled { retry_after: None, limit_hint: None }), Exit::Network);
        for class in [ErrorClass::NotFound, ErrorClass::Denied, ErrorClass::Permanent, ErrorClass::Unknown] {
            assert_eq!(of(class), Exit::Permanent);
        }
        assert_eq!(of(ErrorClass::Changed), Exit::Changed);
    }

    #[test]
    fn what_cannot_be_repeated_is_what_broke_it_off_or_is_in_the_way() {
        let last = SourceError::new(ErrorClass::Transient, Phase::Body, "reset");
        assert_eq!(Exit::of(&DownloadError::NotRepeatable { last: Some(Box::new(last)) }, None), Exit::Network);
        assert_eq!(Exit::of(&DownloadError::NotRepeatable { last: None }, None), Exit::TargetExists);
    }

    #[test]
    fn a_cancelled_download_ends_with_the_signal_that_cancelled_it() {
        let cancelled = DownloadError::Cancelled { durable: 1 };
        assert_eq!(Exit::of(&cancelled, Some(Exit::Terminated)), Exit::Terminated);
        assert_eq!(Exit::of(&cancelled, None), Exit::Interrupted);
    }
}
