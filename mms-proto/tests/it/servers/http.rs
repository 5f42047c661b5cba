//! Requests on MMSH: how they are understood, refused and questioned, and what goes wrong with them.

use std::time::Duration;

use bytes::Bytes;
use mms_proto::testing::{
    Auth, Fault, Film, Habits, Padding, Payloads, Rate, Server, ServerBuilder, Step, Stream, When,
};
use tokio::time::timeout;

use super::chunks::{Chunk, PLAY, Wire, answered, kinds, locations};

fn film() -> Film {
    Film::builder().packets(12).build()
}

fn builder() -> ServerBuilder {
    Server::builder().film("/clip.asf", film()).habits(Habits::default().padding(Padding::Kept))
}

fn server() -> Server {
    builder().start().unwrap()
}

/// The head of an answer with nothing behind it.
fn empty(status: &str, lines: &str, connection: &str) -> String {
    let lines = format!("Server: Cougar/9.01.01.3841\r\n{lines}Content-Length: 0");
    format!("HTTP/1.0 {status}\r\n{lines}\r\nConnection: {connection}\r\n\r\n")
}

/// All that is answered on a connection of its own.
async fn told(server: &Server, lines: &[&str]) -> Vec<u8> {
    let mut wire = Wire::connect(server).await;
    wire.get(lines).await;
    wire.rest().await
}

/// The head of an answer on a connection of its own.
async fn head(server: &Server, lines: &[&str]) -> String {
    let mut wire = Wire::connect(server).await;
    wire.get(lines).await;
    wire.head().await
}

async fn is_well(server: &Server, lines: &[&str]) -> bool {
    head(server, lines).await.starts_with("HTTP/1.0 200 OK\r\n")
}

#[tokio::test]
async fn heads_have_the_lines_that_were_set() {
    let len = film().header().len() + 12;
    let (described, played) = ("application/vnd.ms.wms-hdr.asfv1", "application/x-mms-framed");
    let cougar = "Server: Cougar/9.01.01.3841\r\n";
    let of = [
        (Habits::default(), [cougar, described, played, "seekable"]),
        (Habits::default().server(Some("Rex/9.0")), ["Server: Rex/9.0\r\n", described, played, "seekable"]),
        (Habits::default().server(None), ["", described, played, "seekable"]),
        (Habits::default().content_type("video/x-ms-asf"), [cougar, "video/x-ms-asf", "video/x-ms-asf", "seekable"]),
        (Habits::default().features("seekable,stridable"), [cougar, described, played, "seekable,stridable"]),
        (Habits::default().features(""), [cougar, described, played, ""]),
        (Habits::default().live_from(1), [cougar, described, played, "broadcast,live"]),
        (Habits::default().live_from(1).features("live"), [cougar, described, played, "live"]),
    ];
    for (habits, [server_line, described, played, features]) in of {
        let server = builder().habits(habits).start().unwrap();
        for (id, lines, kind, more) in
            [(1, &[][..], described, format!("Content-Length: {len}\r\n")), (2, &[PLAY], played, String::new())]
        {
            let expected = format!(
                "HTTP/1.0 200 OK\r\n{server_line}Content-Type: {kind}\r\n\
                 Pragma: no-cache,client-id={id},features=\"{features}\",timeout=60000\r\n\
                 Cache-Control: no-cache\r\nConnection: close\r\n{more}\r\n"
            );
            assert_eq!(head(&server, lines).await, expected);
        }
        server.remove("/clip.asf");
        let gone = empty("404 Not Found", "", "close").replace(cougar, server_line);
        assert_eq!(told(&server, &[]).await, gone.as_bytes());
    }
}

#[tokio::test]
async fn a_refusal_has_the_status_and_nothing_else_is_refused() {
    for (status, line) in [
        (401, "401 Unauthorized"),
        (403, "403 Error"),
        (404, "404 Not Found"),
        (500, "500 Error"),
        (503, "503 Service Unavailable"),
    ] {
        for (step, refused, granted) in [(Step::Describe, &[][..], &[PLAY][..]), (Step::Play, &[PLAY], &[])] {
            let server = server();
            server.fault(When::Nth(1), Fault::Refused(step, status));
            assert!(is_well(&server, granted).await);
            assert_eq!(told(&server, refused).await, empty(line, "", "close").as_bytes());
            assert!(is_well(&server, refused).await);
        }
    }
}

#[tokio::test]
async fn redirects_have_their_status_and_place() {
    for (status, line) in [(301, "301 Moved Permanently"), (302, "302 Found"), (305, "305 Use Proxy")] {
        let server = server();
        server.fault(When::Next(2), Fault::HttpRedirect(status, "http://elsewhere/a%20b.asf".to_owned()));
        let expected = empty(line, "Location: http://elsewhere/a%20b.asf\r\n", "close");
        assert_eq!(told(&server, &[]).await, expected.as_bytes());
        assert_eq!(told(&server, &[PLAY]).await, expected.as_bytes());
        assert!(is_well(&server, &[]).await && is_well(&server, &[PLAY]).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_may_be_met_by_silence_by_a_hangup_or_by_any_bytes() {
    for (step, lines) in [(Step::Describe, &[][..]), (Step::Play, &[PLAY])] {
        let server = server();
        server.fault(When::Nth(1), Fault::HangUp(step));
        assert_eq!(told(&server, lines).await, b"");
        server.fault(When::Nth(1), Fault::Bytes(step, Bytes::from_static(b"ICY 200 OK\r\n")));
        assert_eq!(told(&server, lines).await, b"ICY 200 OK\r\n");
        server.fault(When::Nth(1), Fault::Silence(step));
        let mut wire = Wire::connect(&server).await;
        wire.get(lines).await;
        assert!(timeout(Duration::from_secs(86_400), wire.read(&mut [0])).await.is_err());
        assert_eq!(wire.leave().await, b"");
        assert!(is_well(&server, lines).await);
    }
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_in_a_play_does_so_after_as_many_packets_as_it_says() {
    let server = server();
    let whole = answered(&server, &[PLAY]).await;
    assert_eq!(kinds(&whole), "HDDDDDDDDDDDDE");
    let noise = Chunk::new(b'Q', b"nobody knows");
    let bytes = Bytes::from_static(b"$Q\x0C\0nobody knows");
    let of = [
        (Fault::Cut { after: 3 }, 4, None),
        (Fault::Cut { after: 12 }, 13, None),
        (Fault::HangUp(Step::Media), 1, None),
        (Fault::Between { after: 3, bytes: bytes.clone() }, 4, Some(&noise)),
        (Fault::Between { after: 12, bytes: bytes.clone() }, 13, Some(&noise)),
        (Fault::Bytes(Step::Media, bytes), 1, Some(&noise)),
    ];
    for (fault, at, between) in of {
        server.fault(When::Nth(1), fault.clone());
        let mut all = answered(&server, &[PLAY]).await;
        match between {
            Some(noise) => assert_eq!(&all.remove(at), noise, "{fault:?}"),
            None => assert_eq!(all.len(), at, "{fault:?}"),
        }
        assert_eq!(all, whole[..all.len()], "{fault:?}");
        assert_eq!(all.len() == whole.len(), between.is_some(), "{fault:?}");
        assert_eq!(answered(&server, &[PLAY]).await, whole);
    }
    for (fault, count) in [(Fault::Stall { after: 3 }, 4), (Fault::Silence(Step::Media), 1)] {
        server.fault(When::Nth(1), fault.clone());
        let mut wire = Wire::connect(&server).await;
        wire.get(&[PLAY]).await;
        wire.head().await;
        assert_eq!(wire.chunks(count).await, whole[..count], "{fault:?}");
        assert!(timeout(Duration::from_secs(86_400), wire.chunk()).await.is_err(), "{fault:?}");
        assert_eq!(wire.leave().await, b"", "{fault:?}");
        assert_eq!(answered(&server, &[PLAY]).await, whole);
    }
}

#[tokio::test]
async fn a_fault_happens_on_the_occasions_that_it_is_set_for() {
    let of = [
        (When::Nth(2), [false, true, false, false]),
        (When::Next(2), [true, true, false, false]),
        (When::From(3), [false, false, true, true]),
        (When::Always, [true; 4]),
    ];
    for (when, expected) in of {
        let server = server();
        server.fault(when, Fault::Refused(Step::Describe, 500));
        for fails in expected {
            // What is not asked does not count.
            assert!(is_well(&server, &[PLAY]).await);
            assert_eq!(is_well(&server, &[]).await, !fails, "{when:?}");
        }
        server.clear_faults();
        assert!(is_well(&server, &[]).await, "{when:?}");
    }
}

#[tokio::test]
async fn a_name_and_a_password_are_asked_for_until_they_are_right() {
    let auth = Auth::Basic { user: "lab".to_owned(), password: "a:b".to_owned() };
    let server = builder().auth(auth).start().unwrap();
    let asked = empty("401 Unauthorized", "WWW-Authenticate: Basic realm=\"films\"\r\n", "keep-alive");
    // lab:a:b
    let right = "Authorization: Basic bGFiOmE6Yg==";
    for lines in [&[][..], &[PLAY]] {
        let mut wire = Wire::connect(&server).await;
        // Nothing, lab:a, another scheme.
        for wrong in ["Accept: */*", "Authorization: Basic bGFiOmE=", "Authorization: NTLM bGFiOmE6Yg=="] {
            wire.get(&[lines, &[wrong]].concat()).await;
            assert_eq!(wire.head().await, asked, "{wrong}");
        }
        wire.get(&[lines, &[right]].concat()).await;
        assert!(wire.head().await.starts_with("HTTP/1.0 200 OK\r\n"));
        assert_eq!(head(&server, lines).await, asked, "good for one connection");
        assert!(is_well(&server, &[lines, &[right]].concat()).await);
    }
}

#[tokio::test]
async fn questions_of_other_schemes_are_asked_in_turn_on_one_connection() {
    for scheme in ["NTLM", "Negotiate"] {
        let legs = vec![(Bytes::new(), "foo".into()), ("foob".into(), "fooba".into())];
        let server = builder().auth(Auth::Legs { scheme: scheme.to_owned(), legs }).start().unwrap();
        let asked =
            |detail: &str| empty("401 Unauthorized", &format!("WWW-Authenticate: {scheme}{detail}\r\n"), "keep-alive");
        let answer = |token: &str| format!("Authorization: {scheme} {token}");
        let mut wire = Wire::connect(&server).await;
        let dialogue = [
            ("Accept: */*".to_owned(), ""),
            (answer("Zm9v"), " Zm9vYg=="),
            // The answer to another question: all begins anew.
            (answer("Zm9v"), ""),
            (answer("Zm9vYmE="), ""),
            (answer("Zm9v"), " Zm9vYg=="),
        ];
        for (line, question) in dialogue {
            wire.get(&[PLAY, &line]).await;
            assert_eq!(wire.head().await, asked(question), "{line}");
        }
        // Another connection knows nothing of it.
        assert_eq!(head(&server, &[PLAY, &answer("Zm9vYmE=")]).await, asked(""));
        wire.get(&[PLAY, &answer("Zm9vYmE=")]).await;
        assert!(wire.head().await.starts_with("HTTP/1.0 200 OK\r\n"));
        assert_eq!(kinds(&wire.chunks(14).await), "HDDDDDDDDDDDDE");
    }
}

#[tokio::test]
async fn sessions_beyond_the_limit_are_refused_until_one_ends() {
    let server = builder().max_sessions(1).start().unwrap();
    let full = empty("503 Service Unavailable", "", "close");
    server.fault(When::Nth(1), Fault::Stall { after: 3 });
    let mut first = Wire::connect(&server).await;
    first.get(&[PLAY]).await;
    first.head().await;
    assert_eq!(locations(&first.chunks(4).await), [0, 1, 2]);
    assert_eq!(told(&server, &[PLAY]).await, full.as_bytes());
    assert!(is_well(&server, &[]).await, "a description is no session");
    server.set_max_sessions(2);
    assert!(is_well(&server, &[PLAY]).await);
    server.set_max_sessions(1);
    server.wait_for(|counters| counters.sessions == 1).await;
    assert_eq!(told(&server, &[PLAY]).await, full.as_bytes());
    first.leave().await;
    server.wait_for(|counters| counters.sessions == 0).await;
    assert!(is_well(&server, &[PLAY]).await);
    let counters = server.counters();
    assert_eq!((counters.refusals, counters.max_sessions, counters.plays), (2, 2, 3));
}

#[tokio::test(start_paused = true)]
async fn another_film_is_for_sessions_to_come_alone() {
    let habits = || Habits::default().padding(Padding::Kept);
    let server = builder().habits(habits().rate(Rate::Each(Duration::from_secs(60)))).start().unwrap();
    let header = |film: &Film| Chunk::data(b'H', 0, 0x0C, &film.header());
    let mut first = Wire::connect(&server).await;
    first.get(&[PLAY]).await;
    first.head().await;
    assert_eq!(first.chunks(1).await, [header(&film())]);

    let changed = Film::builder().packets(12).seed(2).build().with_file_id(*b"another identity");
    server.put("/clip.asf", changed.clone());
    assert_ne!((changed.header(), changed.packet(11)), (film().header(), film().packet(11)));
    assert_eq!(answered(&server, &[]).await, [header(&changed)]);
    assert!(server.remove("/clip.asf") && !server.remove("/clip.asf"));
    assert_eq!(told(&server, &[]).await, empty("404 Not Found", "", "close").as_bytes());
    let rest = first.chunks(13).await;
    assert_eq!(rest[11], Chunk::data(b'D', 11, 11, &film().packet(11)));
    assert_eq!(rest[12], Chunk::end(0));
}

#[tokio::test]
async fn other_habits_are_for_connections_to_come_alone() {
    let server = server();
    let mut before = Wire::connect(&server).await;
    server.wait_for(|counters| counters.connections == 1).await;
    server.set_habits(Habits::default().features("live"));
    assert!(head(&server, &[]).await.contains("features=\"live\""));
    before.get(&[]).await;
    assert!(before.head().await.contains("features=\"seekable\""));
}

#[tokio::test]
async fn time_goes_before_packet_and_packet_before_byte() {
    let server = server();
    let ms = u32::from_le_bytes(film().packet(3)[7..11].try_into().unwrap());
    let byte = film().header().len() + 7 * 3200;
    let of = [
        (format!("stream-time={ms},packet-num=5,stream-offset=0:{byte}"), 3),
        (format!("stream-time=0,packet-num=5,stream-offset=0:{byte}"), 5),
        (format!("stream-time=4294967295,packet-num=4294967295,stream-offset=0:{byte}"), 7),
        ("stream-time=0,packet-num=4294967295,stream-offset=4294967295:4294967295".to_owned(), 0),
    ];
    for (place, first) in of {
        let all = answered(&server, &[PLAY, &format!("Pragma: {place}")]).await;
        assert_eq!(locations(&all), (first..12).collect::<Vec<u32>>(), "{place}");
    }
}

#[tokio::test]
async fn streams_are_chosen_by_hexadecimal_numbers() {
    let film = Film::builder().packets(6).stream(Stream::video(1)).stream(Stream::audio(10));
    let film = film.payloads(Payloads::Single).key_frame_every(2).build();
    let server = builder().film("/clip.asf", film).start().unwrap();
    let of = [
        ("ffff:1:0 ffff:a:0", vec![0, 1, 2, 3, 4, 5]),
        ("ffff:1:2 ffff:a:0", vec![1, 3, 5]),
        ("ffff:1:0 ffff:10:0", vec![0, 2, 4]),
        ("ffff:1:1 ffff:a:2", vec![0, 4]),
    ];
    for (entries, expected) in of {
        let line = format!("Pragma: stream-switch-entry={entries}");
        assert_eq!(locations(&answered(&server, &[PLAY, &line]).await), expected, "{entries}");
    }
}

#[tokio::test]
async fn who_is_no_player_is_told_where_players_find_the_film() {
    let server = server();
    let playlist = "<ASX VERSION=\"3.0\"><ENTRY><REF HREF=\"mms://town:80/clip.asf\"/></ENTRY></ASX>\r\n";
    let expected = format!(
        "HTTP/1.0 200 OK\r\nServer: Cougar/9.01.01.3841\r\nContent-Type: video/x-ms-asf\r\n\
         Content-Length: {}\r\n\r\n{playlist}",
        playlist.len()
    );
    for (agent, plays) in [("Mozilla/4.0", false), ("NSPlayer/9.0", true), ("NSServer/4.1", true), ("WMFSDK/9", true)] {
        let mut wire = Wire::connect(&server).await;
        wire.get_as(agent, &["Host: town:80"]).await;
        assert_eq!(wire.rest().await == expected.as_bytes(), !plays, "{agent}");
    }
}
