//! Each layer of an error says its own, and all of them together say everything.

use std::error::Error;
use std::io;
use std::time::Duration;

use segfetch::DownloadError;
use segfetch::adapters::ReadError;
use segfetch::checkpoint::{CorruptJournal, StoreError};
use segfetch::sink::FileKind;
use segfetch::source::{Digest, DigestAlgorithm, ErrorClass, Phase, SourceError};

fn system() -> io::Error {
    io::Error::from_raw_os_error(5)
}

fn texts(error: &dyn Error) -> Vec<String> {
    std::iter::successors(Some(error), |&error| error.source()).map(ToString::to_string).collect()
}

/// Panics unless no text is said twice, and the reason of the system exactly once if there is one.
fn assert_said_once(error: &dyn Error, has_reason: bool) {
    let texts = texts(error);
    for (at, below) in texts.iter().enumerate() {
        let above = texts[..at].iter().find(|above| above.contains(below));
        assert_eq!(above, None, "{texts:?}");
    }
    let said = texts.join(": ");
    assert_eq!(said.matches(&system().to_string()).count(), usize::from(has_reason), "{said}");
}

/// Whatever can be below a download: failures of a source, with the reason of the system.
fn sources() -> [SourceError; 3] {
    [
        SourceError::io(Phase::Connect, system()),
        SourceError::new(ErrorClass::Transient, Phase::Body, "the line broke").with_cause(system()),
        SourceError::new(ErrorClass::Transient, Phase::Open, format!("no answer: {}", system())).with_cause(system()),
    ]
}

/// All kinds, and whether the system gave a reason.
fn store_errors() -> Vec<(StoreError, bool)> {
    let path = || "d/film.part".into();
    vec![
        (StoreError::Full { path: path(), needed: None, available: None, source: Some(system()) }, true),
        (StoreError::Full { path: path(), needed: Some(2), available: Some(1), source: None }, false),
        (StoreError::ReadOnly { path: path(), source: system() }, true),
        (StoreError::Locked { path: path(), pid: Some(1) }, false),
        (StoreError::TargetExists { path: path() }, false),
        (StoreError::NoFileName { path: path() }, false),
        (StoreError::NotRegular { path: path(), kind: FileKind::Directory }, false),
        (StoreError::CheckpointCorrupt { path: path(), reason: CorruptJournal::Magic }, false),
        (StoreError::PartMissing { part: path(), journal: path() }, false),
        (StoreError::OrphanPart { part: path() }, false),
        (StoreError::Displaced { path: path() }, false),
        (StoreError::BeyondEnd { path: path(), end: 2, extent: 1 }, false),
        (StoreError::StaleEpoch { path: path() }, false),
        (StoreError::Incomplete { path: path(), start: 1, end: 2 }, false),
        (StoreError::TooLong { what: "a digest", len: 2, limit: 1 }, false),
        (StoreError::Poisoned { first: "cannot sync".into() }, false),
        (StoreError::Io { op: "write", path: path(), source: system() }, true),
    ]
}

#[test]
fn a_chain_of_any_failure_of_a_download_says_everything_once() {
    let patience = Duration::from_secs(1);
    for error in sources() {
        assert_said_once(&DownloadError::Source(error), true);
    }
    for last in sources() {
        assert_said_once(&DownloadError::GaveUp { patience, last: Box::new(last) }, true);
    }
    for last in sources() {
        assert_said_once(&DownloadError::NotRepeatable { last: Some(Box::new(last)) }, true);
    }
    for (error, has_reason) in store_errors() {
        assert_said_once(&error, has_reason);
        assert_said_once(&DownloadError::Store(error), has_reason);
    }
    let expected = Digest::new(DigestAlgorithm::Sha256, [1; 32]);
    for error in [
        DownloadError::Changed { reason: "another time".into() },
        DownloadError::WrongLength { announced: 1, actual: 2 },
        DownloadError::Digest { expected, found: vec![2; 32] },
        DownloadError::UnsupportedDigest,
        DownloadError::NotRepeatable { last: None },
        DownloadError::Cancelled { durable: 1 },
        DownloadError::Interrupted("a panic".into()),
    ] {
        assert_said_once(&error, false);
    }
}

#[test]
fn so_does_a_chain_of_any_failure_of_a_reader_also_inside_an_io_error() {
    let patience = Duration::from_secs(1);
    let of_sources = || sources().map(ReadError::Source);
    let gave_up = || sources().map(|last| ReadError::GaveUp { patience, last: Box::new(last) });
    for error in of_sources().into_iter().chain(gave_up()) {
        assert_said_once(&error, true);
        assert_said_once(&io::Error::from(error), true);
    }
    for error in [
        ReadError::Changed { reason: "another time".into() },
        ReadError::Missing { start: 1, end: 2 },
        ReadError::UnknownLength,
        ReadError::Download { reason: "cancelled".into() },
    ] {
        assert_said_once(&error, false);
        assert_said_once(&io::Error::from(error), false);
    }
}

#[test]
fn texts_name_only_what_there_is() {
    for (error, _) in store_errors() {
        assert!(!error.to_string().contains("start over"), "{error}");
    }
}
