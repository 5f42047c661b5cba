//! Many downloads in one engine, and disks that are slower than the network.

use std::path::PathBuf;
use std::sync::Arc;

use segfetch::sink::MemoryVolume;
use segfetch::source::conformance::MemorySource;
use segfetch::{Connections, Download, DownloadError, Engine, EngineConfig, Event, Stage};

use crate::unruly::{Mood, Unruly};
use crate::world::{MIB, World, download, tapped};

fn engine(volume: &Unruly, adjust: impl FnOnce(&mut EngineConfig)) -> Engine {
    let mut config = EngineConfig::default();
    config.volume = Arc::new(volume.clone());
    adjust(&mut config);
    Engine::new(config).expect("threads")
}

fn name(n: usize) -> PathBuf {
    PathBuf::from(format!("/d/{n}"))
}

#[tokio::test]
async fn a_slow_disk_holds_back_fast_sources_and_is_shared_by_all() {
    let volume = Unruly::new();
    let budget = 8 * MIB;
    let engine = engine(&volume, |config| config.max_buffer_bytes = budget as usize);
    let sources: Vec<_> = (0..16).map(|_| MemorySource::new(16 * MIB)).collect();
    volume.set(Mood::Stuck);
    let start = |(n, source): (usize, &MemorySource)| {
        engine.start(Download::new(source.clone(), name(n)).connections(Connections::Exactly(2)))
    };
    let jobs: Vec<_> = sources.iter().enumerate().map(start).collect();
    for job in &jobs {
        job.progress().wait_for(|now| !now.workers.is_empty()).await.expect("it gets that far");
    }
    let delivered = || sources.iter().map(|source| source.counters().delivered).sum::<u64>();
    let mut written = 0;
    while written < 96 {
        // Nothing is allowed at first, then 8 writes at a time.
        while volume.mood() != Mood::Stuck || delivered() < (budget + written * MIB) / 2 {
            tokio::task::yield_now().await;
        }
        assert!(delivered() <= budget + written * MIB, "{} bytes after {written} writes", delivered());
        written += 8;
        volume.set(Mood::Writes(8));
    }
    while volume.mood() != Mood::Stuck {
        tokio::task::yield_now().await;
    }
    let shares: Vec<_> = sources.iter().map(|source| source.counters().delivered / MIB).collect();
    let (sum, squares) = shares.iter().fold((0, 0), |(sum, squares), share| (sum + share, squares + share * share));
    let fairness = (sum * sum) as f64 / (16 * squares) as f64;
    assert!(fairness > 0.8, "Jain's index {fairness:.2} of {shares:?}");
    volume.set(Mood::Good);
    for job in jobs {
        job.join().await.expect("it succeeds");
    }
}

#[tokio::test]
async fn ten_thousand_small_downloads_never_hold_more_files_than_the_engine_allows() {
    let volume = Unruly::new();
    let engine = engine(&volume, |config| config.max_running = 8);
    let source = MemorySource::new(1000);
    let jobs: Vec<_> = (0..10_000).map(|n| engine.start(Download::new(source.clone(), name(n)))).collect();
    for job in jobs {
        job.join().await.expect("it succeeds");
    }
    assert_eq!(volume.below.paths().len(), 10_000);
    let most = volume.most_open();
    assert!(most <= 8 * 3, "{most} files were open at once");
    assert!(source.counters().max_open <= 8 * u64::from(Connections::AUTO_MOST));
    assert_eq!(source.counters().open_now, 0);
}

#[tokio::test]
async fn a_download_that_waits_its_turn_has_done_nothing_and_can_be_cancelled() {
    let volume = Unruly::new();
    let engine = engine(&volume, |config| config.max_running = 1);
    volume.set(Mood::Stuck);
    let (first, second) = (MemorySource::new(MIB), MemorySource::new(MIB));
    let running = engine.start(Download::new(first.clone(), name(1)));
    running.progress().wait_for(|now| now.received == MIB).await.expect("it gets that far");
    let waiting = engine.start(Download::new(second.clone(), name(2)));
    tokio::task::yield_now().await;
    waiting.cancel();
    let cancelled = waiting.join().await;
    assert!(matches!(cancelled, Err(DownloadError::Cancelled { durable: 0 })), "{cancelled:?}");
    assert_eq!((second.counters().opens, volume.below.read(name(2).with_extension("part")).is_none()), (0, true));
    volume.set(Mood::Good);
    running.join().await.expect("it succeeds");
}

#[tokio::test(start_paused = true)]
async fn a_download_that_waits_its_turn_says_so_and_what_an_earlier_run_has_left() {
    let volume = Arc::new(MemoryVolume::new());
    let mut config = EngineConfig::default();
    config.volume = Arc::<MemoryVolume>::clone(&volume);
    config.max_running = 1;
    let world = World { volume, engine: Engine::new(config).expect("threads") };
    let (source, tap) = tapped(MemorySource::new(64 * MIB), 4 * MIB);
    let job = world.run_until_durable(download(&source, 2), &tap, 8 * MIB).await;
    job.cancel();
    let Err(DownloadError::Cancelled { durable: left }) = job.join().await else { panic!("it was cancelled") };
    assert!(left >= 8 * MIB);

    let running = world.engine.start(Download::new(source.clone(), name(1)));
    running.progress().wait_for(|now| now.stage == Stage::Receiving).await.expect("it runs");
    let mut waiting = world.engine.start(download(&source, 2));
    let mut events = waiting.events();
    waiting.progress().wait_for(|now| now.stage == Stage::Waiting).await.expect("it is not its turn");
    waiting.pause();
    let paused = events.next().await;
    assert!(matches!(paused, Some(Event::Paused { durable }) if durable == left), "{paused:?}");
    waiting.resume();
    waiting.progress().wait_for(|now| now.stage == Stage::Waiting).await.expect("it waits again");
    waiting.cancel();
    let cancelled = waiting.join().await;
    assert!(matches!(cancelled, Err(DownloadError::Cancelled { durable }) if durable == left), "{cancelled:?}");

    let next = world.engine.start(download(&source, 2));
    next.progress().wait_for(|now| now.stage == Stage::Waiting).await.expect("it is not its turn");
    tap.open();
    running.join().await.expect("it succeeds");
    let report = next.join().await.expect("its turn has come");
    assert_eq!(report.resumed, left);
}
