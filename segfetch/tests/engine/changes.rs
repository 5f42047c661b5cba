//! Files that change on the server, and servers that do not start where they are asked to.

use std::time::Duration;

use async_trait::async_trait;
use segfetch::source::ErrorClass;
use segfetch::source::conformance::{FailPlan, Failure, MemorySource, pattern};
use segfetch::source::{
    OpenRequest, Opened, RangeReader, RangeSource, SourceContext, SourceError, SourceInfo, Space, Step,
};
use segfetch::{Connections, Download, DownloadError, Event, Integrity, OnChange};

use crate::storage::over;
use crate::unruly::{Mood, Unruly};
use crate::world::{MIB, Tap, TokioClock, World, download, other_content, tapped, target, unrecognisable, weak};

/// Bytes per second of a stream.
const RATE: u64 = 4 * MIB;

/// A download that is dropped when it is about half through, and a source that has other bytes afterwards.
async fn half_of_another_file(world: &World, source: &MemorySource, tap: &Tap) {
    let job = world.run_until_durable(download(source, 3), tap, 20 * MIB).await;
    world.kill(job).await;
    source.replace(other_content());
}

fn paced(source: MemorySource) -> MemorySource {
    source.with_pace(TokioClock::start(), RATE)
}

#[tokio::test(start_paused = true)]
async fn a_change_between_two_runs_is_told_by_the_validator() {
    let world = World::new();
    let (source, tap) = tapped(MemorySource::new(60 * MIB), RATE);
    half_of_another_file(&world, &source, &tap).await;
    tap.open();
    let opens = source.counters().opens;
    let (result, _) = world.run(download(&source, 3)).await;
    assert!(matches!(result, Err(DownloadError::Changed { .. })), "{result:?}");
    assert_eq!(source.counters().opens, opens, "nothing needed to be opened");

    let (result, events) = world.run(download(&source, 3).on_change(OnChange::Restart)).await;
    assert_eq!(result.expect("it starts over").resumed, 0);
    assert!(events.iter().any(|event| matches!(event, Event::Restarted { .. })));
    world.assert_copy(&source);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_no_validator_tells_is_found_by_comparing_what_arrives_twice() {
    let world = World::new();
    let (source, tap) = tapped(unrecognisable(60 * MIB), RATE);
    half_of_another_file(&world, &source, &tap).await;
    tap.open();
    let (result, _) = world.run(download(&source, 3)).await;
    assert!(matches!(&result, Err(DownloadError::Changed { reason }) if reason.contains("differ")), "{result:?}");

    // What is on the disk may be of two versions now, and is not gone on from, even if the old file comes back.
    let again = world.run(download(&source, 3)).await.0;
    assert!(matches!(again, Err(DownloadError::Changed { .. })), "{again:?}");
    world.run(download(&source, 3).on_change(OnChange::Restart)).await.0.expect("it starts over");
    world.assert_copy(&source);
}

#[tokio::test(start_paused = true)]
async fn a_file_replaced_while_it_is_fetched_is_one_change_and_never_a_mixture() {
    for source in [MemorySource::new(60 * MIB), weak(60 * MIB)] {
        let world = World::new();
        let (source, tap) = tapped(source, RATE);
        let job = world.run_until_durable(download(&source, 2), &tap, 8 * MIB).await;
        source.replace(other_content());
        // Streams that are open go on with the old file; the next one that is opened tells.
        source.kill_sessions();
        tap.open();
        let result = job.join().await;
        assert!(matches!(result, Err(DownloadError::Changed { .. })), "{result:?}");
        assert_eq!(source.counters().open_now, 0);
        world.run(download(&source, 2).on_change(OnChange::Restart)).await.0.expect("it starts over");
        world.assert_copy(&source);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_only_the_last_look_tells_is_found() {
    let world = World::new();
    let (source, tap) = tapped(weak(20 * MIB), RATE);
    let job = world.run_until_durable(download(&source, 1), &tap, 8 * MIB).await;
    source.replace(other_content());
    tap.open();
    let result = job.join().await;
    assert!(matches!(result, Err(DownloadError::Changed { .. })), "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn with_restart_a_change_in_mid_run_leads_to_the_new_file_by_itself() {
    let world = World::new();
    let (source, tap) = tapped(MemorySource::new(40 * MIB), RATE);
    let job = world.run_until_durable(download(&source, 4).on_change(OnChange::Restart), &tap, 8 * MIB).await;
    source.replace(other_content());
    source.kill_sessions();
    tap.open();
    job.join().await.expect("it starts over");
    world.assert_copy(&source);
}

#[tokio::test(start_paused = true)]
async fn different_validators_of_two_parallel_streams_are_one_change() {
    let world = World::new();
    let source = paced(MemorySource::new(40 * MIB)).with_plan(FailPlan::new().on_open(2, Failure::OtherValidator));
    let (result, _) = world.run(download(&source, 4)).await;
    assert!(matches!(result, Err(DownloadError::Changed { .. })), "{result:?}");
    assert_eq!(source.counters().open_now, 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ignores_the_start_is_noticed_and_the_file_fetched_in_one_stream() {
    let world = World::new();
    let source = paced(weak(40 * MIB)).with_plan(FailPlan::new().always(Failure::IgnoresStart));
    let (result, events) = world.run(download(&source, 4)).await;
    result.expect("it falls back to one stream");
    world.assert_copy(&source);
    let restarts = events.iter().filter(|event| matches!(event, Event::Restarted { .. })).count();
    assert_eq!(restarts, 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_ranges_is_served_in_one_stream() {
    let world = World::new();
    let source = paced(weak(20 * MIB)).with_plan(FailPlan::new().always(Failure::RangeNotSupported));
    world.run(download(&source, 4)).await.0.expect("it falls back to one stream");
    world.assert_copy(&source);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_starts_early_is_fine_and_one_that_starts_late_is_not_used() {
    for failure in [Failure::StartsEarly(3_000), Failure::StartsLate(10)] {
        let world = World::new();
        let source = paced(MemorySource::new(20 * MIB)).with_plan(FailPlan::new().on_open(2, failure));
        world.run(download(&source, 3)).await.0.unwrap_or_else(|error| panic!("{failure:?}: {error}"));
        world.assert_copy(&source);
        let used = source.opens()[1].delivered > 0;
        assert_eq!(used, failure == Failure::StartsEarly(3_000), "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_has_grown_or_shrunk_between_two_runs_has_changed() {
    for len in [39 * MIB, 41 * MIB] {
        let world = World::new();
        let (source, tap) = tapped(weak(40 * MIB), RATE);
        let job = world.run_until_durable(download(&source, 2), &tap, 8 * MIB).await;
        world.kill(job).await;
        let now = paced(weak(len));
        tap.open();
        let (result, _) = world.run(download(&now, 2)).await;
        assert!(matches!(&result, Err(DownloadError::Changed { reason }) if reason.contains("bytes")), "{result:?}");
        world.run(download(&now, 2).on_change(OnChange::Restart)).await.0.expect("it starts over");
        world.assert_copy(&now);
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_behind_an_exact_end_are_not_written() {
    let world = World::new();
    let source = paced(MemorySource::new(20 * MIB)).with_plan(FailPlan::new().always(Failure::ExtraBytes(10)));
    // Whether such a server is refused or only not believed, the file is right or has no name.
    match world.run(download(&source, 3)).await.0 {
        Ok(_) => world.assert_copy(&source),
        Err(error) => assert!(matches!(error, DownloadError::WrongLength { .. }), "{error:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn beginning_again_ends_when_it_does_not_help() {
    let world = World::new();
    let plan = FailPlan::new().always(Failure::OtherValidator);
    let source = paced(MemorySource::new(20 * MIB)).with_plan(plan);
    let (result, events) = world.run(download(&source, 3).on_change(OnChange::Restart)).await;
    assert!(matches!(result, Err(DownloadError::Changed { .. })), "{result:?}");
    assert!(events.iter().filter(|event| matches!(event, Event::Restarted { .. })).count() <= 3);
}

#[tokio::test(start_paused = true)]
async fn a_difference_that_is_found_when_the_download_fails_for_another_reason_is_remembered() {
    let volume = Unruly::new();
    let world = over(&volume);
    let (source, tap) = tapped(unrecognisable(60 * MIB), RATE);
    half_of_another_file(&world, &source, &tap).await;

    let mut job = world.engine.start(download(&source, 3));
    let mut events = job.events();
    while !matches!(events.next().await.expect("it gets that far"), Event::Opened { .. }) {}
    volume.set(Mood::StuckRead);
    let (delivered, refused) = (source.counters().delivered, source.counters().refused);
    tap.open();
    while source.counters().delivered < delivered + MIB {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The comparison is under way. Now the download ends for another reason.
    source.set_outage(Some(ErrorClass::Denied));
    source.kill_sessions();
    while source.counters().refused == refused {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    volume.set(Mood::Good);
    let result = job.join().await;
    assert!(matches!(result, Err(DownloadError::Source(_))), "{result:?}");

    source.set_outage(None);
    source.replace(pattern(0));
    let again = world.run(download(&source, 3)).await.0;
    assert!(matches!(again, Err(DownloadError::Changed { .. })), "{again:?}");
}

/// A server whose probe gives a strong validator, and whose streams say nothing of theirs.
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
        let mut opened = reader.opened().clone();
        opened.validator = None;
        Ok(Box::new(MuteReader(reader, opened)))
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
async fn a_strong_validator_that_streams_do_not_repeat_proves_nothing_but_is_looked_at_again_at_the_end() {
    let download =
        |source: &MemorySource| Download::new(Mute(source.clone()), target()).connections(Connections::Exactly(2));
    let world = World::new();
    let source = MemorySource::new(20 * MIB);
    let report = world.run(download(&source)).await.0.expect("it succeeds");
    assert_eq!(report.integrity, Integrity::Unverified);

    let world = World::new();
    let (source, tap) = tapped(MemorySource::new(20 * MIB), RATE);
    let fast = download(&source).checkpoint_every(Duration::from_millis(250));
    let job = world.run_until_durable(fast, &tap, 4 * MIB).await;
    source.replace(other_content());
    tap.open();
    let result = job.join().await;
    assert!(matches!(result, Err(DownloadError::Changed { .. })), "{result:?}");
}
