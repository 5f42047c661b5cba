//! It does not matter how the server's bytes are cut.

use mms_proto::conn::Event;
use mms_proto::conn::mmsh::Ask;
use proptest::prelude::*;

use super::script::{HEAD, answer, change, chunk, end, header, metadata, packet, play, trace};

/// Whole dialogues, one for each way that they can go.
fn dialogues() -> Vec<Vec<u8>> {
    let pair = [b"$P\xf8\x01".to_vec(), vec![0x24; 600]].concat();
    let all = [
        pair,
        metadata("features=\"live\"\0"),
        header(0, 0x04, b"he"),
        header(1, 0x00, b"ad"),
        header(2, 0x08, b"er"),
        chunk(b'T', &[]),
        packet(40, b"one"),
        chunk(b'X', b"??"),
        packet(41, b""),
        end(1),
        change(),
        header(0, 0x0C, b"new"),
        packet(0, b"two"),
        end(0),
        end(0),
        b"garbage".to_vec(),
    ];
    let chunked = HEAD.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n");
    let coded = |tail: &[u8]| -> Vec<u8> {
        let body = [header(0, 0x0C, b"hdr"), packet(1, b"p"), end(0)].concat();
        let parts =
            body.chunks(7).flat_map(|part| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat());
        [chunked.as_bytes(), &parts.collect::<Vec<_>>(), tail].concat()
    };
    let length = |len: usize| HEAD.replace("\r\n\r\n", &format!("\r\nContent-Length: {len}\r\n\r\n"));
    let short = [header(0, 0x0C, b"hdr"), packet(1, b"p"), packet(2, b"q")];
    let kept = "HTTP/1.1 401 No\r\nWWW-Authenticate: NTLM\r\nContent-Length: 3\r\n\r\n";
    vec![
        answer(HEAD, &all),
        coded(b"0\r\n\r\n"),
        coded(b"zz\r\n"),
        answer(&length(30), &short),
        answer(&length(41), &short),
        answer(HEAD, &[header(0, 0x0C, b"hdr"), packet(1, b"p"), b"?".to_vec(), packet(2, b"q")]),
        answer(HEAD, &[header(0, 0x0C, b"hdr"), packet(1, b"p"), chunk(b'D', &[0; 8])]),
        answer(HEAD, &[header(0, 0x04, b"h"), header(3, 0x08, b"dr")]),
        answer(kept, &[b"abc".to_vec()]),
        answer(kept, &[b"abcd".to_vec()]),
        answer(&kept.replace("Content-Length: 3", "Transfer-Encoding: chunked"), &[b"3\r\nabc\r\n0\r\n\r\n".to_vec()]),
        answer(&kept.replace("Content-Length: 3", "Transfer-Encoding: chunked"), &[b"3\r\nabcde\r\n".to_vec()]),
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 302 There\r\nLocation: mms://h/f\r\n\r\nbody".to_vec(),
        b"HTTP/1.0 503 Busy\nRetry-After: 3\n\nbody".to_vec(),
        b"HTTP/1.0 200 OK\r\n\r\n<asx><ref href='mms://h/f'></asx>".to_vec(),
        b"HTTP/1.0 200 OK\r\n\r\n$X".to_vec(),
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n$Xyz".to_vec(),
        b"HTTP/1.0 200 OK\r\n folded: of nothing\r\n".to_vec(),
        b"nothing of the kind\r\n".to_vec(),
    ]
}

#[test]
fn every_cut_gives_the_same_trace() {
    for ask in [Ask::Describe, play()] {
        for dialogue in dialogues() {
            let whole = trace(ask.clone(), [&dialogue[..]]);
            for cut in 0..=dialogue.len() {
                let (one, two) = dialogue.split_at(cut);
                assert_eq!(
                    trace(ask.clone(), [one, two]),
                    whole,
                    "cut at {cut} of {:?}",
                    String::from_utf8_lossy(&dialogue)
                );
            }
            assert_eq!(trace(ask.clone(), dialogue.chunks(1)), whole, "byte by byte");
        }
    }
}

#[test]
fn the_long_dialogue_tells_all_of_this() {
    let told = trace(play(), [&dialogues()[0][..]]);
    assert_eq!(told.error, None);
    let count = |wanted: fn(&Event) -> bool| told.events.iter().filter(|event| wanted(event)).count();
    assert_eq!(count(|event| matches!(event, Event::Packet(_))), 3);
    assert_eq!(count(|event| matches!(event, Event::Header(_))), 2);
    assert_eq!(told.events.len(), 11);
}

#[test]
fn every_prefix_of_every_dialogue_ends_in_a_word() {
    for ask in [Ask::Describe, play()] {
        for dialogue in dialogues() {
            for end in 0..dialogue.len() {
                let told = trace(ask.clone(), [&dialogue[..end]]);
                assert!(told.error.is_some() || !told.events.is_empty(), "nothing is said of the first {end} bytes");
            }
        }
    }
}

/// Any answer, mostly sound.
fn any_answer() -> impl Strategy<Value = Vec<u8>> {
    let payload = || prop::collection::vec(any::<u8>(), 0..60);
    let chunk = prop_oneof![
        6 => (any::<u32>(), payload()).prop_map(|(location, payload)| packet(location, &payload)),
        2 => payload().prop_map(|payload| header(0, 0x0C, &payload)),
        1 => (0..3_u32, prop::sample::select(vec![0, 4, 8, 12_u8]), payload()).prop_map(|(at, mark, payload)| header(at, mark, &payload)),
        1 => prop::sample::select(vec![end(0), end(1), end(0xC00D_001A), change(), metadata("x"), b"$P\0\0".to_vec()]),
        1 => (any::<u8>(), payload()).prop_map(|(kind, body)| super::script::chunk(kind, &body)),
    ];
    let head = prop::sample::select(vec![
        HEAD.to_owned(),
        HEAD.replace("\r\n\r\n", "\r\nContent-Length: 200\r\n\r\n"),
        HEAD.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ]);
    (head, prop::collection::vec(chunk, 0..12), 1..80_usize).prop_map(|(head, chunks, len)| {
        let first = header(0, 0x0C, b"hdr");
        let body = [first, chunks.concat()].concat();
        let coded = |part: &[u8]| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
        let body = if head.contains("chunked") { body.chunks(len).flat_map(coded).collect() } else { body };
        [head.as_bytes(), &body].concat()
    })
}

proptest! {
    #[test]
    fn any_cuts_of_any_answer_give_the_same_trace(
        bytes in any_answer(),
        describe in any::<bool>(),
        lens in prop::collection::vec(1..40_usize, 1..12),
    ) {
        let ask = if describe { Ask::Describe } else { play() };
        let (mut pieces, mut rest) = (Vec::new(), &bytes[..]);
        for len in lens.iter().cycle() {
            let (piece, later) = rest.split_at((*len).min(rest.len()));
            pieces.push(piece);
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        let whole = trace(ask.clone(), [&bytes[..]]);
        prop_assert_eq!(&whole, &trace(ask.clone(), pieces));
        prop_assert_eq!(&whole, &trace(ask, bytes.chunks(1)));
    }
}
