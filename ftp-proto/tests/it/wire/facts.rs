//! SIZE, MDTM, MLST, PWD, and hints in refusals.

use ftp_proto::wire::{
    EntryType, Timestamp, ValueRule, mdtm, mlst, pwd257, ready_in, reply_hints_limit, reply_hints_transient, size,
};
use std::time::{Duration, SystemTime};

use super::properties::{reply_of, time_text};

#[test]
fn a_size_is_one_number_and_nothing_else() {
    for (text, bytes) in [("0", 0), ("1234", 1234), (" 1234 ", 1234), ("018446744073709551615", u64::MAX)] {
        assert_eq!(size(&reply_of(213, text.as_bytes())), Ok(bytes), "{text:?}");
    }
    assert_eq!(size(&reply_of(213, b"Status of file\n42")), Ok(42), "the last line counts");
    for text in ["18446744073709551616", "-1", "+1", "12 bytes", "1,234", "0x10", "1e3", "12.0", "\u{661}"] {
        assert_eq!(
            size(&reply_of(213, text.as_bytes())).map_err(|error| error.rule),
            Err(ValueRule::NotANumber),
            "{text:?}"
        );
    }
    assert_eq!(size(&reply_of(213, b"  ")).map_err(|error| error.rule), Err(ValueRule::Missing));
    assert_eq!(size(&reply_of(550, b"12")).map_err(|error| error.rule), Err(ValueRule::WrongCode));
}

#[test]
fn a_time_is_seconds_since_1970_with_a_fraction() {
    let table = [
        ("19700101000000", 0, 0),
        ("19691231235959", -1, 0),
        ("19980615100045", 897_904_845, 0),
        ("19980615100045.014", 897_904_845, 14_000_000),
        ("19990929003355", 938_565_235, 0),
        ("19990929003355.237", 938_565_235, 237_000_000),
        ("20000229120000", 951_825_600, 0),
        ("20010909014640", 1_000_000_000, 0),
        ("20380119031408", 1 << 31, 0),
        ("20161231235960", 1_483_228_800, 0),
        ("20161231235960.1234567899", 1_483_228_800, 123_456_789),
        ("00000101000000", -62_167_219_200, 0),
        ("00010101000000", -62_135_596_800, 0),
        ("99991231235959", 253_402_300_799, 0),
        // "19" and a tm_year of 100.
        ("191000615100045", 961_063_245, 0),
        ("191260101000000", 1_767_225_600, 0),
    ];
    for (text, seconds, nanoseconds) in table {
        assert_eq!(mdtm(&reply_of(213, text.as_bytes())), Ok(Timestamp { seconds, nanoseconds }), "{text}");
    }
    assert_eq!(mdtm(&reply_of(213, b"19980615100045 ")).map(|time| time.seconds), Ok(897_904_845));
}

#[test]
fn no_such_time_is_an_error() {
    for text in [
        "",
        "1998061510004",
        "19980015100045",
        "19981315100045",
        "19980600100045",
        "19980631100045",
        "19990229100045",
        "19000229100045",
        "21000229100045",
        "19980615240045",
        "19980615106045",
        "19980615100061",
        "19980615100045.",
        "19980615100045.1x",
        "19980615100045Z",
        "1998-06-15 10:00:45",
        "190990615100045",
        "201000615100045",
        "1910006151000450",
    ] {
        assert_eq!(
            mdtm(&reply_of(213, text.as_bytes())).map_err(|error| error.rule),
            Err(ValueRule::NotATime),
            "{text}"
        );
    }
    assert_eq!(mdtm(&reply_of(550, b"19980615100045")).map_err(|error| error.rule), Err(ValueRule::WrongCode));
}

#[test]
fn each_day_of_five_centuries_follows_the_day_before() {
    let mut previous = None;
    for year in 1599..2101 {
        for (month, day) in (1..=12).flat_map(|month| (1..=31).map(move |day| (month, day))) {
            let text = format!("{year:04}{month:02}{day:02}120000");
            let Some(time) = Timestamp::parse(text.as_bytes()) else { continue };
            assert_eq!(time_text(time), text);
            if let Some(previous) = previous.replace(time.seconds) {
                assert_eq!(time.seconds - previous, 86_400, "{text}");
            }
        }
    }
}

#[test]
fn a_time_before_1970_keeps_its_fraction() {
    let time = Timestamp { seconds: -1, nanoseconds: 250_000_000 };
    assert_eq!(time.to_system_time(), Some(SystemTime::UNIX_EPOCH - Duration::from_millis(750)));
    let later = Timestamp { seconds: 1, nanoseconds: 1 };
    assert_eq!(later.to_system_time(), Some(SystemTime::UNIX_EPOCH + Duration::new(1, 1)));
    assert!(time < later);
}

#[test]
fn mlst_tells_size_time_type_identity_and_permissions() {
    let facts = mlst(&reply_of(
        250,
        b"Start of list for a\n Type=file;Size=4161;Modify=19980615100045.014;Perm=adfr;Unique=18U4;UNIX.mode=0644; /a b; c=d\nEnd",
    ));
    let facts = facts.expect("facts");
    assert_eq!((facts.size, facts.kind), (Some(4161), Some(EntryType::File)));
    assert_eq!(facts.modify, Some(Timestamp { seconds: 897_904_845, nanoseconds: 14_000_000 }));
    assert_eq!((facts.unique.as_deref(), &facts.path[..]), (Some(&b"18U4"[..]), &b"/a b; c=d"[..]));
    let perm = facts.perm.expect("perm");
    assert!(perm.retrieve() && perm.has(b'a') && perm.has(b'A') && !perm.has(b'w'));
    let upper = mlst(&reply_of(250, b"\n perm=ADFR; x\n")).expect("facts").perm.expect("perm");
    assert!(upper.retrieve());
}

#[test]
fn entries_stand_where_they_stand_in_the_field() {
    let path = |text: &str| mlst(&reply_of(250, text.as_bytes())).map(|facts| (facts.size, facts.path.to_vec()));
    let expected = Ok((Some(1), b"x".to_vec()));
    assert_eq!(path("Begin\n size=1; x\nEnd"), expected);
    assert_eq!(path("Begin\nsize=1; x\nEnd"), expected, "no space before it");
    assert_eq!(path("Begin\n250-size=1; x\nEnd"), expected, "the code is repeated");
    assert_eq!(path("size=1; x\nEnd"), expected, "on the first line");
    assert_eq!(path("size=1; x"), expected, "on the only line");
    assert_eq!(path("Begin\n  x\nEnd"), Ok((None, b"x".to_vec())), "no facts");
    assert_eq!(path("Begin\n SIZE=1;  x \nEnd"), Ok((Some(1), b" x ".to_vec())), "spaces belong to the name");
}

#[test]
fn types_are_named_and_unknown_ones_kept() {
    let kind = |value: &str| mlst(&reply_of(250, format!("\n type={value}; x\n").as_bytes())).expect("facts").kind;
    for value in ["dir", "cdir", "pdir", "DIR"] {
        assert_eq!(kind(value), Some(EntryType::Directory));
    }
    assert_eq!(kind("File"), Some(EntryType::File));
    assert_eq!(kind("OS.unix=slink:/x"), Some(EntryType::Other("OS.unix=slink:/x".into())));
    assert_eq!(kind("OS.unix=symlink"), Some(EntryType::Other("OS.unix=symlink".into())));
    assert_eq!(kind(""), Some(EntryType::Other("".into())));
}

#[test]
fn unreadable_facts_are_absent_and_contradictions_refused() {
    let size = |facts: &str| mlst(&reply_of(250, format!("\n {facts} x\n").as_bytes())).map(|facts| facts.size);
    for unreadable in ["size=;", "size=-1;", "size=18446744073709551616;", "size=1 ;", "size;", "=1;", ";;;", "sizd=1;"]
    {
        assert_eq!(size(unreadable), Ok(None), "{unreadable}");
    }
    assert_eq!(size("size=1;Size=1;"), Ok(Some(1)));
    for contradiction in
        ["size=1;size=2;", "size=1;size=x;", "type=dir;type=file;", "perm=r;perm=w;", "unique=a;unique=b;"]
    {
        assert_eq!(size(contradiction).map_err(|error| error.rule), Err(ValueRule::Contradiction), "{contradiction}");
    }
    for missing in ["", "\n\n", "\n \n", "\n  \n", "\nsize=1;x\n", "\nsize=1; \n", "\nx\n"] {
        assert_eq!(
            mlst(&reply_of(250, missing.as_bytes())).map_err(|error| error.rule),
            Err(ValueRule::Missing),
            "{missing:?}"
        );
    }
    assert_eq!(mlst(&reply_of(550, b"\n size=1; x\n")).map_err(|error| error.rule), Err(ValueRule::WrongCode));
}

#[test]
fn a_path_in_quotes_is_unquoted_as_its_server_meant_it() {
    let table = [
        (r#""/" is the current directory"#, "/"),
        (r#""/usr/dm""#, "/usr/dm"),
        // Doubled by the book: the example of RFC 959 appendix II.
        (r#""/usr/dm/foo""bar" directory created"#, r#"/usr/dm/foo"bar"#),
        (r#""""a"" b" is current"#, r#""a" b"#),
        (r#""/" is your "home""#, "/"),
        // Not doubled, as pure-ftpd does.
        (r#""/sub/dir with "quotes"" is your current location"#, r#"/sub/dir with "quotes""#),
        (r#""/a "b" c" is your current location"#, r#"/a "b" c"#),
        (r#""/a"""#, r#"/a""#),
        (r#"Current directory is "/x y""#, "/x y"),
        (r#""/caf\xE9 ; = %" ok"#, r"/caf\xE9 ; = %"),
    ];
    for (text, path) in table {
        assert_eq!(pwd257(&reply_of(257, text.as_bytes())).as_deref(), Ok(path.as_bytes()), "{text}");
    }
    for text in ["", "/ is current", r#"""#, r#""""#, r#""" is current"#, r#""/unclosed"#] {
        assert_eq!(
            pwd257(&reply_of(257, text.as_bytes())).map_err(|error| error.rule),
            Err(ValueRule::Missing),
            "{text}"
        );
    }
    assert_eq!(pwd257(&reply_of(250, b"\"/\"")).map_err(|error| error.rule), Err(ValueRule::WrongCode));
}

#[test]
fn refusals_that_speak_of_a_limit_are_told_from_wrong_passwords() {
    for (code, text) in [
        (530, "Sorry, the maximum number of clients (4) from your host are already connected."),
        (421, "There are too many connections from your internet address."),
        (421, "There are too many connected users, please try later."),
        (421, "Too many connections (4) from this IP"),
        (421, "50 users (the maximum) are already logged in, sorry"),
        (530, "TOO MANY users"),
    ] {
        assert!(reply_hints_limit(&reply_of(code, text.as_bytes())), "{text}");
    }
    for (code, text) in [
        (530, "Login incorrect."),
        (530, "Login authentication failed"),
        (530, "Authentication failed."),
        (230, "Too many files here"),
        (421, "Timeout."),
    ] {
        assert!(!reply_hints_limit(&reply_of(code, text.as_bytes())), "{text}");
    }
    assert!(reply_hints_limit(&reply_of(530, b"Sorry.\nThe maximum number of\nclients")));
}

#[test]
fn refusals_that_will_pass_are_told_from_final_ones() {
    assert!(reply_hints_transient(&reply_of(550, b"Broken pipe")));
    assert!(reply_hints_transient(&reply_of(550, b"Data connection timed out")));
    assert!(!reply_hints_transient(&reply_of(550, b"No such file or directory")));
    assert!(!reply_hints_transient(&reply_of(226, b"Broken pipe")));
}

#[test]
fn a_120_tells_how_long_to_wait() {
    let wait = |text: &str| ready_in(&reply_of(120, text.as_bytes()));
    assert_eq!(wait("Service ready in 3 minutes."), Some(Duration::from_secs(180)));
    assert_eq!(wait("Service ready in 030 seconds"), Some(Duration::from_secs(30)));
    assert_eq!(wait("Service ready in 99999999999999999999999 minutes"), Some(Duration::from_secs(86_400)));
    assert_eq!(wait("Service ready soon"), None);
    assert_eq!(ready_in(&reply_of(220, b"Service ready in 3 minutes")), None);
}
