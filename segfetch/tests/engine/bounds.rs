//! What a download holds while it waits, and what it keeps from others.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use segfetch::source::conformance::{FailPlan, Failure, MemorySource, PacketSource};
use segfetch::source::{Access, Digest, DigestAlgorithm, HostKey, Sessions};
use segfetch::{Connections, Download, Engine, EngineConfig, Event, Job, Stage};

use crate::storage::over;
use crate::unruly::{Mood, Unruly};
use crate::world::{MIB, TokioClock, World, download, tapped, target};

/// Longer than anything takes here, on any machine.
const LONG: Duration = Duration::from_secs(60);

/// An engine over the same volume with so many bytes for what it receives.
pub(crate) fn with_memory(world: &World, bytes: u64) -> Engine {
    let mut config = EngineConfig::default();
    config.max_buffer_bytes = usize::try_from(bytes).expect("it fits");
    config.volume = world.volume.clone();
    Engine::new(config).expect("threads")
}

/// A source without random access, of which a dropped download has left about 20 MiB.
async fn half_without_ranges(world: &World) -> MemorySource {
    let source = MemorySource::new(40 * MIB).with_info(|mut info| {
        info.access = Access::FromStartOnly;
        info
    });
    let (source, tap) = tapped(source, 4 * MIB);
    let job = world.run_until_durable(download(&source, 1), &tap, 20 * MIB).await;
    world.kill(job).await;
    tap.open();
    source
}

async fn until_opened(job: &mut Job) {
    let mut events = job.events();
    while !matches!(events.next().await.expect("it gets that far"), Event::Opened { .. }) {}
}

#[tokio::test(start_paused = true)]
async fn what_a_server_without_ranges_sends_again_is_compared_piece_by_piece() {
    let volume = Unruly::new();
    let world = over(&volume);
    let source = half_without_ranges(&world).await;
    volume.largest_read.store(0, Ordering::Relaxed);
    let report = world.run(download(&source, 1)).await.0.expect("it goes on");
    world.assert_copy(&source);
    assert!(report.resumed >= 20 * MIB && report.fetched == 40 * MIB, "{report:?}");
    let largest = volume.largest_read.load(Ordering::Relaxed) as u64;
    assert!((1..=MIB).contains(&largest), "{largest} bytes were held in memory at once");
}

#[tokio::test(start_paused = true)]
async fn a_server_is_not_read_faster_than_what_it_sends_again_is_compared() {
    let volume = Unruly::new();
    let world = over(&volume);
    let source = half_without_ranges(&world).await;
    let before = source.counters().delivered;
    let mut job = world.engine.start(download(&source, 1));
    until_opened(&mut job).await;
    volume.set(Mood::StuckRead);
    tokio::time::sleep(LONG).await;
    let delivered = source.counters().delivered - before;
    assert!(delivered <= 18 * MIB, "{delivered} bytes wait for a disk that does not answer");
    volume.set(Mood::Good);
    job.join().await.expect("it goes on");
    world.assert_copy(&source);
}

#[tokio::test]
async fn a_silent_server_keeps_no_memory_from_other_downloads() {
    let world = World::new();
    let engine = with_memory(&world, MIB);
    let silent = MemorySource::new(MIB).with_plan(FailPlan::new().always(Failure::Silent { after: 0 }));
    let mut first = engine.start(Download::new(silent, "/d/silent").silence(60 * LONG));
    until_opened(&mut first).await;
    let healthy = MemorySource::new(3 * MIB);
    let second = tokio::time::timeout(LONG, engine.start(download(&healthy, 1)).join()).await;
    second.expect("the only buffer is not held by a stream that brings nothing").expect("it succeeds");
    assert!(world.volume.read(target()).is_some());
}

#[tokio::test]
async fn a_download_that_only_computes_its_digest_keeps_no_session_from_others() {
    let volume = Unruly::new();
    let world = over(&volume);
    let source = MemorySource::new(MIB)
        .with_host(HostKey::new("server"))
        .with_info(|info| info.with_sessions(Sessions::at_most(1)));
    volume.set(Mood::StuckRead);
    let digest = Digest::new(DigestAlgorithm::Sha256, vec![0; 32]);
    let first = world.engine.start(download(&source, 1).expect_digest(digest));
    first.progress().wait_for(|now| now.stage == Stage::Verifying).await.expect("it gets that far");
    let second = world.engine.start(Download::new(source.clone(), Path::new("/d/other")));
    let second = tokio::time::timeout(LONG, second.join()).await;
    volume.set(Mood::Good);
    second.expect("the session is free").expect("it succeeds");
    first.join().await.expect_err("the digest is wrong");
}

#[tokio::test(start_paused = true)]
async fn a_slow_download_uses_up_nothing_of_the_rate_of_others() {
    let world = World::new();
    let engine = with_memory(&world, 64 * MIB);
    engine.set_rate_limit(Some(MIB));
    let slow = Download::new(MemorySource::new(400 * MIB), "/d/slow").connections(Connections::Exactly(16));
    let slow = engine.start(slow.rate_limit(Some(8 * 1024)));
    slow.progress().wait_for(|now| now.workers.len() >= 8).await.expect("it gets that far");
    let start = tokio::time::Instant::now();
    let source = MemorySource::new(16 * MIB);
    engine.start(download(&source, 2)).join().await.expect("it succeeds");
    let took = start.elapsed();
    assert!(took < Duration::from_secs(20), "16 MiB at 1 MiB/s took {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_file_whose_end_never_comes_is_not_published_without_it() {
    let world = World::new();
    let source = PacketSource::new(32_000, TokioClock::start(), MIB).with_holes([9]);
    let (result, _) = world.run(Download::new(source, target())).await;
    result.expect_err("the last packet is missing");
    assert!(world.volume.read(target()).is_none());
}

#[tokio::test]
async fn for_ever_is_a_duration() {
    let world = World::new();
    let source = MemorySource::new(MIB);
    let download = Download::new(source.clone(), PathBuf::from("/d/film"));
    let download = download.silence(Duration::MAX).patience(Duration::MAX).checkpoint_every(Duration::MAX);
    world.run(download).await.0.expect("it succeeds");
    world.assert_copy(&source);
}
