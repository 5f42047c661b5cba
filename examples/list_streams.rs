//! Lists what is in a film on a media server, without fetching any of it.
//!
//! `cargo run --example list_streams`: the server is in this process; give an `mms://` URL as argument to ask another one. The numbers are
//! what [`Streams::Numbers`](mms_proto::client::Streams) takes.

use mms_proto::asf::StreamKind;
use mms_proto::client::{Client, Config};
use mms_proto::testing::{Film, Server};
use mms_proto::wire::Url;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = Server::builder().film("/talk.asf", Film::generated(300, 1)).start()?;
    let url = std::env::args().nth(1).unwrap_or_else(|| server.url("mms", "/talk.asf"));

    let session = Client::new(Url::parse(&url)?, Config::default()).open().await?;
    let film = session.presentation();
    let title = film.header.description.as_ref().map_or("", |words| &words.title);
    println!("{title:?} by {}, {:?} packets of {} bytes", film.transport, film.packets(), film.packet_size);
    for (number, stream) in &film.header.streams {
        let what = match stream.kind {
            StreamKind::Audio(Some(sound)) => {
                format!("sound 0x{:04x}, {} Hz, {} channels", sound.format_tag, sound.sample_rate, sound.channels)
            }
            StreamKind::Video(Some(video)) => format!("video {}, {}x{}", video.codec(), video.width, video.height),
            other => format!("{other:?}"),
        };
        println!("stream {number}: {what}, {} bits per second", stream.bit_rate.unwrap_or(0));
    }
    session.close().await;
    Ok(())
}
