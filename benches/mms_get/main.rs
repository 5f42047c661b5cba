//! `mms_get URL PATH`: mms-proto without the engine, one session into one file, as libmms's users have it. No checksums, no syncs.

use std::io::{BufWriter, Write};

use mms_proto::client::{Client, Config};
use mms_proto::wire::Url;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, url, path] = &arguments[..] else { return Err("mms_get URL PATH".into()) };
    let mut session = Client::new(Url::parse(url)?, Config::default()).open().await?;
    let mut file = BufWriter::with_capacity(64 << 10, std::fs::File::create(path)?);
    file.write_all(&session.presentation().raw_header)?;
    session.play(0).await?;
    while let Some(packet) = session.read().await? {
        file.write_all(&packet.data)?;
    }
    Ok(file.flush()?)
}
