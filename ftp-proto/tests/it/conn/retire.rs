//! Ending a transfer early, without `ABOR`.

use std::time::Duration;

use ftp_proto::conn::{DataEnd, Error, Event, Input};

use super::script::{Script, path};

/// A transfer in the middle of its body.
fn streaming() -> Script {
    let mut script = Script::asked(0, Some(1000));
    script.input(Input::DataConnected).unwrap();
    script.hear("150 opening\r\n");
    script.input(Input::DataRead(10)).unwrap();
    script.events();
    script
}

fn stop(script: &mut Script) {
    script.machine.stop(script.now);
    script.poll();
}

/// The session pairs commands and replies.
#[track_caller]
fn assert_in_step(script: &mut Script) {
    assert!(script.machine.is_settled());
    assert_eq!(script.sent(), "");
    script.machine.stat(script.now, &path("g")).unwrap();
    script.poll();
    assert_eq!(script.sent(), "SIZE g\n");
    script.hear("213 77\r\n");
    let [Event::Facts(facts)] = &script.events()[..] else { panic!() };
    assert_eq!(facts.size, Some(77));
}

#[test]
fn the_data_is_closed_at_once_nothing_is_sent_and_one_reply_is_the_last_word() {
    // vsftpd, proftpd, pyftpdlib: 426. All of it had been written: 226. goftp: 551. pure-ftpd, its commands eaten: 500.
    for reply in ["426 aborted", "226 done", "226-ok\r\n226 0.0 seconds", "551 broken pipe", "500 failed", "451 local"]
    {
        let mut script = streaming();
        stop(&mut script);
        assert_eq!(script.data.last().unwrap(), "close");
        assert_eq!(script.sent(), "");
        assert!(!script.machine.is_settled());
        script.hear(&format!("{reply}\r\n"));
        assert_eq!(script.events(), [], "stopped as asked");
        assert_in_step(&mut script);
    }
}

#[test]
fn a_1xx_after_the_stop_is_the_last_word_and_is_remembered() {
    let mut script = streaming();
    stop(&mut script);
    script.hear("150 0.001 seconds (measured here), 10 Mbytes per second\r\n");
    assert!(script.machine.quirks().terminal_is_1xx);
    assert_in_step(&mut script);
}

#[test]
fn a_confirmation_that_came_before_the_stop_settles_it_at_once() {
    let mut script = streaming();
    script.hear("226 sent\r\n");
    stop(&mut script);
    assert_in_step(&mut script);
}

#[test]
fn without_a_last_word_a_fence_is_raised_and_everything_before_its_200_is_passed_over() {
    for late in ["", "426 aborted\r\n", "150 measured\r\n226 done\r\n", "500 what\r\n", "250 ok\r\n225 ok\r\n"] {
        let mut script = streaming();
        stop(&mut script);
        script.expire().unwrap();
        assert_eq!(script.sent(), "NOOP\n");
        script.hear(late);
        assert!(!script.machine.is_settled());
        script.hear("200 NOOP ok\r\n");
        assert_in_step(&mut script);
    }
}

#[test]
fn a_fence_that_is_not_answered_ends_the_session() {
    let mut script = streaming();
    stop(&mut script);
    script.expire().unwrap();
    let error = script.expire().unwrap_err();
    assert_eq!(error, Error::TimedOut(ftp_proto::conn::Awaited::Command("NOOP")));
    assert_eq!(script.try_hear("200 too late\r\n"), Err(error), "the first error is the last word");
}

#[test]
fn the_wait_for_the_last_word_is_three_round_trips_where_that_is_long() {
    let mut script = Script::new();
    script.hear("220 hi\r\n");
    script.pass(Duration::from_secs(1));
    script.log_in(&["SIZE", "EPSV"]);
    assert_eq!(script.machine.round_trip(), Some(Duration::from_secs(1)));
    script.machine.arm(script.now, &path("f")).unwrap();
    script.pass(Duration::from_secs(1));
    script.hear("213 1000\r\n229 (|||5|)\r\n");
    script.machine.retrieve(script.now, 0, None).unwrap();
    script.input(Input::DataConnected).unwrap();
    script.hear("150 opening\r\n");
    stop(&mut script);
    assert_eq!(script.wait, Some(script.now + Duration::from_secs(3)));
}

#[test]
fn a_slow_password_check_and_a_long_body_are_no_round_trips() {
    let config = ftp_proto::conn::Config::new(super::script::credentials());
    let mut script = Script::with(config, super::script::quirks(|quirks| quirks.serial = true));
    script.hear("220 hi\r\n");
    for (seconds, reply) in [(1, "331 pass?"), (5, "230 in"), (1, "211 none"), (1, "200 ok")] {
        script.pass(Duration::from_secs(seconds));
        script.hear(&format!("{reply}\r\n"));
    }
    script.machine.arm(script.now, &path("f")).unwrap();
    for reply in ["213 10", "500 MDTM?", "229 (|||5|)"] {
        script.pass(Duration::from_secs(1));
        script.hear(&format!("{reply}\r\n"));
    }
    script.machine.retrieve(script.now, 0, None).unwrap();
    script.input(Input::DataConnected).unwrap();
    script.input(Input::DataRead(10)).unwrap();
    script.data_end(DataEnd::Eof).unwrap();
    script.pass(Duration::from_secs(9));
    script.hear("226 done, and no 1xx before\r\n");
    assert_eq!(script.machine.round_trip(), Some(Duration::from_secs(1)));
}

#[test]
fn a_stop_while_opening_waits_for_the_word_behind_the_opening() {
    for opening in ["150 opening\r\n", "125 already open\r\n", ""] {
        let mut script = Script::asked(5, Some(1000));
        stop(&mut script);
        assert_eq!(script.data, ["connect 4711", "close"]);
        script.hear("350 ok\r\n");
        script.hear(opening);
        assert!(!script.machine.is_settled());
        script.hear("426 aborted\r\n");
        assert_eq!(script.events(), []);
        assert_in_step(&mut script);
    }
}

#[test]
fn an_opening_after_the_stop_gives_the_last_word_its_time() {
    let mut script = Script::asked(0, Some(1000));
    script.input(Input::DataConnected).unwrap();
    stop(&mut script);
    script.pass(Duration::from_millis(200));
    script.hear("150 opening\r\n");
    assert_eq!(script.wait, Some(script.now + ftp_proto::conn::Waits::default().retire));
}

#[test]
fn a_stop_after_the_data_has_ended_waits_for_the_confirmation() {
    let mut script = streaming();
    script.data_end(DataEnd::Eof).unwrap();
    stop(&mut script);
    script.hear("226 done\r\n");
    assert_in_step(&mut script);
}

#[test]
fn abandoned_questions_are_answered_to_nobody_and_the_session_goes_on() {
    let mut script = Script::logged_in(&["SIZE", "EPSV"]);
    script.machine.arm(script.now, &path("f")).unwrap();
    script.poll();
    assert_eq!(script.sent(), "SIZE f\nEPSV\n");
    stop(&mut script);
    assert!(script.machine.stat(script.now, &path("g")).is_err(), "replies of the old questions are to come");
    script.hear("213 5\r\n");
    assert!(!script.machine.is_settled());
    script.hear("229 (|||9|)\r\n");
    assert_eq!(script.events(), []);
    assert_in_step(&mut script);
}

#[test]
fn a_login_goes_on_when_its_questions_are_abandoned() {
    let mut script = Script::new();
    script.machine.arm(script.now, &path("f")).unwrap();
    stop(&mut script);
    script.hear("220 hi\r\n");
    assert_eq!(script.sent(), "USER u\nPASS hunter2\nFEAT\nTYPE I\n");
    script.log_in(&["SIZE"]);
    assert_in_step(&mut script);
}

#[test]
fn a_farewell_while_idle_is_final() {
    let mut script = Script::logged_in(&[]);
    assert!(matches!(script.try_hear("421 idle for 300 s\r\n"), Err(Error::Closing(_))));
    assert!(!script.machine.is_settled());
    assert!(matches!(script.machine.stat(script.now, &path("f")), Err(Error::Closing(_))));
}

#[test]
fn a_check_goes_ahead_of_the_questions_and_its_wait_is_short() {
    let mut script = Script::logged_in(&["SIZE"]);
    script.machine.check(script.now, Duration::from_secs(2)).unwrap();
    script.machine.stat(script.now, &path("f")).unwrap();
    script.poll();
    assert_eq!(script.sent(), "NOOP\nSIZE f\n");
    assert_eq!(script.wait, Some(script.now + Duration::from_secs(2)));
    script.hear("500 NOOP?\r\n");
    script.hear("213 4\r\n");
    assert!(matches!(script.events()[..], [Event::Facts(_)]));
}
