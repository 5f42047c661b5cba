//! Servers that would like to do harm.

use ftp_proto::testing::{Fault, When};

use crate::support::{names, run, server};

#[tokio::test]
async fn what_a_server_says_reaches_the_terminal_only_in_print() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(1000).start().unwrap();
    server.fault(When::Always, Fault::Reply("PASS", "530 \u{1b}]0;owned\u{7}\u{1b}[2J no"));
    let ended = run(dir.path(), ["-v", &server.url("/f")]).await.expect(4);
    let controls: Vec<_> = ended.stderr.chars().filter(|c| c.is_control() && *c != '\n').collect();
    assert_eq!(controls, [], "{:?}", ended.stderr);
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_ignores_the_offset_never_makes_a_wrong_file() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(24 << 20).rate(1 << 20).start().unwrap();
    let url = server.url("/f");
    let mut running = crate::support::Running::start(dir.path(), [&url]);
    running.until_durable().await;
    running.signal(rustix::process::Signal::KILL);
    running.ended().await;
    server.set_rate(0);
    server.fault(When::Always, Fault::REST_IGNORED);
    let ended = run(dir.path(), [&url]).await;
    if ended.code == Some(0) {
        crate::support::assert_content(&dir.path().join("f"), 24 << 20, 1);
    } else {
        assert!(!dir.path().join("f").exists(), "{}", ended.stderr);
    }
}
