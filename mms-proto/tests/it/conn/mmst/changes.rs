//! One content after another.

use bytes::Bytes;
use mms_proto::conn::{Awaited, Error, Event, Refusal};
use mms_proto::wire::Hresult;

use super::driver::{config, ready, ready_for_datagrams, ready_with, streaming};
use super::server::{self, File, media};

fn header_event(len: usize) -> Event {
    Event::Header(Bytes::from(server::header_of(len)))
}

#[test]
fn on_a_connection_the_next_content_follows_by_itself() {
    let (mut driver, incarnation) = streaming();
    driver.hear(&server::end(1, incarnation));
    assert_eq!(driver.take_events(), [Event::Ended { reason: Hresult::FALSE, more: true }]);
    assert!(!driver.machine.is_ready());
    driver.hear(&server::change(600));
    assert_eq!(driver.take_events(), [Event::Changed]);
    driver.hear(&server::pieces_of(&server::header_of(600), 250, 0xFF).concat());
    assert_eq!(driver.take_events(), [header_event(600), Event::Started]);
    assert!(driver.machine.is_streaming());
    driver.hear(&[media(1, incarnation), media(0, 0xFF), media(1, 0xFF)].concat());
    assert_eq!(driver.take_packets(), [0, 1], "of the new content only");
    driver.stop();
    assert_eq!(driver.last(0x09).word(12), u32::from(incarnation), "the last one that was given away");
    driver.hear(&server::end(0, incarnation));
    assert_eq!(driver.take_events(), [Event::Stopped]);
    let next = driver.play(0);
    driver.hear(&[server::started(next), media(0, 0xFF), media(0, next)].concat());
    assert_eq!(driver.take_packets(), [0]);
}

#[test]
fn a_content_may_change_without_an_end() {
    let (mut driver, _) = streaming();
    driver.hear(&server::change(600));
    driver.hear(&server::pieces_of(&server::header_of(600), 600, 0xFF).concat());
    assert_eq!(driver.take_events(), [Event::Changed, header_event(600), Event::Started]);
}

#[test]
fn a_change_while_stopping_is_told_after_the_stop() {
    let (mut driver, incarnation) = streaming();
    driver.stop();
    driver.hear(&server::change(600));
    driver.hear(&server::pieces_of(&server::header_of(600), 600, 0xFF).concat());
    driver.hear(&server::end(0, incarnation));
    assert_eq!(driver.take_events(), [Event::Stopped, Event::Changed]);
    let asked = driver.last(0x15).word(48) as u8;
    assert_ne!(asked, 2, "a fresh one");
    driver.hear(&server::pieces_of(&server::header_of(600), 600, 0xFF).concat());
    driver.hear(&server::pieces_of(&server::header_of(600), 600, 2).concat());
    assert!(driver.take_events().is_empty(), "neither is what was asked for");
    driver.hear(&server::pieces_of(&server::header_of(600), 600, asked).concat());
    assert_eq!(driver.take_events(), [header_event(600)]);
    assert!(driver.machine.is_ready());
}

#[test]
fn a_change_at_rest_is_asked_about() {
    let mut driver = ready();
    driver.hear(&server::change(600));
    let asked = driver.last(0x15).word(48) as u8;
    driver.hear(&server::pieces_of(&server::header_of(600), 600, asked).concat());
    assert_eq!(driver.take_events(), [Event::Changed, header_event(600)]);
    assert!(driver.machine.is_ready());
}

#[test]
fn with_datagrams_everything_is_asked_for_again() {
    let mut driver = ready_for_datagrams();
    let incarnation = driver.play(0);
    driver.hear(&server::started(incarnation));
    driver.datagram(&media(0, incarnation));
    driver.take_events();
    driver.hear(&[server::end(1, incarnation), server::change(600)].concat());
    assert_eq!(driver.take_events(), [Event::Ended { reason: Hresult::FALSE, more: true }, Event::Changed]);
    let asked = driver.last(0x15).word(48) as u8;
    server::pieces_of(&server::header_of(600), 200, asked).iter().for_each(|piece| driver.datagram(piece));
    assert_eq!(driver.take_events(), [header_event(600)]);
    assert!(driver.machine.is_ready() && !driver.machine.is_streaming());
}

#[test]
fn what_was_promised_has_a_deadline() {
    let (mut driver, incarnation) = streaming();
    driver.hear(&server::end(1, incarnation));
    assert_eq!(driver.wait(), Err(Error::TimedOut(Awaited::Change)));
    let (mut driver, _) = streaming();
    driver.hear(&server::change(600));
    assert_eq!(driver.wait(), Err(Error::TimedOut(Awaited::Header)));
    let (mut driver, _) = streaming();
    driver.hear(&server::change(600));
    driver.hear(&server::pieces_of(&server::header_of(600), 600, 0xFF).concat());
    assert_eq!(driver.wait(), Err(Error::TimedOut(Awaited::FirstPacket)));
}

#[test]
fn the_next_header_is_limited_too() {
    let (mut driver, _) = streaming();
    assert!(matches!(driver.try_hear(&server::change(1 << 21)), Err(Error::Limit { .. })));
}

#[test]
fn a_live_stream_begins_wherever_it_is() {
    let mut driver = ready_with(config(), File { attributes: 0x0600_0000, packets: 0, ..File::default() });
    let incarnation = driver.play(0);
    driver.hear(&[server::started(incarnation), media(4_000_000, incarnation)].concat());
    driver.hear(&[media(u32::MAX, incarnation), media(0, incarnation)].concat());
    assert_eq!(driver.take_packets(), [4_000_000, u32::MAX, 0]);
}

/// Datagrams overtake one another and come twice there too.
#[test]
fn a_live_stream_of_datagrams_goes_on_beyond_the_highest_number() {
    const FIRST: u32 = u32::MAX - 3;
    let mut driver = ready_for_datagrams();
    let incarnation = driver.play(0);
    driver.hear(&server::started(incarnation));
    for number in [0, 1, 4, 3, 1, 2, 0, 6, 5, 4] {
        let location = FIRST.wrapping_add(number);
        driver.datagram(&server::data(location, incarnation, number as u8, &server::payload(location)));
    }
    assert_eq!(driver.take_packets(), [FIRST, FIRST + 1, FIRST + 2, u32::MAX, 0, 1, 2]);
    assert!(driver.datagrams.is_empty(), "nothing was lost");
}

#[test]
fn a_change_can_fail() {
    let (mut driver, incarnation) = streaming();
    driver.hear(&[server::end(1, incarnation), server::refused(server::CHANGE, 0xC00D_002F)].concat());
    let reason = Hresult(0xC00D_002F);
    let refusal = Event::Refused(Refusal::Mms { awaiting: Awaited::Change, reason });
    assert_eq!(driver.take_events()[1..], [refusal]);
    assert!(driver.closed);
}
