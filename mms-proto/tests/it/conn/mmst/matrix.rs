//! Each message of a server in each state.

use mms_proto::conn::mmst::Funnel;
use mms_proto::conn::{Error, StreamChoice, Thinning};

use super::driver::{Driver, config, ready, ready_for_datagrams, streaming};
use super::server::{self, File};

/// A machine in each state.
fn states() -> Vec<(&'static str, Driver)> {
    let before = [server::connected(), server::funnel(), server::opened(File::default())];
    let after = |count: usize| {
        let mut driver = Driver::new(config());
        driver.hear(&before[..count].concat());
        driver
    };
    let mut states =
        vec![("Connected", after(0)), ("ConnectedFunnel", after(1)), ("OpenFile", after(2)), ("Header", after(3))];
    let mut driver = Driver::new(config().with_funnel(Funnel::Udp { port: 7000 }));
    driver.hear(&server::connected());
    states.push(("FunnelInfo", driver));
    let mut driver = after(1);
    driver.hear(&server::refused(server::NO_FUNNEL, 0xC00D_000C));
    states.push(("FunnelRefused", driver));
    let mut driver = after(2);
    driver.hear(&server::challenge(1, 2, &[3]));
    states.push(("Challenged", driver));
    states.push(("Ready", ready()));
    let mut driver = ready();
    driver.machine.select(driver.now, &[StreamChoice { stream: 1, thinning: Thinning::None }]).unwrap();
    states.push(("Switching", driver));
    let mut driver = ready();
    driver.play(0);
    states.push(("Starting", driver));
    states.push(("Streaming", streaming().0));
    let (mut driver, _) = streaming();
    driver.stop();
    states.push(("Stopping", driver));
    let (mut driver, incarnation) = streaming();
    driver.hear(&server::end(1, incarnation));
    states.push(("Between", driver));
    let (mut driver, _) = streaming();
    driver.hear(&server::change(600));
    states.push(("NextHeader", driver));
    let mut driver = ready_for_datagrams();
    let incarnation = driver.play(0);
    driver.hear(&[server::started(incarnation), server::end(0, incarnation)].concat());
    states.push(("Lingering", driver));
    let mut driver = ready();
    driver.hear(&server::redirect("mms://elsewhere/"));
    states.push(("Over", driver));
    states
}

fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let hr = 0x8000_FFFF;
    vec![
        ("ReportConnectedEX", server::connected()),
        ("no to Connect", server::refused(server::CONNECTED, hr)),
        ("ReportConnectedFunnel", server::funnel()),
        ("no to ConnectFunnel", server::refused(server::FUNNEL, hr)),
        ("ReportDisconnectedFunnel", server::refused(server::NO_FUNNEL, hr)),
        ("ReportStartedPlaying", server::started(9)),
        ("no to StartPlaying", server::refused(server::STARTED, hr)),
        ("ReportOpenFile", server::opened(File::default())),
        ("no to OpenFile", server::refused(server::OPENED, hr)),
        ("ReportStartStriding", server::message(server::STRIDING, &[0; 32])),
        ("ReportReadBlock", server::read_block(2)),
        ("no to ReadBlock", server::refused(server::READ_BLOCK, hr)),
        ("ReportFunnelInfo", server::funnel_info(1)),
        ("no to FunnelInfo", server::refused(server::FUNNEL_INFO, hr)),
        ("SecurityChallenge", server::challenge(1, 2, &[3])),
        ("Ping", server::ping(0, 0)),
        ("ReportEndOfStream", server::end(0, 9)),
        ("ReportEndOfStream(1)", server::end(1, 9)),
        ("ReportStreamChange", server::change(600)),
        ("no instead of a change", server::refused(server::CHANGE, hr)),
        ("ReportStreamSwitch", server::switched()),
        ("no to StreamSwitch", server::refused(server::SWITCHED, hr)),
        ("ReportRedirect", server::redirect("mms://elsewhere/")),
        ("an unknown message", server::message(0x99, &[0xFF; 64])),
        ("too short", server::message(server::END, &[])),
        ("Data", server::media(0, 9)),
        ("Data of nobody", server::media(0, 200)),
        ("a piece", server::pieces(2)),
    ]
}

/// What a driver can see of a machine.
fn seen(driver: &Driver) -> (usize, usize, bool, bool, bool) {
    (driver.events.len(), driver.said.len(), driver.closed, driver.machine.is_ready(), driver.machine.is_streaming())
}

/// Where a message is an error, by the names of message and state; everywhere else it is an event, or ignored.
const BEFORE_HEADER: &[&str] =
    &["Connected", "ConnectedFunnel", "OpenFile", "FunnelInfo", "FunnelRefused", "Challenged", "Header", "NextHeader"];

fn is_error(message: &str, state: &str) -> bool {
    match message {
        _ if state == "Over" => false,
        "too short" => true,
        "ReportConnectedEX" | "no to Connect" => state != "Connected",
        "ReportConnectedFunnel" | "no to ConnectFunnel" => state != "ConnectedFunnel",
        "ReportOpenFile" | "no to OpenFile" | "SecurityChallenge" => !["OpenFile", "Challenged"].contains(&state),
        "ReportStreamChange" | "no instead of a change" => BEFORE_HEADER.contains(&state),
        _ => false,
    }
}

#[test]
fn every_message_in_every_state() {
    for (message, bytes) in messages() {
        for (state, mut driver) in states() {
            driver.poll();
            let before = seen(&driver);
            let result = driver.try_hear(&bytes);
            assert_eq!(result.is_err(), is_error(message, state), "{message} in {state}: {result:?}");
            match result {
                Ok(()) => assert!(driver.tail.is_empty(), "{message} in {state}: taken"),
                Err(error) => {
                    assert!(matches!(error, Error::OutOfOrder { .. } | Error::Malformed(_)), "{message} in {state}");
                    assert!(driver.closed && !driver.machine.is_ready() && !driver.machine.is_streaming());
                    for _ in 0..2 {
                        assert_eq!(driver.try_hear(&server::ping(0, 0)), Err(error.clone()), "repeated");
                        assert_eq!(driver.machine.stop(driver.now), Err(error.clone()));
                    }
                    assert_eq!(driver.events.len(), before.0, "an error is no event");
                }
            }
            if state == "Over" {
                assert_eq!(seen(&driver), before, "{message} after the end");
            }
        }
    }
}

/// What must change nothing at all: late answers, answers to nothing, messages that nobody knows.
#[test]
fn what_is_ignored_changes_nothing() {
    let ignored = ["ReportStartStriding", "ReportFunnelInfo", "an unknown message", "ReportReadBlock"];
    for (message, bytes) in messages().into_iter().filter(|(message, _)| ignored.contains(message)) {
        for (state, mut driver) in states() {
            if (message, state) == ("ReportFunnelInfo", "FunnelInfo") {
                continue;
            }
            driver.poll();
            let (before, shown) = (seen(&driver), format!("{:?}", driver.machine));
            driver.hear(&bytes);
            assert_eq!(seen(&driver), before, "{message} in {state}");
            assert_eq!(format!("{:?}", driver.machine), shown, "{message} in {state}");
        }
    }
}

/// Also after any two messages, a machine answers, and gives no panic.
#[test]
fn any_two_messages_after_another() {
    for (_, first) in messages() {
        for (_, second) in messages() {
            for (_, mut driver) in states() {
                let Err(error) = driver.try_hear(&first) else {
                    let _ = driver.try_hear(&second);
                    let _ = driver.pass(std::time::Duration::from_secs(60));
                    continue;
                };
                assert_eq!(driver.try_hear(&second), Err(error));
            }
        }
    }
}
