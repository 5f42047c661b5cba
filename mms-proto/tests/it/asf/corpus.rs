//! The fuzz corpora, replayed.

use std::fs;
use std::path::Path;

#[path = "../../../fuzz/asf.rs"]
mod properties;

fn replay(target: &str, least: usize, property: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files = 0;
    for entry in fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
        let data = fs::read(entry.unwrap().path()).unwrap();
        property(&data);
        // Neighbours of the corpus: each prefix of it.
        for end in 0..data.len().min(256) {
            property(&data[..end]);
        }
        files += 1;
    }
    assert!(files >= least, "{} has {files} files", directory.display());
}

#[test]
fn headers_hold_on_the_corpus() {
    replay("asf_header", 6, properties::header);
}

#[test]
fn packets_hold_on_the_corpus() {
    replay("asf_packet", 8, properties::packet);
}
