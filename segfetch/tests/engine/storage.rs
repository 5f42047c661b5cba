//! Disks that fill up, fail, or are slow, and others who touch the same files.

use std::io::ErrorKind;
use std::sync::Arc;

use segfetch::checkpoint::StoreError;
use segfetch::sink::MemoryVolume;
use segfetch::source::conformance::MemorySource;
use segfetch::{Download, DownloadError, Engine, EngineConfig, OnChange, OnDamage};

use crate::unruly::{Folding, Mood, Unruly};
use crate::world::{MIB, World, download, other_content, tapped, target};

/// Bytes per second of a stream.
const RATE: u64 = 4 * MIB;

pub(crate) fn over(volume: &Unruly) -> World {
    let mut config = EngineConfig::default();
    config.volume = Arc::new(volume.clone());
    World { volume: Arc::clone(&volume.below), engine: Engine::new(config).expect("threads") }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_ends_the_download_at_once_and_after_making_room_it_goes_on() {
    let volume = Unruly::new();
    let world = over(&volume);
    let (source, tap) = tapped(MemorySource::new(40 * MIB), RATE);
    let job = world.run_until_durable(download(&source, 3), &tap, 8 * MIB).await;
    volume.set(Mood::Write(ErrorKind::StorageFull));
    tap.open();
    let result = job.join().await;
    assert!(matches!(result, Err(DownloadError::Store(StoreError::Full { .. }))), "{result:?}");
    assert_eq!(source.counters().open_now, 0);

    volume.set(Mood::Good);
    let report = world.run(download(&source, 3)).await.0.expect("there is room again");
    assert!(report.resumed >= 8 * MIB && report.fetched == 40 * MIB - report.resumed, "{report:?}");
    world.assert_copy(&source);
}

#[tokio::test(start_paused = true)]
async fn after_a_failed_sync_nothing_since_the_last_good_one_is_believed_even_if_the_next_sync_succeeds() {
    let volume = Unruly::new();
    let world = over(&volume);
    let (source, tap) = tapped(MemorySource::new(40 * MIB), RATE);
    let job = world.run_until_durable(download(&source, 3), &tap, 8 * MIB).await;
    let durable = job.progress().borrow().durable;
    volume.set(Mood::Sync(ErrorKind::Other));
    tap.open();
    let result = job.join().await;
    assert!(matches!(result, Err(DownloadError::Store(_))), "{result:?}");

    volume.set(Mood::Good);
    let report = world.run(download(&source, 3)).await.0.expect("it goes on");
    assert!(report.resumed <= durable + 4 * MIB, "{report:?}, {durable}");
    world.assert_copy(&source);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_journal_is_an_error_until_it_is_asked_to_begin_anew_and_a_foreign_part_always_is() {
    let source = MemorySource::new(4 * MIB);
    let (part, journal) = (target().with_extension("part"), target().with_extension("part.sfj"));
    let world = World::new();
    world.volume.write(&part, vec![1; 100]);
    world.volume.write(&journal, vec![2; 1000]);
    for on_change in [OnChange::Fail, OnChange::Restart] {
        let refused = world.run(download(&source, 2).on_change(on_change)).await.0;
        let corrupt = matches!(refused, Err(DownloadError::Store(StoreError::CheckpointCorrupt { .. })));
        assert!(corrupt, "{on_change:?}: {refused:?}");
    }
    world.run(download(&source, 2).on_damage(OnDamage::Restart)).await.0.expect("it begins anew");
    world.assert_copy(&source);

    let world = World::new();
    world.volume.write(&part, vec![1; 100]);
    let foreign = world.run(download(&source, 2).on_damage(OnDamage::Restart)).await.0;
    assert!(matches!(foreign, Err(DownloadError::Store(StoreError::OrphanPart { .. }))), "{foreign:?}");
    assert_eq!(world.volume.read(&part), Some(vec![1; 100]));
}

#[tokio::test(start_paused = true)]
async fn a_second_download_of_the_same_target_is_refused_while_the_first_one_runs() {
    let world = World::new();
    let (source, tap) = tapped(MemorySource::new(40 * MIB), RATE);
    let job = world.run_until_durable(download(&source, 2), &tap, MIB).await;
    let (second, _) = world.run(download(&source, 2)).await;
    assert!(matches!(second, Err(DownloadError::Store(StoreError::Locked { .. }))), "{second:?}");
    tap.open();
    job.join().await.expect("the first one is not disturbed");
    world.assert_copy(&source);
}

#[tokio::test]
async fn a_write_that_lands_late_belongs_to_its_own_download_or_to_none() {
    let volume = Unruly::new();
    let world = over(&volume);
    let source = MemorySource::new(12 * MIB);
    volume.set(Mood::Stuck);
    let job = world.engine.start(download(&source, 2));
    let mut progress = job.progress();
    progress.wait_for(|now| now.received >= 2 * MIB).await.expect("bytes arrive while writes are stuck");
    drop(job);
    // The writer thread still holds the file, so nobody else may begin.
    let (early, _) = world.run(download(&source, 2)).await;
    assert!(matches!(early, Err(DownloadError::Store(StoreError::Locked { .. }))), "{early:?}");
    volume.set(Mood::Good);
    world.run(download(&source, 2)).await.0.expect("the late write has landed");
    world.assert_copy(&source);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_appears_meanwhile_is_not_overwritten() {
    let world = World::new();
    let (source, tap) = tapped(MemorySource::new(20 * MIB), RATE);
    let job = world.run_until_durable(download(&source, 2), &tap, 4 * MIB).await;
    world.volume.write(target(), b"mine".to_vec());
    tap.open();
    let result = job.join().await;
    assert!(matches!(result, Err(DownloadError::Store(StoreError::TargetExists { .. }))), "{result:?}");
    assert_eq!(world.volume.read(target()).as_deref(), Some(&b"mine"[..]));
}

#[tokio::test(start_paused = true)]
async fn two_names_that_are_one_on_this_file_system_are_one_target() {
    let volume = Arc::new(MemoryVolume::new());
    let mut config = EngineConfig::default();
    config.volume = Arc::new(Folding(Arc::clone(&volume)));
    let world = World { volume, engine: Engine::new(config).expect("threads") };
    let (source, tap) = tapped(MemorySource::new(20 * MIB), RATE);
    let other = MemorySource::new(20 * MIB).with_content(other_content());
    let job = world.run_until_durable(download(&source, 2), &tap, MIB).await;
    let (meanwhile, _) = world.run(Download::new(other.clone(), "/d/FILM")).await;
    assert!(matches!(meanwhile, Err(DownloadError::Store(StoreError::Locked { .. }))), "{meanwhile:?}");
    tap.open();
    job.join().await.expect("the first one is not disturbed");
    let (afterwards, _) = world.run(Download::new(other, "/d/FILM")).await;
    assert!(matches!(afterwards, Err(DownloadError::Store(StoreError::TargetExists { .. }))), "{afterwards:?}");
    world.assert_copy(&source);
}

#[tokio::test]
async fn a_panic_of_the_source_is_an_interruption_and_not_a_hang() {
    let world = World::new();
    let source = MemorySource::new(MIB).with_content(Arc::new(|_, _| panic!("the source is broken")));
    let (result, _) = world.run(download(&source, 1)).await;
    assert!(matches!(result, Err(DownloadError::Interrupted(_))), "{result:?}");
}

#[tokio::test]
async fn a_panic_of_the_storage_fails_its_download_and_no_later_one() {
    let volume = Unruly::new();
    let world = over(&volume);
    let source = MemorySource::new(3 * MIB);
    volume.set(Mood::Panic);
    // More often than there are writer threads.
    for _ in 0..3 {
        let (result, _) = world.run(download(&source, 1)).await;
        assert!(matches!(result, Err(DownloadError::Store(_))), "{result:?}");
        assert!(world.volume.read(target()).is_none());
    }
    volume.set(Mood::Good);
    world.run(download(&source, 1)).await.0.expect("the threads are still there");
    world.assert_copy(&source);
}
