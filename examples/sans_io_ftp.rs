//! FTP without a runtime: the machine of `ftp-proto` over two blocking sockets of the standard library.
//!
//! `cargo run --example sans_io_ftp`: fetches a file from a server in this process, or from `ftp://` URL given as argument. All that
//! the program adds is sockets and a clock; what is said when, and what the answers mean, is the machine's business.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::BytesMut;
use ftp_proto::conn::{Config, Connection, Credentials, DataEnd, Ending, Event, Input, Output, Quirks};
use ftp_proto::wire::{Arg, Secret, Url};

/// One session: the machine and its sockets.
struct Session {
    machine: Connection,
    control: TcpStream,
    /// Replies that have come and are not whole yet.
    heard: BytesMut,
    data: Option<TcpStream>,
    /// Bytes of the file.
    received: Vec<u8>,
}

impl Session {
    fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let control = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
        let credentials = Credentials::new(Arg::new("anonymous")?, Secret::new("guest@")?);
        let machine = Connection::new(Instant::now(), Config::new(credentials), Quirks::default());
        Ok(Self { machine, control, heard: BytesMut::new(), data: None, received: Vec::new() })
    }

    /// Runs until the machine has something to tell.
    fn next_event(&mut self) -> anyhow::Result<Event> {
        loop {
            match self.machine.poll_output() {
                Output::Transmit(commands) => self.control.write_all(&commands)?,
                Output::ConnectData(port) => {
                    let address = SocketAddr::new(self.control.peer_addr()?.ip(), port);
                    match TcpStream::connect_timeout(&address, Duration::from_secs(10)) {
                        Ok(stream) => {
                            self.data = Some(stream);
                            self.machine.handle_input(Instant::now(), Input::DataConnected)?;
                        }
                        Err(error) => self.machine.handle_input(Instant::now(), Input::not_connected(&error))?,
                    }
                }
                Output::CloseData => self.data = None,
                Output::Event(event) => return Ok(event),
                Output::Wait(deadline) => self.wait(deadline)?,
                _ => {}
            }
        }
    }

    /// Waits for data if the machine wants any, else for a reply.
    fn wait(&mut self, deadline: Option<Instant>) -> anyhow::Result<()> {
        let patience = deadline.map(|at| at.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)));
        let mut buffer = [0; 64 << 10];
        if let (Some(1..), Some(data)) = (self.machine.may_read(), &mut self.data) {
            data.set_read_timeout(patience)?;
            let input = match data.read(&mut buffer) {
                Ok(0) => Input::DataEnded(DataEnd::Eof),
                Ok(n) => {
                    self.received.extend_from_slice(&buffer[..n]);
                    Input::DataRead(n as u64)
                }
                Err(error) if is_timeout(&error) => Input::Timeout,
                Err(error) => Input::DataEnded(DataEnd::Broken(error.kind())),
            };
            if matches!(input, Input::DataEnded(_)) {
                self.data = None;
            }
            return Ok(self.machine.handle_input(Instant::now(), input)?);
        }
        self.control.set_read_timeout(patience)?;
        let input = match self.control.read(&mut buffer) {
            Ok(0) => Input::Closed,
            Ok(n) => {
                self.heard.extend_from_slice(&buffer[..n]);
                Input::Received(&mut self.heard)
            }
            Err(error) if is_timeout(&error) => Input::Timeout,
            Err(_) => Input::Closed,
        };
        Ok(self.machine.handle_input(Instant::now(), input)?)
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn fetch(url: &Url) -> anyhow::Result<Vec<u8>> {
    let address = (url.host().unbracketed(), url.port()).to_socket_addrs()?.next().context("no such host")?;
    let mut session = Session::connect(address)?;
    session.machine.arm(Instant::now(), url.path())?;
    loop {
        match session.next_event()? {
            Event::LoggedIn => println!("logged in"),
            Event::Facts(facts) => {
                println!("{:?} bytes, changed {:?}", facts.size, facts.modified());
                session.machine.retrieve(Instant::now(), 0, None)?;
            }
            Event::Accepted => println!("transfer begins"),
            Event::Ended(Ending::Complete) => return Ok(session.received),
            other => bail!("{other:?}"),
        }
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> anyhow::Result<()> {
    // Only the server for the demonstration needs the runtime.
    let file = ftp_proto::testing::File::generated(5_000_000, 1);
    let server = ftp_proto::testing::Server::builder().file("/pub/song.ogg", file).start()?;
    let url = std::env::args().nth(1).unwrap_or_else(|| server.url("/pub/song.ogg"));
    let url = Url::parse(&url)?;
    let bytes = tokio::task::spawn_blocking(move || fetch(&url)).await??;
    println!("{} bytes, confirmed by the server", bytes.len());
    Ok(())
}
