//! Files that ffmpeg made.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::BytesMut;
use mms_proto::asf::{Header, Packet, Padding, StreamKind, Tidy, Unpadded, restore};

const FILES: [&[u8]; 3] = [VIDEO, AUDIO, MULTI];
const VIDEO: &[u8] = include_bytes!("../../data/video.wmv");
const AUDIO: &[u8] = include_bytes!("../../data/audio.wma");
const MULTI: &[u8] = include_bytes!("../../data/multi.asf");

fn packets(file: &[u8]) -> (Header, Vec<&[u8]>) {
    let header = Header::decode(file).unwrap();
    let len = usize::try_from(header.file_len().unwrap()).unwrap();
    let packets = file[header.data_offset as usize..len].chunks(header.packet_size().unwrap() as usize);
    (header, packets.collect())
}

#[test]
fn facts_are_those_that_the_files_were_made_with() {
    let header = Header::decode(VIDEO).unwrap();
    assert_eq!(header.packet_size(), Ok(1400));
    assert_eq!(header.properties.file_size, VIDEO.len() as u64);
    assert_eq!(header.properties.preroll, Duration::from_millis(3100));
    assert!(header.packet_counts_agree() && header.properties.seekable && !header.properties.broadcast);
    let StreamKind::Video(Some(video)) = header.streams[&1].kind else { panic!("{:?}", header.streams[&1]) };
    assert_eq!((&*video.codec(), video.width, video.height), ("WMV2", 64, 48));
    let StreamKind::Audio(Some(audio)) = header.streams[&2].kind else { panic!("{:?}", header.streams[&2]) };
    assert_eq!((audio.format_tag, audio.channels, audio.sample_rate), (0x160, 1, 8000));
    let description = header.description.unwrap();
    assert_eq!((&*description.title, &*description.author), ("A título", "Nobody"));
    // What ffmpeg calls a comment is in another object.
    assert_eq!((&*description.copyright, &*description.description), ("© none", ""));

    let header = Header::decode(AUDIO).unwrap();
    assert_eq!(header.packet_size(), Ok(576));
    assert_eq!(header.streams.len(), 1);
    let header = Header::decode(MULTI).unwrap();
    let kinds: Vec<_> =
        header.streams.values().map(|stream| matches!(stream.kind, StreamKind::Audio(Some(_)))).collect();
    assert_eq!(kinds, [false, true, true]);
}

#[test]
fn objects_come_out_whole() {
    for file in FILES {
        let (header, packets) = packets(file);
        let mut open = BTreeMap::new();
        let mut whole = 0;
        for packet in packets {
            for payload in Packet::decode(packet).unwrap().payloads() {
                let payload = payload.unwrap();
                assert!(header.streams.contains_key(&payload.stream));
                let size = payload.object_size.unwrap() as usize;
                let object: &mut Vec<u8> = open.entry((payload.stream, payload.object_number)).or_default();
                assert_eq!(object.len(), payload.object_offset as usize, "pieces come in order");
                object.extend(payload.data);
                if object.len() == size {
                    open.remove(&(payload.stream, payload.object_number));
                    whole += 1;
                }
            }
        }
        assert!(open.is_empty() && whole > 8, "{whole} objects, and {} in pieces", open.len());
    }
}

#[test]
fn stripped_packets_come_back_byte_for_byte() {
    let mut came_back = 0;
    for file in FILES {
        let (header, packets) = packets(file);
        let size = header.packet_size().unwrap();
        for packet in packets {
            let padding = Packet::decode(packet).unwrap().padding;
            let mut zeroed = BytesMut::from(&packet[..packet.len() - padding.value as usize]);
            zeroed[padding.offset..padding.offset + padding.width.width()].fill(0);
            let mut removed = zeroed.clone();
            let tail = removed.split_off(padding.offset);
            removed.extend_from_slice(&tail[padding.width.width()..]);
            removed[3] &= !0b0001_1000;
            for (mut sent, best) in [(zeroed, Padding::Restored), (removed, Padding::Reconstructed)] {
                assert_eq!(Unpadded::of(&sent, size), Unpadded::of(packet, size));
                let expected = if sent.len() == packet.len() { Padding::Full } else { best };
                assert_eq!(restore(&mut sent, size), Ok(expected));
                assert_eq!(sent, packet);
                came_back += usize::from(expected != Padding::Full);
            }
        }
    }
    assert!(came_back > 10, "{came_back} packets had padding");
}

#[test]
fn a_file_without_its_index_gets_the_one_it_had() {
    let (header, packets) = packets(VIDEO);
    let mut tidy = Tidy::new(VIDEO).unwrap();
    for packet in &packets {
        tidy.packet(packet).unwrap();
    }
    let tidied = tidy.finish();
    assert_eq!(tidied.unreadable, 0);
    let theirs = &VIDEO[header.file_len().unwrap() as usize..];
    // Names, and the interval. Its number of entries goes by another rule, and a key frame's packets are not always
    // counted.
    assert_eq!((&tidied.index[..16], &tidied.index[24..48]), (&theirs[..16], &theirs[24..48]));
    let numbers = |index: &[u8]| {
        index[56..].chunks(6).map(|entry| u32::from_le_bytes(entry[..4].try_into().unwrap())).collect::<Vec<_>>()
    };
    let (ours, theirs) = (numbers(&tidied.index), numbers(theirs));
    assert!(ours.len() >= 6 && theirs.starts_with(&ours), "{ours:?} and {theirs:?}");
    assert!(ours.first() != ours.last(), "two key frames");
}
