//! Servers that say nothing any more, at each step, and those that never come to an end.

use std::time::Duration;

use bytes::Bytes;
use mms_proto::client::{Client, Config, ErrorClass, OpenError, ReadError, Session};
use mms_proto::testing::{AtEnd, Film, Habits, Server};
use mms_proto::wire::Url;
use tokio::time::{Instant, timeout};

use super::taped::{Player, Recorder, Tape, Then};
use super::watched::Watched;
use super::{PATH, url};

/// What a server says from the first word to the end of a film, connection by connection, in small pieces; and where it was.
fn recorded(scheme: &str) -> (Url, Vec<Tape>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let habits = Habits::default().at_end(AtEnd::Tell);
        let film = Film::builder().packet_size(900).packets(4).header_len(700).build();
        let server = Server::builder().film(PATH, film).habits(habits).start().unwrap();
        let recorder = Recorder::default();
        let url = url(&server, scheme);
        let client = Client::new(url.clone(), Config::default().with_connector(recorder.clone()));
        all_of(&client, |_| ()).await.unwrap();
        (url, recorder.tapes().iter().map(in_pieces).collect())
    })
}

fn in_pieces(tape: &Tape) -> Tape {
    let pieces = |(after, bytes): &(usize, Bytes)| {
        let (after, bytes) = (*after, bytes.clone());
        (0..bytes.len()).step_by(100).map(move |at| (after, bytes.slice(at..bytes.len().min(at + 100))))
    };
    tape.iter().flat_map(pieces).collect()
}

/// How a film ends that is not read.
#[derive(Debug)]
enum Failed {
    Open(OpenError),
    Read(ReadError),
}

impl Failed {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Open(error) => error.class(),
            Self::Read(error) => error.class(),
        }
    }
}

/// Reads a film, and tells `progress` of each packet.
async fn all_of(client: &Client, mut progress: impl FnMut(u32)) -> Result<Session, Failed> {
    let mut session = client.open().await.map_err(Failed::Open)?;
    session.play(0).await.map_err(Failed::Open)?;
    while let Some(packet) = session.read().await.map_err(Failed::Read)? {
        progress(packet.location);
    }
    Ok(session)
}

/// A client of each place at which the server of a tape can stop, with what it counts its connections by.
fn stops(scheme: &str, then: Then) -> impl Iterator<Item = (String, Client, Watched<Player>)> {
    let (scheme, (url, tapes)) = (scheme.to_owned(), recorded(scheme));
    let places: Vec<(usize, usize)> =
        (0..tapes.len()).flat_map(|tape| (0..tapes[tape].len()).map(move |piece| (tape, piece))).collect();
    assert!(places.len() > 10, "{scheme}: a tape of {} pieces", places.len());
    places.into_iter().map(move |(tape, piece)| {
        let watched = Watched::over(Player::new(&tapes[..tape], tapes[tape][..piece].to_vec(), then));
        let client = Client::new(url.clone(), Config::default().with_connector(watched.clone()));
        (format!("{scheme}, connection {tape}, piece {piece}"), client, watched)
    })
}

#[test]
fn a_server_that_falls_silent_is_given_up_at_every_step_but_between_packets() {
    for scheme in ["mmst", "mmsh"] {
        for (place, client, watched) in stops(scheme, Then::Silence) {
            paused(async {
                let begun = Instant::now();
                let mut packets = 0;
                let outcome = timeout(Duration::from_secs(3600), all_of(&client, |_| packets += 1)).await;
                match outcome {
                    Ok(Err(failed)) => {
                        assert_eq!((packets, failed.class()), (0, ErrorClass::Transient), "{place}: {failed:?}");
                        assert!(begun.elapsed() <= Duration::from_secs(50), "{place}: {:?}", begun.elapsed());
                    }
                    Ok(Ok(_)) => panic!("{place}: all was read"),
                    Err(_) => assert!(packets > 0, "{place}: nothing came, and it was not given up"),
                }
                assert_eq!(watched.open(), 0, "{place}");
            });
        }
    }
}

#[test]
fn a_server_that_goes_away_is_noticed_at_every_step() {
    for scheme in ["mmst", "mmsh"] {
        for (place, client, watched) in stops(scheme, Then::Close) {
            paused(async {
                let begun = Instant::now();
                let failed = all_of(&client, |_| ()).await.map(drop).unwrap_err();
                assert_eq!(failed.class(), ErrorClass::Transient, "{place}: {failed:?}");
                assert_eq!((begun.elapsed(), watched.open()), (Duration::ZERO, 0), "{place}");
            });
        }
    }
}

/// Whether or not the server has gone away meanwhile.
#[test]
fn a_reader_that_pauses_for_a_minute_finds_what_has_come() {
    for (scheme, then, is_whole) in ["mmst", "mmsh"].into_iter().flat_map(|scheme| {
        [(Then::Silence, true), (Then::Silence, false), (Then::Close, true), (Then::Close, false)]
            .map(|(then, is_whole)| (scheme, then, is_whole))
    }) {
        let (url, tapes) = recorded(scheme);
        let (last, others) = tapes.split_last().unwrap();
        // Without the end, and without the last packet.
        let last = last[..last.len() - if is_whole { 0 } else { 5 }].to_vec();
        let client = Client::new(url, Config::default().with_connector(Player::new(others, last, then)));
        paused(async {
            let what = format!("{scheme}, {then:?}, whole: {is_whole}");
            let mut session = client.open().await.unwrap();
            session.play(0).await.unwrap();
            assert_eq!(session.read().await.unwrap().expect("a packet").location, 0, "{what}");
            let lost = timeout(Duration::from_secs(60), session.hold()).await;
            assert_eq!(lost.is_ok(), then == Then::Close && !is_whole, "{what}: {lost:?}");
            for number in 1..if is_whole { 4 } else { 3 } {
                assert_eq!(session.read().await.unwrap().expect("a packet").location, number, "{what}");
            }
            let after = timeout(Duration::from_secs(60), session.read()).await;
            match (is_whole, then) {
                (true, _) => assert!(matches!(after, Ok(Ok(None))), "{what}: {after:?}"),
                (false, Then::Close) => assert!(matches!(after, Ok(Err(_))), "{what}: {after:?}"),
                (false, _) => assert!(after.is_err(), "{what}: {after:?}"),
            }
        });
    }
}

/// Deadlines are for answers, not for their bytes.
#[test]
fn a_server_that_drips_does_not_come_to_an_end() {
    for scheme in ["mmst", "mmsh"] {
        let (url, tapes) = recorded(scheme);
        let watched = Watched::over(Player::new(&[], tapes[0].clone(), Then::Drip(Duration::from_secs(1))));
        let client = Client::new(url, Config::default().with_connector(watched.clone()));
        paused(async {
            let begun = Instant::now();
            let failed = client.open().await.unwrap_err();
            assert_eq!(failed.class(), ErrorClass::Transient, "{scheme}: {failed:?}");
            assert!(begun.elapsed() <= Duration::from_secs(15), "{scheme}: {:?}", begun.elapsed());
        });
        assert_eq!(watched.open(), 0);
    }
}

#[test]
fn a_call_that_is_dropped_at_any_step_leaves_no_connection() {
    for scheme in ["mmst", "mmsh"] {
        for (place, client, watched) in stops(scheme, Then::Silence) {
            paused(async {
                let dropped = timeout(Duration::from_millis(1), all_of(&client, |_| ())).await;
                assert!(dropped.is_err(), "{place}");
                assert_eq!(watched.open(), 0, "{place}");
            });
        }
    }
}

/// What a call that was dropped has begun, the next one goes on with.
#[test]
fn a_read_that_is_dropped_loses_no_packet() {
    for scheme in ["mmst", "mmsh"] {
        let (url, tapes) = recorded(scheme);
        let (last, others) = tapes.split_last().unwrap();
        let drip = Then::Drip(Duration::from_millis(1));
        let player = Player::new(others, last.clone(), drip);
        let client = Client::new(url, Config::default().with_connector(player));
        paused(async {
            let mut session = client.open().await.unwrap();
            session.play(0).await.unwrap();
            let (mut numbers, mut dropped) = (Vec::new(), 0);
            loop {
                match timeout(Duration::from_millis(3), session.read()).await {
                    Ok(Ok(Some(packet))) => numbers.push(packet.location),
                    Ok(Ok(None)) => break,
                    Ok(Err(error)) => panic!("{scheme}: {error}"),
                    Err(_) => dropped += 1,
                }
            }
            assert_eq!(numbers, [0, 1, 2, 3], "{scheme}");
            assert!(dropped > 100, "{scheme}: {dropped} were dropped");
        });
    }
}

fn paused<F: Future>(future: F) -> F::Output {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true).build().unwrap().block_on(future)
}
