//! Servers that grant few sessions, and engines with many jobs.

use std::path::PathBuf;

use segfetch::source::HostKey;
use segfetch::source::conformance::{Fixture, MemorySource};
use segfetch::{Connections, Download, EngineConfig};

use crate::world::{MIB, TokioClock, World, download};

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
    assert!((1..=4).contains(&report.refusals), "{} refusals", report.refusals);
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

#[test]
fn host_keys_have_no_secret_in_their_debug_form() {
    assert_eq!(format!("{:?}", HostKey::new("ftp://host:21 anonymous")), "HostKey(ftp://host:21 anonymous)");
    let _ = Connections::Auto;
}
