//! Packets arrive as they are in the file, from wherever they are asked for.

use mms_proto::asf::Padding as Restored;
use mms_proto::client::{Client, Config};
use mms_proto::testing::{Film, Habits, Padding, Server};
use mms_proto::wire::Url;

fn film() -> Film {
    Film::generated(324, 7)
}

fn client(server: &Server, scheme: &str) -> Client {
    Client::new(Url::parse(&server.url(scheme, "/clip.asf")).unwrap(), Config::default())
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
        let server =
            Server::builder().film("/clip.asf", film()).habits(Habits::default().padding(padding)).start().unwrap();
        for scheme in ["mmst", "mmsh", "mmsu"] {
            for from in [0, 1, 100, 322, 323] {
                let worst = reads(&server, scheme, from).await;
                assert!(worst <= expected, "{scheme} {from} {worst:?}");
            }
        }
        server.shutdown().await;
    }
}

#[tokio::test]
async fn a_session_of_mmst_is_used_again() {
    let server = Server::builder().film("/clip.asf", film()).start().unwrap();
    let mut session = client(&server, "mmst").open().await.unwrap();
    for from in [300, 5, 0, 323, 17] {
        session.play(from).await.unwrap();
        let packet = session.read().await.unwrap().expect("a packet");
        assert_eq!((packet.location, &packet.data), (from, &film().packet(from)));
        assert!(session.stop().await);
    }
    session.close().await;
    assert_eq!(server.counters().sessions, 1);
    server.shutdown().await;
}
