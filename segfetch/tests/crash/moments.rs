//! What others do to the files of a job, or the system refuses, between two steps of ours.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use segfetch::checkpoint::{Completed, IfExists, JobStore, Opened, StoreError, Verify};
use segfetch::sink::{Metadata, OsVolume, Rename, Volume, VolumeFile};

use crate::job::*;
use crate::store::{LEN, finish, half_done, names, open, os};

/// What is done with a name.
#[derive(Clone, Copy, Debug)]
enum Op<'a> {
    Open(&'a Path),
    Opened(&'a Path),
    Created(&'a Path),
    Look(&'a Path),
    Rename(&'a Path, &'a Path, Rename),
    Unlink(&'a Path),
}

/// The real file system, where something happens at a bad moment, or an operation fails.
struct Meddling<F> {
    moment: F,
    /// Bytes that are free, whatever the system says.
    free: Option<u64>,
}

fn meddling(moment: impl Fn(Op<'_>) -> io::Result<()> + Send + Sync + 'static) -> Arc<dyn Volume> {
    Arc::new(Meddling { moment, free: None })
}

impl<F> std::fmt::Debug for Meddling<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meddling")
    }
}

impl<F: Fn(Op<'_>) -> io::Result<()> + Send + Sync + 'static> Volume for Meddling<F> {
    fn open(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        (self.moment)(Op::Open(path))?;
        let file = OsVolume.open(path);
        (self.moment)(Op::Opened(path)).and(file)
    }
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VolumeFile>> {
        let file = OsVolume.create_new(path);
        (self.moment)(Op::Created(path)).and(file)
    }
    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        (self.moment)(Op::Look(path))?;
        OsVolume.metadata(path)
    }
    fn rename(&self, from: &Path, to: &Path, how: Rename) -> io::Result<()> {
        (self.moment)(Op::Rename(from, to, how))?;
        OsVolume.rename(from, to, how)
    }
    fn unlink(&self, path: &Path) -> io::Result<()> {
        (self.moment)(Op::Unlink(path))?;
        OsVolume.unlink(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        OsVolume.sync_dir(dir)
    }
    fn free_space(&self, dir: &Path) -> io::Result<Option<u64>> {
        self.free.map_or_else(|| OsVolume.free_space(dir), |free| Ok(Some(free)))
    }
}

fn is_part(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "part")
}

fn is_journal(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "sfj")
}

fn power_lost() -> io::Result<()> {
    Err(io::Error::other("power lost"))
}

/// There is no atomic rename that spares the target, and the power fails between the two steps that take its place.
fn links_then_fails() -> Arc<dyn Volume> {
    meddling(|op| match op {
        Op::Rename(from, to, Rename::NoReplace) => fs::hard_link(from, to).and_then(|()| power_lost()),
        _ => Ok(()),
    })
}

/// A download of which everything is there, and recorded as complete, when `volume` fails to go on.
fn complete_but_for_the_end(volume: Arc<dyn Volume>, completed: &Completed) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("file");
    let mut store = begin(volume, &target, options(1), 1, LEN);
    write_rest(&store, 1, LEN).unwrap();
    store.finish(completed).unwrap_err();
    (dir, target)
}

#[test]
fn a_part_that_has_its_name_already_and_the_old_one_still_is_finished() {
    let (dir, target) = complete_but_for_the_end(links_then_fails(), &Completed::new(LEN));
    assert_eq!(names(dir.path()), ["file", "file.part", "file.part.sfj"]);
    let Ok(Opened::Finished(finished)) = open(&target) else { panic!("not finished") };
    assert_eq!((finished.path, finished.len), (target.clone(), LEN));
    assert_eq!(names(dir.path()), ["file"]);
    assert_eq!(fs::read(&target).unwrap(), content(1, 0..LEN));
}

#[test]
fn a_file_that_took_the_name_between_the_record_and_the_rename_is_spared_until_it_may_be_replaced() {
    let (dir, target) = complete_but_for_the_end(links_then_fails(), &Completed::new(LEN));
    fs::remove_file(&target).unwrap();
    fs::write(&target, "mine").unwrap();
    assert!(matches!(open(&target), Err(StoreError::TargetExists { .. })));
    assert_eq!(fs::read(&target).unwrap(), b"mine");
    let mut unique = options(1);
    unique.if_exists = IfExists::Unique;
    let Ok(Opened::Finished(finished)) = JobStore::open(os(), &target, unique) else { panic!("not finished") };
    assert_eq!(fs::read(&finished.path).unwrap(), content(1, 0..LEN));
    assert_eq!(names(dir.path()), ["file", "file.1"]);
}

#[test]
fn a_complete_part_that_rotted_or_grew_before_it_got_its_name_does_not_get_it() {
    let no_rename = || {
        meddling(|op| match op {
            Op::Rename(_, _, Rename::NoReplace) => power_lost(),
            _ => Ok(()),
        })
    };
    let mut careful = options(2);
    careful.verify = Verify::Full;

    let (_dir, target) = complete_but_for_the_end(no_rename(), &Completed::new(LEN));
    let part = target.with_extension("part");
    let mut bytes = fs::read(&part).unwrap();
    bytes[0] ^= 1;
    fs::write(&part, bytes).unwrap();
    let (store, recovered) = resume(os(), &target, careful.clone());
    assert_eq!(ranges(&recovered.dropped), [0..BLOCK]);
    finish(store, 1, &target);
    assert_eq!(fs::read(&target).unwrap(), content(1, 0..LEN));

    let (_dir, target) = complete_but_for_the_end(no_rename(), &Completed::new(LEN));
    fs::File::options().write(true).open(target.with_extension("part")).unwrap().set_len(LEN + 1).unwrap();
    let (store, recovered) = resume(os(), &target, careful);
    assert!(recovered.dropped.is_empty());
    finish(store, 1, &target);
    assert_eq!(fs::read(&target).unwrap(), content(1, 0..LEN));
}

#[test]
fn a_file_that_has_its_name_while_its_journal_is_still_there_is_finished_if_it_is_as_long_as_it_was() {
    let no_unlink =
        || meddling(|op| if matches!(op, Op::Unlink(path) if is_journal(path)) { power_lost() } else { Ok(()) });
    for digest in [None, Some(b"sha256:ab".to_vec())] {
        let mut completed = Completed::new(LEN);
        completed.digest = digest;
        let (dir, target) = complete_but_for_the_end(no_unlink(), &completed);
        assert_eq!(names(dir.path()), ["file", "file.part.sfj"]);
        fs::write(&target, "mine").unwrap();
        assert!(matches!(open(&target), Err(StoreError::PartMissing { .. })), "another file");
        fs::write(&target, content(1, 0..LEN)).unwrap();
        let Ok(Opened::Finished(finished)) = open(&target) else { panic!("not finished") };
        assert_eq!((finished.path, finished.len, finished.digest), (target, LEN, completed.digest));
        assert_eq!(names(dir.path()), ["file"]);
    }
}

#[test]
fn a_part_that_was_moved_away_between_its_opening_and_its_locking_is_not_taken_for_the_job_s() {
    let (_dir, target) = half_done();
    let volume = meddling(|op| match op {
        Op::Opened(path) if is_part(path) => fs::rename(path, path.with_extension("elsewhere")),
        _ => Ok(()),
    });
    assert!(matches!(JobStore::open(volume, &target, options(1)), Err(StoreError::PartMissing { .. })));
}

#[test]
fn a_part_that_vanishes_between_two_looks_is_missing() {
    let (_dir, target) = half_done();
    let volume = meddling(|op| match op {
        Op::Open(path) if is_part(path) => fs::remove_file(path),
        _ => Ok(()),
    });
    assert!(matches!(JobStore::open(volume, &target, options(1)), Err(StoreError::PartMissing { .. })));
}

#[test]
fn a_part_that_was_taken_between_its_making_and_its_locking_is_the_other_one_s() {
    for other in [None, Some("another process's")] {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("file");
        let volume = meddling(move |op| match op {
            Op::Created(path) if is_part(path) => {
                fs::rename(path, path.with_extension("elsewhere"))?;
                other.map_or(Ok(()), |other| fs::write(path, other))
            }
            _ => Ok(()),
        });
        let Ok(Opened::Fresh(fresh)) = JobStore::open(volume, &target, options(1)) else { panic!("not fresh") };
        assert!(matches!(fresh.begin(identity(1, Some(LEN))), Err(StoreError::Locked { pid: None, .. })));
        assert_eq!(fs::read(target.with_extension("part")).ok(), other.map(|other| other.as_bytes().to_vec()));
    }
}

/// What the system will not tell is not taken for absent: absence has consequences.
#[test]
fn a_file_that_cannot_be_looked_at_or_opened_is_an_error_and_neither_missing_nor_replaced() {
    type IsIt = fn(Op<'_>) -> bool;
    let looks: [IsIt; 2] =
        [|op| matches!(op, Op::Look(path) if is_part(path)), |op| matches!(op, Op::Look(path) if is_journal(path))];
    let opens: [IsIt; 2] =
        [|op| matches!(op, Op::Open(path) if is_part(path)), |op| matches!(op, Op::Open(path) if is_journal(path))];
    let failing = |is_it: IsIt, now: &Arc<AtomicBool>| {
        let now = Arc::clone(now);
        meddling(move |op| if now.load(Ordering::Relaxed) && is_it(op) { power_lost() } else { Ok(()) })
    };
    for is_it in looks.into_iter().chain(opens) {
        let (_dir, target) = half_done();
        let volume = failing(is_it, &Arc::new(true.into()));
        let refused = JobStore::open(volume, &target, forgiving(1));
        assert!(matches!(refused, Err(StoreError::Io { .. })), "{refused:?}");
        resume(os(), &target, options(1));
    }
    for is_it in looks {
        let (_dir, target) = half_done();
        let now = Arc::new(AtomicBool::new(false));
        let (mut store, _) = resume(failing(is_it, &now), &target, options(1));
        now.store(true, Ordering::Relaxed);
        assert!(matches!(store.checkpoint(), Err(StoreError::Io { .. })));
        now.store(false, Ordering::Relaxed);
        finish(store, 1, &target);
    }
}

#[test]
fn a_file_that_just_fits_is_begun_and_what_does_not_fit_later_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("file");
    let mut options = options(1);
    options.preallocate = false;
    let volume = |free| Arc::new(Meddling { moment: |_: Op<'_>| Ok(()), free: Some(free) });
    let Ok(Opened::Fresh(fresh)) = JobStore::open(volume(LEN - 1), &target, options.clone()) else {
        panic!("not fresh")
    };
    let refused = fresh.begin(identity(1, Some(LEN)));
    assert!(
        matches!(refused, Err(StoreError::Full { needed: Some(LEN), available: Some(free), .. }) if free == LEN - 1)
    );

    let mut store = begin(volume(LEN), &target, options, 1, LEN);
    assert_eq!(OsVolume.metadata(store.part_path()).unwrap().allocated, 0, "no space was to be reserved");
    let longer = identity(1, Some(LEN + 1));
    assert!(matches!(store.new_epoch(longer.clone()), Err(StoreError::Full { .. })));
    assert!(matches!(store.update_identity(longer), Err(StoreError::Full { .. })));
    assert_eq!(store.identity(), &identity(1, Some(LEN)));
    finish(store, 1, &target);
    assert_eq!(fs::read(&target).unwrap(), content(1, 0..LEN));
}
