//! Downloads that end early and go on.

use std::time::Duration;

use segfetch::source::conformance::MemorySource;
use segfetch::{DownloadError, Event};

use crate::world::{MIB, TokioClock, World, download, keeps_its_order, tapped, weak};

/// Bytes per second of a stream.
const RATE: u64 = 4 * MIB;

fn paced(source: MemorySource) -> MemorySource {
    source.with_pace(TokioClock::start(), RATE)
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_download_keeps_every_byte_and_fetches_only_the_rest() {
    let world = World::new();
    let (source, tap) = tapped(MemorySource::new(64 * MIB), RATE);
    let job = world.run_until_durable(download(&source, 4), &tap, 20 * MIB).await;
    job.cancel();
    tap.open();
    let Err(DownloadError::Cancelled { durable }) = job.join().await else { panic!("it was cancelled") };
    assert_eq!(source.counters().open_now, 0, "a stream is left open");
    assert_eq!(durable, source.counters().delivered, "bytes that had arrived are lost");

    let (result, events) = world.run(download(&source, 4)).await;
    let report = result.expect("it goes on");
    assert_eq!((report.resumed, report.fetched), (durable, 64 * MIB - durable));
    assert!(events.iter().any(|event| matches!(event, Event::Resumed { have, damaged: 0 } if *have == durable)));
    world.assert_copy(&source);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_download_loses_no_more_than_one_interval() {
    let world = World::new();
    let (source, tap) = tapped(MemorySource::new(64 * MIB), RATE);
    let job = world.run_until_durable(download(&source, 4), &tap, 30 * MIB).await;
    world.kill(job).await;
    let delivered = source.counters().delivered;
    tap.open();
    let report = world.run(download(&source, 4)).await.0.expect("it goes on");
    world.assert_copy(&source);
    assert!(report.resumed >= 30 * MIB);
    // Four streams for two seconds, and what each had in its buffer.
    assert!(delivered - report.resumed <= 4 * (2 * RATE + MIB + RATE / 10), "{delivered} {}", report.resumed);
}

#[tokio::test(start_paused = true)]
async fn a_download_that_is_interrupted_again_and_again_is_still_right() {
    let world = World::new();
    let (source, tap) = tapped(weak(120 * MIB), RATE);
    for round in 1..=8 {
        let job = world.run_until_durable(download(&source, 5), &tap, round * 8 * MIB).await;
        world.kill(job).await;
    }
    tap.open();
    world.run(download(&source, 5)).await.0.expect("it ends well");
    world.assert_copy(&source);
}

#[tokio::test(start_paused = true)]
async fn progress_never_goes_back_and_durable_written_and_received_keep_their_order() {
    let world = World::new();
    let source = paced(MemorySource::new(48 * MIB));
    let job = world.engine.start(download(&source, 4));
    let last = tokio::spawn(keeps_its_order(job.progress()));
    job.join().await.expect("it succeeds");
    let last = last.await.expect("it is in order");
    assert_eq!((last.durable, last.total), (48 * MIB, Some(48 * MIB)));
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_is_kept_and_can_be_lifted_while_it_runs() {
    let world = World::new();
    let source = MemorySource::new(64 * MIB);
    let job = world.engine.start(download(&source, 4).rate_limit(Some(MIB)));
    let mut progress = job.progress();
    let start = tokio::time::Instant::now();
    progress.wait_for(|now| now.received >= 4 * MIB).await.expect("it gets that far");
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(3_500), "{took:?}");
    job.set_rate_limit(None);
    job.join().await.expect("it succeeds");
    assert!(start.elapsed() < took + Duration::from_secs(20));
    world.assert_copy(&source);
}
