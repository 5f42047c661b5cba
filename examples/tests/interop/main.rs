//! The built command against FTP servers that nobody here wrote. A server that is not installed is a failure.

use std::process::Command;

use segfetch_testkit::files::Pattern;
use segfetch_testkit::lab::Kind;

#[test]
fn a_file_of_every_server_arrives_whole_over_four_connections() {
    for kind in Kind::ALL {
        let (root, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        segfetch_testkit::random_file(root.path().join("f"), 20 << 20, 1).unwrap();
        let server = kind.serve(root.path()).rate(5 << 20).start().unwrap();
        let status = Command::new(env!("CARGO_BIN_EXE_segfetch"))
            .current_dir(to.path())
            .args(["-n", "4", &server.url("f")])
            .status()
            .unwrap();
        assert!(status.success(), "{kind:?}: {status}");
        assert!(std::fs::read(to.path().join("f")).unwrap() == Pattern { seed: 1 }.bytes(0, 20 << 20), "{kind:?}");
        let log = server.wait_for("the transfers", |log| log.bytes_sent() >= 20 << 20);
        assert!(log.most_transfers_at_once() >= 2, "{kind:?}: {log:?}");
    }
}
