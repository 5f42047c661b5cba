//! Getting in, and not getting in.

use std::time::Instant;

use bytes::BytesMut;
use ftp_proto::conn::{Awaited, Config, Connection, Error, Event, Input, Quirks};
use ftp_proto::wire::Secret;

use super::script::{Script, credentials, path, quirks};

const PASS: Awaited = Awaited::Command("PASS");

fn refused(script: &mut Script) -> (Awaited, u16) {
    match &script.events()[..] {
        [Event::LoginRefused { step, reply }] => (*step, reply.code.get()),
        other => panic!("{other:?}"),
    }
}

fn serial() -> Script {
    Script::with(Config::new(credentials()), quirks(|quirks| quirks.serial = true))
}

#[test]
fn nothing_is_said_before_the_greeting_and_120_extends_the_wait() {
    let mut script = Script::new();
    let first = script.wait;
    script.pass(std::time::Duration::from_secs(20));
    script.hear("120 ready in 1 minute\r\n");
    assert_eq!(script.sent(), "");
    assert!(script.wait > first);
    script.hear("220 ready\r\n");
    assert_eq!(script.sent(), "USER u\nPASS hunter2\nFEAT\nTYPE I\n");
}

#[test]
fn whoever_needs_no_password_is_in_after_user_and_the_answer_to_pass_does_not_matter() {
    for answer_to_pass in ["230 Already logged in.", "202 superfluous", "503 Login with USER first.", "530 no"] {
        let mut script = Script::new();
        script.hear("220 hi\r\n");
        script.hear(&format!("230 in\r\n{answer_to_pass}\r\n500 FEAT?\r\n200 ok\r\n"));
        assert_eq!(script.events(), [Event::LoggedIn], "{answer_to_pass}");
        assert!(script.machine.is_settled());
    }
}

#[test]
fn one_by_one_no_command_goes_out_before_the_answer_to_the_one_before() {
    let mut script = serial();
    script.machine.arm(script.now, &path("f")).unwrap();
    for (said, sent) in [
        ("220 hi", "USER u\n"),
        ("331 pass?", "PASS hunter2\n"),
        ("230 in", "FEAT\n"),
        ("211-x\r\n SIZE\r\n MDTM\r\n MLST size*;\r\n211 y", "TYPE I\n"),
        ("200 ok", "SIZE f\n"),
        ("213 9", "MDTM f\n"),
        ("213 20200101000000", "MLST f\n"),
        ("250-x\r\n size=9; f\r\n250 y", "EPSV\n"),
    ] {
        script.hear(&format!("{said}\r\n"));
        assert_eq!(script.sent(), sent, "after {said}");
    }
    script.hear("229 (|||7|)\r\n");
    script.machine.retrieve(script.now, 5, None).unwrap();
    script.poll();
    assert_eq!(script.sent(), "REST 5\n");
    script.hear("350 ok\r\n");
    assert_eq!(script.sent(), "RETR f\n");
}

#[test]
fn one_by_one_pass_is_not_sent_to_a_server_that_wants_none() {
    let mut script = serial();
    script.hear("220 hi\r\n230 in\r\n");
    assert_eq!(script.sent(), "USER u\nFEAT\n");
}

#[test]
fn an_account_is_sent_where_the_server_asks_for_it() {
    for (before, asked) in [("", "332 account?"), ("331 pass?\r\n", "332 account?")] {
        let config = Config::new(credentials().with_account(Secret::new("acct").unwrap()));
        let mut script = Script::with(config, Quirks::default());
        script.hear("220 hi\r\n");
        script.hear(before);
        script.sent();
        script.hear(&format!("{asked}\r\n"));
        assert_eq!(script.sent(), "ACCT acct\n");
        script.hear("230 in\r\n");
        assert_eq!(script.sent(), "FEAT\n");
    }
}

#[test]
fn without_an_account_332_is_a_refusal() {
    let mut script = Script::new();
    script.hear("220 hi\r\n331 pass?\r\n332 account?\r\n");
    assert_eq!(refused(&mut script), (PASS, 332));
}

#[test]
fn a_refused_login_is_an_event_that_names_the_step() {
    let cases = [
        ("421 full", Awaited::Greeting, 421),
        ("530 go away", Awaited::Greeting, 530),
        ("220 hi\r\n530 not you", Awaited::Command("USER"), 530),
        ("220 hi\r\n331 pass?\r\n530 wrong", PASS, 530),
        ("220 hi\r\n331 pass?\r\n421 full", PASS, 421),
        ("220 hi\r\n331 pass?\r\n230 in\r\n211 none\r\n504 no binary", Awaited::Command("TYPE"), 504),
    ];
    for (said, step, code) in cases {
        let mut script = Script::new();
        // 421 is an event and an error: the connection is gone.
        let result = script.try_hear(&format!("{said}\r\n"));
        assert_eq!(refused(&mut script), (step, code), "{said}");
        assert_eq!(result.is_err(), code == 421, "{said}");
        assert!(!script.machine.is_settled() && !script.machine.is_alive());
    }
}

#[test]
fn a_server_that_is_confused_by_commands_sent_together_is_remembered() {
    // Flushes its input after USER; asks for the password twice; takes all for one line; says bad sequence.
    let confused = ["331 pass?", "331 pass?\r\n331 pass?", "500 line?", "331 pass?\r\n503 USER first"];
    for said in confused {
        let mut script = Script::new();
        script.hear("220 hi\r\n");
        let result = script.try_hear(&format!("{said}\r\n")).and_then(|()| script.expire());
        assert_eq!(result, Err(Error::Pipelining), "{said}");
        assert!(script.machine.quirks().serial);
        assert_eq!(script.events(), []);
    }
    let mut script = Script::new();
    script.hear("220 hi\r\n331 pass?\r\n");
    assert_eq!(script.input(Input::Closed), Err(Error::Pipelining));
}

#[test]
fn one_by_one_the_same_answers_are_what_they_are() {
    let mut script = serial();
    script.hear("220 hi\r\n331 pass?\r\n331 pass?\r\n");
    assert_eq!(refused(&mut script), (PASS, 331));
    let mut script = serial();
    script.hear("220 hi\r\n331 pass?\r\n");
    assert_eq!(script.expire(), Err(Error::TimedOut(PASS)));
}

#[test]
fn a_refused_password_is_not_taken_for_confusion() {
    let mut script = Script::new();
    script.hear("220 hi\r\n331 pass?\r\n530 Login incorrect.\r\n");
    assert_eq!(refused(&mut script), (PASS, 530));
    assert!(!script.machine.quirks().serial);
}

#[test]
fn what_is_known_of_the_server_is_not_asked_again() {
    let quirks = Script::logged_in(&["SIZE", "MLST size*;modify*;", "TVFS"]).machine.quirks().clone();
    let mut script = Script::with(Config::new(credentials()), quirks);
    script.machine.stat(script.now, &path("a/b")).unwrap();
    script.hear("220 hi\r\n");
    assert_eq!(script.sent(), "USER u\nPASS hunter2\nTYPE I\nSIZE a/b\nMLST a/b\n");
}

#[test]
fn no_password_is_in_what_is_printed() {
    let config = Config::new(credentials().with_account(Secret::new("hunter2").unwrap()));
    let mut machine = Connection::new(Instant::now(), config, quirks(|_| {}));
    let mut printed = format!("{machine:?}");
    let greeting = "220 hi\r\n331 pass?\r\n332 account?\r\n530 Login incorrect.\r\n";
    for reply in greeting.split_inclusive('\n') {
        machine.handle_input(Instant::now(), Input::Received(&mut BytesMut::from(reply))).unwrap();
        // The commands are on their way out now.
        printed += &format!("{machine:?} {:?} {:?}", machine.poll_output(), machine);
    }
    assert!(printed.contains("Transmit(14 bytes)"), "{printed}");
    assert!(!printed.contains("hunter2"), "{printed}");
}
