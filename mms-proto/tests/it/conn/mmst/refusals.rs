//! "No", "who are you", and "elsewhere".

use bytes::Bytes;
use mms_proto::conn::mmst::Funnel;
use mms_proto::conn::{Awaited, Challenger, Error, Event, Limits, Refusal};
use mms_proto::wire::{Blame, Hresult};

use super::driver::{Driver, config, ready, streaming};
use super::server::{self, File};

fn refusal(awaiting: Awaited, reason: u32) -> Event {
    Event::Refused(Refusal::Mms { awaiting, reason: Hresult(reason) })
}

/// What the server says up to each question, and the "no" to it.
#[test]
fn each_question_can_be_refused() {
    let before = [server::connected(), server::funnel(), server::opened(File::default())];
    for (answered, command, awaiting) in [
        (0, server::CONNECTED, Awaited::Connected),
        (2, server::OPENED, Awaited::OpenFile),
        (3, server::READ_BLOCK, Awaited::Header),
    ] {
        for reason in [0x8007_0005, 0x8007_0002, 0xC00D_001A, 0xC00D_000F, 0x8000_FFFF, 0xFFFF_FFFF] {
            let mut driver = Driver::new(config());
            driver.hear(&before[..answered].concat());
            driver.take_events();
            driver.hear(&server::refused(command, reason));
            assert_eq!(driver.take_events(), [refusal(awaiting, reason)]);
            assert!(driver.closed && !driver.machine.is_ready());
            driver.hear(&server::connected());
            assert!(driver.take_events().is_empty());
        }
    }
}

#[test]
fn a_session_outlives_a_refused_selection_and_a_refused_start() {
    let mut driver = ready();
    let all = [mms_proto::conn::StreamChoice { stream: 1, thinning: mms_proto::conn::Thinning::None }];
    driver.machine.select(driver.now, &all).unwrap();
    driver.hear(&server::refused(server::SWITCHED, 0xC00D_0026));
    assert_eq!(driver.take_events(), [refusal(Awaited::StreamSwitch, 0xC00D_0026)]);
    assert!(driver.machine.is_ready());

    let first = driver.play(0);
    driver.hear(&server::refused(server::STARTED, 0xC00D_0020));
    assert_eq!(driver.take_events(), [refusal(Awaited::Started, 0xC00D_0020)]);
    assert!(driver.machine.is_ready() && !driver.closed);
    let second = driver.play(0);
    assert_ne!(first, second);
    driver.hear(&[server::started(second), server::media(0, second)].concat());
    assert_eq!(driver.take_packets(), [0]);
}

/// S_FALSE, and the other numbers that are no failure.
#[test]
fn a_small_number_is_no_refusal() {
    for hr in [1, 2, 0x000D_2F09, 0x400D_14BE] {
        let said = |command, body: &[u32]| {
            let mut words = vec![hr];
            words.extend(body);
            server::message(command, &server::words(&words))
        };
        let mut driver = Driver::new(config());
        let mut connected = server::connected();
        connected[40..44].copy_from_slice(&hr.to_le_bytes());
        driver.hear(&connected);
        driver.hear(&said(server::FUNNEL, &[0, 0]));
        driver.hear(&server::opened(File { hr, ..File::default() }));
        driver.hear(&[said(server::READ_BLOCK, &[2, 0]), server::pieces(2)].concat());
        assert!(driver.machine.is_ready());
        let incarnation = driver.play(0);
        driver.take_events();
        driver.hear(&said(server::STARTED, &[u32::from(incarnation), 1, 0, 0, 0, 0]));
        assert_eq!(driver.take_events(), [Event::Started]);
    }
}

/// The end of a stream has reasons too; a failure is one of them, and the session goes on.
#[test]
fn every_reason_of_an_end_is_told() {
    for reason in [0, 0xC00D_0013, 0xC00D_002F, 0xC00D_0034, 0x8000_FFFF] {
        let (mut driver, incarnation) = streaming();
        driver.hear(&server::end(reason, incarnation));
        assert_eq!(driver.take_events(), [Event::Ended { reason: Hresult(reason), more: false }]);
        assert!(driver.machine.is_ready());
    }
    assert_eq!(Hresult(0xC00D_0034).blame(), Some(Blame::End));
}

#[test]
fn after_a_refused_transport_another_one_can_be_asked_for() {
    for no in [server::refused(server::NO_FUNNEL, 0xC00D_000C), server::refused(server::FUNNEL, 0xC00D_000C)] {
        let mut driver = Driver::new(config().with_funnel(Funnel::Udp { port: 7000 }));
        driver.hear(&[server::connected(), server::funnel_info(3), no].concat());
        assert_eq!(driver.take_events(), [refusal(Awaited::ConnectedFunnel, 0xC00D_000C)]);
        assert!(!driver.closed);
        assert_eq!(driver.wait, None, "it is the caller's turn");
        driver.machine.retry_funnel(driver.now, Funnel::Tcp).unwrap();
        driver.poll();
        assert!(driver.last(0x02).text(28).contains(r"\TCP\"));
        driver.hear(&[server::funnel(), server::opened(File::default()), server::pieces(2)].concat());
        assert!(driver.machine.is_ready());
        let incarnation = driver.play(0);
        driver.hear(&[server::started(incarnation), server::media(0, incarnation)].concat());
        assert_eq!(driver.take_packets(), [0]);
    }
}

#[test]
fn datagrams_can_be_tried_second() {
    let mut driver = Driver::new(config());
    driver.hear(&[server::connected(), server::refused(server::NO_FUNNEL, 0xC00D_000C)].concat());
    driver.machine.retry_funnel(driver.now, Funnel::Udp { port: 7001 }).unwrap();
    driver.poll();
    assert_eq!(driver.commands(), [0x01, 0x02, 0x18]);
    driver.hear(&server::funnel_info(3));
    assert!(driver.last(0x02).text(28).ends_with(r"\UDP\7001"));
}

#[test]
fn a_transport_that_is_taken_away_ends_the_session() {
    let (mut driver, _) = streaming();
    driver.hear(&server::refused(server::NO_FUNNEL, 0xC00D_0014));
    assert_eq!(driver.take_events(), [refusal(Awaited::ConnectedFunnel, 0xC00D_0014)]);
    assert!(driver.closed);
}

#[test]
fn a_redirect_ends_the_session() {
    let mut driver = Driver::new(config());
    driver.hear(&[server::connected(), server::funnel(), server::redirect("mms://other/ü.asf")].concat());
    assert_eq!(driver.take_events(), [Event::Redirected("mms://other/ü.asf".to_owned())]);
    assert!(driver.closed);
    for proxy in ["mms://proxy.test:1755/", ""] {
        let mut driver = Driver::new(config());
        driver.hear(&[server::connected(), server::funnel(), server::redirect_of(2, proxy)].concat());
        assert_eq!(driver.take_events(), [Event::UseProxy(proxy.to_owned())]);
        assert!(driver.closed);
    }
}

fn asked(package: &str) -> Driver {
    let mut driver = Driver::new(config());
    driver.hear(&[server::connected_as("9.01", package), server::funnel()].concat());
    driver
}

#[test]
fn credentials_are_asked_for_and_given() {
    let mut driver = asked("BASIC");
    driver.hear(&server::challenge(1, 0xABCD, &server::utf16("realm=\"x\"")));
    let [Event::Challenged(challenge)] = &driver.take_events()[..] else { panic!() };
    assert_eq!(challenge.from, Challenger::Server);
    assert_eq!(challenge.offers.len(), 1);
    assert_eq!(challenge.offers[0].scheme, "BASIC");
    assert_eq!(challenge.offers[0].token, server::utf16("realm=\"x\""));
    assert_eq!(driver.wait, None, "people type slowly");

    driver.machine.authenticate(driver.now, Bytes::from_static(b"dXNlcjpwYXNz\0")).unwrap();
    driver.poll();
    let answer = driver.last(0x1A);
    assert_eq!((answer.word(8), answer.word(12), answer.word(16)), (1, 0xABCD, 13));
    assert_eq!(&answer.body[12..25], b"dXNlcjpwYXNz\0");
    assert!(driver.machine.authenticate(driver.now, Bytes::new()).is_err(), "one answer for one question");
    driver.hear(&[server::opened(File::default()), server::pieces(2)].concat());
    assert!(driver.machine.is_ready());
}

#[test]
fn wrong_credentials_are_a_refusal() {
    let mut driver = asked("BASIC");
    driver.hear(&server::challenge(1, 0, &[0, 0]));
    driver.machine.authenticate(driver.now, Bytes::from_static(b"wrong")).unwrap();
    driver.take_events();
    driver.hear(&server::refused(server::OPENED, 0x8007_0005));
    assert_eq!(driver.take_events(), [refusal(Awaited::OpenFile, 0x8007_0005)]);
}

#[test]
fn three_legs_keep_their_cookies() {
    let mut driver = asked("NTLM");
    for cookie in 1..=3 {
        driver.hear(&server::challenge(1, cookie, &[cookie as u8; 20]));
        driver.machine.authenticate(driver.now, Bytes::from(vec![9; 30])).unwrap();
        driver.poll();
        assert_eq!(driver.last(0x1A).word(12), cookie);
    }
    driver.hear(&server::opened(File::default()));
    assert_eq!(driver.last(0x15).command, 0x15);
}

#[test]
fn questions_without_end_are_a_limit() {
    let mut driver = asked("NTLM");
    for _ in 0..Limits::default().challenges {
        driver.hear(&server::challenge(1, 1, &[1]));
        driver.machine.authenticate(driver.now, Bytes::new()).unwrap();
    }
    let error = driver.try_hear(&server::challenge(1, 1, &[1])).unwrap_err();
    assert!(matches!(error, Error::Limit { max: 6, .. }));
}

#[test]
fn a_question_after_the_answer_to_open_is_out_of_order() {
    let mut driver = ready();
    let error = driver.try_hear(&server::challenge(1, 1, &[1])).unwrap_err();
    assert!(matches!(error, Error::OutOfOrder { what: "SecurityChallenge", .. }));
}

#[test]
fn credentials_are_in_no_debug_output_and_no_error() {
    let mut driver = asked("BASIC");
    driver.hear(&server::challenge(1, 1, &[1]));
    driver.machine.authenticate(driver.now, Bytes::from_static(b"topsecret")).unwrap();
    // Not polled yet: it is still in the machine.
    let shown = format!("{:?}", driver.machine);
    assert!(!shown.contains("topsecret"), "{shown}");
    let output = driver.machine.poll_output();
    assert!(!format!("{output:?}").contains("topsecret"));
    let long = driver.machine.authenticate(driver.now, Bytes::from(vec![b'x'; 20_000])).unwrap_err();
    assert!(!long.to_string().contains("xxx"));
}
