//! Every wait has an end, and a drip does not prolong it.

use std::time::Duration;

use mms_proto::conn::mmst::Funnel;
use mms_proto::conn::{Awaited, Error, StreamChoice, Thinning};

use super::driver::{Driver, config, ready, seconds, streaming};
use super::server::{self, File, media};

/// A machine that waits for something, what that is, and how long.
fn waiting() -> Vec<(Driver, Awaited, u64)> {
    let before = [server::connected(), server::funnel(), server::opened(File::default())];
    let mut all = Vec::new();
    for (answered, awaited, wait) in [
        (0, Awaited::Connected, 15),
        (1, Awaited::ConnectedFunnel, 15),
        (2, Awaited::OpenFile, 15),
        (3, Awaited::Header, 30),
    ] {
        let mut driver = Driver::new(config());
        driver.hear(&before[..answered].concat());
        all.push((driver, awaited, wait));
    }
    let mut driver = Driver::new(config().with_funnel(Funnel::Udp { port: 7000 }));
    driver.hear(&server::connected());
    all.push((driver, Awaited::FunnelInfo, 15));
    let mut driver = ready();
    driver.machine.select(driver.now, &[StreamChoice { stream: 1, thinning: Thinning::None }]).unwrap();
    driver.poll();
    all.push((driver, Awaited::StreamSwitch, 15));
    let mut driver = ready();
    driver.play(0);
    all.push((driver, Awaited::Started, 20));
    let mut driver = ready();
    let incarnation = driver.play(server::PACKETS as u32 - 1);
    driver.hear(&server::started(incarnation));
    all.push((driver, Awaited::FirstPacket, 20));
    let (mut driver, _) = streaming();
    driver.stop();
    all.push((driver, Awaited::Stopped, 5));
    all
}

#[test]
fn silence_ends_each_wait() {
    for (mut driver, awaited, wait) in waiting() {
        assert_eq!(driver.wait, Some(driver.now + seconds(wait)), "{awaited}");
        assert_eq!(driver.pass(seconds(wait) - Duration::from_nanos(1)), Ok(()));
        assert_eq!(driver.pass(Duration::from_nanos(1)), Err(Error::TimedOut(awaited)));
        assert!(driver.closed);
        assert_eq!(driver.pass(Duration::ZERO), Err(Error::TimedOut(awaited)), "the first error is the last word");
        assert_eq!(driver.wait, None);
    }
}

/// Bytes of something long that is not what is awaited, one a second.
#[test]
fn a_drip_does_not_prolong_a_wait() {
    for (mut driver, awaited, wait) in waiting() {
        let drip = server::message(0x99, &[0; 1000]);
        let mut result = Ok(());
        for byte in &drip[..wait as usize] {
            assert_eq!(result, Ok(()));
            driver.now += seconds(1);
            // The driver never finds the time to say that the deadline has passed.
            result = driver.try_hear(&[*byte]);
        }
        assert_eq!(result, Err(Error::TimedOut(awaited)));
    }
}

#[test]
fn an_answer_in_time_begins_another_wait() {
    let mut driver = Driver::new(config());
    driver.pass(seconds(14)).unwrap();
    driver.hear(&server::connected());
    driver.pass(seconds(14)).unwrap();
    driver.hear(&server::funnel());
    driver.pass(seconds(14)).unwrap();
    driver.hear(&server::opened(File::default()));
    driver.pass(seconds(29)).unwrap();
    driver.hear(&server::pieces(2));
    driver.pass(seconds(100_000)).unwrap();
    assert!(driver.machine.is_ready(), "at rest nothing is awaited");
}

#[test]
fn a_stream_has_no_deadline_after_its_first_packet() {
    let (mut driver, incarnation) = streaming();
    driver.pass(seconds(100_000)).unwrap();
    driver.hear(&media(1, incarnation));
    assert_eq!(driver.take_packets(), [1]);
}

#[test]
fn a_selection_while_streaming_has_one() {
    let (mut driver, incarnation) = streaming();
    driver.machine.select(driver.now, &[StreamChoice { stream: 1, thinning: Thinning::None }]).unwrap();
    driver.now += seconds(15);
    assert_eq!(driver.try_hear(&media(1, incarnation)), Err(Error::TimedOut(Awaited::StreamSwitch)));
    assert_eq!(driver.take_packets(), [1], "what came before the end is told");
}
