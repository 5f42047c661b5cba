//! What a server says that it did: sessions, logins and transfers, parsed from its own log while it is written.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::process;

/// A server's account of itself. Every `session` is a number that is the same for all entries of one control connection.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// Control connections, refused ones included, in order of arrival.
    pub sessions: Vec<Session>,
    /// Answers to `PASS`, in order.
    pub logins: Vec<Login>,
    /// Downloads that came to an end, however they ended, in the order of their ends. Not there: in vsftpd's and pure-ftpd's logs a download whose
    /// control connection was reset, in any log one whose session was killed.
    pub transfers: Vec<Transfer>,
    /// Commands as the server read them, with the session. Empty for pure-ftpd, which does not tell.
    pub commands: Vec<(u32, String)>,
    /// Connections or logins refused because there were too many. Always 0 for pure-ftpd, which does not tell.
    pub refused: usize,
    /// The log itself, line by line.
    pub lines: Vec<String>,
}

/// One control connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Number of this session in the other entries.
    pub id: u32,
    /// When the server began with it.
    pub start: SystemTime,
    /// When it was over; `None` while it is not.
    pub end: Option<SystemTime>,
}

/// One answer to `PASS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The control connection; 0 where the server does not tell.
    pub session: u32,
    /// Name as the server logs it: for an anonymous login this can be a system account.
    pub user: String,
    /// Whether the server let it in.
    pub ok: bool,
    /// When it was answered.
    pub at: SystemTime,
}

/// One download that came to an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// The control connection that asked for it.
    pub session: u32,
    /// Path as the server logs it: from its own root, or from the root of the file system.
    pub path: String,
    /// When the server began to send. (pure-ftpd: to the second.)
    pub start: SystemTime,
    /// When the server was done with it.
    pub end: SystemTime,
    /// Bytes that the server handed to its socket: the client may have received fewer.
    pub bytes: u64,
    /// Whether it ended before the end of the file; `None` for pure-ftpd, which does not tell.
    pub aborted: Option<bool>,
}

impl Log {
    /// Logins that the server granted.
    pub fn logins_granted(&self) -> usize {
        self.logins.iter().filter(|login| login.ok).count()
    }

    /// Bytes of all downloads, as [`Transfer::bytes`].
    pub fn bytes_sent(&self) -> u64 {
        self.transfers.iter().map(|transfer| transfer.bytes).sum()
    }

    /// Most downloads that were under way at one time.
    pub fn most_transfers_at_once(&self) -> usize {
        most_at_once(self.transfers.iter().map(|transfer| (transfer.start, Some(transfer.end))))
    }

    /// Most logged-in control connections that were open at one time.
    pub fn most_sessions_at_once(&self) -> usize {
        let inside = |id| self.logins.iter().any(|login| login.ok && login.session == id);
        most_at_once(
            self.sessions.iter().filter(|session| inside(session.id)).map(|session| (session.start, session.end)),
        )
    }
}

/// Half-open intervals: one that begins in the moment when another ends does not overlap it; an empty one counts as an instant.
fn most_at_once(intervals: impl Iterator<Item = (SystemTime, Option<SystemTime>)>) -> usize {
    let mut steps: Vec<(SystemTime, isize)> = intervals
        .flat_map(|(start, end)| [Some((start, 1)), end.map(|end| (end.max(start + Duration::from_nanos(1)), -1))])
        .flatten()
        .collect();
    steps.sort();
    let mut open = 0_isize;
    steps.into_iter().map(|(_, step)| (open += step, open).1).max().unwrap_or(0).unsigned_abs()
}

/// One server's log language.
pub(super) trait Parser: Send {
    /// Takes one line that was seen `at`; `session` tells which control connection a process of the server belongs to.
    fn line(&mut self, at: SystemTime, line: &str, session: &mut dyn FnMut(u32) -> u32, log: &mut Log);
}

/// How a server's control connections are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sessions {
    /// One child process of the server each. Seen every few milliseconds, so starts and ends are that exact.
    Children,
    /// Told by the log.
    Logged,
}

/// The log and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Shared {
    log: Mutex<Log>,
    changed: Condvar,
}

impl Shared {
    pub(super) fn read(&self) -> Log {
        self.locked().clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Log)) {
        change(&mut self.locked());
        self.changed.notify_all();
    }

    /// The log, and whether it satisfies `done`; else `limit` has passed.
    pub(super) fn wait(&self, limit: Duration, done: impl Fn(&Log) -> bool) -> (Log, bool) {
        let waited = self.changed.wait_timeout_while(self.locked(), limit, |log| !done(log));
        let (log, timeout) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        (log.clone(), !timeout.timed_out())
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A server's log, opened before the server writes to it.
#[derive(Debug)]
pub(super) enum Tail {
    /// A file.
    File(File),
    /// A FIFO: a line is seen in the moment when it is written, while the process that wrote it can still be asked whose it is.
    Fifo(File),
}

impl Tail {
    pub(super) fn file(path: &Path) -> io::Result<Self> {
        File::options().read(true).write(true).create(true).truncate(true).open(path).map(Self::File)
    }

    pub(super) fn fifo(path: &Path) -> io::Result<Self> {
        use rustix::fs::{CWD, FileType, Mode, OFlags};
        if !path.exists() {
            rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        }
        // Open for writing too: it never ends, and the server's own opening never waits.
        let fifo = rustix::fs::open(path, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self::Fifo(fifo.into()))
    }

    /// Takes what there is.
    fn take(&mut self, into: &mut Vec<u8>) {
        let (Self::File(file) | Self::Fifo(file)) = self;
        let _ = file.read_to_end(into); // a FIFO "would block" at its end
    }

    /// Until there is more, or for a period.
    fn wait(&self) {
        const PERIOD: Duration = Duration::from_millis(4);
        match self {
            Self::File(_) => std::thread::sleep(PERIOD),
            Self::Fifo(fifo) => {
                let mut fds = [PollFd::new(fifo, PollFlags::IN)];
                let period = Timespec { tv_sec: 0, tv_nsec: i64::from(PERIOD.subsec_nanos()) };
                let _ = poll(&mut fds, Some(&period));
            }
        }
    }
}

/// A thread that follows a server's log, and its child processes.
#[derive(Debug)]
pub(super) struct Follower {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    pub(super) fn start(
        mut tail: Tail,
        server: u32,
        sessions: Sessions,
        parser: Box<dyn Parser>,
        shared: Arc<Shared>,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let mut following = Following { server, sessions, parser, shared, owners: HashMap::new(), rest: Vec::new() };
        let thread = std::thread::spawn(move || {
            loop {
                // Looked at before the file, so that what was written before the stop is read.
                let last = told.load(Ordering::Acquire);
                following.look(&mut tail);
                if last {
                    return;
                }
                tail.wait();
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Following {
    server: u32,
    sessions: Sessions,
    parser: Box<dyn Parser>,
    shared: Arc<Shared>,
    /// Process to session: vsftpd serves one control connection from three processes.
    owners: HashMap<u32, u32>,
    /// The beginning of a line.
    rest: Vec<u8>,
}

impl Following {
    fn look(&mut self, tail: &mut Tail) {
        tail.take(&mut self.rest);
        let now = SystemTime::now();
        // Between taking the lines and understanding them: who has written is still there, and who has made room is gone.
        if self.sessions == Sessions::Children {
            self.look_at_children(now);
        }
        let Some(end) = self.rest.iter().rposition(|&byte| byte == b'\n') else { return };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        let Self { server, parser, shared, owners, .. } = self;
        let mut session = |pid: u32| *owners.entry(pid).or_insert_with(|| owner(pid, *server));
        shared.change(|log| {
            for line in String::from_utf8_lossy(&whole).lines() {
                parser.line(now, line, &mut session, log);
                log.lines.push(line.to_owned());
            }
        });
    }

    fn look_at_children(&mut self, now: SystemTime) {
        let children = process::children(self.server);
        for &child in &children {
            self.owners.insert(child, child);
            self.owners.extend(process::children(child).into_iter().map(|grandchild| (grandchild, child)));
        }
        self.shared.change(|log| {
            // Gone before new, so that a moment's overlap is not counted.
            for session in log.sessions.iter_mut().filter(|session| !children.contains(&session.id)) {
                session.end.get_or_insert(now);
            }
            for id in children {
                // One that says of itself that it has ended can be there for a moment yet; later it is another with its number.
                let same = |session: &Session| {
                    session.id == id && session.end.is_none_or(|end| now < end + Duration::from_secs(1))
                };
                if !log.sessions.iter().any(same) {
                    log.sessions.push(Session { id, start: now, end: None });
                }
            }
        });
    }
}

/// A session's process is a child of the server; what is below it belongs to it. One that is gone already stands for itself.
fn owner(pid: u32, server: u32) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)?.parse::<u32>().ok());
    parent.filter(|&parent| parent > 1 && parent != server).unwrap_or(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn most_at_once_counts_overlaps_and_not_neighbours() {
        let some =
            |pairs: &[(u64, Option<u64>)]| most_at_once(pairs.iter().map(|&(start, end)| (at(start), end.map(at))));
        assert_eq!(some(&[]), 0);
        assert_eq!(some(&[(1, Some(2)), (2, Some(3))]), 1);
        assert_eq!(some(&[(1, Some(3)), (2, Some(4)), (3, Some(5))]), 2);
        assert_eq!(some(&[(1, Some(1)), (2, Some(2))]), 1);
        assert_eq!(some(&[(1, None), (9, None), (2, Some(8))]), 2);
    }
}
