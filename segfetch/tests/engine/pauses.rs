//! Downloads that are paused and go on.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use segfetch::source::conformance::MemorySource;
use segfetch::source::{
    Access, Digest, DigestAlgorithm, ErrorClass, HostKey, OpenRequest, RangeReader, RangeSource, Sessions,
    SourceContext, SourceError, SourceInfo,
};
use segfetch::{Connections, Download, DownloadError, Engine, EngineConfig, Event, Job, OnChange, Stage};
use tokio::time::Instant;

use crate::storage::over;
use crate::unruly::{Mood, Unruly};
use crate::world::{
    MIB, Tap, TokioClock, World, download, keeps_its_order, other_content, tapped, target, unrecognisable, weak,
};

/// Bytes per second of a stream.
const RATE: u64 = 4 * MIB;
/// Twice the patience.
const LONG: Duration = Duration::from_secs(600);

async fn until(job: &Job, stage: Stage) {
    job.progress().wait_for(|now| now.stage == stage).await.expect("it gets that far");
}

/// Lets as much flow as makes `bytes` of it arrive.
async fn until_received(job: &Job, tap: &Tap, bytes: u64) {
    let mut progress = job.progress();
    while progress.borrow_and_update().received < bytes {
        tap.advance(Duration::from_millis(50));
        progress.changed().await.expect("it runs");
    }
}

/// Pauses a download of which about 20 MiB are durable, and waits until it is at rest.
async fn paused(world: &World, download: Download, tap: &Tap) -> Job {
    let job = world.run_until_durable(download, tap, 20 * MIB).await;
    job.pause();
    until(&job, Stage::Paused).await;
    job
}

#[tokio::test(start_paused = true)]
async fn a_pause_outlasts_a_server_that_is_away_and_costs_no_byte_no_retry_and_no_patience() {
    let world = World::new();
    let (source, tap) = tapped(MemorySource::new(64 * MIB), RATE);
    let mut job = paused(&world, download(&source, 4), &tap).await;
    let mut events = job.events();
    let mut progress = job.progress();
    let before = source.counters();
    {
        let now = progress.borrow_and_update();
        assert_eq!(
            (now.durable, now.received),
            (before.delivered, before.delivered),
            "bytes that had arrived are lost"
        );
        assert_eq!((now.workers.len(), now.rate), (0, 0));
    }
    assert_eq!(before.open_now, 0, "a session is kept");

    source.set_outage(Some(ErrorClass::Transient));
    source.kill_sessions();
    tap.open();
    tokio::time::sleep(LONG).await;
    assert_eq!(source.counters(), before, "the server is left alone");
    assert!(!progress.has_changed().expect("it is there"), "somebody is busy");

    source.set_outage(None);
    job.resume();
    let report = job.join().await.expect("it goes on");
    world.assert_copy(&source);
    assert_eq!(source.counters().delivered, 64 * MIB, "something came twice");
    assert_eq!((report.fetched, report.resumed, report.retries, report.refusals), (64 * MIB, 0, 0, 0));

    let mut told = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Event::Paused { durable } => told.push(Some(durable)),
            Event::Continued => told.push(None),
            _ => {}
        }
    }
    assert_eq!(told, [Some(before.delivered), None]);
}

#[tokio::test(start_paused = true)]
async fn the_connections_of_a_paused_download_serve_another_one_of_the_same_server() {
    let world = World::new();
    let (source, tap) = tapped(MemorySource::new(64 * MIB), RATE);
    let source = source.with_host(HostKey::new("server")).with_info(|info| info.with_sessions(Sessions::at_most(4)));
    let first = world.run_until_durable(download(&source, 4), &tap, 20 * MIB).await;
    tap.open();
    let second = Download::new(source.clone(), "/d/other").connections(Connections::Exactly(4));
    let second = world.engine.start(second);
    first.pause();
    until(&first, Stage::Paused).await;
    second.progress().wait_for(|now| now.workers.len() == 4).await.expect("it has all of them");
    second.join().await.expect("it succeeds");
    assert_eq!(first.progress().borrow().stage, Stage::Paused);
    first.resume();
    assert_eq!(first.join().await.expect("it goes on").refusals, 0);
    assert_eq!(world.volume.read(target()), world.volume.read(PathBuf::from("/d/other")));
    assert_eq!(source.counters().max_open, 4);
}

#[tokio::test(start_paused = true)]
async fn a_paused_download_is_cancelled_at_once_and_keeps_every_byte() {
    let world = World::new();
    let (source, tap) = tapped(MemorySource::new(64 * MIB), RATE);
    let job = paused(&world, download(&source, 4), &tap).await;
    tokio::time::sleep(LONG).await;
    let delivered = source.counters().delivered;
    let before = Instant::now();
    job.cancel();
    job.pause();
    job.resume();
    let result = job.join().await;
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert!(matches!(result, Err(DownloadError::Cancelled { durable }) if durable == delivered), "{result:?}");
    tap.open();
    assert_eq!(world.run(download(&source, 4)).await.0.expect("it goes on").resumed, delivered);
    world.assert_copy(&source);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_replaced_during_a_pause_has_changed_whatever_its_validator_is_worth() {
    for source in [MemorySource::new, weak, unrecognisable] {
        let world = World::new();
        let (source, tap) = tapped(source(64 * MIB), RATE);
        let job = paused(&world, download(&source, 4), &tap).await;
        source.replace(other_content());
        tap.open();
        job.resume();
        let Err(DownloadError::Changed { reason }) = job.join().await else { panic!("it has changed") };
        let differs = ["its time or fingerprint is another one", "arrived twice and differ"];
        assert!(differs.iter().any(|what| reason.contains(what)), "what differs is told: {reason}");
        assert!(world.volume.read(target()).is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_replaced_during_a_pause_is_fetched_anew_if_that_is_wanted() {
    for source in [MemorySource::new, weak, unrecognisable] {
        let world = World::new();
        let (source, tap) = tapped(source(64 * MIB), RATE);
        let job = paused(&world, download(&source, 4).on_change(OnChange::Restart), &tap).await;
        source.replace(other_content());
        tap.open();
        job.resume();
        job.join().await.expect("it begins again");
        world.assert_copy(&source);
    }
}

#[tokio::test(start_paused = true)]
async fn a_download_that_is_killed_while_it_is_paused_has_lost_nothing() {
    let world = World::new();
    let (source, tap) = tapped(MemorySource::new(64 * MIB), RATE);
    // No checkpoint is due before the pause makes one.
    let rare = download(&source, 4).checkpoint_every(LONG);
    let job = world.engine.start(rare);
    until_received(&job, &tap, 4 * MIB).await;
    job.pause();
    until(&job, Stage::Paused).await;
    world.kill(job).await;
    let delivered = source.counters().delivered;
    tap.open();
    let report = world.run(download(&source, 4)).await.0.expect("it goes on");
    assert_eq!((report.resumed, report.fetched), (delivered, 64 * MIB - delivered));
    world.assert_copy(&source);
}

#[tokio::test(start_paused = true)]
async fn a_download_that_is_paused_again_and_again_is_still_right() {
    for source in [MemorySource::new, weak, unrecognisable] {
        let world = World::new();
        let source = source(64 * MIB).with_pace(TokioClock::start(), MIB);
        let job = world.engine.start(download(&source, 3));
        let last = tokio::spawn(keeps_its_order(job.progress()));
        for round in 0..40 {
            // Some are over before they have begun.
            tokio::time::sleep(Duration::from_millis(37 * (round % 12))).await;
            job.pause();
            job.pause();
            tokio::time::sleep(Duration::from_millis(91 * (round % 3))).await;
            job.resume();
            job.resume();
        }
        let report = job.join().await.expect("it ends well");
        let last = last.await.expect("its progress is in order");
        assert_eq!((report.retries, last.durable, last.resumed), (0, 64 * MIB, 0));
        world.assert_copy(&source);
    }
}

/// A source whose probe takes a minute.
#[derive(Debug)]
struct Slow(MemorySource);

#[async_trait]
impl RangeSource for Slow {
    fn label(&self) -> &str {
        self.0.label()
    }
    async fn probe(&self, cx: &SourceContext) -> Result<SourceInfo, SourceError> {
        tokio::time::sleep(Duration::from_secs(60)).await;
        self.0.probe(cx).await
    }
    async fn open(&self, cx: &SourceContext, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        self.0.open(cx, request).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_download_can_be_paused_before_the_server_has_said_what_the_file_is() {
    let world = World::new();
    let source = MemorySource::new(8 * MIB);
    let job = world.engine.start(Download::new(Slow(source.clone()), target()));
    job.pause();
    for _ in 0..2 {
        until(&job, Stage::Paused).await;
        tokio::time::sleep(LONG).await;
        assert_eq!(source.counters().probes, 0);
        job.resume();
        until(&job, Stage::Starting).await;
        // The second time the probe is under way.
        tokio::time::sleep(Duration::from_secs(30)).await;
        job.pause();
    }
    job.resume();
    job.join().await.expect("it goes on");
    assert_eq!(source.counters().probes, 1);
    world.assert_copy(&source);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_not_asked_during_a_pause() {
    let world = World::new();
    let source = MemorySource::new(8 * MIB);
    source.set_outage(Some(ErrorClass::Transient));
    let job = world.engine.start(download(&source, 2));
    tokio::time::sleep(Duration::from_secs(200)).await;
    job.pause();
    until(&job, Stage::Paused).await;
    let probes = source.counters().probes;
    tokio::time::sleep(LONG).await;
    assert_eq!(source.counters().probes, probes);
    job.resume();
    // Patience begins anew.
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert!(source.counters().probes > probes);
    source.set_outage(None);
    job.join().await.expect("it goes on");
    world.assert_copy(&source);
}

#[tokio::test(start_paused = true)]
async fn what_is_complete_is_finished_whether_it_is_paused_or_not() {
    let volume = Unruly::new();
    let world = over(&volume);
    let source = MemorySource::new(MIB);
    volume.set(Mood::StuckRead);
    let job = world.engine.start(download(&source, 1).expect_digest(Digest::new(DigestAlgorithm::Sha256, vec![0; 32])));
    until(&job, Stage::Verifying).await;
    job.pause();
    volume.set(Mood::Good);
    let result = job.join().await;
    assert!(matches!(result, Err(DownloadError::Digest { .. })), "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_paused_while_waiting_for_a_turn_lets_others_pass() {
    let world = World::new();
    let mut config = EngineConfig::default();
    config.max_running = 1;
    config.volume = world.volume.clone();
    let engine = Engine::new(config).expect("threads");
    let (source, tap) = tapped(MemorySource::new(8 * MIB), RATE);
    let start = |name: &str| engine.start(Download::new(source.clone(), PathBuf::from(name)));
    let (first, second, third) = (start("/d/1"), start("/d/2"), start("/d/3"));
    second.pause();
    until(&second, Stage::Paused).await;
    tap.open();
    first.join().await.expect("it succeeds");
    third.join().await.expect("it succeeds");
    assert_eq!(second.progress().borrow().stage, Stage::Paused);
    second.resume();
    second.join().await.expect("it succeeds");
    assert_eq!(world.volume.paths().len(), 3);
}

fn with_access(len: u64, access: Access) -> MemorySource {
    MemorySource::new(len).with_info(|mut info| {
        info.access = access;
        info
    })
}

#[tokio::test(start_paused = true)]
async fn a_live_stream_is_not_paused_once_it_has_begun() {
    let world = World::new();
    let (source, tap) = tapped(with_access(64 * MIB, Access::Sequential), RATE);
    let job = world.engine.start(download(&source, 1));
    job.progress().wait_for(|now| now.workers.len() == 1).await.expect("it runs");
    // Nothing has come, so nothing is lost.
    job.pause();
    until(&job, Stage::Paused).await;
    job.resume();
    until_received(&job, &tap, MIB).await;
    job.pause();
    tap.open();
    let report = job.join().await.expect("it goes on");
    assert_eq!((report.opens, report.fetched), (2, 64 * MIB));
    world.assert_copy(&source);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_ranges_sends_everything_again_after_a_pause_and_it_is_compared() {
    let world = World::new();
    let (source, tap) = tapped(with_access(64 * MIB, Access::FromStartOnly), RATE);
    let job = paused(&world, download(&source, 1), &tap).await;
    let delivered = source.counters().delivered;
    tap.open();
    job.resume();
    assert_eq!(job.join().await.expect("it goes on").fetched, 64 * MIB + delivered);
    world.assert_copy(&source);
}
