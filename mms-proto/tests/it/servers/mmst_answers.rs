//! Habits of answers, of the header and of pings on MMST.

use std::time::Duration;

use mms_proto::testing::{AtEnd, ChunkCount, Habits, Marks};
use tokio::time::Instant;

use super::bytes::{Got, Wire, film, opened, server, wide, word, words};

const PING: (u16, u32) = (0x1B, 0);

#[tokio::test]
async fn the_version_is_the_one_that_was_set() {
    for (habits, version) in
        [(Habits::default(), "4.1.0.3928"), (Habits::default().version("9.01.01.3841"), "9.01.01.3841")]
    {
        let server = server(habits);
        let mut wire = Wire::connect(&server).await;
        wire.greet().await;
        let (kind, body) = wire.control().await;
        assert_eq!((kind, word(&body, 40)), (1, version.len() as u32 + 1), "{version}");
        assert!(body[56..].starts_with(&wide(version)), "{version}");
    }
}

#[tokio::test]
async fn lengths_in_the_head_are_counted_as_told_and_packets_are_numbered() {
    for (form, counted) in [(ChunkCount::Usual, -2), (ChunkCount::Whole, 0)] {
        let server = server(Habits::default().chunk_count(form));
        let mut wire = Wire::connect(&server).await;
        wire.greet().await;
        wire.funnel("TCP", 1037).await;
        wire.open_file(&[]).await;
        for seq in 0..3 {
            let packet = wire.packet().await;
            let chunks = packet.len() as u32 / 8;
            assert_eq!(packet[..8], [1, 0, 0, 0, 0xCE, 0xFA, 0x0B, 0xB0]);
            assert_eq!(packet[12..16], *b"MMS ");
            assert_eq!(word(&packet, 8), packet.len() as u32 - 16);
            assert_eq!(word(&packet, 16), chunks.wrapping_add_signed(counted), "{form:?}");
            assert_eq!((word(&packet, 20), word(&packet, 32)), (seq, chunks - 4), "{form:?}");
        }
    }
}

#[tokio::test]
async fn the_file_has_the_number_that_was_set() {
    for (habits, id) in [(Habits::default(), 1), (Habits::default().open_file_id(0x0102_0304), 0x0102_0304)] {
        let server = server(habits);
        let mut wire = Wire::connect(&server).await;
        wire.greet().await;
        assert_eq!(wire.result().await, (1, 0));
        wire.open_file(&[]).await;
        let (kind, body) = wire.control().await;
        assert_eq!((kind, word(&body, 8)), (6, id));
        wire.start(0, 5).await;
        let (kind, body) = wire.control().await;
        assert_eq!((kind, word(&body, 4), word(&body, 8)), (5, 5, id));
    }
}

#[tokio::test]
async fn the_header_comes_with_a_report_or_without() {
    for report in [true, false] {
        let server = server(Habits::default().read_block_report(report));
        let mut wire = opened(&server).await;
        wire.read_block(3).await;
        if report {
            let (kind, body) = wire.control().await;
            assert_eq!((kind, &body[..12]), (0x11, &words(&[0, 3, 0])[..]));
        }
        assert_eq!(wire.next().await, Got::Data(0, 3, 0x0C, film().header().to_vec()), "{report}");
    }
}

#[tokio::test]
async fn a_client_that_wants_to_measure_gets_three_long_answers() {
    let server = server(Habits::default());
    let mut wire = opened(&server).await;
    for (incarnation, sizes) in [(0xF0F0_F0EF, &[80][..]), (0xF0F0_F0F1, &[512, 512, 1056])] {
        wire.funnel_info(incarnation).await;
        for size in sizes {
            let packet = wire.packet().await;
            assert_eq!((packet.len(), word(&packet, 36), word(&packet, 44)), (*size, 0x0004_0015, incarnation));
        }
    }
    wire.nothing_comes().await;
}

#[tokio::test]
async fn pieces_of_the_header_are_marked_as_told() {
    let of = [
        (Marks::OfTransport, [0x0C, 0x04, 0x04, 0x0C]),
        (Marks::Mmst, [0x0C, 0x04, 0x04, 0x0C]),
        (Marks::Mmsh, [0x0C, 0x04, 0x00, 0x08]),
        (Marks::Missing, [0, 0, 0, 0]),
    ];
    for (marks, [sole, first, middle, last]) in of {
        for (pieces, expected) in [(1, &[sole][..]), (3, &[first, middle, last])] {
            let habits = Habits::default().marks(marks).header_pieces(film().header().len().div_ceil(pieces));
            let server = server(habits);
            let mut wire = opened(&server).await;
            wire.read_block(3).await;
            assert_eq!(wire.result().await, (0x11, 0));
            for (index, expected) in expected.iter().enumerate() {
                let Got::Data(location, 3, mark, _) = wire.next().await else { panic!("no piece") };
                assert_eq!((location, mark), (index as u32, *expected), "{marks:?} {pieces}");
            }
            wire.nothing_comes().await;
        }
    }
}

/// Every step of a session, and what comes for it but for the data: number and result.
async fn session(habits: Habits) -> (Vec<(u16, u32)>, u64) {
    let server = server(habits);
    let mut wire = Wire::connect(&server).await;
    wire.greet().await;
    wire.funnel_info(0xF0F0_F0EF).await;
    wire.funnel("TCP", 1037).await;
    wire.open_file(&[]).await;
    wire.read_block(3).await;
    wire.switch(&[1, 2]).await;
    wire.start(0, 5).await;
    let mut controls = Vec::new();
    for got in wire.played().await {
        if let Got::Control(kind, body) = got {
            controls.push((kind, word(&body, 0)));
        }
    }
    (controls, server.counters().pings)
}

#[tokio::test]
async fn pings_come_before_every_answer_if_told() {
    let answers = [0x01, 0x15, 0x02, 0x06, 0x11, 0x21, 0x05, 0x1E].map(|kind| (kind, 0));
    assert_eq!(session(Habits::default()).await, (answers.to_vec(), 0));
    let expected: Vec<(u16, u32)> = answers.into_iter().flat_map(|answer| [PING, answer]).collect();
    assert_eq!(session(Habits::default().ping_before_answers(true)).await, (expected, 8));
}

#[tokio::test]
async fn pings_come_after_every_piece_of_the_header_if_told() {
    for ping in [false, true] {
        let server = server(Habits::default().header_pieces(film().header().len().div_ceil(3)).ping_in_header(ping));
        let mut wire = opened(&server).await;
        wire.read_block(3).await;
        assert_eq!(wire.result().await, (0x11, 0));
        for index in 0..3 {
            let got = wire.next().await;
            assert!(matches!(got, Got::Data(at, 3, ..) if at == index), "{ping}: {got:?}");
            if ping {
                assert_eq!(wire.next().await, Got::Control(0x1B, vec![0; 8]));
            }
        }
        wire.nothing_comes().await;
    }
}

#[tokio::test]
async fn pings_come_after_as_many_packets_as_told_and_are_answered() {
    let server = server(Habits::default().ping_every_packets(5));
    let mut wire = opened(&server).await;
    wire.switch(&[1, 2]).await;
    assert_eq!(wire.result().await, (0x21, 0));
    wire.start(0, 5).await;
    let places: Vec<usize> = wire
        .played()
        .await
        .iter()
        .enumerate()
        .filter_map(|(place, got)| (*got == Got::Control(0x1B, vec![0; 8])).then_some(place))
        .collect();
    // The first is ReportStartedPlaying.
    assert_eq!(places, [6, 12]);
    assert_eq!((server.counters().pings, server.counters().pongs), (2, 0));
    wire.send(0x1B, words(&[0, 0])).await;
    server.wait_for(|counters| counters.pongs == 1).await;
}

/// The clock goes on by itself when nobody has anything to do.
#[tokio::test(start_paused = true)]
async fn pings_come_in_every_phase_when_it_was_quiet_for_so_long() {
    for (habits, seconds) in [(Habits::default(), 30), (Habits::default().ping_idle(Duration::from_secs(7)), 7)] {
        let server = server(habits.at_end(AtEnd::Tell));
        let mut wire = Wire::connect(&server).await;
        pinged(&mut wire, seconds).await;
        wire.greet().await;
        assert_eq!(wire.result().await, (1, 0));
        pinged(&mut wire, seconds).await;
        wire.open_file(&[]).await;
        assert_eq!(wire.result().await, (6, 0));
        pinged(&mut wire, seconds).await;
        wire.read_block(3).await;
        assert_eq!(wire.result().await, (0x11, 0));
        assert!(matches!(wire.next().await, Got::Data(0, 3, 0x0C, _)));
        pinged(&mut wire, seconds).await;
        wire.switch(&[1, 2]).await;
        assert_eq!(wire.result().await, (0x21, 0));
        wire.start(0, 5).await;
        assert_eq!(wire.played().await.len(), 14);
        // Again and again.
        pinged(&mut wire, seconds).await;
        pinged(&mut wire, seconds).await;
        assert_eq!(server.counters().pings, 6);
    }
}

/// The next message is a ping, and comes after so long.
async fn pinged(wire: &mut Wire, seconds: u64) {
    let since = Instant::now();
    assert_eq!(wire.control().await, (0x1B, vec![0; 8]));
    assert_eq!(since.elapsed().as_secs(), seconds);
}
