//! `segfetch probe`.

use mms_proto::testing::{Film, Habits};
use serde_json::json;

use super::server;
use crate::support::{names, run};

#[tokio::test]
async fn a_film_is_described_and_nothing_of_it_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let film = Film::generated(200, 7);
    let server = server(&film, Habits::default());
    for (scheme, transport) in [("mmst", "MMST"), ("mmsh", "MMSH"), ("mmsu", "MMSU")] {
        let url = server.url(scheme, "/f.asf");
        let said = String::from_utf8(run(dir.path(), ["probe", &url]).await.expect(0).stdout).unwrap();
        for part in [
            &format!("{} bytes", film.served().len()),
            "a film, from any packet on",
            &format!("  transport   {transport}"),
            "  packets     200 packets of 3200 bytes\n",
            "  plays       ",
            "  bit rate    ",
            "  stream 1    video, MJPG, 64x48",
            "  stream 2    audio, PCM, 16000 Hz, 1 channel",
            "  title       Test film 7\n",
        ] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
        let media = run(dir.path(), ["probe", "--json", &url]).await.expect(0).event("media");
        assert_eq!(
            (&media["transport"], &media["packets"], &media["packet_size"], &media["live"], &media["seekable"]),
            (&json!(transport), &json!(200), &json!(3200), &json!(false), &json!(true))
        );
        assert_eq!((&media["title"], &media["author"]), (&json!("Test film 7"), &json!(null)));
        assert_eq!(media["streams"][1]["codec"], "PCM");
    }
    run(dir.path(), ["probe", &server.url("mmst", "/none")]).await.expect(4);
    assert_eq!(server.counters().plays, 0);
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_live_stream_is_known_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&Film::generated(20, 7), Habits::default().live_from(9));
    for scheme in ["mmst", "mmsh"] {
        let url = server.url(scheme, "/f.asf");
        let said = String::from_utf8(run(dir.path(), ["probe", &url]).await.expect(0).stdout).unwrap();
        assert!(said.contains("live: it is recorded from now on") && !said.contains("plays"), "{said}");
        let ended = run(dir.path(), ["probe", "--json", &url]).await.expect(0);
        assert_eq!(
            (ended.event("probed")["length"].clone(), ended.event("media")["live"].clone()),
            (json!(null), json!(true))
        );
    }
}
