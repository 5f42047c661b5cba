//! The contract as a test suite (feature `conformance`).
//!
//! Each sentence of the documentation of [`RangeSource`], [`RangeReader`](crate::RangeReader) and the types that they speak
//! in is one function here, named by what it means. Give it a [`Fixture`], which is one file on one server whose behaviour
//! you command, and it panics where your source breaks the sentence. [`conformance_tests!`](crate::conformance_tests) makes
//! a `#[test]` of every sentence; [`run_all`] runs them in a row and returns a [`Report`].
//!
//! The suite brings no runtime and no clock. It polls on whatever runtime calls it, and where it has to wait it calls
//! [`Fixture::pause`], a limited number of times, so that a source that hangs fails instead of hanging the test.
//!
//! [`MemorySource`] and [`PacketSource`] are sources without a network. They pass the suite, and can be scripted to break
//! any sentence, which is what tests of an engine need.
//!
//! ```
//! use segfetch_source::conformance::{MemorySource, block_on, run_all};
//!
//! let report = block_on(run_all(&MemorySource::new(1 << 40)));
//! report.assert_passed();
//! ```
//!
//! # A fixture of your own
//!
//! A source that reads local files, its fixture, and the tests. A fixture arranges what it can, and answers [`NotApplicable`] to everything
//! else: those sentences are not checked, and that is acceptable. Where bytes come from a file, a cut is made in the source, since a
//! file that is made shorter is cut at one place, and a stream is to be cut so many bytes behind its start, wherever that is.
//!
//! ```
//! use std::fs::File;
//! use std::num::NonZeroUsize;
//! use std::os::unix::fs::FileExt;
//! use std::path::PathBuf;
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
//!
//! use async_trait::async_trait;
//! use segfetch_source::conformance::{Fixture, NotApplicable, Outcome, Situation, block_on};
//! use segfetch_source::{
//!     Access, ErrorClass, Extent, OpenRequest, Opened, Phase, RangeReader, RangeSource, SourceContext, SourceError, SourceInfo, Space, Step,
//! };
//!
//! #[derive(Clone, Debug)]
//! struct DiskSource {
//!     path: PathBuf,
//!     label: String,
//!     /// For tests: a stream breaks after this many bytes.
//!     cut_after: Arc<AtomicU64>,
//!     /// Is shared with every reader, so its count says how many there are.
//!     readers: Arc<()>,
//! }
//!
//! impl DiskSource {
//!     fn new(path: PathBuf) -> Self {
//!         let label = path.display().to_string();
//!         Self { path, label, cut_after: Arc::new(u64::MAX.into()), readers: Arc::default() }
//!     }
//!     fn open_at(&self, phase: Phase) -> Result<(File, u64), SourceError> {
//!         // The table of `SourceError::io` knows which errors are "not found" and which are "denied".
//!         let file = File::open(&self.path).map_err(|error| SourceError::io(phase, error))?;
//!         let len = file.metadata().map_err(|error| SourceError::io(phase, error))?.len();
//!         Ok((file, len))
//!     }
//! }
//!
//! struct DiskReader { file: File, opened: Opened, at: u64, len: u64, cut_at: u64, _counted: Arc<()> }
//!
//! #[async_trait]
//! impl RangeSource for DiskSource {
//!     fn label(&self) -> &str { &self.label }
//!     async fn probe(&self, _: &SourceContext) -> Result<SourceInfo, SourceError> {
//!         Ok(SourceInfo::new(Extent::Known(self.open_at(Phase::Probe)?.1), Access::Random))
//!     }
//!     async fn open(&self, _: &SourceContext, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
//!         let (file, len) = self.open_at(Phase::Open)?;
//!         let at = request.start;
//!         if at > len {
//!             return Err(SourceError::new(ErrorClass::RangeNotSupported, Phase::Open, "behind the end"));
//!         }
//!         let cut_at = at.saturating_add(self.cut_after.load(SeqCst));
//!         let opened = Opened::at(at).with_extent(Extent::Known(len));
//!         Ok(Box::new(DiskReader { file, opened, at, len, cut_at, _counted: self.readers.clone() }))
//!     }
//! }
//!
//! #[async_trait]
//! impl RangeReader for DiskReader {
//!     fn opened(&self) -> &Opened { &self.opened }
//!     async fn read(&mut self, space: &mut Space<'_>) -> Result<Step, SourceError> {
//!         if self.at == self.len {
//!             return Ok(Step::End);
//!         }
//!         let mut piece = [0; 16 << 10];
//!         let left = usize::try_from(self.len.min(self.cut_at) - self.at).unwrap_or(usize::MAX);
//!         let want = space.remaining().min(left).min(piece.len());
//!         let n = self.file.read_at(&mut piece[..want], self.at).map_err(|error| SourceError::io(Phase::Body, error))?;
//!         self.at += space.put(&piece[..n]) as u64;
//!         // No byte before the end: the file has become shorter, which is no end.
//!         let early = || SourceError::new(ErrorClass::Transient, Phase::Body, "the file ends early");
//!         NonZeroUsize::new(n).map(Step::Bytes).ok_or_else(early)
//!     }
//!     async fn hold(&mut self) -> SourceError { std::future::pending().await }
//!     async fn stop(self: Box<Self>) {}
//! }
//!
//! const LEN: u64 = 1 << 20;
//!
//! struct Disk { source: DiskSource, dir: PathBuf }
//!
//! impl Disk {
//!     /// A file of its own for each test, and no file where `Missing` looks for it.
//!     fn new() -> Self {
//!         static NUMBER: AtomicU64 = AtomicU64::new(0);
//!         let name = format!("disk-source-{}-{}", std::process::id(), NUMBER.fetch_add(1, SeqCst));
//!         let dir = std::env::temp_dir().join(name);
//!         std::fs::create_dir_all(&dir).expect("a directory");
//!         let fixture = Self { source: DiskSource::new(dir.join("file")), dir };
//!         let mut bytes = vec![0; LEN as usize];
//!         fixture.fill(0, &mut bytes);
//!         std::fs::write(fixture.dir.join("file"), bytes).expect("a file");
//!         fixture
//!     }
//! }
//!
//! impl Drop for Disk {
//!     fn drop(&mut self) { let _ = std::fs::remove_dir_all(&self.dir); }
//! }
//!
//! // The trait has async methods and is used as `dyn Fixture`, so `#[async_trait]` is needed here too.
//! #[async_trait]
//! impl Fixture for Disk {
//!     fn source(&self) -> Arc<dyn RangeSource> { Arc::new(self.source.clone()) }
//!     fn file_len(&self) -> u64 { LEN }
//!     /// No two places look alike.
//!     fn fill(&self, offset: u64, out: &mut [u8]) {
//!         for (at, byte) in (offset..).zip(out) { *byte = (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8; }
//!     }
//!     /// A source without sessions counts its readers, or whatever else must not leak. That the sources themselves are among them does
//!     /// no harm: two moments are compared.
//!     fn held(&self) -> Result<u64, NotApplicable> { Ok(Arc::strong_count(&self.source.readers) as u64) }
//!     fn secrets(&self) -> Vec<String> { Vec::new() }
//!     async fn arrange(&self, situation: Situation) -> Outcome {
//!         // Each situation undoes the one before.
//!         let (file, away) = (self.dir.join("file"), self.dir.join("away"));
//!         let _ = std::fs::rename(&away, &file);
//!         self.source.cut_after.store(u64::MAX, SeqCst);
//!         match situation {
//!             Situation::Normal => {}
//!             Situation::Missing => std::fs::rename(&file, &away).expect("it is moved away"),
//!             Situation::CutAfter(bytes) => self.source.cut_after.store(bytes, SeqCst),
//!             _ => return Err(NotApplicable::because("a disk has no such situation")),
//!         }
//!         Ok(())
//!     }
//!     /// Nothing goes on by itself here.
//!     async fn pause(&self) {}
//! }
//!
//! mod contract {
//!     use super::*;
//!     segfetch_source::conformance_tests! { fixture: Disk::new(), runner: block_on }
//! }
//! # // The tests that the macro makes are not run in an example.
//! # fn main() { block_on(segfetch_source::conformance::run_all(&Disk::new())).assert_passed(); }
//! ```

mod clock;
mod drive;
mod errors;
mod identity;
mod memory;
mod packet;
mod places;
mod plan;
mod reader;
mod reads;
mod record;
mod report;
mod sessions;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::RangeSource;

pub use clock::{ManualClock, Pacer};
pub use errors::{
    a_bare_end_of_file_is_transient, a_full_server_is_throttled_and_never_waited_for, a_missing_file_is_not_found,
    a_refused_account_is_denied, labels_debug_and_errors_hold_no_secret,
};
pub use identity::{
    a_changed_file_is_told_by_the_validator, a_validator_of_no_strength_proves_nothing,
    an_expectation_known_not_to_hold_is_changed, equal_content_compares_same, probe_is_repeatable_and_agrees_with_open,
    probe_never_guesses, the_host_is_known_before_anybody_is_asked,
};
pub use memory::{Content, MemorySource, pattern};
pub use packet::{PACKET, PacketSource};
pub use places::{
    a_server_that_cannot_start_there_is_range_not_supported, a_soft_end_does_not_end_the_stream,
    a_start_at_the_length_ends_at_once, a_start_beyond_the_length_is_a_typed_error,
    a_stated_end_is_where_the_stream_ends, a_stream_starts_at_or_before_the_byte_asked_for,
    end_comes_at_the_end_of_the_file, exact_ends_are_kept_where_claimed,
    open_resolves_when_the_server_has_accepted_and_not_before, opened_stays_what_the_server_said,
    streams_start_wherever_access_says,
};
pub use plan::{FailPlan, Failure};
pub use reads::{
    a_dropped_read_loses_no_byte, end_is_said_only_after_the_peer_confirmed, silence_in_the_body_is_left_to_the_engine,
    steps_tell_exactly_how_many_bytes_were_put, the_bytes_are_those_of_the_file, what_follows_a_skip_lies_behind_it,
};
pub use record::{Counters, Finish, Opening};
pub use report::{Report, Verdict, block_on, run_all};
pub use sessions::{
    a_failed_stream_gives_everything_back, a_finished_stream_gives_everything_back,
    a_hint_of_streams_to_come_changes_nothing, an_early_stop_gives_everything_back,
    dropping_a_reader_is_as_good_as_stopping, dropping_a_stop_leaks_nothing, dropping_open_or_probe_leaks_nothing,
    hold_resolves_when_the_session_is_lost, hold_stays_pending_while_healthy_and_consumes_nothing,
    parallel_streams_do_not_mix,
};

/// Least length of a fixture's file: the sentences look at several places of it, far enough from each other.
pub const MIN_LEN: u64 = 256 * 1024;

/// One file on one server, and the means to command that server: what the author of a source provides.
///
/// No method has a default. What cannot be done is answered by [`NotApplicable`] with the reason, which the report shows.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// The source under test. Sources that are given out may share a pool, or have one each.
    fn source(&self) -> Arc<dyn RangeSource>;

    /// Length of the file in bytes, at least [`MIN_LEN`]. Over sockets use some MiB: what fits into the buffers of the
    /// operating system is never waited for, so that dropped reads and cut streams would be tried less well.
    fn file_len(&self) -> u64;

    /// Writes the file's bytes from `offset` on into the whole of `out`. A function, so that files may be huge.
    fn fill(&self, offset: u64, out: &mut [u8]);

    /// How many sessions, sockets or descriptors are held now because of the sources given out.
    ///
    /// Idle sessions of a pool may count: the suite compares with what was held after a first, orderly stream.
    ///
    /// # Errors
    /// [`NotApplicable`] if nothing can be counted; the sentences about leaks are then not checked.
    fn held(&self) -> Result<u64, NotApplicable>;

    /// The secrets that the source was given; none of them may ever be printed. Empty if there are none.
    fn secrets(&self) -> Vec<String>;

    /// Puts the server into `situation`, which lasts until the next call. [`Situation::Normal`] undoes all others.
    ///
    /// # Errors
    /// [`NotApplicable`] if the protocol, or this fixture, has no such situation. `Normal` always works.
    async fn arrange(&self, situation: Situation) -> Outcome;

    /// Lets the world go on for a moment: a yield and a short timer, or an advance of a virtual clock.
    ///
    /// Nothing is judged by how long it takes; a longer pause only makes a slow server's work more surely done.
    async fn pause(&self);
}

/// How the server behaves. Sentences arrange what they are about.
///
/// A situation is about what is asked for from now on. Streams that are running go on as they were, except in
/// [`SessionsDie`](Self::SessionsDie); the suite has some only there and in [`Full`](Self::Full), where it just stops them.
///
/// Probes fail in [`Missing`](Self::Missing) and [`Denied`](Self::Denied), as opens do, and are answered in all others, though in
/// [`Full`](Self::Full) and [`Unanswered`](Self::Unanswered) the suite does not need the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Situation {
    /// The file is there and every request is served.
    Normal,
    /// A file of other content and equal length has taken the place of the file.
    Replaced,
    /// There is no such file.
    Missing,
    /// The account is refused, also on sessions that were logged in before.
    Denied,
    /// The sessions that exist go on; no further one is admitted.
    Full,
    /// Streams can only start at byte 0.
    NoRanges,
    /// The server closes every new stream after this many bytes of its body, without the protocol's confirmation.
    CutAfter(u64),
    /// The server sends the body of every new stream in pieces of this many bytes, and lets a moment pass before each, so
    /// that reads have to wait and are dropped in the middle of frames.
    Trickle(u64),
    /// The server falls silent on every new stream after this many bytes of its body, and keeps the connection.
    SilentAfter(u64),
    /// Every byte of a new stream comes, the confirmation of its end does not, and the connection is kept.
    Unconfirmed,
    /// A request for a stream is received and not answered. A probe may be.
    Unanswered,
    /// The streams that are running now have lost their sessions; what is asked for later is served.
    SessionsDie,
}

/// Why a sentence does not apply to a source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NotApplicable(Cow<'static, str>);

impl NotApplicable {
    /// The reason, as a sentence for people.
    pub fn because(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for NotApplicable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a sentence ends that did not panic: it holds, or it does not apply.
pub type Outcome = Result<(), NotApplicable>;

/// The names of all sentences, handed to another macro: the one list that tests and reports are made from.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_sentences {
    ($then:path; $($pass:tt)*) => {
        $then! {
            { $($pass)* }
            a_stream_starts_at_or_before_the_byte_asked_for
            streams_start_wherever_access_says
            a_start_at_the_length_ends_at_once
            a_start_beyond_the_length_is_a_typed_error
            a_server_that_cannot_start_there_is_range_not_supported
            exact_ends_are_kept_where_claimed
            a_soft_end_does_not_end_the_stream
            a_stated_end_is_where_the_stream_ends
            end_comes_at_the_end_of_the_file
            open_resolves_when_the_server_has_accepted_and_not_before
            opened_stays_what_the_server_said
            the_bytes_are_those_of_the_file
            what_follows_a_skip_lies_behind_it
            steps_tell_exactly_how_many_bytes_were_put
            a_dropped_read_loses_no_byte
            silence_in_the_body_is_left_to_the_engine
            end_is_said_only_after_the_peer_confirmed
            a_bare_end_of_file_is_transient
            probe_is_repeatable_and_agrees_with_open
            probe_never_guesses
            the_host_is_known_before_anybody_is_asked
            a_hint_of_streams_to_come_changes_nothing
            equal_content_compares_same
            a_validator_of_no_strength_proves_nothing
            a_changed_file_is_told_by_the_validator
            an_expectation_known_not_to_hold_is_changed
            labels_debug_and_errors_hold_no_secret
            a_missing_file_is_not_found
            a_refused_account_is_denied
            a_full_server_is_throttled_and_never_waited_for
            an_early_stop_gives_everything_back
            dropping_a_reader_is_as_good_as_stopping
            dropping_a_stop_leaks_nothing
            dropping_open_or_probe_leaks_nothing
            a_finished_stream_gives_everything_back
            a_failed_stream_gives_everything_back
            parallel_streams_do_not_mix
            hold_stays_pending_while_healthy_and_consumes_nothing
            hold_resolves_when_the_session_is_lost
        }
    };
}

/// Makes a `#[test]` of every sentence of the contract, named by it.
///
/// `fixture` is an expression, evaluated anew in each test and inside the runner, so that it may `await`. `runner` is
/// called with the test's future and returns the future's output; [`block_on`](crate::conformance::block_on) is one for
/// sources that need no runtime. Put each call into a module of its own.
///
/// A sentence that does not apply passes, and prints why. To notice when one stops applying, compare
/// [`Report::not_applicable`](crate::conformance::Report::not_applicable) with what you expect in one more test:
///
/// | where there is | these do not apply |
/// |---|---|
/// | no claim of [`exact_ends`](crate::SourceInfo::exact_ends) | `exact_ends_are_kept_where_claimed` |
/// | no [`ends_at`](crate::Opened::ends_at) | `a_stated_end_is_where_the_stream_ends` |
/// | no [`Skip`](crate::Step::Skip) in the first 4 MiB | `what_follows_a_skip_lies_behind_it` |
/// | no read that has to wait | `a_dropped_read_loses_no_byte` |
/// | no [`host`](crate::RangeSource::host) | `the_host_is_known_before_anybody_is_asked` |
/// | no validator | `equal_content_compares_same`, and the two of `Replaced` |
/// | no random access | `a_start_at_the_length_ends_at_once`, `a_start_beyond_the_length_is_a_typed_error`; and those that come to the end of the file, if it is longer than 16 MiB |
/// | one stream at a time | `parallel_streams_do_not_mix` |
/// | no secret | `labels_debug_and_errors_hold_no_secret` |
/// | nothing that can be counted as [`held`](crate::conformance::Fixture::held) | the six about what is given back or leaks |
///
/// A fixture that has no such [`Situation`](crate::conformance::Situation) leaves out:
///
/// | situation | these do not apply |
/// |---|---|
/// | `Replaced` | `a_changed_file_is_told_by_the_validator`, `an_expectation_known_not_to_hold_is_changed` |
/// | `Missing` | `a_missing_file_is_not_found` |
/// | `Denied` | `a_refused_account_is_denied` |
/// | `Full` | `a_full_server_is_throttled_and_never_waited_for` |
/// | `NoRanges` | `a_server_that_cannot_start_there_is_range_not_supported`, with random access |
/// | `CutAfter` | `a_bare_end_of_file_is_transient`, `a_failed_stream_gives_everything_back`; without `Unconfirmed` also `end_is_said_only_after_the_peer_confirmed` |
/// | `Trickle`, `Unconfirmed` | none; they try more |
/// | `SilentAfter` | `silence_in_the_body_is_left_to_the_engine` |
/// | `Unanswered` | `open_resolves_when_the_server_has_accepted_and_not_before` |
/// | `SessionsDie` | `hold_resolves_when_the_session_is_lost` |
///
/// ```
/// # fn main() {}
/// mod contract {
///     use segfetch_source::conformance::{MemorySource, block_on};
///     segfetch_source::conformance_tests! { fixture: MemorySource::new(1 << 20), runner: block_on }
/// }
/// ```
#[macro_export]
macro_rules! conformance_tests {
    (fixture: $fixture:expr, runner: $runner:expr $(,)?) => {
        $crate::__conformance_sentences! { $crate::__conformance_as_tests; $fixture; $runner }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_as_tests {
    ({ $fixture:expr; $runner:expr } $($sentence:ident)*) => {
        $crate::__conformance_as_tests! { @each { $fixture } { $runner } $($sentence)* }
    };
    (@each $fixture:tt $runner:tt $first:ident $($rest:ident)*) => {
        #[test]
        fn $first() {
            let outcome = ($runner)(async {
                let fixture = $fixture;
                let normal = $crate::conformance::Situation::Normal;
                $crate::conformance::Fixture::arrange(&fixture, normal).await.expect("Normal always works");
                $crate::conformance::$first(&fixture).await
            });
            if let Err(reason) = outcome {
                println!("not applicable: {reason}");
            }
        }
        $crate::__conformance_as_tests! { @each $fixture $runner $($rest)* }
    };
    (@each $fixture:tt $runner:tt) => {};
}
