//! Streams that break, and servers that go away.

use std::time::Duration;

use async_trait::async_trait;
use segfetch::source::conformance::{FailPlan, Failure, MemorySource};
use segfetch::source::{
    Access, ErrorClass, OpenRequest, Opened, RangeReader, RangeSource, SourceContext, SourceError, SourceInfo, Space,
    Step,
};
use segfetch::{Connections, Download, DownloadError, Event};

use crate::world::{MIB, TokioClock, World, download, tapped, target, weak};

/// Bytes per second of a stream.
const RATE: u64 = 8 * MIB;

fn paced(len: u64) -> MemorySource {
    MemorySource::new(len).with_pace(TokioClock::start(), RATE)
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_every_64_kib_still_ends_in_the_right_file() {
    let world = World::new();
    let source = MemorySource::new(6 * MIB).with_plan(FailPlan::new().always(Failure::Transient { after: 65_536 }));
    let (result, _) = world.run(download(&source, 3)).await;
    let report = result.expect("every attempt makes progress");
    assert!(report.retries >= 90, "{}", report.retries);
    world.assert_copy(&source);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_falls_silent_is_replaced() {
    let world = World::new();
    let source = paced(24 * MIB).with_plan(FailPlan::new().on_open(2, Failure::Silent { after: 1 }));
    let start = tokio::time::Instant::now();
    let report = world.run(download(&source, 3)).await.0.expect("it succeeds");
    world.assert_copy(&source);
    assert_eq!(report.retries, 0, "another one takes over before it has failed");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_for_a_minute_is_waited_for() {
    let world = World::new();
    let (source, tap) = tapped(MemorySource::new(64 * MIB), RATE);
    let job = world.run_until_durable(download(&source, 3), &tap, 8 * MIB).await;
    source.set_outage(Some(ErrorClass::Transient));
    source.kill_sessions();
    tap.open();
    tokio::time::advance(Duration::from_secs(60)).await;
    source.set_outage(None);
    job.join().await.expect("it goes on");
    world.assert_copy(&source);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stays_away_is_given_up_and_nothing_is_lost() {
    let world = World::new();
    let (source, tap) = tapped(MemorySource::new(64 * MIB), RATE);
    let job = world.run_until_durable(download(&source, 3), &tap, 8 * MIB).await;
    source.set_outage(Some(ErrorClass::Transient));
    source.kill_sessions();
    tap.open();
    let result = job.join().await;
    assert!(matches!(result, Err(DownloadError::GaveUp { .. })), "{result:?}");
    source.set_outage(None);
    assert!(world.run(download(&source, 3)).await.0.expect("it goes on").resumed >= 8 * MIB);
    world.assert_copy(&source);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_every_request_and_never_sends_a_byte_is_given_up_and_not_stormed() {
    for n in [1, 2, 4, 8] {
        // As soon as one brings nothing, automatic mode is in the same position as one connection.
        let connections = if n == 2 { Connections::Auto } else { Connections::Exactly(n) };
        for len in [MIB, 64 * MIB] {
            let world = World::new();
            let source = MemorySource::new(len).with_plan(FailPlan::new().always(Failure::Silent { after: 0 }));
            let start = tokio::time::Instant::now();
            let result = world.run(download(&source, 1).connections(connections)).await.0;
            let (took, opens) = (start.elapsed().as_secs(), source.counters().opens);
            assert!(matches!(result, Err(DownloadError::GaveUp { .. })), "{connections:?}: {result:?}");
            assert!(
                (300..420).contains(&took) && opens <= 25 * u64::from(n),
                "{connections:?}: {took} s, {opens} requests"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_mended_is_not_tried_again() {
    for class in [ErrorClass::NotFound, ErrorClass::Denied, ErrorClass::Permanent] {
        let world = World::new();
        let source = paced(8 * MIB);
        source.set_outage(Some(class));
        let (result, _) = world.run(download(&source, 3)).await;
        assert!(matches!(&result, Err(DownloadError::Source(error)) if error.class() == class), "{result:?}");
        assert_eq!((source.counters().probes, source.counters().opens), (1, 0));
        assert!(world.volume.paths().is_empty(), "{:?}", world.volume.paths());
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_nobody_knows_is_permanent_the_second_time() {
    let world = World::new();
    let source = paced(8 * MIB).with_plan(FailPlan::new().always(Failure::Refused(ErrorClass::Unknown)));
    let (result, events) = world.run(download(&source, 1)).await;
    assert!(matches!(result, Err(DownloadError::Source(_))), "{result:?}");
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Retry { .. })).count(), 1);
    assert_eq!(source.counters().opens, 2);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_too_early_is_followed_by_another_for_the_rest() {
    let world = World::new();
    let source = paced(8 * MIB).with_plan(FailPlan::new().always(Failure::ShortEnd { after: 2 * MIB }));
    world.run(download(&source, 1)).await.0.expect("every stream brings something");
    world.assert_copy(&source);
    assert!(source.counters().opens >= 4);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_ends_before_its_announced_length_is_not_published() {
    let world = World::new();
    let plan =
        FailPlan::new().on_open(1, Failure::ShortEnd { after: 2 * MIB }).from_open(2, Failure::ShortEnd { after: 0 });
    let source = paced(8 * MIB).with_plan(plan);
    let result = world.run(download(&source, 1)).await.0;
    assert!(result.is_err(), "{result:?}");
    assert!(world.volume.read(target()).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_goes_on_behind_its_announced_length_is_not_published() {
    let world = World::new();
    let source = weak(8 * MIB).with_plan(FailPlan::new().always(Failure::ExtraBytes(10)));
    let source = source.with_info(|info| info.with_exact_ends(false));
    let result = world.run(download(&source, 1)).await.0;
    assert!(matches!(result, Err(DownloadError::WrongLength { .. })), "{result:?}");
    assert!(world.volume.read(target()).is_none());
}

/// A source whose reads leave something in the space when they fail, which they must not.
#[derive(Debug)]
struct Untidy(MemorySource);

struct UntidyReader(Box<dyn RangeReader>);

#[async_trait]
impl RangeSource for Untidy {
    fn label(&self) -> &str {
        self.0.label()
    }
    async fn probe(&self, cx: &SourceContext) -> Result<SourceInfo, SourceError> {
        self.0.probe(cx).await
    }
    async fn open(&self, cx: &SourceContext, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        Ok(Box::new(UntidyReader(self.0.open(cx, request).await?)))
    }
}

#[async_trait]
impl RangeReader for UntidyReader {
    fn opened(&self) -> &Opened {
        self.0.opened()
    }
    async fn read(&mut self, space: &mut Space<'_>) -> Result<Step, SourceError> {
        let step = self.0.read(space).await;
        if step.is_err() {
            space.put(b"not of the file");
        }
        step
    }
    async fn hold(&mut self) -> SourceError {
        self.0.hold().await
    }
    async fn stop(self: Box<Self>) {
        self.0.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_read_leaves_behind_is_not_written() {
    let world = World::new();
    let source = MemorySource::new(MIB).with_plan(FailPlan::new().on_open(1, Failure::Transient { after: 70_000 }));
    world.run(Download::new(Untidy(source.clone()), target())).await.0.expect("it goes on");
    world.assert_copy(&source);
}

fn once(len: u64) -> MemorySource {
    MemorySource::new(len).with_info(|mut info| {
        info.access = Access::Sequential;
        info
    })
}

#[tokio::test(start_paused = true)]
async fn what_exists_only_once_is_not_gone_on_with_in_this_run_or_in_the_next() {
    let world = World::new();
    let source = once(8 * MIB).with_plan(FailPlan::new().on_open(1, Failure::Transient { after: 2 * MIB }));
    match world.run(download(&source, 1)).await.0 {
        Err(DownloadError::NotRepeatable { last: Some(last) }) => assert_eq!(last.class(), ErrorClass::Transient),
        other => panic!("{other:?}"),
    }
    let again = world.run(download(&source, 1)).await.0;
    assert!(matches!(again, Err(DownloadError::NotRepeatable { last: None })), "{again:?}");
    assert!(world.volume.read(target()).is_none());
}

#[tokio::test(start_paused = true)]
async fn what_exists_only_once_may_be_silent_as_long_as_the_patience_and_then_has_failed() {
    let world = World::new();
    let source = once(8 * MIB).with_plan(FailPlan::new().on_open(1, Failure::Silent { after: 2 * MIB }));
    let start = tokio::time::Instant::now();
    let failed = world.run(download(&source, 1).patience(Duration::from_secs(90))).await.0;
    assert!(matches!(failed, Err(DownloadError::NotRepeatable { last: Some(_) })), "{failed:?}");
    assert!(start.elapsed() >= Duration::from_secs(120), "{:?}", start.elapsed());
}
