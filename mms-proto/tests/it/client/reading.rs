//! Packets arrive as they are in the file, from wherever they are asked for.

use std::sync::LazyLock;
use std::time::Duration;

use mms_proto::asf::Padding as Restored;
use mms_proto::client::OpenError;
use mms_proto::testing::{AtEnd, Fault, Film, Habits, Incarnations, Padding, Rate, Server, Stream, When};

use super::{PATH, SCHEMES, client, numbers, playing};

static FILM: LazyLock<Film> = LazyLock::new(|| Film::generated(60, 7));

fn film() -> Film {
    FILM.clone()
}

async fn reads(server: &Server, scheme: &str, from: u32) -> Restored {
    let film = film();
    let mut session = client(server, scheme).open().await.unwrap();
    assert_eq!(session.presentation().raw_header, film.header());
    assert_eq!(session.presentation().packets(), Some(film.packets().into()));
    session.play(from).await.unwrap();
    let mut worst = Restored::Full;
    for number in from..film.packets() {
        let packet = session.read().await.unwrap().expect("a packet");
        assert_eq!(packet.location, number);
        assert!(packet.data == film.packet(number), "packet {number} by {scheme} from {from}");
        worst = worst.max(packet.padding);
    }
    assert_eq!(session.read().await.unwrap(), None);
    worst
}

#[tokio::test]
async fn every_packet_is_the_original_wherever_the_stream_begins() {
    for (padding, expected) in [(Padding::Kept, Restored::Full), (Padding::Zeroed, Restored::Restored)] {
        let server = Server::builder().film(PATH, film()).habits(Habits::default().padding(padding)).start().unwrap();
        for scheme in SCHEMES {
            for from in [0, 1, 30, 58, 59] {
                let worst = reads(&server, scheme, from).await;
                assert!(worst <= expected, "{scheme} {from} {worst:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_session_of_mmst_is_used_again() {
    let server = Server::builder().film(PATH, film()).start().unwrap();
    let mut session = client(&server, "mmst").open().await.unwrap();
    for from in [50, 5, 0, 59, 17] {
        session.play(from).await.unwrap();
        let packet = session.read().await.unwrap().expect("a packet");
        assert_eq!((packet.location, &packet.data), (from, &film().packet(from)));
        assert!(session.stop().await);
    }
    session.close().await;
    assert_eq!(server.counters().sessions, 1);
    server.shutdown().await;
}

/// More seeks than an incarnation has values, each while packets of the one before are still on their way.
#[tokio::test]
async fn packets_of_the_stream_before_are_never_taken_for_those_of_this_one() {
    for habits in [Habits::default(), Habits::default().incarnations(Incarnations::Fixed(4))] {
        let server = Server::builder().film(PATH, film()).habits(habits).start().unwrap();
        let mut session = client(&server, "mmst").open().await.unwrap();
        for round in 0..300 {
            let from = round * 37 % 60;
            session.play(from).await.unwrap();
            for number in (from..60).take(2) {
                let packet = session.read().await.unwrap().expect("a packet");
                assert_eq!(packet.location, number, "round {round}");
                assert!(packet.data == film().packet(number), "round {round}: packet {number} is another one");
            }
            assert!(session.stop().await);
        }
        assert_eq!(server.counters().connections, 1);
    }
}

#[tokio::test]
async fn a_film_that_follows_another_one_is_read_with_its_own_header() {
    let second = Film::builder().packets(20).packet_size(1000).seed(8).build();
    let habits = Habits::default().followed_by("/next.asf");
    let server = Server::builder().film(PATH, film()).film("/next.asf", second.clone()).habits(habits).start().unwrap();
    for scheme in ["mmst", "mmsh"] {
        let mut session = playing(&client(&server, scheme), 50).await.unwrap();
        assert_eq!(numbers(&mut session, &film()).await, (50..60).collect::<Vec<_>>());
        let next = session.next_content().await.unwrap().expect("another one");
        assert_eq!((&next.raw_header, next.packet_size), (&second.header(), 1000));
        assert_eq!(numbers(&mut session, &second).await, (0..20).collect::<Vec<_>>(), "{scheme}");
        assert!(session.next_content().await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_broadcast_goes_on_with_another_one_wherever_that_is() {
    let second = Film::builder().packets(20).packet_size(1000).seed(8).build();
    // Numbers in the upper half come before 0, for whoever counts from there.
    for first in [4_000_000, u32::MAX - 35] {
        let habits = Habits::default().live_from(first).live_for(30).followed_by("/next.asf");
        // Datagrams are put in order by numbers that do not begin anew.
        for scheme in SCHEMES.into_iter().filter(|scheme| *scheme != "mmsu" || first == 4_000_000) {
            let server = Server::builder().film(PATH, film()).film("/next.asf", second.clone());
            let server = server.habits(habits.clone()).start().unwrap();
            let mut session = playing(&client(&server, scheme), 0).await.unwrap();
            for number in 0..30_u32 {
                let packet = session.read().await.unwrap().expect("a packet");
                assert_eq!(packet.location, first.wrapping_add(number), "{scheme}");
            }
            assert!(session.read().await.unwrap().is_none() && session.has_more(), "{scheme}");
            let next = session.next_content().await.unwrap().expect("another one");
            assert!(next.is_live() && next.packet_size == 1000 && next.facts.packet_size.is_none(), "{scheme}");
            let mut packets = 0;
            while let Some(packet) = session.read().await.unwrap() {
                let number = packet.location.wrapping_sub(first) % 20;
                assert!(packet.data == second.packet(number), "{scheme}: packet {number} is another one");
                packets += 1;
            }
            assert!(packets == 30 && !session.has_more(), "{scheme}: {packets}");
        }
    }
}

/// Header and packets are two requests of MMSH.
#[tokio::test]
async fn a_broadcast_that_changes_between_its_header_and_its_packets_is_not_read_with_the_wrong_one() {
    let server = Server::builder().film(PATH, film()).habits(Habits::default().live_from(7)).start().unwrap();
    let mut session = client(&server, "mmsh").open().await.unwrap();
    server.put(PATH, film().with_file_id([7; 16]));
    session.play(0).await.unwrap();
    for other in [Film::builder().packet_size(1000).build(), Film::builder().stream(Stream::audio(1)).build()] {
        server.put(PATH, film());
        let mut session = client(&server, "mmsh").open().await.unwrap();
        server.put(PATH, other);
        assert!(matches!(session.play(0).await, Err(OpenError::Changed(_))));
    }
}

#[tokio::test]
async fn a_session_from_which_another_film_follows_is_not_kept() {
    let habits = Habits::default().followed_by("/next.asf");
    let server = Server::builder().film(PATH, film()).film("/next.asf", film()).habits(habits).start().unwrap();
    for scheme in ["mmst", "mmsh"] {
        let mut session = playing(&client(&server, scheme), 59).await.unwrap();
        assert_eq!(numbers(&mut session, &film()).await, [59]);
        assert!(!session.stop().await, "{scheme}");
    }
}

/// Packets up to the highest number, then from 0 on.
#[tokio::test]
async fn a_broadcast_is_read_beyond_the_highest_number() {
    for scheme in SCHEMES {
        let habits = Habits::default().live_from(u32::MAX - 5).rate(Rate::Each(Duration::from_millis(1)));
        let server = Server::builder().film(PATH, film()).habits(habits).start().unwrap();
        let mut session = playing(&client(&server, scheme), 0).await.unwrap();
        assert!(session.presentation().is_live());
        for number in 0..20_u32 {
            let packet = session.read().await.unwrap().expect("a packet");
            assert_eq!(packet.location, (u32::MAX - 5).wrapping_add(number), "{scheme}");
            assert!(packet.data == film().packet(number), "{scheme}");
        }
    }
}

/// Only MMST says beside the header how many packets there are.
#[tokio::test]
async fn a_header_that_counts_no_packets_is_not_believed_but_helped() {
    let header = film().header();
    let properties = [0xA1, 0xDC, 0xAB, 0x8C, 0x47, 0xA9, 0xCF, 0x11];
    let at = header.windows(8).position(|bytes| bytes == properties).expect("File Properties");
    let server = Server::builder().film(PATH, film().with_bytes_at(at + 56, &[0; 8])).start().unwrap();
    for (scheme, packets) in [("mmst", Some(60)), ("mmsh", None), ("mmsu", Some(60))] {
        let mut session = playing(&client(&server, scheme), 0).await.unwrap();
        assert_eq!((session.presentation().packets(), session.presentation().is_live()), (packets, false), "{scheme}");
        assert_eq!(numbers(&mut session, &film()).await, (0..60).collect::<Vec<_>>(), "{scheme}");
    }
}

#[tokio::test]
async fn a_server_that_says_goodbye_in_other_ways_has_said_all() {
    for end in [AtEnd::Tell, AtEnd::TellAndClose(Duration::ZERO)] {
        let server = Server::builder().film(PATH, film()).habits(Habits::default().at_end(end)).start().unwrap();
        for scheme in SCHEMES {
            let mut session = playing(&client(&server, scheme), 57).await.unwrap();
            assert_eq!(numbers(&mut session, &film()).await, [57, 58, 59], "{scheme} {end:?}");
        }
    }
    let habits = Habits::default().at_end(AtEnd::Close);
    let server = Server::builder().film(PATH, film()).habits(habits).start().unwrap();
    for scheme in SCHEMES {
        let mut session = playing(&client(&server, scheme), 57).await.unwrap();
        for number in 57..60 {
            assert_eq!(session.read().await.unwrap().expect("a packet").location, number);
        }
        assert!(session.read().await.is_err(), "{scheme}: the end was not told");
    }
}

#[tokio::test]
async fn chunks_that_are_no_packets_are_passed_over_and_those_that_are_none_end_it() {
    let chunk = |kind: u8, body: &[u8]| {
        let mut chunk = vec![b'$', kind];
        chunk.extend(u16::try_from(body.len()).unwrap().to_le_bytes());
        chunk.extend_from_slice(body);
        chunk
    };
    let habits = Habits::default().unpaced_mark(true).metadata(true).packet_pair(true);
    let server = Server::builder().film(PATH, film()).habits(habits).start().unwrap();
    let between = |bytes: Vec<u8>| server.fault(When::Nth(1), Fault::Between { after: 2, bytes: bytes.into() });

    between(chunk(b'Q', b"nobody knows"));
    let mut session = playing(&client(&server, "mmsh"), 55).await.unwrap();
    assert_eq!(numbers(&mut session, &film()).await, [55, 56, 57, 58, 59]);

    // A failure, and an end that nobody explains.
    for (reason, is_end) in [(0xC00D_0029_u32, false), (0, true)] {
        server.clear_faults();
        between(chunk(b'E', &reason.to_le_bytes()));
        let mut session = playing(&client(&server, "mmsh"), 55).await.unwrap();
        for number in [55, 56] {
            assert_eq!(session.read().await.unwrap().expect("a packet").location, number);
        }
        assert_eq!(matches!(session.read().await, Ok(None)), is_end, "{reason:#x}");
    }

    server.clear_faults();
    between(b"no chunk at all".to_vec());
    let mut session = playing(&client(&server, "mmsh"), 55).await.unwrap();
    for number in [55, 56] {
        assert_eq!(session.read().await.unwrap().expect("a packet").location, number);
    }
    assert!(session.read().await.is_err());
}
