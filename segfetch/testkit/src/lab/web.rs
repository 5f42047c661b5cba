//! Real web servers: nginx, which knows everything, and Python's `http.server`, which knows no ranges.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::ports::Ports;
use super::process::Process;

/// How long a server may take until it accepts connections.
const START: Duration = Duration::from_secs(10);

/// A running web server, stopped when dropped.
#[derive(Debug)]
pub struct Web {
    addr: SocketAddr,
    _process: Process,
    _ports: Ports,
    _work: TempDir,
}

/// An nginx to be started.
#[derive(Debug, Clone)]
pub struct Nginx {
    root: PathBuf,
    http: String,
    listen: String,
    location: String,
}

impl Nginx {
    /// One that serves the files below `root`.
    pub fn of(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), http: String::new(), listen: String::new(), location: String::new() }
    }

    /// Lines of the block `http`.
    pub fn http(mut self, lines: impl Into<String>) -> Self {
        self.http = lines.into();
        self
    }

    /// What follows the port, for example `ssl`.
    pub fn listen(mut self, words: impl Into<String>) -> Self {
        self.listen = words.into();
        self
    }

    /// Lines of the block `location /`.
    pub fn location(mut self, lines: impl Into<String>) -> Self {
        self.location = lines.into();
        self
    }

    /// Starts it on a port of its own.
    ///
    /// # Errors
    /// It is not there, or does not start: what it says.
    pub fn start(self) -> io::Result<Web> {
        Web::start("nginx", |addr, work| {
            let (dir, root, Self { http, listen, location, .. }) = (work.display(), self.root.display(), &self);
            let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .iter()
                .map(|kind| format!("{kind}_temp_path {dir}/{kind};"))
                .collect();
            let (config, error) = (work.join("conf"), format!("{dir}/error"));
            fs::write(
                &config,
                format!(
                    "daemon off; master_process off; user root; pid {dir}/pid; error_log {error};\n\
                     events {{ worker_connections 256; }}\n\
                     http {{ access_log off; sendfile on; tcp_nopush on; {temporary} {http}\n\
                       server {{ listen {addr} {listen}; location / {{ root {root}; {location} }} }} }}\n"
                ),
            )?;
            Ok(vec!["-e".into(), error, "-c".into(), config.display().to_string()])
        })
    }
}

impl Web {
    /// Python's own server of the files below `root`.
    ///
    /// # Errors
    /// It is not there, or does not start: what it says.
    pub fn python(root: &Path) -> io::Result<Self> {
        Self::start("python3", |addr, _| {
            let (port, root) = (addr.port().to_string(), root.display().to_string());
            let words = ["-m", "http.server", &port, "--bind", "127.0.0.1", "--directory", &root];
            Ok(words.map(str::to_owned).to_vec())
        })
    }

    /// Where it accepts connections.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// URL of a file below the root.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.addr)
    }

    fn start(program: &str, arguments: impl FnOnce(SocketAddr, &Path) -> io::Result<Vec<String>>) -> io::Result<Self> {
        let binary = crate::find_bin(program)
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{program} is not installed")))?;
        let work = tempfile::tempdir()?;
        let ports = Ports::take(Ipv4Addr::LOCALHOST.into(), 1)?;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.control));
        let mut command = vec![binary.display().to_string()];
        command.extend(arguments(addr, work.path())?);
        let out = work.path().join("out");
        let mut process = Process::start(&command, &out)?;
        let deadline = Instant::now() + START;
        while TcpStream::connect(addr).is_err() {
            if process.ended() || Instant::now() > deadline {
                let said = ["out", "error"].map(|name| fs::read_to_string(work.path().join(name)).unwrap_or_default());
                return Err(io::Error::other(format!("{program} does not start: {}", said.concat().trim())));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(Self { addr, _process: process, _ports: ports, _work: work })
    }
}
