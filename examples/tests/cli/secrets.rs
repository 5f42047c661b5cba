//! A password is in no output, no event, no error and no file.

use std::path::Path;

use ftp_proto::testing::Server;
use rustix::process::Signal;

use crate::support::{Ended, Running, end, run, segfetch, server};

const SECRET: &str = "hunter2-zyzzyva";

fn private(len: u64) -> Server {
    server(len).no_anonymous().account("anna", SECRET).start().unwrap()
}

fn assert_no_secret(ended: &Ended, dir: &Path) {
    let has = |bytes: &[u8]| bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
    assert!(!has(ended.stderr.as_bytes()), "{}", ended.stderr);
    assert!(!has(&ended.stdout), "{}", String::from_utf8_lossy(&ended.stdout));
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        assert!(
            !has(path.as_os_str().as_encoded_bytes()) && !has(&std::fs::read(&path).unwrap()),
            "{}",
            path.display()
        );
    }
}

#[tokio::test]
async fn success_and_every_kind_of_failure_keep_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = private(100_000);
    let url = |path| server.url_as("anna", SECRET, path);
    let denied = format!("ftp://bert:{SECRET}@{}/f", server.addr());
    let refused = format!("ftp://anna:{SECRET}@127.0.0.1:1/f");
    for (args, code) in [
        (vec!["-v".to_owned(), url("/f")], 0),
        (vec!["--json".into(), "--overwrite".into(), url("/f")], 0),
        (vec![url("/none")], 4),
        (vec!["--json".into(), denied.clone()], 4),
        (vec![denied], 4),
        (vec!["--patience".into(), "1s".into(), "-v".into(), "-o".into(), "g".into(), refused], 3),
        (vec![url("/")], 2),
        (vec![format!("ftp://anna:{SECRET}@h/%zz")], 2),
        (vec![format!("ftp://anna:{SECRET}@h/%zz"), url("/f")], 2),
        (vec![format!("ftp://anna:{SECRET}@host:port/f")], 2),
        (vec![format!("ftp://anna:{SECRET}%00@h/f")], 2),
        (vec![format!("mms://anna:{SECRET}@h:port/f")], 2),
        (vec![format!("rtsp://anna:{SECRET}@h/f")], 2),
        (vec![format!("nothing://anna:{SECRET}@h/f")], 2),
        (vec![format!("anna:{SECRET}@h/f")], 2),
        (vec!["-n".into(), "0".into(), url("/f")], 2),
        (vec!["-o".into(), "-".into(), "--json".into(), url("/f")], 2),
        (vec![url("/f"), url("/f")], 2),
        (vec!["probe".into(), url("/f")], 0),
        (vec!["probe".into(), "--json".into(), url("/none")], 4),
    ] {
        let ended = run(dir.path(), &args).await;
        assert_no_secret(&ended, dir.path());
        ended.expect(code);
    }
}

#[tokio::test]
async fn what_a_kill_leaves_on_the_disk_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = private(24 << 20);
    server.set_rate(1 << 20);
    let mut running = Running::start(dir.path(), ["-v", &server.url_as("anna", SECRET, "/f")]);
    running.until_durable().await;
    running.signal(Signal::KILL);
    assert_no_secret(&running.ended().await, dir.path());
    assert!(dir.path().join("f.part.sfj").exists());
}

#[tokio::test]
async fn the_environment_gives_it_to_a_url_with_a_user_and_to_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let server = private(1000);
    let with_secret = |url: &str| {
        let mut command = segfetch(dir.path(), ["--overwrite", url]);
        command.env("SEGFETCH_PASSWORD", SECRET);
        command
    };
    let ended = end(with_secret(&format!("ftp://anna@{}/f", server.addr()))).await;
    assert_no_secret(&ended, dir.path());
    ended.expect(0);
    end(with_secret(&server.url("/f"))).await.expect(4);
    let sent_in_clear = format!("PASS {SECRET}");
    let passwords =
        server.log().into_iter().filter(|event| format!("{:?}", event.kind).contains(&sent_in_clear)).count();
    assert!(passwords <= 1, "an anonymous login was sent the password");
    end(with_secret(&server.url_as("anna", "other", "/f"))).await.expect(4);
}

#[tokio::test]
async fn the_environment_gives_it_to_one_server_only() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (private(1000), private(1000));
    let mut command =
        segfetch(dir.path(), [format!("ftp://anna@{}/f", here.addr()), format!("ftp://anna@{}/g", there.addr())]);
    command.env("SEGFETCH_PASSWORD", SECRET);
    end(command).await.expect(2).says("more than one server");
    assert_eq!((here.counters().connections, there.counters().connections), (0, 0));
}
