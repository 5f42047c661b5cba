//! A file on the server that is not the one that was begun.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use segfetch_testkit::lab::{Fault, Kind, Server};

use crate::scene::{Scene, hours_ago, names, on_every_server, sha256};

const LEN: u64 = 32 << 20;
const RATE: u64 = 2 << 20;

/// A download that was killed with a part of the file on the disk.
fn begun(kind: Kind) -> (Scene, Server, String) {
    let scene = Scene::with(LEN);
    let server = kind.serve(scene.root.path()).rate(RATE).start().unwrap();
    let url = server.url("f");
    scene.interrupted(["-n", "4", &url]);
    (scene, server, url)
}

/// The next run refuses and keeps what there is; with `--on-change restart` it brings the new file.
fn assert_changed(scene: &Scene, url: &str, said: &str) {
    scene
        .run(["-n", "4", url])
        .expect(5)
        .says("f: the file on the server has changed")
        .says(said)
        .says("--on-change restart");
    scene.assert_no_f();
    scene.run(["-n", "4", "--on-change", "restart", url]).expect(0).says("fetching the new one from the beginning");
    scene.assert_only_f_and_equal();
}

#[test]
fn replaced_between_runs_by_one_of_equal_length_and_another_time_is_5_and_restart_brings_the_new_one() {
    on_every_server(|kind| {
        let (scene, _server, url) = begun(kind);
        scene.put("f", LEN, 2, hours_ago(0));
        assert_changed(&scene, &url, "its time");
    });
}

#[test]
fn replaced_between_runs_by_one_of_equal_length_and_time_is_5_by_its_bytes_and_restart_brings_the_new_one() {
    on_every_server(|kind| {
        let (scene, _server, url) = begun(kind);
        let modified = scene.root.path().join("f").metadata().unwrap().modified().unwrap();
        scene.put("f", LEN, 2, modified);
        assert_changed(&scene, &url, "arrived twice and differ");
    });
}

#[test]
fn a_shorter_or_longer_one_is_5_with_both_lengths_and_restart_brings_the_new_one() {
    for (kind, len) in [(Kind::Vsftpd, LEN - 5_000_000), (Kind::Proftpd, LEN + 3_000_000)] {
        let (scene, _server, url) = begun(kind);
        scene.put("f", len, 2, hours_ago(1));
        assert_changed(&scene, &url, &format!("it had {LEN} bytes and has {len}"));
    }
}

#[test]
fn renamed_over_during_the_run_by_one_with_another_time_is_5_and_nothing_gets_the_name() {
    on_every_server(|kind| {
        let scene = Scene::with(LEN);
        let server = kind.serve(scene.root.path()).rate(RATE).start().unwrap();
        let url = server.url("f");
        scene.prepare(LEN, 2, hours_ago(0));
        let mut running = scene.start(["-n", "4", &url]);
        running.until_durable();
        scene.swap("f");
        let ended = running.ended().expect(5);
        assert_eq!(ended.events("failed")[0]["kind"], "changed", "{}", ended.stdout);
        scene.assert_no_f();
        // What is there may be of both, so that not even the old time lets it go on.
        scene.run(["-n", "4", &url]).expect(5);
        scene.run(["-n", "4", "--on-change", "restart", &url]).expect(0);
        scene.assert_only_f_and_equal();
    });
}

#[test]
fn renamed_over_during_the_run_with_restart_brings_the_new_one_in_the_same_run() {
    let scene = Scene::with(LEN);
    let server = Kind::Vsftpd.serve(scene.root.path()).rate(RATE).start().unwrap();
    scene.prepare(LEN, 2, hours_ago(0));
    let mut running = scene.start(["-n", "4", "--on-change", "restart", &server.url("f")]);
    running.until_durable();
    scene.swap("f");
    let ended = running.ended().expect(0);
    assert_eq!(ended.events("restarted").len(), 1, "{}", ended.stdout);
    scene.assert_only_f_and_equal();
}

#[test]
fn a_file_that_changes_all_the_time_is_5_after_some_attempts_though_restart_was_asked_for() {
    let scene = Scene::with(3 << 20);
    let restless = Kind::Pyftpd.serve(scene.root.path()).rate(1 << 20).fault(Fault::Mutate(Duration::from_millis(200)));
    let server = restless.start().unwrap();
    let ended = scene.start(["-n", "1", "--on-change", "restart", &server.url("f")]).ended().expect(5);
    let restarts = ended.events("restarted").len();
    assert!((1..=5).contains(&restarts), "{restarts} restarts: {}", ended.stdout);
    scene.assert_no_f();
}

#[test]
fn renamed_over_during_the_run_by_one_of_equal_length_and_time_is_the_old_one_or_the_new_one_and_never_mixed() {
    on_every_server(|kind| {
        let scene = Scene::with(LEN);
        let mut server = kind.serve(scene.root.path()).rate(RATE).start().unwrap();
        let path = scene.root.path().join("f");
        let (old, modified) = (sha256(&path), path.metadata().unwrap().modified().unwrap());
        scene.prepare(LEN, 2, modified);
        let mut running = scene.start(["-n", "4", &server.url("f")]);
        running.until_durable();
        scene.swap("f");
        // All streams are opened again, except on pyftpdlib.
        let killed = server.kill_sessions();
        let ended = running.ended().expect(0);
        let restarted = ended.events("restarted").len();
        assert!(restarted == 1 || (restarted, killed) == (0, 0), "{kind}: {restarted} restarts: {}", ended.stdout);
        // Where a stream was opened after the change, its bytes differ from what was there, and the server says nothing of a change:
        // whichever of the two is wrong, one stream from the beginning is right.
        let right = if restarted == 0 { old } else { sha256(&path) };
        assert_eq!(sha256(&scene.to().join("f")), right, "{kind}: {restarted} restarts: {}", ended.stdout);
        assert_eq!(ended.integrity(), "unverified", "{kind}: {}", ended.stdout);
        assert_eq!(names(scene.to()), ["f"]);
    });
}

#[test]
fn a_change_that_nothing_can_tell_is_called_not_verified_and_a_checksum_finds_it() {
    for with_checksum in [false, true] {
        let (scene, _server, url) = begun(Kind::Vsftpd);
        // The first byte was on the disk before the change, and nothing but a checksum has a reason to look at it again.
        let path = scene.root.path().join("f");
        assert!(scene.journaled().claims.have().contains(0));
        let modified = path.metadata().unwrap().modified().unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.write_all_at(b"another beginning", 0).and_then(|()| file.set_modified(modified)).unwrap();
        if with_checksum {
            let digest = sha256(&path);
            let checksum = format!("sha256:{digest}");
            scene
                .run(["-n", "4", "--checksum", &checksum, &url])
                .expect(6)
                .says("the file has the wrong digest")
                .says(&digest);
            scene.assert_no_f();
        } else {
            scene.run(["-n", "4", &url]).expect(0).says("Not verified").says("--checksum");
        }
    }
}

#[test]
fn a_right_checksum_is_confirmed_and_a_wrong_one_is_6_and_nothing_gets_the_name() {
    on_every_server(|kind| {
        let scene = Scene::with(3 << 20);
        let server = kind.serve(scene.root.path()).start().unwrap();
        let (url, digest) = (server.url("f"), sha256(&scene.root.path().join("f")));
        let wrong = format!("sha256:{}", "0".repeat(64));
        scene.run(["--checksum", &wrong, &url]).expect(6).says("the file has the wrong digest").says(&digest);
        scene.assert_no_f();
        scene.run(["--checksum", &format!("sha256:{digest}"), &url]).expect(0).says("checksum right");
        scene.assert_only_f_and_equal();
    });
}

#[test]
fn a_target_that_was_fetched_before_needs_nothing_and_a_new_file_on_the_server_does_not_touch_it() {
    on_every_server(|kind| {
        let scene = Scene::with(3 << 20);
        let server = kind.serve(scene.root.path()).start().unwrap();
        let url = server.url("f");
        scene.run([&url]).expect(0);
        let fetched = server.wait_for("the download", |log| log.bytes_sent() >= 3 << 20).bytes_sent();
        scene.run([&url]).expect(0).says("f: nothing to do: f is there");
        assert_eq!(server.log().bytes_sent(), fetched);
        let old = sha256(&scene.to().join("f"));
        scene.put("f", 3 << 20, 2, hours_ago(0));
        scene.run([&url]).expect(8).says("--overwrite replaces it");
        assert_eq!(sha256(&scene.to().join("f")), old);
        scene.run(["--overwrite", &url]).expect(0);
        scene.assert_only_f_and_equal();
    });
}
