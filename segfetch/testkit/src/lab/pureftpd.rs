//! pure-ftpd: arguments, log, and the authentication daemon that it asks about every login.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use super::log::{Log, Login, Parser, Sessions, Shared, Tail, Transfer};
use super::{PASSWORD, Plan, Server, USER};

/// The server has no more slots than this, whatever it is told. (Observed: pure-ftpd 1.0.50 of Debian 12.)
const MOST_CLIENTS: u32 = 50;

pub(super) fn plan(server: &Server) -> io::Result<Plan> {
    let spec = &server.spec;
    if !spec.without.is_empty() {
        return Err(io::Error::other("pure-ftpd cannot be told to refuse a command"));
    }
    let (log, socket) = (server.work("log"), server.work("auth"));
    let authenticator = Authenticator::start(&socket, &spec.root, spec.account, Arc::clone(&server.shared))?;
    let mut command = vec![
        server.program(),
        format!("-S{},{}", spec.ip, server.ports.control),
        format!("-p{}:{}", server.ports.passive.start(), server.ports.passive.end()),
        format!("-c{MOST_CLIENTS}"),
        "-H".into(), // no name look-ups
        // "anonymous" is a name like any other, for which our daemon answers: the server's own anonymous root is a system user's home.
        "-E".into(),
        "-A".into(), // everyone is locked into the root
        format!("-lextauth:{}", socket.display()),
        format!("-g{}", server.work("pid").display()),
        format!("-Ostats:{}", log.display()),
        "-fnone".into(),
    ];
    command.extend(spec.rate.map(|rate| format!("-T:{}", rate.div_ceil(1024))));
    command.extend(spec.max_per_ip.map(|most| format!("-C{most}")));
    command.extend(spec.lines.iter().cloned());
    Ok(Plan {
        command,
        tail: Tail::file(&log)?,
        sessions: Sessions::Children,
        parser: Box::new(Lines),
        authenticator: Some(authenticator),
    })
}

/// `1795500903 6b052b66.2b5f anonymous 127.0.0.1 D 934528 1 /srv/f`: end, start.pid of the session in hex, user, peer, direction,
/// bytes, whole seconds, path.
#[derive(Debug)]
struct Lines;

impl Parser for Lines {
    fn line(&mut self, seen: SystemTime, line: &str, session: &mut dyn FnMut(u32) -> u32, log: &mut Log) {
        let fields: Vec<&str> = line.splitn(8, ' ').collect();
        let [_end, id, _user, _peer, "D", bytes, seconds, path] = fields[..] else { return };
        let pid = id.split_once('.').and_then(|(_, pid)| u32::from_str_radix(pid, 16).ok()).unwrap_or(0);
        log.transfers.push(Transfer {
            session: session(pid),
            path: path.to_owned(),
            start: seen - Duration::from_secs(seconds.parse().unwrap_or(0)),
            end: seen,
            bytes: bytes.parse().unwrap_or(0),
            aborted: None,
        });
    }
}

/// Answers the server's question "who is that?": a thread behind a Unix socket. That makes accounts without a system account, and counts
/// logins, which the server itself tells only to the system log.
#[derive(Debug)]
pub(super) struct Authenticator {
    socket: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Authenticator {
    fn start(socket: &Path, root: &Path, account: bool, shared: Arc<Shared>) -> io::Result<Self> {
        let _ = std::fs::remove_file(socket);
        let listener = UnixListener::bind(socket)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (told, root) = (Arc::clone(&stop), root.to_owned());
        let thread = std::thread::spawn(move || {
            for asked in listener.incoming().flatten() {
                if told.load(Ordering::Acquire) {
                    return;
                }
                // A session that dies in the middle of its question needs no answer.
                let _ = answer(asked, &root, account, &shared);
            }
        });
        Ok(Self { socket: socket.to_owned(), stop, thread: Some(thread) })
    }
}

impl Drop for Authenticator {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let woken = UnixStream::connect(&self.socket).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

fn answer(mut asked: UnixStream, root: &Path, account: bool, shared: &Shared) -> io::Result<()> {
    const MOST: usize = 4096;
    let at = SystemTime::now();
    asked.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut question = Vec::new();
    while !question.ends_with(b"\nend\n") && question.len() < MOST {
        let mut part = [0; 512];
        match asked.read(&mut part)? {
            0 => return Ok(()),
            n => question.extend_from_slice(&part[..n]),
        }
    }
    let question = String::from_utf8_lossy(&question);
    let field = |name| question.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("");
    let (user, password) = (field("account:"), field("password:"));
    let ok = if account { (user, password) == (USER, PASSWORD) } else { ["anonymous", "ftp"].contains(&user) };
    let pid = rustix::net::sockopt::socket_peercred(&asked)?.pid.as_raw_nonzero().get();
    let session = u32::try_from(pid).unwrap_or(0);
    shared.change(|log| log.logins.push(Login { session, user: user.to_owned(), ok, at }));
    let verdict = if ok { 1 } else { -1 };
    write!(asked, "auth_ok:{verdict}\nuid:65534\ngid:65534\ndir:{}\nend\n", root.display())
}
