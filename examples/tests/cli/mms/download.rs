//! Films, without accidents.

use mms_proto::asf::{Header, Packet};
use mms_proto::testing::{Film, Habits, Padding, Payloads, Rate, Server};

use super::{WAYS, assert_served, film, long_film, server};
use crate::support::{names, run};

#[tokio::test]
async fn every_way_brings_the_same_bytes() {
    let film = film(1);
    let server = server(&film, Habits::default());
    let marked = format!("{}?MSWMExt=.asf", server.url("http", "/f.asf"));
    for url in WAYS.map(|scheme| server.url(scheme, "/f.asf")).into_iter().chain([marked]) {
        let dir = tempfile::tempdir().unwrap();
        run(dir.path(), [&url]).await.expect(0).says("f.asf: done: ");
        assert_served(&dir.path().join("f.asf"), &film);
        assert_eq!(names(dir.path()), ["f.asf"], "{url}");
    }
}

#[tokio::test]
async fn a_web_url_without_the_mark_is_one_of_a_web_server() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&film(1), Habits::default());
    run(dir.path(), ["--patience", "1s", &server.url("http", "/f.asf")]).await;
    let asked_as_player = server.asked().iter().any(|(_, asked)| format!("{asked:?}").contains("NSPlayer"));
    assert!(!asked_as_player, "{:?}", server.asked());
}

#[tokio::test]
async fn eight_sessions_bring_a_film_that_is_sent_at_its_own_pace() {
    for scheme in ["mmst", "mmsh"] {
        let dir = tempfile::tempdir().unwrap();
        let film = long_film(12, 1);
        let server = server(&film, Habits::default().rate(Rate::Play(1)));
        run(dir.path(), ["-n", "8", &server.url(scheme, "/f.asf")]).await.expect(0);
        assert_served(&dir.path().join("f.asf"), &film);
        // Of eight, those that were still needed when they had been opened.
        assert!(server.counters().max_sessions > 1, "{:?}", server.counters());
    }
}

#[tokio::test]
async fn sessions_that_a_server_does_not_grant_are_done_without() {
    let dir = tempfile::tempdir().unwrap();
    let film = long_film(8, 1);
    let server = Server::builder()
        .film("/f.asf", film.clone())
        .habits(Habits::default().rate(Rate::Bytes(2 << 20)))
        .max_sessions(2)
        .start()
        .unwrap();
    run(dir.path(), ["-n", "4", &server.url("mmst", "/f.asf")]).await.expect(0).says("too many sessions");
    assert_served(&dir.path().join("f.asf"), &film);
    let counters = server.counters();
    assert!(counters.max_sessions == 2 && counters.refusals > 0, "{counters:?}");
}

#[tokio::test]
async fn a_server_that_does_not_seek_is_read_in_one_stream() {
    for scheme in ["mmst", "mmsh"] {
        let dir = tempfile::tempdir().unwrap();
        let film = long_film(3, 1);
        let habits = Habits::default().seek(mms_proto::testing::Seek::Ignored);
        let server = server(&film, habits);
        run(dir.path(), ["-n", "4", &server.url(scheme, "/f.asf")]).await.expect(0);
        assert_served(&dir.path().join("f.asf"), &film);
    }
}

#[tokio::test]
async fn what_became_of_the_padding_is_said_at_the_end() {
    let film = film(2);
    for (padding, word, said) in [
        (Padding::Kept, "full", ""),
        (Padding::Zeroed, "restored", "was put back; they are the original's"),
        (Padding::Removed, "reconstructed", "was put back; how the original counts it is not known"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let server = server(&film, Habits::default().padding(padding));
        let url = server.url("mmst", "/f.asf");
        let done = run(dir.path(), ["--json", "-o", "json", &url]).await.expect(0).event("done");
        assert_eq!((done["padding"].as_str(), done["tidied"].as_bool()), (Some(word), Some(false)));
        let ended = run(dir.path(), [&url]).await.expect(0).says(said);
        assert_eq!(ended.stderr.contains("adding"), !said.is_empty(), "{}", ended.stderr);
        if padding != Padding::Removed {
            assert_served(&dir.path().join("f.asf"), &film);
        }
    }
}

#[tokio::test]
async fn a_relay_gets_the_packets_with_their_padding() {
    for scheme in ["mmst", "mmsh"] {
        let dir = tempfile::tempdir().unwrap();
        let film = film(2);
        let server = server(&film, Habits::default().padding(Padding::Removed));
        let done = run(dir.path(), ["--relay", "--json", &server.url(scheme, "/f.asf")]).await.expect(0).event("done");
        assert_eq!(done["padding"].as_str(), Some("full"));
        assert_served(&dir.path().join("f.asf"), &film);
    }
}

#[tokio::test]
async fn tidy_adds_the_index_that_servers_do_not_send() {
    let dir = tempfile::tempdir().unwrap();
    let film = Film::generated(200, 3);
    let server = server(&film, Habits::default());
    let url = server.url("mmsh", "/f.asf");
    run(dir.path(), ["--tidy", &url]).await.expect(0).says("an index of ");
    let (file, served) = (std::fs::read(dir.path().join("f.asf")).unwrap(), film.served());
    let packets = film.header().len()..served.len();
    assert!(file[packets.clone()] == served[packets], "packets stay as they came");
    assert_eq!(file[served.len()..][..16], film.indexes()[..16]);
    let done = run(dir.path(), ["--tidy", "--json", "-o", "g", &url]).await.expect(0).event("done");
    assert_eq!((done["tidied"].as_bool(), done["length"].as_u64()), (Some(true), Some(file.len() as u64)));
    assert_eq!(names(dir.path()), ["f.asf", "g"]);
}

#[tokio::test]
async fn streams_that_are_not_wanted_are_not_asked_for() {
    for (wanted, left_out) in [("1", "Stream 2 was left out."), ("max:1", ""), ("all", "")] {
        let dir = tempfile::tempdir().unwrap();
        let server = server(&film(1), Habits::default());
        let ended = run(dir.path(), ["--streams", wanted, &server.url("mmst", "/f.asf")]).await.expect(0);
        assert_eq!(ended.stderr.contains("left out"), !left_out.is_empty(), "{}", ended.stderr);
        ended.says(left_out);
        let asked: Vec<_> = server.asked().into_iter().map(|(_, asked)| asked).collect();
        let off = asked.iter().any(|asked| format!("{asked:?}").starts_with("StreamSwitch([(1, 0), (2, 2)])"));
        assert_eq!(off, wanted == "1", "{asked:?}");
    }
}

#[tokio::test]
async fn a_film_goes_to_standard_output_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let film = long_film(6, 1);
    let server = server(&film, Habits::default());
    for scheme in ["mmst", "mmsh"] {
        let ended = run(dir.path(), ["-n", "3", "-o", "-", &server.url(scheme, "/f.asf")]).await.expect(0);
        assert!(ended.stdout == film.served(), "{scheme}");
    }
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_film_of_some_streams_is_a_whole_film_of_those() {
    let film = Film::builder().packets(400).packet_size(1 << 14).payloads(Payloads::Single).build();
    let of = |packet: &[u8]| Packet::decode(packet).unwrap().payloads().next().unwrap().unwrap().stream;
    let numbers = 0..film.packets();
    let wanted: Vec<_> = numbers.map(|number| film.packet(number)).filter(|packet| of(packet) == 1).collect();
    assert!(wanted.len() < 400 && of(&film.packet(399)) == 2, "the last one is not wanted");
    for (scheme, sessions) in [("mmst", "1"), ("mmst", "4"), ("mmsh", "4")] {
        let dir = tempfile::tempdir().unwrap();
        let server = server(&film, Habits::default());
        let url = server.url(scheme, "/f.asf");
        let ended = run(dir.path(), ["-n", sessions, "--streams", "1", &url]).await.expect(0);
        ended.says("Stream 2 was left out.").says(&format!("{} of 400 packets", 400 - wanted.len()));
        let file = std::fs::read(dir.path().join("f.asf")).unwrap();
        let header = Header::decode(&file).unwrap();
        assert_eq!(header.properties.packets, wanted.len() as u64);
        assert_eq!(header.streams[&2].bit_rate, Some(0), "players are told");
        let packets = &file[header.data_offset as usize..][..wanted.len() * film.packet_size()];
        assert!(packets == wanted.concat());
        let plays = server.counters().plays;
        assert!(plays < 40, "holes are not asked for one by one: {plays}");
        // As it came: each packet at its place.
        run(dir.path(), ["--raw", "--streams", "1", "-o", "raw", &url]).await.expect(0);
        let raw = std::fs::read(dir.path().join("raw")).unwrap();
        assert_eq!(raw.len(), film.served().len());
        let is_as_it_should = |(number, packet): (usize, &[u8])| match film.packet(number as u32) {
            packet_there if of(&packet_there) == 1 => packet == packet_there,
            _ => packet.iter().all(|byte| *byte == 0),
        };
        assert!(raw[film.header().len()..].chunks(film.packet_size()).enumerate().all(is_as_it_should));
    }
}

#[tokio::test]
async fn streams_are_not_left_out_where_packets_can_be_lost() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(&film(1), Habits::default());
    let url = server.url("mmsu", "/f.asf");
    run(dir.path(), ["--streams", "1", &url]).await.expect(4).says("use mmst:// or mmsh://");
    run(dir.path(), ["--streams", "1,2", &url]).await.expect(0);
}
