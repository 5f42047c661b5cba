//! What a machine keeps, whatever is sent to it.

use mms_proto::conn::{Error, Event};
use mms_proto::wire::MAX_CHUNK;

use super::script::{HEAD, Script, answer, config, header, packet, play};

/// Sends 4 MiB in pieces and gives the most bytes that were ever left over.
fn most_left(script: &mut Script, bytes: &[u8]) -> usize {
    let mut most = 0;
    let pieces = bytes.chunks(1000).cycle().take((4 << 20) / bytes.len().min(1000));
    for piece in pieces {
        script.hear(piece);
        if script.trace.error.is_some() {
            break;
        }
        most = most.max(script.buf.len());
        script.trace.events.retain(|event| !matches!(event, Event::Packet(_)));
    }
    most
}

#[test]
fn a_head_leaves_one_line() {
    let mut script = Script::playing();
    script.hear("HTTP/1.0 200 OK\r\n");
    assert!(most_left(&mut script, &[b'a'; 1000]) <= 8 << 10);
    assert!(matches!(script.error(), Error::Malformed(_)));
    let mut script = Script::playing();
    script.hear("HTTP/1.0 200 OK\r\n");
    assert!(most_left(&mut script, b"X: y\r\n") <= 8 << 10);
    assert!(matches!(script.error(), Error::Malformed(_)));
}

#[test]
fn packets_leave_one_chunk_with_and_without_the_transfer_coding() {
    let largest = packet(1, &vec![7; 65527]);
    assert_eq!(largest.len(), MAX_CHUNK);
    let mut script = Script::playing();
    script.hear(answer(HEAD, &[header(0, 0x0C, b"hdr")]));
    assert!(most_left(&mut script, &largest) < MAX_CHUNK);
    assert_eq!(script.trace.error, None);
    let mut script = Script::playing();
    let first = header(0, 0x0C, b"hdr");
    script.hear(HEAD.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n"));
    script.hear(format!("{:x}\r\n", first.len())).hear(first).hear("\r\nffffffffff\r\n");
    assert_eq!(most_left(&mut script, &largest), 0);
    assert_eq!(script.trace.error, None);
}

#[test]
fn a_packet_is_a_part_of_what_the_caller_received() {
    let mut script = Script::playing();
    script.hear(answer(HEAD, &[header(0, 0x0C, b"hdr")]));
    let mut buf = bytes::BytesMut::from(&packet(40, b"payload")[..]);
    let place = buf.as_ptr() as usize;
    script.machine.handle_input(script.now, mms_proto::conn::Input::Received(&mut buf)).unwrap();
    match script.machine.poll_output() {
        mms_proto::conn::Output::Event(Event::Packet(packet)) => assert_eq!(packet.data.as_ptr() as usize, place + 12),
        other => panic!("{other:?}"),
    }
}

#[test]
fn bodies_that_nobody_wants_are_kept_to_64_kib() {
    let mut script = Script::playing();
    script.hear("HTTP/1.0 200 OK\r\n\r\n");
    assert_eq!(most_left(&mut script, &[b'x'; 1000]), 0);
    assert_eq!(script.trace.events.len(), 1);
    let mut script = Script::playing();
    script.hear("HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n");
    assert_eq!(most_left(&mut script, &[b'x'; 1000]), 0);
    assert_eq!((script.trace.events.len(), script.machine.is_answerable()), (1, false));
}

#[test]
fn an_endless_header_stops_at_its_limit() {
    let mut config = config();
    config.limits.header_len = 100_000;
    let mut script = Script::new(config, play());
    script.hear(HEAD);
    for at in 0..10_000 {
        script.hear(header(at, 0, &[0; 500]));
        if script.trace.error.is_some() {
            assert_eq!(at, 200);
            return;
        }
    }
    panic!("no limit");
}
