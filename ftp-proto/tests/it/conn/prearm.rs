//! What is made ready before anybody asks for it.

use std::io::ErrorKind;

use ftp_proto::conn::{Config, DataEnd, Ending, Error, Event, Input, Waits};

use super::script::{Script, credentials, path, quirks};

const FEATURES: &[&str] = &["SIZE", "TVFS", "RANG STREAM"];
const REFUSED: DataEnd = DataEnd::NotConnected(ErrorKind::ConnectionRefused);

/// A session whose data connection is being made in advance.
fn connecting() -> Script {
    let mut script = Script::logged_in(FEATURES);
    script.machine.prearm(script.now).unwrap();
    script.poll();
    assert_eq!((script.sent().as_str(), script.machine.is_prearmed()), ("EPSV\n", false));
    script.hear("229 here (|||4711|)\r\n");
    assert_eq!((script.data.concat().as_str(), script.machine.is_prearmed()), ("connect 4711", true));
    script
}

/// A session whose data connection stands.
fn prearmed() -> Script {
    let mut script = connecting();
    script.input(Input::DataConnected).unwrap();
    assert!(script.machine.is_prearmed() && script.machine.is_settled());
    script
}

fn at_once(script: &mut Script, start: u64, exact_end: Option<u64>) -> String {
    script.machine.retrieve_at_once(script.now, &path("d/f"), start, exact_end).unwrap();
    script.poll();
    script.sent()
}

fn assert_facts(script: &mut Script, size: u64) {
    let events = script.events();
    assert!(matches!(&events[..], [Event::Facts(facts)] if facts.size == Some(size)), "{events:?}");
}

#[test]
fn on_a_connection_made_in_advance_questions_and_transfer_go_out_in_one_segment() {
    let mut script = prearmed();
    assert!(script.machine.is_ready_for(&path("d/f")));
    assert_eq!(at_once(&mut script, 7, None), "SIZE d/f\nREST 7\nRETR d/f\n");
    assert!(!script.machine.is_prearmed() && !script.machine.is_settled());
    assert_eq!(script.machine.may_read(), None);
    script.hear("213 100\r\n");
    assert_facts(&mut script, 100);
    assert_eq!(script.machine.may_read(), None, "the server has not said where it starts");
    script.hear("350 ok\r\n");
    assert_eq!(script.machine.may_read(), Some(93));
    script.hear("150 opening\r\n");
    assert_eq!((script.events(), script.wait), (vec![Event::Accepted], None));
    script.input(Input::DataRead(93)).unwrap();
    assert_eq!(script.machine.may_read(), Some(0));
    script.data_end(DataEnd::Eof).unwrap();
    script.hear("226 done\r\n");
    assert_eq!(script.events(), [Event::Ended(Ending::Complete)]);
    assert!(script.machine.is_settled() && !script.machine.quirks().no_prearm);
    assert_eq!(script.data, ["connect 4711"]);
}

#[test]
fn nothing_is_read_before_the_facts_have_come_though_no_offset_is_to_be_confirmed() {
    let mut script = prearmed();
    assert_eq!(at_once(&mut script, 0, None), "SIZE d/f\nRETR d/f\n");
    assert_eq!(script.machine.may_read(), None);
    script.hear("213 100\r\n");
    assert_facts(&mut script, 100);
    assert_eq!(script.machine.may_read(), Some(100));
    // Less than the file has, and success: the length that the facts told counts.
    script.input(Input::DataRead(60)).unwrap();
    script.data_end(DataEnd::Eof).unwrap();
    script.hear("226 done\r\n");
    assert_eq!(script.events(), [Event::Accepted, Event::Ended(Ending::Short(40))]);
}

#[test]
fn rang_goes_at_once_too_and_its_length_does_not_need_the_facts() {
    let mut script = prearmed();
    assert_eq!(at_once(&mut script, 10, Some(20)), "SIZE d/f\nRANG 10 19\nRETR d/f\n");
    script.hear("550 no size\r\n350 ok\r\n");
    assert_eq!(script.machine.may_read(), Some(10));
    // An end behind the end of the file is refused, and what comes is not the range.
    let mut script = prearmed();
    at_once(&mut script, 10, Some(2000));
    script.hear("213 100\r\n554 too far\r\n150 all of it\r\n426 stopped\r\n");
    assert!(matches!(script.events()[..], [Event::Facts(_), Event::StartRefused(_)]));
    assert!(script.machine.is_settled() && !script.machine.quirks().no_prearm);
}

#[test]
fn a_server_that_answers_no_questions_is_not_asked_any() {
    let mut script = Script::logged_in(&["TVFS"]);
    script.machine.stat(script.now, &path("f")).unwrap();
    script.hear("500 SIZE?\r\n");
    script.machine.prearm(script.now).unwrap();
    script.hear("229 (|||4711|)\r\n");
    script.input(Input::DataConnected).unwrap();
    script.events();
    script.sent();
    assert_eq!(at_once(&mut script, 0, None), "RETR d/f\n");
    assert!(matches!(script.events()[..], [Event::Facts(_)]));
    assert_eq!(script.machine.may_read(), Some(u64::MAX));
}

#[test]
fn a_connection_that_is_still_being_made_serves_as_well() {
    let mut script = connecting();
    at_once(&mut script, 0, None);
    assert_eq!(script.data, ["connect 4711"]);
    script.hear("213 100\r\n150 opening\r\n");
    assert_eq!(script.machine.may_read(), None);
    script.input(Input::DataConnected).unwrap();
    assert_eq!(script.machine.may_read(), Some(100));
    // It has the time that every connection has.
    let mut script = connecting();
    at_once(&mut script, 0, None);
    script.hear("213 100\r\n");
    assert_eq!(script.wait, Some(script.now + Waits::default().data_connect));
}

#[test]
fn a_port_that_was_opened_for_a_transfer_which_did_not_come_serves_the_next_one() {
    let mut script = Script::logged_in(FEATURES);
    script.arm("x", Some(5));
    assert!(!script.machine.is_ready_for(&path("d/f")), "it is armed for x");
    script.machine.stop(script.now);
    assert!(script.machine.is_ready_for(&path("d/f")) && !script.machine.is_prearmed());
    assert_eq!(at_once(&mut script, 0, None), "SIZE d/f\nRETR d/f\n");
    assert_eq!(script.data, ["connect 4711"]);
}

#[test]
fn what_nobody_uses_is_dropped_in_time_and_no_fault_of_the_server() {
    let mut script = prearmed();
    assert_eq!(script.wait, Some(script.now + Waits::default().prearmed));
    script.expire().unwrap();
    assert_eq!((script.data.concat().as_str(), script.wait), ("connect 4711close", None));
    assert!(script.machine.is_settled() && !script.machine.quirks().no_prearm);
    assert!(!script.machine.is_ready_for(&path("f")));
    script.machine.prearm(script.now).unwrap();

    let mut script = Script::logged_in(FEATURES);
    script.arm("x", Some(5));
    script.machine.stop(script.now);
    script.poll();
    script.expire().unwrap();
    assert_eq!((script.data.len(), script.machine.is_ready_for(&path("f"))), (0, false));

    let mut script = connecting();
    script.expire().unwrap();
    assert_eq!(script.data, ["connect 4711", "close"]);
    assert!(script.machine.quirks().no_prearm, "a connection that takes so long will again");
}

#[test]
fn a_server_that_does_not_play_along_is_remembered_and_the_session_goes_on() {
    for answer in ["500 what", "425 no port", "229 nothing", "550 no"] {
        let mut script = Script::logged_in(FEATURES);
        script.machine.prearm(script.now).unwrap();
        script.hear(&format!("{answer}\r\n"));
        assert_eq!((script.data.len(), script.events().len()), (0, 0), "{answer}");
        assert!(script.machine.quirks().no_prearm && !script.machine.quirks().no_epsv, "{answer}");
        assert!(script.machine.is_settled());
    }
    for end in [DataEnd::Eof, DataEnd::Broken(ErrorKind::ConnectionReset), REFUSED] {
        let mut script = if end == REFUSED { connecting() } else { prearmed() };
        script.data_end(end).unwrap();
        assert!(script.machine.quirks().no_prearm && script.machine.is_settled(), "{end:?}");
        assert!(!script.machine.is_ready_for(&path("f")) && script.wait.is_none());
        script.arm("f", Some(5));
    }
}

#[test]
fn a_session_that_is_lost_while_a_port_is_asked_for_is_blamed_on_that() {
    type Loss = fn(&mut Script) -> Result<(), Error>;
    let lost: [Loss; 3] = [
        |script| script.input(Input::Closed),
        |script| script.expire(),
        |script| script.try_hear("500 OOPS: port\r\n"),
    ];
    for lose in lost {
        let mut script = Script::logged_in(FEATURES);
        script.machine.prearm(script.now).unwrap();
        script.poll();
        lose(&mut script).unwrap_err();
        assert!(script.machine.quirks().no_prearm && !script.machine.is_settled());
    }
    // Later it is about something else.
    let mut script = prearmed();
    script.try_hear("421 idle for too long\r\n").unwrap_err();
    assert_eq!((script.data.last().unwrap().as_str(), script.wait), ("close", None));
    assert!(!script.machine.quirks().no_prearm && !script.machine.is_prearmed());
}

#[test]
fn a_transfer_that_fails_for_want_of_the_connection_is_told_from_one_that_is_refused() {
    for (reply, learned) in [("425 no", true), ("426 gone", true), ("550 no such", false), ("450 busy", false)] {
        let mut script = prearmed();
        at_once(&mut script, 0, None);
        script.hear(&format!("213 100\r\n{reply}\r\n"));
        assert!(matches!(script.events()[..], [Event::Facts(_), Event::Refused(_)]), "{reply}");
        assert_eq!(script.machine.quirks().no_prearm, learned, "{reply}");
        assert!(script.machine.is_settled());
    }
    let mut script = connecting();
    at_once(&mut script, 0, None);
    script.data_end(REFUSED).unwrap();
    script.hear("213 100\r\n425 no\r\n");
    let refused = Event::Ended(Ending::NotConnected(ErrorKind::ConnectionRefused));
    assert_eq!(script.events().pop(), Some(refused));
    assert!(script.machine.quirks().no_prearm);
    // A transfer that had begun is another matter, and so is one with a port of its own.
    let mut script = prearmed();
    at_once(&mut script, 0, None);
    script.hear("213 100\r\n150 opening\r\n");
    script.data_end(DataEnd::Eof).unwrap();
    script.hear("426 gone\r\n");
    assert!(matches!(script.events()[..], [_, Event::Accepted, Event::Ended(Ending::Aborted(_))]));
    assert!(!script.machine.quirks().no_prearm);
    let mut script = Script::asked(0, Some(100));
    script.hear("425 no\r\n");
    assert!(!script.machine.quirks().no_prearm);
}

#[test]
fn whoever_asks_step_by_step_while_a_port_is_being_opened_takes_it() {
    let mut script = Script::logged_in(FEATURES);
    script.machine.prearm(script.now).unwrap();
    assert!(script.machine.is_settled() && !script.machine.is_ready_for(&path("f")));
    script.machine.arm(script.now, &path("f")).unwrap();
    script.poll();
    assert_eq!(script.sent(), "EPSV\nSIZE f\n");
    script.hear("229 (|||4711|)\r\n");
    assert_eq!((script.events().len(), script.data.len()), (0, 0));
    script.hear("213 100\r\n");
    assert_facts(&mut script, 100);
    script.machine.retrieve(script.now, 0, None).unwrap();
    script.poll();
    assert_eq!(script.data, ["connect 4711"]);
}

#[test]
fn whoever_asks_step_by_step_later_gets_a_port_of_its_own() {
    let mut script = prearmed();
    script.machine.arm(script.now, &path("f")).unwrap();
    script.poll();
    assert_eq!((script.data.concat().as_str(), script.sent().as_str()), ("connect 4711close", "SIZE f\nEPSV\n"));
    assert!(!script.machine.is_prearmed());
}

#[test]
fn a_mere_question_leaves_what_is_ready_as_it_is() {
    let mut script = Script::logged_in(FEATURES);
    script.machine.prearm(script.now).unwrap();
    script.machine.stat(script.now, &path("f")).unwrap();
    script.poll();
    assert_eq!(script.sent(), "EPSV\nSIZE f\n");
    script.hear("229 (|||4711|)\r\n213 9\r\n");
    script.input(Input::DataConnected).unwrap();
    assert_facts(&mut script, 9);
    script.machine.stat(script.now, &path("f")).unwrap();
    script.hear("213 9\r\n");
    assert_facts(&mut script, 9);
    assert!(script.machine.is_ready_for(&path("d/f")) && script.data == ["connect 4711"]);
}

#[test]
fn a_file_that_has_to_be_walked_to_is_not_fetched_at_once() {
    let mut script = Script::logged_in(&["SIZE"]);
    script.machine.stat(script.now, &path("d/e")).unwrap();
    script.hear("257 \"/\"\r\n250 ok\r\n213 1\r\n");
    script.events();
    script.machine.prearm(script.now).unwrap();
    script.hear("229 (|||4711|)\r\n");
    assert!(!script.machine.is_ready_for(&path("f")) && !script.machine.is_ready_for(&path("x/f")));
    let misuse = script.machine.retrieve_at_once(script.now, &path("x/f"), 0, None);
    assert!(matches!(misuse, Err(Error::Misuse(_))));
    script.sent();
    assert_eq!(at_once(&mut script, 0, None), "SIZE f\nRETR f\n", "it stands in d");
}

#[test]
fn misuse_changes_nothing() {
    let mut script = Script::logged_in(FEATURES);
    assert!(matches!(script.machine.retrieve_at_once(script.now, &path("f"), 0, None), Err(Error::Misuse(_))));
    script.machine.stat(script.now, &path("f")).unwrap();
    assert!(matches!(script.machine.prearm(script.now), Err(Error::Misuse(_))));
    let mut script = prearmed();
    assert!(matches!(script.machine.prearm(script.now), Err(Error::Misuse(_))));
    assert!(matches!(script.machine.retrieve_at_once(script.now, &path("f"), 5, Some(5)), Err(Error::Misuse(_))));
    let directory = ftp_proto::wire::Url::parse("ftp://h/d/").unwrap();
    assert!(!script.machine.is_ready_for(directory.path()));
    assert!(script.machine.is_ready_for(&path("f")));
    let mut script = Script::logged_in(FEATURES);
    script.arm("f", Some(1));
    assert!(matches!(script.machine.prearm(script.now), Err(Error::Misuse(_))), "it has a port");
}

#[test]
fn a_stop_between_the_questions_and_their_answers_is_answered_to_nobody() {
    for answers in ["213 100\r\n350 ok\r\n426 stopped\r\n", "550 no\r\n350 ok\r\n550 no\r\n"] {
        let mut script = prearmed();
        at_once(&mut script, 7, None);
        script.machine.stop(script.now);
        script.poll();
        assert_eq!(script.data, ["connect 4711", "close"]);
        script.hear(answers);
        assert_eq!(script.events(), []);
        assert!(script.machine.is_settled() && !script.machine.quirks().no_prearm);
    }
}

#[test]
fn one_by_one_everything_waits_for_its_turn_and_a_stop_keeps_what_was_not_sent() {
    let mut script = Script::with(Config::new(credentials()), quirks(|quirks| quirks.serial = true));
    for reply in ["220 -", "331 -", "230 -", "211-f\r\n SIZE\r\n TVFS\r\n211 e", "200 -"] {
        script.hear(&format!("{reply}\r\n"));
    }
    script.machine.prearm(script.now).unwrap();
    script.hear("229 (|||4711|)\r\n");
    script.input(Input::DataConnected).unwrap();
    script.events();
    script.sent();
    assert_eq!(at_once(&mut script, 7, None), "SIZE d/f\n");
    script.machine.stop(script.now);
    script.hear("213 100\r\n");
    assert_eq!((script.sent().as_str(), script.events().len()), ("", 0));
    assert!(script.machine.is_settled());
}
