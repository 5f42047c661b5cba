//! What the finished file is compared with.

use segfetch::source::conformance::{Fixture, MemorySource};
use segfetch::source::{Digest, DigestAlgorithm};
use segfetch::{DownloadError, Integrity};
use sha2::{Digest as _, Sha256};

use crate::world::{MIB, World, download, target};

fn sha256(source: &MemorySource) -> [u8; 32] {
    let mut bytes = vec![0; usize::try_from(source.file_len()).expect("it fits")];
    source.fill(0, &mut bytes);
    Sha256::digest(&bytes).into()
}

fn stating(algorithm: DigestAlgorithm, bytes: &[u8]) -> MemorySource {
    MemorySource::new(3 * MIB).with_info(|info| info.with_digest(Digest::new(algorithm, bytes)))
}

#[tokio::test(start_paused = true)]
async fn the_sha256_that_a_source_states_is_checked_without_being_asked_for() {
    let right = sha256(&MemorySource::new(3 * MIB));
    let world = World::new();
    let source = stating(DigestAlgorithm::Sha256, &right);
    let report = world.run(download(&source, 2)).await.0.expect("it is right");
    assert_eq!((report.integrity, report.sha256), (Integrity::Digest, Some(right)));
    world.assert_copy(&source);

    let world = World::new();
    let wrong = world.run(download(&stating(DigestAlgorithm::Sha256, &[7; 32]), 2)).await.0;
    assert!(matches!(&wrong, Err(DownloadError::Digest { expected, .. }) if expected.bytes == [7; 32]), "{wrong:?}");
    assert!(world.volume.read(target()).is_none(), "it got its name");
}

#[tokio::test(start_paused = true)]
async fn a_stated_digest_that_cannot_be_computed_is_ignored() {
    for (algorithm, len) in [(DigestAlgorithm::Md5, 16), (DigestAlgorithm::Sha512, 64), (DigestAlgorithm::Sha256, 31)] {
        let world = World::new();
        let report = world.run(download(&stating(algorithm, &vec![7; len]), 2)).await.0.expect("it is not checked");
        assert_eq!((report.integrity, report.sha256), (Integrity::Validator, None));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_caller_expects_counts_and_not_what_the_source_states() {
    let right = sha256(&MemorySource::new(3 * MIB));
    let source = stating(DigestAlgorithm::Sha256, &[7; 32]);
    let expected = |bytes: [u8; 32]| download(&source, 2).expect_digest(Digest::new(DigestAlgorithm::Sha256, bytes));
    let report = World::new().run(expected(right)).await.0.expect("it is what was asked for");
    assert_eq!(report.integrity, Integrity::Digest);
    assert!(matches!(World::new().run(expected([8; 32])).await.0, Err(DownloadError::Digest { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_there_is_compared_with_what_the_source_states_too() {
    let world = World::new();
    let right = sha256(&MemorySource::new(3 * MIB));
    let dated = |bytes: &[u8]| stating(DigestAlgorithm::Sha256, bytes).with_info(|info| info.with_modified(1_000, 0));
    world.run(download(&dated(&right), 2)).await.0.expect("it is right");
    let again = world.run(download(&dated(&right), 2)).await.0.expect("it is there");
    assert_eq!((again.already_complete, again.integrity), (true, Integrity::Digest));
    let other = world.run(download(&dated(&[7; 32]), 2)).await.0;
    assert!(matches!(other, Err(DownloadError::Digest { .. })), "{other:?}");
}
