//! The corpora of fuzz targets, replayed in tests.

use std::fs;
use std::path::Path;

/// Holds a property against every input of a target's corpus, and against the beginnings of each: of up to 256 bytes all of them.
///
/// `package` is the `CARGO_MANIFEST_DIR` of the crate whose `fuzz/corpus` it is.
///
/// # Panics
/// Where the property does, and if there is no corpus.
pub fn replay(package: &str, target: &str, property: fn(&[u8])) {
    let directory = Path::new(package).join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let inputs: Vec<_> = entries.map(|entry| fs::read(entry.expect("an entry").path()).expect("a file")).collect();
    assert!(!inputs.is_empty(), "{} is empty", directory.display());
    for input in inputs {
        property(&input);
        for end in 0..input.len().min(256) {
            property(&input[..end]);
        }
    }
}
