//! Packets as datagrams, which get lost, come twice, and overtake one another.

use std::sync::LazyLock;
use std::time::Duration;

use mms_proto::client::{Client, Config, Transport};
use mms_proto::testing::{Asked, AtEnd, Fault, Film, Habits, Incarnations, Server, Step, When};

use tokio::net::UdpSocket;

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
    // By 61 and by 5 it is the last one, too.
    for every in [100, 61, 10, 5, 2] {
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
async fn datagrams_that_overtake_thirty_others_are_put_in_order() {
    let server = server(Habits::default().reversed(30));
    let mut session = playing(&client(&server, "mmsu"), 0).await.unwrap();
    assert_eq!(numbers(&mut session, &film()).await, (0..305).collect::<Vec<_>>());
}

#[tokio::test]
async fn more_than_one_request_can_name_is_asked_for_in_several() {
    let server = server(Habits::default().lost(50..130));
    let mut session = playing(&client(&server, "mmsu"), 0).await.unwrap();
    assert_eq!(numbers(&mut session, &film()).await, (0..305).collect::<Vec<_>>());
    let asked = server.asked();
    let requests: Vec<&Vec<u32>> = asked.iter().filter_map(|(_, asked)| resend(asked)).collect();
    assert!(requests.iter().all(|numbers| numbers.len() <= 32), "{requests:?}");
    assert!((50..130).all(|number| requests.iter().any(|numbers| numbers.contains(&number))), "{requests:?}");
    assert!(server.counters().resends >= 80);
}

fn resend(asked: &Asked) -> Option<&Vec<u32>> {
    if let Asked::Resend(numbers) = asked { Some(numbers) } else { None }
}

/// Whoever else sends to the port: packets that look right, of this stream and of the next ones.
#[tokio::test]
async fn datagrams_of_somebody_else_are_not_heard() {
    let server = server(Habits::default());
    let mut session = client(&server, "mmsu").open().await.unwrap();
    let port = |(_, asked): &(u64, Asked)| match asked {
        Asked::ConnectFunnel(name) => name.rsplit_once('\\')?.1.parse::<u16>().ok(),
        _ => None,
    };
    let port = server.asked().iter().find_map(port).expect("a port");
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for from in [0, 100, 200] {
        session.play(from).await.unwrap();
        for number in from..from + 40 {
            let packet = session.read().await.unwrap().expect("a packet");
            assert_eq!(packet.location, number);
            assert!(packet.data == film().packet(number), "packet {number} is the stranger's");
            for incarnation in 9..13 {
                let ahead = number + 5;
                let head = [&ahead.to_le_bytes()[..], &[incarnation, ahead as u8], &1008_u16.to_le_bytes()].concat();
                // The system may say that nobody listens there, for it is not the server that speaks.
                let _ = stranger.send_to(&[head, vec![0xAB; 1000]].concat(), ("127.0.0.1", port)).await;
            }
        }
        assert!(session.stop().await);
    }
}

#[tokio::test]
async fn a_header_of_which_a_piece_was_lost_is_asked_for_again() {
    let server = server(Habits::default().header_pieces(200).lost_headers(1));
    let mut session = playing(&client(&server, "mmsu"), 300).await.unwrap();
    assert_eq!(
        (session.presentation().transport, &session.presentation().raw_header),
        (Transport::Mmsu, &film().header())
    );
    assert_eq!(numbers(&mut session, &film()).await, (300..305).collect::<Vec<_>>());
    let asked: Vec<Asked> = server.asked().into_iter().map(|(_, asked)| asked).collect();
    let again = |three: &[Asked]| matches!(three, [Asked::ReadBlock(first), Asked::CancelReadBlock, Asked::ReadBlock(next)] if first != next);
    assert!(asked.windows(3).any(again), "{asked:?}");
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

/// The word that a stream begins and its first datagram may both be there when somebody looks: the word was sent first. Whoever takes the
/// datagram first cannot believe its stamp, and loses it.
///
/// Observed: WTVMMS, which stamps all packets alike
#[tokio::test]
async fn a_stream_begins_with_what_is_said_of_it() {
    let habits = Habits::default().incarnations(Incarnations::Fixed(4)).resends(false);
    let server = Server::builder().film(PATH, film()).habits(habits).start().unwrap();
    for round in 1..=20 {
        let mut session = client(&server, "mmsu").open().await.unwrap();
        session.play(0).await.unwrap();
        assert_eq!(session.read().await.unwrap().expect("a packet").location, 0, "round {round}");
        assert_eq!(server.counters().plays, round, "it was asked for once");
    }
    server.shutdown().await;
}
