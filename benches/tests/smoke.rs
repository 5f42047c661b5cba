//! The harness of `side_by_side` against a real server: see its `--smoke`.

use std::path::Path;
use std::process::Command;

#[test]
fn planted_clients_that_are_wrong_late_or_missing_are_reported_so() {
    // The command under test lies beside this test's own program if it was built; without it, it is one more that is missing.
    let side_by_side = env!("CARGO_BIN_EXE_side_by_side");
    let segfetch = Path::new(side_by_side).with_file_name("segfetch");
    let out = Command::new(side_by_side).arg("--smoke").arg("--segfetch").arg(segfetch).output().expect("it starts");
    let (said, errors) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{said}\n{errors}");
    assert!(said.contains("| corrupting | 0/1, **1 WRONG, exit 0** |"), "{said}");
    assert!(said.contains("| absent | missing |"), "{said}");
}
