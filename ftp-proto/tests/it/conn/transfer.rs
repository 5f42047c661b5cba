//! One transfer: replies and data in every order.

use std::io;
use std::time::Duration;

use ftp_proto::conn::{DataEnd, Ending, Error, Event, Input, Waits};

use super::script::Script;

const LEN: u64 = 100;

/// What can happen once in a transfer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Opening,
    Connected,
    /// All bytes, then the end.
    Data,
    Done,
}

/// All orders of the steps in which data follows the connection.
fn orders(steps: &[Step]) -> Vec<Vec<Step>> {
    if steps.is_empty() {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let mut rest = steps.to_vec();
        rest.remove(index);
        all.extend(orders(&rest).into_iter().map(|mut tail| {
            tail.insert(0, *step);
            tail
        }));
    }
    all.retain(|order| {
        let at = |step| order.iter().position(|other| *other == step);
        at(Step::Connected) <= at(Step::Data) || at(Step::Data).is_none()
    });
    all
}

/// Plays the steps. Data waits until the machine lets it be read, as in a driver.
fn play(script: &mut Script, order: &[Step]) {
    let mut data_waits = false;
    for step in order {
        match step {
            Step::Opening => script.hear("150 opening (7 bytes)\r\n"),
            Step::Connected => script.input(Input::DataConnected).unwrap(),
            Step::Done => script.hear("226 done\r\n"),
            Step::Data => data_waits = true,
        }
        if data_waits && script.machine.may_read() == Some(LEN) {
            data_waits = false;
            script.input(Input::DataRead(LEN)).unwrap();
            script.data_end(DataEnd::Eof).unwrap();
        }
    }
}

#[test]
fn opening_data_and_confirmation_come_in_any_order() {
    for start in [0, 7] {
        let all = orders(&[Step::Opening, Step::Connected, Step::Data, Step::Done]);
        let missing_1xx = orders(&[Step::Connected, Step::Data, Step::Done]);
        assert_eq!((all.len(), missing_1xx.len()), (12, 3));
        // A 1xx behind the 226 answers nothing; it is passed over.
        for order in all.into_iter().chain(missing_1xx) {
            let mut script = Script::asked(start, Some(start + LEN));
            if start > 0 {
                script.hear("350 ok\r\n");
            }
            play(&mut script, &order);
            assert_eq!(script.events(), [Event::Accepted, Event::Ended(Ending::Complete)], "{order:?}");
            assert!(script.machine.is_settled(), "{order:?}");
        }
    }
}

#[test]
fn data_is_not_read_before_the_server_has_confirmed_where_it_starts() {
    let mut script = Script::asked(7, Some(7 + LEN));
    script.input(Input::DataConnected).unwrap();
    assert_eq!(script.machine.may_read(), None);
    script.hear("350 ok\r\n");
    assert_eq!(script.machine.may_read(), Some(LEN));
}

#[test]
fn a_second_confirmation_or_a_late_failure_does_not_answer_the_next_command() {
    for stray in ["226 done\r\n", "426 failed\r\n", "226 a\r\n226 b\r\n", "150 late\r\n"] {
        let mut script = Script::asked(0, Some(LEN));
        play(&mut script, &[Step::Opening, Step::Connected, Step::Data, Step::Done]);
        script.events();
        // Once while the session is idle, once behind the next question.
        script.hear(stray);
        script.machine.arm(script.now, &super::script::path("g")).unwrap();
        script.hear(stray);
        script.hear("213 5\r\n229 (|||9|)\r\n");
        let [Event::Facts(facts)] = &script.events()[..] else { panic!("{stray}") };
        assert_eq!(facts.size, Some(5));
    }
}

#[test]
fn the_end_of_the_data_alone_is_no_confirmation() {
    let mut script = Script::asked(0, None);
    script.input(Input::DataConnected).unwrap();
    script.hear("150 opening\r\n");
    script.input(Input::DataRead(LEN)).unwrap();
    script.data_end(DataEnd::Eof).unwrap();
    assert_eq!(script.events(), [Event::Accepted]);
    assert_eq!(script.expire(), Err(Error::TimedOut(ftp_proto::conn::Awaited::Command("RETR"))));
    assert_eq!(script.events(), [Event::Ended(Ending::Lost)]);
}

/// How a transfer of [`LEN`] bytes ends that brings `received` of them before `last` happens.
fn ending(size: Option<u64>, received: u64, last: impl FnOnce(&mut Script)) -> Ending {
    let mut script = Script::asked(0, size);
    script.input(Input::DataConnected).unwrap();
    script.hear("150 opening\r\n");
    if received > 0 {
        script.input(Input::DataRead(received)).unwrap();
    }
    last(&mut script);
    match script.events().pop() {
        Some(Event::Ended(ending)) => ending,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_ending_says_what_is_known_of_the_bytes() {
    let reset = DataEnd::Broken(io::ErrorKind::ConnectionReset);
    let eof_and = |how: DataEnd, said: &'static str| {
        move |script: &mut Script| {
            script.data_end(how).unwrap();
            script.hear(said);
        }
    };
    assert_eq!(ending(Some(LEN), LEN, eof_and(DataEnd::Eof, "226 ok\r\n")), Ending::Complete);
    assert_eq!(ending(Some(LEN), LEN, eof_and(DataEnd::Eof, "250 ok\r\n")), Ending::Complete);
    assert_eq!(ending(Some(LEN), 60, eof_and(DataEnd::Eof, "226 ok\r\n")), Ending::Short(40));
    assert_eq!(ending(None, 60, eof_and(DataEnd::Eof, "226 ok\r\n")), Ending::Complete);
    assert_eq!(ending(Some(LEN), LEN, eof_and(reset, "226 ok\r\n")), Ending::Complete);
    assert_eq!(ending(None, LEN, eof_and(reset, "226 ok\r\n")), Ending::Broken(io::ErrorKind::ConnectionReset));
    assert!(matches!(ending(Some(LEN), 60, eof_and(DataEnd::Eof, "426 no\r\n")), Ending::Aborted(_)));
    assert_eq!(ending(Some(LEN), LEN, eof_and(DataEnd::Eof, "426 no\r\n")), Ending::Unconfirmed);
}

#[test]
fn a_lost_control_connection_does_not_cost_the_data() {
    for goodbye in [None, Some("421 idle for too long\r\n")] {
        let lost = |rest: u64| {
            move |script: &mut Script| {
                match goodbye {
                    None => script.input(Input::Closed).unwrap(),
                    Some(text) => script.hear(text),
                }
                assert_eq!(script.events(), [Event::Accepted]);
                assert!(!script.machine.is_alive());
                assert!(script.machine.may_read().is_some());
                script.input(Input::DataRead(rest)).unwrap();
                assert!(script.data_end(DataEnd::Eof).is_err(), "the transfer is over, and with it the session");
            }
        };
        assert_eq!(ending(Some(LEN), 60, lost(40)), Ending::Unconfirmed);
        assert_eq!(ending(Some(LEN), 60, lost(30)), Ending::Lost);
        assert_eq!(ending(None, 60, lost(40)), Ending::Lost);
    }
}

#[test]
fn a_confirmed_transfer_outlives_its_control_connection() {
    let ending = ending(Some(LEN), 60, |script| {
        script.hear("226 sent\r\n");
        script.input(Input::Closed).unwrap();
        script.input(Input::DataRead(40)).unwrap();
        script.data_end(DataEnd::Eof).unwrap_err();
    });
    assert_eq!(ending, Ending::Complete);
}

#[test]
fn more_bytes_than_are_due_are_noticed_and_never_asked_for() {
    let mut script = Script::asked(0, Some(LEN));
    script.input(Input::DataConnected).unwrap();
    script.hear("150 opening\r\n");
    script.input(Input::DataRead(LEN)).unwrap();
    assert_eq!(script.machine.may_read(), Some(0));
    script.input(Input::DataRead(1)).unwrap();
    assert_eq!(script.data.last().unwrap(), "close");
    script.hear("426 aborted\r\n");
    assert_eq!(script.events(), [Event::Accepted, Event::Ended(Ending::Overrun)]);
    assert!(script.machine.is_settled());
}

#[test]
fn a_confirmed_transfer_whose_data_stays_open_ends_when_all_is_there() {
    let mut script = Script::asked(0, Some(LEN));
    script.input(Input::DataConnected).unwrap();
    script.hear("150 opening\r\n226 sent\r\n");
    assert_eq!(script.wait, None);
    script.input(Input::DataRead(LEN)).unwrap();
    assert_eq!(script.wait, Some(script.now + Waits::default().retire));
    script.expire().unwrap();
    assert_eq!(script.events(), [Event::Accepted, Event::Ended(Ending::Complete)]);
}

#[test]
fn a_refusal_is_an_event_whatever_the_data_connection_does() {
    for code in [450, 550, 553, 500] {
        for connect in [None, Some(Ok(())), Some(Err(io::ErrorKind::ConnectionRefused))] {
            let mut script = Script::asked(0, Some(LEN));
            match connect {
                None => {}
                Some(Ok(())) => script.input(Input::DataConnected).unwrap(),
                Some(Err(kind)) => script.data_end(DataEnd::NotConnected(kind)).unwrap(),
            }
            assert_eq!(script.events(), [], "the reply is awaited in any case");
            script.hear(&format!("{code} no\r\n"));
            assert!(matches!(&script.events()[..], [Event::Refused(reply)] if reply.code == code));
            assert!(script.machine.is_settled());
            let closed = script.data.iter().any(|step| step == "close");
            assert_eq!(closed, connect.is_none_or(|connect| connect.is_ok()), "{connect:?}");
        }
    }
}

#[test]
fn a_data_connection_that_cannot_be_made_is_told_apart_from_a_refusal() {
    let refused = DataEnd::NotConnected(io::ErrorKind::ConnectionRefused);
    // The server notices.
    let mut script = Script::asked(0, Some(LEN));
    script.data_end(refused).unwrap();
    script.hear("425 no data connection\r\n");
    assert_eq!(script.events(), [Event::Ended(Ending::NotConnected(io::ErrorKind::ConnectionRefused))]);
    assert!(script.machine.is_settled());
    // The server waits, with or without having said 150.
    for said in ["", "150 opening\r\n"] {
        let mut script = Script::asked(0, Some(LEN));
        script.hear(said);
        script.data_end(refused).unwrap();
        script.expire().unwrap_err();
        let last = script.events().pop();
        assert_eq!(last, Some(Event::Ended(Ending::NotConnected(io::ErrorKind::ConnectionRefused))));
    }
}

#[test]
fn a_data_connection_that_is_never_made_is_given_up() {
    let mut script = Script::asked(0, Some(LEN));
    script.expire().unwrap();
    assert_eq!(script.data, ["connect 4711", "close"]);
    script.hear("425 no connection\r\n");
    assert_eq!(script.events(), [Event::Ended(Ending::NotConnected(io::ErrorKind::TimedOut))]);
}

#[test]
fn a_refused_start_stops_the_transfer_that_would_begin_at_0() {
    for refusal in ["502 REST?", "501 bad", "554 beyond the end", "200 whatever"] {
        let mut script = Script::asked(7, Some(LEN));
        script.input(Input::DataConnected).unwrap();
        script.hear(&format!("{refusal}\r\n"));
        assert_eq!(script.data, ["connect 4711", "close"]);
        assert_eq!(script.machine.may_read(), None);
        script.hear("150 from the beginning\r\n");
        assert_eq!(script.events(), []);
        script.hear("426 aborted\r\n");
        assert!(
            matches!(&script.events()[..], [Event::StartRefused(reply)] if refusal.starts_with(&reply.code.to_string()))
        );
        assert!(script.machine.is_settled());
    }
}

#[test]
fn rest_0_is_said_after_another_offset_and_its_refusal_does_not_matter() {
    let mut script = Script::asked(7, Some(LEN));
    script.hear("350 ok\r\n550 gone\r\n");
    script.events();
    script.arm("g", Some(LEN));
    script.machine.retrieve(script.now, 0, None).unwrap();
    script.poll();
    assert_eq!(script.sent(), "REST 0\nRETR g\n");
    script.hear("502 REST?\r\n");
    script.input(Input::DataConnected).unwrap();
    assert_eq!(script.machine.may_read(), Some(LEN));
}

#[test]
fn rang_names_inclusive_positions_and_its_transfer_is_exactly_as_long() {
    let mut script = Script::logged_in(&["SIZE", "EPSV", "RANG STREAM"]);
    script.arm("f", Some(1000));
    script.machine.retrieve(script.now, 100, Some(200)).unwrap();
    script.poll();
    assert_eq!(script.sent(), "RANG 100 199\nRETR f\n");
    script.input(Input::DataConnected).unwrap();
    script.hear("350 ok\r\n150 opening\r\n");
    assert_eq!(script.machine.may_read(), Some(100));
    script.input(Input::DataRead(100)).unwrap();
    script.data_end(DataEnd::Eof).unwrap();
    script.hear("226 done\r\n");
    assert_eq!(script.events(), [Event::Accepted, Event::Ended(Ending::Complete)]);
}

#[test]
fn an_empty_file_without_a_1xx_is_accepted_by_its_confirmation() {
    let mut script = Script::asked(0, Some(0));
    script.input(Input::DataConnected).unwrap();
    script.data_end(DataEnd::Eof).unwrap();
    assert_eq!(script.events(), []);
    script.hear("226 nothing to send\r\n");
    assert_eq!(script.events(), [Event::Accepted, Event::Ended(Ending::Complete)]);
}

#[test]
fn an_empty_file_that_is_not_confirmed_may_be_anything() {
    let mut script = Script::asked(0, Some(0));
    script.input(Input::DataConnected).unwrap();
    script.hear("150 opening\r\n");
    script.data_end(DataEnd::Eof).unwrap();
    script.expire().unwrap_err();
    assert_eq!(script.events(), [Event::Accepted, Event::Ended(Ending::Lost)]);
}

#[test]
fn data_without_a_1xx_is_a_transfer_under_way() {
    let mut script = Script::asked(0, Some(LEN));
    script.input(Input::DataConnected).unwrap();
    assert!(script.wait.is_some(), "the answer to RETR is due");
    script.input(Input::DataRead(10)).unwrap();
    assert_eq!((script.wait, script.events()), (None, vec![Event::Accepted]));
    script.hear("426 failed\r\n");
    script.data_end(DataEnd::Eof).unwrap();
    assert!(matches!(script.events()[..], [Event::Ended(Ending::Aborted(_))]), "not refused");
}

#[test]
fn what_is_on_its_way_when_the_server_gives_up_is_still_read() {
    let gives_up = |script: &mut Script| {
        script.hear("426 failed\r\n");
        assert_eq!(script.events(), [Event::Accepted]);
        assert_eq!(script.machine.may_read(), Some(40));
    };
    let ended = ending(Some(LEN), 60, |script| {
        gives_up(script);
        script.input(Input::DataRead(40)).unwrap();
        script.data_end(DataEnd::Eof).unwrap();
    });
    assert_eq!(ended, Ending::Unconfirmed);
    // But not for long.
    let ended = ending(Some(LEN), 60, |script| {
        gives_up(script);
        assert_eq!(script.wait, Some(script.now + Waits::default().retire));
        script.expire().unwrap();
        assert_eq!(script.data.last().unwrap(), "close");
    });
    assert!(matches!(ended, Ending::Aborted(_)));
}

#[test]
fn the_reply_behind_a_failed_data_connection_is_not_awaited_for_long() {
    let mut script = Script::asked(0, Some(LEN));
    script.data_end(DataEnd::NotConnected(io::ErrorKind::ConnectionRefused)).unwrap();
    assert_eq!(script.wait, Some(script.now + Waits::default().retire));
}

#[test]
fn giving_up_before_there_is_a_data_connection_leaves_it_the_time_it_had() {
    let mut script = Script::asked(0, Some(LEN));
    script.hear("150 opening\r\n");
    let connect_by = script.wait.expect("a connection cannot take for ever");
    script.pass(Duration::from_millis(1));
    script.hear("426 failed\r\n");
    assert_eq!(script.wait, Some(connect_by));
}

#[test]
fn a_timeout_counts_from_its_deadline_on_and_not_before() {
    let mut script = Script::asked(0, Some(LEN));
    let connect_by = script.wait.unwrap();
    script.input(Input::Timeout).unwrap();
    assert_eq!((script.wait, script.data.last().unwrap().as_str()), (Some(connect_by), "connect 4711"));
    script.now = connect_by + Duration::from_secs(1);
    script.input(Input::Timeout).unwrap();
    assert_eq!(script.data, ["connect 4711", "close"]);
}

#[test]
fn data_that_broke_off_is_told_from_data_that_only_ended() {
    let reset = io::ErrorKind::ConnectionReset;
    let gone_and = |how: DataEnd| {
        move |script: &mut Script| {
            script.input(Input::Closed).unwrap();
            script.data_end(how).unwrap_err();
        }
    };
    assert_eq!(ending(Some(LEN), 60, gone_and(DataEnd::Broken(reset))), Ending::Broken(reset));
    assert_eq!(ending(Some(LEN), 60, gone_and(DataEnd::Eof)), Ending::Lost);
}

#[test]
fn one_by_one_a_refused_start_is_the_end_of_it() {
    let config = ftp_proto::conn::Config::new(super::script::credentials());
    let mut script = Script::with(config, super::script::quirks(|quirks| quirks.serial = true));
    script.machine.arm(script.now, &super::script::path("f")).unwrap();
    script.hear("220 -\r\n331 -\r\n230 -\r\n500 -\r\n200 -\r\n213 100\r\n500 -\r\n229 (|||4711|)\r\n");
    script.events();
    script.machine.retrieve(script.now, 7, None).unwrap();
    script.sent();
    script.hear("502 REST?\r\n");
    assert!(matches!(script.events()[..], [Event::StartRefused(_)]));
    assert_eq!(script.sent(), "REST 7\n", "and no RETR");
    assert_eq!(script.data, ["connect 4711", "close"]);
    assert!(script.machine.is_settled());
}
