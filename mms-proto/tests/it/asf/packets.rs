use std::time::Duration;

use mms_proto::asf::{AsfError, LengthType, Packet, Payload, Rule};
use proptest::prelude::*;

use super::made::{Made, payload, width};

fn payloads(bytes: &[u8]) -> Vec<Result<Payload<'_>, AsfError>> {
    let Ok(packet) = Packet::decode(bytes) else { return Vec::new() };
    packet.payloads().collect()
}

/// The rule that ends the payloads.
fn last_rule(made: &Made) -> Rule {
    let bytes = made.whole();
    match Packet::decode(&bytes) {
        Ok(packet) => packet.payloads().last().unwrap().unwrap_err().rule,
        Err(error) => error.rule,
    }
}

fn decode_rule(bytes: &[u8]) -> Rule {
    Packet::decode(bytes).unwrap_err().rule
}

fn one() -> Made {
    Made { payloads: payload(0x82, 7, 100, 150, 3456, b"fifty", false), padding: 9, ..Made::default() }
}

fn three() -> Made {
    let parts = [
        vec![0x80 | 3],
        payload(1, 1, 0, 4, 10, b"abcd", true),
        payload(0x82, 2, 2, 4, 20, b"ef", true),
        payload(1, 3, 0, 0, 30, b"", true),
    ];
    Made { several: true, payloads: parts.concat(), padding: 5, ..Made::default() }
}

#[test]
fn a_packet_of_one_payload_is_read() {
    let bytes = one().whole();
    let packet = Packet::decode(&bytes).unwrap();
    assert_eq!(packet.error_correction, [0, 0]);
    assert_eq!((packet.send_time, packet.duration), (Duration::from_millis(1234), Duration::from_millis(56)));
    assert_eq!((packet.padding.width, packet.padding.offset, packet.padding.value), (LengthType::Byte, 5, 9));
    assert_eq!((packet.packet_length, packet.sequence), (None, None));
    let [Ok(payload)] = payloads(&bytes)[..] else { panic!("one payload") };
    assert_eq!((payload.stream, payload.key_frame, payload.object_number), (2, true, 7));
    assert_eq!((payload.object_offset, payload.object_size), (100, Some(150)));
    assert_eq!((payload.presentation_time, payload.data), (Some(Duration::from_millis(3456)), &b"fifty"[..]));
    assert!(payload.extension.is_empty());
}

#[test]
fn several_payloads_are_read_and_what_is_left_over_is_not() {
    let mut made = three();
    made.payloads.extend(b"slack");
    let bytes = made.whole();
    let read: Vec<_> = payloads(&bytes).into_iter().map(Result::unwrap).collect();
    let data: Vec<_> = read.iter().map(|it| (it.stream, it.key_frame, it.object_number, it.data)).collect();
    assert_eq!(data, [(1, false, 1, &b"abcd"[..]), (2, true, 2, b"ef"), (1, false, 3, b"")]);
}

#[test]
fn numbers_of_payloads_have_the_widths_that_the_flags_say() {
    for (object, offset, replicated) in [(0, 0, 0), (0, 0, 1), (1, 2, 3), (2, 3, 2), (3, 1, 1), (1, 1, 0)] {
        for lengths in 1..=3_u8 {
            let number = |kind: u8, value: u32| value.to_le_bytes()[..width(kind)].to_vec();
            let with_time = replicated > 0;
            let mut payload = vec![9];
            payload.extend(number(object, 5));
            payload.extend(number(offset, 3));
            payload.extend(number(replicated, 11));
            if with_time {
                payload.extend([20, 0, 0, 0, 40, 0, 0, 0, b'e', b'x', b't']);
            }
            payload.extend(number(lengths, 4));
            payload.extend(b"data");
            let payloads_of_two = [vec![lengths << 6 | 2], payload.clone(), payload].concat();
            let property_flags = 1 << 6 | object << 4 | offset << 2 | replicated;
            let made = Made { several: true, payloads: payloads_of_two, property_flags, ..Made::default() };
            let bytes = made.whole();
            let read = payloads(&bytes);
            assert_eq!(read.len(), 2, "{made:?}");
            for payload in read {
                let payload = payload.unwrap();
                assert_eq!((payload.stream, payload.data), (9, &b"data"[..]));
                assert_eq!(payload.object_number, if object == 0 { 0 } else { 5 });
                assert_eq!(payload.object_offset, if offset == 0 { 0 } else { 3 });
                assert_eq!(payload.object_size, with_time.then_some(20));
                assert_eq!(payload.presentation_time, with_time.then_some(Duration::from_millis(40)));
                assert_eq!(payload.extension, if with_time { &b"ext"[..] } else { b"" });
            }
        }
    }
}

#[test]
fn compressed_payloads_are_objects_of_their_own() {
    let packed = [&[2, b'a', b'b', 0, 1][..], b"c"].concat();
    let single = [&[0x83, 255][..], &[0xE8, 3, 0, 0], &[1, 40], &packed].concat();
    let check = |bytes: &[u8], from: usize| {
        let read: Vec<_> = payloads(bytes).into_iter().map(Result::unwrap).collect();
        let seen: Vec<_> = read[from..from + 3]
            .iter()
            .map(|it| {
                (
                    it.stream,
                    it.object_offset,
                    it.object_size.unwrap(),
                    it.presentation_time.unwrap().as_millis(),
                    it.data,
                )
            })
            .collect();
        assert_eq!(seen, [(3, 0, 2, 1000, &b"ab"[..]), (3, 0, 0, 1040, b""), (3, 0, 1, 1080, b"c")]);
        read.len()
    };
    let bytes = Made { payloads: single.clone(), padding: 3, ..Made::default() }.whole();
    assert_eq!(check(&bytes, 0), 3);

    let several = [
        &[0x80 | 2][..],
        &payload(1, 1, 0, 4, 10, b"abcd", true),
        &[&single[..8], &[packed.len() as u8, 0], &packed].concat(),
    ];
    let bytes = Made { several: true, payloads: several.concat(), padding: 3, ..Made::default() }.whole();
    assert_eq!(check(&bytes, 1), 4);

    // A length that goes beyond the payload, and none after the last.
    for end in [packed.len() - 1, 1] {
        let cut = [&single[..8], &packed[..end]].concat();
        assert_eq!(last_rule(&Made { payloads: cut, ..Made::default() }), Rule::Truncated);
    }
}

#[test]
fn optional_numbers_of_the_head_are_read() {
    for (length_type, sequence_type, padding_type) in [(0, 3, 0), (1, 0, 2), (2, 1, 3), (3, 2, 1)] {
        for error_correction in [None, Some(vec![]), Some(vec![5; 15])] {
            let made = Made { length_type, sequence_type, padding_type, error_correction, ..one() };
            let made = Made { padding: if padding_type == 0 { 0 } else { 9 }, ..made };
            let bytes = made.whole();
            let packet = Packet::decode(&bytes).unwrap();
            assert_eq!(packet.error_correction, made.error_correction.clone().unwrap_or_default());
            assert_eq!(packet.packet_length, (length_type > 0).then_some(bytes.len() as u32));
            assert_eq!(packet.sequence, (sequence_type > 0).then_some(77));
            assert_eq!(packet.padding.offset, made.padding_at());
            assert_eq!(packet.padding.width.width(), width(padding_type));
            assert_eq!(packet.payloads().next().unwrap().unwrap().data, b"fifty");
        }
    }
}

#[test]
fn what_follows_the_packets_own_length_is_padding() {
    let mut bytes = Made { length_type: 2, ..one() }.whole();
    bytes.extend([0; 30]);
    assert_eq!(payloads(&bytes)[0].unwrap().data, b"fifty");
}

#[test]
fn lengths_that_cannot_be_are_refused() {
    let bytes = Made { length_type: 2, ..one() }.whole();
    for len in [0, 1, 13, bytes.len() as u16 + 1, u16::MAX] {
        let mut lying = bytes.clone();
        lying[5..7].copy_from_slice(&len.to_le_bytes());
        assert_eq!(decode_rule(&lying), Rule::PacketLength, "{len}");
    }
    let bytes = one().whole();
    let room = bytes.len() - 12;
    for (padding, fits) in [(room, true), (room + 1, false), (255, false)] {
        let mut lying = bytes.clone();
        lying[5] = padding as u8;
        assert_eq!(Packet::decode(&lying).is_ok(), fits, "{padding}");
        if !fits {
            assert_eq!(decode_rule(&lying), Rule::PaddingLength);
        }
    }
    // All of it padding: no payload at all.
    let mut empty = bytes;
    empty[5] = room as u8;
    assert_eq!(payloads(&empty), []);
}

#[test]
fn flags_that_nobody_writes_are_refused() {
    for flags in [0x92, 0xA2, 0xC2] {
        let mut bytes = one().whole();
        bytes[0] = flags;
        assert_eq!(decode_rule(&bytes), Rule::ErrorCorrection, "{flags:#x}");
    }
    for property_flags in [0x1D, 0x9D, 0xDD] {
        assert_eq!(decode_rule(&Made { property_flags, ..one() }.whole()), Rule::StreamNumberType);
    }
    assert_eq!(last_rule(&Made { several: true, payloads: vec![0x80], ..Made::default() }), Rule::NoPayload);
    assert_eq!(last_rule(&Made { several: true, payloads: vec![1], ..Made::default() }), Rule::NoPayloadLength);
}

#[test]
fn payloads_that_lie_are_the_last() {
    for len in 2..8 {
        let mut made = one();
        made.payloads[6] = len;
        assert_eq!(last_rule(&made), Rule::ReplicatedLength, "{len}");
    }
    let mut made = one();
    made.payloads[6] = 14;
    assert_eq!(last_rule(&made), Rule::Truncated);

    for (offset, size, fits) in [(5, 10, true), (6, 10, false), (u32::MAX, u32::MAX, false), (0, 4, false)] {
        let made = Made { payloads: payload(1, 1, offset, size, 0, b"fives", false), ..Made::default() };
        assert_eq!(payloads(&made.whole())[0].is_ok(), fits, "{offset} of {size}");
        if !fits {
            assert_eq!(last_rule(&made), Rule::BeyondObject);
        }
    }

    // A second payload that is longer than what is left, and a count that is more than there are.
    let second = payload(1, 2, 0, 9, 0, b"long", true);
    let mut lying = second.clone();
    lying[15] = 5;
    let mut several = vec![0x80 | 3];
    several.extend(&second);
    several.extend(&lying);
    let made = Made { several: true, payloads: several, ..Made::default() };
    let bytes = made.whole();
    let read = payloads(&bytes);
    assert!(read.len() == 2 && read[0].is_ok() && read[1].is_err(), "{read:?}");
    let made = Made { several: true, payloads: [vec![0x80 | 63], second].concat(), ..Made::default() };
    let bytes = made.whole();
    let read = payloads(&bytes);
    assert!(read.len() == 2 && read[0].is_ok(), "{read:?}");
    assert_eq!(read[1].unwrap_err().rule, Rule::Truncated);
}

#[test]
fn every_cut_of_a_packet_is_an_error_or_means_less() {
    for made in [one(), three(), Made { length_type: 3, sequence_type: 2, padding_type: 3, ..three() }] {
        let bytes = made.whole();
        let whole = payloads(&bytes);
        let contents = made.len() - made.padding;
        for end in 0..bytes.len() {
            match Packet::decode(&bytes[..end]) {
                Ok(packet) => {
                    let less: Vec<_> = packet.payloads().collect();
                    let same = less.iter().zip(&whole).take_while(|(a, b)| a == b).count();
                    assert!(same + 1 >= less.len(), "cut at {end} makes other payloads: {less:?}");
                    assert!(made.length_type == 0, "cut at {end}: the packet states its length");
                }
                Err(error) => assert!(error.offset <= end, "cut at {end}: {error}"),
            }
        }
        assert_eq!(payloads(&bytes).len(), whole.len());
        assert!(contents < bytes.len());
    }
}

proptest! {
    #[test]
    fn no_packet_is_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(packet) = Packet::decode(&bytes) {
            let len: usize = packet.payloads().filter_map(Result::ok).map(|payload| payload.data.len()).sum();
            prop_assert!(len <= bytes.len());
        }
    }

    /// Behind a head that is in order.
    #[test]
    fn no_payload_is_too_odd(
        payloads in proptest::collection::vec(any::<u8>(), 0..200),
        several in any::<bool>(),
        flags in 0..0x40_u8,
    ) {
        let bytes = Made { several, payloads, property_flags: 0x40 | flags, ..Made::default() }.whole();
        if let Ok(packet) = Packet::decode(&bytes) {
            let len: usize = packet.payloads().filter_map(Result::ok).map(|payload| payload.data.len()).sum();
            prop_assert!(len <= bytes.len());
            let errors = packet.payloads().filter(Result::is_err).count();
            prop_assert!(errors == 0 || packet.payloads().last().unwrap().is_err() && errors == 1);
        }
    }
}
