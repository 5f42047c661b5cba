//! Whole downloads that nothing disturbs.

use segfetch::source::conformance::MemorySource;
use segfetch::source::{Access, Digest, DigestAlgorithm, Extent};
use segfetch::{DownloadError, IfExists, Integrity};
use sha2::{Digest as _, Sha256};

use crate::world::{MIB, World, download, target, weak};

#[tokio::test]
async fn a_file_arrives_over_several_streams() {
    let world = World::new();
    let source = MemorySource::new(40 * MIB);
    let (result, _) = world.run(download(&source, 8)).await;
    let report = result.expect("it succeeds");
    world.assert_copy(&source);
    assert_eq!((report.len, report.resumed, report.retries), (40 * MIB, 0, 0));
    assert_eq!(report.integrity, Integrity::Validator);
    assert!(source.counters().max_open >= 4, "{:?}", source.counters());
    assert_eq!(source.counters().open_now, 0);
}

#[tokio::test]
async fn files_of_every_awkward_length_arrive() {
    for len in [0, 1, 65_535, 65_536, 65_537, MIB - 1, MIB, MIB + 1, 8 * MIB + 1] {
        let world = World::new();
        let source = weak(len);
        let (result, _) = world.run(download(&source, 4)).await;
        result.unwrap_or_else(|error| panic!("{len}: {error}"));
        world.assert_copy(&source);
    }
}

#[tokio::test]
async fn the_engine_runs_on_one_thread_as_well_as_on_several() {
    // #[tokio::test] is the current-thread runtime; this is the other one.
    let several =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    tokio::task::spawn_blocking(move || {
        several.block_on(async {
            let world = World::new();
            let source = MemorySource::new(16 * MIB);
            world.run(download(&source, 4)).await.0.expect("it succeeds");
            world.assert_copy(&source);
        });
        several.shutdown_background();
    })
    .await
    .expect("it does not panic");
}

#[tokio::test]
async fn one_stream_needs_no_label_of_doubt_and_several_with_a_weak_validator_do() {
    for (streams, integrity) in [(1, Integrity::OneStream), (4, Integrity::Unverified)] {
        let world = World::new();
        let source = weak(24 * MIB);
        let (result, _) = world.run(download(&source, streams)).await;
        assert_eq!(result.expect("it succeeds").integrity, integrity);
    }
}

#[tokio::test]
async fn a_file_of_unknown_length_arrives_in_one_stream() {
    for access in [Access::Random, Access::FromStartOnly, Access::Sequential] {
        let world = World::new();
        let source = MemorySource::new(5 * MIB + 3).with_info(|info| {
            let mut info = info;
            (info.extent, info.access) = (Extent::Unknown, access);
            info
        });
        let (result, _) = world.run(download(&source, 4)).await;
        assert_eq!(result.unwrap_or_else(|error| panic!("{access:?}: {error}")).len, 5 * MIB + 3);
        world.assert_copy(&source);
        assert_eq!(source.counters().max_open, 1);
    }
}

fn sha256_of(content: &[u8]) -> Digest {
    Digest::new(DigestAlgorithm::Sha256, Sha256::digest(content).to_vec())
}

#[tokio::test]
async fn the_right_digest_is_confirmed_and_the_wrong_one_keeps_the_name_away() {
    use segfetch::source::conformance::Fixture;
    let source = MemorySource::new(3 * MIB);
    let mut content = vec![0; 3 << 20];
    source.fill(0, &mut content);

    let world = World::new();
    let (result, _) = world.run(download(&source, 2).expect_digest(sha256_of(&content))).await;
    assert_eq!(result.expect("it succeeds").integrity, Integrity::Digest);

    let world = World::new();
    let (result, _) = world.run(download(&source, 2).expect_digest(sha256_of(b"else"))).await;
    assert!(matches!(result, Err(DownloadError::Digest { .. })), "{result:?}");
    assert!(world.volume.read(target()).is_none());
}

#[tokio::test]
async fn a_target_with_the_length_and_time_of_the_source_is_left_alone() {
    let source = MemorySource::new(2 * MIB).with_info(|info| info.with_modified(1_700_000_000, 0));
    let world = World::new();
    world.run(download(&source, 2)).await.0.expect("it succeeds");
    let delivered = source.counters().delivered;
    let again = world.run(download(&source, 2)).await.0.expect("it succeeds again");
    assert!(again.already_complete);
    assert_eq!(source.counters().delivered, delivered);
}

#[tokio::test]
async fn another_file_under_the_name_of_the_target_is_refused_replaced_or_avoided() {
    for (if_exists, fails) in [(IfExists::KeepOrFail, true), (IfExists::Replace, false), (IfExists::Unique, false)] {
        let world = World::new();
        world.volume.write(target(), b"mine".to_vec());
        let source = MemorySource::new(MIB);
        let (result, _) = world.run(download(&source, 2).if_exists(if_exists)).await;
        assert_eq!(result.is_err(), fails, "{if_exists:?}: {result:?}");
        let kept = world.volume.read(target()).is_some_and(|content| content == b"mine");
        assert_eq!(kept, if_exists != IfExists::Replace);
        if if_exists == IfExists::Unique {
            assert_eq!(world.volume.paths().len(), 2);
        }
    }
}
