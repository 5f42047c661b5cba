//! Running the command, and looking at what it said.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use ftp_proto::testing::{File, Server, ServerBuilder};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// A test that hangs fails, after longer than any of them takes on a slow machine.
const HANG: Duration = Duration::from_secs(60);

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ended {
    /// Fails unless it ended with this code.
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stderr: {}\nstdout: {}", self.stderr, String::from_utf8_lossy(&self.stdout));
        self
    }

    /// Fails unless this was said on standard error.
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{text:?} is not in: {}", self.stderr);
        self
    }

    /// The lines of `--json`.
    pub(crate) fn events(&self) -> Vec<Value> {
        let text = std::str::from_utf8(&self.stdout).expect("events are UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a line is an object")).collect()
    }

    /// The only event of this name.
    pub(crate) fn event(&self, name: &str) -> Value {
        let mut found = self.events().into_iter().filter(|event| event["event"] == name);
        match (found.next(), found.next()) {
            (Some(event), None) => event,
            other => panic!("not one {name}: {other:?} in {:?}", self.events()),
        }
    }
}

/// The command, in this directory, with nothing of the outer environment that could matter.
pub(crate) fn segfetch<A: AsRef<OsStr>>(dir: &Path, args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_segfetch"));
    command.current_dir(dir).args(args).env_remove("SEGFETCH_PASSWORD").kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end.
pub(crate) async fn run<A: AsRef<OsStr>>(dir: &Path, args: impl IntoIterator<Item = A>) -> Ended {
    end(segfetch(dir, args)).await
}

/// Runs a prepared command to its end.
pub(crate) async fn end(mut command: Command) -> Ended {
    let child = command.spawn().expect("the command starts");
    wait(child, Vec::new()).await
}

/// Waits for a child whose outputs are piped; `stdout` is what was read of it already.
pub(crate) async fn wait(mut child: Child, mut stdout: Vec<u8>) -> Ended {
    let mut stderr = Vec::new();
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take().expect("stderr is piped"));
    let everything = async {
        let out = async {
            match &mut out {
                Some(out) => out.read_to_end(&mut stdout).await,
                None => Ok(0),
            }
        };
        let (status, out, err) = tokio::join!(child.wait(), out, err.read_to_end(&mut stderr));
        out.and(err).and(status)
    };
    let status = tokio::time::timeout(HANG, everything).await;
    let stderr = String::from_utf8(stderr).expect("messages are UTF-8");
    let Ok(status) = status else {
        panic!("the command hangs. stderr: {stderr}\nstdout: {}", String::from_utf8_lossy(&stdout))
    };
    Ended { code: status.expect("the command is waited for").code(), stdout, stderr }
}

/// A command that runs with `--json`.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    seen: Vec<u8>,
}

impl Running {
    pub(crate) fn start<A: AsRef<OsStr>>(dir: &Path, args: impl IntoIterator<Item = A>) -> Self {
        let mut child = segfetch(dir, args).arg("--json").spawn().expect("the command starts");
        let stdout = child.stdout.take().expect("stdout is piped");
        Self { child, lines: BufReader::new(stdout).lines(), seen: Vec::new() }
    }

    /// Waits for an event.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = tokio::time::timeout(HANG, self.lines.next_line()).await.expect("an event comes");
            let line = line
                .expect("stdout is read")
                .unwrap_or_else(|| panic!("over: {}", String::from_utf8_lossy(&self.seen)));
            self.seen.extend_from_slice(line.as_bytes());
            self.seen.push(b'\n');
            let event = serde_json::from_str(&line).expect("a line is an object");
            if wanted(&event) {
                return event;
            }
        }
    }

    /// Waits until some of the file would survive a power loss.
    pub(crate) async fn until_durable(&mut self) -> u64 {
        let event = self.until(|event| event["event"] == "checkpoint" && event["durable"].as_u64() > Some(0)).await;
        event["durable"].as_u64().expect("a number of bytes")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        signal_to(&self.child, signal);
    }

    /// Waits for the end.
    pub(crate) async fn ended(mut self) -> Ended {
        let reader = self.lines.into_inner();
        self.seen.extend_from_slice(reader.buffer());
        self.child.stdout = Some(reader.into_inner());
        wait(self.child, self.seen).await
    }
}

/// Sends a signal to a child that has not been waited for.
pub(crate) fn signal_to(child: &Child, signal: Signal) {
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed())).expect("the child runs");
    kill_process(pid, signal).expect("the signal is delivered");
}

/// A server with `/f` of `len` bytes, made of `seed` 1.
pub(crate) fn server(len: u64) -> ServerBuilder {
    Server::builder().file("/f", File::generated(len, 1))
}

/// Fails unless the file is `File::generated(len, seed)`, with the file named at the first wrong byte.
pub(crate) fn assert_content(path: &Path, len: u64, seed: u64) {
    let found = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let expected = File::generated(len, seed).to_vec();
    assert_eq!(found.len(), expected.len(), "length of {}", path.display());
    let wrong = found.iter().zip(&expected).position(|(found, expected)| found != expected);
    assert_eq!(wrong, None, "first wrong byte of {}", path.display());
}

/// The names in a directory, sorted.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("the directory is read");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
