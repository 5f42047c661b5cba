//! Commands and their arguments.

use bytes::BytesMut;
use ftp_proto::wire::{Arg, Command, Iac, InvalidArg, InvalidVerb, Secret, Type};

fn arg(bytes: &[u8]) -> Arg {
    Arg::new(bytes.to_vec()).expect("an argument")
}

fn secret(bytes: &[u8]) -> Secret {
    Secret::new(bytes.to_vec()).expect("a secret")
}

fn encoded(command: &Command, iac: Iac) -> Vec<u8> {
    let mut line = BytesMut::new();
    command.encode_with(&mut line, iac);
    line.to_vec()
}

#[test]
fn each_command_is_its_verb_one_space_and_its_argument() {
    let name = || arg(b"a name");
    let table: [(Command, &[u8]); 27] = [
        (Command::User(arg(b"anonymous")), b"USER anonymous\r\n"),
        (Command::Pass(secret(b"me@host")), b"PASS me@host\r\n"),
        (Command::Pass(secret(b"")), b"PASS \r\n"),
        (Command::Acct(secret(b"books")), b"ACCT books\r\n"),
        (Command::Cwd(arg(b"/pub")), b"CWD /pub\r\n"),
        (Command::Cdup, b"CDUP\r\n"),
        (Command::Pwd, b"PWD\r\n"),
        (Command::Type(Type::Image), b"TYPE I\r\n"),
        (Command::Type(Type::Ascii), b"TYPE A\r\n"),
        (Command::Pasv, b"PASV\r\n"),
        (Command::Epsv, b"EPSV\r\n"),
        (Command::Rest(0), b"REST 0\r\n"),
        (Command::Rest(u64::MAX), b"REST 18446744073709551615\r\n"),
        (Command::Rang { first: 802_816, last: 5_000_000_000 }, b"RANG 802816 5000000000\r\n"),
        (Command::Retr(name()), b"RETR a name\r\n"),
        (Command::Size(name()), b"SIZE a name\r\n"),
        (Command::Mdtm(name()), b"MDTM a name\r\n"),
        (Command::Mlst(Some(name())), b"MLST a name\r\n"),
        (Command::Mlst(None), b"MLST\r\n"),
        (Command::Feat, b"FEAT\r\n"),
        (Command::Opts(arg(b"UTF8 ON")), b"OPTS UTF8 ON\r\n"),
        (Command::Syst, b"SYST\r\n"),
        (Command::Noop, b"NOOP\r\n"),
        (Command::Abor, b"ABOR\r\n"),
        (Command::Quit, b"QUIT\r\n"),
        (Command::Host(arg(b"ftp.example.com")), b"HOST ftp.example.com\r\n"),
        (Command::Hash(name()), b"HASH a name\r\n"),
    ];
    for (command, line) in table {
        assert_eq!(encoded(&command, Iac::Raw).escape_ascii().to_string(), line.escape_ascii().to_string());
        let mut appended = BytesMut::from(&b"NOOP\r\n"[..]);
        command.encode(&mut appended);
        assert_eq!(appended, [b"NOOP\r\n", line].concat(), "encode replaces what was in the buffer");
        assert!(line.starts_with(command.verb().as_bytes()));
    }
    assert_eq!(encoded(&Command::Clnt(arg(b"x")), Iac::Raw), b"CLNT x\r\n");
}

#[test]
fn names_go_out_byte_for_byte() {
    let names: [&[u8]; 9] = [
        b" leading",
        b"trailing ",
        b"-x",
        b"a;b=c",
        b"[*]{?}",
        b"say \"hi\"",
        b"100%25",
        b"caf\xE9",
        "\u{44F}".as_bytes(),
    ];
    for name in names {
        assert_eq!(encoded(&Command::Retr(arg(name)), Iac::Raw), [b"RETR ", name, b"\r\n"].concat());
        assert_eq!(encoded(&Command::Retr(arg(name)), Iac::Doubled), [b"RETR ", name, b"\r\n"].concat());
    }
}

#[test]
fn byte_ff_is_sent_raw_and_doubled_on_request() {
    // "яма" in CP1251.
    let pit = Command::Size(arg(b"\xFF\xEC\xE0"));
    assert_eq!(encoded(&pit, Iac::Raw), b"SIZE \xFF\xEC\xE0\r\n");
    assert_eq!(encoded(&pit, Iac::Doubled), b"SIZE \xFF\xFF\xEC\xE0\r\n");
    let twice = Command::Cwd(arg(b"\xFF\xFF"));
    assert_eq!(encoded(&twice, Iac::Doubled), b"CWD \xFF\xFF\xFF\xFF\r\n");
    assert_eq!(encoded(&Command::Pass(secret(b"\xFF")), Iac::Doubled), b"PASS \xFF\xFF\r\n");
}

#[test]
fn no_argument_can_end_the_command_line() {
    for (bytes, offset, byte) in [("a\r\nDELE b", 1, b'\r'), ("a\nDELE b", 1, b'\n'), ("\0", 0, 0), ("abc\r", 3, b'\r')]
    {
        let refusal = InvalidArg::Forbidden { offset, byte };
        assert_eq!(Arg::new(bytes), Err(refusal));
        assert_eq!(Secret::new(bytes), Err(refusal));
    }
    assert_eq!(Arg::new(""), Err(InvalidArg::Empty));
}

#[test]
fn an_argument_is_as_long_as_a_path_and_no_longer() {
    assert!(Arg::new(vec![b'x'; Arg::MAX_LEN]).is_ok());
    assert_eq!(Arg::new(vec![b'x'; Arg::MAX_LEN + 1]), Err(InvalidArg::TooLong { len: 4097 }));
    assert!(Secret::new(vec![b'x'; Arg::MAX_LEN]).is_ok());
    assert_eq!(Secret::new(vec![b'x'; Arg::MAX_LEN + 1]), Err(InvalidArg::TooLong { len: 4097 }));
}

#[test]
fn secrets_are_shown_as_stars_only() {
    let secret = secret(b"hunter2");
    assert_eq!(format!("{secret} {secret:?}"), "*** ***");
    for command in [Command::Pass(secret.clone()), Command::Acct(secret)] {
        assert_eq!(command.to_string(), format!("{} ***", command.verb()));
        assert!(!format!("{command:?}{command:#?}").contains("hunter2"));
        assert!(!format!("{:?}", [Some(command)]).contains("hunter2"));
    }
}

#[test]
fn errors_do_not_tell_the_secret() {
    let error = Secret::new("hunter2\r\n").expect_err("a line end");
    assert_eq!(error.to_string(), "the argument has a CR at byte 7");
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[test]
fn shown_names_cannot_drive_a_terminal() {
    let name = arg(b"\x1B[2J caf\xE9 \xC3\xA9");
    assert_eq!(name.to_string(), "\\u{1b}[2J caf\u{FFFD} \u{E9}");
    assert_eq!(Command::Retr(name).to_string(), "RETR \\u{1b}[2J caf\u{FFFD} \u{E9}");
    assert_eq!(Command::Rang { first: 1, last: 2 }.to_string(), "RANG 1 2");
    assert_eq!(Command::Noop.to_string(), "NOOP");
}

#[test]
fn any_other_verb_is_checked() {
    let site = Command::other("site", Some(arg(b"HELP"))).expect("a verb");
    assert_eq!((site.verb(), encoded(&site, Iac::Raw)), ("SITE", b"SITE HELP\r\n".to_vec()));
    let hash = Command::other("XSHA256", Some(arg(b"file 0 10"))).expect("a verb");
    assert_eq!(encoded(&hash, Iac::Raw), b"XSHA256 file 0 10\r\n");
    assert_eq!(encoded(&Command::other("STAT", None).expect("a verb"), Iac::Raw), b"STAT\r\n");
    for verb in ["", "AB", "NO OP", "NOOP\r\nQUIT", "N\u{D6}OP", "SEVENTEENLETTERSX", "pass", "ACCT"] {
        assert_eq!(Command::other(verb, None), Err(InvalidVerb), "{verb:?}");
    }
}
