//! What must hold of the container for any input. The fuzz targets run these on what they invent, `tests/it` on the
//! corpus.

use std::time::Duration;

use bytes::BytesMut;
use mms_proto::asf::{Header, MAX_HEADER_LEN, MAX_PACKET_SIZE, Packet, Padding, Tidy, Unpadded, rebase, restore};

/// The input is a header, perhaps with packets behind it.
pub(crate) fn header(data: &[u8]) {
    let Ok(header) = Header::decode(data) else { return };
    let len = usize::try_from(header.data_offset).expect("a length in memory");
    assert!(len <= MAX_HEADER_LEN && len <= data.len());
    assert!(header.streams.keys().all(|number| (1..=127).contains(number)));
    assert_eq!(Header::measure(data), Ok(len));
    assert_eq!(Header::decode(&data[..len]).as_ref(), Ok(&header), "what follows the header changes it");
    assert!(Header::decode(&data[..len - 1]).is_err(), "a header without its end");
    assert!(header.file_len().is_none_or(|file_len| file_len > header.data_offset));

    let Ok(mut tidy) = Tidy::new(data) else { return };
    let size = header.packet_size().expect("a file that can be tidied has a packet size");
    let mut packets = 0;
    for packet in data[len..].chunks_exact(size as usize) {
        tidy.packet(packet).expect("a packet of the right length");
        packets += 1;
    }
    let tidied = tidy.finish();
    assert_eq!(tidied.header.len(), len, "a tidied header is as long as it was");
    let after = Header::decode(&tidied.header).expect("a tidied header is one");
    assert!(after.packet_counts_agree() && !after.properties.broadcast && after.properties.packets == packets);
    assert_eq!(after.properties.file_size, header.data_offset + packets * u64::from(size) + tidied.index.len() as u64);
    assert!(tidied.index.is_empty() || after.properties.seekable);
    assert_eq!((after.streams, after.description), (header.streams, header.description));
}

/// The first two bytes say how much longer the packet was, and the rest is what came of it.
pub(crate) fn packet(data: &[u8]) {
    let Some((more, bytes)) = data.split_first_chunk::<2>() else { return };
    if let Ok(packet) = Packet::decode(bytes) {
        let mut payloads = packet.payloads();
        let mut len = 0;
        for payload in &mut payloads {
            len += payload.map_or(0, |payload| payload.data.len() + 1);
        }
        assert!(len <= bytes.len() && payloads.next().is_none());
    }
    let mut earlier = bytes.to_vec();
    match rebase(&mut earlier, Duration::from_millis(u64::from(u16::from_le_bytes(*more)))) {
        Err(_) => assert_eq!(earlier, bytes, "an error changes the packet"),
        Ok(()) => {
            let (before, after) = (Packet::decode(bytes).expect("rebased"), Packet::decode(&earlier).expect("rebased"));
            let data =
                |packet: &Packet<'_>| packet.payloads().map(|it| it.map(|it| it.data.to_vec())).collect::<Vec<_>>();
            assert_eq!(data(&before), data(&after), "more than times has changed");
            assert!(after.send_time <= before.send_time);
        }
    }
    let size = (bytes.len() + usize::from(u16::from_le_bytes(*more))).clamp(1, MAX_PACKET_SIZE as usize) as u32;
    let mut whole = BytesMut::from(bytes);
    match restore(&mut whole, size) {
        Err(_) => assert_eq!(whole, bytes, "an error changes the packet"),
        Ok(Padding::Full) => assert_eq!(whole, bytes, "a whole packet is changed"),
        Ok(_) => {
            assert_eq!(whole.len(), size as usize);
            let (before, after) = (Unpadded::of(bytes, size), Unpadded::of(&whole, size));
            assert!(before.is_ok() && before == after, "more than the padding has changed");
            let again = restore(&mut whole.clone(), size);
            assert_eq!(again, Ok(Padding::Full));
        }
    }
    // A whole packet that loses its padding gets it back.
    let Ok(packet) = Packet::decode(bytes) else { return };
    let (padding, at) = (packet.padding.value as usize, packet.padding.offset);
    let own = packet.packet_length.is_none_or(|len| len as usize == bytes.len());
    let (contents, pad) = bytes.split_at(bytes.len() - padding.min(bytes.len()));
    if padding > 0 && own && pad.iter().all(|byte| *byte == 0) && bytes.len() <= MAX_PACKET_SIZE as usize {
        let mut sent = BytesMut::from(contents);
        sent[at..at + packet.padding.width.width()].fill(0);
        assert_eq!(restore(&mut sent, bytes.len() as u32), Ok(Padding::Restored));
        assert_eq!(sent, bytes, "not the original");
    }
}
