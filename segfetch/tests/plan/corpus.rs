//! What the fuzz targets have found worth keeping, again.

use std::fs;
use std::path::Path;

use crate::{gate_operations, operations};

fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    // The published package has no corpus.
    let Ok(files) = fs::read_dir(&corpus) else { return };
    let inputs: Vec<_> = files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
    assert!(inputs.len() > 10, "{} has {} inputs", corpus.display(), inputs.len());
    inputs.iter().for_each(|input| run(input));
}

#[test]
fn the_planner_survives_its_corpus() {
    replay("planner", operations::run);
}

#[test]
fn the_gate_survives_its_corpus() {
    replay("planner_gate", gate_operations::run);
}
