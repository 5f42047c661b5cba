//! What must hold for any bytes.

use bytes::BytesMut;
use mms_proto::wire::mmst::{Frame, LinkMacToViewer, MAX_FRAME_LEN, split_frame};
use mms_proto::wire::{DataHeader, DataPacket};

/// Frames take from the front what they give, byte by byte as well as at once; each message can be read or is an error.
pub(crate) fn frames(data: &[u8]) {
    let (whole, rest) = all(data, data.len());
    let (dripped, _) = all(data, 1);
    assert_eq!(whole, dripped);
    assert!(rest < MAX_FRAME_LEN || whole.last() == Some(&None));
    let _ = LinkMacToViewer::decode(data);
    if let Ok(packet) = DataPacket::decode(data) {
        assert_eq!(packet.header.payload_len(), packet.payload.len());
    }
}

/// The frames, the last one `None` if it is an error, and how much is left.
fn all(data: &[u8], step: usize) -> (Vec<Option<Frame>>, usize) {
    let mut buf = BytesMut::new();
    let mut frames = Vec::new();
    for piece in data.chunks(step.max(1)) {
        buf.extend_from_slice(piece);
        loop {
            let before = buf.len();
            match split_frame(&mut buf) {
                Ok(None) => {
                    assert_eq!(buf.len(), before, "nothing is taken from what is not whole");
                    break;
                }
                Ok(Some(frame)) => {
                    check(&frame, before - buf.len());
                    frames.push(Some(frame));
                }
                Err(error) => {
                    assert!(error.offset <= before);
                    frames.push(None);
                    return (frames, buf.len());
                }
            }
        }
    }
    (frames, buf.len())
}

fn check(frame: &Frame, taken: usize) {
    match frame {
        Frame::Data(packet) => assert_eq!(packet.payload.len() + DataHeader::LEN, taken),
        Frame::Control(messages) => {
            let mut total = 0;
            for message in messages.clone().map_while(Result::ok) {
                total += message.len();
                match LinkMacToViewer::decode(&message) {
                    Ok(decoded) => assert!(!decoded.name().is_empty()),
                    Err(error) => assert!(error.offset <= message.len()),
                }
            }
            assert!((8..=taken - 32).contains(&total));
        }
    }
}
