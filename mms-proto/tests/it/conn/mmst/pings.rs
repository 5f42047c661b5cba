//! Are you there?

use std::time::Duration;

use super::driver::{Driver, Said, config, ready, streaming};
use super::server::{self, File};

/// A Ping in every phase, and its answer with the same numbers.
#[test]
fn a_ping_is_answered_whatever_is_under_way() {
    let script = [
        Vec::new(),
        server::connected(),
        server::funnel(),
        server::opened(File::default()),
        server::pieces_of(&server::header(), 200, 2)[0].clone(),
        server::pieces_of(&server::header(), 200, 2)[1..].concat(),
    ];
    let mut driver = Driver::new(config());
    for (number, step) in script.into_iter().enumerate() {
        driver.hear(&step);
        driver.said.clear();
        driver.hear(&server::ping(number as u32, 77));
        let [pong] = &driver.said[..] else { panic!("one answer") };
        assert_eq!((pong.command, pong.word(8), pong.word(12)), (0x1B, number as u32, 77));
        assert!(driver.pass(Duration::from_secs(1)).is_ok());
    }
    assert!(driver.machine.is_ready());
    let (mut driver, incarnation) = streaming();
    for after in [server::media(1, incarnation), server::end(0, incarnation)] {
        driver.hear(&[after, server::ping(0, 0)].concat());
        assert_eq!(driver.said.last().map(|said: &Said| said.command), Some(0x1B));
    }
    let (mut driver, _) = streaming();
    driver.stop();
    driver.hear(&server::ping(5, 6));
    assert_eq!((driver.last(0x1B).word(8), driver.last(0x1B).word(12)), (5, 6));
}

#[test]
fn a_pong_goes_before_all_else() {
    let mut driver = Driver::new(config());
    driver.hear(&[server::connected(), server::funnel(), server::ping(0, 0)].concat());
    assert_eq!(driver.commands(), [0x01, 0x1B, 0x02, 0x05]);
    let counted: Vec<u16> = driver.said.iter().map(|said| said.seq).collect();
    assert_eq!(counted, [0, 1, 2, 3], "counted as they go out");
}

#[test]
fn a_flood_of_pings_is_not_matched() {
    let mut driver = ready();
    driver.said.clear();
    driver.hear(&server::ping(0, 0).repeat(1000));
    assert_eq!(driver.said.len(), 10);
    driver.pass(Duration::from_millis(999)).unwrap();
    driver.hear(&server::ping(0, 0));
    assert_eq!(driver.said.len(), 10);
    driver.pass(Duration::from_millis(1)).unwrap();
    driver.hear(&server::ping(0, 0).repeat(1000));
    assert_eq!(driver.said.len(), 20);
}

#[test]
fn a_ping_prolongs_nothing() {
    let mut driver = Driver::new(config());
    let deadline = driver.wait;
    driver.pass(Duration::from_secs(10)).unwrap();
    driver.hear(&server::ping(0, 0));
    assert_eq!(driver.wait, deadline);
}
