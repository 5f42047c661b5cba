//! What the command exits with, and what it says then.

use mms_proto::testing::{Auth, Fault, Habits, Server, Step, When};
use rustix::process::Signal;

use super::{WAYS, assert_served, film, server};
use crate::support::{Running, end, names, run, segfetch};

const SECRET: &str = "hunter2-zyzzyva";

#[tokio::test]
async fn what_is_not_there_is_4() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&film(1), Habits::default());
    for scheme in WAYS {
        let ended = run(dir.path(), [server.url(scheme, "/none.asf")]).await.expect(4).says("Check the URL.");
        assert!(!ended.stderr.contains("login directory"), "{}", ended.stderr);
    }
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_not_for_everybody_is_4_until_somebody_has_the_password() {
    let film = film(1);
    let auth = Auth::Basic { user: "anna".into(), password: SECRET.into() };
    let server = Server::builder().film("/f.asf", film.clone()).auth(auth).start().unwrap();
    for scheme in ["mmst", "mmsh"] {
        let dir = tempfile::tempdir().unwrap();
        let url = server.url(scheme, "/f.asf");
        let with = |user: &str| url.replace("://", &format!("://{user}@"));
        run(dir.path(), [&url]).await.expect(4).says("Check user and password");
        run(dir.path(), [with("anna:wrong")]).await.expect(4).says("Check user and password");
        let mut command = segfetch(dir.path(), ["-v", &with("anna")]);
        command.env("SEGFETCH_PASSWORD", SECRET);
        let ended = end(command).await.expect(0);
        assert!(!ended.stderr.contains(SECRET), "{}", ended.stderr);
        assert_served(&dir.path().join("f.asf"), &film);
        let ended = run(dir.path(), ["--json", "-o", "g", &with(&format!("anna:{SECRET}"))]).await.expect(0);
        assert!(!String::from_utf8(ended.stdout).unwrap().contains(SECRET));
    }
}

#[tokio::test]
async fn a_full_server_is_waited_for() {
    for scheme in ["mmst", "mmsh"] {
        let dir = tempfile::tempdir().unwrap();
        let film = film(1);
        let server = server(&film, Habits::default());
        server.set_max_sessions(0);
        let url = server.url(scheme, "/f.asf");
        let mut running = Running::start(dir.path(), ["--patience", "1s", &url]);
        running.until(|event| event["event"] == "throttled").await;
        running.signal(Signal::INT);
        running.ended().await.expect(130);
        let mut running = Running::start(dir.path(), ["--patience", "1s", &url]);
        running.until(|event| event["event"] == "throttled").await;
        server.set_max_sessions(9);
        running.ended().await.expect(0);
        assert_served(&dir.path().join("f.asf"), &film);
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_is_given_up_with_3() {
    let dir = tempfile::tempdir().unwrap();
    let film = film(1);
    let server = server(&film, Habits::default());
    server.fault(When::Always, Fault::HangUp(Step::OpenFile));
    let url = server.url("mmst", "/f.asf");
    run(dir.path(), ["--patience", "1s", &url]).await.expect(3).says("no progress for 1 s");
    server.clear_faults();
    run(dir.path(), [&url]).await.expect(0);
    assert_served(&dir.path().join("f.asf"), &film);
}

#[tokio::test]
async fn options_of_media_servers_are_refused_where_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    for option in [&["--streams", "1"][..], &["--duration", "1s"], &["--raw"], &["--tidy"], &["--rebase"], &["--relay"]]
    {
        let args = option.iter().chain(&["ftp://127.0.0.1:1/f"]);
        run(dir.path(), args).await.expect(2).says(option[0]).says("for media servers");
    }
    let help = run(dir.path(), ["--help"]).await.expect(0);
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("Media servers (mms://):") && help.contains("mmsh://live.example.org"), "{help}");
}

#[tokio::test]
async fn a_film_has_its_own_end_and_no_duration_can_be_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&film(1), Habits::default());
    let url = server.url("mmst", "/f.asf");
    run(dir.path(), ["--duration", "1s", &url]).await.expect(4).says("this is no live stream");
    assert_eq!(names(dir.path()), Vec::<String>::new());
    assert_eq!(server.counters().plays, 0);
}

#[tokio::test]
async fn a_stream_that_is_not_there_is_4_and_those_that_are_there_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&film(1), Habits::default());
    let ended = run(dir.path(), ["--streams", "1,9", &server.url("mmst", "/f.asf")]).await.expect(4);
    ended.says("there is no stream 9; there are 1, 2");
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_broadcast_that_breaks_before_its_first_packet_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&film(1), Habits::default().live_from(0));
    server.fault(When::Next(2), Fault::Cut { after: 0 });
    run(dir.path(), ["--duration", "2s", &server.url("mmst", "/f.asf")]).await.expect(0).says("trying again");
}

#[tokio::test]
async fn a_target_that_exists_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&film(1), Habits::default().live_from(0));
    std::fs::write(dir.path().join("f.asf"), "mine").unwrap();
    run(dir.path(), ["--duration", "1s", &server.url("mmst", "/f.asf")]).await.expect(8).says("--overwrite");
    assert_eq!(std::fs::read(dir.path().join("f.asf")).unwrap(), b"mine");
}
