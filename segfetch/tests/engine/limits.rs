//! Servers that grant few sessions, and engines with many jobs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use segfetch::source::conformance::{FailPlan, Failure, Fixture, MemorySource};
use segfetch::source::{
    ErrorClass, HostKey, OpenRequest, RangeReader, RangeSource, SourceContext, SourceError, SourceInfo,
};
use segfetch::{Connections, Download, DownloadError, EngineConfig};

use crate::world::{MIB, TokioClock, World, download, target};

/// A server that refuses a session without saying that it is full.
#[derive(Debug)]
struct Curt(MemorySource);

#[async_trait]
impl RangeSource for Curt {
    fn label(&self) -> &str {
        self.0.label()
    }
    async fn probe(&self, cx: &SourceContext) -> Result<SourceInfo, SourceError> {
        self.0.probe(cx).await
    }
    async fn open(&self, cx: &SourceContext, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        let opened = self.0.open(cx, request).await;
        opened.map_err(|error| SourceError::new(ErrorClass::Transient, error.phase(), "connection refused"))
    }
}

fn paced(len: u64) -> MemorySource {
    MemorySource::new(len).with_pace(TokioClock::start(), 4 * MIB)
}

#[tokio::test(start_paused = true)]
async fn a_refusal_lowers_the_number_of_streams_and_fails_nothing() {
    let world = World::new();
    let source = paced(60 * MIB).with_session_limit(3, None);
    let (result, _) = world.run(download(&source, 16)).await;
    let report = result.expect("it succeeds");
    world.assert_copy(&source);
    assert_eq!(source.counters().max_open, 3);
    // Of eight that are tried together, five.
    assert!((1..=5).contains(&report.refusals), "{} refusals", report.refusals);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_open_a_further_stream_and_does_not_say_why_is_not_stormed() {
    let world = World::new();
    let source = paced(60 * MIB).with_session_limit(2, None);
    let curt = Download::new(Curt(source.clone()), target()).connections(Connections::Exactly(8));
    let report = world.run(curt).await.0.expect("two streams do");
    world.assert_copy(&source);
    // Eight that are tried together; before one of them is open, nothing says that it is their number.
    assert!(report.opens <= 16, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_opens_nothing_any_more_is_given_up_after_a_while() {
    let world = World::new();
    let source = paced(60 * MIB).with_plan(FailPlan::new().from_open(3, Failure::Refused(ErrorClass::Transient)));
    let (result, _) = world.run(download(&source, 8)).await;
    assert!(matches!(result, Err(DownloadError::GaveUp { .. })), "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn many_small_downloads_in_one_engine_all_end_and_leave_nothing_open() {
    let world = World::new();
    let sources: Vec<_> = (0..200).map(|n| MemorySource::new(10_000 + n)).collect();
    let jobs: Vec<_> = sources
        .iter()
        .enumerate()
        .map(|(n, source)| world.engine.start(Download::new(source.clone(), PathBuf::from(format!("/d/{n}")))))
        .collect();
    for job in jobs {
        job.join().await.expect("it succeeds");
    }
    for (n, source) in sources.iter().enumerate() {
        let found = world.volume.read(PathBuf::from(format!("/d/{n}"))).expect("it exists");
        let mut expected = vec![0; found.len()];
        source.fill(0, &mut expected);
        assert!(found == expected && source.counters().open_now == 0);
    }
    assert_eq!(world.volume.paths().len(), 200);
}

#[tokio::test(start_paused = true)]
async fn more_streams_than_buffers_share_what_there_is() {
    let world = World::new();
    let mut config = EngineConfig::default();
    config.max_buffer_bytes = 2 << 20;
    config.volume = world.volume.clone();
    let engine = segfetch::Engine::new(config).expect("threads");
    let source = paced(64 * MIB);
    engine.start(download(&source, 12)).join().await.expect("it succeeds");
    world.assert_copy(&source);
}

#[tokio::test(start_paused = true)]
async fn two_downloads_from_one_server_share_what_it_grants() {
    let world = World::new();
    let source = paced(100 * MIB).with_host(HostKey::new("server")).with_session_limit(4, None);
    let start = |name: &str| {
        let download = Download::new(source.clone(), PathBuf::from(name)).connections(Connections::Exactly(16));
        world.engine.start(download)
    };
    let (first, second) = (start("/d/1"), start("/d/2"));
    let first = first.join().await.expect("it succeeds");
    let second = second.join().await.expect("it succeeds");
    assert!(source.counters().max_open <= 4, "{:?}", source.counters());
    assert!(first.refusals + second.refusals <= 6, "{} and {}", first.refusals, second.refusals);
    assert!(world.volume.read(Path::new("/d/1")) == world.volume.read(Path::new("/d/2")));
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_that_is_set_again_and_again_lets_through_what_it_says() {
    let world = World::new();
    let source = MemorySource::new(4 * MIB);
    world.engine.set_rate_limit(Some(MIB));
    let job = world.engine.start(download(&source, 2));
    let progress = job.progress();
    for _ in 0..3_000 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        world.engine.set_rate_limit(Some(MIB));
    }
    assert_eq!(progress.borrow().received, 4 * MIB, "after 30 s");
    job.join().await.expect("it succeeds");
}
