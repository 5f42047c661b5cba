use std::collections::HashSet;

use bytes::BytesMut;
use mms_proto::asf::{AsfError, MAX_PACKET_SIZE, Packet, Padding, Rule, Unpadded, restore};
use proptest::prelude::*;

use super::made::{Made, most, payload};

fn restored(packet: &[u8], size: usize) -> Result<(Vec<u8>, Padding), AsfError> {
    let mut packet = BytesMut::from(packet);
    let padding = restore(&mut packet, u32::try_from(size).unwrap())?;
    Ok((packet.to_vec(), padding))
}

fn unpadded(packet: &[u8], size: usize) -> Unpadded<'_> {
    Unpadded::of(packet, u32::try_from(size).unwrap()).unwrap()
}

/// All shapes of the head, with this padding.
fn shapes(padding: usize) -> Vec<Made> {
    let single = (false, payload(1, 1, 0, 5, 10, b"media", false));
    let several = (true, [vec![0x80 | 1], payload(1, 1, 0, 5, 10, b"media", true)].concat());
    let compressed = (false, [&[0x83, 1][..], &[0; 4], &[1, 40, 2, b'a', b'b', 1, b'c']].concat());
    let mut all = Vec::new();
    for (several, payloads) in [single, several, compressed] {
        for error_correction in [Some(vec![0, 0]), None, Some(vec![7; 5]), Some(vec![])] {
            for (length_type, sequence_type) in [(0, 0), (2, 0), (0, 1), (3, 3)] {
                for padding_type in 0..=3 {
                    if padding <= most(padding_type) {
                        all.push(Made {
                            error_correction: error_correction.clone(),
                            several,
                            length_type,
                            sequence_type,
                            padding_type,
                            payloads: payloads.clone(),
                            padding,
                            ..Made::default()
                        });
                    }
                }
            }
        }
    }
    assert!(all.len() >= 48 || padding > 0);
    all
}

/// What a field that was taken off comes back as.
fn smallest(missing: usize) -> (u8, usize) {
    if missing <= 256 { (1, missing - 1) } else { (2, missing - 2) }
}

#[test]
fn each_rendering_of_each_shape_comes_back() {
    // Fields that are just wide enough, or just not.
    for padding in [0, 1, 2, 3, 4, 253, 254, 255, 256, 257, 258, 1000] {
        for made in shapes(padding) {
            let (whole, size) = (made.whole(), made.len());
            assert_eq!(restored(&whole, size), Ok((whole.clone(), Padding::Full)));
            if padding > 0 {
                assert_eq!(restored(&made.zeroed(), size), Ok((whole.clone(), Padding::Restored)), "zeroed {made:?}");
                assert_eq!(
                    restored(&made.forgotten(), size),
                    Ok((whole.clone(), Padding::Restored)),
                    "forgotten {made:?}"
                );
            }

            let removed = made.removed();
            let missing = size - removed.len();
            let (back, kind) = restored(&removed, size).unwrap();
            if missing == 0 {
                assert_eq!((back, kind), (removed, Padding::Full));
                continue;
            }
            // Taken off like that, length and sequence stay as they were.
            let (padding_type, value) = smallest(missing);
            assert_eq!(kind, Padding::Reconstructed);
            assert_eq!(back, Made { padding_type, padding: value, ..made.clone() }.whole(), "removed {made:?}");
            assert_eq!(back == whole, padding_type == made.padding_type, "{made:?}");

            for sent in [made.zeroed(), made.forgotten(), removed, back] {
                if padding > 0 || sent.len() != made.zeroed().len() {
                    assert_eq!(unpadded(&sent, size), unpadded(&whole, size), "{made:?} as {sent:?}");
                }
            }
        }
    }
}

#[test]
fn the_longest_packet_can_lack_nearly_all() {
    for padding_type in [0, 2, 3] {
        let made = Made { padding_type, error_correction: None, ..Made::default() };
        let padding = if padding_type == 0 { 0 } else { MAX_PACKET_SIZE as usize - made.len() };
        let made = Made { padding, ..made };
        let size = MAX_PACKET_SIZE as usize;
        let (whole, _) = restored(&made.removed(), size).unwrap();
        assert_eq!(whole.len(), size);
        let packet = Packet::decode(&whole).unwrap();
        assert_eq!((packet.padding.width.width(), packet.padding.value as usize), (2, size - 10));
        if padding > 0 {
            assert_eq!(restored(&made.zeroed(), size), Ok((made.whole(), Padding::Restored)));
        }
    }
}

#[test]
fn a_field_that_is_too_narrow_is_made_wider() {
    let made = Made { payloads: b"media".to_vec(), ..Made::default() };
    for (missing, wider) in [(255, false), (256, true), (257, true), (60_000, true)] {
        let size = made.len() + missing;
        let (back, kind) = restored(&made.zeroed(), size).unwrap();
        let expected = if wider {
            (Made { padding_type: 2, padding: missing - 1, ..made.clone() }, Padding::Reconstructed)
        } else {
            (Made { padding: missing, ..made.clone() }, Padding::Restored)
        };
        assert_eq!((back, kind), (expected.0.whole(), expected.1), "{missing}");
    }
}

#[test]
fn a_field_that_says_something_else_is_added_to() {
    let made = Made { padding: 9, payloads: b"media".to_vec(), ..Made::default() };
    let (back, kind) = restored(&made.whole(), made.len() + 20).unwrap();
    assert_eq!((back, kind), (Made { padding: 29, ..made.clone() }.whole(), Padding::Ambiguous));
    // 9 and 247 are more than a byte holds: one of them becomes a byte of the field.
    let (back, kind) = restored(&made.whole(), made.len() + 247).unwrap();
    assert_eq!((back, kind), (Made { padding_type: 2, padding: 255, ..made.clone() }.whole(), Padding::Ambiguous));
    // 9 bytes are missing, and 9 are said to be there: they are those that are missing.
    let (back, kind) = restored(&made.whole(), made.len() + 9).unwrap();
    assert_eq!((back.len(), kind), (made.len() + 9, Padding::Restored));
    assert_eq!(Packet::decode(&back).unwrap().padding.value, 9);
}

#[test]
fn a_packet_that_states_its_length_ends_there() {
    // Stripped, and its length changed to that: the rest is padding already, of no field.
    let short = Made { length_type: 2, payloads: payload(1, 1, 0, 5, 10, b"media", false), ..Made::default() };
    let size = short.len() + 30;
    let (back, kind) = restored(&short.whole(), size).unwrap();
    assert_eq!((&back[..short.len()], kind), (&short.whole()[..], Padding::Reconstructed));
    assert_eq!(Packet::decode(&back).unwrap().payloads().next().unwrap().unwrap().data, b"media");
    let other = Made { length_type: 0, padding: 32, ..short.clone() };
    assert_eq!(unpadded(&back, size), unpadded(&other.whole(), size), "the same packet, in other words");
    // A length between what came and the packet size.
    let between = Made { padding: 10, ..short.clone() };
    let (back, kind) = restored(&between.zeroed(), size).unwrap();
    assert_eq!((&back[..between.len()], kind), (&between.whole()[..], Padding::Ambiguous));
    // A head, and nothing in it.
    let bare = Made { payloads: Vec::new(), ..short.clone() };
    let head = bare.len();
    assert_eq!(restored(&bare.whole(), head + 1).unwrap().0, [&bare.whole()[..], &[0]].concat());
    for len in [0, 5, head - 1, size + 1, 65_535] {
        let mut lying = short.whole();
        lying[5..7].copy_from_slice(&(len as u16).to_le_bytes());
        assert_eq!(restored(&lying, size).unwrap_err().rule, Rule::PacketLength, "{len}");
    }
}

#[test]
fn what_cannot_be_is_refused_and_left_as_it_was() {
    let made = Made { padding: 9, payloads: b"media".to_vec(), ..Made::default() };
    let cases = [
        (made.whole(), made.len() - 1, Rule::PacketTooLong),
        (vec![0; 5], 4, Rule::PacketTooLong),
        (Made { padding: 200, ..made.clone() }.forgotten(), made.len() + 20, Rule::PaddingLength),
        (vec![0x92, 0, 0], 100, Rule::ErrorCorrection),
        (vec![], 100, Rule::Truncated),
        (made.zeroed()[..11].to_vec(), 100, Rule::Truncated),
        (made.zeroed(), 0, Rule::PacketSizeOutOfRange(0)),
        (made.zeroed(), 65_537, Rule::PacketSizeOutOfRange(65_537)),
    ];
    for (sent, size, rule) in cases {
        let mut packet = BytesMut::from(&sent[..]);
        assert_eq!(restore(&mut packet, size as u32).unwrap_err().rule, rule, "{sent:?} to {size}");
        assert_eq!(packet, sent);
    }
    // A whole packet is not looked at.
    assert_eq!(restored(&[0xFF; 20], 20), Ok((vec![0xFF; 20], Padding::Full)));
}

#[test]
fn every_cut_of_a_packet_is_an_error_or_gets_its_length() {
    for made in shapes(7) {
        let (whole, size) = (made.whole(), made.len());
        for end in 0..size {
            if let Ok((back, kind)) = restored(&whole[..end], size) {
                assert_eq!(back.len(), size);
                assert_ne!(kind, Padding::Full);
            }
        }
    }
}

#[test]
fn a_buffer_with_room_is_not_moved() {
    let made = Made { padding: 200, payloads: vec![1; 1000], ..Made::default() };
    for sent in [made.zeroed(), made.removed(), made.forgotten()] {
        let mut packet = BytesMut::with_capacity(made.len());
        packet.extend_from_slice(&sent);
        let before = (packet.as_ptr(), packet.capacity());
        restore(&mut packet, made.len() as u32).unwrap();
        assert_eq!((packet.as_ptr(), packet.capacity()), before);
    }
}

#[test]
fn trust_has_an_order() {
    let worst = [Padding::Restored, Padding::Ambiguous, Padding::Full, Padding::Reconstructed].into_iter().max();
    assert_eq!(worst, Some(Padding::Ambiguous));
    assert!(Padding::Full < Padding::Restored && Padding::Restored < Padding::Reconstructed);
}

#[test]
fn packets_that_differ_in_more_than_padding_are_not_equal() {
    let made = Made { padding: 9, sequence_type: 1, payloads: b"media".to_vec(), ..Made::default() };
    let size = made.len();
    let others = [
        Made { payloads: b"mediA".to_vec(), ..made.clone() },
        Made { payloads: b"media\0".to_vec(), padding: 8, ..made.clone() },
        Made { send_time: 1, ..made.clone() },
        Made { duration: 1, ..made.clone() },
        Made { property_flags: 0x5C, ..made.clone() },
        Made { several: true, ..made.clone() },
        Made { error_correction: Some(vec![0, 1]), ..made.clone() },
        Made { error_correction: None, padding: 12, ..made.clone() },
        Made { sequence_type: 0, padding: 10, ..made.clone() },
    ];
    let whole: Vec<_> = others.iter().chain([&made]).map(Made::whole).collect();
    let different: HashSet<_> = whole.iter().map(|packet| unpadded(packet, size)).collect();
    assert_eq!(different.len(), whole.len());
}

/// Any packet whose padding is zeros.
fn any_made() -> impl Strategy<Value = Made> {
    let error_correction = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..16));
    let payloads = proptest::collection::vec(any::<u8>(), 0..300);
    let types = (prop::sample::select(vec![0_u8, 2, 3]), 0..4_u8, 0..4_u8);
    (error_correction, any::<bool>(), types, any::<u8>(), payloads, 0..700_usize).prop_map(
        |(error_correction, several, (length_type, sequence_type, padding_type), property_flags, payloads, padding)| {
            Made {
                error_correction,
                several,
                length_type,
                sequence_type,
                padding_type,
                property_flags,
                padding: padding.min(most(padding_type)),
                payloads,
                ..Made::default()
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_packet_whose_field_was_zeroed_is_the_original_again(made in any_made()) {
        let (back, kind) = restored(&made.zeroed(), made.len()).unwrap();
        prop_assert_eq!(&back, &made.whole());
        prop_assert_eq!(kind, if made.padding > 0 { Padding::Restored } else { Padding::Full });
    }

    #[test]
    fn a_packet_whose_field_was_taken_off_is_the_original_but_for_the_padding(made in any_made()) {
        let whole = made.whole();
        let sent = made.removed();
        let (back, kind) = restored(&sent, made.len()).unwrap();
        prop_assert_eq!(back.len(), whole.len());
        prop_assert_eq!(unpadded(&back, made.len()), unpadded(&whole, made.len()));
        prop_assert_eq!(unpadded(&sent, made.len()), unpadded(&whole, made.len()));
        let absent = made.padding_type == 0;
        prop_assert_eq!(kind, if absent { Padding::Full } else { Padding::Reconstructed });
    }

    #[test]
    fn whatever_comes_it_gets_the_packet_size_or_stays(
        bytes in proptest::collection::vec(any::<u8>(), 0..80),
        size in 1..700_usize,
    ) {
        let mut packet = BytesMut::from(&bytes[..]);
        match restore(&mut packet, size as u32) {
            Ok(Padding::Full) => prop_assert_eq!(&packet[..], &bytes[..]),
            Ok(_) => {
                prop_assert_eq!(packet.len(), size);
                prop_assert_eq!(unpadded(&packet, size), unpadded(&bytes, size));
            }
            Err(_) => prop_assert_eq!(&packet[..], &bytes[..]),
        }
    }
}
