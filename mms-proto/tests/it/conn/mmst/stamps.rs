//! Which packets are believed, and which are of a stream before.

use mms_proto::conn::{Error, Limits};

use super::driver::{Driver, config, ready, ready_with, streaming};
use super::server::{self, File, media};

#[test]
fn incarnations_go_round_without_one_that_is_ambiguous() {
    let (mut driver, first) = streaming();
    let mut given = vec![first];
    for _ in 0..500 {
        driver.stop();
        driver.hear(&server::end(0, *given.last().unwrap()));
        given.push(driver.play(0));
        driver.hear(&server::started(*given.last().unwrap()));
        driver.hear(&media(0, *given.last().unwrap()));
    }
    assert!(given.iter().all(|incarnation| (9..=0xFE).contains(incarnation) && *incarnation != 0xCE));
    assert!(given.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(given.windows(2).any(|pair| pair == [0xFE, 9]));
}

#[test]
fn what_is_left_of_the_stream_before_is_dropped() {
    let (mut driver, first) = streaming();
    driver.stop();
    driver.hear(&[media(1, first), server::end(0, first), media(2, first)].concat());
    let second = driver.play(100);
    driver.hear(&[media(3, first), server::started(second), media(4, first), media(100, first)].concat());
    driver.hear(&[media(100, second), media(5, first), media(101, second)].concat());
    assert_eq!(driver.take_packets(), [100, 101]);
}

#[test]
fn a_server_that_never_stops_sending_is_given_up() {
    let mut limits = Limits::default();
    limits.stale = 168 * 3;
    let mut driver = ready_with(config().with_limits(limits), File::default());
    let first = driver.play(0);
    driver.hear(&[server::started(first), media(0, first)].concat());
    driver.stop();
    driver.hear(&[media(1, first), media(2, first)].concat());
    driver.hear(&server::end(0, first));
    let second = driver.play(10);
    // Another request, another count.
    driver.hear(&[media(3, first), media(4, first), media(5, first)].concat());
    let error = driver.try_hear(&media(6, first)).unwrap_err();
    assert!(matches!(error, Error::Limit { max: 504, .. }));
    assert_eq!(driver.try_hear(&media(10, second)), Err(error));
}

/// A server with a fixed stamp, or that of ReadBlock.
#[test]
fn the_first_stream_may_have_any_stamp() {
    for stamp in [4, 2, 0, 0x80, 0xFE] {
        let mut driver = ready();
        let incarnation = driver.play(50);
        driver.hear(&media(50, stamp));
        assert!(driver.take_packets().is_empty(), "nothing has been reported yet");
        driver.hear(&[server::started(incarnation), media(51, stamp), media(52, stamp)].concat());
        assert_eq!(driver.take_packets(), [51, 52]);
        driver.hear(&[media(53, stamp ^ 1), media(53, stamp)].concat());
        assert_eq!(driver.take_packets(), [53], "then this one, and no other");
        driver.hear(&server::end(0, stamp));
        assert!(driver.machine.is_ready());
    }
}

#[test]
fn what_is_not_in_the_file_is_not_believed() {
    let mut driver = ready();
    let incarnation = driver.play(0);
    driver.hear(&[server::started(incarnation), media(server::PACKETS as u32, 4), media(9999, 4)].concat());
    assert!(driver.take_packets().is_empty());
    driver.hear(&media(0, 4));
    assert_eq!(driver.take_packets(), [0]);
    // But where the stamp is right, the caller is told: it knows what to do with a packet too many.
    let (mut driver, incarnation) = streaming();
    driver.hear(&media(server::PACKETS as u32, incarnation));
    assert_eq!(driver.take_packets(), [server::PACKETS as u32]);
}

/// A session whose first stream, packets 0 to 9, had the fixed stamp 4; stopped, and begun again at `from`.
fn fixed(from: u32) -> (Driver, u8) {
    let mut driver = ready();
    let first = driver.play(0);
    driver.hear(&server::started(first));
    (0..10).for_each(|location| driver.hear(&media(location, 4)));
    driver.stop();
    driver.hear(&server::end(0, 4));
    assert!(driver.machine.is_ready());
    driver.take_events();
    let second = driver.play(from);
    (driver, second)
}

#[test]
fn a_fixed_stamp_is_believed_behind_the_stream_before() {
    let (mut driver, second) = fixed(3);
    driver.hear(&media(10, 4));
    driver.hear(&[server::started(second), media(11, 4), media(12, 4)].concat());
    assert!(driver.take_packets().is_empty());
    driver.hear(&[media(3, 4), media(4, 4)].concat());
    assert_eq!(driver.take_packets(), [3, 4]);
}

#[test]
fn a_fixed_stamp_is_believed_far_from_the_stream_before() {
    let (mut driver, second) = fixed(3000);
    driver.hear(&[server::started(second), media(10, 4), media(2999, 3), media(3000, 4)].concat());
    assert_eq!(driver.take_packets(), [3000]);
}

/// Where the stream before could be as well, its packets would look the same.
#[test]
fn a_fixed_stamp_is_not_believed_where_the_stream_before_may_be() {
    for from in [10, 11, 20, 1009] {
        let (mut driver, second) = fixed(from);
        driver.hear(&server::started(second));
        (10..=from + 5).for_each(|location| driver.hear(&media(location, 4)));
        driver.hear(&media(from, 4));
        // By then it has been seen to be past that place, and a packet from there can only be of the new stream.
        assert_eq!(driver.take_packets(), [from]);
        let (mut driver, second) = fixed(from);
        driver.hear(&[server::started(second), media(from, 4), media(from + 1, 4)].concat());
        assert!(driver.take_packets().is_empty(), "{from}");
    }
}

#[test]
fn the_stream_before_is_watched_before_the_new_one_is_reported() {
    let (mut driver, second) = fixed(1500);
    // It goes on until it is near the new place; skipping is what servers do.
    driver.hear(&media(1400, 4));
    driver.hear(&[server::started(second), media(1500, 4)].concat());
    assert!(driver.take_packets().is_empty());
}

#[test]
fn of_a_server_that_stamped_well_no_other_stamp_is_believed() {
    let (mut driver, first) = streaming();
    driver.stop();
    driver.hear(&server::end(0, first));
    let second = driver.play(0);
    driver.hear(&[server::started(second), media(0, 4), media(0, first), media(0, 2), media(0, 0xFF)].concat());
    assert!(driver.take_packets().is_empty());
    driver.hear(&media(0, second));
    assert_eq!(driver.take_packets(), [0]);
}

#[test]
fn of_a_server_of_which_no_packet_was_seen_no_other_stamp_is_believed() {
    let mut driver = ready();
    let first = driver.play(0);
    driver.hear(&server::started(first));
    driver.stop();
    driver.hear(&server::end(0, first));
    let second = driver.play(1);
    driver.hear(&[server::started(second), media(1, 4)].concat());
    assert!(driver.take_packets().is_empty(), "it could be of the first stream");
}

/// The other form of a seek is tried on the same connection.
#[test]
fn a_refused_stream_was_none() {
    let mut driver = ready();
    driver.play(5);
    driver.hear(&server::refused(server::STARTED, 0x8007_0057));
    let second = driver.play(5);
    driver.hear(&[server::started(second), media(5, 4)].concat());
    assert_eq!(driver.take_packets(), [5], "still the first");

    let (mut driver, _) = fixed(3);
    driver.hear(&server::refused(server::STARTED, 0x8007_0057));
    let third = driver.play(4);
    driver.hear(&[media(10, 4), server::started(third), media(11, 4), media(4, 4)].concat());
    assert_eq!(driver.take_packets(), [4], "still after the one with packets");
}

/// The caller sees where each packet belongs, and what became of the seek.
#[test]
fn a_server_may_begin_elsewhere() {
    for begins in [0, 95, 101] {
        let mut driver = ready();
        let incarnation = driver.play(100);
        driver.hear(&[server::started(incarnation), media(begins, incarnation)].concat());
        assert_eq!(driver.take_packets(), [begins]);
    }
}

/// What comes of the stream before while it is being stopped tells how far it has got.
#[test]
fn the_stream_before_is_watched_while_it_is_stopped() {
    let mut driver = ready();
    let first = driver.play(0);
    driver.hear(&server::started(first));
    (0..10).for_each(|location| driver.hear(&media(location, 4)));
    driver.stop();
    (10..40).for_each(|location| driver.hear(&media(location, 4)));
    driver.hear(&server::end(0, 4));
    driver.take_events();
    let second = driver.play(30);
    driver.hear(&[server::started(second), media(30, 4), media(31, 4)].concat());
    assert_eq!(driver.take_packets(), [30, 31], "it was past them already");
}
