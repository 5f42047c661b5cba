//! A remote file whose server fails, stalls, lies, or has another file.

use std::io::SeekFrom;
use std::time::Duration;

use async_trait::async_trait;
use segfetch::adapters::{ReadError, RemoteFile};
use segfetch::source::conformance::{FailPlan, Failure, Finish, MemorySource, pattern};
use segfetch::source::{
    ErrorClass, Extent, OpenRequest, Opened, RangeReader, RangeSource, Sameness, SourceContext, SourceError,
    SourceInfo, Space, Step, Validator,
};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::time::Instant;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_is_replaced_at_the_same_place() {
    let plan = FailPlan::new()
        .on_open(1, Failure::Transient { after: 100_000 })
        .on_open(2, Failure::Refused(ErrorClass::Transient))
        .on_open(
            3,
            Failure::Refused(ErrorClass::Throttled { retry_after: Some(Duration::from_secs(7)), limit_hint: None }),
        )
        .on_open(4, Failure::Silent { after: 200_000 });
    let source = MemorySource::new(MIB).with_plan(plan);
    let mut file = RemoteFile::new(source.clone()).silence(Duration::from_secs(3));
    let begun = Instant::now();
    let mut all = Vec::new();
    file.read_to_end(&mut all).await.expect("everything");
    assert!(all == bytes(&source, 0..MIB));
    let starts: Vec<_> = source.opens().iter().map(|open| open.request.start).collect();
    assert_eq!(starts, [0, 100_000, 100_000, 100_000, 300_000]);
    assert_eq!(file.counts().retries, 4);
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_secs(10) && took < Duration::from_secs(15),
        "7 s of pause, 3 s of silence: {took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn whatever_comes_begins_patience_anew() {
    let source = MemorySource::new(5 * MIB).with_plan(FailPlan::new().always(Failure::Transient { after: 100_000 }));
    let mut all = Vec::new();
    let mut file = RemoteFile::new(source.clone()).patience(Duration::from_secs(2));
    file.read_to_end(&mut all).await.expect("everything, in many pieces");
    assert!(all == bytes(&source, 0..5 * MIB) && file.counts().retries > 50);
}

#[tokio::test(start_paused = true)]
async fn bytes_before_the_wanted_one_are_no_progress() {
    let plan = FailPlan::new().always(Failure::StartsEarly(MIB)).always(Failure::Transient { after: MIB / 2 });
    let source = MemorySource::new(100 * MIB).with_plan(plan);
    let result = take_at(&mut RemoteFile::new(source.clone()), 50 * MIB, 10).await;
    assert!(matches!(failure(&result), ReadError::GaveUp { .. }));
}

#[tokio::test(start_paused = true)]
async fn patience_ends_and_a_later_read_tries_again() {
    let source = MemorySource::new(MIB);
    source.set_plan(FailPlan::new().always(Failure::Refused(ErrorClass::Transient)));
    let mut file = RemoteFile::new(source.clone()).patience(Duration::from_secs(20));
    let begun = Instant::now();
    let result = take(&mut file, 10).await;
    assert!(matches!(failure(&result), ReadError::GaveUp { .. }));
    assert_eq!(result.expect_err("it fails").kind(), std::io::ErrorKind::TimedOut);
    let took = begun.elapsed();
    assert!(took > Duration::from_secs(10) && took <= Duration::from_secs(20), "{took:?}");
    assert!(source.counters().opens < 10, "pauses grow");
    source.set_plan(FailPlan::new());
    assert_eq!(take(&mut file, 10).await.expect("bytes"), bytes(&source, 0..10));
}

#[tokio::test(start_paused = true)]
async fn what_repeating_cannot_mend_is_not_repeated() {
    use std::io::ErrorKind as K;
    for (class, kind, opens) in [
        (ErrorClass::NotFound, K::NotFound, 1),
        (ErrorClass::Denied, K::PermissionDenied, 1),
        (ErrorClass::Permanent, K::Other, 1),
        (ErrorClass::RangeNotSupported, K::Unsupported, 1),
        (ErrorClass::Unknown, K::Other, 2),
    ] {
        let source = MemorySource::new(MIB).with_plan(FailPlan::new().always(Failure::Refused(class)));
        let mut file = RemoteFile::new(source.clone());
        let result = take(&mut file, 10).await;
        assert!(matches!(failure(&result), ReadError::Source(error) if error.class() == class));
        assert_eq!(result.expect_err("it fails").kind(), kind);
        assert_eq!(source.counters().opens, opens, "{class:?}");
    }
    let source = MemorySource::new(MIB);
    source.set_outage(Some(ErrorClass::NotFound));
    let result = RemoteFile::new(source.clone()).seek(SeekFrom::End(0)).await;
    assert!(matches!(failure(&result), ReadError::Source(_)));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_changes_between_two_streams_is_never_mixed() {
    let source = MemorySource::new(100 * MIB);
    let mut file = RemoteFile::new(source.clone());
    take(&mut file, 100).await.expect("the beginning");
    source.replace(pattern(5));
    for _ in 0..2 {
        let result = take_at(&mut file, 50 * MIB, 10).await;
        assert!(matches!(failure(&result), ReadError::Changed { .. }));
        assert_eq!(result.expect_err("it fails").kind(), std::io::ErrorKind::StaleNetworkFileHandle);
    }
    assert_eq!(source.counters().opens, 2, "that was the last word");
    assert_eq!(source.counters().open_now, 0);
}

#[tokio::test(start_paused = true)]
async fn a_validator_that_is_another_one_than_that_of_the_probe_is_a_change() {
    let plan = FailPlan::new().on_open(1, Failure::OtherValidator);
    let source = MemorySource::new(MIB).with_plan(plan);
    let result = take(&mut RemoteFile::new(source.clone()), 10).await;
    assert!(matches!(failure(&result), ReadError::Changed { .. }));
    assert_eq!(source.counters().delivered, 0);
}

/// A source whose answers to an open do not say which file they are of.
#[derive(Debug)]
pub(crate) struct Mute(pub(crate) MemorySource);

struct MuteReader(Box<dyn RangeReader>, Opened);

#[async_trait]
impl RangeSource for Mute {
    fn label(&self) -> &str {
        self.0.label()
    }
    async fn probe(&self, cx: &SourceContext) -> Result<SourceInfo, SourceError> {
        self.0.probe(cx).await
    }
    async fn open(&self, cx: &SourceContext, mut request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        request.expect = None;
        let reader = self.0.open(cx, request).await?;
        let opened = Opened::at(reader.opened().start);
        Ok(Box::new(MuteReader(reader, opened)))
    }
    fn compare(&self, stored: &Validator, now: &Validator) -> Sameness {
        self.0.compare(stored, now)
    }
}

#[async_trait]
impl RangeReader for MuteReader {
    fn opened(&self) -> &Opened {
        &self.1
    }
    async fn read(&mut self, space: &mut Space<'_>) -> Result<Step, SourceError> {
        self.0.read(space).await
    }
    async fn hold(&mut self) -> SourceError {
        self.0.hold().await
    }
    async fn stop(self: Box<Self>) {
        self.0.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn where_an_answer_does_not_say_which_file_it_is_of_the_server_is_asked() {
    let source = MemorySource::new(100 * MIB);
    let mut file = RemoteFile::new(Mute(source.clone()));
    take(&mut file, 100).await.expect("the beginning");
    assert_eq!(source.counters().probes, 1, "it was asked just before");
    take_at(&mut file, 20 * MIB, 100).await.expect("bytes");
    assert_eq!(source.counters().probes, 2);
    source.replace(pattern(5));
    let before = source.counters().delivered;
    let result = take_at(&mut file, 50 * MIB, 10).await;
    assert!(matches!(failure(&result), ReadError::Changed { .. }));
    assert_eq!((source.counters().delivered, source.counters().open_now), (before, 0));
}

#[tokio::test(start_paused = true)]
async fn without_a_validator_bytes_that_come_twice_are_compared() {
    let source = MemorySource::new(10 * MIB).with_info(|info| info.with_validator(Validator::none()));
    let mut file = RemoteFile::new(source.clone());
    take_at(&mut file, 3 * MIB + 1000, 100).await.expect("bytes");
    take_at(&mut file, 8 * MIB, 100).await.expect("bytes");
    source.replace(pattern(5));
    let result = take_at(&mut file, 3 * MIB, 2000).await;
    assert!(matches!(failure(&result), ReadError::Changed { reason } if reason.contains("twice")), "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_ends_elsewhere_than_it_was_said_is_a_change() {
    let source = MemorySource::new(MIB).with_plan(FailPlan::new().on_open(1, Failure::ShortEnd { after: 1000 }));
    let result = take(&mut RemoteFile::new(source.clone()), 2000).await;
    assert!(matches!(failure(&result), ReadError::Changed { .. }));

    let source = MemorySource::new(4 * MIB).with_info(|mut info| {
        info.extent = Extent::Unknown;
        info
    });
    let mut file = RemoteFile::new(source.clone());
    file.read_to_end(&mut Vec::new()).await.expect("everything");
    source.set_plan(FailPlan::new().always(Failure::ShortEnd { after: 1000 }));
    let result = take_at(&mut file, 0, 2000).await;
    assert!(matches!(failure(&result), ReadError::Changed { .. }), "the end was known");
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_begin_a_little_earlier_than_asked_and_never_later() {
    let at = 50 * MIB;
    for (early, opens) in [(1, 1), (300 * KIB, 1), (4 * MIB, 1)] {
        let source = MemorySource::new(100 * MIB).with_plan(FailPlan::new().always(Failure::StartsEarly(early)));
        let mut file = RemoteFile::new(source.clone());
        assert!(take_at(&mut file, at, 100).await.expect("bytes") == bytes(&source, at..at + 100));
        assert_eq!(source.counters().opens, opens);
    }
    for (failure_of_source, class) in [
        (Failure::StartsEarly(4 * MIB + 1), ErrorClass::RangeNotSupported),
        (Failure::StartsLate(1), ErrorClass::Permanent),
    ] {
        let source = MemorySource::new(100 * MIB).with_plan(FailPlan::new().always(failure_of_source));
        let mut file = RemoteFile::new(source.clone());
        let result = take_at(&mut file, at, 100).await;
        assert!(matches!(failure(&result), ReadError::Source(error) if error.class() == class));
        assert_eq!((source.counters().opens, source.counters().open_now, source.counters().delivered), (1, 0, 0));
    }
}

/// Polls a read once, and drops it.
async fn touch(file: &mut RemoteFile) -> bool {
    let mut byte = [0];
    tokio::select! {
        biased;
        result = file.read_exact(&mut byte) => { result.expect("a byte"); true }
        () = std::future::ready(()) => false,
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_dropped_at_any_await_loses_and_repeats_nothing() {
    let source = MemorySource::new(300 * KIB).with_chunk(1000);
    let mut file = RemoteFile::new(source.clone());
    let mut dropped = 0;
    for at in 0..5000_u64 {
        while !touch(&mut file).await {
            dropped += 1;
            assert_eq!(file.position(), at);
        }
    }
    assert!(dropped > 5, "{dropped}");
    let mut rest = Vec::new();
    file.read_to_end(&mut rest).await.expect("the rest");
    assert!(rest == bytes(&source, 5000..300 * KIB));
    assert_eq!((source.counters().probes, source.counters().opens), (1, 1));
    assert_eq!(source.counters().delivered, 300 * KIB);
}

#[tokio::test(start_paused = true)]
async fn a_seek_away_from_a_read_that_was_dropped_does_not_wait_for_it() {
    let far = 50 * MIB;
    for failure in [Failure::Unanswered, Failure::Silent { after: 1000 }] {
        let source = MemorySource::new(100 * MIB).with_plan(FailPlan::new().on_open(1, failure));
        let mut file = RemoteFile::new(source.clone());
        let wait = tokio::time::timeout(Duration::from_secs(1), take(&mut file, 2000)).await;
        assert!(wait.is_err(), "it hangs");
        let begun = Instant::now();
        assert!(take_at(&mut file, far, 100).await.expect("bytes") == bytes(&source, far..far + 100));
        assert!(begun.elapsed() < Duration::from_secs(1));
        assert_eq!((source.counters().open_now, source.opens()[0].finish), (1, Finish::Dropped));
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_dropped_at_any_await_leaves_no_session() {
    for touches in 0..12 {
        let source = MemorySource::new(MIB).with_chunk(10);
        let mut file = RemoteFile::new(source.clone());
        for _ in 0..touches {
            touch(&mut file).await;
        }
        drop(file);
        assert_eq!(source.counters().open_now, 0, "after {touches}");
    }
}

/// It has no task, and works on any runtime with a timer.
#[test]
fn a_file_is_read_on_a_runtime_of_one_thread_and_can_be_moved_to_another() {
    fn movable<T: Send + Unpin + 'static>(value: T) -> T {
        value
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let source = MemorySource::new(MIB);
    let mut file = movable(RemoteFile::new(source.clone()));
    let all = runtime.block_on(take(&mut file, MIB)).expect("everything");
    assert!(all == bytes(&source, 0..MIB));
}
