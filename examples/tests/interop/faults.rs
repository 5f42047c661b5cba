//! Servers that go away, fall silent, or cannot do much.

use segfetch_testkit::lab::{Fault, Kind, Server};

use crate::scene::{Scene, on_every_server};

const LEN: u64 = 16 << 20;

#[test]
fn a_server_that_goes_away_and_comes_back_is_waited_for_and_the_file_is_whole() {
    on_every_server(|kind| {
        let scene = Scene::with(LEN);
        let mut server = kind.serve(scene.root.path()).rate(1 << 20).start().unwrap();
        let mut running = scene.start(["-n", "4", "--patience", "60s", &server.url("f")]);
        let durable = running.until_durable();
        server.stop();
        // Not the broken streams, but an attempt to connect to nobody.
        running.until(|event| event["event"] == "retry" && event["phase"] == "connect");
        server.start().unwrap();
        let ended = running.ended().expect(0);
        scene.assert_only_f_and_equal();
        let fetched = ended.number("done", "fetched");
        assert!(fetched < LEN + (LEN - durable), "{kind}: {fetched} bytes for a file of {LEN}");
    });
}

#[test]
fn a_server_that_stays_away_is_given_up_with_3_and_the_next_run_goes_on() {
    on_every_server(|kind| {
        let scene = Scene::with(LEN);
        let mut server = kind.serve(scene.root.path()).rate(1 << 20).start().unwrap();
        let url = server.url("f");
        let mut running = scene.start(["-n", "4", "--patience", "2s", &url]);
        running.until_durable();
        server.stop();
        let ended = running.ended().expect(3);
        let failed = &ended.events("failed")[0];
        let (message, advice) = (failed["message"].to_string(), failed["advice"].to_string());
        assert!(message.contains("no progress for 2 s: "), "{failed}");
        assert!(advice.contains("Run the same command again to go on: "), "{failed}");
        let kept = failed["durable"].as_u64().unwrap();
        server.start().unwrap();
        let again = scene.start(["-n", "4", &url]).ended().expect(0);
        assert_eq!(again.number("done", "resumed"), kept);
        scene.assert_only_f_and_equal();
    });
}

#[test]
fn sessions_that_the_server_kills_are_replaced_and_the_file_is_whole() {
    for kind in [Kind::Vsftpd, Kind::Proftpd, Kind::PureFtpd] {
        let scene = Scene::with(LEN / 2);
        let mut server = kind.serve(scene.root.path()).rate(1 << 20).start().unwrap();
        let mut running = scene.start(["-n", "4", &server.url("f")]);
        running.until_event("progress");
        server.wait_for("four sessions", |log| log.logins_granted() >= 4);
        assert!(server.kill_sessions() >= 4);
        running.ended().expect(0);
        scene.assert_only_f_and_equal();
    }
}

#[test]
fn a_stream_that_stalls_at_99_percent_is_replaced_and_the_file_is_whole() {
    let scene = Scene::with(LEN);
    let server = Kind::Pyftpd.serve(scene.root.path()).fault(Fault::StallAfter(LEN / 100 * 99)).start().unwrap();
    let ended = scene.start(["-n", "1", &server.url("f")]).ended().expect(0);
    scene.assert_only_f_and_equal();
    assert!(ended.number("done", "retries") >= 1, "{}", ended.stdout);
    assert!(ended.number("done", "fetched") < LEN + (2 << 20), "{}", ended.stdout);
}

#[test]
fn streams_that_break_all_the_time_add_up_to_a_whole_file() {
    for fault in [Fault::DropAfter(3_000_000), Fault::KillControlAfter(3_000_000)] {
        let scene = Scene::with(LEN);
        let server = Kind::Pyftpd.serve(scene.root.path()).fault(fault).start().unwrap();
        scene.run(["-n", "2", &server.url("f")]).expect(0);
        scene.assert_only_f_and_equal();
    }
}

#[test]
fn a_short_stream_that_claims_success_never_makes_a_short_file() {
    let scene = Scene::with(LEN);
    let fault = Fault::DropCleanAfter(LEN / 2);
    let server = Kind::Pyftpd.serve(scene.root.path()).fault(fault).start().unwrap();
    let ended = scene.run(["-n", "1", "--patience", "3s", &server.url("f")]);
    match ended.code {
        Some(0) => scene.assert_only_f_and_equal(),
        _ => assert!(!scene.to().join("f").exists(), "{}", ended.stderr),
    }
}

#[test]
fn a_server_without_size_gives_the_right_file_at_once_and_after_a_kill() {
    let scene = Scene::with(LEN);
    let server = Kind::Pyftpd.serve(scene.root.path()).rate(4 << 20).without("SIZE").without("MLST").start().unwrap();
    let url = server.url("f");
    scene.interrupted(["-n", "4", &url]);
    scene.run(["-n", "4", &url]).expect(0);
    scene.assert_only_f_and_equal();
}

#[test]
fn a_server_without_rest_gives_the_right_file_at_once_and_after_a_kill() {
    let scene = Scene::with(LEN);
    let server = Kind::Pyftpd.serve(scene.root.path()).rate(4 << 20).without("REST").start().unwrap();
    let url = server.url("f");
    scene.interrupted(["-n", "4", &url]);
    scene.run(["-n", "4", &url]).expect(0);
    scene.assert_only_f_and_equal();
    // The whole file once, what the killed run had, and what attempts to start elsewhere brought before they were given up.
    let log = server.wait_for("the transfers", |log| log.bytes_sent() >= LEN);
    assert!(log.bytes_sent() <= 2 * LEN, "{:#?}", log.transfers);
}

#[test]
fn a_server_that_ignores_rest_gives_the_right_file_at_once_and_after_a_kill() {
    let scene = Scene::with(LEN);
    let server = Kind::Pyftpd.serve(scene.root.path()).rate(4 << 20).fault(Fault::RestIgnored).start().unwrap();
    let url = server.url("f");
    scene.interrupted(["-n", "4", &url]);
    scene.run(["-n", "4", &url]).expect(0);
    scene.assert_only_f_and_equal();
}

/// A server that is wrong about the length of `f` by so many bytes.
fn lying(scene: &Scene, by: i64) -> Server {
    Kind::Pyftpd.serve(scene.root.path()).without("MLST").fault(Fault::WrongSize(by)).start().unwrap()
}

#[test]
fn a_size_that_is_too_small_is_4_and_nothing_gets_the_name() {
    let scene = Scene::with(LEN / 4);
    scene.run(["-n", "2", &lying(&scene, -1000).url("f")]).expect(4).says("more bytes than it says that the file has");
    scene.assert_no_f();
}

#[test]
fn a_size_that_is_too_large_is_4_with_the_number_of_missing_bytes_and_nothing_gets_the_name() {
    let scene = Scene::with(LEN / 4);
    let server = lying(&scene, 1000);
    scene.run(["-n", "2", &server.url("f")]).expect(4).says("1000 bytes are missing");
    scene.assert_no_f();
}

#[test]
fn a_size_that_is_too_small_does_not_make_restart_go_on_for_ever() {
    let scene = Scene::with(LEN / 4);
    let server = lying(&scene, -1000);
    scene.run(["-n", "2", "--patience", "3s", "--on-change", "restart", &server.url("f")]).expect(4);
    scene.assert_no_f();
}
