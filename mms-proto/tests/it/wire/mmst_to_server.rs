//! What clients say, to the byte.

use bytes::Bytes;
use mms_proto::wire::mmst::{
    Acceleration, Funnel, LinkViewerToMac, MAX_TEXT_UNITS, MAX_TOKEN_LEN, StartPlaying, Text, Token, UNUSED_LOCATION,
    UNUSED_POSITION,
};
use mms_proto::wire::{StreamChoice, Thinning};

fn hex(message: &LinkViewerToMac, seq: u16) -> String {
    message
        .encode(seq)
        .chunks(4)
        .map(|word| word.iter().map(|byte| format!("{byte:02X}")).collect::<String>() + " ")
        .collect()
}

/// From chunkLen on.
fn body(message: &LinkViewerToMac) -> String {
    hex(message, 0)[72..].trim_end().to_owned()
}

#[test]
fn close_file_is_that_of_the_specification() {
    let close = LinkViewerToMac::CloseFile { incarnation: 1, open_file_id: 1 };
    assert_eq!(
        hex(&close, 7),
        "01000000 CEFA0BB0 20000000 4D4D5320 04000000 07000000 00000000 00000000 02000000 0D000300 01000000 01000000 "
    );
}

#[test]
fn each_message_has_its_fields_in_place() {
    use LinkViewerToMac as M;
    let text = |text: &str| Text::new(text).unwrap();
    let start = StartPlaying {
        open_file_id: 7,
        incarnation: 9,
        position: UNUSED_POSITION,
        location: 300,
        acceleration: Some(Acceleration { bandwidth: 1, duration: 2, link_bandwidth: 3 }),
    };
    let all = [
        (M::Connect { subscriber_name: text("A") }, "03000000 01000300 00000000 0B000400 1C000300 41000000"),
        (M::FunnelInfo, "02000000 18000300 EFF0F0F0 00000000"),
        (
            M::OpenFile { incarnation: 1, file_name: text("f") },
            "04000000 05000300 01000000 00000000 00000000 00000000 66000000 00000000",
        ),
        (M::CancelReadBlock { incarnation: 2 }, "02000000 25000300 02000000 00000000"),
        (
            M::StreamSwitch(vec![StreamChoice { stream: 16, thinning: Thinning::Off }]),
            "03000000 33000300 01000000 FFFF1000 02000000 00000000",
        ),
        (
            M::StartPlaying(start),
            "07000000 07000300 07000000 FFFF0100 FFFFFFFF FFFFEF7F FFFFFFFF 2C010000 00000000 \
             09000000 01000000 02000000 03000000 00000000",
        ),
        (
            M::StartStriding {
                start: StartPlaying { position: 0.0, location: UNUSED_LOCATION, acceleration: None, ..start },
                rate: -5.0,
            },
            "06000000 28000300 07000000 FFFF0100 00000000 00000000 FFFFFFFF FFFFFFFF 00000000 \
             09000000 00000000 000014C0",
        ),
        (M::StopPlaying { open_file_id: 7, incarnation: 9 }, "02000000 09000300 07000000 09000000"),
        (
            M::SecurityResponse { incarnation: 1, cookie: 5, token: Token::new(Bytes::from_static(b"abcde")).unwrap() },
            "04000000 1A000300 01000000 05000000 05000000 61626364 65000000 00000000",
        ),
        (M::Pong(1, 2), "02000000 1B000300 01000000 02000000"),
    ];
    for (message, expected) in all {
        assert_eq!(body(&message), expected, "{message:?}");
    }
}

#[test]
fn transports_are_named() {
    let name = |funnel| {
        let frame = LinkViewerToMac::ConnectFunnel(funnel).encode(0);
        mms_proto::wire::mmst::decode_text(&frame[60..])
    };
    assert_eq!(name(Funnel::Tcp), r"\\192.168.0.129\TCP\1037");
    assert_eq!(name(Funnel::Udp { port: 65535 }), r"\\192.168.0.129\UDP\65535");
}

#[test]
fn streams_of_any_number_and_count() {
    let entry = |stream| StreamChoice { stream, thinning: Thinning::None };
    for count in 1..=127_u8 {
        let frame = LinkViewerToMac::StreamSwitch((1..=count).map(entry).collect()).encode(0);
        let message_len = (12 + 6 * usize::from(count)).next_multiple_of(8);
        assert_eq!(frame.len(), 32 + message_len);
        assert_eq!(u32::from_le_bytes(frame[32..36].try_into().unwrap()) as usize, message_len / 8);
        let last = 44 + 6 * (usize::from(count) - 1);
        assert_eq!(frame[last..last + 6], [0xFF, 0xFF, count, 0, 0, 0]);
    }
}

#[test]
fn what_is_sent_is_bounded() {
    assert!(Text::new(&"x".repeat(MAX_TEXT_UNITS)).is_ok());
    assert!(Text::new(&"x".repeat(MAX_TEXT_UNITS + 1)).is_err());
    assert!(Text::new(&"\u{1F3B5}".repeat(MAX_TEXT_UNITS / 2 + 1)).is_err(), "units, and not characters");
    assert!(Text::new("a\0b").is_err());
    assert!(Token::new(Bytes::from(vec![0; MAX_TOKEN_LEN])).is_ok());
    assert!(Token::new(Bytes::from(vec![0; MAX_TOKEN_LEN + 1])).is_err());
    let token = Token::new(Bytes::from_static(b"topsecret")).unwrap();
    assert_eq!(format!("{token:?}"), "Token(9 bytes)");
}
