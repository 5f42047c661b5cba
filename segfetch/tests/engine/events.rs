//! What is told of streams has a beginning and an end.

use std::collections::BTreeMap;

use async_trait::async_trait;
use segfetch::source::conformance::{FailPlan, Failure, MemorySource};
use segfetch::source::{ErrorClass, OpenRequest, RangeReader, RangeSource, SourceContext, SourceError, SourceInfo};
use segfetch::{Connections, Download, DownloadError, Event, Events, Stage};

use crate::world::{MIB, TokioClock, World, download, tapped, target};

/// Bytes per second of a stream.
const RATE: u64 = 4 * MIB;

/// Panics unless every stream that was opened, at least `least` of them, was closed, each before its number came again.
fn assert_paired(events: &[Event], least: usize) {
    let (mut open, mut opened) = (BTreeMap::new(), 0);
    for event in events {
        match event {
            Event::Opened { worker, start } => {
                opened += 1;
                assert_eq!(open.insert(*worker, *start), None, "{worker} is opened twice: {events:?}");
            }
            Event::Closed { worker, front } => {
                let start = open.remove(worker);
                assert!(start.is_some_and(|start| start <= *front), "{worker}: {start:?} to {front}: {events:?}");
            }
            _ => {}
        }
    }
    assert!(open.is_empty() && opened >= least, "{open:?} of {opened} are not closed: {events:?}");
}

async fn rest(mut events: Events) -> Vec<Event> {
    let mut all = Vec::new();
    while let Some(event) = events.next().await {
        all.push(event);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn every_stream_that_was_opened_is_closed_before_the_events_of_a_good_download_end() {
    for exact in [true, false] {
        for len in [4 * MIB, 17 * MIB + 5] {
            let world = World::new();
            let source = MemorySource::new(len).with_info(|info| info.with_exact_ends(exact));
            let source = source.with_pace(TokioClock::start(), RATE);
            let (result, events) = world.run(download(&source, 4)).await;
            result.expect("it succeeds");
            assert_paired(&events, 4);
            let fronts = events.iter().filter_map(|event| match event {
                Event::Closed { front, .. } => Some(*front),
                _ => None,
            });
            assert_eq!(fronts.max(), Some(len), "{events:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_stream_is_closed_before_a_pause_is_told_and_before_the_events_of_a_cancelled_download_end() {
    let world = World::new();
    let (source, tap) = tapped(MemorySource::new(64 * MIB), RATE);
    let mut job = world.run_until_durable(download(&source, 4), &tap, 8 * MIB).await;
    let mut events = job.events();
    job.pause();
    let mut told = Vec::new();
    loop {
        match events.next().await.expect("it pauses") {
            Event::Paused { .. } => break,
            event => told.push(event),
        }
    }
    assert_paired(&told, 4);
    job.resume();
    job.progress().wait_for(|now| now.stage == Stage::Receiving && now.workers.len() == 4).await.expect("it goes on");
    job.cancel();
    tap.open();
    assert!(matches!(job.join().await, Err(DownloadError::Cancelled { .. })));
    assert_paired(&rest(events).await, 4);
}

#[tokio::test(start_paused = true)]
async fn every_stream_is_closed_before_the_events_of_a_failed_download_end() {
    let world = World::new();
    let plan = FailPlan::new()
        .on_open(4, Failure::Transient { after: 65_536 })
        .on_open(5, Failure::Refused(ErrorClass::Permanent));
    let source = MemorySource::new(64 * MIB).with_pace(TokioClock::start(), RATE).with_plan(plan);
    let (result, events) = world.run(download(&source, 4)).await;
    assert!(matches!(result, Err(DownloadError::Source(_))), "{result:?}");
    assert_paired(&events, 4);
}

/// A source that leaves it to the engine to compare validators.
#[derive(Debug)]
struct Unaware(MemorySource);

#[async_trait]
impl RangeSource for Unaware {
    fn label(&self) -> &str {
        self.0.label()
    }
    async fn probe(&self, cx: &SourceContext) -> Result<SourceInfo, SourceError> {
        self.0.probe(cx).await
    }
    async fn open(&self, cx: &SourceContext, mut request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        request.expect = None;
        self.0.open(cx, request).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_turns_out_to_be_of_another_file_was_opened_and_is_closed() {
    let world = World::new();
    let plan = FailPlan::new().on_open(3, Failure::OtherValidator);
    let source = MemorySource::new(64 * MIB).with_pace(TokioClock::start(), RATE).with_plan(plan);
    let changed = Download::new(Unaware(source), target()).connections(Connections::Exactly(4));
    let (result, events) = world.run(changed).await;
    assert!(matches!(result, Err(DownloadError::Changed { .. })), "{result:?}");
    assert_paired(&events, 2);
}
