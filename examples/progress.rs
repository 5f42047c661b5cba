//! A progress display of one's own: the state ten times a second, the events as they happen, and a stop that keeps everything.
//!
//! `cargo run --example progress`

use std::time::Duration;

use ftp_proto::client::Config;
use ftp_proto::source::FtpSource;
use ftp_proto::testing::{File, Server};
use ftp_proto::wire::Url;
use segfetch::{Connections, Download, DownloadError, Engine, EngineConfig, Event, Job};

/// Shows a download until it ends, or until `share` of it is here; then stops it.
async fn show(mut job: Job, share: f64) -> Result<u64, DownloadError> {
    let mut events = job.events();
    let mut progress = job.progress();
    let control = job.control();
    let watching = tokio::spawn(async move {
        loop {
            tokio::select! {
                changed = progress.changed() => {
                    if changed.is_err() { break }
                    let now = progress.borrow_and_update().clone();
                    let total = now.total.unwrap_or(0);
                    let bar = |n: u64| "#".repeat((n * 40 / total.max(1)) as usize);
                    println!("[{:40}] {:>9} bytes/s over {} connections", bar(now.received), now.rate, now.workers.len());
                    if total > 0 && now.received as f64 >= total as f64 * share {
                        control.cancel();
                    }
                }
                event = events.next() => match event {
                    Some(Event::Resumed { have, .. }) => println!("going on; {have} bytes are here already"),
                    Some(Event::Retry { message, .. }) => println!("trying again: {message}"),
                    Some(_) => {}
                    None => break,
                },
            }
        }
    });
    let result = job.join().await;
    watching.abort();
    result.map(|report| report.len)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = Server::builder().file("/film.mkv", File::generated(16 << 20, 1)).rate(4 << 20).start()?;
    let directory = tempfile::tempdir()?;
    let engine = Engine::new(EngineConfig::default())?;
    for share in [0.5, 2.0] {
        let source = FtpSource::connect(&Url::parse(&server.url("/film.mkv"))?, Config::default())?;
        let download = Download::new(source, directory.path().join("film.mkv"))
            .connections(Connections::Exactly(4))
            .patience(Duration::from_secs(60));
        match show(engine.start(download), share).await {
            Ok(len) => println!("done: {len} bytes"),
            Err(DownloadError::Cancelled { durable }) => println!("stopped; {durable} bytes are kept"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
