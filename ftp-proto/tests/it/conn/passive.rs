//! Ports for data: `EPSV` first, `PASV` where that is broken, and never an address.

use ftp_proto::conn::{Config, Event, Quirks};

use super::script::{Script, credentials, path, quirks};

/// What a server answers to `EPSV` and `PASV`, and the port that comes of it.
fn port(epsv: &str, pasv: &str) -> Option<String> {
    let mut script = Script::logged_in(&["SIZE"]);
    script.machine.arm(script.now, &path("f")).unwrap();
    script.hear(&format!("213 9\r\n{epsv}\r\n"));
    if script.sent().ends_with("PASV\n") {
        script.hear(&format!("{pasv}\r\n"));
    }
    match &script.events()[..] {
        [Event::Facts(_)] => {
            script.machine.retrieve(script.now, 0, None).unwrap();
            script.poll();
            script.data.pop()
        }
        [Event::PassiveRefused(_)] => {
            assert!(script.machine.is_settled());
            None
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn whatever_address_pasv_names_only_its_port_is_used() {
    let answers = [
        "227 Entering Passive Mode (127,0,0,1,18,103)",
        "227 Entering Passive Mode 127,0,0,1,18,103.",
        "227 =127, 0, 0, 1, 18, 103",
        "227 (0,0,0,0,18,103)",
        "227 (10,1,2,3,18,103)",
        "227 (203,0,113,9,18,103)",
    ];
    for answer in answers {
        assert_eq!(port("500 EPSV?", answer).as_deref(), Some("connect 4711"), "{answer}");
    }
}

#[test]
fn an_unreadable_answer_to_pasv_opens_nothing() {
    let answers = [
        "227 (127,0,0,1,999,1)",
        "227 (127,0,0,1,0,0)",
        "227 (1,2,3,4,5,6,7)",
        "227 (1,2,3)",
        "227",
        "200 ok",
        "425 no port free",
        "502 no",
    ];
    for answer in answers {
        assert_eq!(port("500 EPSV?", answer), None, "{answer}");
    }
}

#[test]
fn an_unreadable_or_refused_epsv_falls_back_to_pasv() {
    let answers = [
        "229 (|||0|)",
        "229 (|||70000|)",
        "229 (|||4711",
        "229 nothing",
        "500 what",
        "522 (1)",
        "425 try PASV",
        "200 ok",
    ];
    for answer in answers {
        assert_eq!(port(answer, "227 (1,2,3,4,0,21)").as_deref(), Some("connect 21"), "{answer}");
    }
    for answer in ["229 (!!!4711!)", "229 (|2|::1|4711|)", "229 Extended (|||4711|) it is"] {
        assert_eq!(port(answer, "").as_deref(), Some("connect 4711"), "{answer}");
    }
}

#[test]
fn a_broken_epsv_is_remembered_but_not_one_that_failed_for_now() {
    for (answer, remembered) in [("500 what", true), ("229 nothing", true), ("425 no port free", false)] {
        let mut script = Script::logged_in(&["SIZE"]);
        script.machine.arm(script.now, &path("f")).unwrap();
        script.hear(&format!("213 9\r\n{answer}\r\n227 (1,2,3,4,0,21)\r\n"));
        assert_eq!(script.machine.quirks().no_epsv, remembered, "{answer}");
        let quirks: Quirks = script.machine.quirks().clone();
        let mut next = Script::with(Config::new(credentials()), quirks);
        next.machine.arm(next.now, &path("f")).unwrap();
        next.hear("220 hi\r\n");
        assert_eq!(next.sent().ends_with("PASV\n"), remembered, "{answer}");
    }
}

#[test]
fn where_the_peer_has_an_ipv6_address_there_is_no_pasv() {
    let config = Config::new(credentials()).without_pasv();
    let mut script = Script::with(config, quirks(|quirks| quirks.no_epsv = true));
    script.machine.arm(script.now, &path("f")).unwrap();
    script.hear("220 hi\r\n");
    assert!(script.sent().ends_with("EPSV\n"));
    script.hear("230 in\r\n202 -\r\n500 -\r\n200 -\r\n213 9\r\n500 -\r\n500 what\r\n");
    let events = script.events();
    assert!(matches!(&events[..], [Event::LoggedIn, Event::PassiveRefused(Some(_))]), "{events:?}");
}
