//! Records a live stream packet by packet, and makes a file of it that players can seek in.
//!
//! `cargo run --example save_stream`: the server is in this process. What its broadcast sends is written as it comes; when enough is
//! there, the header is put right and an index is added. Give an `mms://` URL as argument to record something else.

use std::io::{Seek, SeekFrom, Write};

use mms_proto::asf::{Packet, Tidy};
use mms_proto::client::{Client, Config};
use mms_proto::testing::{Film, Habits, Server};
use mms_proto::wire::Url;

/// Packets that are enough for an example.
const PACKETS: usize = 250;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let habits = Habits::default().live_from(4_000_000);
    let server = Server::builder().film("/news.asf", Film::generated(500, 1)).habits(habits).start()?;
    let url = std::env::args().nth(1).unwrap_or_else(|| server.url("mms", "/news.asf"));

    let mut session = Client::new(Url::parse(&url)?, Config::default()).open().await?;
    let film = session.presentation().clone();
    println!("{}, {}", film.transport, if film.is_live() { "live" } else { "not live" });

    let mut file = tempfile::tempfile()?;
    let mut tidy = Tidy::new(&film.raw_header)?;
    file.write_all(&film.raw_header)?;
    session.play(0).await?;
    let mut packets = 0;
    while packets < PACKETS
        && let Some(packet) = session.read().await?
    {
        if packets == 0 {
            println!("joined at packet {}, {:?}", packet.location, Packet::decode(&packet.data)?.send_time);
        }
        file.write_all(&packet.data)?;
        tidy.packet(&packet.data)?;
        packets += 1;
    }
    session.close().await;

    let tidied = tidy.finish();
    file.write_all(&tidied.index)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&tidied.header)?;
    let len = file.metadata()?.len();
    println!("{packets} packets, an index of {} bytes: {len} bytes in all", tidied.index.len());
    Ok(())
}
