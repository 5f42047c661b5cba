//! Peers that are broken or mean.

use bytes::BytesMut;
use ftp_proto::conn::{Awaited, DataEnd, Ending, Error, Event, Input};
use ftp_proto::wire::ReplyRule;

use super::script::{Script, path};

/// A whole download, as the server speaks it.
const DOWNLOAD: &str = "220-hello\r\n 226 inner\r\n220 hi\r\n331 pass?\r\n230 in\r\n211-f\r\n SIZE\r\n211 e\r\n200 ok\r\n\
    213 100\r\n213 20200101000000\r\n229 (|||4711|)\r\n350 ok\r\n150-opening\r\n150 now\r\n226-done\r\n226 0.1 s\r\n226 twice\r\n";

/// Plays [`DOWNLOAD`] in pieces of these lengths (the last one repeats) and returns all that the machine said.
fn play(pieces: &[usize]) -> (Vec<Event>, Vec<String>, String) {
    let mut script = Script::new();
    script.machine.arm(script.now, &path("f")).unwrap();
    let mut sent = String::new();
    let mut lens = pieces.iter().copied().cycle();
    let mut buf = BytesMut::new();
    // Where the client acts.
    let marks = ["229 (|||4711|)\r\n", "150 now\r\n", "226 twice\r\n"];
    let mut rest = DOWNLOAD.to_owned();
    for (act, mark) in marks.iter().enumerate() {
        let end = rest.find(mark).unwrap() + mark.len();
        let part: String = rest.drain(..end).collect();
        let mut part = part.as_bytes();
        while !part.is_empty() {
            let (now, later) = part.split_at(lens.next().unwrap().clamp(1, part.len()));
            buf.extend_from_slice(now);
            part = later;
            script.input(Input::Received(&mut buf)).unwrap();
        }
        match act {
            0 => {
                script.machine.retrieve(script.now, 40, None).unwrap();
                script.input(Input::DataConnected).unwrap();
            }
            1 => {
                script.input(Input::DataRead(60)).unwrap();
                script.data_end(DataEnd::Eof).unwrap();
            }
            _ => {}
        }
        sent.push_str(&script.sent());
    }
    (script.events(), script.data, sent)
}

#[test]
fn it_does_not_matter_how_the_replies_are_cut() {
    let whole = play(&[usize::MAX]);
    assert!(matches!(whole.0[..], [Event::LoggedIn, Event::Facts(_), Event::Accepted, Event::Ended(Ending::Complete)]));
    for first in 1..DOWNLOAD.len() {
        assert_eq!(play(&[first, usize::MAX]), whole, "cut at {first}");
    }
    for len in 1..40 {
        assert_eq!(play(&[len]), whole, "pieces of {len}");
    }
}

#[test]
fn another_protocol_on_the_port_is_named() {
    for (text, rule) in
        [("SSH-2.0-OpenSSH_9.6\r\n", ReplyRule::SshBanner), ("HTTP/1.1 400 Bad\r\n", ReplyRule::NotAReply)]
    {
        let mut script = Script::new();
        let error = script.try_hear(text).unwrap_err();
        assert!(matches!(&error, Error::Malformed(malformed) if malformed.rule == rule), "{error}");
        assert_eq!(script.try_hear("220 after all\r\n"), Err(error));
    }
}

#[test]
fn telnet_negotiation_before_the_greeting_is_passed_over() {
    let mut script = Script::new();
    let negotiation = b"\xff\xfb\x01\xff\xfd\x18\xff\xfa\x18\x01\xff\xf0220 hi\r\n";
    script.input(Input::Received(&mut BytesMut::from(&negotiation[..]))).unwrap();
    assert!(script.sent().starts_with("USER"));
}

#[test]
fn endless_preliminary_replies_are_not_waited_out() {
    let mut script = Script::new();
    let error = script.try_hear(&"120 soon\r\n".repeat(1000)).unwrap_err();
    assert!(matches!(error, Error::Stray { awaiting: Awaited::Greeting, .. }), "{error}");
    let mut script = Script::asked(0, Some(1));
    let error = script.try_hear(&"150 more\r\n".repeat(1000)).unwrap_err();
    assert!(matches!(error, Error::Stray { awaiting: Awaited::Command("RETR"), .. }), "{error}");
}

#[test]
fn endless_replies_to_nothing_end_the_session() {
    let mut script = Script::logged_in(&[]);
    assert!(matches!(script.try_hear(&"200 ok\r\n".repeat(1000)), Err(Error::Stray { .. })));
    // A few now and then do not.
    let mut script = Script::logged_in(&["SIZE"]);
    for _ in 0..100 {
        script.hear("226 twice\r\n");
        script.machine.stat(script.now, &path("f")).unwrap();
        script.hear("426 late\r\n213 1\r\n");
    }
}

#[test]
fn endless_lines_and_replies_are_cut_off() {
    let long_line = format!("220 {}", "a".repeat(10 << 20));
    let long_reply = format!("220-{}", "line\r\n".repeat(1 << 20));
    for text in [long_line, long_reply] {
        let mut script = Script::new();
        assert!(matches!(script.try_hear(&text), Err(Error::Malformed(_))));
    }
}

#[test]
fn a_multi_line_reply_that_ends_with_another_code_ends_with_silence() {
    let mut script = Script::logged_in(&["SIZE"]);
    script.machine.stat(script.now, &path("f")).unwrap();
    script.hear("213-status follows\r\n213 77\r\n");
    assert_eq!(script.events().len(), 1, "this one is as it should be");
    script.machine.stat(script.now, &path("f")).unwrap();
    script.hear("550-no such\r\n553 file\r\n");
    assert_eq!(script.events(), []);
    script.expire().unwrap();
    let [Event::Facts(facts)] = &script.events()[..] else { panic!() };
    assert_eq!(facts.refusal.as_ref().unwrap().code, 553);
    // A word in time ends the silence.
    script.machine.stat(script.now, &path("f")).unwrap();
    script.hear("550-no such\r\n553 file\r\n");
    script.hear("550 at all\r\n");
    assert_eq!((script.wait, script.machine.is_settled()), (None, true));
}

#[test]
fn a_line_that_forges_a_reply_inside_of_a_reply_is_none() {
    let mut script = Script::asked(0, Some(100));
    script.input(Input::DataConnected).unwrap();
    // A file name with a line feed in it, as proftpd echoes it. What a forged line says is passed over or not a success.
    script.hear("150-Opening BINARY mode data connection for a\n226 Transfer complete\r\n150 (100 bytes)\r\n");
    script.input(Input::DataRead(50)).unwrap();
    script.data_end(DataEnd::Eof).unwrap();
    assert_eq!(script.events(), [Event::Accepted]);
    script.hear("426 aborted\r\n");
    assert!(matches!(script.events()[..], [Event::Ended(Ending::Aborted(_))]));
}

#[test]
fn every_wait_of_a_silent_server_has_an_end() {
    let stages: [&[&str]; 6] = [
        &[],
        &["220 hi\r\n"],
        &["220 hi\r\n", "331 pass?\r\n"],
        &["220 hi\r\n", "331 -\r\n230 -\r\n"],
        &["220 hi\r\n", "331 -\r\n230 -\r\n500 -\r\n200 -\r\n"],
        &["220 hi\r\n", "331 -\r\n230 -\r\n500 -\r\n200 -\r\n213 1\r\n213 20200101000000\r\n"],
    ];
    for said in stages {
        let mut script = Script::new();
        script.machine.arm(script.now, &path("f")).unwrap();
        said.iter().for_each(|text| script.hear(text));
        let error = script.expire().unwrap_err();
        assert!(matches!(error, Error::TimedOut(_) | Error::Pipelining), "{said:?}: {error}");
    }
}

#[test]
fn a_farewell_at_any_step_is_one_event_or_one_error_and_never_two() {
    let replies = ["220 hi", "331 -", "230 -", "211 -", "200 -", "213 100", "213 20200101000000", "229 (|||5|)"];
    for cut in 0..=replies.len() {
        let mut script = Script::new();
        script.machine.arm(script.now, &path("f")).unwrap();
        replies[..cut].iter().for_each(|reply| script.hear(&format!("{reply}\r\n")));
        script.events();
        let error = script.try_hear("421 bye\r\n").unwrap_err();
        assert!(matches!(error, Error::Closing(_)), "{cut}");
        let refused = script.events();
        assert_eq!(refused.len(), usize::from(cut < 5), "{cut}: {refused:?}");
        assert!(!script.machine.is_alive() && !script.machine.is_settled());
        assert_eq!(script.input(Input::Closed), Err(error));
    }
    for (before, after) in [("", ""), ("350 ok\r\n", ""), ("350 ok\r\n150 opening\r\n", "accepted")] {
        let mut script = Script::asked(5, Some(100));
        script.input(Input::DataConnected).unwrap();
        script.hear(before);
        let lost = script.try_hear("421 bye\r\n");
        assert_eq!(lost.is_ok(), after == "accepted", "{before}");
    }
}

#[test]
fn a_server_that_dies_with_a_last_word_is_not_taken_for_one_that_does_not_know_a_command() {
    let mut script = Script::logged_in(&["SIZE"]);
    script.machine.arm(script.now, &path("f")).unwrap();
    script.hear("213 100\r\n");
    assert!(matches!(script.try_hear("500 OOPS: priv_sock_get_int\r\n"), Err(Error::Closing(_))));
    assert!(!script.machine.quirks().no_epsv);
}
