//! Faults at every step of MMST, and credentials.

use std::time::Duration;

use bytes::Bytes;
use mms_proto::testing::{Auth, Fault, Habits, Rate, Server, Step, When};

use super::bytes::{Got, Wire, film, locations, server, wide, word, words};

const DENIED: u32 = 0x8007_0005;
const WRONG_STATE: u32 = 0xC00D_002B;

/// The steps of a session in turn, each with the answer to it and with the answer that refuses it.
const STEPS: [(Step, u16, u16); 8] = [
    (Step::Connect, 0x01, 0x01),
    (Step::FunnelInfo, 0x15, 0x15),
    (Step::ConnectFunnel, 0x02, 0x03),
    (Step::OpenFile, 0x06, 0x06),
    (Step::ReadBlock, 0x11, 0x11),
    (Step::StreamSwitch, 0x21, 0x21),
    (Step::StartPlaying, 0x05, 0x05),
    (Step::StopPlaying, 0x1E, 0x1E),
];

async fn ask(wire: &mut Wire, step: Step) {
    match step {
        Step::Connect => wire.greet().await,
        Step::FunnelInfo => wire.funnel_info(0xF0F0_F0EF).await,
        Step::ConnectFunnel => wire.funnel("TCP", 1037).await,
        Step::OpenFile => wire.open_file(&[]).await,
        Step::ReadBlock => wire.read_block(3).await,
        Step::StreamSwitch => wire.switch(&[1, 2]).await,
        Step::StartPlaying => wire.start(0, 5).await,
        _ => wire.stop(5).await,
    }
}

/// What follows the answer to a step in an honest session.
async fn follows(wire: &mut Wire, step: Step) {
    if step == Step::ReadBlock {
        assert_eq!(wire.next().await, Got::Data(0, 3, 0x0C, film().header().to_vec()));
    }
    if step == Step::StartPlaying {
        assert_eq!(locations(&wire.played().await), (0..12).collect::<Vec<u32>>());
    }
}

/// A session in which all went well until this step was asked for.
async fn asked(server: &Server, step: Step) -> Wire {
    let mut wire = Wire::connect(server).await;
    for (earlier, kind, _) in STEPS.into_iter().take_while(|(earlier, ..)| *earlier != step) {
        ask(&mut wire, earlier).await;
        assert_eq!(wire.result().await, (kind, 0), "{earlier:?} before {step:?}");
        follows(&mut wire, earlier).await;
    }
    ask(&mut wire, step).await;
    wire
}

#[tokio::test]
async fn at_every_step_nothing_may_come() {
    for (step, ..) in STEPS {
        let server = server(Habits::default());
        server.fault(When::Nth(1), Fault::Silence(step));
        let mut wire = asked(&server, step).await;
        wire.nothing_comes().await;
    }
}

#[tokio::test]
async fn at_every_step_the_connection_may_close() {
    for (step, ..) in STEPS {
        let server = server(Habits::default());
        server.fault(When::Nth(1), Fault::HangUp(step));
        assert_eq!(asked(&server, step).await.next().await, Got::End, "{step:?}");
    }
}

#[tokio::test]
async fn at_every_step_other_bytes_may_come() {
    for (step, ..) in STEPS {
        let server = server(Habits::default());
        server.fault(When::Nth(1), Fault::Bytes(step, Bytes::from_static(b"something else")));
        let mut wire = asked(&server, step).await;
        assert_eq!(wire.exactly(14).await, b"something else", "{step:?}");
        wire.nothing_comes().await;
    }
}

#[tokio::test]
async fn at_every_step_a_refusal_has_its_code_and_nothing_follows() {
    for (step, _, kind) in STEPS {
        let server = server(Habits::default());
        server.fault(When::Nth(1), Fault::Refused(step, 0xC00D_0BAD));
        let mut wire = asked(&server, step).await;
        assert_eq!(wire.result().await, (kind, 0xC00D_0BAD), "{step:?}");
        if step == Step::Connect {
            assert_eq!(wire.next().await, Got::End);
        } else {
            wire.nothing_comes().await;
        }
    }
}

#[tokio::test]
async fn at_every_step_a_code_that_is_no_failure_changes_nothing_else() {
    for (step, kind, _) in STEPS {
        let server = server(Habits::default());
        server.fault(When::Nth(1), Fault::Refused(step, 1));
        let mut wire = asked(&server, step).await;
        assert_eq!(wire.result().await, (kind, 1), "{step:?}");
        follows(&mut wire, step).await;
        for (later, kind, _) in STEPS.into_iter().skip_while(|(later, ..)| *later != step).skip(1) {
            ask(&mut wire, later).await;
            assert_eq!(wire.result().await, (kind, 0), "{later:?} after {step:?}");
            follows(&mut wire, later).await;
        }
    }
    // It does not open a transport either that is closed.
    let server = Server::builder().film("/clip.asf", film()).habits(Habits::default().udp_only(true)).start().unwrap();
    server.fault(When::Always, Fault::Refused(Step::ConnectFunnel, 1));
    let mut wire = Wire::connect(&server).await;
    assert_eq!(wire.open().await[1], (3, 0xC00D_000C));
}

#[tokio::test]
async fn what_is_refused_leaves_all_as_it_was() {
    let server = server(Habits::default());
    server.fault(When::Nth(1), Fault::Stall { after: 2 });
    for step in [Step::OpenFile, Step::StreamSwitch] {
        server.fault(When::Nth(2), Fault::Refused(step, DENIED));
    }
    let mut wire = asked(&server, Step::StreamSwitch).await;
    assert_eq!(wire.result().await, (0x21, 0));
    wire.open_file(&[]).await;
    assert_eq!(wire.result().await, (6, DENIED));
    // Neither stream, if it were granted.
    wire.send(0x33, [words(&[2]), [0xFFFF_u16, 1, 2, 0xFFFF, 2, 2].map(u16::to_le_bytes).concat()].concat()).await;
    assert_eq!(wire.result().await, (0x21, DENIED));
    wire.start(0, 5).await;
    assert_eq!(wire.result().await, (0x05, 0));
    for location in 0..2 {
        assert!(matches!(wire.next().await, Got::Data(at, ..) if at == location));
    }
}

/// The clock goes on by itself when nobody has anything to do.
#[tokio::test(start_paused = true)]
async fn a_play_goes_on_whose_stop_is_refused() {
    let hour = Duration::from_secs(3600);
    for (code, goes_on) in [(0, false), (DENIED, true)] {
        let habits = Habits::default().rate(Rate::Each(hour)).ping_idle(hour * 24);
        let server = Server::builder().film("/clip.asf", film()).habits(habits).start().unwrap();
        server.fault(When::Always, Fault::Refused(Step::StopPlaying, code));
        let mut wire = asked(&server, Step::StartPlaying).await;
        assert_eq!(wire.result().await, (0x05, 0));
        assert!(matches!(wire.next().await, Got::Data(0, ..)));
        wire.stop(5).await;
        assert_eq!(wire.control().await, (0x1E, words(&[code, 5])));
        match wire.next().await {
            Got::Data(1, ..) if goes_on => assert_eq!(wire.played().await.len(), 11),
            Got::Control(0x1B, _) if !goes_on => {}
            other => panic!("{code:x}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn the_media_of_a_play_may_not_come() {
    let server = server(Habits::default());
    server.fault(When::Nth(1), Fault::Silence(Step::Media));
    let mut wire = asked(&server, Step::StartPlaying).await;
    assert_eq!(wire.result().await, (0x05, 0));
    wire.nothing_comes().await;
    server.fault(When::Nth(1), Fault::HangUp(Step::Media));
    let mut wire = asked(&server, Step::StartPlaying).await;
    assert_eq!(wire.result().await, (0x05, 0));
    assert_eq!(wire.next().await, Got::End);
}

#[tokio::test]
async fn other_bytes_may_come_before_the_media_or_between_packets_once() {
    let strange = Bytes::from_static(b"strange");
    for (fault, place) in
        [(Fault::Bytes(Step::Media, strange.clone()), 0), (Fault::Between { after: 4, bytes: strange.clone() }, 4)]
    {
        let server = server(Habits::default());
        server.fault(When::Nth(1), fault);
        let mut wire = asked(&server, Step::StartPlaying).await;
        assert_eq!(wire.result().await, (0x05, 0));
        for location in 0..12 {
            if location == place {
                assert_eq!(wire.exactly(strange.len()).await, strange);
            }
            let got = wire.next().await;
            assert!(matches!(got, Got::Data(at, ..) if at == location), "{location}: {got:?}");
        }
        assert_eq!(wire.result().await, (0x1E, 0));
        // The next play is honest.
        wire.start(0, 5).await;
        assert_eq!(wire.played().await.len(), 14);
    }
}

#[tokio::test]
async fn a_client_is_sent_elsewhere() {
    let server = server(Habits::default());
    server.fault(When::Nth(1), Fault::Redirect("mms://elsewhere.example/a".to_owned()));
    let mut wire = asked(&server, Step::OpenFile).await;
    let (kind, body) = wire.control().await;
    let address = wide("mms://elsewhere.example/a");
    let head = [words(&[0]), [1, address.len() as u16].map(u16::to_le_bytes).concat()].concat();
    assert_eq!((kind, &body[..8], &body[8..8 + address.len()]), (0x22, &head[..], &address[..]));
    wire.nothing_comes().await;
    wire.open_file(&[]).await;
    assert_eq!(wire.result().await, (6, 0), "the second time it is here");
}

/// A session that has asked for the film of a server that wants credentials.
async fn challenged(auth: Auth, token: &[u8]) -> (Server, Wire) {
    let server = Server::builder().film("/clip.asf", film()).auth(auth).start().unwrap();
    let mut wire = Wire::connect(&server).await;
    wire.greet().await;
    let (kind, body) = wire.control().await;
    assert_eq!((kind, word(&body, 0)), (1, 0));
    // The scheme is the last of four texts, and is counted.
    let (version, scheme) = (word(&body, 40) as usize * 2, word(&body, 52) as usize * 2);
    let scheme = &body[56 + version..56 + version + scheme];
    assert!(scheme == wide("BASIC") || scheme == wide("NTLM"), "{scheme:?}");
    wire.open_file(token).await;
    (server, wire)
}

/// The token of the next question, and the number that is to come back.
async fn question(wire: &mut Wire) -> (u32, Vec<u8>) {
    let (kind, body) = wire.control().await;
    assert_eq!((kind, word(&body, 0)), (0x1A, 1));
    (word(&body, 4), body[12..12 + word(&body, 8) as usize].to_vec())
}

async fn respond(wire: &mut Wire, cookie: u32, token: &[u8]) {
    wire.send(0x1A, [words(&[1, cookie, token.len() as u32]), token.to_vec()].concat()).await;
}

fn basic() -> Auth {
    Auth::Basic { user: "lab".to_owned(), password: "open".to_owned() }
}

#[tokio::test]
async fn a_name_and_a_password_are_asked_for_and_must_be_right() {
    for (token, result) in [(&b"bGFiOm9wZW4=\0"[..], 0), (b"bGFiOnNodXQ=\0", DENIED), (b"", DENIED)] {
        let (_server, mut wire) = challenged(basic(), &[]).await;
        let (cookie, realm) = question(&mut wire).await;
        assert_eq!(realm, wide("realm=\"films\""));
        // Nobody gets anything before.
        wire.read_block(3).await;
        assert_eq!(wire.result().await, (0x11, WRONG_STATE));
        wire.start(0, 5).await;
        assert_eq!(wire.result().await, (0x05, WRONG_STATE));
        wire.nothing_comes().await;
        respond(&mut wire, cookie, token).await;
        assert_eq!(wire.result().await, (6, result));
        wire.read_block(3).await;
        assert_eq!(wire.result().await, (0x11, if result == 0 { 0 } else { WRONG_STATE }));
    }
}

#[tokio::test]
async fn credentials_may_come_with_the_request_and_wrong_ones_are_asked_for_again() {
    let (_server, mut wire) = challenged(basic(), b"bGFiOm9wZW4=\0").await;
    assert_eq!(wire.result().await, (6, 0));
    let (_server, mut wire) = challenged(basic(), b"bGFiOnNodXQ=\0").await;
    let (cookie, _) = question(&mut wire).await;
    respond(&mut wire, cookie, b"bGFiOm9wZW4=\0").await;
    assert_eq!(wire.result().await, (6, 0));
}

#[tokio::test]
async fn questions_come_in_turn_as_long_as_the_answers_are_right() {
    let legs = [("", "one"), ("second", "two"), ("third", "three")];
    let script = |(question, answer): (&'static str, &'static str)| (Bytes::from(question), Bytes::from(answer));
    let auth = || Auth::Legs { scheme: "NTLM".to_owned(), legs: legs.map(script).to_vec() };
    for wrong in [None, Some(0), Some(1), Some(2)] {
        let (_server, mut wire) = challenged(auth(), &[]).await;
        let mut result = (6, 0);
        for (leg, (asked, answer)) in legs.into_iter().enumerate() {
            let (cookie, token) = question(&mut wire).await;
            assert_eq!(token, asked.as_bytes());
            if wrong == Some(leg) {
                respond(&mut wire, cookie, b"wrong").await;
                result = (6, DENIED);
                break;
            }
            respond(&mut wire, cookie, answer.as_bytes()).await;
        }
        assert_eq!(wire.result().await, result, "{wrong:?}");
    }
}
