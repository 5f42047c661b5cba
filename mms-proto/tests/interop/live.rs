//! A live stream of VLC's, recorded by the client beside ffmpeg.

use std::process::{Command, Stdio};

use mms_proto::asf::Tidy;
use mms_proto::client::{Client, Config};
use mms_proto::wire::Url;

use crate::mmsh::Vlc;

/// Some seconds of it.
const PACKETS: usize = 40;

#[test]
fn a_live_stream_is_recorded_as_ffmpeg_records_it_and_plays() {
    let vlc = Vlc::start();
    let dir = tempfile::tempdir().unwrap();
    let theirs = dir.path().join("theirs");
    let mut ffmpeg = Command::new("timeout")
        .args([
            "-s",
            "KILL",
            "60",
            "ffmpeg",
            "-nostdin",
            "-v",
            "quiet",
            "-flush_packets",
            "1",
            "-f",
            "data",
            "-i",
            &vlc.url,
        ])
        .args(["-map", "0", "-c", "copy", "-flush_packets", "1", "-f", "data", "-y"])
        .arg(&theirs)
        .stdin(Stdio::null())
        .spawn()
        .expect("ffmpeg is installed");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (header, packets) = runtime.block_on(record(&vlc.url));
    let _ = ffmpeg.kill();
    let _ = ffmpeg.wait();

    // Both were sent the same packets, from where each of them came.
    let theirs = std::fs::read(&theirs).expect("ffmpeg has recorded");
    let size = packets[0].len();
    assert!(theirs.starts_with(&header), "another header in {} bytes", theirs.len());
    let theirs: Vec<&[u8]> = theirs[header.len()..].chunks_exact(size).collect();
    let ours: Vec<&[u8]> = packets.iter().map(Vec::as_slice).collect();
    let (at, from) = ours
        .iter()
        .enumerate()
        .find_map(|(at, packet)| Some((at, theirs.iter().position(|other| other == packet)?)))
        .expect("packets that both have");
    let both = (ours.len() - at).min(theirs.len() - from);
    assert!(both > 5, "only {both} packets that both have");
    assert!(ours[at..at + both] == theirs[from..from + both], "they differ");

    let mut tidy = Tidy::new(&header).unwrap();
    packets.iter().for_each(|packet| tidy.packet(packet).unwrap());
    let tidied = tidy.finish();
    let file = dir.path().join("tidied.asf");
    std::fs::write(&file, [&tidied.header[..], &packets.concat(), &tidied.index].concat()).unwrap();
    let played =
        Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-i"]).arg(&file).args(["-f", "null", "-"]).output();
    let played = played.unwrap();
    // Who joins in the middle has pictures that build on others.
    let said = String::from_utf8_lossy(&played.stderr);
    let bad: Vec<&str> = said.lines().filter(|line| !line.contains("no keyframe")).collect();
    assert!(played.status.success() && bad.is_empty(), "{bad:?}");
}

/// The header, and packets that follow one another.
async fn record(url: &str) -> (Vec<u8>, Vec<Vec<u8>>) {
    let client = Client::new(Url::parse(url).unwrap(), Config::default());
    let mut session = client.open().await.unwrap();
    let film = session.presentation().clone();
    assert!(film.is_live() && film.file_len().is_none());
    session.play(0).await.unwrap();
    let mut packets: Vec<Vec<u8>> = Vec::new();
    let mut due = None;
    while packets.len() < PACKETS {
        let packet = session.read().await.unwrap().expect("it goes on");
        assert_eq!(*due.get_or_insert(packet.location), packet.location, "packets in a row");
        due = packet.location.checked_add(1);
        packets.push(packet.data.to_vec());
    }
    (film.raw_header.to_vec(), packets)
}
