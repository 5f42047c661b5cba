//! Packets as datagrams, which get lost, come twice, and overtake one another.

use std::sync::LazyLock;
use std::time::Duration;

use mms_proto::client::{Client, Config, Transport};
use mms_proto::testing::{Asked, AtEnd, Fault, Film, Habits, Server, Step, When};

use super::{PATH, client, numbers, playing, url};

static FILM: LazyLock<Film> = LazyLock::new(|| Film::builder().packet_size(1000).packets(305).seed(9).build());

fn film() -> Film {
    FILM.clone()
}

fn server(habits: Habits) -> Server {
    Server::builder().film(PATH, film()).habits(habits.at_end(AtEnd::Tell)).start().unwrap()
}

#[tokio::test]
async fn what_is_lost_is_asked_for_and_comes_again() {
    for every in [100, 10, 2] {
        let server = server(Habits::default().drop_every(every).repeat_every(7).hold_every(5));
        let mut session = playing(&client(&server, "mmsu"), 0).await.unwrap();
        assert_eq!(numbers(&mut session, &film()).await, (0..305).collect::<Vec<_>>(), "every {every}");
        let counters = server.counters();
        assert!(counters.dropped > 0 && counters.resends >= counters.dropped, "{counters:?}");
        let requests = server.asked().into_iter().filter_map(|(_, asked)| match asked {
            Asked::Resend(numbers) => Some(numbers.len()),
            _ => None,
        });
        assert!(requests.max().is_some_and(|most| most <= 32));
    }
}

#[tokio::test]
async fn what_never_comes_is_a_hole_and_no_shift() {
    let server = server(Habits::default().drop_every(60).resends(false));
    let mut session = playing(&client(&server, "mmsu"), 0).await.unwrap();
    let there: Vec<u32> = (0..305).filter(|number| number % 60 != 59).collect();
    assert_eq!(numbers(&mut session, &film()).await, there);
}

#[tokio::test]
async fn the_numbers_of_datagrams_go_on_through_all_streams_of_a_session() {
    let server = server(Habits::default().drop_every(9));
    let mut session = client(&server, "mmsu").open().await.unwrap();
    for from in [250, 0, 299, 40, 120] {
        session.play(from).await.unwrap();
        for number in (from..305).take(60) {
            let packet = session.read().await.unwrap().expect("a packet");
            assert_eq!(packet.location, number);
            assert!(packet.data == film().packet(number));
        }
        assert!(session.stop().await);
    }
    assert_eq!(server.counters().connections, 1);
}

#[tokio::test]
async fn a_server_without_datagrams_sends_on_the_connection() {
    let server = server(Habits::default().tcp_only(true));
    let mut session = playing(&client(&server, "mmsu"), 290).await.unwrap();
    assert_eq!(session.presentation().transport, Transport::Mmst);
    assert_eq!(numbers(&mut session, &film()).await, (290..305).collect::<Vec<_>>());
    assert_eq!(server.counters().connections, 1);
}

#[tokio::test]
async fn where_no_datagram_arrives_the_connection_carries_packets() {
    let mut config = Config::default();
    config.waits.header = Duration::from_secs(1);
    let server = server(Habits::default().udp_blocked(true));
    let client = Client::new(url(&server, "mmsu"), config);
    for connections in [2, 3] {
        let mut session = playing(&client, 290).await.unwrap();
        assert_eq!(session.presentation().transport, Transport::Mmst);
        assert_eq!(numbers(&mut session, &film()).await, (290..305).collect::<Vec<_>>());
        assert_eq!(server.counters().connections, connections, "it is found out once");
    }
}

#[tokio::test]
async fn a_server_that_sends_no_packets_over_tcp_says_so() {
    let server = server(Habits::default().udp_only(true));
    let error = client(&server, "mmst").open().await.unwrap_err();
    assert!(error.to_string().contains("no transport agreed on"), "{error}");
    server.fault(When::Always, Fault::Refused(Step::ConnectFunnel, 0xC00D_000C));
    assert!(client(&server, "mmsu").open().await.is_err(), "asked for both, and refused both");
}
