//! Data packets, and requests for lost ones.

use mms_proto::wire::mmst::ResendRequest;
use mms_proto::wire::{DataHeader, DataPacket};

const PACKET: &[u8] = &[0x78, 0x56, 0x34, 0x12, 0x09, 0xAB, 11, 0, 1, 2, 3];

#[test]
fn a_data_packet_is_read() {
    let packet = DataPacket::decode(PACKET).unwrap();
    assert_eq!(packet.header, DataHeader { location: 0x1234_5678, incarnation: 9, flags: 0xAB, packet_size: 11 });
    assert_eq!(&packet.payload[..], [1, 2, 3]);
    assert_eq!(packet.header.payload_len(), 3);
    let shown = format!("{packet:?}");
    assert!(shown.starts_with("DataPacket { header: ") && !shown.contains("payload"), "{shown}");
    let longer = DataPacket::decode(&[PACKET, &[9; 20]].concat()).unwrap();
    assert_eq!(longer, packet, "what stands behind it is not its own");
}

#[test]
fn every_cut_of_a_data_packet_is_an_error() {
    for end in 0..PACKET.len() {
        assert!(DataPacket::decode(&PACKET[..end]).is_err(), "{end}");
        assert_eq!(DataHeader::decode(&PACKET[..end]).is_ok(), end >= 8);
    }
}

#[test]
fn a_size_counts_its_own_header() {
    for size in 0..8 {
        let error = DataHeader::decode(&[0, 0, 0, 0, 9, 0, size, 0]).unwrap_err();
        assert_eq!(error.offset, 6);
    }
    assert_eq!(DataHeader::decode(&[0, 0, 0, 0, 9, 0, 8, 0]).unwrap().payload_len(), 0);
}

#[test]
fn marks_and_packet_pairs_are_known() {
    let header = |location, incarnation, flags| DataHeader { location, incarnation, flags, packet_size: 8 };
    let is_last = |flags| header(0, 2, flags).is_last_piece();
    assert_eq!([0x04, 0x00, 0x08, 0x0C].map(is_last), [false, false, true, true]);
    assert!(header(0xF0F0_F000, 0xFF, 0x10).is_packet_pair() && header(0xF0F0_F001, 0xFF, 0).is_packet_pair());
    assert!(!header(0xF0F0_F002, 0xFF, 0x10).is_packet_pair() && !header(0xF0F0_F000, 9, 0x10).is_packet_pair());
}

#[test]
fn a_request_names_up_to_thirty_two_numbers() {
    let request = ResendRequest::new(0x0102_0304, 0xFFFF_0007, [5, 0x0001_0000]).encode();
    let expected = [0x0D, 0xF0, 0xEF, 0xBE, 4, 3, 2, 1, 7, 0, 2, 0, 5, 0, 0, 0, 0, 0, 1, 0];
    assert_eq!(&request[..], expected);
    assert_eq!(ResendRequest::new(0, 0, 0..1000).encode().len(), 12 + 32 * 4);
    assert_eq!(ResendRequest::new(0, 0, []).encode().len(), 12);
}
