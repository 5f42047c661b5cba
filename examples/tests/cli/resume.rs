//! Kills, signals, and files that change in between.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use ftp_proto::testing::{File, Server};
use rustix::process::Signal;

use crate::support::{Running, assert_content, names, run, segfetch, server, signal_to};

const LEN: u64 = 24 << 20;

/// Slow enough that half of the file is still to come when the first checkpoint has been made.
fn slow() -> Server {
    server(LEN).rate(1 << 20).start().unwrap()
}

#[tokio::test]
async fn a_killed_download_goes_on_from_the_last_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let server = slow();
    let url = server.url("/f");
    let mut running = Running::start(dir.path(), ["-n", "4", &url]);
    let durable = running.until_durable().await;
    running.signal(Signal::KILL);
    assert_eq!(running.ended().await.code, None);
    assert_eq!(names(dir.path()), ["f.part", "f.part.sfj"]);
    server.set_rate(0);
    let again = run(dir.path(), ["-n", "4", "--json", &url]).await.expect(0);
    assert!(again.event("resumed")["have"].as_u64() >= Some(durable), "{durable}: {:?}", again.events());
    assert_eq!(again.event("resumed")["damaged"], 0);
    assert!(again.event("done")["fetched"].as_u64() < Some(LEN), "{:?}", again.events());
    assert_content(&dir.path().join("f"), LEN, 1);
    assert_eq!(names(dir.path()), ["f"]);
}

#[tokio::test]
async fn ctrl_c_keeps_all_that_has_come_and_says_how_to_go_on() {
    for (signal, code, kind) in [(Signal::INT, 130, "interrupted"), (Signal::TERM, 143, "terminated")] {
        let dir = tempfile::tempdir().unwrap();
        let server = slow();
        let url = server.url("/f");
        let mut running = Running::start(dir.path(), ["-n", "2", &url]);
        running.until_durable().await;
        running.signal(signal);
        let ended =
            running.ended().await.expect(code).says("f: stopped; ").says("Run the same command again to go on.");
        let failed = ended.event("failed");
        assert_eq!(failed["kind"], kind);
        let kept = failed["durable"].as_u64().unwrap();
        let last = ended.events().into_iter().rfind(|event| event["event"] == "progress").unwrap();
        assert_eq!(last["received"].as_u64(), Some(kept), "what had arrived was kept");
        server.set_rate(0);
        let again = run(dir.path(), ["--json", &url]).await.expect(0);
        assert_eq!(again.event("done")["resumed"].as_u64(), Some(kept));
        assert_content(&dir.path().join("f"), LEN, 1);
    }
}

#[tokio::test]
async fn the_first_ctrl_c_works_behind_a_blocked_screen_and_the_second_leaves_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = slow();
    let (_reader, mut full) = std::io::pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(&full).unwrap();
    rustix::fs::fcntl_setfl(&full, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    while full.write(&[b' '; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(&full, flags).unwrap();
    let mut command = segfetch(dir.path(), ["--json", &server.url("/f")]);
    let mut child = command.stdout(Stdio::from(full)).spawn().unwrap();
    server.wait_for(|counters| counters.data_open > 0).await;
    signal_to(&child, Signal::INT);
    server.wait_for(|counters| counters.data_open == 0).await;
    assert!(child.try_wait().unwrap().is_none(), "it cannot have ended: nobody reads what it prints");
    signal_to(&child, Signal::INT);
    assert_eq!(child.wait().await.unwrap().code(), Some(130));
}

#[tokio::test]
async fn a_changed_file_is_refused_with_the_old_part_kept_and_restart_fetches_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let server = slow();
    let url = server.url("/f");
    let mut running = Running::start(dir.path(), [&url]);
    running.until_durable().await;
    running.signal(Signal::KILL);
    running.ended().await;
    server.set_rate(0);
    server.put("/f", File::generated(LEN, 2).modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
    run(dir.path(), [&url]).await.expect(5).says("has changed").says("--on-change restart");
    assert_eq!(names(dir.path()), ["f.part", "f.part.sfj"]);
    run(dir.path(), ["--on-change", "restart", &url]).await.expect(0).says("fetching the new one from the beginning");
    assert_content(&dir.path().join("f"), LEN, 2);
    assert_eq!(names(dir.path()), ["f"]);
}

#[tokio::test]
async fn a_second_process_on_the_same_target_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = slow();
    let url = server.url("/f");
    let mut running = Running::start(dir.path(), [&url]);
    running.until_durable().await;
    server.set_rate(16 << 10); // the first one must not be done before the second one has looked
    run(dir.path(), [&url]).await.expect(7).says("f.part");
    server.set_rate(0);
    running.ended().await.expect(0);
    assert_content(&dir.path().join("f"), LEN, 1);
}
