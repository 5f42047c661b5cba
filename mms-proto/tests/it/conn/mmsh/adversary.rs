//! Servers that are broken or mean: each wrong thing is a typed error, and the last word.

use mms_proto::conn::mmsh::Ask;
use mms_proto::conn::{Awaited, Error, Input};

use super::script::{HEAD, Script, answer, change, chunk, config, end, header, packet, play};

fn error(chunks: &[Vec<u8>]) -> Error {
    let mut script = Script::playing();
    script.hear(answer(HEAD, chunks));
    let error = script.error();
    // Whatever comes after it; the script checks that it is repeated.
    script.hear(answer(HEAD, &[header(0, 0x0C, b"hdr")])).elapse(100).close();
    assert!(script.machine.handle_input(script.now, Input::Datagram(b"")).is_err());
    assert_eq!((script.error(), script.wait), (error.clone(), None));
    error
}

fn malformed(chunks: &[Vec<u8>]) -> (&'static str, usize) {
    match error(chunks) {
        Error::Malformed(error) => (error.what, error.offset),
        other => panic!("{other}"),
    }
}

#[test]
fn other_protocols_are_named() {
    for bytes in ["SSH-2.0-OpenSSH_9.6\r\n", "220 ready\r\n", "RTSP/1.0 200 OK\r\n", "\r\n"] {
        let mut script = Script::playing();
        script.hear(bytes);
        assert!(
            matches!(script.error(), Error::Malformed(error) if error.rule == "no status line of HTTP"),
            "{bytes:?}"
        );
    }
}

#[test]
fn lengths_that_lie_are_malformed() {
    let sound = || header(0, 0x0C, b"hdr");
    for size in 0..8 {
        assert_eq!(malformed(&[sound(), chunk(b'D', &[0, 0, 0, 0, 0, 0, size, 0])]), ("chunk $D", 10));
        assert_eq!(malformed(&[chunk(b'H', &[0, 0, 0, 0, 0, 0x0C, size, 0])]), ("chunk $H", 10));
    }
    assert_eq!(malformed(&[sound(), chunk(b'D', &[0, 0, 0, 0, 0, 0, 0xFF, 0xFF])]), ("chunk $D", 10));
    assert_eq!(malformed(&[sound(), chunk(b'D', b"short")]), ("chunk $D", 2));
    assert_eq!(malformed(&[chunk(b'M', &[])]), ("chunk $M", 2));
    assert_eq!(malformed(&[sound(), chunk(b'E', b"abc")]), ("chunk $E", 4));
}

#[test]
fn a_lost_frame_is_not_searched_for() {
    assert_eq!(
        malformed(&[header(0, 0x0C, b"hdr"), packet(40, b"p"), b"?".to_vec(), packet(41, b"q")]),
        ("the chunks", 0)
    );
    assert_eq!(malformed(&[b"$P\xf8\x01".to_vec(), vec![0; 10_000]]), ("the bandwidth test", 8192));
}

#[test]
fn what_has_no_place_is_out_of_order() {
    let header = |location, flags| header(location, flags, b"h");
    let cases: [(&[Vec<u8>], &str, Awaited); 9] = [
        (&[packet(0, b"p")], "a packet", Awaited::Header),
        (&[header(0, 0x04), packet(0, b"p")], "a packet", Awaited::Header),
        (&[header(0, 0x0C), packet(40, b"p"), end(1), packet(41, b"p")], "a packet", Awaited::Header),
        (&[header(0, 0x0C), change(), packet(41, b"p")], "a packet", Awaited::Header),
        (&[header(0, 0x04), change()], "another content", Awaited::Header),
        (&[end(0)], "the end of the stream", Awaited::Header),
        (&[header(0, 0x04), end(1)], "the end of the stream", Awaited::Header),
        (&[end(1), end(1)], "the end of the stream", Awaited::Header),
        (&[header(0, 0x0C), packet(1, b"p"), b"$P\0\0".to_vec()], "a bandwidth test", Awaited::Packet),
    ];
    for (chunks, what, awaiting) in cases {
        assert_eq!(error(chunks), Error::OutOfOrder { what, awaiting });
    }
    for reason in [0, 1] {
        let mut script = Script::new(config(), Ask::Describe);
        script.hear(answer(HEAD, &[end(reason)]));
        assert!(matches!(script.error(), Error::OutOfOrder { .. }));
    }
}

#[test]
fn a_header_without_an_end_has_a_limit() {
    let mut config = config();
    config.limits.header_len = 1000;
    let piece = |at, last: bool| header(at, if last { 0x08 } else { 0 }, &[0; 250]);
    let mut script = Script::new(config.clone(), play());
    script.hear(answer(HEAD, &[piece(0, false), piece(1, false), piece(2, false), piece(3, true)]));
    assert_eq!(script.names()[1], "Header(1000 bytes)");
    let too_long = Error::Limit { what: "bytes of the ASF header", max: 1000 };
    let mut script = Script::new(config.clone(), play());
    script.hear(answer(HEAD, &(0..5).map(|at| piece(at, false)).collect::<Vec<_>>()));
    assert_eq!(script.error(), too_long);
    let mut script = Script::new(config, play());
    script.hear(answer(HEAD, &[header(0, 0x0C, &[0; 1001])]));
    assert_eq!(script.error(), too_long);
    let empty: Vec<_> = (0..4097).map(|at| header(at, 0, b"")).collect();
    assert_eq!(error(&empty), Error::Limit { what: "pieces of the ASF header", max: 4096 });
}

#[test]
fn a_broken_transfer_coding_ends_what_it_carries() {
    let head = HEAD.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n");
    let sound = header(0, 0x0C, b"hdr");
    let body = [head.as_bytes(), format!("{:x}\r\n", sound.len()).as_bytes(), &sound, b"\r\nzz\r\n"].concat();
    let mut script = Script::playing();
    script.hear(&body);
    assert_eq!(script.names(), ["Opened", "Header(3 bytes)", "Started"], "what came before it counts");
    assert!(matches!(script.error(), Error::Malformed(error) if error.what == "the chunked body"));
    // Behind the end it does not matter.
    let mut script = Script::describing();
    script.hear(&body);
    assert_eq!((script.names().len(), script.trace.error.clone()), (2, None));
}
