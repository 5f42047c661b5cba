//! Loss of power after every storage operation of whole downloads.

use std::path::Path;

use segfetch::checkpoint::{Completed, IfExists, JobStore, OnDamage, Opened, StoreError, StoreOptions, Verify};

use crate::check::{LEN, Reopen, TARGET, Tally, crash_everywhere};
use crate::job::*;
use crate::sim::{Image, Sim};

/// A piece of work on a store. It tells the volume what it was promised.
pub(crate) type Workload = fn(&Sim, StoreOptions) -> Result<(), StoreError>;

pub(crate) const WORKLOADS: [(&str, Workload); 7] = [
    ("download", download),
    ("compaction", compaction),
    ("change of remote", change_of_remote),
    ("length known late", length_known_late),
    ("shorter than announced", shorter_than_announced),
    ("discard", discard),
    ("restart", restart),
];

fn fresh(sim: &Sim, options: StoreOptions, version: u8, extent: Option<u64>) -> Result<JobStore, StoreError> {
    match JobStore::open(sim.volume(), Path::new(TARGET), options)? {
        Opened::Fresh(fresh) => fresh.begin(identity(version, extent)),
        other => panic!("not a fresh job: {other:?}"),
    }
}

/// A checkpoint, after which what is claimed is promised.
fn checkpoint(sim: &Sim, store: &mut JobStore) -> Result<(), StoreError> {
    store.checkpoint()?;
    let version = version_of(store.identity());
    sim.promise(|promise| promise.have = Some((version, store.have().clone())));
    Ok(())
}

fn finish(sim: &Sim, store: &mut JobStore) -> Result<(), StoreError> {
    write_rest(store, version_of(store.identity()), LEN)?;
    store.finish(&Completed::new(LEN))?;
    sim.promise(|promise| promise.finished = true);
    Ok(())
}

/// Three interleaved spans, an overlap, a piece out of order, four checkpoints.
fn download(sim: &Sim, options: StoreOptions) -> Result<(), StoreError> {
    let mut store = fresh(sim, options, 1, Some(LEN))?;
    write(&store, 1, 0..1500)?;
    write(&store, 1, 2 * BLOCK..2 * BLOCK + 700)?;
    checkpoint(sim, &mut store)?;
    write(&store, 1, 1500..BLOCK + 100)?;
    write(&store, 1, 4 * BLOCK..4 * BLOCK + 600)?;
    write(&store, 1, 2 * BLOCK + 300..3 * BLOCK)?;
    store.set_aux(b"the source's own")?;
    checkpoint(sim, &mut store)?;
    write(&store, 1, BLOCK + 2000..BLOCK + 3000)?;
    checkpoint(sim, &mut store)?;
    write(&store, 1, BLOCK + 100..BLOCK + 2000)?;
    checkpoint(sim, &mut store)?;
    finish(sim, &mut store)
}

/// The journal grows over several of its steps and is rewritten, between claims.
fn compaction(sim: &Sim, options: StoreOptions) -> Result<(), StoreError> {
    let mut store = fresh(sim, options, 1, Some(LEN))?;
    for i in 0..7 {
        write(&store, 1, i * 1000..(i + 1) * 1000)?;
        store.set_aux(&vec![i as u8 + 1; 50_000])?;
        checkpoint(sim, &mut store)?;
    }
    finish(sim, &mut store)
}

/// The file changes at the source, and later a second time; claims of the versions overlap.
fn change_of_remote(sim: &Sim, options: StoreOptions) -> Result<(), StoreError> {
    let mut store = fresh(sim, options, 1, Some(LEN))?;
    write(&store, 1, 0..2 * BLOCK)?;
    checkpoint(sim, &mut store)?;
    write(&store, 1, 2 * BLOCK..2 * BLOCK + 500)?;
    for version in [2, 1] {
        store.new_epoch(identity(version, Some(LEN)))?;
        write(&store, version, BLOCK..BLOCK + 3000)?;
        checkpoint(sim, &mut store)?;
    }
    finish(sim, &mut store)
}

fn length_known_late(sim: &Sim, options: StoreOptions) -> Result<(), StoreError> {
    let mut store = fresh(sim, options, 1, None)?;
    write(&store, 1, 0..BLOCK + 9)?;
    checkpoint(sim, &mut store)?;
    write(&store, 1, BLOCK + 9..BLOCK + 900)?;
    store.update_identity(identity(1, Some(LEN)))?;
    write(&store, 1, 3 * BLOCK..LEN)?;
    checkpoint(sim, &mut store)?;
    finish(sim, &mut store)
}

fn shorter_than_announced(sim: &Sim, options: StoreOptions) -> Result<(), StoreError> {
    let mut store = fresh(sim, options, 1, Some(LEN + 2 * BLOCK))?;
    write(&store, 1, BLOCK..LEN)?;
    checkpoint(sim, &mut store)?;
    finish(sim, &mut store)
}

fn discard(sim: &Sim, options: StoreOptions) -> Result<(), StoreError> {
    let mut store = fresh(sim, options.clone(), 1, Some(LEN))?;
    write(&store, 1, 0..BLOCK + 9)?;
    store.checkpoint()?;
    store.discard()?;
    let mut store = fresh(sim, options, 2, Some(LEN))?;
    write(&store, 2, 0..100)?;
    checkpoint(sim, &mut store)?;
    finish(sim, &mut store)
}

/// A part of another program's is given up.
fn restart(sim: &Sim, mut options: StoreOptions) -> Result<(), StoreError> {
    options.on_orphan = OnDamage::Restart;
    let part = sim.volume().create_new(Path::new("file.part")).unwrap();
    part.write_at(0, &[0xee; 9000]).unwrap();
    drop(part);
    let mut store = fresh(sim, options, 1, Some(LEN))?;
    write(&store, 1, 0..BLOCK + 9)?;
    checkpoint(sim, &mut store)?;
    finish(sim, &mut store)
}

fn run(workload: Workload, sim: Sim, options: &StoreOptions, reopen: StoreOptions, errors: bool) -> Tally {
    let sim = sim.recording();
    workload(&sim, options.clone()).unwrap();
    crash_everywhere(&sim.history(), &Reopen { options: reopen, errors })
}

#[track_caller]
fn assert_right(name: &str, tally: &Tally) {
    let Tally { moments, survivors, nested, wrong } = tally;
    println!("{name}: {moments} moments, {survivors} survivors, {nested} after a second crash");
    assert!(*moments > 10 && *survivors > 5 * *moments && *nested > 100, "{name}: {tally:?}");
    assert!(wrong.is_empty(), "{name}: {} violations, the first: {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
}

#[test]
fn no_crash_during_a_download_makes_a_false_claim_or_half_a_file() {
    assert_right("download", &run(download, Sim::new(Image::default()), &options(1), options(2), false));
}

#[test]
fn no_crash_while_the_journal_is_rewritten_loses_a_claim() {
    assert_right("compaction", &run(compaction, Sim::new(Image::default()), &options(1), options(2), false));
}

#[test]
fn no_crash_during_a_change_of_the_remote_mixes_versions() {
    assert_right("change", &run(change_of_remote, Sim::new(Image::default()), &options(1), options(2), false));
}

#[test]
fn no_crash_around_a_late_or_wrong_length_a_discard_or_a_restart_does_harm() {
    assert_right("late length", &run(length_known_late, Sim::new(Image::default()), &options(1), options(2), false));
    let shorter = run(shorter_than_announced, Sim::new(Image::default()), &options(1), options(2), false);
    assert_right("shorter than announced", &shorter);
    assert_right("discard", &run(discard, Sim::new(Image::default()), &options(1), options(2), false));
    let restart_tally = run(restart, Sim::new(Image::default()), &options(1), forgiving(2), false);
    assert_right("restart", &restart_tally);
}

#[test]
fn no_crash_loses_the_file_that_is_replaced_or_avoided() {
    for if_exists in [IfExists::Replace, IfExists::Unique] {
        let mut image = Image::default();
        image.put(Path::new(TARGET), content(0, 0..LEN));
        let mut options = options(1);
        options.if_exists = if_exists;
        assert_right("existing target", &run(download, Sim::new(image), &options, options.clone(), false));
    }
}

#[test]
fn crashes_on_a_disk_with_old_content_in_its_free_space_are_no_worse() {
    let old = old_journal(1);
    for (name, workload) in WORKLOADS {
        assert_right(
            name,
            &run(workload, Sim::new(Image::default()).recycling(&old), &options(2), forgiving(3), false),
        );
    }
}

#[test]
fn a_disk_that_lies_about_syncs_is_caught_by_the_checksums_of_blocks() {
    let mut full = forgiving(2);
    full.verify = Verify::Full;
    full.if_exists = IfExists::Replace;
    let tally = run(download, Sim::new(Image::default()).lying(), &options(1), full, true);
    let claims: Vec<_> = tally.wrong.iter().filter(|wrong| wrong.contains("are claimed")).collect();
    assert!(claims.is_empty(), "{claims:#?}");
}

/// Negative control: were a claim recorded before its bytes are synced, this is what the checks would see.
#[test]
fn the_checker_reports_a_volume_whose_sync_lies() {
    let tally = run(download, Sim::new(Image::default()).lying(), &options(1), forgiving(2), true);
    let mut kinds = ["are claimed of version", "promised", "target has"].map(|kind| (kind, 0));
    for (kind, count) in &mut kinds {
        *count = tally.wrong.iter().filter(|wrong| wrong.contains(*kind)).count();
    }
    assert!(kinds.iter().all(|&(_, count)| count > 0), "{kinds:?} in {} survivors", tally.survivors);
}

/// Negative control: two jobs with one id have the same seed for their checksums, as if there were none. Then a record of
/// the older journal, in space that the newer one was given and that was not written in time, is believed.
#[test]
fn the_checker_reports_a_journal_whose_checksums_are_not_seeded() {
    let old = old_journal(1);
    let unseeded = run(compaction, Sim::new(Image::default()).recycling(&old), &options(1), forgiving(3), true);
    assert!(unseeded.wrong.iter().any(|wrong| wrong.contains("are claimed")), "{unseeded:?}");
    let seeded = run(compaction, Sim::new(Image::default()).recycling(&old), &options(2), forgiving(3), true);
    assert!(seeded.wrong.is_empty(), "{:?}", &seeded.wrong[..1]);
}

/// The journal of an earlier job with this id, that began as [`compaction`] does and then got further at once.
fn old_journal(job: u8) -> Vec<u8> {
    let sim = Sim::new(Image::default());
    let mut store = fresh(&sim, options(job), 2, Some(LEN)).unwrap();
    for (i, end) in [1000, LEN, LEN].into_iter().enumerate() {
        write(&store, 2, 0..end).unwrap();
        store.set_aux(&vec![i as u8 + 1; 50_000]).unwrap();
        store.checkpoint().unwrap();
    }
    sim.live().read(Path::new("file.part.sfj")).unwrap().to_vec()
}
