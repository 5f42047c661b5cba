//! Kills.

use rustix::process::Signal;
use segfetch_testkit::lab::Kind;

use crate::command::signal;
use crate::scene::Scene;

/// What a kill may cost beside two seconds of the rate: for each connection what was received and not written, and an overlap.
const IN_FLIGHT: u64 = 12 * (1 << 20) / 10;

#[test]
fn killed_and_started_at_once_while_its_old_slots_linger_it_waits_and_resumes_and_refetches_little() {
    const LEN: u64 = 48 << 20;
    const RATE: u64 = 3 << 20;
    let scene = Scene::with(LEN);
    let server = Kind::Vsftpd.serve(scene.root.path()).rate(RATE).max_per_ip(4).start().unwrap();
    let url = server.url("f");
    let mut running = scene.start(["-n", "4", &url]);
    let durable = running.until_durable();
    // Stopped, the server's processes notice nothing of the kill, and their slots stay taken, as behind a dead network.
    let inside = server.log().sessions.into_iter().filter(|session| session.end.is_none());
    let lingering: Vec<u32> = inside.map(|session| session.id).collect();
    assert_eq!(lingering.len(), 4, "{:?}", server.log().sessions);
    lingering.iter().for_each(|&pid| signal(pid, Signal::STOP));
    assert_eq!(running.kill().code, None);
    let mut again = scene.start(["-n", "4", &url]);
    let throttled = again.until_event("throttled");
    assert_eq!(throttled["granted"], 0, "{throttled}");
    lingering.iter().for_each(|&pid| signal(pid, Signal::CONT));
    let ended = again.ended().expect(0);
    scene.assert_only_f_and_equal();
    assert!(ended.number("done", "resumed") >= durable, "{durable}: {}", ended.stdout);
    assert_eq!(ended.number("resumed", "damaged"), 0);
    let log = server.wait_for("the transfers", |log| log.bytes_sent() >= LEN);
    let wasted = log.bytes_sent() - LEN;
    assert!(wasted <= 2 * 4 * RATE + 4 * IN_FLIGHT, "{wasted} bytes were sent twice: {:#?}", log.transfers);
}

#[test]
fn a_download_killed_again_and_again_is_equal_in_the_end_and_each_kill_costs_little() {
    const LEN: u64 = 48 << 20;
    const RATE: u64 = 2 << 20;
    let scene = Scene::with(LEN);
    let server = Kind::PureFtpd.serve(scene.root.path()).rate(RATE).start().unwrap();
    let url = server.url("f");
    let (mut kills, mut durable) = (0, 0);
    while durable < LEN / 2 {
        let now = scene.interrupted(["-n", "4", &url]);
        assert!(now > durable, "{now} bytes were durable after {kills} kills, and {durable} before");
        (kills, durable) = (kills + 1, now);
    }
    let ended = scene.start(["-n", "4", &url]).ended().expect(0);
    scene.assert_only_f_and_equal();
    assert!(ended.number("done", "resumed") >= durable);
    let log = server.wait_for("the transfers", |log| log.bytes_sent() >= LEN);
    let wasted = log.bytes_sent() - LEN;
    assert!(wasted <= kills * (2 * 4 * RATE + 4 * IN_FLIGHT), "{kills} kills, {wasted} bytes sent twice");
}
