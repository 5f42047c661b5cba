//! A small download, as the tests drive it.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use segfetch::checkpoint::{Identity, JobStore, OnDamage, Opened, Recovered, StoreError, StoreOptions, Verify};
use segfetch::sink::Volume;
use segfetch::source::{Strength, Validator};

/// Blocks of 4 KiB.
pub(crate) const SHIFT: u8 = 12;
pub(crate) const BLOCK: u64 = 1 << SHIFT;

/// Four versions of the remote file, all longer than any test's. Never zero, so that a hole is never right.
static VERSIONS: LazyLock<[Vec<u8>; 4]> = LazyLock::new(|| {
    [0, 1, 2, 3].map(|version: u64| {
        let byte = |i: u64| ((i ^ version << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57) as u8 | 0x80;
        (0..8 * BLOCK).map(byte).collect()
    })
});

/// The bytes of one version of the remote file.
pub(crate) fn content(version: u8, range: Range<u64>) -> &'static [u8] {
    &VERSIONS[usize::from(version)][range.start as usize..range.end as usize]
}

pub(crate) fn identity(version: u8, extent: Option<u64>) -> Identity {
    Identity::new(format!("test://file/{version}"), Validator::new(Strength::Strong, vec![version]), extent)
}

/// The version that an identity names.
pub(crate) fn version_of(identity: &Identity) -> u8 {
    identity.validator.as_bytes()[0]
}

/// Options of tests: small blocks, nothing verified, so that a false claim is seen and not repaired.
pub(crate) fn options(job: u8) -> StoreOptions {
    let mut options = StoreOptions::new([job; 16], 1_700_000_000);
    options.block_shift = SHIFT;
    options.verify = Verify::Trust;
    options
}

/// The same, starting over where that is a choice.
pub(crate) fn forgiving(job: u8) -> StoreOptions {
    let mut options = options(job);
    options.on_damage = OnDamage::Restart;
    options.on_orphan = OnDamage::Restart;
    options
}

/// Writes bytes of a version to their place.
pub(crate) fn write(store: &JobStore, version: u8, range: Range<u64>) -> Result<u64, StoreError> {
    let part = store.part();
    part.write_at(part.epoch(), range.start, content(version, range))
}

pub(crate) fn begin(volume: Arc<dyn Volume>, target: &Path, options: StoreOptions, version: u8, len: u64) -> JobStore {
    match JobStore::open(volume, target, options).unwrap() {
        Opened::Fresh(fresh) => fresh.begin(identity(version, Some(len))).unwrap(),
        other => panic!("not a fresh job: {other:?}"),
    }
}

pub(crate) fn resume(volume: Arc<dyn Volume>, target: &Path, options: StoreOptions) -> (JobStore, Recovered) {
    match JobStore::open(volume, target, options).unwrap() {
        Opened::Resumed(store, recovered) => (store, recovered),
        other => panic!("nothing to go on from: {other:?}"),
    }
}

/// Everything that is missing of a file.
pub(crate) fn write_rest(store: &JobStore, version: u8, len: u64) -> Result<(), StoreError> {
    let gaps: Vec<_> = store.have().gaps(0..len).collect();
    gaps.into_iter().try_for_each(|gap| write(store, version, gap).map(drop))
}

pub(crate) fn ranges(set: &segfetch::range_set::RangeSet) -> Vec<Range<u64>> {
    set.iter().collect()
}
