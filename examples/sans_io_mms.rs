//! MMST without a runtime: the machine of `mms-proto` over one blocking socket of the standard library.
//!
//! `cargo run --example sans_io_mms`: fetches a film from a server in this process, or from an `mmst://` URL given as argument. All that
//! the program adds is a socket and a clock; what is said when, and what the answers mean, is the machine's business.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::BytesMut;
use mms_proto::asf::{Header, restore};
use mms_proto::conn::mmst::{Config, Connection, SeekForm};
use mms_proto::conn::{Event, Identity, Input, Output, StreamChoice, Thinning};
use mms_proto::testing::{Film, Server};
use mms_proto::wire::Url;

/// One session: the machine and its socket.
struct Session {
    machine: Connection,
    socket: TcpStream,
    /// What has come and is no whole message yet.
    heard: BytesMut,
}

impl Session {
    fn connect(url: &Url) -> anyhow::Result<Self> {
        let address = (url.host().unbracketed(), url.port().unwrap_or(Url::MMS_PORT)).to_socket_addrs()?.next();
        let socket = TcpStream::connect_timeout(&address.context("no such host")?, Duration::from_secs(10))?;
        // A program that is not an example makes a new one each time.
        let identity = Identity::Player { guid: "00000000-0000-4000-8000-000000000000".into() };
        let name = url.file_name().context("the name is no Unicode")?;
        let config = Config::new(&identity, &url.authority(), &name)?;
        Ok(Self { machine: Connection::new(Instant::now(), config), socket, heard: BytesMut::new() })
    }

    /// Runs until the machine has something to tell; `None` when it is ready and waits for a command.
    fn next_event(&mut self) -> anyhow::Result<Option<Event>> {
        loop {
            match self.machine.poll_output() {
                Output::Transmit(message) => self.socket.write_all(&message)?,
                Output::Event(event) => return Ok(Some(event)),
                Output::Wait(_) if self.machine.is_ready() => return Ok(None),
                Output::Wait(deadline) => self.wait(deadline)?,
                Output::Close => bail!("the machine wants no more"),
                // Datagrams are for MMSU.
                _ => {}
            }
        }
    }

    fn wait(&mut self, deadline: Option<Instant>) -> anyhow::Result<()> {
        let patience = deadline.map(|at| at.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)));
        self.socket.set_read_timeout(patience)?;
        let mut buffer = [0; 64 << 10];
        let input = match self.socket.read(&mut buffer) {
            Ok(0) => Input::Closed,
            Ok(n) => {
                self.heard.extend_from_slice(&buffer[..n]);
                Input::Received(&mut self.heard)
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Input::Timeout,
            Err(_) => Input::Closed,
        };
        Ok(self.machine.handle_input(Instant::now(), input)?)
    }
}

fn fetch(url: &Url) -> anyhow::Result<Vec<u8>> {
    let mut session = Session::connect(url)?;
    let (mut file, mut packet_size) = (Vec::new(), 0);
    let mut selected = false;
    loop {
        match session.next_event()? {
            Some(Event::Opened(facts)) => println!("{:?} packets, seekable: {}", facts.packets, facts.seekable),
            Some(Event::Header(bytes)) => {
                let header = Header::decode(&bytes)?;
                packet_size = header.packet_size()?;
                // A server sends no stream that is not named.
                let all = |&stream: &u8| StreamChoice { stream, thinning: Thinning::None };
                let choices: Vec<_> = header.streams.keys().map(all).collect();
                session.machine.select(Instant::now(), &choices)?;
                file.extend_from_slice(&bytes);
            }
            Some(Event::Packet(packet)) => {
                let mut whole = BytesMut::from(&packet.data[..]);
                restore(&mut whole, packet_size)?;
                file.extend_from_slice(&whole);
            }
            Some(Event::Started) => println!("packets follow"),
            Some(Event::Ended { .. }) => return Ok(file),
            Some(other) => bail!("{other:?}"),
            None if selected => bail!("the server has nothing to say"),
            None => {
                selected = true;
                session.machine.play(Instant::now(), 0, SeekForm::Wild)?;
            }
        }
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> anyhow::Result<()> {
    // Only the server for the demonstration needs the runtime.
    let film = Film::generated(1000, 1);
    let server = Server::builder().film("/talk.asf", film.clone()).start()?;
    let argument = std::env::args().nth(1);
    let url = Url::parse(argument.as_deref().unwrap_or(&server.url("mmst", "/talk.asf")))?;
    let bytes = tokio::task::spawn_blocking(move || fetch(&url)).await??;
    let equal = if argument.is_none() && bytes == film.served() { ", equal" } else { "" };
    println!("{} bytes{equal}", bytes.len());
    Ok(())
}
