//! Habits and faults on MMST.

use mms_proto::testing::{Fault, Film, Habits, Incarnations, Padding, PaddingField, Seek, Server, When};

use super::bytes::{Got, Wire, locations};

fn film() -> Film {
    Film::builder().packets(12).padding(PaddingField::Byte, &[9, 0, 200]).explicit_packet_length().build()
}

fn server(habits: Habits) -> Server {
    Server::builder().film("/clip.asf", film()).habits(habits).start().unwrap()
}

/// A play of both streams from a packet on.
async fn played(server: &Server, from: u32) -> Vec<Got> {
    let mut wire = Wire::connect(server).await;
    assert_eq!(wire.open().await, [(1, 0), (2, 0), (6, 0)]);
    wire.switch(&[1, 2]).await;
    assert_eq!(wire.control().await.0, 0x21);
    wire.start(from, 5).await;
    wire.played().await
}

#[tokio::test]
async fn packets_are_those_of_the_film_and_padding_goes_as_told() {
    for (padding, shorter, field) in [(Padding::Kept, 0, 1), (Padding::Zeroed, 9, 1), (Padding::Removed, 10, 0)] {
        let all = played(&server(Habits::default().padding(padding)), 0).await;
        assert_eq!(locations(&all), (0..12).collect::<Vec<u32>>(), "{padding:?}");
        let Some(Got::Data(0, 5, 0, packet)) = all.iter().find(|got| matches!(got, Got::Data(..))) else {
            panic!("{padding:?}: {:?}", all[0]);
        };
        let original = film().packet(0);
        assert_eq!(packet.len(), 3200 - shorter, "{padding:?}");
        // Behind error correction and flags is the length, in any case that of the whole packet.
        assert_eq!(packet[5..7], 3200_u16.to_le_bytes(), "{padding:?}");
        assert_eq!(packet[7 + field..], original[8..original.len() - shorter.min(9)], "{padding:?}");
    }
}

#[tokio::test]
async fn servers_keep_the_padding_if_not_told_otherwise_and_need_not_choose_streams() {
    for (name, strip, shorter) in [("NSPlayer/7.0", false, 9), ("Spooooon!", false, 0), ("Spooooon!", true, 9)] {
        for chooses in [true, false] {
            let server = server(Habits::default().strip_for_relays(strip));
            let mut wire = Wire::connect(&server).await;
            wire.greet_as(name).await;
            assert_eq!(wire.result().await, (1, 0));
            wire.open_file(&[]).await;
            assert_eq!(wire.result().await, (6, 0));
            if chooses {
                wire.switch(&[1, 2]).await;
                assert_eq!(wire.result().await, (0x21, 0));
            }
            wire.start(0, 5).await;
            let all = wire.played().await;
            let first =
                all.iter().find_map(|got| if let Got::Data(0, 5, 0, bytes) = got { Some(bytes.len()) } else { None });
            let expected = (chooses || name == "Spooooon!").then_some(3200 - shorter);
            assert_eq!(first, expected, "{name} {strip} {chooses}");
        }
    }
}

#[tokio::test]
async fn plays_begin_where_the_seek_says() {
    let of = [(Seek::Exact, 7), (Seek::Ignored, 0), (Seek::Early(3), 4), (Seek::Late(2), 9)];
    for (seek, first) in of {
        let all = played(&server(Habits::default().seek(seek)), 7).await;
        assert_eq!(locations(&all), (first..12).collect::<Vec<u32>>(), "{seek:?}");
    }
}

#[tokio::test]
async fn missing_packets_never_come() {
    let all = played(&server(Habits::default().missing(&[1..3, 11..12])), 0).await;
    assert_eq!(locations(&all), [0, 3, 4, 5, 6, 7, 8, 9, 10]);
}

#[tokio::test]
async fn a_packet_more_comes_with_the_beginning_of_the_indexes() {
    let all = played(&server(Habits::default().extra_packet(true)), 10).await;
    assert_eq!(locations(&all), [10, 11, 12]);
    let last = all.iter().rev().find_map(|got| if let Got::Data(_, _, _, bytes) = got { Some(bytes) } else { None });
    assert!(film().indexes().starts_with(last.unwrap()));
}

#[tokio::test]
async fn incarnations_and_end_reasons_are_those_that_were_set() {
    for (incarnations, stamp) in [(Incarnations::Echoed, 5), (Incarnations::Fixed(4), 4)] {
        let all = played(&server(Habits::default().incarnations(incarnations).end_reason(77)), 0).await;
        let stamps: Vec<u8> =
            all.iter().filter_map(|got| if let Got::Data(_, stamp, ..) = got { Some(*stamp) } else { None }).collect();
        assert_eq!(stamps, [stamp; 12], "{incarnations:?}");
        let Some(Got::Control(0x1E, body)) = all.last() else { panic!("{all:?}") };
        assert_eq!(body[..4], [77, 0, 0, 0]);
    }
}

#[tokio::test]
async fn a_broadcast_that_has_nothing_for_the_client_sends_nothing_and_answers() {
    for habits in [Habits::default().live_from(100), Habits::default().live_from(100).missing(&[0..9, 9..u32::MAX])] {
        let server = server(habits);
        let mut wire = Wire::connect(&server).await;
        wire.open().await;
        wire.start(0, 5).await;
        assert_eq!(wire.control().await.0, 0x05);
        wire.switch(&[1, 2]).await;
        assert_eq!(wire.control().await.0, 0x21);
    }
}

#[tokio::test]
async fn a_broadcast_of_no_packets_is_none() {
    let film = Film::builder().packets(0).without_index().build();
    let server = Server::builder().film("/clip.asf", film).habits(Habits::default().live_from(1)).start().unwrap();
    let mut wire = Wire::connect(&server).await;
    wire.open().await;
    wire.switch(&[1, 2]).await;
    assert_eq!(wire.control().await.0, 0x21);
    wire.start(0, 5).await;
    assert_eq!(wire.control().await.0, 0x05);
    wire.switch(&[1]).await;
    assert_eq!(wire.control().await.0, 0x21);
}

#[tokio::test]
async fn headers_come_in_pieces_of_the_size_that_was_set() {
    let server = server(Habits::default().header_pieces(100));
    let mut wire = Wire::connect(&server).await;
    wire.open().await;
    wire.read_block(9).await;
    assert_eq!(wire.control().await.0, 0x11);
    let (mut header, mut marks) = (Vec::new(), Vec::new());
    while marks.last() != Some(&0x0C) {
        let Got::Data(location, 9, mark, piece) = wire.next().await else { panic!("no piece") };
        assert_eq!(location, marks.len() as u32);
        header.extend(piece);
        marks.push(mark);
    }
    assert_eq!(header, film().header());
    assert_eq!(marks.len(), header.len().div_ceil(100));
    assert!(marks[..marks.len() - 1].iter().all(|mark| *mark == 4));
}

#[tokio::test]
async fn faults_of_a_play_come_after_as_many_packets_as_they_say() {
    let server = server(Habits::default());
    server.fault(When::Nth(1), Fault::Cut { after: 3 });
    let all = played(&server, 0).await;
    assert_eq!((locations(&all).len(), all.last()), (3, Some(&Got::End)));
    assert_eq!(locations(&played(&server, 0).await).len(), 12);
}

/// What libmms does for a seek.
#[tokio::test]
async fn a_play_ends_where_another_begins_without_a_stop() {
    let server = server(Habits::default());
    server.fault(When::Nth(1), Fault::Stall { after: 3 });
    let mut wire = Wire::connect(&server).await;
    wire.open().await;
    wire.switch(&[1, 2]).await;
    assert_eq!(wire.control().await.0, 0x21);
    wire.start(0, 5).await;
    assert_eq!(wire.control().await.0, 0x05);
    for location in 0..3 {
        assert!(matches!(wire.next().await, Got::Data(at, 5, ..) if at == location));
    }
    wire.start(8, 6).await;
    let all = wire.played().await;
    assert!(matches!(all[0], Got::Control(0x05, _)));
    assert_eq!(locations(&all), [8, 9, 10, 11]);
    assert!(all[1..5].iter().all(|got| matches!(got, Got::Data(_, 6, ..))));
}

#[tokio::test]
async fn sessions_beyond_the_limit_are_refused() {
    let server = Server::builder().film("/clip.asf", film()).max_sessions(1).start().unwrap();
    let mut first = Wire::connect(&server).await;
    first.open().await;
    let mut second = Wire::connect(&server).await;
    second.greet().await;
    let (kind, body) = second.control().await;
    assert_eq!((kind, &body[..4]), (1, &0xC00D_000F_u32.to_le_bytes()[..]));
    assert_eq!(second.next().await, Got::End);
}
