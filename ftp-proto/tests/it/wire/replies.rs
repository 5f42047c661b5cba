//! Framing of replies: vectors, each at every cut.

use bytes::{Bytes, BytesMut};
use ftp_proto::wire::{Class, Code, Reply, ReplyLimits, ReplyReader, ReplyRule};

use super::properties::{Trace, trace};

/// What a reader says of these bytes, after making sure that it says the same at every cut.
fn read(bytes: &[u8]) -> Trace {
    let limits = ReplyLimits::default();
    let whole = trace(limits, [bytes]);
    for cut in 0..=bytes.len() {
        assert_eq!(trace(limits, [&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut} of {}", bytes.escape_ascii());
    }
    assert_eq!(trace(limits, bytes.chunks(1)), whole, "byte by byte: {}", bytes.escape_ascii());
    whole
}

fn reply(code: u16, lines: &[&str]) -> Reply {
    Reply::new(Code::new(code).expect("a code"), lines.iter().map(|line| line.as_bytes().to_vec()))
}

/// Reads a stream of whole replies that ends between two.
#[track_caller]
fn whole(bytes: &[u8], expected: &[Reply]) {
    let trace = read(bytes);
    assert_eq!(trace.replies, expected, "{}", bytes.escape_ascii());
    assert_eq!((trace.waits_for_silence, trace.end), (false, Ok(None)));
}

#[track_caller]
fn refused(bytes: &[u8], offset: u64, rule: ReplyRule) {
    let error = read(bytes).end.expect_err("an error");
    assert_eq!((error.offset, error.rule), (offset, rule), "{}", bytes.escape_ascii());
}

#[test]
fn a_single_line_is_a_reply() {
    whole(b"220 Service ready for new user.\r\n", &[reply(220, &["Service ready for new user."])]);
    whole(b"200  two spaces \r\n", &[reply(200, &[" two spaces "])]);
    whole(b"331 one\r\n230 two\r\n", &[reply(331, &["one"]), reply(230, &["two"])]);
}

#[test]
fn a_multi_line_reply_ends_at_its_code_and_space() {
    // The example of RFC 959 section 4.2.
    whole(
        b"123-First line\r\nSecond line\r\n  234 A line beginning with numbers\r\n123 The last line\r\n",
        &[reply(123, &["First line", "Second line", "  234 A line beginning with numbers", "The last line"])],
    );
    whole(b"230-\r\n\r\n230 \r\n", &[reply(230, &["", "", ""])]);
}

#[test]
fn inner_lines_that_look_like_replies_do_not_end_it() {
    whole(
        b"226-Statistics\r\n226-more\r\n150 fake\r\n550 fake\r\n226\ttab\r\n2260 no\r\n226 Done\r\n",
        &[reply(226, &["Statistics", "226-more", "150 fake", "550 fake", "226\ttab", "2260 no", "Done"])],
    );
    // pure-ftpd ends each transfer with two lines.
    whole(
        b"226-File successfully transferred\r\n226 0.000 seconds (measured here), 21.77 Mbytes per second\r\n",
        &[reply(226, &["File successfully transferred", "0.000 seconds (measured here), 21.77 Mbytes per second"])],
    );
}

#[test]
fn repeated_codes_are_taken_off_inner_lines() {
    let trace = read(b"211-Features\r\n211-SIZE\r\n REST STREAM\r\n212-no\r\n211 End\r\n");
    let reply = &trace.replies[0];
    assert_eq!(reply.inner().collect::<Vec<_>>(), [&b"SIZE"[..], b" REST STREAM", b"212-no"]);
    assert_eq!((reply.first(), reply.last()), (&b"Features"[..], &b"End"[..]));
    assert_eq!(reply.text(), b"Features\n211-SIZE\n REST STREAM\n212-no\nEnd");
}

#[test]
fn line_ends_and_codes_may_be_bare() {
    whole(b"220 bare LF\n331-a\nb\n331 c\n", &[reply(220, &["bare LF"]), reply(331, &["a", "b", "c"])]);
    whole(b"200\r\n226-a\r\n226\r\n200\n", &[reply(200, &[""]), reply(226, &["a", ""]), reply(200, &[""])]);
}

#[test]
fn cr_nul_is_a_cr_and_other_nuls_are_nothing() {
    whole(b"150 a\r\0b\0\0c\r\n", &[reply(150, &["a\rbc"])]);
    whole(b"1\x0050\0 \0x\r\n\0\0\x00226 y\r\n", &[reply(150, &["x"]), reply(226, &["y"])]);
    whole(b"150 a\rb\r\r\n", &[reply(150, &["a\rb\r"])]);
}

#[test]
fn telnet_commands_at_the_start_of_a_line_are_skipped() {
    let negotiation = b"\xFF\xFB\x01\xFF\xFD\x0A\xFF\xFE\x1F\xFF\xF1\xFF\xFA\x18\xF0\x01\xFF\xFF\r\n\xFF\xF0";
    whole(&[negotiation, &b"220 hello\r\n"[..]].concat(), &[reply(220, &["hello"])]);
    whole(&[b"220 hello\r\n", &negotiation[..], b"331 x\r\n"].concat(), &[reply(220, &["hello"]), reply(331, &["x"])]);
    whole(b"220 hello\r\n\xFF\xFB\x01", &[reply(220, &["hello"])]);
}

#[test]
fn byte_ff_inside_of_a_line_is_text() {
    let text = |bytes: &[u8]| read(bytes).replies.remove(0).lines.remove(0);
    // Doubled, as vsftpd does; raw, as pure-ftpd does; before CP1251 letters that are Telnet commands, too.
    assert_eq!(text(b"257 \"\xFF\xFF\xEC\xE0\"\r\n"), &b"\"\xFF\xEC\xE0\""[..]);
    assert_eq!(text(b"257 \"\xFF\xEC\xE0\"\r\n"), &b"\"\xFF\xEC\xE0\""[..]);
    assert_eq!(text(b"257 \"\xFF\xF9\xE8\xEA\xFF\xFA\"\r\n"), &b"\"\xFF\xF9\xE8\xEA\xFF\xFA\""[..]);
    assert_eq!(text(b"257 \xFF\r\n"), &b"\xFF"[..]);
    assert_eq!(text(b"257 \xFF\xFB\x01\r\n"), &b"\xFF\xFB\x01"[..]);
    assert_eq!(text(b"257 \xFF\n"), &b"\xFF"[..]);
    assert_eq!(read(b"421 \xFF").end.map(|reply| reply.expect("a reply").lines), Ok(vec![Bytes::from_static(b"\xFF")]));
}

#[test]
fn another_closing_code_ends_a_reply_in_silence() {
    let bytes = b"553-\r\n553- Directory excluded\r\n226 inner\r\ntext\r\n150 Opening\r\n";
    let trace = read(bytes);
    assert!(trace.replies.is_empty() && trace.waits_for_silence);
    let mut expected = reply(150, &["", "553- Directory excluded", "226 inner", "text", "Opening"]);
    expected.opening = Code::new(553);
    assert_eq!(trace.end, Ok(Some(expected.clone())), "end of stream is silence, too");

    assert_eq!(expected.inner().next(), Some(&b" Directory excluded"[..]));

    let mut reader = ReplyReader::default();
    assert_eq!(reader.decode(&mut BytesMut::from(&bytes[..])), Ok(None));
    assert_eq!(reader.on_silence(), Some(expected));
    assert!(!reader.is_mid_reply());
    assert_eq!(reader.decode(&mut BytesMut::from("221 Bye\r\n")), Ok(Some(reply(221, &["Bye"]))), "still in step");
}

#[test]
fn silence_ends_nothing_else() {
    let unfinished: [&[u8]; 10] = [
        b"",
        b"226 x",
        b"\r",
        b"226-x\r\n",
        b"226-x\r\n226-y\r\n",
        b"226-x\r\n200 y",
        b"226-x\r\n200 y\r\n2",
        b"226-x\r\n200 y\r\n\r",
        b"226-x\r\n200 y\r\n\xFF",
        b"226-x\r\n200 y\r\nz\r\n",
    ];
    for held in unfinished {
        let mut reader = ReplyReader::default();
        assert_eq!(reader.decode(&mut BytesMut::from(held)), Ok(None));
        assert!(!reader.may_end_on_silence(), "{}", held.escape_ascii());
        assert_eq!(reader.on_silence(), None, "{}", held.escape_ascii());
        assert_eq!(reader.is_mid_reply(), !held.is_empty());
    }
    // 999 is no code, so that line is text.
    assert!(!read(b"226-x\r\n999 y\r\n").waits_for_silence);
}

#[test]
fn lines_between_replies_are_junk_of_the_reply_before() {
    // ProFTPD tells a name with LF as it is.
    whole(
        b"150 Opening BINARY mode data connection for a\nb (5 bytes)\r\n\r\n226 ok\r\n",
        &[reply(150, &["Opening BINARY mode data connection for a"]), reply(226, &["ok"])],
    );
}

#[test]
fn empty_lines_may_come_before_the_greeting() {
    whole(b"\r\n\n220 x\r\n", &[reply(220, &["x"])]);
}

#[test]
fn other_protocols_are_told_apart() {
    refused(b"SSH-2.0-OpenSSH_9.2p1\r\n", 0, ReplyRule::SshBanner);
    refused(b"\r\nSSH-2.0-x\r\n", 2, ReplyRule::SshBanner);
    refused(b"HTTP/1.1 400 Bad Request\r\n", 0, ReplyRule::NotAReply);
    refused(b"220\xA0hello\r\n", 0, ReplyRule::NotAReply);
    refused(b"22 hello\r\n", 0, ReplyRule::NotAReply);
    refused(b"* OK IMAP4rev1\r\n", 0, ReplyRule::NotAReply);
    let error = read(b"SSH-2.0-OpenSSH_9.2p1\x1B\r\n").end.expect_err("an error");
    assert_eq!(error.to_string(), "control stream, byte 0: an SSH server, not FTP: \"SSH-2.0-OpenSSH_9.2p1\\u{1b}\"");
}

#[test]
fn codes_are_100_to_599() {
    for code in [0, 99, 600, 631, 999] {
        refused(format!("220 ok\r\n{code:03} no\r\n").as_bytes(), 8, ReplyRule::CodeOutOfRange);
        assert_eq!(Code::new(code), None);
    }
    for (code, class) in [
        (100, Class::Preliminary),
        (199, Class::Preliminary),
        (200, Class::Completion),
        (299, Class::Completion),
        (300, Class::Intermediate),
        (399, Class::Intermediate),
        (400, Class::TransientNegative),
        (499, Class::TransientNegative),
        (500, Class::PermanentNegative),
        (599, Class::PermanentNegative),
    ] {
        assert_eq!(Code::new(code).map(|code| (code.get(), code.class())), Some((code, class)));
    }
}

#[test]
fn the_last_line_may_lack_its_end() {
    let trace = read(b"331 x\r\n421 Timeout.");
    assert_eq!(trace.replies, [reply(331, &["x"])]);
    assert_eq!(trace.end, Ok(Some(reply(421, &["Timeout."]))));
    assert_eq!(read(b"421-a\r\n421 b\r").end, Ok(Some(reply(421, &["a", "b"]))));
    assert_eq!(read(b"221").end, Ok(Some(reply(221, &[""]))));
}

#[test]
fn a_stream_that_ends_inside_of_a_reply_is_truncated() {
    refused(b"226-a\r\nb", 8, ReplyRule::Truncated);
    refused(b"226-a\r\n226-b\r\n", 14, ReplyRule::Truncated);
    refused(b"220 x\r\n226-a", 12, ReplyRule::Truncated);
    refused(b"22", 0, ReplyRule::NotAReply);
}

#[test]
fn long_lines_are_refused_where_they_pass_the_limit() {
    let limits = ReplyLimits { line: 10, reply: 1000, lines: 10 };
    assert_eq!(trace(limits, [&b"220 4567\r\n"[..]]).end, Ok(None));
    let long = b"331 x\r\n220 45678\r\n";
    for cut in 0..=long.len() {
        let error = trace(limits, [&long[..cut], &long[cut..]]).end.expect_err("a long line");
        assert_eq!((error.offset, error.rule), (7, ReplyRule::LineTooLong { limit: 10 }));
    }
    // No byte escapes the count: neither NUL nor Telnet.
    for filler in [&b"\0"[..], b"\xFF\xF1", b"\xFF\xFA"] {
        let error = trace(limits, [filler.repeat(6).as_slice(), &[0; 6]]).end.expect_err("an endless line");
        assert_eq!((error.offset, error.rule), (0, ReplyRule::LineTooLong { limit: 10 }));
    }
    let ten_megabytes = vec![b'x'; 10 << 20];
    let mut reader = ReplyReader::default();
    let error = reader.decode(&mut BytesMut::from(&ten_megabytes[..])).expect_err("a long line");
    assert_eq!(error.rule, ReplyRule::LineTooLong { limit: 8192 });
    assert_eq!((reader.offset(), error.excerpt.len()), (8193, 64), "not read to its end");
}

#[test]
fn endless_replies_are_refused_by_bytes_and_by_lines() {
    let mut endless = b"230-".to_vec();
    endless.extend([b'x'; 100].iter().chain(b"\r\n").copied().cycle().take(300_000));
    refused_once(&endless, 0, ReplyRule::ReplyTooLong { limit: 128 << 10 });
    let mut endless = b"220 x\r\n230-\r\n".to_vec();
    endless.extend(b"\n".repeat(3000));
    refused_once(&endless, 13 + 2047, ReplyRule::TooManyLines { limit: 2048 });
    let mut junk = b"220 x\r\n".to_vec();
    junk.extend(b"\n".repeat(3000));
    refused_once(&junk, 7 + 2048, ReplyRule::TooManyLines { limit: 2048 });
}

fn refused_once(bytes: &[u8], offset: u64, rule: ReplyRule) {
    for size in [bytes.len(), 1460, 1] {
        let error = trace(ReplyLimits::default(), bytes.chunks(size)).end.expect_err("an error");
        assert_eq!((error.offset, error.rule), (offset, rule));
    }
}

#[test]
fn limits_count_from_each_reply_anew() {
    let many = b"150 go\r\n".repeat(20_000);
    let with_junk = [&b"150 go\r\n"[..], &b"\n".repeat(1000)].concat().repeat(10);
    for (bytes, count) in [(many, 20_000), (with_junk, 10)] {
        let trace = trace(ReplyLimits::default(), bytes.chunks(1460));
        assert_eq!((trace.replies.len(), trace.end), (count, Ok(None)));
    }
}

#[test]
fn one_reply_is_taken_and_the_rest_is_left() {
    let mut reader = ReplyReader::default();
    let mut buf = BytesMut::from(&b"234 go\r\n\x16\x03\x01"[..]);
    assert_eq!(reader.decode(&mut buf), Ok(Some(reply(234, &["go"]))));
    assert_eq!((&buf[..], reader.offset(), reader.is_mid_reply()), (&b"\x16\x03\x01"[..], 8, false));
}

#[test]
fn replies_are_shown_without_control_characters() {
    let reply =
        Reply::new(Code::new(550).expect("a code"), [Bytes::from_static(b"no\x1B[2J"), Bytes::from_static(b"caf\xE9")]);
    assert_eq!(reply.to_string(), "550 no\\u{1b}[2J caf\u{FFFD}");
    assert_eq!(reply.lossy(), "no\\u{1b}[2J caf\u{FFFD}");
}
