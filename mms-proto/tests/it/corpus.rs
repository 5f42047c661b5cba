//! The fuzz corpora of this crate.

pub(crate) fn replay(target: &str, property: fn(&[u8])) {
    segfetch_testkit::corpus::replay(env!("CARGO_MANIFEST_DIR"), target, property);
}
