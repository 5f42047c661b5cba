//! Servers that begin elsewhere than they are told to, and packets that do not come.

use std::time::Duration;

use mms_proto::client::{Client, Config, ErrorClass, OpenError};
use mms_proto::testing::{AtEnd, Film, Habits, Seek, Server};

use super::{PATH, SCHEMES, client, numbers, playing, url};

/// Half of it is more than a client passes over.
fn long() -> Film {
    Film::builder().packet_size(60_000).packets(160).key_frame_every(7).seed(3).build()
}

fn server(film: Film, habits: Habits) -> Server {
    Server::builder().film(PATH, film).habits(habits).start().unwrap()
}

#[tokio::test]
async fn a_server_that_always_begins_at_the_beginning_is_found_out() {
    let server = server(long(), Habits::default().seek(Seek::Ignored));
    for (scheme, forms) in [("mmst", 2), ("mmsh", 3)] {
        let before = server.counters().plays;
        let error = playing(&client(&server, scheme), 150).await.unwrap_err();
        assert!(matches!(error, OpenError::SeekNotHonoured { asked: 150, got: 0 }), "{scheme}: {error}");
        assert_eq!(error.class(), ErrorClass::SeekRefused);
        assert_eq!(server.counters().plays - before, forms, "each way to say it is tried");
    }
}

#[tokio::test]
async fn what_comes_before_the_packet_that_was_asked_for_is_passed_over() {
    let film = long();
    let early = [Seek::Early(1), Seek::Early(20), Seek::KeyFrame, Seek::Ignored];
    for seek in early {
        let server = server(film.clone(), Habits::default().seek(seek));
        for scheme in SCHEMES {
            let from = if seek == Seek::Ignored { 50 } else { 150 };
            let mut session = playing(&client(&server, scheme), from).await.unwrap();
            for number in from..from + 5 {
                let packet = session.read().await.unwrap().expect("a packet");
                assert_eq!(packet.location, number, "{scheme} {seek:?}");
                assert!(packet.data == film.packet(number));
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_begins_behind_is_asked_for_what_is_before() {
    let film = Film::generated(40, 5);
    for late in 1..=4 {
        let server = server(film.clone(), Habits::default().seek(Seek::Late(late)));
        for scheme in SCHEMES {
            for from in [0, 1, 20, 35] {
                let mut session = playing(&client(&server, scheme), from).await.unwrap();
                assert_eq!(numbers(&mut session, &film).await, (from..40).collect::<Vec<_>>(), "{scheme} {late}");
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_is_asked_for_more_than_there_is_costs_no_more_than_the_wait() {
    let mut config = Config::default();
    config.waits.first_packet = Duration::from_millis(20);
    let server = server(Film::generated(40, 5), Habits::default().seek(Seek::Silent));
    for scheme in SCHEMES {
        let error = playing(&Client::new(url(&server, scheme), config.clone()), 20).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Transient, "{scheme}: {error}");
        assert!(error.to_string().contains("the first packet"), "{scheme}: {error}");
    }
}

#[tokio::test]
async fn packets_that_do_not_come_are_left_out_and_no_other_takes_their_place() {
    let film = Film::generated(150, 5);
    for gap in [7..8, 20..120, 0..1, 0..5, 149..150, 100..150] {
        let habits = Habits::default().missing(std::slice::from_ref(&gap)).extra_packet(true);
        let server = server(film.clone(), habits);
        for scheme in ["mmst", "mmsh"] {
            let mut session = playing(&client(&server, scheme), 0).await.unwrap();
            let there: Vec<u32> = (0..150).filter(|number| !gap.contains(number)).collect();
            assert_eq!(numbers(&mut session, &film).await, there, "{scheme} without {gap:?}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_begins_in_a_gap_begins_behind_it() {
    let film = Film::generated(60, 5);
    let server = server(film.clone(), Habits::default().missing(&[20..40, 50..60]).at_end(AtEnd::Tell));
    for scheme in SCHEMES {
        for (from, expected) in [(22, 40..50), (25, 40..50), (39, 40..50), (45, 45..50)] {
            // Datagrams are waited for at the end.
            if scheme == "mmsu" && from != 25 {
                continue;
            }
            let mut session = playing(&client(&server, scheme), from).await.unwrap();
            assert_eq!(numbers(&mut session, &film).await, expected.collect::<Vec<_>>(), "{scheme} from {from}");
        }
        let mut session = playing(&client(&server, scheme), 55).await.unwrap();
        assert_eq!(numbers(&mut session, &film).await, Vec::<u32>::new(), "{scheme}");
    }
}
