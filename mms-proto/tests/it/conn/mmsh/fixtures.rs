//! What real programs wrote.

use bytes::Bytes;
use mms_proto::conn::mmsh::Ask;
use mms_proto::conn::{Awaited, Error, Event, Facts};
use mms_proto::wire::Hresult;

use super::script::{HEAD, Trace, play, trace};

/// Two streams, ten packets of 1600 bytes, made by ffmpeg 5.1 as a file and as chunks.
const FILE: &[u8] = include_bytes!("../../../data/ffmpeg.asf");
const CHUNKS: &[u8] = include_bytes!("../../../data/ffmpeg.mmsh");
/// VLC 3.0.24 as a server of a live stream. It was cut off in its third packet.
const VLC_DESCRIBE: &[u8] = include_bytes!("../../../data/vlc-describe.bin");
const VLC_PLAY: &[u8] = include_bytes!("../../../data/vlc-play.bin");
/// avserver of libav 0.8, the first 9000 bytes.
const AVSERVER: &[u8] = include_bytes!("../../../data/avserver-play.bin");

/// Bytes 30 26 B2 75 begin a Header Object, and 01 01 end what comes before the packets.
fn is_header(header: &[u8]) -> bool {
    header.starts_with(&[0x30, 0x26, 0xB2, 0x75]) && header.ends_with(&[1, 1])
}

fn packets(trace: &Trace) -> Vec<(u32, Bytes)> {
    let packet = |event: &Event| match event {
        Event::Packet(packet) => Some((packet.location, packet.data.clone())),
        _ => None,
    };
    trace.events.iter().filter_map(packet).collect()
}

fn opened(trace: &Trace) -> (&Facts, &Bytes) {
    match &trace.events[..] {
        [Event::Opened(facts), Event::Header(header), ..] => (facts, header),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_chunks_of_ffmpeg_hold_the_file() {
    let whole = [HEAD.as_bytes(), CHUNKS].concat();
    let told = trace(play(), [&whole[..]]);
    let (_, header) = opened(&told);
    assert!(is_header(header));
    assert_eq!(header.len(), 809);
    // It counts the header too: the first packet is number 1.
    let packets = packets(&told);
    assert_eq!(packets.iter().map(|(location, _)| *location).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    let joined: Vec<u8> = packets.iter().flat_map(|(_, data)| data.to_vec()).collect();
    assert!(joined == FILE[809..809 + 16_000], "the packets differ");
    assert_eq!(told.events.last(), Some(&Event::Ended { reason: Hresult::OK, more: false }));
    assert_eq!(told.error, None);
    for len in [1, 7, 1000, 1612] {
        assert_eq!(trace(play(), whole.chunks(len)), told, "pieces of {len}");
    }
}

#[test]
fn vlc_sends_a_live_stream_from_its_middle() {
    let described = trace(Ask::Describe, [VLC_DESCRIBE]);
    let (facts, header) = opened(&described);
    assert_eq!(facts.server.as_deref(), Some("Cougar 4.1.0.3921"));
    assert!(facts.broadcast && !facts.seekable);
    assert!(is_header(header));
    assert_eq!((described.events.len(), &described.error, described.closed), (2, &None, true));

    let played = trace(play(), [VLC_PLAY]);
    assert_eq!(opened(&played).1, header);
    let packets = packets(&played);
    assert_eq!(
        packets.iter().map(|(location, data)| (*location, data.len())).collect::<Vec<_>>(),
        [(16, 4096), (17, 4096)]
    );
    assert_eq!(played.error, Some(Error::Closed(Awaited::Packet)));
    for cut in 0..VLC_PLAY.len() {
        let (one, two) = VLC_PLAY.split_at(cut);
        assert_eq!(trace(play(), [one, two]), played, "cut at {cut}");
    }
}

#[test]
fn avserver_sends_padding_free_packets_and_odd_ids() {
    let told = trace(play(), [AVSERVER]);
    let (facts, header) = opened(&told);
    assert_eq!(facts.server.as_deref(), Some("Cougar 4.1.0.3923"));
    assert!(facts.broadcast && is_header(header));
    let packets = packets(&told);
    assert_eq!(
        packets.iter().map(|(location, data)| (*location, data.len())).collect::<Vec<_>>(),
        [(1, 3200), (2, 3200)]
    );
    assert_eq!(told.error, Some(Error::Closed(Awaited::Packet)));
}
