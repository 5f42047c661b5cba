//! Calls that are given up, and readers that do not read.

use std::time::Duration;

use mms_proto::client::{Client, Config};
use mms_proto::testing::{Film, Habits, Rate, Server};
use tokio::task::yield_now;

use super::watched::Watched;
use super::{PATH, SCHEMES, playing, url};

fn film() -> Film {
    Film::builder().packet_size(16_000).packets(400).build()
}

#[tokio::test]
async fn a_thousand_calls_that_are_dropped_leave_no_descriptor() {
    let server = Server::builder().film(PATH, Film::generated(5, 1)).start().unwrap();
    for scheme in SCHEMES {
        let watched = Watched::default();
        let client = Client::new(url(&server, scheme), Config::default().with_connector(watched.clone()));
        let mut finished = 0;
        for round in 0..1000 {
            let patience = async {
                for _ in 0..round % 50 {
                    yield_now().await;
                }
            };
            tokio::select! {
                biased;
                () = patience => {}
                outcome = playing(&client, 2) => {
                    outcome.unwrap();
                    finished += 1;
                }
            }
            assert_eq!(watched.open(), 0, "{scheme}");
        }
        assert!(finished < 1000, "{scheme}: none was dropped");
        server.wait_for(|counters| counters.open == 0 && counters.sessions == 0).await;
    }
}

#[tokio::test]
async fn a_reader_that_pauses_goes_on_where_it_was() {
    let film = film();
    let habits = Habits::default().ping_every_packets(3);
    let server = Server::builder().film(PATH, film.clone()).habits(habits).start().unwrap();
    for scheme in ["mmst", "mmsh"] {
        let watched = Watched::default();
        let client = Client::new(url(&server, scheme), Config::default().with_connector(watched.clone()));
        let mut session = playing(&client, 0).await.unwrap();
        for pause in 0..10 {
            // More than it takes in meanwhile is there at once.
            let held = tokio::time::timeout(Duration::from_millis(20), session.hold()).await;
            assert!(held.is_err(), "{scheme}: {held:?}");
            for number in pause * 40..(pause + 1) * 40 {
                let packet = session.read().await.unwrap().expect("a packet");
                assert_eq!(packet.location, number);
                assert!(packet.data == film.packet(number));
            }
        }
        assert_eq!(session.read().await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_session_that_is_lost_while_nobody_reads_is_noticed_and_what_came_is_not_lost() {
    let habits = Habits::default().rate(Rate::Each(Duration::from_millis(5)));
    let server = Server::builder().film(PATH, film()).habits(habits).start().unwrap();
    for scheme in SCHEMES {
        let watched = Watched::default();
        let client = Client::new(url(&server, scheme), Config::default().with_connector(watched.clone()));
        let mut session = playing(&client, 0).await.unwrap();
        let (error, ()) = tokio::join!(session.hold(), async {
            server.wait_for(|counters| counters.packets_sent % 400 > 3).await;
            watched.end_all();
        });
        assert!(error.to_string().contains("reset"), "{scheme}: {error}");
        let mut read = 0;
        while let Ok(packet) = session.read().await {
            assert_eq!(packet.expect("a packet").location, read, "{scheme}");
            read += 1;
        }
        assert!(read > 0, "{scheme}");
        drop(session);
        assert_eq!(watched.open(), 0);
    }
}
