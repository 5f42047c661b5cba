//! Where frames and messages end.

use bytes::BytesMut;
use mms_proto::wire::WireError;
use mms_proto::wire::mmst::{Frame, LinkMacToViewer, MAX_MESSAGE_LENGTH, split_frame};

use crate::conn::mmst::server;

fn split(bytes: &[u8]) -> Result<Option<Frame>, WireError> {
    split_frame(&mut BytesMut::from(bytes))
}

/// The messages of a frame, each decoded.
fn messages(frame: Frame) -> Vec<Result<LinkMacToViewer, WireError>> {
    let Frame::Control(messages) = frame else { panic!("a control frame") };
    messages.map(|message| message.and_then(|message| LinkMacToViewer::decode(&message))).collect()
}

const PING: LinkMacToViewer = LinkMacToViewer::Ping(1, 2);

#[test]
fn a_frame_is_incomplete_at_every_cut() {
    for whole in [server::ping(1, 2), server::opened(server::File::default()), server::media(3, 9)] {
        for end in 0..whole.len() {
            assert_eq!(split(&whole[..end]), Ok(None), "{end}");
        }
        let mut buf = BytesMut::from(&[&whole[..], b"more"].concat()[..]);
        assert!(split_frame(&mut buf).unwrap().is_some());
        assert_eq!(&buf[..], b"more");
    }
}

#[test]
fn frames_follow_one_another() {
    let mut buf = BytesMut::from(&[server::ping(1, 2), server::media(3, 9), server::ping(1, 2)].concat()[..]);
    assert_eq!(messages(split_frame(&mut buf).unwrap().unwrap()), [Ok(PING)]);
    let Some(Frame::Data(packet)) = split_frame(&mut buf).unwrap() else { panic!() };
    assert_eq!((packet.header.location, &packet.payload[..]), (3, &server::payload(3)[..]));
    assert_eq!(messages(split_frame(&mut buf).unwrap().unwrap()), [Ok(PING)]);
    assert_eq!(split_frame(&mut buf), Ok(None));
}

#[test]
fn a_payload_is_not_copied() {
    let mut buf = BytesMut::from(&server::media(3, 9)[..]);
    let place = buf[8..].as_ptr();
    let Some(Frame::Data(packet)) = split_frame(&mut buf).unwrap() else { panic!() };
    assert_eq!(packet.payload.as_ptr(), place);
}

#[test]
fn several_messages_share_a_header() {
    let ping = server::bare(server::PING, &server::words(&[1, 2]));
    let frame = split(&server::framed(&ping.repeat(3))).unwrap().unwrap();
    assert_eq!(messages(frame), [Ok(PING), Ok(PING), Ok(PING)]);
    let frame = split(&server::framed(&[&ping[..], &[0; 8], &[0; 8]].concat())).unwrap().unwrap();
    assert_eq!(messages(frame), [Ok(PING)], "zeros behind a message are padding");
}

/// 0, and more than there is: the length of all is known, so the first message is all of it.
#[test]
fn a_chunk_length_that_cannot_be() {
    let ping = server::bare(server::PING, &server::words(&[1, 2]));
    for chunks in [0_u32, 1, 3, 1 << 29, u32::MAX] {
        let mut wrong = ping.clone();
        wrong[..4].copy_from_slice(&chunks.to_le_bytes());
        let alone = messages(split(&server::framed(&wrong)).unwrap().unwrap());
        if chunks != 1 {
            assert_eq!(alone, [Ok(PING)], "{chunks}");
        } else {
            // A message of 8 bytes is too short for a Ping.
            assert!(alone[0].is_err());
        }
        if chunks != 1 {
            let second = messages(split(&server::framed(&[ping.clone(), wrong].concat())).unwrap().unwrap());
            assert_eq!(second[0], Ok(PING));
            assert_eq!(second[1].as_ref().unwrap_err().offset, 32 + ping.len(), "{chunks}");
            assert_eq!(second.len(), 2);
        }
    }
}

#[test]
fn a_message_length_has_bounds() {
    let with = |length: u32| {
        let mut frame = server::ping(1, 2);
        frame[8..12].copy_from_slice(&length.to_le_bytes());
        split(&frame)
    };
    for length in [0, 15, 16, 23, MAX_MESSAGE_LENGTH as u32 + 1, u32::MAX] {
        assert_eq!(with(length).unwrap_err().offset, 8, "{length}");
    }
    assert_eq!(with(MAX_MESSAGE_LENGTH as u32), Ok(None));
    assert!(with(24).unwrap().is_some());
    // Not a multiple of 8: believed, as the only length that is.
    assert_eq!(messages(with(31).unwrap().unwrap()).len(), 1);
}

/// Counted with its first 16 bytes or without, or noise; padding, seq and time too.
#[test]
fn nothing_else_of_the_header_is_believed() {
    for at in [3, 16, 17, 18, 19, 20, 21, 22, 23, 24, 31] {
        let mut frame = server::ping(1, 2);
        frame[at] ^= 0xFF;
        assert_eq!(messages(split(&frame).unwrap().unwrap()), [Ok(PING)], "{at}");
    }
}

/// Incarnation 0xCE, flags 0xFA and a size of 45 067 are the bytes of sessionId.
#[test]
fn a_data_packet_that_looks_like_control_is_none() {
    for location in [1, 0, 0x0100_0000, 77] {
        let payload: Vec<u8> = (0..45_059_u32).map(|at| at as u8).collect();
        let packet = server::data(location, 0xCE, 0xFA, &payload);
        assert_eq!(packet[4..8], [0xCE, 0xFA, 0x0B, 0xB0]);
        for end in [8, 9, 11, 12, 15, 16, 17, 45_066] {
            assert_eq!(split(&packet[..end]), Ok(None), "{end}");
        }
        let Some(Frame::Data(split)) = split(&packet).unwrap() else { panic!("data") };
        assert_eq!((split.header.location, split.payload), (location, payload.into()));
    }
}

#[test]
fn a_data_packet_shorter_than_its_header_is_refused() {
    for size in 0..8 {
        assert_eq!(split(&[0, 0, 0, 0, 9, 0, size, 0]).unwrap_err().offset, 6);
    }
}
