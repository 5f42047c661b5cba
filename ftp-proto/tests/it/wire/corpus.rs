//! The fuzz corpora, replayed.

use super::properties;

fn replay(target: &str, property: fn(&[u8])) {
    segfetch_testkit::corpus::replay(env!("CARGO_MANIFEST_DIR"), target, property);
}

#[test]
fn replies_hold_on_the_corpus() {
    replay("replies", properties::replies);
}

#[test]
fn pasv_and_epsv_hold_on_the_corpus() {
    replay("pasv_epsv", properties::pasv_epsv);
}

#[test]
fn facts_hold_on_the_corpus() {
    replay("mlst", properties::mlst);
}

#[test]
fn urls_hold_on_the_corpus() {
    replay("url", properties::url);
}
