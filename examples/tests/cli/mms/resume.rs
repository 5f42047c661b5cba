//! Kills, and films that change in between.

use mms_proto::testing::{Fault, Film, Habits, Payloads, Rate, When};
use rustix::process::Signal;

use super::{assert_served, long_film, server};
use crate::support::{Running, names, run};

const MIB: u32 = 12;

fn slow() -> Habits {
    Habits::default().rate(Rate::Bytes(1 << 20))
}

#[tokio::test]
async fn a_killed_download_goes_on_from_the_last_checkpoint() {
    for scheme in ["mmst", "mmsh"] {
        let dir = tempfile::tempdir().unwrap();
        let film = long_film(MIB, 1);
        let server = server(&film, slow());
        let url = server.url(scheme, "/f.asf");
        let mut running = Running::start(dir.path(), ["-n", "4", &url]);
        let durable = running.until_durable().await;
        running.signal(Signal::KILL);
        assert_eq!(running.ended().await.code, None);
        assert_eq!(names(dir.path()), ["f.asf.part", "f.asf.part.sfj"]);
        server.set_habits(Habits::default());
        let again = run(dir.path(), ["-n", "4", "--json", &url]).await.expect(0);
        assert!(again.event("resumed")["have"].as_u64() >= Some(durable), "{durable}: {:?}", again.events());
        assert!(again.event("done")["fetched"].as_u64() < Some(film.served().len() as u64));
        assert_served(&dir.path().join("f.asf"), &film);
        assert_eq!(names(dir.path()), ["f.asf"]);
    }
}

#[tokio::test]
async fn ctrl_c_keeps_what_has_come_and_another_way_goes_on_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let film = long_film(MIB, 1);
    let server = server(&film, slow());
    let mut running = Running::start(dir.path(), ["-n", "2", "-o", "f.asf", &server.url("mmst", "/f.asf")]);
    running.until_durable().await;
    running.signal(Signal::INT);
    let kept = running.ended().await.expect(130).event("failed")["durable"].as_u64().unwrap();
    server.set_habits(Habits::default());
    let done = run(dir.path(), ["--json", "-o", "f.asf", &server.url("mmsh", "/f.asf")]).await.expect(0).event("done");
    assert_eq!(done["resumed"].as_u64(), Some(kept));
    assert_served(&dir.path().join("f.asf"), &film);
}

#[tokio::test]
async fn a_changed_film_is_refused_with_the_old_part_kept_and_restart_fetches_the_new_one() {
    for scheme in ["mmst", "mmsh"] {
        let dir = tempfile::tempdir().unwrap();
        let server = server(&long_film(MIB, 1), slow());
        let url = server.url(scheme, "/f.asf");
        let mut running = Running::start(dir.path(), [&url]);
        running.until_durable().await;
        running.signal(Signal::KILL);
        running.ended().await;
        server.set_habits(Habits::default());
        // As long, and with the same packets, but by its id another film.
        let other = long_film(MIB, 1).with_file_id([7; 16]);
        server.put("/f.asf", other.clone());
        run(dir.path(), [&url]).await.expect(5).says("has changed").says("--on-change restart");
        assert_eq!(names(dir.path()), ["f.asf.part", "f.asf.part.sfj"]);
        run(dir.path(), ["--on-change", "restart", &url]).await.expect(0).says("fetching the new one");
        assert_served(&dir.path().join("f.asf"), &other);
    }
}

#[tokio::test]
async fn what_was_begun_with_other_streams_or_as_somebody_else_is_not_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&long_film(MIB, 1), slow());
    let url = server.url("mmst", "/f.asf");
    let mut running = Running::start(dir.path(), [&url]);
    running.until_durable().await;
    running.signal(Signal::KILL);
    running.ended().await;
    server.set_habits(Habits::default());
    run(dir.path(), ["--streams", "1", &url]).await.expect(5);
    run(dir.path(), ["--relay", &url]).await.expect(5);
    run(dir.path(), [&url]).await.expect(0);
}

#[tokio::test]
async fn broken_connections_are_replaced_and_the_film_is_right() {
    for scheme in ["mmst", "mmsh"] {
        let dir = tempfile::tempdir().unwrap();
        let film = long_film(MIB, 1);
        let server = server(&film, Habits::default().rate(Rate::Bytes(4 << 20)));
        server.fault(When::Next(3), Fault::Cut { after: 40 });
        run(dir.path(), ["-n", "4", &server.url(scheme, "/f.asf")]).await.expect(0).says("trying again");
        assert_served(&dir.path().join("f.asf"), &film);
    }
}

#[tokio::test]
async fn what_a_broken_connection_did_not_bring_is_not_taken_for_what_is_not_wanted() {
    let film = Film::builder().packets(400).packet_size(1 << 14).payloads(Payloads::Single).build();
    for scheme in ["mmst", "mmsh"] {
        let dir = tempfile::tempdir().unwrap();
        let server = server(&film, Habits::default());
        let url = server.url(scheme, "/f.asf");
        run(dir.path(), ["--streams", "2", "-o", "whole", &url]).await.expect(0);
        server.fault(When::Next(2), Fault::Cut { after: 40 });
        run(dir.path(), ["-n", "2", "--streams", "2", "-o", "cut", &url]).await.expect(0).says("trying again");
        let read = |name| std::fs::read(dir.path().join(name)).unwrap();
        assert!(read("cut") == read("whole"));
    }
}
