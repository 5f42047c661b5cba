//! Connections that are silent or slow, and how many of them there are.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use segfetch::source::conformance::{FailPlan, Failure, MemorySource};
use segfetch::source::{OpenRequest, Pace, RangeReader, RangeSource, SourceContext, SourceError, SourceInfo};
use segfetch::{Connections, Download, DownloadError, Event, Order};

use crate::changes::Mute;
use crate::world::{MIB, TokioClock, World, download, other_content, tapped, target};

/// Bytes per second of a stream.
const RATE: u64 = 4 * MIB;

fn paced(len: u64) -> MemorySource {
    MemorySource::new(len).with_pace(TokioClock::start(), RATE)
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_overtaken_by_another_one_and_hardly_a_byte_comes_twice() {
    let world = World::new();
    let source = paced(64 * MIB).with_plan(FailPlan::new().on_open(3, Failure::Silent { after: 8 * MIB }));
    let report = world.run(download(&source, 4)).await.0.expect("it succeeds");
    world.assert_copy(&source);
    assert_eq!(report.retries, 0, "nobody waits for it to fail");
    let twice = report.fetched - 64 * MIB;
    assert!((1..=MIB).contains(&twice), "{twice}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_brings_a_byte_is_overtaken_too() {
    for failure in [Failure::Silent { after: 0 }, Failure::Unanswered] {
        let world = World::new();
        let source = paced(64 * MIB).with_plan(FailPlan::new().on_open(3, failure));
        let report = world.run(download(&source, 4)).await.0.expect("it succeeds");
        world.assert_copy(&source);
        assert_eq!(report.retries, 0, "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_bytes_that_two_connections_bring_are_compared() {
    let world = World::new();
    let source = paced(32 * MIB).with_plan(FailPlan::new().on_open(2, Failure::Silent { after: 7 * MIB }));
    let job = world.engine.start(Download::new(Mute(source.clone()), target()).connections(Connections::Exactly(2)));
    let mut progress = job.progress();
    progress.wait_for(|now| now.received >= 12 * MIB).await.expect("it gets that far");
    // Streams that are open go on with the old file. No validator tells of the new one.
    source.replace(other_content());
    let result = job.join().await;
    assert!(
        matches!(&result, Err(DownloadError::Changed { reason }) if reason.contains("arrived twice")),
        "{result:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn when_all_connections_are_silent_none_is_replaced_and_nothing_is_lost() {
    let world = World::new();
    let (source, tap) = tapped(MemorySource::new(64 * MIB), RATE);
    let job = world.run_until_durable(download(&source, 4), &tap, 20 * MIB).await;
    let opens = source.counters().opens;
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!((source.counters().opens, source.counters().open_now), (opens, 4));
    tap.open();
    let report = job.join().await.expect("it goes on");
    assert_eq!((report.retries, report.fetched), (0, 64 * MIB));
    world.assert_copy(&source);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_sends_at_the_pace_of_the_media_is_never_doubled() {
    let world = World::new();
    let source = paced(32 * MIB)
        .with_info(|info| info.with_pace(Pace::RealTime { bytes_per_second: RATE }))
        .with_plan(FailPlan::new().on_open(2, Failure::Silent { after: MIB }));
    let report = world.run(download(&source, 2)).await.0.expect("it succeeds");
    world.assert_copy(&source);
    assert_eq!((report.retries, report.fetched), (1, 32 * MIB), "it is waited for until it has failed");
}

/// One file on two servers, of which the odd one gets the n-th request only.
#[derive(Debug)]
pub(crate) struct Uneven {
    usual: MemorySource,
    odd: (usize, MemorySource),
    opens: AtomicUsize,
}

impl Uneven {
    pub(crate) fn new(usual: &MemorySource, n: usize, odd: &MemorySource) -> Self {
        Self { usual: usual.clone(), odd: (n, odd.clone()), opens: AtomicUsize::new(0) }
    }
}

#[async_trait]
impl RangeSource for Uneven {
    fn label(&self) -> &str {
        self.usual.label()
    }
    async fn probe(&self, cx: &SourceContext) -> Result<SourceInfo, SourceError> {
        self.usual.probe(cx).await
    }
    async fn open(&self, cx: &SourceContext, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        let n = self.opens.fetch_add(1, Ordering::Relaxed) + 1;
        let source = if n == self.odd.0 { &self.odd.1 } else { &self.usual };
        source.open(cx, request).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_much_slower_than_the_others_is_replaced_while_they_are_busy() {
    let world = World::new();
    let usual = MemorySource::new(96 * MIB).with_pace(TokioClock::start(), MIB);
    let second = MemorySource::new(96 * MIB).with_pace(TokioClock::start(), MIB / 32);
    let source = Uneven::new(&usual, 2, &second);
    let job = world.engine.start(Download::new(source, target()).connections(Connections::Exactly(3)));
    let mut progress = job.progress();
    progress.wait_for(|now| now.received > 20 * MIB && second.counters().open_now == 0).await.expect("it runs");
    let received = progress.borrow().received;
    assert!(received < 72 * MIB, "only at the end: {received}");
    assert_eq!(job.join().await.expect("it succeeds").retries, 0);
    world.assert_copy(&usual);
}

#[tokio::test(start_paused = true)]
async fn automatic_mode_begins_with_one_connection_and_adds_others_while_that_is_faster() {
    let world = World::new();
    let source = MemorySource::new(64 * MIB).with_pace(TokioClock::start(), MIB);
    let job = world.engine.start(Download::new(source.clone(), target()));
    let mut progress = job.progress();
    progress.wait_for(|now| now.received > 0).await.expect("it runs");
    assert_eq!(source.counters().opens, 1);
    progress.wait_for(|now| now.workers.len() == 8).await.expect("it runs");
    assert!(progress.borrow().received < 16 * MIB);
    job.join().await.expect("it succeeds");
    world.assert_copy(&source);
}

#[tokio::test(start_paused = true)]
async fn from_the_front_the_parts_are_asked_for_in_their_order() {
    let world = World::new();
    let source = MemorySource::new(96 * MIB).with_pace(TokioClock::start(), MIB);
    let (result, events) = world.run(download(&source, 4).order(Order::FromFront)).await;
    result.expect("it succeeds");
    world.assert_copy(&source);
    let starts = events.iter().filter_map(|event| match event {
        Event::Opened { start, .. } => Some(*start),
        _ => None,
    });
    let starts: Vec<_> = starts.collect();
    assert!(starts.len() > 16, "large parts: {starts:?}");
    // Of four that are asked for at once, any may come first.
    assert!(starts.windows(5).all(|five| five[0] < five[4]), "{starts:?}");
}
