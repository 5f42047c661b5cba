//! A disk that fails: the n-th operation, for every n, with each error.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use segfetch::checkpoint::{Completed, JobStore, Opened, StoreError};

use crate::check::{LEN, Reopen, TARGET, check};
use crate::crash::WORKLOADS;
use crate::job::*;
use crate::sim::{Fault, Image, Kind, Sim};

const EINTR: i32 = 4;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EDQUOT: i32 = 122;

/// After any one failure in any workload: the error is typed, no claim is false, whether the power goes as well or not, and
/// the download can be gone on with.
fn fail_each_operation(fault: Fault, is_right: fn(&StoreError) -> bool) -> (usize, usize) {
    let reopen = Reopen { options: forgiving(9), errors: false };
    let (mut runs, mut failed) = (0, 0);
    for (name, workload) in WORKLOADS {
        let clean = Sim::new(Image::default());
        workload(&clean, options(1)).unwrap();
        for n in 1..=clean.operations() {
            let sim = Sim::new(Image::default());
            sim.script(move |operation, _| (operation == n).then_some(fault));
            // The workload that lays out a foreign part expects that to succeed.
            if name == "restart" && n <= 2 {
                continue;
            }
            runs += 1;
            if let Err(error) = workload(&sim, options(1)) {
                failed += 1;
                assert!(is_right(&error), "{name}, operation {n}: {error:?}");
            }
            let after = sim.now();
            for image in after.survivors().iter().chain([&sim.live()]) {
                let (wrong, _) = check(image, &after.promised, &reopen);
                assert!(wrong.is_empty(), "{name}, operation {n}: {wrong:#?}");
            }
        }
    }
    (runs, failed)
}

#[test]
fn an_input_output_error_at_any_operation_claims_nothing_false_and_can_be_gone_on_from() {
    let (runs, failed) = fail_each_operation(Fault::Errno(EIO), |error| matches!(error, StoreError::Io { .. }));
    assert!(runs > 200 && failed > runs * 3 / 4, "{failed} of {runs}");
}

#[test]
fn a_full_disk_at_any_operation_is_named_and_can_be_gone_on_from() {
    let (runs, failed) = fail_each_operation(Fault::Errno(ENOSPC), |error| matches!(error, StoreError::Full { .. }));
    assert!(runs > 200 && failed > runs * 3 / 4, "{failed} of {runs}");
}

#[test]
fn an_interruption_of_a_write_is_no_error() {
    let (runs, failed) = fail_each_operation(Fault::Errno(EINTR), |error| matches!(error, StoreError::Io { .. }));
    assert!(runs > 200 && failed < runs * 3 / 4, "{failed} of {runs}");
    let sim = Sim::new(Image::default());
    sim.script(|operation, kind| (kind == Kind::Write && operation % 2 == 0).then_some(Fault::Errno(EINTR)));
    WORKLOADS[0].1(&sim, options(1)).unwrap();
}

#[test]
fn a_short_write_goes_on_where_it_stopped() {
    assert_eq!(fail_each_operation(Fault::Short, |_| false).1, 0);
}

/// One checkpoint of two blocks, then a third block that is written.
fn two_blocks_claimed(sim: &Sim) -> JobStore {
    let mut store = begin(sim.volume(), Path::new(TARGET), options(1), 1, LEN);
    write(&store, 1, 0..2 * BLOCK).unwrap();
    store.checkpoint().unwrap();
    write(&store, 1, 2 * BLOCK..3 * BLOCK).unwrap();
    store
}

/// Lets the first operation fail for which `is_it` is true.
fn fail_once(sim: &Sim, errno: i32, mut is_it: impl FnMut(Kind) -> bool + Send + 'static) {
    let mut done = false;
    sim.script(move |_, kind| {
        let now = !done && is_it(kind);
        done |= now;
        now.then_some(Fault::Errno(errno))
    });
}

#[test]
fn after_a_sync_that_failed_once_nothing_more_is_claimed_even_if_the_next_would_succeed() {
    // The first sync of a checkpoint is that of the data, the second that of the journal.
    for which in [1, 2] {
        let sim = Sim::new(Image::default());
        let mut store = two_blocks_claimed(&sim);
        let mut syncs = 0;
        fail_once(&sim, EIO, move |kind| {
            syncs += usize::from(kind == Kind::Sync);
            syncs == which
        });
        assert!(matches!(store.checkpoint(), Err(StoreError::Io { .. })));
        assert_eq!(store.have().total(), 2 * BLOCK);
        for _ in 0..2 {
            let Err(StoreError::Poisoned { first }) = store.checkpoint() else { panic!("not poisoned") };
            assert!(first.contains("file.part") && first.contains("os error 5"), "{first}");
        }
        assert!(matches!(write(&store, 1, 3 * BLOCK..LEN), Err(StoreError::Poisoned { .. })));
        assert!(matches!(store.finish(&Completed::new(LEN)), Err(StoreError::Poisoned { .. })));
        let survivors = sim.now().survivors();
        assert!(!survivors.is_empty());
        for image in survivors {
            let (_, recovered) = resume(Sim::new(image).volume(), Path::new(TARGET), options(2));
            assert_eq!(ranges(&recovered.have), [0..2 * BLOCK], "failed sync {which}");
        }
    }
}

#[test]
fn a_quota_that_is_noticed_at_the_sync_is_named_and_claims_nothing() {
    let sim = Sim::new(Image::default());
    let mut store = two_blocks_claimed(&sim);
    fail_once(&sim, EDQUOT, |kind| kind == Kind::Sync);
    let Err(error @ StoreError::Full { .. }) = store.checkpoint() else { panic!("not full") };
    assert!(error.to_string().starts_with("not enough space for file.part; free some"), "{error}");
    assert!(matches!(store.checkpoint(), Err(StoreError::Poisoned { .. })));
    assert_eq!(store.have().total(), 2 * BLOCK);
}

#[test]
fn a_full_disk_at_a_write_or_at_the_journal_leaves_the_store_usable() {
    let sim = Sim::new(Image::default());
    let mut store = two_blocks_claimed(&sim);
    fail_once(&sim, ENOSPC, |kind| kind == Kind::Write);
    assert!(matches!(write(&store, 1, 3 * BLOCK..LEN), Err(StoreError::Full { .. })));
    assert_eq!(store.part().written(), 3 * BLOCK);
    fail_once(&sim, ENOSPC, |kind| kind == Kind::Write);
    assert!(matches!(store.checkpoint(), Err(StoreError::Full { .. })), "the only write is that of the record");
    assert_eq!(store.checkpoint().unwrap().new_bytes, BLOCK, "with some space freed, the same claim");
    write(&store, 1, 3 * BLOCK..LEN).unwrap();
    store.finish(&Completed::new(LEN)).unwrap();
    assert_eq!(sim.live().read(Path::new(TARGET)).unwrap(), content(1, 0..LEN));
}

#[test]
fn a_journal_that_cannot_be_rewritten_goes_on_as_it_is_and_is_not_tried_again_at_once() {
    let sim = Sim::new(Image::default());
    let mut store = two_blocks_claimed(&sim);
    let attempts = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&attempts);
    sim.script(move |_, kind| {
        (kind == Kind::Other).then(|| count.fetch_add(1, Ordering::Relaxed)).map(|_| Fault::Errno(ENOSPC))
    });
    for i in 0..12_u8 {
        store.set_aux(&[i; 30_000]).unwrap();
    }
    assert!(store.checkpoint().unwrap().journal_len > 256 << 10);
    assert_eq!(attempts.load(Ordering::Relaxed), 2, "one attempt, and the removal of what it left");
    sim.script(|_, _| None);
    drop(store);
    let (_, recovered) = resume(sim.volume(), Path::new(TARGET), options(1));
    assert_eq!((ranges(&recovered.have), recovered.aux), (vec![0..3 * BLOCK], Some(vec![11; 30_000])));
}

#[test]
fn a_rename_that_fails_is_made_good_by_the_next_open() {
    let sim = Sim::new(Image::default());
    let mut store = two_blocks_claimed(&sim);
    write_rest(&store, 1, LEN).unwrap();
    let mut others = 0;
    // Of what a finish does besides writing and syncing, the rename follows the length.
    fail_once(&sim, ENOSPC, move |kind| {
        others += usize::from(kind == Kind::Other);
        others == 2
    });
    let mut completed = Completed::new(LEN);
    completed.digest = Some(b"sha256:ab".to_vec());
    assert!(matches!(store.finish(&completed), Err(StoreError::Full { .. })));
    assert!(sim.live().read(Path::new(TARGET)).is_none());
    drop(store);
    let Ok(Opened::Finished(finished)) = JobStore::open(sim.volume(), Path::new(TARGET), options(1)) else {
        panic!("not finished")
    };
    assert_eq!((finished.len, finished.digest), (LEN, completed.digest));
    assert_eq!(sim.live().read(&finished.path).unwrap(), content(1, 0..LEN));
    assert!(sim.live().names().eq([Path::new(TARGET)]));
}

#[test]
fn where_there_are_no_locks_the_job_belongs_to_who_opened_it_last() {
    let sim = Sim::new(Image::default()).without_locks();
    let mut first = two_blocks_claimed(&sim);
    let (mut second, recovered) = resume(sim.volume(), Path::new(TARGET), options(1));
    assert!(!recovered.locked);
    assert!(matches!(first.checkpoint(), Err(StoreError::Displaced { .. })));
    write_rest(&second, 1, LEN).unwrap();
    second.finish(&Completed::new(LEN)).unwrap();
    assert_eq!(sim.live().read(Path::new(TARGET)).unwrap(), content(1, 0..LEN));
}
