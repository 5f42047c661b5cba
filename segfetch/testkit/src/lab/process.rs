//! A server process and everything that it forks, stopped together and never by name.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The shell stands between test and server for one reason: when the test process dies, however it dies, its end of the shell's
/// standard input closes, and the shell ends the group. Descriptor 0 of the server is writable because vsftpd reports there.
const GUARD: &str = r#"out=$1; shift; exec 3<&0
"$@" 3<&- 0<>"$out" 1>&0 2>&0 & server=$!
{ read -r _ <&3; kill -KILL -$$; } &
wait $server"#;

/// A running server: the guard, the server that it started, and the sessions that the server forked.
#[derive(Debug)]
pub(super) struct Process {
    guard: Child,
    server: Option<u32>,
}

impl Process {
    /// Starts `command`; whatever it prints goes to the file `out`.
    pub(super) fn start(command: &[String], out: &Path) -> io::Result<Self> {
        File::create(out)?;
        let guard = Command::new("/bin/sh")
            .args(["-c", GUARD, "guard"])
            .arg(out)
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self { guard, server: None })
    }

    /// Process id of the server proper, once it exists.
    pub(super) fn server(&mut self) -> Option<u32> {
        if self.server.is_none() {
            // The guard's other child is a copy of the shell itself.
            self.server = children(self.guard.id()).into_iter().find(|&pid| !is_shell(pid));
        }
        self.server
    }

    /// Whether the server ended by itself.
    pub(super) fn ended(&mut self) -> bool {
        !matches!(self.guard.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Stopped, none of them can fork another one: vsftpd's sessions fork once more after the login, and have left the group.
        let mut all = BTreeSet::from([self.guard.id()]);
        while stop_descendants(self.guard.id(), &mut all) {}
        all.iter().for_each(|&pid| signal(pid, Signal::KILL));
        let _ = self.guard.wait();
        // Only then are the ports free. A killed process that cannot go is stuck in the kernel: nothing to be gained by waiting longer.
        let deadline = Instant::now() + Duration::from_secs(5);
        while all.iter().any(|&pid| !is_over(pid)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Kills one process by its id; a process that is gone already is as good.
pub(super) fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Direct children of a process that has one thread.
pub(super) fn children(pid: u32) -> Vec<u32> {
    let listed = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Stops the descendants of a process and adds them to those that are known. False if there is no other than those.
fn stop_descendants(pid: u32, known: &mut BTreeSet<u32>) -> bool {
    let mut found = false;
    for child in children(pid) {
        if known.insert(child) {
            signal(child, Signal::STOP);
            found = true;
        }
        found |= stop_descendants(child, known);
    }
    found
}

/// Gone, or a zombie that its parent has not looked at.
fn is_over(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

fn is_shell(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with("/bin/sh\0-c\0"))
}

/// Whether something listens on `port` of this machine. Asked of the kernel, so that the server sees no connection.
pub(super) fn listens(port: u16) -> bool {
    const LISTEN: &str = "0A";
    let suffix = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|table| {
        std::fs::read_to_string(table).unwrap_or_default().lines().any(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let (local, _remote, state) = (fields.next(), fields.next(), fields.next());
            local.is_some_and(|local| local.ends_with(&suffix)) && state == Some(LISTEN)
        })
    })
}
