//! The bare reader: what the network allows. Plain sockets, as few round trips as the protocol has, the best static division of the file
//! (in proportion to the lanes' rates, which it knows), no file, no check. And the bare client: the least that anything can do that puts
//! a file from FTP where it belongs.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use segfetch_testkit::relay::Relay;

const SILENT: Duration = Duration::from_secs(30);

/// Reads a file of `len` bytes named `name` over one connection per share, each `share` of the sum of shares, from an FTP server or else an
/// HTTP server; returns how long it took.
///
/// # Errors
/// Whatever the sockets say; an answer that is none.
pub(crate) fn read(relay: &Relay, ftp: bool, name: &str, len: u64, shares: &[u64]) -> io::Result<Duration> {
    let (began, addr, sum) = (Instant::now(), relay.addr(), shares.iter().sum::<u64>());
    let login = move || if ftp { Session::login(addr).map(Some) } else { Ok(None) };
    let sessions: Vec<_> = shares.iter().map(|_| std::thread::spawn(login)).collect();
    let mut readers = Vec::new();
    let (mut end, mut before) = (0, 0);
    for (index, (session, share)) in sessions.into_iter().zip(shares).enumerate() {
        let mut session = session.join().map_err(|_| io::Error::other("a reader panicked"))??;
        let mut data = TcpStream::connect(session.as_ref().map_or(addr, |session| session.passive))?;
        // Lanes are given in the order in which connections arrive.
        while relay.flows().len() <= index {
            if began.elapsed() > SILENT {
                return Err(io::Error::other("the relay does not see the reader"));
            }
            std::thread::yield_now();
        }
        before += share;
        let start = end;
        end = (u128::from(len) * u128::from(before) / u128::from(sum)) as u64;
        match &mut session {
            Some(session) => write!(session.control.get_mut(), "REST {start}\r\nRETR {name}\r\n")?,
            None => write!(data, "GET /{name} HTTP/1.1\r\nHost: h\r\nRange: bytes={start}-{}\r\n\r\n", end - 1)?,
        }
        let part = end - start;
        readers.push(std::thread::spawn(move || {
            let read = drain(data, part);
            drop(session); // a control connection that goes takes its transfer along
            read
        }));
    }
    for reader in readers {
        reader.join().map_err(|_| io::Error::other("a reader panicked"))??;
    }
    Ok(began.elapsed())
}

/// Fetches `ftp://IP:PORT/NAME`, whose length is known, into a file: a blocking thread for each connection receives a MiB and writes it.
/// No check, no sync, no journal, no second try. What it costs, no client can avoid.
///
/// # Errors
/// Whatever the sockets and the file say; a URL of another form.
pub(crate) fn fetch(url: &str, len: u64, out: &Path, connections: u64) -> io::Result<()> {
    let (host, name) =
        url.strip_prefix("ftp://").and_then(|rest| rest.split_once('/')).ok_or(io::ErrorKind::InvalidInput)?;
    let addr: SocketAddr = host.parse().map_err(io::Error::other)?;
    let file = Arc::new(File::create(out)?);
    let bounds: Vec<u64> = (0..=connections)
        .map(|n| len / connections * n + if n == connections { len % connections } else { 0 })
        .collect();
    let mut parts = Vec::new();
    for part in bounds.windows(2) {
        let (mut at, end, name, file) = (part[0], part[1], name.to_owned(), Arc::clone(&file));
        parts.push(std::thread::spawn(move || {
            let mut session = Session::login(addr)?;
            let mut data = TcpStream::connect(session.passive)?;
            data.set_read_timeout(Some(SILENT))?;
            write!(session.control.get_mut(), "REST {at}\r\nRETR {name}\r\n")?;
            let mut buf = vec![0; 1 << 20];
            while at < end {
                let piece = &mut buf[..usize::try_from(end - at).unwrap_or(usize::MAX).min(1 << 20)];
                data.read_exact(piece)?;
                file.write_all_at(piece, at)?;
                at += piece.len() as u64;
            }
            Ok(())
        }));
    }
    parts.into_iter().try_for_each(|part| part.join().map_err(|_| io::Error::other("a part panicked"))?)
}

struct Session {
    control: BufReader<TcpStream>,
    passive: SocketAddr,
}

impl Session {
    fn login(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENT))?;
        let mut control = BufReader::new(stream);
        let mut line = String::new();
        control.read_line(&mut line)?;
        control.get_mut().write_all(b"USER anonymous\r\nPASS bare@reader\r\nTYPE I\r\nEPSV\r\n")?;
        while !line.starts_with("229 ") {
            line.clear();
            if control.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let port = line.split('|').nth(3).and_then(|port| port.parse().ok());
        let port = port.ok_or_else(|| io::Error::other(format!("no port in {line:?}")))?;
        Ok(Self { control, passive: SocketAddr::new(addr.ip(), port) })
    }
}

fn drain(mut data: TcpStream, mut left: u64) -> io::Result<()> {
    data.set_read_timeout(Some(SILENT))?;
    let mut buf = vec![0; 256 << 10];
    while left > 0 {
        match data.read(&mut buf)? as u64 {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            got => left = left.saturating_sub(got),
        }
    }
    Ok(())
}
