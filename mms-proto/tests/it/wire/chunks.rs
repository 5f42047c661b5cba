//! The chunks of MMSH.

use bytes::Bytes;
use mms_proto::wire::{Chunk, DataHeader, DataPacket, Hresult};
use proptest::prelude::*;

use super::properties::{self, chunk_trace};

/// A chunk with these bytes after its length.
fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).unwrap();
    [&[b'$', kind][..], &len.to_le_bytes(), body].concat()
}

/// The head of a Data packet of this size.
fn data_head(location: u32, flags: u8, size: u16) -> Vec<u8> {
    [&location.to_le_bytes()[..], &[0, flags], &size.to_le_bytes()].concat()
}

fn data(kind: u8, location: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let size = u16::try_from(payload.len() + 8).unwrap();
    chunk(kind, &[&data_head(location, flags, size)[..], payload].concat())
}

fn piece(location: u32, flags: u8, payload: &[u8]) -> DataPacket {
    let payload = Bytes::copy_from_slice(payload);
    let packet_size = u16::try_from(payload.len() + 8).unwrap();
    DataPacket { header: DataHeader { location, incarnation: 0, flags, packet_size }, payload }
}

fn only(bytes: &[u8]) -> Chunk {
    let (mut chunks, rest) = chunk_trace([bytes]);
    assert_eq!((chunks.len(), rest), (1, Ok(0)));
    chunks.remove(0)
}

#[test]
fn every_kind_is_told() {
    assert_eq!(only(&data(b'H', 0, 0x0C, b"hdr")), Chunk::Header(piece(0, 0x0C, b"hdr")));
    assert_eq!(only(&data(b'D', 0xFFFF_FFFE, 7, b"p")), Chunk::Data(piece(0xFFFF_FFFE, 7, b"p")));
    assert_eq!(only(&data(b'M', 0, 0x0C, b"m")), Chunk::Metadata(piece(0, 0x0C, b"m")));
    assert_eq!(only(&chunk(b'E', &[0; 4])), Chunk::End(Hresult::OK));
    assert_eq!(only(&chunk(b'E', &1_u32.to_le_bytes())), Chunk::End(Hresult::FALSE));
    assert_eq!(only(&chunk(b'E', &0xC00D_001A_u32.to_le_bytes())), Chunk::End(Hresult(0xC00D_001A)));
    assert_eq!(only(&chunk(b'E', &[])), Chunk::End(Hresult::OK));
    assert_eq!(only(&chunk(b'C', &[0; 4])), Chunk::StreamChange);
    assert_eq!(only(&chunk(b'C', &[])), Chunk::StreamChange);
    assert_eq!(only(&chunk(b'T', &[])), Chunk::PipelineTest);
    assert_eq!(only(&chunk(b'X', b"whatever")), Chunk::Unknown(b'X'));
}

#[test]
fn an_empty_data_packet_in_place_of_a_reason_is_none() {
    // What ffmpeg's asf_stream ends with: the number of the next packet would read as "more follows".
    assert_eq!(only(&chunk(b'E', &data_head(1, 0, 8))), Chunk::End(Hresult::OK));
    assert_eq!(only(&chunk(b'E', &[1, 0, 0, 0, 9])), Chunk::End(Hresult::FALSE));
}

#[test]
fn the_pacing_bit_changes_nothing() {
    let mut fast = data(b'D', 3, 0, b"abc");
    fast[0] = 0xA4;
    assert_eq!(only(&fast), Chunk::Data(piece(3, 0, b"abc")));
}

#[test]
fn the_two_lengths_are_checked_against_each_other() {
    for kind in *b"HDM" {
        for size in 0..8 {
            let error = chunk_trace([&chunk(kind, &data_head(0, 0, size))[..]]).1.expect_err("too small");
            assert_eq!((error.offset, error.rule), (10, "the length of the Data packet does not fit its chunk"));
        }
        let error = chunk_trace([&chunk(kind, &data_head(0, 0, 9))[..]]).1.expect_err("too large");
        assert_eq!(error.offset, 10);
        for len in 0..8 {
            let error = chunk_trace([&chunk(kind, &vec![0; len])[..]]).1.expect_err("no room");
            assert_eq!(error.rule, "shorter than the head of a Data packet");
        }
    }
    // Smaller: the rest is passed over.
    let padded = chunk(b'D', &[&data_head(4, 0, 9)[..], b"pxyz"].concat());
    let (chunks, rest) = chunk_trace([&[padded, chunk(b'T', &[])].concat()[..]]);
    assert_eq!(chunks, [Chunk::Data(piece(4, 0, b"p")), Chunk::PipelineTest]);
    assert_eq!(rest, Ok(0));
    for len in 1..4 {
        let error = chunk_trace([&chunk(b'E', &vec![0; len])[..]]).1.expect_err("too short");
        assert_eq!(error.rule, "a reason of less than four bytes");
    }
}

#[test]
fn the_longest_chunk_is_taken_without_a_copy() {
    let bytes = data(b'D', 1, 0, &vec![7; 65527]);
    let mut buf = bytes::BytesMut::from(&bytes[..]);
    let place = buf.as_ptr() as usize;
    let Some(Chunk::Data(piece)) = mms_proto::wire::chunk(&mut buf).unwrap() else { panic!("no packet") };
    assert_eq!((piece.payload.len(), piece.payload.as_ptr() as usize), (65527, place + 12));
}

#[test]
fn anything_else_is_malformed_at_once() {
    for first in (0..=255_u8).filter(|byte| byte & 0x7F != b'$') {
        let error = chunk_trace([&[first][..]]).1.expect_err("no chunk");
        assert_eq!((error.what, error.offset), ("the chunks", 0));
    }
}

/// Three packets as a server sends them, whose lengths say something else, then what `follows`.
fn bandwidth_test(follows: &[u8]) -> Vec<u8> {
    let reason = 200_u32;
    let pair = |len: u16, payload: usize| {
        let noise = (0..payload).map(|at| u8::try_from(at * 37 % 251).unwrap());
        [b"$P".to_vec(), len.to_le_bytes().to_vec(), reason.to_le_bytes().to_vec(), noise.collect()].concat()
    };
    [pair(504, 304), pair(504, 504), pair(1048, 1248), follows.to_vec()].concat()
}

#[test]
fn a_bandwidth_test_is_passed_over_by_what_follows_it() {
    let mut decoy = data(b'H', 0, 0x04, b"");
    decoy[10] = 7;
    let follows = [decoy, data(b'M', 0, 0x0C, b"m\0"), data(b'H', 0, 0x0C, b"hdr")].concat();
    let bytes = bandwidth_test(&follows);
    let expected = [Chunk::PacketPair, Chunk::Metadata(piece(0, 0x0C, b"m\0")), Chunk::Header(piece(0, 0x0C, b"hdr"))];
    assert_eq!(chunk_trace([&bytes[..]]), (expected.to_vec(), Ok(0)));
    for cut in 0..bytes.len() {
        let (one, two) = bytes.split_at(cut);
        assert_eq!(chunk_trace([one, two]), (expected.to_vec(), Ok(0)), "cut at {cut}");
    }
    // What looks like it in noise: lengths that agree, but no first piece; a first piece, but no room for its head.
    let decoys = [data(b'H', 0, 0x08, b""), chunk(b'M', &[0, 0, 0, 0, 0, 4, 4, 0])];
    let short = [&b"$H\x04\x00\0\0\0\0\0\x04\x04\x00"[..], b"$M\x07\x00\0\0\0\0\0\x0c\x07\x00"].concat();
    let bytes = bandwidth_test(&[decoys.concat(), short, follows].concat());
    assert_eq!(chunk_trace([&bytes[..]]), (expected.to_vec(), Ok(0)));
    let after =
        |noise: usize| chunk_trace([&[b"$P\0\0".to_vec(), vec![0; noise], data(b'H', 0, 0x0C, b"")].concat()[..]]);
    assert_eq!(after(8192), (vec![Chunk::PacketPair, Chunk::Header(piece(0, 0x0C, b""))], Ok(0)));
    assert_eq!(after(8193).1.expect_err("too far").offset, 8192);
    let (chunks, end) = chunk_trace([&bandwidth_test(&[0; 9000])[..]]);
    assert_eq!((chunks.len(), end.expect_err("endless").what), (1, "the bandwidth test"));
}

/// Any chunk, sound or not.
fn any_chunk() -> impl Strategy<Value = Vec<u8>> {
    let sound =
        (prop::sample::select(b"HDM".to_vec()), any::<u32>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(kind, location, flags, payload)| data(kind, location, flags, &payload));
    let other = (prop::sample::select(b"ECTXMHDP".to_vec()), prop::collection::vec(any::<u8>(), 0..24))
        .prop_map(|(kind, body)| chunk(kind, &body));
    prop_oneof![4 => sound, 1 => other]
}

proptest! {
    #[test]
    fn cuts_do_not_matter(chunks in prop::collection::vec(any_chunk(), 0..12), cuts in prop::collection::vec(1..50_usize, 1..20)) {
        let bytes = chunks.concat();
        properties::chunks(&bytes);
        let mut pieces = Vec::new();
        let mut rest = &bytes[..];
        for len in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, later) = rest.split_at((*len).min(rest.len()));
            pieces.push(piece);
            rest = later;
        }
        prop_assert_eq!(chunk_trace([&bytes[..]]), chunk_trace(pieces));
    }

    #[test]
    fn payloads_come_out_as_they_went_in(
        payloads in prop::collection::vec((any::<u32>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..300)), 1..10),
    ) {
        let bytes: Vec<u8> = payloads.iter().flat_map(|(location, flags, payload)| data(b'D', *location, *flags, payload)).collect();
        let expected: Vec<_> = payloads
            .into_iter()
            .map(|(location, flags, payload)| Chunk::Data(piece(location, flags, &payload)))
            .collect();
        prop_assert_eq!(chunk_trace([&bytes[..]]), (expected, Ok(0)));
    }
}
