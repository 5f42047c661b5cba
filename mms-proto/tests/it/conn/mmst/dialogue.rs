//! What is said in which order.

use bytes::Bytes;
use mms_proto::conn::mmst::{Acceleration, Config, SeekForm};
use mms_proto::conn::{Awaited, Error, Event, Identity, Packet, StreamChoice, Thinning};
use mms_proto::wire::Hresult;

use super::driver::{Driver, GUID, config, ready, ready_with, streaming};
use super::server::{self, File};

#[test]
fn a_whole_session() {
    let mut driver = Driver::new(config());
    assert_eq!(driver.commands(), [0x01]);
    driver.hear(&server::connected());
    assert_eq!(driver.commands(), [0x01, 0x02]);
    driver.hear(&server::funnel());
    assert_eq!(driver.commands(), [0x01, 0x02, 0x05]);
    assert!(driver.events.is_empty());

    driver.hear(&server::opened(File::default()));
    assert_eq!(driver.commands(), [0x01, 0x02, 0x05, 0x15], "the header is asked for at once");
    let [Event::Opened(facts)] = &driver.take_events()[..] else { panic!() };
    assert_eq!(facts.server.as_deref(), Some("9.01.01.3841"));
    assert!(facts.seekable && !facts.broadcast && !facts.live && !facts.playlist);
    assert_eq!(facts.duration.map(|duration| duration.as_millis()), Some(10_030));
    assert_eq!((facts.packet_size, facts.packets), (Some(3200), Some(server::PACKETS)));
    assert_eq!((facts.bit_rate, facts.header_len), (Some(32_000), Some(server::HEADER_LEN as u32)));

    driver.hear(&server::read_block(2));
    assert!(!driver.machine.is_ready());
    driver.hear(&server::pieces(2));
    assert_eq!(driver.take_events(), [Event::Header(Bytes::from(server::header()))]);
    assert!(driver.machine.is_ready() && !driver.machine.is_streaming());
    assert_eq!(driver.wait, None, "nothing is awaited");

    let choice = |stream, thinning| StreamChoice { stream, thinning };
    let choices = [choice(1, Thinning::None), choice(2, Thinning::KeyFrames), choice(127, Thinning::Off)];
    driver.machine.select(driver.now, &choices).unwrap();
    driver.poll();
    let entries = [3, 0, 0, 0, 0xFF, 0xFF, 1, 0, 0, 0, 0xFF, 0xFF, 2, 0, 1, 0, 0xFF, 0xFF, 127, 0, 2, 0];
    assert_eq!(driver.last(0x33).body[..22], entries);
    assert!(!driver.machine.is_ready());
    driver.hear(&server::switched());
    assert!(driver.machine.is_ready());

    let incarnation = driver.play(0);
    assert!(driver.machine.is_streaming());
    driver.hear(&server::started(incarnation));
    assert_eq!(driver.take_events(), [Event::Started]);
    driver.hear(&[server::media(0, incarnation), server::media(1, incarnation)].concat());
    let packet = |location| Event::Packet(Packet { location, data: Bytes::from(server::payload(location)) });
    assert_eq!(driver.take_events(), [packet(0), packet(1)]);
    assert_eq!(driver.wait, None, "silence within a stream is not the machine's business");
    driver.hear(&server::end(0, incarnation));
    assert_eq!(driver.take_events(), [Event::Ended { reason: Hresult::OK, more: false }]);
    assert!(driver.machine.is_ready());

    driver.machine.close(driver.now);
    driver.poll();
    assert_eq!((driver.last(0x0D).word(8), driver.last(0x0D).word(12)), (1, server::FILE_ID));
    assert!(driver.closed);
    let counted: Vec<u16> = driver.said.iter().map(|said| said.seq).collect();
    assert_eq!(counted, (0..driver.said.len() as u16).collect::<Vec<_>>());
    driver.hear(b"whatever comes now");
    assert!(driver.tail.is_empty() && driver.take_events().is_empty());
}

/// No asfOffset and no frameOffset, in either form; 0 would mean "not given" as the number of a packet.
#[test]
fn where_a_stream_begins_is_said_in_two_ways() {
    let unused = u32::MAX;
    for (from, form, position, location) in [
        (0, SeekForm::Wild, 0.0, unused),
        (0, SeekForm::Spec, 0.0, unused),
        (300, SeekForm::Wild, 0.0, 300),
        (300, SeekForm::Spec, f64::MAX, 300),
        (4999, SeekForm::Wild, 0.0, 4999),
    ] {
        let mut driver = ready();
        driver.machine.play(driver.now, from, form).unwrap();
        driver.poll();
        let start = driver.last(0x07);
        assert_eq!(start.word(8), server::FILE_ID);
        assert_eq!((start.double(16), start.word(28)), (position, location), "{from} {form:?}");
        assert_eq!((start.word(24), start.word(32), start.word(36)), (unused, 0, 9));
        assert_eq!(start.body.len(), 32, "no acceleration where none is wanted");
    }
}

#[test]
fn a_fast_beginning_is_asked_for_where_it_is_wanted() {
    let acceleration = Acceleration { bandwidth: 3_500_000, duration: 10_000, link_bandwidth: 1_000_000 };
    let mut driver = ready_with(config().with_acceleration(acceleration), File::default());
    driver.play(1);
    let start = driver.last(0x07);
    assert_eq!((start.word(40), start.word(44), start.word(48)), (3_500_000, 10_000, 1_000_000));
}

#[test]
fn a_start_behind_the_end_is_never_asked_for() {
    for from in [server::PACKETS as u32, u32::MAX - 1, u32::MAX] {
        let mut driver = ready();
        let error = driver.machine.play(driver.now, from, SeekForm::Wild).unwrap_err();
        assert!(matches!(error, Error::Misuse(_)));
        driver.poll();
        assert!(!driver.commands().contains(&0x07));
        driver.play(0);
    }
    // Of a broadcast, the count says nothing.
    let mut driver = ready_with(config(), File { attributes: 0x0200_0000, packets: 10, ..File::default() });
    driver.play(100);
}

#[test]
fn a_seek_is_a_stop_and_a_start() {
    let (mut driver, first) = streaming();
    let error = driver.machine.play(driver.now, 100, SeekForm::Wild).unwrap_err();
    assert!(matches!(error, Error::Misuse(_)), "a server would ignore the place");
    driver.stop();
    assert_eq!((driver.last(0x09).word(8), driver.last(0x09).word(12)), (server::FILE_ID, u32::from(first)));
    driver.hear(&server::media(1, first));
    assert!(!driver.machine.is_ready());
    driver.hear(&server::end(0, first));
    assert_eq!(driver.take_events(), [Event::Stopped], "what came meanwhile is not told");
    let second = driver.play(100);
    assert_ne!(first, second);
    driver.hear(&[server::started(second), server::media(100, second)].concat());
    assert_eq!(driver.take_packets(), [100]);
}

#[test]
fn a_stream_that_ends_while_it_is_stopped_is_ended_once() {
    let (mut driver, first) = streaming();
    driver.stop();
    driver.hear(&server::end(0, first));
    let second = driver.play(3);
    // The answer to the stop, after all.
    driver.hear(&server::end(0, first));
    assert_eq!(driver.take_events(), [Event::Stopped]);
    driver.hear(&[server::started(second), server::end(0, first), server::media(3, second)].concat());
    assert_eq!(driver.take_packets(), [3]);
    driver.hear(&server::end(0, second));
    assert_eq!(driver.take_events(), [Event::Ended { reason: Hresult::OK, more: false }]);
}

#[test]
fn packets_may_come_before_the_word_that_they_will() {
    let mut driver = ready();
    let incarnation = driver.play(0);
    driver.hear(&server::media(0, incarnation));
    assert!(matches!(driver.take_events()[..], [Event::Started, Event::Packet(_)]));
    driver.hear(&server::started(incarnation));
    assert!(driver.take_events().is_empty());
}

#[test]
fn a_stream_can_be_stopped_before_it_has_begun() {
    let mut driver = ready();
    let incarnation = driver.play(0);
    driver.stop();
    driver.hear(&[server::started(incarnation), server::media(0, incarnation), server::end(0, incarnation)].concat());
    assert_eq!(driver.take_events(), [Event::Stopped]);
    assert!(driver.machine.is_ready());
}

#[test]
fn streams_can_be_selected_while_they_are_sent() {
    let (mut driver, incarnation) = streaming();
    let choice = [StreamChoice { stream: 16, thinning: Thinning::Off }];
    driver.machine.select(driver.now, &choice).unwrap();
    driver.hear(&[server::media(1, incarnation), server::switched(), server::media(2, incarnation)].concat());
    assert_eq!(driver.take_packets(), [1, 2]);
    assert_eq!(driver.last(0x33).body[..10], [1, 0, 0, 0, 0xFF, 0xFF, 16, 0, 2, 0]);
}

#[test]
fn a_selection_names_streams_that_can_be() {
    let mut driver = ready();
    let all = |stream| StreamChoice { stream, thinning: Thinning::None };
    for wrong in [vec![], vec![all(0)], vec![all(128)], vec![all(1); 128]] {
        assert!(matches!(driver.machine.select(driver.now, &wrong), Err(Error::Misuse(_))));
    }
    driver.machine.select(driver.now, &(1..=127).map(all).collect::<Vec<_>>()).unwrap();
    driver.poll();
    assert_eq!(driver.last(0x33).body.len(), (4 + 127 * 6_usize).next_multiple_of(8));
    assert!(matches!(driver.machine.select(driver.now, &[all(1)]), Err(Error::Misuse(_))));
}

#[test]
fn commands_out_of_place_are_no_end() {
    let mut driver = Driver::new(config());
    let choice = [StreamChoice { stream: 1, thinning: Thinning::None }];
    assert!(matches!(driver.machine.select(driver.now, &choice), Err(Error::Misuse(_))));
    assert!(matches!(driver.machine.play(driver.now, 0, SeekForm::Wild), Err(Error::Misuse(_))));
    assert!(matches!(driver.machine.stop(driver.now), Err(Error::Misuse(_))));
    assert!(matches!(driver.machine.authenticate(driver.now, Bytes::new()), Err(Error::Misuse(_))));
    let tcp = mms_proto::conn::mmst::Funnel::Tcp;
    assert!(matches!(driver.machine.retry_funnel(driver.now, tcp), Err(Error::Misuse(_))));
    driver.hear(&server::connected());
    assert_eq!(driver.commands(), [0x01, 0x02]);
}

#[test]
fn the_end_of_the_connection_says_what_was_awaited() {
    let mut driver = Driver::new(config());
    assert_eq!(driver.close_connection(), Error::Closed(Awaited::Connected));
    assert!(driver.closed);
    let (mut driver, incarnation) = streaming();
    driver.hear(&server::media(1, incarnation)[..30]);
    assert_eq!(driver.close_connection(), Error::Closed(Awaited::Packet));
    assert_eq!(
        driver.try_hear(&server::ping(0, 0)),
        Err(Error::Closed(Awaited::Packet)),
        "the first error is the last word"
    );
    assert_eq!(driver.machine.stop(driver.now), Err(Error::Closed(Awaited::Packet)));
    let mut driver = ready();
    assert_eq!(driver.close_connection(), Error::Closed(Awaited::Nothing));
}

/// Names come out of URLs and redirects.
#[test]
fn names_are_bounded() {
    let player = Identity::Player { guid: GUID.to_owned() };
    assert!(Config::new(&player, "host", &"x".repeat(4096)).is_ok());
    assert!(Config::new(&player, "host", &"x".repeat(4097)).is_err());
    assert!(Config::new(&player, &"x".repeat(5000), "file").is_err());
    assert!(Config::new(&player, "host", "a\0b").is_err());
    let named = Config::new(&player, "host", "ü/\u{1F3B5} 100%.asf?MSWMExt=.asf").unwrap();
    let mut driver = Driver::new(named);
    driver.hear(&[server::connected(), server::funnel()].concat());
    assert_eq!(driver.last(0x05).text(24), "ü/\u{1F3B5} 100%.asf?MSWMExt=.asf");
}

#[test]
fn a_relay_says_so() {
    let relay = Identity::Relay { guid: GUID.to_owned() };
    let driver = Driver::new(Config::new(&relay, "h", "f").unwrap());
    assert!(driver.last(0x01).text(20).starts_with("Spooooon!"), "the grammar has five");
}
