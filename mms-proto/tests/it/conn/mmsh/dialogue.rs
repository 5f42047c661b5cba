//! What servers send when all is well, and the odd things that they send as well.

use bytes::Bytes;
use mms_proto::conn::mmsh::{Ask, Connection, SeekForm};
use mms_proto::conn::{Awaited, Error, Event, Identity, Input, Packet};
use mms_proto::wire::Hresult;

use super::script::{HEAD, Script, answer, change, chunk, config, data, end, header, metadata, packet, play, trace};

const WHOLE: [&str; 5] =
    ["Opened", "Header(3 bytes)", "Started", "Packet(40, 1 bytes)", "Ended(Hresult(0x00000000), more: false)"];

#[test]
fn describe_brings_the_header_and_ends() {
    let mut script = Script::describing();
    assert!(script.trace.sent[0].starts_with("GET /dir/f.asf HTTP/1.0\r\n"));
    assert!(!script.trace.sent[0].contains("xPlayStrm"));
    script.hear(HEAD.replace("\r\n\r\n", "\r\nContent-Length: 15\r\n\r\n")).hear(header(0, 0x0C, b"hdr"));
    let Event::Opened(facts) = &script.trace.events[0] else { panic!("{:?}", script.trace.events) };
    assert_eq!(facts.server.as_deref(), Some("Cougar/9.01.01.3814"));
    assert!(facts.seekable && !facts.broadcast && !facts.live && !facts.playlist);
    assert_eq!(script.trace.events[1..], [Event::Header(Bytes::from_static(b"hdr"))]);
    assert!(script.trace.closed);
    script.close().elapse(1000);
    assert_eq!(script.trace.error, None);
}

#[test]
fn a_server_that_sends_packets_to_describe_is_not_listened_to() {
    // As avserver of libav 0.8 does.
    let mut script = Script::describing();
    script.hear(answer(HEAD, &[header(0, 0x0C, b"hdr"), packet(0, b"p"), packet(1, b"q")])).hear(packet(2, b"r"));
    assert_eq!(script.names(), ["Opened", "Header(3 bytes)"]);
    assert!(script.trace.closed && script.buf.is_empty());
}

#[test]
fn play_brings_header_packets_and_end() {
    let mut script = Script::playing();
    let request = &script.trace.sent[0];
    for line in [
        "stream-offset=0:5000,packet-num=40,",
        "Pragma: xPlayStrm=1\r\n",
        "=ffff:1:0 ffff:2:0\r\n",
        "NSPlayer/7.1.0.3055",
    ] {
        assert!(request.contains(line), "{request}");
    }
    script.hear(answer(HEAD, &[header(0, 0x0C, b"hdr"), packet(40, b"p"), end(0)]));
    assert_eq!(script.names(), WHOLE);
    assert_eq!(script.trace.events[3], Event::Packet(Packet { location: 40, data: Bytes::from_static(b"p") }));
    assert!(script.trace.closed);
    assert_eq!(script.wait, None);
}

#[test]
fn repeated_ends_and_trailing_garbage_are_passed_over() {
    let mut script = Script::playing();
    script.hear(answer(HEAD, &[header(0, 0x0C, b"hdr"), packet(40, b"p"), end(0)]));
    script.hear(end(0).repeat(511)).hear(end(1)).hear(b"garbage").close();
    assert_eq!(script.names(), WHOLE);
    assert_eq!(script.trace.error, None);
    assert!(script.buf.is_empty());
}

#[test]
fn the_pacing_bit_and_unknown_chunks_change_nothing() {
    let mut fast = packet(40, b"p");
    fast[0] = 0xA4;
    let chunks = [chunk(b'T', &[]), header(0, 0x0C, b"hdr"), chunk(b'X', b"??"), fast, chunk(b'T', &[]), end(0)];
    let mut script = Script::playing();
    assert_eq!(script.hear(answer(HEAD, &chunks)).names(), WHOLE);
}

#[test]
fn headers_are_put_together_by_the_marks_of_both_dialects() {
    let sets: [&[u8]; 5] =
        [&[0x0C], &[0x04, 0x0C], &[0x04, 0x00, 0x08], &[0x04, 0x04, 0x08], &[0x00, 0x00, 0x00, 0x08]];
    for marks in sets {
        // VLC numbers its header by the packets that it has sent.
        for first in [0, 0x2980, u32::MAX] {
            let pieces = marks
                .iter()
                .zip(0..)
                .map(|(&mark, at)| header(first.wrapping_add(at), mark, &[u8::try_from(at).unwrap()]));
            let mut script = Script::describing();
            script.hear(answer(HEAD, &pieces.collect::<Vec<_>>()));
            let expected: Vec<u8> = (0..u8::try_from(marks.len()).unwrap()).collect();
            assert_eq!(script.trace.events[1..], [Event::Header(expected.into())], "{marks:x?} from {first}");
        }
    }
    let hundred: Vec<_> = (0..100).map(|at| header(at, if at == 99 { 0x08 } else { 0 }, &[7; 1000])).collect();
    let mut script = Script::describing();
    assert_eq!(script.hear(answer(HEAD, &hundred)).names(), ["Opened", "Header(100000 bytes)"]);
}

#[test]
fn pieces_out_of_order_missing_or_twice_are_an_error() {
    for second in [0, 2, 7] {
        let mut script = Script::describing();
        script.hear(answer(HEAD, &[header(0, 0x04, b"a"), header(second, 0x08, b"b")]));
        let what = "a piece of the header that is not the next one";
        assert_eq!(script.error(), Error::OutOfOrder { what, awaiting: Awaited::Header });
    }
}

#[test]
fn metadata_before_the_header_is_skipped_and_its_features_count() {
    let head = HEAD.replace(",features=\"seekable,stridable\"", "");
    let split = [metadata("playlist-gen-id=1, features=\"broadcast,live,playlist\"\0"), metadata("more\0")];
    let mut script = Script::playing();
    script.hear(answer(&head, &[split.concat(), header(0, 0x0C, b"hdr"), packet(40, b"p"), end(0)]));
    assert_eq!(script.names(), WHOLE);
    let Event::Opened(facts) = &script.trace.events[0] else { panic!("no facts") };
    assert!(facts.broadcast && facts.live && facts.playlist && !facts.seekable);
}

/// Text in front of metadata that is cut anywhere, into chunks numbered like the pieces of a header.
#[test]
fn metadata_go_on_in_the_next_chunk_wherever_they_were_cut() {
    let head = HEAD.replace(",features=\"seekable,stridable\"", "");
    let text = b"playlist-gen-id=1, features=\"broadcast,live\"\0and a list, features=\"playlist\"";
    for (first, second) in (1..text.len()).flat_map(|first| [(first, first), (first, (first + 5).min(text.len()))]) {
        let parts = [(0, 0x04, &text[..first]), (1, 0, &text[first..second]), (2, 0x08, &text[second..])];
        let metadata = parts.map(|(location, flags, part)| data(b'M', location, flags, part)).concat();
        let mut script = Script::playing();
        script.hear(answer(&head, &[metadata, header(0, 0x0C, b"hdr"), packet(40, b"p"), end(0)]));
        assert_eq!(script.names(), WHOLE, "{first} {second}");
        let Event::Opened(facts) = &script.trace.events[0] else { panic!("no facts") };
        assert!(facts.broadcast && facts.live && !facts.playlist, "{first} {second}: {facts:?}");
    }
}

#[test]
fn a_bandwidth_test_before_the_header_is_skipped() {
    let noise = |len: u16, bytes: usize| [b"$P".to_vec(), len.to_le_bytes().to_vec(), vec![0x24; bytes]].concat();
    let pairs = [noise(504, 308), noise(504, 508), noise(1048, 1252)];
    let mut script = Script::playing();
    script.hear(answer(HEAD, &[pairs.concat(), metadata("x\0"), header(0, 0x0C, b"hdr"), packet(40, b"p"), end(0)]));
    assert_eq!(script.names(), WHOLE);
    // Later it could not be told from media.
    let mut script = Script::playing();
    script.hear(answer(HEAD, &[header(0, 0x0C, b"hdr"), noise(504, 308)]));
    assert_eq!(script.error(), Error::OutOfOrder { what: "a bandwidth test", awaiting: Awaited::FirstPacket });
}

#[test]
fn another_content_follows_with_its_own_header() {
    let chunks = [
        header(0, 0x0C, b"hdr"),
        packet(40, b"p"),
        end(1),
        change(),
        metadata("features=\"live\"\0"),
        header(0, 0x04, b"an"),
        header(1, 0x08, b"other"),
        packet(0, b"qq"),
        end(0),
    ];
    let mut script = Script::playing();
    script.hear(answer(HEAD, &chunks));
    let expected =
        ["Ended(Hresult(0x00000001), more: true)", "Changed", "Header(7 bytes)", "Started", "Packet(0, 2 bytes)"];
    assert_eq!(script.names()[4..9], expected);
    assert_eq!(script.names()[9], WHOLE[4]);
    assert!(script.trace.closed);
}

#[test]
fn a_change_may_come_without_an_end_and_a_header_without_a_change() {
    for between in [vec![change()], vec![change(), change()], vec![end(1)], vec![]] {
        let mut script = Script::playing();
        script.hear(answer(
            HEAD,
            &[header(0, 0x0C, b"hdr"), packet(40, b"p"), between.concat(), header(0, 0x0C, b"new")],
        ));
        let names: Vec<_> = script.names().split_off(4).into_iter().filter(|name| !name.starts_with("Ended")).collect();
        assert_eq!(names, ["Changed", "Header(3 bytes)", "Started"], "{between:x?}");
        assert!(script.hear(packet(7, b"q")).trace.error.is_none());
    }
    // Before there is anything to change, it is only odd.
    let mut script = Script::playing();
    assert_eq!(
        script.hear(answer(HEAD, &[change(), header(0, 0x0C, b"hdr"), packet(40, b"p"), end(0)])).names(),
        WHOLE
    );
}

#[test]
fn the_reason_of_an_end_is_passed_on() {
    for code in [0xC00D_001A, 0x8007_0005, 0xC00D_000F, 0x000D_2F09, 2] {
        let mut script = Script::playing();
        script.hear(answer(HEAD, &[header(0, 0x0C, b"hdr"), packet(40, b"p"), end(code)]));
        assert_eq!(script.trace.events[4], Event::Ended { reason: Hresult(code), more: false });
        assert!(script.trace.closed);
    }
    // A failure may come at any time, even in place of a header.
    for chunks in [vec![], vec![header(0, 0x04, b"h")], vec![header(0, 0x0C, b"hdr")]] {
        for ask in [Ask::Describe, play()] {
            let told = trace(ask.clone(), [&answer(HEAD, &[chunks.concat(), end(0xC00D_0025)])[..]]);
            let whole = ask == Ask::Describe && chunks == [header(0, 0x0C, b"hdr")];
            assert_eq!(told.error, None);
            assert_eq!(matches!(told.events.last(), Some(Event::Ended { more: false, .. })), !whole, "{told:?}");
        }
    }
}

#[test]
fn a_close_without_an_end_says_what_was_awaited() {
    let chunks =
        [header(0, 0x04, b"h"), header(1, 0x08, b"dr"), packet(40, b"p"), end(1), change(), header(0, 0x0C, b"new")];
    let awaited = [
        Awaited::Header,
        Awaited::Header,
        Awaited::FirstPacket,
        Awaited::Packet,
        Awaited::Header,
        Awaited::Header,
        Awaited::FirstPacket,
    ];
    for (count, awaited) in awaited.into_iter().enumerate() {
        let told = trace(play(), [&answer(HEAD, &chunks[..count])[..]]);
        assert_eq!(told.error, Some(Error::Closed(awaited)), "after {count}");
    }
    assert_eq!(trace(play(), [&b"HTTP/1.0 200"[..]]).error, Some(Error::Closed(Awaited::Response)));
    assert_eq!(
        trace(Ask::Describe, [&answer(HEAD, &[header(0, 0x04, b"h")])[..]]).error,
        Some(Error::Closed(Awaited::Header))
    );
}

#[test]
fn the_length_of_the_body_is_believed() {
    let chunks = [header(0, 0x0C, b"hdr"), packet(40, b"p"), packet(41, b"q"), end(0)].concat();
    let head = |len: usize| HEAD.replace("\r\n\r\n", &format!("\r\nContent-Length: {len}\r\n\r\n"));
    let mut script = Script::playing();
    script.hear(head(chunks.len())).hear(&chunks);
    assert_eq!((script.trace.events.len(), script.trace.error.is_none()), (6, true));
    // Shorter than what is sent: the rest is not a part of the answer.
    for cut in [15 + 13, 15 + 13 + 5] {
        let mut script = Script::playing();
        script.hear(head(cut)).hear(&chunks);
        assert_eq!(script.names().last().map(String::as_str), Some("Packet(40, 1 bytes)"));
        assert_eq!(script.error(), Error::Closed(Awaited::Packet));
    }
}

#[test]
fn the_transfer_coding_is_undone_although_nobody_asked_for_it() {
    let head = HEAD.replace("HTTP/1.0", "HTTP/1.1").replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunks = [header(0, 0x0C, b"hdr"), packet(40, b"p"), end(0)].concat();
    for len in [1, 5, 1000] {
        let coded: Vec<u8> = chunks
            .chunks(len)
            .flat_map(|part| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat())
            .collect();
        let whole = [head.as_bytes(), &coded, b"0\r\n\r\n"].concat();
        let mut script = Script::playing();
        assert_eq!(script.hear(&whole).names(), WHOLE);
    }
    let told =
        trace(
            play(),
            [&[head.as_bytes(), b"1b\r\n", &header(0, 0x0C, b"hdr"), &packet(40, b"p")[..12], b"\r\n0\r\n\r\n"]
                .concat()[..]],
        );
    assert_eq!(told.error, Some(Error::Closed(Awaited::FirstPacket)));
}

#[test]
fn a_server_without_a_name_or_a_type_is_known_by_its_chunks() {
    for lines in ["", "Content-Type: text/html\r\n", "Content-Type: video/x-ms-asf\r\n", "Server: Apache\r\n"] {
        let head = format!("HTTP/1.0 200 OK\r\n{lines}\r\n");
        let mut script = Script::playing();
        assert_eq!(script.hear(answer(&head, &[header(0, 0x0C, b"hdr"), packet(40, b"p"), end(0)])).names(), WHOLE);
    }
}

#[test]
fn a_place_is_stated_in_each_form() {
    let unused = "4294967295";
    for (form, offset, number) in [
        (SeekForm::Both, "1:705032704".to_owned(), "4294967294"),
        (SeekForm::OffsetOnly, "1:705032704".to_owned(), unused),
        (SeekForm::PacketOnly, format!("{unused}:{unused}"), "4294967294"),
    ] {
        let ask = Ask::Play { from: u32::MAX - 1, stream_offset: Some(5_000_000_000), streams: Vec::new(), form };
        let mut script = Script::new(config(), ask);
        let stated = format!("stream-offset={offset},packet-num={number},");
        assert!(script.trace.sent[0].contains(&stated), "{}", script.trace.sent[0]);
        script.hear(answer(HEAD, &[header(0, 0x0C, b"hdr"), packet(u32::MAX - 1, b"p")]));
        assert_eq!(script.names().last().map(String::as_str), Some("Packet(4294967294, 1 bytes)"));
    }
}

#[test]
fn what_cannot_be_asked_for_is_not_sent() {
    let ask = |from, stream_offset, form| Ask::Play { from, stream_offset, streams: Vec::new(), form };
    let now = std::time::Instant::now();
    for ask in [
        ask(u32::MAX, None, SeekForm::Both),
        ask(0, Some(u64::MAX), SeekForm::Both),
        ask(0, None, SeekForm::OffsetOnly),
    ] {
        assert!(matches!(Connection::new(now, config(), ask), Err(Error::Misuse(_))));
    }
    let mut odd = config();
    odd.identity = Identity::Player { guid: "x\r\nEvil: yes".to_owned() };
    assert!(matches!(Connection::new(now, odd, Ask::Describe), Err(Error::Misuse(_))));
}

#[test]
fn a_relay_says_that_it_is_one() {
    let mut config = config();
    config.identity = Identity::Relay { guid: "3300ad50-2c39-46c0-ae0a-1c2d3e4f5a6b".to_owned() };
    config.to_proxy = true;
    let script = Script::new(config, Ask::Describe);
    assert!(script.trace.sent[0].contains("\r\nUser-Agent: NSServer/4.1.0.3928\r\n"));
    assert!(script.trace.sent[0].starts_with("GET http://media.test:80/dir/f.asf HTTP/1.0\r\n"));
}

#[test]
fn a_datagram_is_a_mistake_of_the_caller_and_not_the_end() {
    let mut script = Script::playing();
    let result = script.machine.handle_input(script.now, Input::Datagram(b"x"));
    assert!(matches!(result, Err(Error::Misuse(_))));
    assert_eq!(script.hear(answer(HEAD, &[header(0, 0x0C, b"hdr"), packet(40, b"p"), end(0)])).names(), WHOLE);
}
