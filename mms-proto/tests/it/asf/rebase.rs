use std::time::Duration;

use mms_proto::asf::{Packet, Rule, rebase};

use super::made::{Made, payload};

/// Send time and presentation times, in milliseconds.
fn times(bytes: &[u8]) -> (u128, Vec<u128>) {
    let packet = Packet::decode(bytes).unwrap();
    let of_payloads = packet.payloads().map(|payload| payload.unwrap().presentation_time.unwrap().as_millis());
    (packet.send_time.as_millis(), of_payloads.collect())
}

fn three(time: u32) -> Made {
    let compressed = [&[0x83, 9][..], &(time + 30).to_le_bytes(), &[1, 40, 4, 0, 1, b'a', 1, b'b']].concat();
    let parts = [
        vec![0x80 | 3],
        payload(1, 1, 0, 4, time + 10, b"abcd", true),
        compressed,
        payload(2, 2, 2, 4, time, b"ef", true),
    ];
    Made { several: true, send_time: time, payloads: parts.concat(), padding: 4, ..Made::default() }
}

#[test]
fn all_times_are_shifted_and_nothing_else() {
    let mut bytes = three(5_000_000).whole();
    // The length of the compressed ones is of two bytes, and stands before them.
    assert_eq!(times(&bytes), (5_000_000, vec![5_000_010, 5_000_030, 5_000_070, 5_000_000]));
    rebase(&mut bytes, Duration::from_millis(4_999_000)).unwrap();
    assert_eq!(bytes, three(1000).whole());
    let mut bytes = three(7).whole();
    rebase(&mut bytes, Duration::ZERO).unwrap();
    assert_eq!(bytes, three(7).whole());
}

#[test]
fn what_was_before_the_start_is_at_0_and_times_may_begin_anew() {
    let mut bytes = three(1000).whole();
    rebase(&mut bytes, Duration::from_millis(1020)).unwrap();
    assert_eq!(times(&bytes), (0, vec![0, 10, 50, 0]));
    // The clock of 32 bits has gone round since.
    let mut bytes = three(500).whole();
    rebase(&mut bytes, Duration::from_millis((1 << 32) - 500)).unwrap();
    assert_eq!(times(&bytes), (1000, vec![1010, 1030, 1070, 1000]));
    let mut bytes = three(500).whole();
    rebase(&mut bytes, Duration::from_millis((1 << 32) + 100)).unwrap();
    assert_eq!(times(&bytes).0, 400);
    // Where what is after the start ends, and what is before it begins.
    for (time, shifted) in [(0x8000_0000, 0x7FFF_FFFF), (0x8000_0001, 0)] {
        let mut bytes =
            Made { send_time: time, payloads: payload(1, 1, 0, 1, time, b"a", false), ..Made::default() }.whole();
        rebase(&mut bytes, Duration::from_millis(1)).unwrap();
        assert_eq!(times(&bytes), (shifted, vec![shifted]));
    }
}

#[test]
fn a_packet_that_cannot_be_decoded_is_left_as_it_was() {
    let mut odd = three(5000).whole();
    let last = odd.len() - 4 - 4;
    odd[last] = 200;
    let before = odd.clone();
    assert_eq!(rebase(&mut odd, Duration::from_secs(1)).unwrap_err().rule, Rule::Truncated);
    assert_eq!(odd, before);
    for end in 0..before.len() {
        let mut cut = before[..end].to_vec();
        if rebase(&mut cut, Duration::from_secs(1)).is_err() {
            assert_eq!(cut, before[..end]);
        }
    }
    let mut own = Made { length_type: 2, sequence_type: 3, padding_type: 3, ..three(5000) }.whole();
    rebase(&mut own, Duration::from_secs(1)).unwrap();
    assert_eq!(times(&own).0, 4000, "wherever the send time is");
}
