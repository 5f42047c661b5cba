//! Live streams that break and come back, and those that go on with something else.

use std::time::Duration;

use mms_proto::asf::Packet;
use mms_proto::testing::{Fault, Film, Rate, Step, When};
use rustix::process::Signal;
use serde_json::Value;

use super::recorded::{Recording, live};
use super::{film, server};
use crate::support::{Ended, Running, names, run};

/// Packets of each content.
const EACH: u32 = 60;

/// Another film, with packets of another length.
fn other() -> Film {
    Film::builder().packets(80).packet_size(2000).seed(2).build()
}

fn paths(ended: &Ended, event: &str) -> Vec<String> {
    let path = |event: &Value| event["path"].as_str().expect("a path").to_owned();
    ended.events().iter().filter(|it| it["event"] == event).map(path).collect()
}

/// Fails unless each is a whole recording of so many packets.
fn assert_recorded(dir: &std::path::Path, wanted: &[(&str, &Film, usize)]) {
    for (name, film, packets) in wanted {
        let path = dir.join(name);
        let recording = Recording::at(&path, film);
        assert_eq!(recording.packets, *packets, "{name}");
        recording.assert_tidy(path.metadata().unwrap().len());
    }
}

#[tokio::test]
async fn a_broadcast_that_goes_on_with_another_content_goes_on_in_another_file() {
    let (first, second) = (film(1), other());
    for scheme in ["mmst", "mmsh", "mmsu"] {
        let dir = tempfile::tempdir().unwrap();
        let server = server(&first, live().live_for(EACH).followed_by("/next.asf"));
        server.put("/next.asf", second.clone());
        let ended = run(dir.path(), ["--json", &server.url(scheme, "/f.asf")]).await.expect(0);
        assert_eq!(paths(&ended, "part"), ["f.asf"], "{scheme}");
        assert_eq!(paths(&ended, "done"), ["f.2.asf"], "{scheme}");
        let each = EACH as usize;
        assert_recorded(dir.path(), &[("f.asf", &first, each), ("f.2.asf", &second, each)]);
        assert_eq!(names(dir.path()), ["f.2.asf", "f.asf"], "{scheme}");
    }
}

#[tokio::test]
async fn it_is_said_where_the_other_content_is_and_nothing_is_written_over() {
    let (first, second) = (film(1), other());
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("f.2.asf", "mine"), ("f.asf", "to be replaced")] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let server = server(&first, live().live_for(EACH).followed_by("/next.asf"));
    server.put("/next.asf", second.clone());
    let ended = run(dir.path(), ["--overwrite", &server.url("mmst", "/f.asf")]).await.expect(0);
    ended.says("Another content followed, with a header of its own; it is in f.3.asf.");
    let each = EACH as usize;
    assert_recorded(dir.path(), &[("f.asf", &first, each), ("f.3.asf", &second, each)]);
    assert_eq!(std::fs::read_to_string(dir.path().join("f.2.asf")).unwrap(), "mine");
}

#[tokio::test]
async fn a_duration_counts_over_all_contents() {
    let (first, second) = (film(1), other());
    let last = first.packet(EACH - 1);
    let last = Packet::decode(&last).unwrap();
    let wanted = (last.send_time + last.duration).as_secs() + 1;
    let left = Duration::from_secs(wanted) - (last.send_time + last.duration);
    for scheme in ["mmst", "mmsh"] {
        let dir = tempfile::tempdir().unwrap();
        let server = server(&first, live().live_for(EACH).followed_by("/next.asf"));
        server.put("/next.asf", second.clone());
        run(dir.path(), ["--duration", &format!("{wanted}s"), &server.url(scheme, "/f.asf")]).await.expect(0);
        let recording = Recording::at(&dir.path().join("f.2.asf"), &second);
        let packet = |number: usize| second.packet((EACH as usize + number) as u32 % second.packets());
        // Times of the second content, which is joined at its 61st packet and begins anew behind the 80th.
        let (from, to) = (packet(0), packet(recording.packets - 1));
        let (from, to) = (Packet::decode(&from).unwrap(), Packet::decode(&to).unwrap());
        assert!(recording.packets < EACH as usize, "{scheme}: it has ended by itself");
        let recorded = (to.send_time + to.duration).checked_sub(from.send_time);
        assert!(recorded.is_none_or(|it| it >= left && it - to.duration < left), "{scheme}: {recorded:?}, {left:?}");
        assert_eq!(names(dir.path()), ["f.2.asf", "f.asf"], "{scheme}");
    }
}

#[tokio::test]
async fn the_same_broadcast_after_a_break_goes_on_in_the_same_file_and_the_gap_is_told() {
    let film = film(1);
    for scheme in ["mmst", "mmsh"] {
        let dir = tempfile::tempdir().unwrap();
        let server = server(&film, live().live_for(EACH));
        server.fault(When::Nth(1), Fault::Cut { after: 50 });
        let done = run(dir.path(), ["--json", &server.url(scheme, "/f.asf")]).await.expect(0).event("done");
        assert_eq!((done["gaps"].as_u64(), done["retries"].as_u64()), (Some(1), Some(0)), "{scheme}");
        assert!(done["gaps_ms"].is_u64(), "{scheme}");
        assert_recorded(dir.path(), &[("f.asf", &film, 50 + EACH as usize)]);
        assert_eq!(names(dir.path()), ["f.asf"], "{scheme}");
    }
}

#[tokio::test]
async fn another_broadcast_after_a_break_goes_into_another_file() {
    let (first, second) = (film(1), other());
    for (scheme, step, code) in [("mmst", Step::OpenFile, 0xC00D_000F), ("mmsh", Step::Describe, 503)] {
        let dir = tempfile::tempdir().unwrap();
        let server = server(&first, live().live_for(EACH));
        server.fault(When::Nth(1), Fault::Cut { after: 50 });
        // Nobody is let in again before the encoder is another one.
        server.fault(When::From(2), Fault::Refused(step, code));
        let url = server.url(scheme, "/f.asf");
        let recording = run(dir.path(), ["--json", &url]);
        let restarted = async {
            let sessions = if scheme == "mmsh" { 3 } else { 2 };
            server.wait_for(|counters| counters.connections >= sessions).await;
            server.put("/f.asf", second.clone());
            server.clear_faults();
        };
        let (ended, ()) = tokio::join!(recording, restarted);
        let ended = ended.expect(0);
        assert_eq!((paths(&ended, "part"), paths(&ended, "done")), (vec!["f.asf".into()], vec!["f.2.asf".into()]));
        assert_recorded(dir.path(), &[("f.asf", &first, 50), ("f.2.asf", &second, EACH as usize)]);
        assert_eq!(names(dir.path()), ["f.2.asf", "f.asf"], "{scheme}");
    }
}

#[tokio::test]
async fn ctrl_c_ends_the_file_that_is_being_recorded_and_the_one_before_is_whole_too() {
    let (first, second) = (film(1), other());
    let dir = tempfile::tempdir().unwrap();
    let server = server(&first, live().live_for(EACH).followed_by("/next.asf").rate(Rate::Bytes(200_000)));
    server.put("/next.asf", second.clone());
    let mut running = Running::start(dir.path(), [server.url("mmst", "/f.asf")]);
    running.until(|event| event["event"] == "part").await;
    running.signal(Signal::INT);
    let done = running.ended().await.expect(0).event("done");
    assert_eq!(done["path"], "f.2.asf");
    let path = dir.path().join("f.2.asf");
    Recording::at(&path, &second).assert_tidy(path.metadata().unwrap().len());
    assert_recorded(dir.path(), &[("f.asf", &first, EACH as usize)]);
    assert_eq!(names(dir.path()), ["f.2.asf", "f.asf"]);
}

#[tokio::test]
async fn standard_output_ends_with_the_first_content() {
    let (first, second) = (film(1), other());
    let dir = tempfile::tempdir().unwrap();
    let server = server(&first, live().live_for(EACH).followed_by("/next.asf"));
    server.put("/next.asf", second);
    let ended = run(dir.path(), ["-o", "-", &server.url("mmsh", "/f.asf")]).await.expect(0);
    let recording = Recording::of(&ended.stdout, &first);
    assert!(recording.packets == EACH as usize && recording.index.is_empty());
    ended.says("which needs another file; it was not recorded.");
}
