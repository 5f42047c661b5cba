//! How long a journal gets, and what is behind its end.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use segfetch::checkpoint::record::{Axis, Header, MAX_AUX_LEN, Record, Seed};
use segfetch::checkpoint::{JobStore, Run};
use segfetch::sink::MemoryVolume;

use crate::job::*;
use crate::sim::{Image, Sim};
use crate::store::{LEN, half_done, os};

/// What a record of an auxiliary blob has beside the blob.
const AROUND: usize = 9;

fn in_memory() -> (MemoryVolume, JobStore) {
    let volume = MemoryVolume::new();
    let store = begin(Arc::new(volume.clone()), Path::new("file"), options(1), 1, LEN);
    (volume, store)
}

fn journal_len(store: &mut JobStore) -> u64 {
    store.checkpoint().unwrap().journal_len
}

#[test]
fn a_checkpoint_of_nothing_new_touches_nothing() {
    let sim = Sim::new(Image::default());
    let mut store = begin(sim.volume(), Path::new("file"), options(1), 1, LEN);
    write(&store, 1, 0..10).unwrap();
    store.checkpoint().unwrap();
    let before = sim.operations();
    let done = store.checkpoint().unwrap();
    assert_eq!((done.new_bytes, done.durable_bytes, sim.operations()), (0, 10, before));
}

#[test]
fn a_journal_is_rewritten_when_it_is_longer_than_256_kib_and_not_before() {
    let (_, mut store) = in_memory();
    let rest = (256 << 10) - journal_len(&mut store) as usize - AROUND;
    store.set_aux(&vec![1; rest]).unwrap();
    assert_eq!(journal_len(&mut store), 256 << 10);
    store.set_aux(b"").unwrap();
    assert!(journal_len(&mut store) < 256);
}

#[test]
fn the_file_of_a_journal_is_filled_with_zeros_to_the_next_64_kib_before_it_is_appended_to() {
    let (volume, mut store) = in_memory();
    // Within one step, over several, to the very end of one, and on from there.
    for blob in [0, 10, 150_000, 40_000] {
        store.set_aux(&vec![0xee; blob]).unwrap();
        let end = journal_len(&mut store);
        let file = volume.read("file.part.sfj").unwrap();
        assert_eq!(file.len() as u64, end.next_multiple_of(64 << 10));
        assert!(file[end as usize..].iter().all(|&byte| byte == 0));
    }
    let end = journal_len(&mut store) as usize;
    store.set_aux(&vec![0xee; end.next_multiple_of(64 << 10) - end - AROUND]).unwrap();
    assert_eq!(journal_len(&mut store) % (64 << 10), 0);
    drop(store);
    let (mut store, recovered) = resume(Arc::new(volume.clone()), Path::new("file"), options(1));
    assert!(!recovered.damaged_tail);
    store.set_aux(b"on from there").unwrap();
    drop(store);
    let (_, recovered) = resume(Arc::new(volume), Path::new("file"), options(1));
    assert_eq!(recovered.aux.as_deref(), Some(&b"on from there"[..]));
}

/// The files of a job of this many blocks, all claimed, with a blob of the source.
fn many_blocks(blocks: u64, blob: usize) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("file");
    let len = blocks * BLOCK;
    let header = Header { job_id: [1; 16], generation: 0, block_shift: SHIFT, axis: Axis::Bytes, created: 1 };
    let mut bytes = header.encode().to_vec();
    let all = Run { start: 0, end: len, shift: SHIFT, sums: vec![7; blocks as usize] };
    let mut records = vec![Record::Identity(identity(1, Some(len))), Record::Aux(vec![3; blob])];
    records.extend(Record::durable([all]));
    for record in records {
        bytes.extend(record.encode(Seed::of(&header), bytes.len() as u64));
    }
    fs::write(target.with_extension("part.sfj"), bytes).unwrap();
    fs::File::create_new(target.with_extension("part")).unwrap().set_len(len).unwrap();
    (dir, target)
}

#[test]
fn a_long_journal_that_is_found_is_rewritten_when_it_is_four_times_as_long_as_what_it_says() {
    let (_dir, target) = many_blocks(40_000, 10_000);
    let (mut store, recovered) = resume(os(), &target, options(1));
    assert_eq!(recovered.have.total(), 40_000 * BLOCK);
    // Four bytes for each block, and the blob.
    let limit = 4 * (4 * 40_000 + 10_000);
    let rest = limit - journal_len(&mut store) as usize;
    let (whole, last) = (rest / MAX_AUX_LEN, rest % MAX_AUX_LEN);
    for blob in std::iter::repeat_n(MAX_AUX_LEN, whole).chain([last]) {
        store.set_aux(&vec![4; blob - AROUND]).unwrap();
    }
    assert_eq!(journal_len(&mut store) as usize, limit);
    store.set_aux(b"").unwrap();
    assert!((journal_len(&mut store) as usize) < 4 * 40_000 + 1000);
    drop(store);
    assert_eq!(resume(os(), &target, options(1)).1.have.total(), 40_000 * BLOCK);
}

#[test]
fn a_journal_of_the_longest_length_is_read() {
    let (_dir, target) = half_done();
    let journal = fs::File::options().write(true).open(target.with_extension("part.sfj")).unwrap();
    journal.set_len(1 << 30).unwrap();
    let (_, recovered) = resume(os(), &target, options(1));
    assert_eq!(recovered.have.total(), 2 * BLOCK + 2048 + 10);
}

/// What follows a damaged record has the right checksum for its place, and must not be read again when a later record fills
/// the place of the damaged one.
#[test]
fn records_behind_a_damaged_one_stay_given_up() {
    let (_dir, target) = half_done();
    let (mut store, _) = resume(os(), &target, options(1));
    let mut ends = Vec::new();
    for blob in [b"first ", b"second", b"third "] {
        ends.push(journal_len(&mut store));
        store.set_aux(blob).unwrap();
    }
    drop(store);
    let journal = fs::File::options().write(true).open(target.with_extension("part.sfj")).unwrap();
    journal.write_all_at(&[0xff], ends[1] + 6).unwrap();
    let (mut store, recovered) = resume(os(), &target, options(1));
    assert_eq!((recovered.aux.as_deref(), recovered.damaged_tail), (Some(&b"first "[..]), true));
    store.set_aux(b"fourth").unwrap();
    drop(store);
    let (_, recovered) = resume(os(), &target, options(1));
    assert_eq!((recovered.aux.as_deref(), recovered.damaged_tail), (Some(&b"fourth"[..]), false));
}
