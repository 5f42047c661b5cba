//! Habits and faults of datagrams.

use std::net::SocketAddr;

use mms_proto::testing::{Asked, AtEnd, Fault, Film, Habits, Server, When};
use tokio::net::UdpSocket;

use super::bytes::{Got, Wire, locations, word, words};

const PACKETS: u32 = 12;
const NO_FUNNEL: u32 = 0xC00D_000C;

fn film(packets: u32) -> Film {
    Film::builder().packets(packets).packet_size(800).build()
}

fn server_of(packets: u32, habits: Habits) -> Server {
    Server::builder().film("/clip.asf", film(packets)).habits(habits.at_end(AtEnd::Tell)).start().unwrap()
}

fn server(habits: Habits) -> Server {
    server_of(PACKETS, habits)
}

/// A session whose data goes to a socket of its own.
struct Client {
    wire: Wire,
    socket: UdpSocket,
    server: SocketAddr,
    /// By which datagrams are asked for.
    number: u32,
}

impl Client {
    /// The file is open, and both streams are chosen.
    async fn open(server: &Server) -> Client {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut wire = Wire::connect(server).await;
        assert_eq!(wire.open_over("UDP", socket.local_addr().unwrap().port()).await, [(1, 0), (2, 0), (6, 0)]);
        wire.switch(&[1, 2]).await;
        assert_eq!(wire.result().await, (0x21, 0));
        wire.funnel_info(0xF0F0_F0EF).await;
        let (kind, body) = wire.control().await;
        assert_eq!(kind, 0x15);
        Client { wire, socket, server: server.mmst_addr(), number: word(&body, 20) }
    }

    /// The next datagram.
    async fn heard(&self) -> Got {
        heard(&self.socket, self.server).await
    }

    /// Asks for the header; what comes with it is read by the caller.
    async fn read_block(&mut self, incarnation: u32) {
        self.wire.read_block(incarnation).await;
        assert_eq!(self.wire.result().await, (0x11, 0));
    }

    /// The datagrams of a play, until the end is told.
    async fn played(&mut self, from: u32) -> Vec<Got> {
        self.wire.start(from, 5).await;
        assert_eq!(self.wire.result().await, (0x05, 0));
        let (mut all, told) = (Vec::new(), self.wire.result());
        tokio::pin!(told);
        loop {
            tokio::select! {
                biased;
                got = heard(&self.socket, self.server) => all.push(got),
                told = &mut told => {
                    assert_eq!(told, (0x1E, 0));
                    return all;
                }
            }
        }
    }

    /// Asks for datagrams again.
    async fn ask(&self, sequences: &[u32]) {
        self.ask_as(self.number, sequences).await;
    }

    async fn ask_as(&self, number: u32, sequences: &[u32]) {
        let counts = [1_u16, sequences.len() as u16].map(u16::to_le_bytes).concat();
        let request = [words(&[0xBEEF_F00D, number]), counts, words(sequences)].concat();
        self.socket.send_to(&request, self.server).await.unwrap();
    }

    /// Nothing has come that was not read.
    fn is_quiet(&self) -> bool {
        self.socket.try_recv(&mut [0]).is_err()
    }
}

async fn heard(socket: &UdpSocket, server: SocketAddr) -> Got {
    let mut bytes = vec![0; 1 << 16];
    let (len, from) = socket.recv_from(&mut bytes).await.unwrap();
    assert_eq!(from, server, "from the port of the control connection");
    assert_eq!(usize::from(u16::from_le_bytes([bytes[6], bytes[7]])), len);
    Got::Data(word(&bytes, 0), bytes[4], bytes[5], bytes[8..len].to_vec())
}

/// AFFlags.
fn flags(all: &[Got]) -> Vec<u8> {
    all.iter().filter_map(|got| if let Got::Data(_, _, flags, _) = got { Some(*flags) } else { None }).collect()
}

async fn played(habits: Habits) -> Vec<Got> {
    let server = server(habits);
    Client::open(&server).await.played(0).await
}

#[tokio::test]
async fn header_and_media_come_in_datagrams_and_nothing_of_them_on_the_connection() {
    let server = server(Habits::default().header_pieces(300));
    let mut client = Client::open(&server).await;
    client.read_block(3).await;
    let (mut header, mut pieces) = (Vec::new(), 0);
    loop {
        let Got::Data(location, 3, mark, piece) = client.heard().await else { panic!("no piece") };
        assert_eq!(location, pieces);
        pieces += 1;
        header.extend(piece);
        if mark == 0x0C {
            break;
        }
    }
    assert_eq!(header, film(PACKETS).header());
    assert_eq!(pieces as usize, header.len().div_ceil(300));
    // The messages of a play are all that `played` takes from the connection.
    for (number, got) in client.played(0).await.into_iter().enumerate() {
        assert_eq!(got, Got::Data(number as u32, 5, number as u8, film(PACKETS).packet(number as u32).to_vec()));
    }
}

#[tokio::test]
async fn numbers_go_on_from_play_to_play_and_wrap() {
    let server = server_of(256, Habits::default());
    let mut client = Client::open(&server).await;
    assert_eq!(flags(&client.played(0).await), (0..=255).collect::<Vec<u8>>());
    assert_eq!(flags(&client.played(253).await), [0, 1, 2]);
    assert_eq!(flags(&client.played(254).await), [3, 4]);
    // A number is one of 32 bits, of which the flags are the lowest eight.
    client.ask(&[257]).await;
    assert!(matches!(client.heard().await, Got::Data(254, 5, 1, _)));
}

#[tokio::test]
async fn a_play_that_would_begin_with_the_last_number_begins_with_the_first() {
    let server = server_of(255, Habits::default());
    let mut client = Client::open(&server).await;
    assert_eq!(flags(&client.played(0).await).last(), Some(&0xFE));
    assert_eq!(flags(&client.played(253).await), [0, 1]);
    client.ask(&[255, 256]).await;
    assert!(matches!(client.heard().await, Got::Data(253, 5, 0, _)), "255 was left out");
}

#[tokio::test]
async fn datagrams_are_lost_as_often_as_told() {
    assert_eq!(locations(&played(Habits::default()).await), (0..PACKETS).collect::<Vec<u32>>());
    let server = server(Habits::default().drop_every(4));
    let all = Client::open(&server).await.played(0).await;
    assert_eq!(locations(&all), [0, 1, 2, 4, 5, 6, 8, 9, 10]);
    assert_eq!(flags(&all), [0, 1, 2, 4, 5, 6, 8, 9, 10], "the loss shows");
    let counters = server.counters();
    assert_eq!((counters.dropped, counters.packets_sent), (3, 12));
}

#[tokio::test]
async fn datagrams_come_twice_as_often_as_told() {
    let all = played(Habits::default().repeat_every(4)).await;
    assert_eq!(locations(&all), [0, 1, 2, 3, 3, 4, 5, 6, 7, 7, 8, 9, 10, 11, 11]);
    assert_eq!(all[3], all[4]);
}

#[tokio::test]
async fn datagrams_come_after_the_next_one_as_often_as_told() {
    let all = played(Habits::default().hold_every(4)).await;
    // After the last one there is no other.
    assert_eq!(locations(&all), [0, 1, 2, 4, 3, 5, 6, 8, 7, 9, 10, 11]);
    let all = played(Habits::default().hold_every(1)).await;
    assert_eq!(locations(&all), [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10]);
}

#[tokio::test]
async fn what_is_asked_for_comes_again_whether_it_was_lost_or_not() {
    let server = server(Habits::default().drop_every(4));
    let mut client = Client::open(&server).await;
    client.played(0).await;
    // There is no 99, and nothing comes for it.
    client.ask(&[99, 3, 8]).await;
    for number in [3, 8] {
        assert_eq!(client.heard().await, Got::Data(number, 5, number as u8, film(PACKETS).packet(number).to_vec()));
    }
    server.wait_for(|counters| counters.resends == 2).await;
    assert_eq!(server.asked().last(), Some(&(1, Asked::Resend(vec![99, 3, 8]))));
    client.ask(&[3]).await;
    assert!(matches!(client.heard().await, Got::Data(3, 5, 3, _)), "as often as it is asked for");
    assert!(client.is_quiet());
}

#[tokio::test]
async fn what_is_no_request_gets_no_answer() {
    let server = server_of(40, Habits::default());
    let mut client = Client::open(&server).await;
    client.played(0).await;
    client.ask_as(client.number + 1, &[1]).await;
    for request in [&b"\x0D\xF0\xEF\xBE"[..], b"", &[0; 16], &words(&[0xBEEF_F00D, client.number, 0x0002_0001, 2])] {
        client.socket.send_to(request, client.server).await.unwrap();
    }
    // No more than 32 in one.
    client.ask(&(0..40).collect::<Vec<u32>>()).await;
    client.ask(&[39]).await;
    for expected in (0..32).chain([39]) {
        assert!(matches!(client.heard().await, Got::Data(location, ..) if location == expected), "{expected}");
    }
    assert!(client.is_quiet());
}

#[tokio::test]
async fn answers_go_to_the_client_of_the_session_whoever_asks() {
    let server = server(Habits::default());
    let mut client = Client::open(&server).await;
    client.played(0).await;
    let other = Client::open(&server).await;
    other.ask_as(client.number, &[2]).await;
    assert!(matches!(client.heard().await, Got::Data(2, 5, 2, _)));
    assert!(other.is_quiet());
}

#[tokio::test]
async fn nothing_comes_again_from_a_server_that_sends_nothing_again_or_no_datagrams() {
    for habits in [Habits::default().resends(false), Habits::default().udp_blocked(true)] {
        let server = server(habits);
        let mut client = Client::open(&server).await;
        client.played(0).await;
        client.ask(&[3]).await;
        server.set_habits(Habits::default().at_end(AtEnd::Tell));
        // Requests are read in turn: when the second is answered, the first has been dealt with.
        let mut other = Client::open(&server).await;
        other.played(0).await;
        other.ask(&[4]).await;
        assert!(matches!(other.heard().await, Got::Data(4, 5, 4, _)));
        assert!(client.is_quiet());
        let asked: Vec<(u64, Asked)> =
            server.asked().into_iter().filter(|(_, asked)| matches!(asked, Asked::Resend(_))).collect();
        assert_eq!(asked, [(1, Asked::Resend(vec![3])), (2, Asked::Resend(vec![4]))]);
    }
}

#[tokio::test]
async fn behind_a_firewall_the_dialogue_goes_on_without_a_datagram() {
    let server = server(Habits::default().udp_blocked(true).datagram_pair(true));
    let mut client = Client::open(&server).await;
    client.read_block(3).await;
    assert_eq!(client.played(0).await, []);
    assert_eq!(server.counters().dropped, u64::from(PACKETS));
}

/// What the server says to a funnel.
async fn funnel(habits: Habits, transport: &str, port: u16) -> (u16, u32) {
    let server = server(habits);
    let mut wire = Wire::connect(&server).await;
    wire.greet().await;
    assert_eq!(wire.result().await, (1, 0));
    wire.funnel(transport, port).await;
    wire.result().await
}

#[tokio::test]
async fn a_transport_that_is_not_served_is_refused_and_the_other_is_not() {
    let (granted, refused) = ((0x02, 0), (0x03, NO_FUNNEL));
    // Without a port, data comes over the connection.
    let asked = [("TCP", 1037), ("UDP", 1037), ("UDP", 0)];
    let of = [
        (Habits::default(), [granted, granted, granted]),
        (Habits::default().udp_only(true), [refused, granted, refused]),
        (Habits::default().tcp_only(true), [granted, refused, refused]),
    ];
    for (habits, answers) in of {
        for ((transport, port), answer) in asked.into_iter().zip(answers) {
            assert_eq!(funnel(habits.clone(), transport, port).await, answer, "{transport} {port} {habits:?}");
        }
    }
}

#[tokio::test]
async fn after_a_refusal_the_other_transport_carries_the_film() {
    let server = server(Habits::default().tcp_only(true));
    let mut wire = Wire::connect(&server).await;
    assert_eq!(wire.open_over("UDP", 1037).await, [(1, 0), (3, NO_FUNNEL), (6, 0)]);
    wire.funnel("TCP", 1037).await;
    assert_eq!(wire.result().await, (2, 0));
    wire.switch(&[1, 2]).await;
    assert_eq!(wire.result().await, (0x21, 0));
    wire.start(0, 5).await;
    assert_eq!(locations(&wire.played().await), (0..PACKETS).collect::<Vec<u32>>());
}

#[tokio::test]
async fn a_second_funnel_takes_the_place_of_the_first() {
    let server = server(Habits::default());
    let mut client = Client::open(&server).await;
    let old = std::mem::replace(&mut client.socket, UdpSocket::bind("127.0.0.1:0").await.unwrap());
    client.wire.funnel("UDP", client.socket.local_addr().unwrap().port()).await;
    assert_eq!(client.wire.result().await, (2, 0));
    assert_eq!(locations(&client.played(0).await), (0..PACKETS).collect::<Vec<u32>>());
    client.ask(&[7]).await;
    assert!(matches!(client.heard().await, Got::Data(7, 5, 7, _)));
    assert!(old.try_recv(&mut [0]).is_err());
}

#[tokio::test]
async fn a_pair_comes_before_the_header_if_told() {
    for (pair, before) in [(false, &[][..]), (true, &[0xF0F0_F000, 0xF0F0_F001])] {
        let server = server(Habits::default().datagram_pair(pair));
        let mut client = Client::open(&server).await;
        client.read_block(3).await;
        for expected in before {
            let got = client.heard().await;
            let Got::Data(location, 0xFF, 0x10, noise) = got else { panic!("{got:?}") };
            assert_eq!((location, noise.len()), (*expected, 1464));
        }
        assert!(matches!(client.heard().await, Got::Data(0, 3, ..)), "{pair}");
    }
}

/// The clock goes on by itself when nobody has anything to do.
#[tokio::test(start_paused = true)]
async fn faults_of_a_play_come_after_as_many_datagrams_as_they_say() {
    let server = server(Habits::default());
    server.fault(When::Nth(1), Fault::Stall { after: 3 });
    server.fault(When::Nth(2), Fault::Cut { after: 2 });
    let mut client = Client::open(&server).await;
    for (packets, then) in [(3, Got::Control(0x1B, vec![0; 8])), (2, Got::End)] {
        client.wire.start(0, 5).await;
        assert_eq!(client.wire.result().await, (0x05, 0));
        for location in 0..packets {
            assert!(matches!(client.heard().await, Got::Data(at, 5, ..) if at == location));
        }
        assert_eq!(client.wire.next().await, then);
        assert!(client.is_quiet());
    }
}
