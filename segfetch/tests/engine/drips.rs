//! Bytes that come in drops: because a server wants it so, or because the user does.

use std::time::Duration;

use segfetch::source::conformance::MemorySource;
use segfetch::source::{Pace, SourceInfo};
use segfetch::{Connections, Download, DownloadError, Job, Stage};
use tokio::task::yield_now;
use tokio::time::{Instant, advance};

use crate::bounds::with_memory;
use crate::scheduling::Uneven;
use crate::world::{MIB, TokioClock, World, download, target};

/// Bytes per second of a good stream.
const RATE: u64 = MIB;

/// With so many buffers no stream ever waits for one, however far the clock is ahead of the writer thread.
const MANY: u64 = 4 << 10;
/// How often a running download tells how far it is.
const STEP: Duration = Duration::from_millis(100);

/// Lets time pass for a running download, and not faster than it can keep up, which a paused clock alone does not wait for.
async fn pass(job: &Job, time: Duration) {
    let mut progress = job.progress();
    let until = Instant::now() + time;
    while Instant::now() < until {
        progress.borrow_and_update();
        advance(STEP).await;
        while !progress.has_changed().unwrap_or(true) {
            yield_now().await;
        }
    }
}

/// Never silent, and never of use: one byte per second.
fn tarpit(len: u64) -> MemorySource {
    MemorySource::new(len).with_chunk(1).with_pace(TokioClock::start(), 1)
}

/// Fetches a file of which one stream is caught in a tarpit. What it took is at most `most` seconds.
async fn with_a_tarpit(len: u64, connections: Connections, n: usize, most: f64) {
    let world = World::new();
    let (usual, tarpit) = (MemorySource::new(len).with_pace(TokioClock::start(), RATE), tarpit(len));
    let start = Instant::now();
    let download = Download::new(Uneven::new(&usual, n, &tarpit), target()).connections(connections);
    let job = with_memory(&world, MANY * MIB).start(download);
    while job.progress().borrow().stage != Stage::Ended {
        pass(&job, STEP).await;
    }
    let report = job.join().await.expect("it succeeds");
    world.assert_copy(&usual);
    let took = start.elapsed().as_secs_f64();
    assert!(took <= most, "{len} bytes, {connections:?}: {took} s");
    let caught = tarpit.counters();
    assert_eq!((caught.opens, caught.open_now, report.retries), (1, 0, 0), "it is left and not tried again");
    assert!(caught.delivered <= 30, "it was kept for {} s", caught.delivered);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_drips_is_replaced_while_others_are_busy_and_when_they_are_done() {
    for (len, n) in [(96 * MIB, 4), (16 * MIB, 4), (5 * MIB, 4), (64 * MIB, 2), (4 * MIB, 2)] {
        let all_good = (len / u64::from(n) / RATE) as f64;
        with_a_tarpit(len, Connections::Exactly(n), 2, all_good + 15.0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn automatic_mode_gets_out_of_a_tarpit_that_has_caught_its_first_connection() {
    with_a_tarpit(16 * MIB, Connections::Auto, 1, 45.0).await;
}

#[tokio::test(start_paused = true)]
async fn a_tarpit_that_has_caught_the_only_connection_there_may_be_shows_in_the_rate_and_can_be_left() {
    let world = World::new();
    let source = tarpit(MIB);
    let job = with_memory(&world, MANY * MIB).start(download(&source, 1));
    let progress = job.progress();
    pass(&job, Duration::from_secs(600)).await;
    {
        let now = progress.borrow();
        assert_eq!((now.stage, now.workers.len()), (Stage::Receiving, 1));
        assert!((590..=600).contains(&now.received) && now.rate <= 2, "{now:?}");
        assert!(now.time_left().is_some_and(|left| left > Duration::from_secs(24 * 3600)), "{now:?}");
    }
    assert_eq!(source.counters().opens, 1);
    job.cancel();
    let result = job.join().await;
    let delivered = source.counters().delivered;
    assert!(matches!(result, Err(DownloadError::Cancelled { durable }) if durable == delivered), "{result:?}");
}

/// A server that sends at the pace of the media: what is left divided by what comes, from the first seconds on.
#[tokio::test(start_paused = true)]
async fn the_time_left_of_a_paced_download_is_that_of_all_its_streams_together() {
    const PACE: u64 = 64 << 10;
    for n in [1, 4, 8] {
        let world = World::new();
        let paced = |info: SourceInfo| info.with_pace(Pace::RealTime { bytes_per_second: PACE });
        let source = MemorySource::new(MIB * 16).with_pace(TokioClock::start(), PACE).with_info(paced);
        let job = with_memory(&world, MANY * MIB).start(download(&source, n));
        let progress = job.progress();
        let all = MIB * 16 / PACE / u64::from(n);
        for second in [all / 4, all / 2, all * 3 / 4] {
            pass(&job, Duration::from_secs(all / 4)).await;
            let left = progress.borrow().time_left().expect("it is known").as_secs_f64();
            let truth = (all - second) as f64;
            assert!((left - truth).abs() <= truth / 5.0 + 1.0, "{n} streams, after {second} of {all} s: {left} s");
        }
        job.cancel();
        let _ = job.join().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_low_rate_limit_is_smooth_over_any_number_of_connections_and_is_lifted_at_once() {
    const LIMIT: u64 = 10 << 10;
    for (n, buffers) in [(1, MANY), (4, MANY), (8, MANY), (8, 1)] {
        let world = World::new();
        let source = MemorySource::new(16 * MIB);
        let engine = with_memory(&world, buffers * MIB);
        let job = engine.start(download(&source, n).rate_limit(Some(LIMIT)));
        let mut came = vec![0];
        for _ in 0..60 {
            pass(&job, Duration::from_secs(1)).await;
            came.push(source.counters().delivered);
        }
        let each: Vec<_> = came.windows(2).map(|two| two[1] - two[0]).collect();
        let text = format!("{n} connections, {buffers} buffers: {each:?}");
        assert!(each[2..].iter().all(|&bytes| bytes <= LIMIT * 3 / 2), "{text}");
        if buffers > 1 {
            assert!(each[2..].windows(2).all(|two| two[0] + two[1] >= LIMIT), "{text}");
            assert!(came[60] >= 58 * LIMIT, "{text}");
        }
        job.set_rate_limit(None);
        pass(&job, Duration::from_secs(1)).await;
        if buffers > 1 {
            assert_eq!(source.counters().delivered, 16 * MIB, "one second later");
        }
        job.join().await.expect("it succeeds");
        world.assert_copy(&source);
    }
}
