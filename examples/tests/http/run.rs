//! The command over HTTP: as over FTP, with other words.

use rustix::process::Signal;

use crate::command::{Running, assert_content, end, names, run, segfetch};
use crate::server::Server;
use crate::support::{MIB, content};

const LEN: u64 = 24 * MIB;

#[tokio::test]
async fn a_killed_download_goes_on_from_the_last_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(LEN, 1);
    server.script(|_, answer| answer.set_rate(1 << 20));
    let url = server.url();
    let mut running = Running::start(dir.path(), ["-n", "4", &url]);
    let durable = running.until_durable().await;
    running.signal(Signal::KILL);
    assert_eq!(running.ended().await.code, None);
    assert_eq!(names(dir.path()), ["f.part", "f.part.sfj"]);
    server.honest();
    let again = run(dir.path(), ["-n", "4", "--json", &url]).await.expect(0);
    assert!(again.event("resumed")["have"].as_u64() >= Some(durable), "{durable}: {:?}", again.events());
    assert_eq!(again.event("done")["integrity"], "validator");
    assert!(again.event("done")["fetched"].as_u64() < Some(LEN), "{:?}", again.events());
    assert_content(&dir.path().join("f"), LEN, 1);
    assert_eq!(names(dir.path()), ["f"]);
}

#[tokio::test]
async fn a_file_that_changed_after_a_kill_is_refused_and_restart_fetches_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(LEN, 1);
    server.script(|_, answer| answer.set_rate(1 << 20));
    let mut running = Running::start(dir.path(), [server.url()]);
    running.until_durable().await;
    running.signal(Signal::KILL);
    running.ended().await;
    server.honest();
    server.put(LEN, 2);
    run(dir.path(), [server.url()]).await.expect(5).says("has changed").says("--on-change restart");
    run(dir.path(), ["--on-change", "restart", &server.url()]).await.expect(0);
    assert_content(&dir.path().join("f"), LEN, 2);
}

#[tokio::test]
async fn a_target_with_the_length_and_time_of_the_remote_needs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(MIB, 1);
    run(dir.path(), [server.url()]).await.expect(0).says("f: done: 1.00 MiB in f");
    let requests = server.log().requests.len();
    run(dir.path(), [server.url()]).await.expect(0).says("f: nothing to do: f is there");
    assert_eq!(server.log().requests.len(), requests + 1, "one probe, and no stream");
}

#[tokio::test]
async fn a_stream_to_a_pipe_goes_on_after_a_cut() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(4 * MIB, 1);
    server.script(|request, answer| {
        if request.number == 2 {
            answer.then = Some((MIB, crate::server::Then::Close));
        }
    });
    let ended = run(dir.path(), ["-o", "-", &server.url()]).await.expect(0);
    assert!(ended.stdout == content(1, 4 * MIB));
    assert!(names(dir.path()).is_empty());
}

#[tokio::test]
async fn a_probe_says_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(MIB, 1);
    let ended = run(dir.path(), ["probe", &server.url()]).await.expect(0);
    let text = String::from_utf8(ended.stdout).unwrap();
    for part in [
        "1048576 bytes",
        "1994-11-06 08:49:01 UTC",
        "at any byte",
        "where it is asked to",
        "strong",
        "http://127.0.0.1",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    server.script(|_, answer| answer.set_whole(1, MIB));
    let ended = run(dir.path(), ["probe", "--json", &server.url()]).await.expect(0);
    assert_eq!(ended.event("probed")["access"], "from-start");
}

#[tokio::test]
async fn what_a_server_refuses_is_told_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(MIB, 1);
    for (status, says, advice) in [
        (401, "127.0.0.1 answers 401 Unauthorized", "SEGFETCH_PASSWORD"),
        (403, "127.0.0.1 answers 403 Forbidden", "the link has expired"),
        (404, "127.0.0.1 answers 404 Not Found", "Check the URL"),
        (410, "127.0.0.1 answers 410 Gone", "Check the URL"),
    ] {
        server.script(move |_, answer| answer.set_refusal(status));
        run(dir.path(), [server.url()]).await.expect(4).says(says).says(advice);
    }
    assert!(names(dir.path()).is_empty());
}

#[tokio::test]
async fn the_password_of_the_environment_is_sent_and_shown_nowhere() {
    const SECRET: &str = "zyz%41 zyva"; // not to be decoded
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(MIB, 1);
    server.script(|request, answer| {
        if request.headers.get("authorization").map(String::as_str) != Some("Basic YW5uYTp6eXolNDEgenl2YQ==") {
            answer.set_refusal(401);
        }
    });
    let url = server.url().replace("://", "://anna@");
    let mut command = segfetch(dir.path(), ["-v", &url]);
    let ended = end({
        command.env("SEGFETCH_PASSWORD", SECRET);
        command
    });
    let ended = ended.await.expect(0);
    assert!(!ended.stderr.contains(SECRET), "{}", ended.stderr);
    run(dir.path(), ["--overwrite", &server.url()]).await.expect(4);
    let two = server.url().replace("://", "://anna@").replace("127.0.0.1", "localhost");
    let mut command = segfetch(dir.path(), [&url, &two]);
    command.env("SEGFETCH_PASSWORD", SECRET);
    end(command).await.expect(2).says("more than one server");
}
