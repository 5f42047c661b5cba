//! The store in plain use, on the file system of this machine and in memory.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use segfetch::checkpoint::{Completed, IfExists, JobStore, Opened, StoreError, Verify};
use segfetch::sink::{FileKind, MemoryVolume, OsVolume, Rename, Volume};

use crate::job::*;

pub(crate) const LEN: u64 = 5 * BLOCK + 1000;

pub(crate) fn os() -> Arc<dyn Volume> {
    Arc::new(OsVolume)
}

pub(crate) fn open(target: &Path) -> Result<Opened, StoreError> {
    JobStore::open(os(), target, options(1))
}

/// Two blocks and a half, checkpointed, in a directory of its own.
pub(crate) fn half_done() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("file");
    let mut store = begin(os(), &target, options(1), 1, LEN);
    write(&store, 1, 0..2 * BLOCK + 2048).unwrap();
    write(&store, 1, 4 * BLOCK..4 * BLOCK + 10).unwrap();
    store.checkpoint().unwrap();
    (dir, target)
}

pub(crate) fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub(crate) fn finish(mut store: JobStore, version: u8, target: &Path) {
    write_rest(&store, version, LEN).unwrap();
    assert_eq!(store.finish(&Completed::new(LEN)).unwrap(), target);
}

#[test]
fn an_interrupted_download_goes_on_to_the_byte_and_gets_its_name_when_it_is_complete() {
    let (dir, target) = half_done();
    assert_eq!(names(dir.path()), ["file.part", "file.part.sfj"]);
    let (mut store, recovered) = resume(os(), &target, options(2));
    assert_eq!(ranges(&recovered.have), [0..2 * BLOCK + 2048, 4 * BLOCK..4 * BLOCK + 10]);
    assert_eq!(recovered.identity, identity(1, Some(LEN)));
    assert!(recovered.locked && !recovered.damaged_tail && recovered.dropped.is_empty());
    write_rest(&store, 1, LEN).unwrap();
    let mut completed = Completed::new(LEN);
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    completed.modified = Some(modified);
    let part = store.part();
    let epoch = part.epoch();
    assert_eq!(store.finish(&completed).unwrap(), target);
    assert!(matches!(part.write_at(epoch, 0, b"late"), Err(StoreError::StaleEpoch { .. })));
    let mut bytes = [0; 10];
    assert_eq!(part.read_of(epoch, LEN - 7, &mut bytes).unwrap(), 7, "it can still be read");
    assert_eq!(bytes[..7], *content(1, LEN - 7..LEN));
    assert_eq!(fs::read(&target).unwrap(), content(1, 0..LEN));
    assert_eq!(fs::metadata(&target).unwrap().modified().unwrap(), modified);
    assert_eq!(names(dir.path()), ["file"]);
}

#[test]
fn a_download_into_memory_runs_the_same_way() {
    let volume = MemoryVolume::new();
    let mut store = begin(Arc::new(volume.clone()), Path::new("file"), options(1), 1, LEN);
    write(&store, 1, BLOCK..LEN).unwrap();
    write(&store, 1, 0..BLOCK).unwrap();
    store.finish(&Completed::new(LEN)).unwrap();
    drop(store);
    assert_eq!(volume.paths(), [Path::new("file")]);
    assert_eq!(volume.take("file").unwrap(), content(1, 0..LEN));
}

#[test]
fn an_empty_file_and_one_of_unknown_length_end_well() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty");
    begin(os(), &empty, options(1), 1, 0).finish(&Completed::new(0)).unwrap();
    assert_eq!(fs::read(&empty).unwrap(), b"");

    let unknown = dir.path().join("unknown");
    let Opened::Fresh(fresh) = open(&unknown).unwrap() else { panic!("not fresh") };
    let mut store = fresh.begin(identity(1, None)).unwrap();
    write(&store, 1, 0..5000).unwrap();
    store.checkpoint().unwrap();
    drop(store);
    let (mut store, recovered) = resume(os(), &unknown, options(1));
    assert_eq!((ranges(&recovered.have), recovered.identity.extent), (vec![0..5000], None));
    store.update_identity(identity(1, Some(6000))).unwrap();
    assert_eq!(fs::metadata(store.part_path()).unwrap().len(), 6000);
    assert!(matches!(write(&store, 1, 5000..6001), Err(StoreError::BeyondEnd { end: 6001, extent: 6000, .. })));
    assert!(matches!(store.update_identity(identity(1, Some(4999))), Err(StoreError::BeyondEnd { .. })));
    store.update_identity(identity(1, Some(5000))).unwrap();
    store.update_identity(identity(1, Some(6000))).unwrap();
    write(&store, 1, 5000..6000).unwrap();
    store.finish(&Completed::new(6000)).unwrap();
    assert_eq!(fs::read(&unknown).unwrap(), content(1, 0..6000));
}

#[test]
fn opening_where_nothing_is_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(open(&dir.path().join("file")), Ok(Opened::Fresh(_))));
    assert!(names(dir.path()).is_empty());
    assert!(matches!(open(&dir.path().join("no/file")), Ok(Opened::Fresh(_))), "a missing directory is no news yet");
}

#[test]
fn a_second_process_is_refused_and_told_who_holds_the_lock() {
    let (_dir, target) = half_done();
    let (store, _) = resume(os(), &target, options(1));
    // The system's list of locks is read in pieces, and may miss one while others come and go.
    let told = (0..1000).any(|_| match open(&target) {
        Err(error @ StoreError::Locked { pid, .. }) => {
            pid == Some(std::process::id()) && error.to_string().contains(&std::process::id().to_string())
        }
        other => panic!("not locked: {other:?}"),
    });
    assert!(told, "the holder is never named");
    drop(store);
    resume(os(), &target, options(1));
}

#[test]
fn of_two_that_begin_at_once_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("file");
    let Ok((Opened::Fresh(first), Opened::Fresh(second))) = open(&target).and_then(|a| Ok((a, open(&target)?))) else {
        panic!("not fresh")
    };
    let store = first.begin(identity(1, Some(LEN))).unwrap();
    assert!(matches!(second.begin(identity(1, Some(LEN))), Err(StoreError::Locked { .. })));
    assert!(matches!(open(&target), Err(StoreError::Locked { .. })));
    finish(store, 1, &target);
    assert_eq!(fs::read(&target).unwrap(), content(1, 0..LEN));
}

#[test]
fn a_late_write_of_an_old_epoch_is_refused_and_its_claims_are_void() {
    let (_dir, target) = half_done();
    let (mut store, _) = resume(os(), &target, options(1));
    store.set_aux(b"of the old version").unwrap();
    let (part, old) = (store.part(), store.part().epoch());
    let epoch = store.new_epoch(identity(2, Some(LEN))).unwrap();
    assert!(matches!(part.write_at(old, 0, content(1, 0..10)), Err(StoreError::StaleEpoch { .. })));
    assert!(matches!(part.read_of(old, 0, &mut [0; 10]), Err(StoreError::StaleEpoch { .. })));
    assert_eq!((store.have().total(), part.written()), (0, 0));
    part.write_at(epoch, BLOCK, content(2, BLOCK..3 * BLOCK)).unwrap();
    let mut bytes = [0; 10];
    assert_eq!(
        (part.read_of(epoch, BLOCK, &mut bytes).unwrap(), &bytes),
        (10, content(2, BLOCK..BLOCK + 10).try_into().unwrap())
    );
    store.checkpoint().unwrap();
    drop((store, part));
    let (store, recovered) = resume(os(), &target, options(1));
    assert_eq!(version_of(&recovered.identity), 2);
    assert_eq!(ranges(&recovered.have), [BLOCK..3 * BLOCK]);
    assert_eq!((recovered.identity.epoch(), recovered.aux), (epoch, None));
    finish(store, 2, &target);
    assert_eq!(fs::read(&target).unwrap(), content(2, 0..LEN));
}

#[test]
fn a_byte_that_is_there_is_not_written_again() {
    let (_dir, target) = half_done();
    let (store, _) = resume(os(), &target, options(1));
    let part = store.part();
    assert_eq!(part.write_at(part.epoch(), BLOCK, &[0; 2 * BLOCK as usize]).unwrap(), BLOCK - 2048);
    let there = fs::read(store.part_path()).unwrap();
    assert_eq!(there[..2 * BLOCK as usize + 2048], *content(1, 0..2 * BLOCK + 2048));
    assert_eq!(there[2 * BLOCK as usize + 2048..4 * BLOCK as usize], [0; 2 * BLOCK as usize - 2048]);
}

#[test]
fn nothing_of_an_old_version_shows_where_the_new_one_has_a_hole() {
    let (_dir, target) = half_done();
    let (mut store, _) = resume(os(), &target, options(1));
    store.new_epoch(identity(2, Some(LEN))).unwrap();
    write(&store, 2, 0..BLOCK).unwrap();
    let mut completed = Completed::new(LEN);
    completed.missing.insert(BLOCK..LEN);
    store.finish(&completed).unwrap();
    let bytes = fs::read(&target).unwrap();
    assert_eq!(bytes[..BLOCK as usize], *content(2, 0..BLOCK));
    assert!(bytes[BLOCK as usize..].iter().all(|&byte| byte == 0) && bytes.len() as u64 == LEN);
}

#[test]
fn an_end_with_missing_bytes_is_refused_unless_they_are_named() {
    let (_dir, target) = half_done();
    let (mut store, _) = resume(os(), &target, options(1));
    let refused = store.finish(&Completed::new(LEN));
    assert!(
        matches!(refused, Err(StoreError::Incomplete { start, end, .. }) if (start, end) == (2 * BLOCK + 2048, 4 * BLOCK))
    );
    let mut completed = Completed::new(LEN);
    completed.missing = store.have().gaps(0..LEN).collect();
    store.finish(&completed).unwrap();
    let mut expected = content(1, 0..LEN).to_vec();
    completed.missing.iter().for_each(|gap| expected[gap.start as usize..gap.end as usize].fill(0));
    assert_eq!(fs::read(&target).unwrap(), expected);
}

#[test]
fn an_existing_target_is_reported_replaced_or_avoided_as_asked() {
    let (dir, target) = half_done();
    fs::write(&target, "mine").unwrap();
    assert!(matches!(open(&target), Err(StoreError::TargetExists { .. })), "before the download goes on");

    let mut unique = options(1);
    unique.if_exists = IfExists::Unique;
    let (mut store, _) = resume(os(), &target, unique);
    write_rest(&store, 1, LEN).unwrap();
    assert_eq!(store.finish(&Completed::new(LEN)).unwrap(), dir.path().join("file.1"));
    assert_eq!(fs::read(&target).unwrap(), b"mine");

    let mut replace = options(1);
    replace.if_exists = IfExists::Replace;
    let store = begin(os(), &target, replace, 2, LEN);
    finish(store, 2, &target);
    assert_eq!(fs::read(&target).unwrap(), content(2, 0..LEN));
    assert_eq!(fs::read(dir.path().join("file.1")).unwrap(), content(1, 0..LEN));
}

#[test]
fn a_target_that_appears_during_the_download_is_not_lost_and_neither_is_the_download() {
    let (_dir, target) = half_done();
    let (mut store, _) = resume(os(), &target, options(1));
    write_rest(&store, 1, LEN).unwrap();
    fs::write(&target, "mine").unwrap();
    assert!(matches!(store.finish(&Completed::new(LEN)), Err(StoreError::TargetExists { .. })));
    drop(store);
    assert_eq!(fs::read(&target).unwrap(), b"mine");
    fs::remove_file(&target).unwrap();
    let (mut store, recovered) = resume(os(), &target, options(1));
    assert_eq!(recovered.have.total(), LEN);
    store.finish(&Completed::new(LEN)).unwrap();
    assert_eq!(fs::read(&target).unwrap(), content(1, 0..LEN));
}

#[test]
fn a_directory_or_device_in_the_place_of_the_target_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("file");
    fs::create_dir(&target).unwrap();
    let mut replace = options(1);
    replace.if_exists = IfExists::Replace;
    let refused = JobStore::open(os(), &target, replace.clone());
    assert!(matches!(refused, Err(StoreError::NotRegular { kind: FileKind::Directory, .. })));
    let refused = JobStore::open(os(), Path::new("/dev/null"), replace);
    assert!(matches!(refused, Err(StoreError::NotRegular { kind: FileKind::Other, .. })));
}

#[test]
fn a_name_of_255_bytes_is_downloaded_and_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("n".repeat(255));
    let mut store = begin(os(), &target, options(1), 1, LEN);
    write(&store, 1, 0..BLOCK).unwrap();
    store.checkpoint().unwrap();
    drop(store);
    let (store, recovered) = resume(os(), &target, options(1));
    assert_eq!(recovered.have.total(), BLOCK);
    finish(store, 1, &target);
    assert_eq!(names(dir.path()), ["n".repeat(255)]);
}

#[test]
fn a_discarded_download_leaves_nothing() {
    let (dir, target) = half_done();
    let (store, _) = resume(os(), &target, options(1));
    store.discard().unwrap();
    assert!(names(dir.path()).is_empty());
}

#[test]
fn bytes_of_the_source_are_kept_through_runs_and_rewrites_of_the_journal() {
    let (_dir, target) = half_done();
    let (mut store, recovered) = resume(os(), &target, options(1));
    assert_eq!(recovered.aux, None);
    let mut lengths = Vec::new();
    for i in 0..40_u8 {
        store.set_aux(&vec![i; 40_000]).unwrap();
        lengths.push(store.checkpoint().unwrap().journal_len);
    }
    assert!(lengths.iter().all(|&len| len <= 256 << 10), "rewritten when it is too long: {lengths:?}");
    assert!(lengths.iter().any(|&len| len > 200 << 10), "and not sooner: {lengths:?}");
    assert!(matches!(store.set_aux(&vec![0; (256 << 10) + 1]), Err(StoreError::TooLong { .. })));
    store.set_aux(&vec![0; 256 << 10]).unwrap();
    store.set_aux(&[39; 40_000]).unwrap();
    write(&store, 1, 2 * BLOCK + 2048..3 * BLOCK).unwrap();
    store.checkpoint().unwrap();
    drop(store);
    let (_, recovered) = resume(os(), &target, options(1));
    assert_eq!(recovered.aux, Some(vec![39; 40_000]));
    assert_eq!(ranges(&recovered.have), [0..3 * BLOCK, 4 * BLOCK..4 * BLOCK + 10]);
}

#[test]
fn a_digest_that_no_record_can_hold_is_refused_before_anything_is_done() {
    let (_dir, target) = half_done();
    let (mut store, _) = resume(os(), &target, options(1));
    write_rest(&store, 1, LEN).unwrap();
    let mut completed = Completed::new(LEN);
    completed.digest = Some(vec![1; 257]);
    assert!(matches!(store.finish(&completed), Err(StoreError::TooLong { len: 257, limit: 256, .. })));
    completed.digest = Some(vec![1; 256]);
    assert_eq!(store.finish(&completed).unwrap(), target);
}

#[test]
fn a_file_that_does_not_fit_is_refused_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("file");
    let Opened::Fresh(fresh) = open(&target).unwrap() else { panic!("not fresh") };
    let Err(error) = fresh.begin(identity(1, Some(1 << 60))) else { panic!("fits") };
    assert!(matches!(error, StoreError::Full { needed: Some(_), available: Some(_), .. }), "{error}");
    assert!(names(dir.path()).is_empty());
}

#[test]
fn thousands_of_checkpoints_leave_a_short_journal_and_an_exact_claim() {
    let volume = MemoryVolume::new();
    let mut store = begin(Arc::new(volume.clone()), Path::new("file"), options(1), 1, 8 * BLOCK);
    let mut rewritten = 0;
    for at in 0..8000 {
        write(&store, 1, at..at + 1).unwrap();
        let done = store.checkpoint().unwrap();
        assert!(done.new_bytes == 1 && done.durable_bytes == at + 1 && done.journal_len <= 256 << 10);
        rewritten += u32::from(done.rewritten);
    }
    assert_eq!(rewritten, 1);
    drop(store);
    assert!(volume.read("file.part.sfj").unwrap().len() <= 64 << 10);
    let mut full = options(1);
    full.verify = Verify::Full;
    let (_, recovered) = resume(Arc::new(volume), Path::new("file"), full);
    assert_eq!(ranges(&recovered.have), [0..8000]);
}

#[test]
fn a_rename_on_the_real_file_system_spares_or_replaces_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    fs::write(&from, "new").unwrap();
    fs::write(&to, "old").unwrap();
    let refused = OsVolume.rename(&from, &to, Rename::NoReplace).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&to).unwrap(), b"old");
    OsVolume.rename(&from, &to, Rename::Replace).unwrap();
    assert_eq!(fs::read(&to).unwrap(), b"new");
    OsVolume.rename(&to, &from, Rename::NoReplace).unwrap();
    assert_eq!(names(dir.path()), ["from"]);
}

#[test]
fn reserved_space_does_not_change_the_length_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = OsVolume.create_new(&dir.path().join("file")).unwrap();
    if file.allocate(1 << 20).is_ok() {
        let metadata = file.metadata().unwrap();
        assert_eq!(metadata.len, 0);
        assert!(metadata.allocated >= 1 << 20, "{metadata:?}");
    }
}
