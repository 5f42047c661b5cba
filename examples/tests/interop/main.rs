//! What the command promises, shown with the built command against FTP and web servers that nobody here wrote. A server that is not installed is a failure.
//!
//! No test waits by the clock: each waits for an event of the command or for the server's log. They need root, as three of the four FTP servers
//! do, and `strace`, `unshare` and `nsenter`.

mod change;
mod command;
mod disk;
mod faults;
mod kill;
mod limits;
mod names;
mod namespace;
mod order;
mod scale;
mod scene;
mod secrets;
mod web;
mod zip;

use crate::scene::{Scene, on_every_server};

#[test]
fn a_file_of_every_server_arrives_whole_over_four_connections() {
    on_every_server(|kind| {
        let scene = Scene::with(12 << 20);
        let server = kind.serve(scene.root.path()).rate(3 << 20).start().unwrap();
        scene.run(["-n", "4", &server.url("f")]).expect(0).says("f: done: 12.00 MiB in f");
        scene.assert_only_f_and_equal();
        let log = server.wait_for("the transfers", |log| log.bytes_sent() >= 12 << 20);
        assert!(log.most_transfers_at_once() >= 2, "{kind}: {log:?}");
        assert!(log.logins_granted() <= 5, "{kind}: {log:?}");
    });
}

#[test]
fn a_file_of_every_server_comes_in_order_on_standard_output_over_four_connections() {
    on_every_server(|kind| {
        let scene = Scene::with(24 << 20);
        let server = kind.serve(scene.root.path()).rate(4 << 20).start().unwrap();
        let output = command::segfetch(scene.to(), ["-n", "4", "-o", "-", &server.url("f")]).output().unwrap();
        assert!(output.status.success(), "{kind}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout == std::fs::read(scene.root.path().join("f")).unwrap(), "{kind}");
        let log = server.wait_for("the transfers", |log| log.bytes_sent() >= 24 << 20);
        assert!(log.most_transfers_at_once() >= 3, "{kind}: {log:?}");
        assert!(log.logins_granted() <= 5, "{kind}: {log:?}");
    });
}
