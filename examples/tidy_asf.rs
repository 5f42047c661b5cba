//! Looks into an ASF file, and makes one without an index a file that players can seek in. No network, no protocol.
//!
//! `cargo run --example tidy_asf`: the file is made by the program, and cut behind its last packet, as all that comes from a media server
//! is. With a path as argument it looks at that file, and writes nothing.

use mms_proto::asf::{Header, Packet, StreamKind, Tidy};
use mms_proto::testing::Film;

fn main() -> anyhow::Result<()> {
    let film = Film::builder().packets(600).key_frame_every(8).build();
    let file = match std::env::args().nth(1) {
        Some(path) => std::fs::read(path)?,
        None => film.served().to_vec(),
    };

    let header = Header::decode(&file)?;
    let size = usize::try_from(header.packet_size()?)?;
    let from = usize::try_from(header.data_offset)?;
    println!("{} packets of {size} bytes, {:?}", header.properties.packets, header.duration());
    let mut tidy = Tidy::new(&file)?;
    // Behind the last packet there may be an index already.
    let packets = file[from..].chunks_exact(size).take(usize::try_from(header.packets().unwrap_or(u64::MAX))?);
    for (number, bytes) in packets.enumerate() {
        tidy.packet(bytes)?;
        let packet = Packet::decode(bytes)?;
        for payload in packet.payloads() {
            let payload = payload?;
            let is_video = |stream| matches!(header.streams.get(stream).map(|it| it.kind), Some(StreamKind::Video(_)));
            if payload.key_frame && payload.object_offset == 0 && is_video(&payload.stream) && number < 50 {
                println!("{:?}: a key frame of stream {} in packet {number}", packet.send_time, payload.stream);
            }
        }
    }
    let tidied = tidy.finish();
    println!("a header of {} bytes, an index of {}", tidied.header.len(), tidied.index.len());
    Ok(())
}
