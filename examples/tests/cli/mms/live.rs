//! Live streams, which end when they are told to. Servers send as fast as they can, and time is what the packets say.

use std::time::Duration;

use mms_proto::asf::{Header, Packet};
use mms_proto::testing::{Fault, Rate, Step, When};
use rustix::process::Signal;

use super::recorded::{Recording, live};
use super::{film, server};
use crate::support::{Running, names, run};

#[tokio::test]
async fn a_duration_ends_a_recording_as_a_file_that_players_can_seek_in() {
    let film = film(1);
    for scheme in ["mmst", "mmsh"] {
        let dir = tempfile::tempdir().unwrap();
        let server = server(&film, live());
        let url = server.url(scheme, "/f.asf");
        let done = run(dir.path(), ["--duration", "7s", "--json", &url]).await.expect(0).event("done");
        assert_eq!((done["tidied"].as_bool(), done["retries"].as_u64()), (Some(true), Some(0)));
        let path = dir.path().join("f.asf");
        let recording = Recording::at(&path, &film);
        recording.assert_tidy(done["length"].as_u64().unwrap());
        assert_eq!(path.metadata().unwrap().len(), done["length"].as_u64().unwrap());
        let last = film.packet((recording.packets as u32 - 1) % film.packets());
        let until = Packet::decode(&last).unwrap();
        assert!(until.send_time + until.duration >= Duration::from_secs(7), "{}", recording.packets);
        let before = film.packet((recording.packets as u32 - 2) % film.packets());
        let before = Packet::decode(&before).unwrap();
        assert!(before.send_time + before.duration < Duration::from_secs(7), "{}", recording.packets);
        assert_eq!(names(dir.path()), ["f.asf"]);
    }
}

#[tokio::test]
async fn a_recording_goes_on_when_the_times_of_the_broadcast_begin_anew() {
    let film = film(1);
    let dir = tempfile::tempdir().unwrap();
    let server = server(&film, live());
    let rounds = 3;
    let duration = format!("{}s", film.play_ms() * rounds / 1000);
    run(dir.path(), ["--duration", &duration, &server.url("mmst", "/f.asf")]).await.expect(0).says("players can seek");
    let recording = Recording::at(&dir.path().join("f.asf"), &film);
    assert!(recording.packets > film.packets() as usize * 2, "{}", recording.packets);
}

#[tokio::test]
async fn raw_keeps_a_recording_as_it_came() {
    let film = film(1);
    let dir = tempfile::tempdir().unwrap();
    let server = server(&film, live());
    let ended = run(dir.path(), ["--raw", "--duration", "2s", &server.url("mmsh", "/f.asf")]).await.expect(0);
    ended.says("As it came").says("a live stream");
    let recording = Recording::at(&dir.path().join("f.asf"), &film);
    assert!(recording.header.properties.broadcast && recording.packets > 0);
    assert_eq!(recording.index, b"", "it ends with the end of a packet");
}

#[tokio::test]
async fn a_recording_can_begin_at_0() {
    // Each one joins where the one before it was.
    let film = film(1);
    let dir = tempfile::tempdir().unwrap();
    let server = server(&film, live());
    let url = server.url("mmst", "/f.asf");
    run(dir.path(), ["--duration", "2s", "-o", "first", &url]).await.expect(0);
    run(dir.path(), ["--duration", "2s", "-o", "second", &url]).await.expect(0);
    run(dir.path(), ["--duration", "2s", "--rebase", "-o", "third", &url]).await.expect(0);
    let begins = |name| {
        let bytes = std::fs::read(dir.path().join(name)).unwrap();
        let header = Header::decode(&bytes).unwrap();
        assert!(!header.properties.broadcast);
        Packet::decode(&bytes[header.data_offset as usize..][..film.packet_size()]).unwrap().send_time
    };
    assert!(!begins("second").is_zero());
    assert!(begins("third").is_zero());
}

#[tokio::test]
async fn ctrl_c_and_sigterm_end_a_recording_in_good_order() {
    let film = film(1);
    for (scheme, signal) in [("mmst", Signal::INT), ("mmsh", Signal::TERM)] {
        let dir = tempfile::tempdir().unwrap();
        let server = server(&film, live().rate(Rate::Bytes(1 << 20)));
        let mut running = Running::start(dir.path(), [server.url(scheme, "/f.asf")]);
        running.until_durable().await;
        running.signal(signal);
        let done = running.ended().await.expect(0).event("done");
        Recording::at(&dir.path().join("f.asf"), &film).assert_tidy(done["length"].as_u64().unwrap());
        assert_eq!(names(dir.path()), ["f.asf"]);
    }
}

#[tokio::test]
async fn a_broadcast_that_breaks_off_leaves_a_whole_file_and_says_so() {
    let film = film(1);
    for scheme in ["mmst", "mmsh"] {
        let dir = tempfile::tempdir().unwrap();
        let server = server(&film, live());
        server.fault(When::Always, Fault::Cut { after: 50 });
        // Nobody is let in again.
        for (step, code) in [(Step::OpenFile, 0xC00D_000F), (Step::Describe, 503)] {
            server.fault(When::From(2), Fault::Refused(step, code));
        }
        let ended = run(dir.path(), ["--patience", "2s", &server.url(scheme, "/f.asf")]).await.expect(3);
        ended.says("the live stream broke off after ").says("What came until then is whole, in f.asf.");
        let path = dir.path().join("f.asf");
        let recording = Recording::at(&path, &film);
        assert_eq!(recording.packets, 50, "none is lost, and none is cut");
        recording.assert_tidy(path.metadata().unwrap().len());
        assert_eq!(names(dir.path()), ["f.asf"]);
    }
}

#[tokio::test]
async fn a_recording_that_was_killed_is_not_begun_anew_over_what_there_is() {
    let film = film(1);
    let dir = tempfile::tempdir().unwrap();
    let server = server(&film, live().rate(Rate::Bytes(1 << 20)));
    let url = server.url("mmst", "/f.asf");
    let mut running = Running::start(dir.path(), [&url]);
    running.until_durable().await;
    running.signal(Signal::KILL);
    running.ended().await;
    let before = std::fs::read(dir.path().join("f.asf.part")).unwrap();
    run(dir.path(), [&url]).await.expect(8).says("f.asf.part is of an earlier recording").says("another name with -o");
    let after = std::fs::read(dir.path().join("f.asf.part")).unwrap();
    assert!(Recording::of(&after, &film).packets > 0 && before.starts_with(&after[..after.len().min(before.len())]));
    assert_eq!(names(dir.path()), ["f.asf.part", "f.asf.part.sfj"]);
}

#[tokio::test]
async fn a_recording_goes_to_standard_output_in_whole_packets() {
    let film = film(1);
    let dir = tempfile::tempdir().unwrap();
    let server = server(&film, live());
    let ended = run(dir.path(), ["--duration", "3s", "-o", "-", &server.url("mmst", "/f.asf")]).await.expect(0);
    let recording = Recording::of(&ended.stdout, &film);
    assert!(recording.packets > 0 && recording.index.is_empty());
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_recording_that_cannot_be_made_seekable_is_kept_as_it_came() {
    let film = film(1);
    let dir = tempfile::tempdir().unwrap();
    let server = server(&film, live());
    // In the way of the file that it would become.
    std::fs::create_dir(dir.path().join("f.asf.part.tidy")).unwrap();
    let ended = run(dir.path(), ["--duration", "2s", &server.url("mmst", "/f.asf")]).await.expect(7);
    ended.says("it could not be made seekable: ").says("It is in f.asf as it came.");
    let recording = Recording::at(&dir.path().join("f.asf"), &film);
    assert!(recording.header.properties.broadcast && recording.packets > 0 && recording.index.is_empty());
}

#[tokio::test]
async fn several_recordings_end_together() {
    let film = film(1);
    let dir = tempfile::tempdir().unwrap();
    let server = server(&film, live().rate(Rate::Bytes(1 << 20)));
    server.put("/g.asf", film.clone());
    let mut running = Running::start(dir.path(), [server.url("mmst", "/f.asf"), server.url("mmsh", "/g.asf")]);
    running.until(|event| event["event"] == "checkpoint" && event["id"] == 0 && event["durable"] != 0).await;
    running.until(|event| event["event"] == "checkpoint" && event["id"] == 1 && event["durable"] != 0).await;
    running.signal(Signal::INT);
    running.ended().await.expect(0);
    for name in ["f.asf", "g.asf"] {
        let path = dir.path().join(name);
        Recording::at(&path, &film).assert_tidy(path.metadata().unwrap().len());
    }
    assert_eq!(names(dir.path()), ["f.asf", "g.asf"]);
}
