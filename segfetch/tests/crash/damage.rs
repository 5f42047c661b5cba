//! Files that rotted, shrank, vanished, or are something else.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use segfetch::checkpoint::{CorruptJournal, JobStore, Opened, StoreError, Verify};
use segfetch::range_set::RangeSet;
use segfetch::sink::{FileKind, MemoryVolume, Volume};

use crate::job::*;
use crate::store::{LEN, finish, half_done, open, os};

#[test]
fn a_rotted_block_is_found_and_only_that_block_is_fetched_again() {
    for verify in [Verify::Full, Verify::Sample(1)] {
        let (_dir, target) = half_done();
        let part = target.with_extension("part");
        let mut bytes = fs::read(&part).unwrap();
        bytes[BLOCK as usize + 17] ^= 4;
        fs::write(&part, bytes).unwrap();
        let mut careful = options(1);
        careful.verify = verify;
        let (store, recovered) = resume(os(), &target, careful);
        assert_eq!(ranges(&recovered.dropped), [BLOCK..2 * BLOCK]);
        assert_eq!(ranges(&recovered.have), [0..BLOCK, 2 * BLOCK..2 * BLOCK + 2048, 4 * BLOCK..4 * BLOCK + 10]);
        drop(store);
        let (store, recovered) = resume(os(), &target, options(1));
        assert!(!recovered.have.contains(BLOCK), "given up for good, even if nobody looks again");
        finish(store, 1, &target);
        assert_eq!(fs::read(&target).unwrap(), content(1, 0..LEN));
    }
}

/// The files of a download into memory, with a block damaged.
fn rotten(volume: &MemoryVolume, block: u64) -> Arc<dyn Volume> {
    let copy = MemoryVolume::new();
    for path in volume.paths() {
        let mut bytes = volume.read(&path).unwrap();
        if path == Path::new("file.part") {
            bytes[(block * BLOCK) as usize + 5] ^= 0x40;
        }
        copy.write(path, bytes);
    }
    Arc::new(copy)
}

#[test]
fn a_sample_looks_at_the_last_checkpoint_first_and_at_everything_once_a_block_is_bad() {
    let volume = MemoryVolume::new();
    let mut store = begin(Arc::new(volume.clone()), Path::new("file"), options(1), 1, 8 * BLOCK);
    write(&store, 1, 0..5 * BLOCK).unwrap();
    store.checkpoint().unwrap();
    write(&store, 1, 5 * BLOCK..7 * BLOCK).unwrap();
    store.checkpoint().unwrap();
    drop(store);
    let dropped = |volume, verify| {
        let mut options = options(1);
        options.verify = verify;
        ranges(&resume(volume, Path::new("file"), options).1.dropped)
    };
    for block in 0..7 {
        let bad = [block * BLOCK..(block + 1) * BLOCK];
        assert_eq!(dropped(rotten(&volume, block), Verify::Trust), []);
        assert_eq!(dropped(rotten(&volume, block), Verify::Sample(7)), bad);
        assert_eq!(dropped(rotten(&volume, block), Verify::Full), bad);
        let latest = dropped(rotten(&volume, block), Verify::Sample(0));
        assert_eq!(latest, if block < 5 { &[][..] } else { &bad });
    }
    let two = MemoryVolume::new();
    volume.paths().into_iter().for_each(|path| two.write(path.clone(), volume.read(path).unwrap()));
    let mut part = two.read("file.part").unwrap();
    part[0] ^= 1;
    two.write("file.part", part);
    let both = dropped(rotten(&two, 6), Verify::Sample(0));
    assert_eq!(both, [0..BLOCK, 6 * BLOCK..7 * BLOCK], "one bad block, and all are looked at");
}

#[test]
fn a_shorter_part_keeps_the_whole_blocks_that_it_has() {
    let (_dir, target) = half_done();
    fs::File::options().write(true).open(target.with_extension("part")).unwrap().set_len(2 * BLOCK + 100).unwrap();
    let (store, recovered) = resume(os(), &target, options(1));
    assert_eq!(ranges(&recovered.have), [0..2 * BLOCK]);
    assert_eq!(ranges(&recovered.dropped), [2 * BLOCK..2 * BLOCK + 2048, 4 * BLOCK..4 * BLOCK + 10]);
    finish(store, 1, &target);
    assert_eq!(fs::read(&target).unwrap(), content(1, 0..LEN));
}

#[test]
fn a_part_or_a_journal_that_is_no_regular_file_is_named_and_left_alone() {
    let (dir, target) = half_done();
    let part = target.with_extension("part");
    let elsewhere = dir.path().join("elsewhere");
    fs::rename(&part, &elsewhere).unwrap();
    let kind = |result| match result {
        Err(StoreError::NotRegular { kind, .. }) => kind,
        other => panic!("{other:?}"),
    };
    fs::create_dir(&part).unwrap();
    assert_eq!(kind(open(&target)), FileKind::Directory);
    fs::remove_dir(&part).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &part).unwrap();
    assert_eq!(kind(open(&target)), FileKind::Symlink);
    fs::remove_file(&part).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &part, fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR, 0).unwrap();
    assert_eq!(kind(open(&target)), FileKind::Other);
    fs::remove_file(&part).unwrap();
    fs::rename(&elsewhere, &part).unwrap();
    let (_, recovered) = resume(os(), &target, options(1));
    assert_eq!(recovered.have.total(), 2 * BLOCK + 2048 + 10);

    let journal = target.with_extension("part.sfj");
    fs::rename(&journal, &elsewhere).unwrap();
    fs::create_dir(&journal).unwrap();
    assert_eq!(kind(open(&target)), FileKind::Directory);
    fs::remove_dir(&journal).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &journal).unwrap();
    assert_eq!(kind(open(&target)), FileKind::Symlink);
}

#[test]
fn a_missing_part_a_missing_journal_and_a_damaged_one_are_reported_or_started_over_as_asked() {
    type Damage = fn(&Path);
    let damages: [Damage; 3] = [
        |target| fs::remove_file(target.with_extension("part")).unwrap(),
        |target| fs::remove_file(target.with_extension("part.sfj")).unwrap(),
        |target| fs::write(target.with_extension("part.sfj"), [0; 500]).unwrap(),
    ];
    let is_right: [fn(&StoreError) -> bool; 3] = [
        |error| matches!(error, StoreError::PartMissing { .. }),
        |error| matches!(error, StoreError::OrphanPart { .. }),
        |error| matches!(error, StoreError::CheckpointCorrupt { .. }),
    ];
    for (damage, is_right) in damages.into_iter().zip(is_right) {
        let (_dir, target) = half_done();
        damage(&target);
        let error = open(&target).unwrap_err();
        assert!(is_right(&error), "{error}");
        let error = open(&target).unwrap_err();
        assert!(is_right(&error), "and nothing was changed by looking: {error}");
        let Opened::Fresh(fresh) = JobStore::open(os(), &target, forgiving(2)).unwrap() else { panic!("not fresh") };
        assert!(is_right(fresh.given_up().unwrap()));
        let store = fresh.begin(identity(2, Some(LEN))).unwrap();
        assert_eq!(store.have(), &RangeSet::new());
        finish(store, 2, &target);
        assert_eq!(fs::read(&target).unwrap(), content(2, 0..LEN));
    }
}

#[test]
fn a_job_whose_files_are_taken_away_stops_at_the_next_checkpoint() {
    for extension in ["part", "part.sfj"] {
        let (_dir, target) = half_done();
        let (mut store, _) = resume(os(), &target, options(1));
        write(&store, 1, BLOCK * 3..BLOCK * 4).unwrap();
        let path = target.with_extension(extension);
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(matches!(store.checkpoint(), Err(StoreError::Displaced { .. })));
        fs::write(&path, bytes).unwrap();
        assert!(matches!(store.checkpoint(), Err(StoreError::Displaced { .. })), "a copy is another file");
    }
}

#[test]
fn a_journal_that_is_longer_than_any_is_not_read() {
    let (_dir, target) = half_done();
    let journal = fs::File::options().write(true).open(target.with_extension("part.sfj")).unwrap();
    journal.set_len((1 << 30) + 1).unwrap();
    let long = CorruptJournal::Long((1 << 30) + 1);
    assert!(matches!(open(&target), Err(StoreError::CheckpointCorrupt { reason, .. }) if reason == long));
}

#[test]
fn a_journal_that_changed_under_the_store_is_noticed_when_it_is_read_again() {
    let (_dir, target) = half_done();
    let (mut store, _) = resume(os(), &target, options(1));
    let journal = fs::File::options().write(true).open(target.with_extension("part.sfj")).unwrap();
    // The kind of the second record, which claims everything.
    let second = fs::read(target.with_extension("part.sfj")).unwrap()[128];
    journal.write_all_at(&[0xff], 128 + u64::from(second) + 8 + 4).unwrap();
    let noticed = store.update_identity(identity(1, Some(LEN)).with_policy(1));
    assert!(matches!(noticed, Err(StoreError::CheckpointCorrupt { .. })));
}
