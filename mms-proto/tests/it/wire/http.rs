//! Heads of HTTP responses, and the chunked coding.

use std::time::Duration;

use mms_proto::wire::{Head, WireError};

use super::properties::{self, body_trace, head_trace};

fn head(text: &str) -> Head {
    head_trace([text.as_bytes()]).expect(text).expect("a whole head").0
}

fn refused(bytes: &[u8]) -> WireError {
    let error = head_trace([bytes]).expect_err("no head");
    assert_eq!(head_trace(bytes.chunks(1)), Err(error));
    error
}

const WHOLE: &str = "HTTP/1.0 200 OK\r\nServer: Cougar/9.01.01.3814\r\nPragma: no-cache\r\nPragma: client-id=1234\n\
    pragma:features=\"seekable,\r\n\t stridable\"\r\nno colon here\r\nContent-Type: Application/X-MMS-Framed; a=b\r\n\r\n$H";

#[test]
fn a_head_is_read_however_it_is_cut_folded_and_ended() {
    let (head, rest) = head_trace([WHOLE.as_bytes()]).unwrap().unwrap();
    assert_eq!((head.status, head.text.as_str(), head.persistent), (200, "OK", false));
    assert_eq!(head.first("SERVER"), Some("Cougar/9.01.01.3814"));
    let pragmas: Vec<_> = head.all("Pragma").collect();
    assert_eq!(pragmas, ["no-cache", "client-id=1234", "features=\"seekable, stridable\""]);
    assert_eq!(head.content_type().as_deref(), Some("application/x-mms-framed"));
    assert_eq!(rest, b"$H");
    for cut in 0..WHOLE.len() {
        let (one, two) = WHOLE.as_bytes().split_at(cut);
        assert_eq!(head_trace([one, two]).unwrap().as_ref(), Some(&(head.clone(), rest.clone())), "cut at {cut}");
    }
    properties::http_head(WHOLE.as_bytes());
}

#[test]
fn status_lines_of_all_kinds_are_understood() {
    for (line, status, persistent, text) in [
        ("HTTP/1.1 200 OK", 200, true, "OK"),
        ("HTTP/1.0 404", 404, false, ""),
        ("HTTP/1.0 503  Too busy today ", 503, false, "Too busy today"),
        ("http/1.1 302 Found", 302, true, "Found"),
        ("ICY 200 OK", 200, false, "OK"),
    ] {
        let head = head(&format!("{line}\n\n"));
        assert_eq!((head.status, head.persistent, head.text.as_str()), (status, persistent, text), "{line}");
    }
    for line in
        ["", "HTTP/1.1", "HTTP/1.1 OK", "HTTP/x.1 200", "HTTP/1.1 20", "HTTP/1.1 2000", "RTSP/1.0 200 OK", "220 hi"]
    {
        assert_eq!(refused(format!("{line}\r\n").as_bytes()).rule, "no status line of HTTP", "{line}");
    }
}

#[test]
fn lengths_and_connections_are_told() {
    let with = |lines: &str| head(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n"));
    assert_eq!(with("Content-Length: 12\r\n").content_length(), Some(12));
    assert_eq!(with("Content-Length: 12\r\nContent-Length: 12\r\n").content_length(), Some(12));
    for lines in ["", "Content-Length: 1\r\nContent-Length: 2\r\n", "Content-Length: -1\r\n", "Content-Length: +1\r\n"]
    {
        assert_eq!(with(lines).content_length(), None, "{lines}");
    }
    assert!(with("Transfer-Encoding: gzip, Chunked\r\n").is_chunked());
    assert!(with("").stays_open() && !with("Connection: Close\r\n").stays_open());
    assert!(!head("HTTP/1.0 200 OK\r\n\r\n").stays_open());
    assert!(head("HTTP/1.0 407 No\r\nProxy-Connection: Keep-Alive\r\n\r\n").stays_open());
    assert_eq!(with("Retry-After: 120\r\n").retry_after(), Some(Duration::from_secs(120)));
    assert_eq!(with("Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n").retry_after(), None);
    assert_eq!(with("Server: caf\u{e9}\r\n").first("Server"), Some("café"));
    let (latin, _) = head_trace([&b"HTTP/1.1 200 OK\r\nServer: caf\xe9\r\n\r\n"[..]]).unwrap().unwrap();
    assert_eq!(latin.first("Server"), Some("café"));
}

#[test]
fn a_hundred_lines_are_enough() {
    let lines = |count: usize| format!("HTTP/1.0 200 OK\r\n{}\r\n", "X-Filler: 1\r\n".repeat(count));
    assert_eq!(head(&lines(100)).all("x-filler").count(), 100);
    assert_eq!(refused(lines(101).as_bytes()).rule, "more than 100 header lines");
}

#[test]
fn long_lines_and_heads_are_refused_while_they_arrive() {
    let line = |len: usize| format!("HTTP/1.0 200 OK\r\nX: {}\r\n\r\n", "a".repeat(len - 5));
    assert_eq!(head(&line(8192)).first("X").map(str::len), Some(8187));
    let error = refused(line(8193).as_bytes());
    assert_eq!((error.rule, error.offset), ("a line of more than 8 KiB", 17 + 8192));
    let endless = [b"HTTP/1.0 200 OK\r\nX: ".to_vec(), vec![b'a'; 1 << 20]].concat();
    assert_eq!(head_trace([&endless[..]]).expect_err("endless"), error);
    let many = format!("HTTP/1.0 200 OK\r\n{}", format!("X: {}\r\n", "a".repeat(8000)).repeat(20));
    let error = refused(many.as_bytes());
    assert_eq!((error.rule, error.offset), ("a head of more than 64 KiB", 64 << 10));
    assert_eq!(refused(b"HTTP/1.0 200 OK\r\n folded\r\n").rule, "a continuation of nothing");
}

#[test]
fn the_chunked_coding_is_undone_at_any_cut() {
    let coded = b"4\r\nWiki\r\n6;name=\"v\"\r\npedia \n0A \r\nin chunks.\r\n0\r\nTrailer: x\r\n\r\nafter";
    let whole = (b"Wikipedia in chunks.".to_vec(), Ok(Some(b"after".to_vec())));
    assert_eq!(body_trace([&coded[..]]), whole);
    for cut in 0..coded.len() {
        let (one, two) = coded.split_at(cut);
        assert_eq!(body_trace([one, two]), whole, "cut at {cut}");
        assert!(matches!(body_trace([one]).1, Ok(None)) || cut >= coded.len() - 5, "the end at {cut}");
    }
    assert_eq!(body_trace(coded.chunks(1)), whole);
}

#[test]
fn broken_coding_says_where() {
    for (coded, body, offset, rule) in [
        (&b"x\r\n"[..], "", 0, "no size of a chunk"),
        (b"\r\n", "", 0, "no size of a chunk"),
        (b"+4\r\n", "", 0, "no size of a chunk"),
        (b"10000000000000000\r\n", "", 0, "no size of a chunk"),
        (b"2\r\nabc\r\n", "ab", 5, "a chunk is longer than its size"),
        (b"2\r\nab\r\n-\r\n", "ab", 7, "no size of a chunk"),
    ] {
        let (got, end) = body_trace([coded]);
        let error = end.expect_err("broken");
        assert_eq!((got.as_slice(), error.offset, error.rule), (body.as_bytes(), offset, rule));
        assert_eq!(body_trace(coded.chunks(1)), (got, Err(error)));
    }
    let endless = vec![b'1'; 9 << 10];
    assert_eq!(body_trace([&endless[..]]).1.expect_err("endless").rule, "a line of more than 8 KiB");
    // As many trailers as may be, in lines as long as may be.
    let most = [&b"0\r\n"[..], &[&[b'a'; 8190][..], b"\r\n"].concat().repeat(8), b"\r\n"].concat();
    assert_eq!(body_trace([&most[..]]), (vec![], Ok(Some(vec![]))));
    let trailers = [b"0\r\n".to_vec(), b"X: y\r\n".repeat(20_000)].concat();
    assert_eq!(body_trace([&trailers[..]]).1.expect_err("endless").rule, "trailers of more than 64 KiB");
    assert_eq!(body_trace([&b"ffffffffffffffff\r\nab"[..]]), (b"ab".to_vec(), Ok(None)));
}
