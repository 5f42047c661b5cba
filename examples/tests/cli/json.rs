//! `--json`, as the built command prints it.

use ftp_proto::testing::File;
use serde_json::Value;

use crate::support::{run, server};

#[tokio::test]
async fn a_download_is_a_start_events_an_end_and_an_exit() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(3 << 20).start().unwrap();
    let ended = run(dir.path(), ["--json", &server.url("/f")]).await.expect(0);
    assert_eq!(ended.stderr, "");
    let events = ended.events();
    assert!(events.iter().all(|event| event["v"] == 1));
    let name = |event: &Value| event["event"].as_str().unwrap().to_owned();
    let names: Vec<_> = events.iter().map(name).collect();
    assert_eq!((names.first().map(String::as_str), names.last().map(String::as_str)), (Some("start"), Some("exit")));
    assert_eq!(names[names.len() - 2], "done");
    for once in ["start", "done", "exit"] {
        assert_eq!(names.iter().filter(|name| *name == once).count(), 1, "{once} in {names:?}");
    }
    assert_eq!(names[1], "probed");
    let done = ended.event("done");
    assert_eq!(done["length"], 3 << 20);
    assert_eq!((done["resumed"].as_u64(), done["path"].as_str()), (Some(0), Some("f")));
    let last = events.iter().rfind(|event| event["event"] == "progress").unwrap();
    assert_eq!((last["received"].as_u64(), last["total"].as_u64()), (Some(3 << 20), Some(3 << 20)));
    assert_eq!(ended.event("exit")["code"], 0);
}

#[tokio::test]
async fn downloads_are_told_apart_by_their_place_on_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(1000).file("/g", File::generated(2000, 2)).start().unwrap();
    let ended = run(dir.path(), ["--json", &server.url("/f"), &server.url("/none"), &server.url("/g")]).await.expect(4);
    let of = |id: u64, name: &str| {
        let mut all = ended.events().into_iter().filter(|event| event["id"] == id && event["event"] == name);
        all.next().unwrap_or(Value::Null)
    };
    assert_eq!((of(0, "done")["length"].as_u64(), of(2, "done")["length"].as_u64()), (Some(1000), Some(2000)));
    assert_eq!((of(1, "failed")["code"].as_u64(), of(1, "failed")["kind"].as_str()), (Some(4), Some("permanent")));
    assert_eq!(of(1, "done"), Value::Null);
    assert_eq!(ended.event("exit")["code"], 4);
}
