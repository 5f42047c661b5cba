//! A download that is read while it runs.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use segfetch::adapters::{DownloadReader, ReadError};
use segfetch::sink::MemoryVolume;
use segfetch::source::conformance::{FailPlan, Failure, ManualClock, MemorySource, pattern};
use segfetch::source::{Access, Digest, DigestAlgorithm, ErrorClass, Extent, RangeSource};
use segfetch::{Connections, Download, DownloadError, Engine, EngineConfig, Event, OnChange, Stage};
use tokio::io::AsyncReadExt;

use crate::support::*;

const TARGET: &str = "film";

fn engine() -> (Engine, Arc<MemoryVolume>) {
    let volume = Arc::new(MemoryVolume::new());
    let mut config = EngineConfig::default();
    config.volume = Arc::<MemoryVolume>::clone(&volume);
    (Engine::new(config).expect("threads"), volume)
}

fn download(source: impl RangeSource) -> Download {
    Download::new(source, TARGET).connections(Connections::Exactly(4)).checkpoint_every(Duration::from_millis(50))
}

/// Reads to the end, or to the first error, with what was read by then.
async fn read_all(mut reader: DownloadReader) -> (Vec<u8>, io::Result<()>) {
    let mut all = Vec::new();
    let result = reader.read_to_end(&mut all).await.map(drop);
    (all, result)
}

/// A source that sends at a pace of which every step is ours.
fn on_demand(len: u64, rate: u64) -> (MemorySource, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    (MemorySource::new(len).with_pace(Arc::<ManualClock>::clone(&clock), rate), clock)
}

/// Lets the clock go on for as long as this is awaited.
async fn run(clock: &ManualClock) -> std::convert::Infallible {
    loop {
        clock.advance(Duration::from_millis(20));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The result of `what`, with the clock going on meanwhile.
async fn running<T>(clock: &ManualClock, what: impl Future<Output = T>) -> T {
    tokio::select! {
        result = what => result,
        never = run(clock) => match never {},
    }
}

#[tokio::test]
async fn a_file_is_read_from_its_beginning_while_several_connections_fetch_it() {
    let (engine, _) = engine();
    let (source, clock) = on_demand(24 * MIB, 4 * MIB);
    let job = engine.start(download(source.clone()));
    let (mut reader, other) = (job.reader(), job.reader());
    let mut first = vec![0; MIB as usize];
    running(&clock, reader.read_exact(&mut first)).await.expect("the beginning");
    // The clock stands still: the download is in the middle.
    assert!(first == bytes(&source, 0..MIB));
    assert!(source.counters().delivered < 24 * MIB && source.counters().open_now > 0);
    assert!(reader.written() >= MIB);
    let mut rest = Vec::new();
    running(&clock, reader.read_to_end(&mut rest)).await.expect("the rest");
    assert!(rest == bytes(&source, MIB..24 * MIB));
    assert!(source.counters().max_open > 1);
    let report = job.join().await.expect("it succeeds");
    assert_eq!(report.len, 24 * MIB);
    let (all, result) = read_all(other).await;
    result.expect("a second reader, afterwards");
    assert!(all == bytes(&source, 0..24 * MIB));
}

#[tokio::test]
async fn files_of_every_awkward_length_and_of_none_that_is_known_are_read() {
    for len in [0, 1, 65_536, MIB - 1, MIB, MIB + 1, 5 * MIB + 3] {
        for extent in [Extent::Known(len), Extent::Unknown] {
            let source = MemorySource::new(len).with_info(|mut info| {
                (info.extent, info.access) = (extent, Access::Random);
                info
            });
            let (engine, _) = engine();
            let job = engine.start(download(source.clone()));
            let (all, result) = read_all(job.reader()).await;
            result.unwrap_or_else(|error| panic!("{len}: {error}"));
            assert!(all == bytes(&source, 0..len), "{len}");
            job.join().await.expect("it succeeds");
        }
    }
}

#[tokio::test]
async fn the_end_is_not_told_before_the_digest_is_right() {
    let (engine, _) = engine();
    let source = MemorySource::new(3 * MIB);
    let job = engine.start(download(source.clone()).expect_digest(Digest::new(DigestAlgorithm::Sha256, [7; 32])));
    let (all, result) = read_all(job.reader()).await;
    assert!(all == bytes(&source, 0..all.len() as u64));
    assert!(matches!(failure(&result), ReadError::Download { reason } if reason.contains("digest")));
    assert!(matches!(job.join().await, Err(DownloadError::Digest { .. })));
}

#[tokio::test]
async fn a_download_that_fails_or_is_dropped_fails_its_readers_and_leaves_the_file_to_the_next() {
    let (engine, volume) = engine();
    let source = MemorySource::new(8 * MIB);
    source.set_outage(Some(ErrorClass::NotFound));
    let job = engine.start(download(source.clone()));
    let (all, result) = read_all(job.reader()).await;
    assert!(all.is_empty() && matches!(failure(&result), ReadError::Download { .. }));
    source.set_outage(None);

    let plan = FailPlan::new().on_open(1, Failure::Transient { after: 3 * MIB });
    source.set_plan(plan.from_open(2, Failure::Refused(ErrorClass::Denied)));
    let job = engine.start(download(source.clone()));
    let mut reader = job.reader();
    let failed = job.join().await;
    assert!(matches!(failed, Err(DownloadError::Source(_))), "{failed:?}");
    let result = reader.read(&mut [0; 10]).await;
    assert!(matches!(failure(&result), ReadError::Download { .. }));
    source.set_plan(FailPlan::new());

    let (paced, clock) = on_demand(8 * MIB, MIB);
    let job = engine.start(download(paced));
    let mut dropped = job.reader();
    running(&clock, dropped.read_exact(&mut [0; 100])).await.expect("the beginning");
    drop(job);
    let (_, result) = running(&clock, read_all(dropped)).await;
    assert!(matches!(failure(&result), ReadError::Download { .. }));

    // The readers of failed downloads are still there, and hold no lock.
    let job = engine.start(download(source.clone()));
    let (all, result) = read_all(job.reader()).await;
    result.expect("everything");
    assert!(all == bytes(&source, 0..8 * MIB));
    job.join().await.expect("it succeeds");
    assert_eq!(volume.paths(), [Path::new(TARGET)]);
    drop(reader);
}

#[tokio::test]
async fn a_reader_of_a_resumed_download_begins_with_what_is_on_the_disk() {
    let (engine, _) = engine();
    let (source, clock) = on_demand(8 * MIB, MIB);
    let job = engine.start(download(source.clone()));
    let progress = job.progress();
    while progress.borrow().durable < 2 * MIB {
        let ahead = progress.borrow().received - progress.borrow().durable;
        clock.advance(Duration::from_millis(if ahead < MIB { 50 } else { 0 }));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    job.cancel();
    assert!(matches!(job.join().await, Err(DownloadError::Cancelled { .. })));
    let before = source.counters().delivered;
    let job = engine.start(download(source.clone()));
    let (all, result) = running(&clock, read_all(job.reader())).await;
    result.expect("everything");
    assert!(all == bytes(&source, 0..8 * MIB));
    assert!(job.join().await.expect("it succeeds").resumed >= 2 * MIB);
    assert!(source.counters().delivered - before < 7 * MIB);
}

#[tokio::test]
async fn a_download_that_begins_again_with_another_version_never_mixes_in_a_reader() {
    let (engine, _) = engine();
    let (source, clock) = on_demand(8 * MIB, MIB);
    let mut job = engine.start(download(source.clone()).on_change(OnChange::Restart));
    let (mut reader, late, mut events) = (job.reader(), job.reader(), job.events());
    running(&clock, reader.read_exact(&mut [0; 100])).await.expect("the beginning");
    source.replace(pattern(3));
    source.kill_sessions();
    let restarted = async { while !matches!(events.next().await.expect("an event"), Event::Restarted { .. }) {} };
    running(&clock, restarted).await;
    let (all, result) = running(&clock, read_all(late)).await;
    result.expect("who has read nothing gets the new version");
    assert!(all == bytes(&source, 0..8 * MIB));
    let mut old = Vec::new();
    let result = reader.read_to_end(&mut old).await;
    assert!(matches!(failure(&result), ReadError::Changed { .. }));
    let mut version = vec![0; old.len()];
    pattern(0)(100, &mut version);
    assert!(old == version, "all that was read is of the old one");
    job.join().await.expect("it succeeds");
}

#[tokio::test]
async fn a_file_that_was_there_already_is_read_too() {
    let source = MemorySource::new(3 * MIB + 7).with_info(|info| info.with_modified(1_000_000_000, 0));
    let (engine, _) = engine();
    engine.start(download(source.clone())).join().await.expect("it succeeds");
    let job = engine.start(download(source.clone()));
    let (all, result) = read_all(job.reader()).await;
    result.expect("everything");
    assert!(all == bytes(&source, 0..3 * MIB + 7));
    assert!(job.join().await.expect("it succeeds").already_complete);

    // So is one that was begun to be read when it was complete, and one that has been moved away since it was begun to be read.
    let (engine, volume) = self::engine();
    let job = engine.start(download(source.clone()));
    let mut early = job.reader();
    assert!(take(&mut early, MIB).await.expect("the beginning") == bytes(&source, 0..MIB));
    let progress = job.progress();
    progress.clone().wait_for(|now| now.stage == Stage::Ended).await.expect("it ends");
    let (all, result) = read_all(job.reader()).await;
    result.expect("everything");
    assert!(all == bytes(&source, 0..3 * MIB + 7));
    volume.take(TARGET).expect("it is there");
    let (rest, result) = read_all(early).await;
    result.expect("the rest");
    assert!(rest == bytes(&source, MIB..3 * MIB + 7));
    assert_eq!(source.counters().open_now, 0);
}

#[tokio::test]
async fn reads_that_are_dropped_lose_nothing() {
    let (engine, _) = engine();
    let (source, clock) = on_demand(4 * MIB, 2 * MIB);
    let job = engine.start(download(source.clone()));
    let mut reader = job.reader();
    let (mut all, mut dropped) = (Vec::new(), 0);
    running(&clock, async {
        loop {
            let mut piece = vec![0; 10_000];
            tokio::select! {
                biased;
                n = reader.read(&mut piece) => match n.expect("bytes") {
                    0 => break,
                    n => all.extend_from_slice(&piece[..n]),
                },
                () = tokio::task::yield_now() => dropped += 1,
            }
        }
    })
    .await;
    assert!(all == bytes(&source, 0..4 * MIB));
    assert!(dropped > 10, "{dropped}");
    job.join().await.expect("it succeeds");
}
