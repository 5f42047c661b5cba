//! What streams hold while they run, and that it comes back.

use super::drive::{Baseline, ROOM, Stream, WATCH, attempt, drop_after, inside, near_end, probe, settle};
use super::{Fixture, NotApplicable, Outcome, Situation};
use crate::{Access, End, ErrorClass, OpenRequest, SourceContext, Step};

/// How often something is done that would show by its leaks.
const OFTEN: u32 = 100;

/// An early stop gives the session back: a thousand of them leave nothing behind.
pub async fn an_early_stop_gives_everything_back(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let baseline = Baseline::take(fixture, &source).await?;
    let start = inside(fixture, &source).await;
    for round in 0..1_000 {
        let end = [End::Open, End::Soft(start + 1_000), End::Exact(start + 1_000)][round % 3];
        let mut stream = Stream::open(fixture, &source, OpenRequest::from(start).with_end(end)).await;
        if round % 2 == 0 {
            stream.pass(start + 1).await;
        }
        stream.stop().await;
    }
    baseline.comes_back(fixture, &source).await
}

/// Dropping a reader does the same as stopping it, without waiting.
pub async fn dropping_a_reader_is_as_good_as_stopping(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let baseline = Baseline::take(fixture, &source).await?;
    let start = inside(fixture, &source).await;
    for round in 0..OFTEN {
        let mut stream = open_patiently(fixture, &source, start).await;
        // Untouched, in the middle of a read, between two reads.
        match round % 3 {
            0 => {}
            1 => drop(stream.read_dropped_after(1, ROOM).await),
            _ => drop(stream.pass(start + 1).await),
        }
        drop(stream);
    }
    baseline.comes_back(fixture, &source).await
}

/// A stop that is dropped at any await is still a stop.
pub async fn dropping_a_stop_leaks_nothing(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let baseline = Baseline::take(fixture, &source).await?;
    let start = inside(fixture, &source).await;
    for round in 0..OFTEN {
        let stream = open_patiently(fixture, &source, start).await;
        let _unfinished = drop_after(fixture, round % 5, stream.reader.stop()).await;
    }
    baseline.comes_back(fixture, &source).await
}

/// Open and probe may be dropped at any await.
pub async fn dropping_open_or_probe_leaks_nothing(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let baseline = Baseline::take(fixture, &source).await?;
    let start = inside(fixture, &source).await;
    let cx = SourceContext::new();
    for round in 0..OFTEN {
        let polls = round % 10;
        drop(drop_after(fixture, polls, source.probe(&cx)).await);
        if let Some(Ok(reader)) = drop_after(fixture, polls, source.open(&cx, OpenRequest::from(start))).await {
            settle(fixture, "stop", reader.stop()).await;
        }
    }
    baseline.comes_back(fixture, &source).await
}

/// A hint that streams will be opened behind a probe changes nothing about the probe and the streams that follow it, or what
/// becomes of it when nothing does.
pub async fn a_hint_of_streams_to_come_changes_nothing(fixture: &dyn Fixture) -> Outcome {
    for sessions in [0, 1, 3] {
        let source = fixture.source();
        source.preconnect(sessions);
        let info = probe(fixture, &source).await;
        let start = if info.access == Access::Random { fixture.file_len() / 2 + 1 } else { 0 };
        let most = if info.access == Access::Sequential { 1 } else { info.sessions.max.unwrap_or(u16::MAX) };
        let mut streams = Vec::new();
        for _ in 0..most.min(sessions + 1) {
            match Stream::try_open(fixture, &source, OpenRequest::from(start)).await {
                Ok(stream) => streams.push(stream),
                Err(error) if !streams.is_empty() && matches!(error.class(), ErrorClass::Throttled { .. }) => break,
                Err(error) => panic!("open at {start} failed behind a hint of {sessions}: {error}"),
            }
        }
        source.preconnect(sessions);
        for mut stream in streams {
            stream.pass(start + 1).await;
            stream.stop().await;
        }
    }
    Ok(())
}

/// A stream that has said its end gives everything back, stopped or dropped.
pub async fn a_finished_stream_gives_everything_back(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let (start, rounds) = match near_end(fixture, &source).await? {
        0 => (0, 3),
        _ => (fixture.file_len() - 1_000, OFTEN),
    };
    let baseline = Baseline::take(fixture, &source).await?;
    for round in 0..rounds {
        let mut stream = open_patiently(fixture, &source, start).await;
        stream.pass(u64::MAX).await;
        finish(stream, round).await;
    }
    baseline.comes_back(fixture, &source).await
}

/// A stream that has failed is only dropped or stopped, and gives everything back.
pub async fn a_failed_stream_gives_everything_back(fixture: &dyn Fixture) -> Outcome {
    let baseline = Baseline::take(fixture, &fixture.source()).await?;
    fixture.arrange(Situation::CutAfter(1_000)).await?;
    let source = fixture.source();
    let start = inside(fixture, &source).await;
    for round in 0..OFTEN {
        let mut stream = open_patiently(fixture, &source, start).await;
        while let Ok(Step::Bytes(_) | Step::Skip(_)) = stream.read(ROOM).await {}
        finish(stream, round).await;
    }
    fixture.arrange(Situation::Normal).await?;
    baseline.comes_back(fixture, &source).await
}

/// Streams that run at the same time do not mix their bytes.
pub async fn parallel_streams_do_not_mix(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let info = probe(fixture, &source).await;
    let len = fixture.file_len();
    let starts = match info.access {
        Access::Random => [len / 8 + 1, len / 4 + 2, len / 2 + 3, len / 4 * 3 + 4],
        Access::FromStartOnly => [0; 4],
        Access::Sequential => return Err(NotApplicable::because("there is only one stream of a live source")),
    };
    let mut streams = Vec::new();
    for start in starts.into_iter().take(info.sessions.max.unwrap_or(u16::MAX).into()) {
        match Stream::try_open(fixture, &source, OpenRequest::from(start)).await {
            Ok(stream) => streams.push(stream),
            Err(error) if matches!(error.class(), ErrorClass::Throttled { .. }) => break,
            Err(error) => panic!("open at {start} failed: {error}"),
        }
    }
    let parallel = streams.len();
    for _ in 0..16 {
        for stream in &mut streams {
            stream.compare(stream.at + 1_000, 3_001).await;
        }
    }
    for stream in streams {
        stream.stop().await;
    }
    if parallel < 2 {
        return Err(NotApplicable::because("the server carries one stream at a time"));
    }
    Ok(())
}

/// Hold is pending while the session is healthy, may be dropped, and consumes no byte of the body.
pub async fn hold_stays_pending_while_healthy_and_consumes_nothing(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let start = inside(fixture, &source).await;
    let mut stream = Stream::open(fixture, &source, OpenRequest::from(start)).await;
    for round in 0..4 {
        if let Some(error) = attempt(fixture, WATCH, stream.reader.hold()).await {
            panic!("hold gave up a healthy session: {error}");
        }
        stream.compare(start + 5_000 * (round + 1), 1_000).await;
    }
    stream.stop().await;
    Ok(())
}

/// Hold resolves when the session is not healthy any more.
pub async fn hold_resolves_when_the_session_is_lost(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let start = inside(fixture, &source).await;
    let mut stream = Stream::open(fixture, &source, OpenRequest::from(start)).await;
    stream.pass(start + 1).await;
    fixture.arrange(Situation::SessionsDie).await?;
    settle(fixture, "hold of a lost session", stream.reader.hold()).await;
    stream.stop().await;
    Ok(())
}

async fn finish(stream: Stream<'_>, round: u32) {
    if round.is_multiple_of(2) {
        stream.stop().await;
    }
}

/// An open that may have to come again because a dropped stream is still being ended behind its back.
async fn open_patiently<'f>(fixture: &'f dyn Fixture, source: &dyn crate::RangeSource, start: u64) -> Stream<'f> {
    for _ in 0..OFTEN {
        match Stream::try_open(fixture, source, OpenRequest::from(start)).await {
            Ok(stream) => return stream,
            Err(error) if matches!(error.class(), ErrorClass::Throttled { .. }) => fixture.pause().await,
            Err(error) => panic!("open at {start} failed: {error}"),
        }
    }
    panic!("dropped streams were never given back")
}
