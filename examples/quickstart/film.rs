//! The same with a film on a media server, in two of the ways that such servers speak.
//!
//! A media server sends a film no faster than it plays. Several sessions that each begin elsewhere in it are the only way to have it
//! sooner, and packets have numbers, so that what they bring fits together byte for byte.

use std::path::Path;

use anyhow::{Result, ensure};
use indicatif::HumanBytes;
use mms_proto::client::{Client, Config};
use mms_proto::source::MmsSource;
use mms_proto::testing::{Film, Habits, Rate, Server};
use mms_proto::wire::Url;

use super::{CONNECTIONS, Run, say};

/// Bytes of a packet, and packets: 16 MiB.
const PACKETS: (usize, u32) = (1 << 14, 1024);
/// Bytes of sound in a second. The pictures take more, in proportion.
const SOUND_RATE: u32 = 1 << 18;

/// What the child does.
#[tokio::main]
pub(super) async fn fetch(url: &str, target: &Path) -> Result<()> {
    super::fetch(MmsSource::new(Client::new(Url::parse(url)?, Config::default())), target).await
}

/// What the parent does.
pub(super) fn demonstrate() -> Result<()> {
    let film = Film::builder().packet_size(PACKETS.0).packets(PACKETS.1).sample_rate(SOUND_RATE).build();
    let runtime = tokio::runtime::Runtime::new()?;
    let habits = Habits::default().rate(Rate::Play(1));
    let server = Server::builder().film("/talk.asf", film.clone()).habits(habits).start_on(runtime.handle())?;
    let directory = tempfile::tempdir()?;
    say("");
    say(&format!(
        "A media server in this process offers a film of {} that plays for {} s, and sends it at that pace.",
        HumanBytes(film.served().len() as u64),
        film.play_ms() / 1000
    ));
    for (number, scheme) in [(5, "mmst"), (6, "mmsh")] {
        let url = server.url(scheme, "/talk.asf");
        say(&format!("{number}. {CONNECTIONS} sessions: {url}"));
        one_way(&film, &url, &directory.path().join(format!("{scheme}.asf")), &scheme.to_uppercase())?;
    }
    say(&format!("  {:<26}{}", "sessions at once", server.counters().max_sessions));
    Ok(())
}

/// Fetches the film, is killed, goes on, and compares.
fn one_way(film: &Film, url: &str, target: &Path, way: &str) -> Result<()> {
    let served = film.served();
    let len = served.len() as u64;
    let mut first = Run::start("--film", url, target, len)?;
    let before = first.until(|state| state.received >= len / 2 && state.durable > 0)?;
    first.kill()?;
    ensure!(!target.exists(), "{} exists before it is complete", target.display());
    say(&format!("   Killed by SIGKILL with {} on record; a new child goes on.", HumanBytes(before.durable)));
    let done = Run::start("--film", url, target, len)?.until_done()?;
    ensure!(std::fs::read(target)? == served, "the file differs from the film on the server");
    say(&format!(
        "  {:<26}kept {}, then fetched {}: every byte equal",
        format!("film by {way}"),
        HumanBytes(done.resumed),
        HumanBytes(done.fetched)
    ));
    Ok(())
}
