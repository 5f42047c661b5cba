//! `bytehaul URL FILE CONNECTIONS`: the library with its defaults.

use bytehaul::{DownloadSpec, Downloader};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, file, connections] = &arguments[..] else { return Err("bytehaul URL FILE CONNECTIONS".into()) };
    let spec = DownloadSpec::new(url.as_str()).output_path(file.as_str()).max_connections(connections.parse()?);
    Downloader::builder().build()?.download(spec).wait().await?;
    Ok(())
}
