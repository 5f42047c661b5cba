//! Media servers, and URLs, that would like to do harm.

use mms_proto::testing::{Fault, Habits, Server, When};

use super::{film, server};
use crate::support::{names, run};

fn assert_no_control(text: &str) {
    let controls: Vec<_> = text.chars().filter(|c| c.is_control() && *c != '\n').collect();
    assert_eq!(controls, [], "{text:?}");
}

#[tokio::test]
async fn a_name_that_would_leave_its_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("in")).unwrap();
    let server = server(&film(1), Habits::default());
    for path in ["%2E%2E", "..", "d/..%2F..", ".", "d%2Ff", "d/", ""] {
        for scheme in ["mmst", "mmsh"] {
            let url = server.url(scheme, "/") + path;
            run(&dir.path().join("in"), [&url]).await.expect(2).says("choose");
        }
    }
    assert_eq!((names(dir.path()), names(&dir.path().join("in"))), (vec!["in".to_owned()], Vec::new()));
    assert_eq!(server.counters().connections, 0);
}

#[tokio::test]
async fn what_a_server_says_of_itself_reaches_the_terminal_only_in_print() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&film(1), Habits::default().version("4.1\u{1b}]0;owned\u{7}\u{1b}[2J"));
    let url = server.url("mmst", "/f.asf");
    let said = String::from_utf8(run(dir.path(), ["probe", &url]).await.stdout).unwrap();
    assert_no_control(&said);
    let ended = run(dir.path(), ["-v", &url]).await;
    assert_no_control(&ended.stderr);
}

#[tokio::test]
async fn a_server_that_sends_elsewhere_chooses_neither_scheme_nor_name() {
    let film = film(1);
    let other = Server::builder().film("/d/evil\u{1b}.sh", film.clone()).start().unwrap();
    for (there, code) in [
        ("file:///etc/passwd".to_owned(), 4),
        ("rtsp://127.0.0.1:1/f\u{1b}[2J".to_owned(), 4),
        (other.url("mmst", "/d/evil.sh"), 4),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let server = server(&film, Habits::default());
        server.fault(When::Always, Fault::Redirect(there));
        let ended = run(dir.path(), ["--patience", "1s", &server.url("mmst", "/f.asf")]).await;
        assert_no_control(&ended.stderr);
        ended.expect(code);
        assert_eq!(names(dir.path()), Vec::<String>::new());
    }
    let dir = tempfile::tempdir().unwrap();
    other.put("/d/evil.sh", film.clone());
    let server = server(&film, Habits::default());
    server.fault(When::Always, Fault::Redirect(other.url("mmst", "/d/evil.sh")));
    run(dir.path(), [server.url("mmst", "/f.asf")]).await.expect(0);
    super::assert_served(&dir.path().join("f.asf"), &film);
    assert_eq!(names(dir.path()), ["f.asf"], "the name is that of the URL");
}
