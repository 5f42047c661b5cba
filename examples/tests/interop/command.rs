//! Running the built command, and looking at what it said.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A test that hangs fails, after longer than any of them takes on a slow machine.
const HANG: Duration = Duration::from_secs(120);

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Fails unless it ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stderr: {}\nstdout: {}", self.stderr, self.stdout);
        self
    }

    /// Fails unless this was said on standard error.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{text:?} is not in: {}\nstdout: {}", self.stderr, self.stdout);
        self
    }

    /// All events of this name, as `--json` prints them.
    pub(crate) fn events(&self, name: &str) -> Vec<Value> {
        let events = self.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is an object"));
        events.filter(|event| event["event"] == name).collect()
    }

    /// A number in the only event of this name.
    #[track_caller]
    pub(crate) fn number(&self, name: &str, field: &str) -> u64 {
        let found = self.events(name);
        let [event] = &found[..] else { panic!("not one {name}: {}", self.stdout) };
        event[field].as_u64().unwrap_or_else(|| panic!("no number {field} in {event}"))
    }

    /// What the file is known to be right by.
    pub(crate) fn integrity(&self) -> String {
        self.events("done").iter().filter_map(|done| done["integrity"].as_str()).collect()
    }
}

/// The command, in this directory, with nothing of the outer environment that could matter.
pub(crate) fn segfetch<A: AsRef<OsStr>>(dir: &Path, args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_segfetch"));
    command.current_dir(dir).args(args).env_remove("SEGFETCH_PASSWORD");
    command
}

/// Runs it to its end.
pub(crate) fn run<A: AsRef<OsStr>>(dir: &Path, args: impl IntoIterator<Item = A>) -> Ended {
    Running::spawn(segfetch(dir, args)).ended()
}

/// A command that runs. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
    seen: Vec<String>,
}

impl Running {
    /// Starts it with `--json`.
    pub(crate) fn start<A: AsRef<OsStr>>(dir: &Path, args: impl IntoIterator<Item = A>) -> Self {
        let mut command = segfetch(dir, args);
        command.arg("--json");
        Self::spawn(command)
    }

    /// Starts a prepared command.
    pub(crate) fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command starts");
        let (stdout, mut errors) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let stderr = std::thread::spawn(move || {
            let mut text = Vec::new();
            errors.read_to_end(&mut text).expect("standard error is read");
            String::from_utf8(text).expect("messages are UTF-8")
        });
        Self { child, lines, stderr: Some(stderr), seen: Vec::new() }
    }

    /// Waits for an event that is wanted.
    #[track_caller]
    pub(crate) fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let Ok(line) = self.lines.recv_timeout(HANG) else {
                let _ = self.child.kill();
                let stderr = self.stderr.take().map(JoinHandle::join);
                panic!("it ended, or hung, before the event: {:#?}\n{stderr:?}", self.seen);
            };
            let event = serde_json::from_str(&line).expect("a line is an object");
            self.seen.push(line);
            if wanted(&event) {
                return event;
            }
        }
    }

    /// Waits until some of the file would survive a power loss, and says how much.
    #[track_caller]
    pub(crate) fn until_durable(&mut self) -> u64 {
        let event = self.until(|event| event["event"] == "checkpoint" && event["durable"].as_u64() > Some(0));
        event["durable"].as_u64().expect("a number of bytes")
    }

    /// Waits for an event of this name.
    #[track_caller]
    pub(crate) fn until_event(&mut self, name: &str) -> Value {
        self.until(|event| event["event"] == name)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as a crash does, and waits until it is gone.
    pub(crate) fn kill(mut self) -> Ended {
        signal(self.id(), Signal::KILL);
        self.collect()
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn ended(mut self) -> Ended {
        self.collect()
    }

    #[track_caller]
    fn collect(&mut self) -> Ended {
        use std::sync::mpsc::RecvTimeoutError;
        loop {
            match self.lines.recv_timeout(HANG) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it hangs: {:#?}", self.seen),
            }
        }
        let status = self.child.wait().expect("waiting works");
        let stderr =
            self.stderr.take().map(|reader| reader.join().expect("standard error is read")).unwrap_or_default();
        let stdout = self.seen.iter().map(|line| format!("{line}\n")).collect();
        Ended { code: status.code(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process that a test, or a server of a test, has started.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).expect("the process is there");
}
