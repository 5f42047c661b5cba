//! The way to a file: one path where `/` separates names by contract, steps elsewhere.

use ftp_proto::conn::{Config, Event, FileFacts};

use super::script::{Script, credentials, path, quirks};

fn stat(script: &mut Script, file: &str) -> String {
    script.machine.stat(script.now, &path(file)).unwrap();
    script.poll();
    script.sent()
}

fn facts(script: &mut Script) -> FileFacts {
    match &script.events()[..] {
        [Event::Facts(facts)] => facts.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn with_tvfs_the_path_is_one_argument_and_no_directory_is_entered() {
    let mut script = Script::logged_in(&["SIZE", "TVFS"]);
    assert_eq!(stat(&mut script, "a/b c/d"), "SIZE a/b c/d\n");
}

#[test]
fn without_tvfs_each_directory_is_a_step_and_the_way_home_is_asked_for_first() {
    let mut script = Script::logged_in(&["SIZE"]);
    assert_eq!(stat(&mut script, "a/b/c"), "PWD\nCWD a\nCWD b\nSIZE c\n");
    script.hear("257 \"/home/u\" here\r\n250 ok\r\n250 ok\r\n213 1\r\n");
    assert_eq!(facts(&mut script).size, Some(1));
    assert_eq!(stat(&mut script, "a/b/d"), "SIZE d\n", "it is there already");
    script.hear("213 2\r\n");
    script.events();
    assert_eq!(stat(&mut script, "x/e"), "CWD /home/u\nCWD x\nSIZE e\n");
    script.hear("250 ok\r\n250 ok\r\n213 3\r\n");
    script.events();
    assert_eq!(stat(&mut script, "x/g"), "SIZE g\n", "home was left behind");
    script.hear("213 4\r\n");
    script.events();
    assert_eq!(stat(&mut script, "f"), "CWD /home/u\nSIZE f\n");
}

#[test]
fn a_session_that_cannot_find_home_reaches_its_own_directory_only() {
    let mut script = Script::logged_in(&["SIZE"]);
    stat(&mut script, "a/f");
    script.hear("502 PWD?\r\n250 ok\r\n213 1\r\n");
    assert!(script.machine.can_reach(&path("a/g")));
    assert!(!script.machine.can_reach(&path("b/g")));
    assert!(!script.machine.can_reach(&path("g")));
}

#[test]
fn a_refused_step_voids_the_answers_behind_it_and_the_session_knows_where_it_stands() {
    let mut script = Script::logged_in(&["SIZE"]);
    stat(&mut script, "a/b/c");
    // The second step fails, so SIZE was about another file of that name.
    script.hear("257 \"/\"\r\n250 ok\r\n550 no b\r\n213 1\r\n");
    assert!(matches!(&script.events()[..], [Event::PathRefused(reply)] if reply.code == 550));
    assert_eq!(stat(&mut script, "a/d"), "SIZE d\n");
}

#[test]
fn the_first_session_of_a_server_asks_about_the_whole_path_with_the_login_and_walks_it_if_that_finds_nothing() {
    let found = "213 1\r\n213 20200101000000\r\n";
    let nothing = "550 no\r\n550 no\r\n";
    let cases = [
        ("TVFS", found, "", false),
        ("TVFS", nothing, "", false),
        ("UTF8", found, "", true),
        ("UTF8", "550 no\r\n213 20200101000000\r\n", "", true),
        ("UTF8", nothing, "PWD\nCWD a\nSIZE b\n", false),
        ("UTF8", "500 SIZE?\r\n550 no\r\n", "PWD\nCWD a\n", false),
    ];
    for (features, answers, sent, whole_paths) in cases {
        let mut script = Script::new();
        script.machine.arm(script.now, &path("a/b")).unwrap();
        script.hear("220 hi\r\n");
        assert_eq!(script.sent(), "USER u\nPASS hunter2\nFEAT\nTYPE I\nSIZE a/b\nMDTM a/b\nEPSV\n");
        script.log_in_sending(features, "");
        script.hear(&format!("{answers}229 (|||4711|)\r\n"));
        assert_eq!(script.sent(), sent, "{features} {answers}");
        assert_eq!(script.machine.quirks().whole_paths, whole_paths, "{features} {answers}");
        let name = if sent.is_empty() { "a/b" } else { "b" };
        if name == "b" {
            script.hear("257 \"/\"\r\n250 ok\r\n");
            if sent.contains("SIZE") {
                script.hear("213 7\r\n");
            }
        }
        assert!(matches!(script.events()[..], [Event::LoggedIn, Event::Facts(_)]), "{features} {answers}");
        // The port of the first round serves both.
        script.machine.retrieve(script.now, 0, None).unwrap();
        script.poll();
        assert_eq!((script.sent(), &script.data[..]), (format!("RETR {name}\n"), &["connect 4711".to_owned()][..]));
    }
}

#[test]
fn a_server_that_once_knew_a_whole_path_is_not_walked_again() {
    let mut script = Script::with(Config::new(credentials()), quirks(|quirks| quirks.whole_paths = true));
    script.hear("220 hi\r\n");
    script.log_in(&["SIZE"]);
    assert_eq!(stat(&mut script, "x/y"), "SIZE x/y\n");
}

#[test]
fn the_facts_are_what_the_server_knows_and_a_refusal_only_if_it_knows_nothing() {
    let mut script = Script::logged_in(&["SIZE", "MDTM", "MLST modify*;unique*;size*;type*;"]);
    assert_eq!(stat(&mut script, "f"), "SIZE f\nMDTM f\nMLST f\n");
    script.hear("550 no\r\n550 no\r\n250-x\r\n type=file;size=7;modify=20200101000000;unique=8g; f\r\n250 End\r\n");
    let told = facts(&mut script);
    assert_eq!((told.size, told.mdtm, told.refusal.is_none()), (Some(7), None, true));
    assert_eq!(told.unique.as_deref(), Some(&b"8g"[..]));
    stat(&mut script, "g");
    script.hear("550 no\r\n550 no\r\n550 none at all\r\n");
    assert_eq!(facts(&mut script).refusal.unwrap().lossy(), "none at all");
}

#[test]
fn a_question_that_the_server_does_not_know_is_not_asked_again() {
    let mut script = Script::logged_in(&["SIZE", "MDTM"]);
    stat(&mut script, "f");
    script.hear("502 SIZE?\r\n500 MDTM?\r\n");
    assert_eq!(facts(&mut script), FileFacts::default());
    assert!(script.machine.quirks().no_size && script.machine.quirks().no_mdtm);
    assert_eq!(stat(&mut script, "f"), "");
    assert_eq!(facts(&mut script), FileFacts::default());
}
