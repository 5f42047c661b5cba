//! What a machine holds is bounded, whatever comes.

use super::driver::{ready, ready_for_datagrams};
use super::server::{self, data, media};

/// Datagrams behind a hole, as many and as large as can be: told when there is no more room, the first ones first.
#[test]
fn datagrams_that_wait_are_bounded_in_number_and_length() {
    for (payload, most) in [(1, 512), (65_000, (4 << 20) / 65_000 + 1)] {
        let mut driver = ready_for_datagrams();
        let incarnation = driver.play(0);
        driver.hear(&server::started(incarnation));
        driver.datagram(&data(0, incarnation, 0, &vec![0; payload]));
        driver.take_events();
        // Every second one is lost, so that there is a hole before each.
        for index in 0..1000_usize {
            let location = index as u32 * 2 + 2;
            driver.datagram(&data(location, incarnation, location as u8, &vec![0; payload]));
            let told = driver.events.len();
            assert!(index + 1 - told <= most, "{} wait", index + 1 - told);
        }
        assert!(!driver.events.is_empty());
    }
}

/// The bounds themselves are still allowed, and what is told is no more than has to be.
#[test]
fn one_more_than_the_bound_is_too_much() {
    let start = || {
        let mut driver = ready_for_datagrams();
        let incarnation = driver.play(0);
        driver.hear(&server::started(incarnation));
        driver.datagram(&data(0, incarnation, 0, b"first"));
        driver.take_events();
        (driver, incarnation)
    };
    for (payload, most) in [(1, 512), (16_384, 256)] {
        let (mut driver, incarnation) = start();
        for location in (0..most).map(|index| index * 2 + 2) {
            driver.datagram(&data(location, incarnation, location as u8, &vec![0; payload]));
        }
        assert!(driver.events.is_empty(), "{most} packets of {payload} bytes");
        let location = most * 2 + 2;
        driver.datagram(&data(location, incarnation, location as u8, &[0]));
        assert_eq!(driver.take_events().len(), 1, "{most} packets of {payload} bytes, and one more");
    }
    // Not the packets but the holes between them: 254, 508, 762, 1016, 1024 and 1025.
    let (mut driver, incarnation) = start();
    for location in [255, 510, 765, 1020, 1029] {
        driver.datagram(&data(location, incarnation, location as u8, b"far"));
    }
    assert!(driver.events.is_empty());
    driver.datagram(&data(1031, incarnation, 1031_u32 as u8, b"too far"));
    assert_eq!(driver.take_events().len(), 1);
}

/// The unread part of a frame stays with the caller, and is never longer than a frame can be.
#[test]
fn the_tail_is_bounded() {
    let mut driver = ready();
    let incarnation = driver.play(0);
    let longest = data(0, incarnation, 0, &vec![0; 65_527]);
    for chunk in longest.repeat(3).chunks(1000) {
        driver.hear(chunk);
        assert!(driver.tail.len() < mms_proto::wire::mmst::MAX_FRAME_LEN);
    }
    assert_eq!(driver.events.len(), 4);
}

/// Nothing that a server says at rest is kept.
#[test]
fn talk_is_not_kept() {
    let mut driver = ready();
    let before = format!("{:?}", driver.machine).len();
    for round in 0..1000 {
        driver.hear(&[server::read_block(2), server::switched(), server::end(0, 3), media(round, 4)].concat());
        driver.hear(&server::message(0x77, &[1; 200]));
    }
    assert!(driver.take_events().is_empty());
    assert!(format!("{:?}", driver.machine).len() < before + 100);
}
