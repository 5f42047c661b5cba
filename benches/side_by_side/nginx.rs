//! nginx on a free port, for the tables over HTTP.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A running server, one process, killed when dropped.
#[derive(Debug)]
pub(crate) struct Nginx {
    addr: SocketAddr,
    process: Child,
    _work: TempDir,
}

impl Nginx {
    /// Serves the files below `root`.
    ///
    /// # Errors
    /// nginx is not there, or does not start.
    pub(crate) fn start(root: &Path) -> io::Result<Self> {
        let program = segfetch_testkit::find_bin("nginx").ok_or(io::ErrorKind::NotFound)?;
        let work = tempfile::tempdir()?;
        let dir = work.path().display();
        let addr = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = work.path().join("conf");
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("{kind}_temp_path {dir}/{kind};"))
            .collect();
        fs::write(
            &config,
            format!(
                "daemon off; master_process off; user root; pid {dir}/pid; error_log {dir}/error; events {{ worker_connections 256; }}\n\
                 http {{ access_log off; sendfile on; tcp_nopush on; {temporary}\n\
                 server {{ listen {addr}; root {root}; }} }}\n",
                root = root.display()
            ),
        )?;
        let process = Command::new(program)
            .args(["-e".as_ref(), work.path().join("error").as_os_str(), "-c".as_ref(), config.as_os_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut server = Self { addr, process, _work: work };
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(addr).is_err() {
            if server.process.try_wait()?.is_some() || Instant::now() > deadline {
                let said = fs::read_to_string(server._work.path().join("error")).unwrap_or_default();
                return Err(io::Error::other(format!("nginx does not start: {}", said.trim())));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(server)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
