//! Fetches a file over four connections: the whole of what a program needs.
//!
//! `cargo run --example download`: the server is in this process, so nothing else is needed. Interrupt it and run it again with a
//! real URL and a path of yours, and it goes on where it was.

use ftp_proto::client::Config;
use ftp_proto::source::FtpSource;
use ftp_proto::testing::{File, Server};
use ftp_proto::wire::Url;
use segfetch::{Connections, Download, Engine, EngineConfig};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = Server::builder().file("/pub/disc.iso", File::generated(64 << 20, 1)).start()?;
    let directory = tempfile::tempdir()?;

    let source = FtpSource::connect(&Url::parse(&server.url("/pub/disc.iso"))?, Config::default())?;
    let engine = Engine::new(EngineConfig::default())?;
    let download = Download::new(source, directory.path().join("disc.iso")).connections(Connections::Exactly(4));
    let report = engine.start(download).join().await?;

    println!("{} bytes in {:?} with {} streams: {:?}", report.len, report.elapsed, report.opens, report.integrity);
    Ok(())
}
