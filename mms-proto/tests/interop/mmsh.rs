//! MMSH as ffmpeg and VLC write it.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use mms_proto::conn::mmsh::{Ask, Config, Connection, SeekForm};
use mms_proto::conn::{Error, Event, Facts, Identity, Input, Output, StreamChoice, Thinning};
use mms_proto::wire::{Hresult, Url};
use tempfile::TempDir;

fn config(url: &str) -> Config {
    Config::new(Url::parse(url).unwrap(), Identity::Player { guid: "3300ad50-2c39-46c0-ae0a-1c2d3e4f5a6b".to_owned() })
}

fn play() -> Ask {
    let streams = vec![StreamChoice { stream: 1, thinning: Thinning::None }];
    Ask::Play { from: 0, stream_offset: None, streams, form: SeekForm::Both }
}

fn ffmpeg(arguments: &[&str], out: &Path) {
    let ran = Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-y"]).args(arguments).arg(out).status();
    assert!(ran.expect("ffmpeg is installed").success());
}

/// Some seconds of sound and pictures.
fn media(dir: &TempDir, packet_size: u32, seconds: u32) -> std::path::PathBuf {
    let out = dir.path().join(format!("{packet_size}.asf"));
    let (sound, pictures) =
        (format!("sine=duration={seconds}"), format!("testsrc=size=96x64:rate=5:duration={seconds}"));
    let size = packet_size.to_string();
    let inputs = ["-f", "lavfi", "-i", &sound, "-f", "lavfi", "-i", &pictures, "-c:a", "wmav2", "-c:v", "wmv2"];
    ffmpeg(&[&inputs[..], &["-packet_size", &size, "-f", "asf"]].concat(), &out);
    out
}

#[test]
fn the_chunks_of_ffmpeg_hold_the_file_at_all_packet_sizes() {
    let dir = tempfile::tempdir().unwrap();
    for packet_size in [576, 3200, 32_000] {
        let file = media(&dir, packet_size, 2);
        let framed = dir.path().join("framed");
        let (from, size) = (file.to_str().unwrap().to_owned(), packet_size.to_string());
        ffmpeg(&["-i", &from, "-map", "0", "-c", "copy", "-packet_size", &size, "-f", "asf_stream"], &framed);
        let (file, framed) = (std::fs::read(file).unwrap(), std::fs::read(framed).unwrap());

        let mut machine = Connection::new(Instant::now(), config("mmsh://h/f"), play()).unwrap();
        let mut told = Vec::new();
        let response = [b"HTTP/1.0 200 OK\r\n\r\n", &framed[..]].concat();
        let mut buf = BytesMut::new();
        for piece in response.chunks(1000) {
            buf.extend_from_slice(piece);
            machine.handle_input(Instant::now(), Input::Received(&mut buf)).unwrap();
            drain(&mut machine, &mut told, &mut |_| {});
        }
        let (_, header, packets) = media_of(&told);
        let joined: Vec<u8> = packets.iter().flat_map(|(_, data)| data.to_vec()).collect();
        assert!(!packets.is_empty());
        assert!(file[header.len()..].starts_with(&joined), "the packets of {packet_size} bytes differ");
        assert_eq!(told.last(), Some(&Event::Ended { reason: Hresult::OK, more: false }));
    }
}

/// VLC as a server of a live stream, killed when dropped.
pub(crate) struct Vlc {
    process: Child,
    pub(crate) url: String,
    _dir: TempDir,
}

impl Vlc {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = media(&dir, 3200, 20);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // It refuses to run as root.
        let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        let open = Command::new("chmod").args(["-R", "a+rwX"]).arg(dir.path()).status().unwrap();
        assert!(open.success());
        let mut command = Command::new(if root { "setpriv" } else { "env" });
        if root {
            command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "env"]);
        }
        let target = format!("127.0.0.1:{port}/live.asf");
        command.arg(format!("HOME={}", dir.path().display())).args(["vlc", "-I", "dummy", "-vv", "--no-sout-display"]);
        command.args(["--loop", "--sout-keep", "--http-host", "127.0.0.1", "--http-port", &port.to_string()]).arg(file);
        command.arg("--sout").arg(format!("#std{{access=mmsh,mux=asfh,dst={target}}}"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("vlc is installed");
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let url = format!("mmsh://{target}");
        // It listens before it has a header, and says nothing of when it has one. But it says much.
        let ready = log.by_ref().take(20_000).any(|_| is_described(&url));
        assert!(ready, "vlc did not come up");
        // What else it says must not stop it.
        std::thread::spawn(move || log.for_each(drop));
        Self { process, url, _dir: dir }
    }
}

impl Drop for Vlc {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn vlc_describes_and_plays_a_live_stream() {
    let vlc = Vlc::start();
    let described = talk(&vlc.url, Ask::Describe, usize::MAX).unwrap();
    let (facts, header, packets) = media_of(&described);
    assert!(facts.broadcast && !facts.seekable && packets.is_empty());
    assert!(facts.server.is_some_and(|server| server.starts_with("Cougar")));
    assert!(header.starts_with(&[0x30, 0x26, 0xB2, 0x75]) && header.ends_with(&[1, 1]));

    let played = talk(&vlc.url, play(), 3).unwrap();
    let (_, again, packets) = media_of(&played);
    assert_eq!(again, header);
    let first = packets[0].0;
    assert!(packets.iter().zip(first..).all(|((location, _), expected)| *location == expected));
    assert!(packets.iter().all(|(_, data)| data.len() == packets[0].1.len()));

    let nowhere = talk(&vlc.url.replace("live", "dead"), Ask::Describe, usize::MAX).unwrap();
    assert!(matches!(nowhere[..], [Event::Refused(_)]), "{nowhere:?}");
}

fn is_described(url: &str) -> bool {
    let there = TcpStream::connect(Url::parse(url).unwrap().authority()).is_ok();
    there
        && talk(url, Ask::Describe, usize::MAX)
            .is_ok_and(|told| matches!(told[..], [Event::Opened(_), Event::Header(_)]))
}

/// Asks, and listens up to the end or to so many packets.
fn talk(url: &str, ask: Ask, packets: usize) -> Result<Vec<Event>, Error> {
    let config = config(url);
    let mut stream = TcpStream::connect(config.url.authority()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut machine = Connection::new(Instant::now(), config, ask)?;
    let (mut told, mut buf, mut space) = (Vec::new(), BytesMut::new(), [0; 4096]);
    loop {
        let closed = drain(&mut machine, &mut told, &mut |bytes| stream.write_all(bytes).unwrap());
        let seen = told.iter().filter(|event| matches!(event, Event::Packet(_))).count();
        if closed || seen >= packets {
            return Ok(told);
        }
        let input = match stream.read(&mut space) {
            Ok(0) => Input::Closed,
            Ok(len) => {
                buf.extend_from_slice(&space[..len]);
                Input::Received(&mut buf)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Input::Timeout,
            Err(error) => panic!("{error}"),
        };
        machine.handle_input(Instant::now(), input)?;
    }
}

/// Does what the machine says; `true`: it wants to close.
fn drain(machine: &mut Connection, told: &mut Vec<Event>, send: &mut dyn FnMut(&[u8])) -> bool {
    let mut closed = false;
    loop {
        match machine.poll_output() {
            Output::Transmit(bytes) => send(&bytes),
            Output::Event(event) => told.push(event),
            Output::Close => closed = true,
            _ => return closed,
        }
    }
}

/// Facts, header and packets.
fn media_of(told: &[Event]) -> (Facts, Bytes, Vec<(u32, Bytes)>) {
    let [Event::Opened(facts), Event::Header(header), rest @ ..] = told else { panic!("{told:?}") };
    let packets = rest.iter().filter_map(|event| match event {
        Event::Packet(packet) => Some((packet.location, packet.data.clone())),
        _ => None,
    });
    (facts.clone(), header.clone(), packets.collect())
}
