//! The fuzz corpora, replayed.

use std::fs;
use std::path::Path;

pub(crate) fn replay(target: &str, property: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files = 0;
    for entry in fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
        let data = fs::read(entry.expect("an entry").path()).expect("a file");
        property(&data);
        // Neighbours of the corpus: each prefix of it.
        for end in 0..data.len().min(256) {
            property(&data[..end]);
        }
        files += 1;
    }
    assert!(files > 0, "{} is empty", directory.display());
}
