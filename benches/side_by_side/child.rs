//! One run of one program: time, CPU seconds, peak memory.
//!
//! `time` (GNU) starts the program and does the accounting (`wait4`): it is tiny, and a child's peak memory includes what its parent had
//! when it forked.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use sha2::{Digest as _, Sha256};

/// What a program used.
#[derive(Debug, Clone, Default)]
pub(crate) struct Usage {
    pub(crate) wall: Duration,
    /// User and system, of all its threads; `time` rounds to 10 ms.
    pub(crate) cpu: Duration,
    /// Peak resident memory in KiB.
    pub(crate) rss: u64,
    /// Exit code; `None` if it had to be killed.
    pub(crate) code: Option<i32>,
    /// What it wrote to standard output, if that was read.
    pub(crate) streamed: Option<[u8; 32]>,
    /// The last that it said on standard error.
    pub(crate) said: String,
}

/// How a program is run.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) program: &'a Path,
    pub(crate) arguments: &'a [String],
    /// Working directory, `HOME`, and place of the accounts.
    pub(crate) work: &'a Path,
    /// Killed after this, with all its children.
    pub(crate) limit: Duration,
    /// Bytes per second at which its standard output is read; unless told it goes to /dev/null.
    pub(crate) reads: Option<u64>,
}

impl Run<'_> {
    /// Runs it to its end.
    ///
    /// # Errors
    /// `time` is not there, or the working directory cannot be written to.
    pub(crate) fn run(&self) -> io::Result<Usage> {
        let time = segfetch_testkit::find_bin("time")
            .ok_or_else(|| io::Error::other("time is not installed (Debian's package `time`)"))?;
        let (account, errors) = (self.work.join("account"), self.work.join("errors"));
        let mut child = Command::new(time)
            .args(["-q", "-f", "%U %S %M", "-o"])
            .arg(&account)
            .arg(self.program)
            .args(self.arguments)
            .current_dir(self.work)
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("LC_ALL", "C"), ("TERM", "dumb")])
            .env("HOME", self.work)
            .stdin(Stdio::null())
            .stdout(if self.reads.is_some() { Stdio::piped() } else { Stdio::null() })
            .stderr(File::create(&errors)?)
            .process_group(0)
            .spawn()?;
        let began = Instant::now();
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let reader =
            child.stdout.take().zip(self.reads).map(|(out, rate)| std::thread::spawn(move || slowly(out, rate)));
        let (done, ended) = mpsc::channel::<()>();
        let limit = self.limit;
        let watch = std::thread::spawn(move || {
            let late = ended.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout);
            if let (true, Some(group)) = (late, group) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            late
        });
        let status = child.wait()?;
        let wall = began.elapsed();
        drop(done);
        let late = watch.join().unwrap_or(false);
        let streamed = reader.map(|reader| reader.join().unwrap_or_default());
        let account = std::fs::read_to_string(&account).unwrap_or_default();
        let said = std::fs::read_to_string(&errors).unwrap_or_default();
        let mut usage = accounted(&account).unwrap_or_default();
        usage.wall = wall;
        usage.code = if late { None } else { status.code() };
        usage.streamed = streamed;
        usage.said = said.lines().last().unwrap_or_default().to_owned();
        Ok(usage)
    }
}

/// `0.01 0.12 3456`
fn accounted(text: &str) -> Option<Usage> {
    let mut fields = text.split_whitespace();
    let mut seconds = || fields.next()?.parse().ok().map(Duration::from_secs_f64);
    let cpu = seconds()? + seconds()?;
    Some(Usage { cpu, rss: fields.next()?.parse().ok()?, ..Usage::default() })
}

/// Reads no faster than `rate` bytes per second.
fn slowly(mut out: ChildStdout, rate: u64) -> [u8; 32] {
    let (mut hash, mut buf, began, mut sum) = (Sha256::new(), vec![0; 16 << 10], Instant::now(), 0_u64);
    while let Ok(got @ 1..) = out.read(&mut buf) {
        hash.update(&buf[..got]);
        sum += got as u64;
        let due = Duration::from_secs_f64(sum as f64 / rate as f64);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
    }
    hash.finalize().into()
}

/// SHA-256 of a file.
///
/// # Errors
/// It cannot be read.
pub(crate) fn digest(path: &Path) -> io::Result<[u8; 32]> {
    let (mut file, mut hash, mut buf) = (File::open(path)?, Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buf)? {
            0 => return Ok(hash.finalize().into()),
            got => hash.update(&buf[..got]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, limit: Duration, reads: Option<u64>) -> Option<Usage> {
        segfetch_testkit::find_bin("time")?; // it is no part of every system
        let work = tempfile::tempdir().unwrap();
        let arguments = ["-c".to_owned(), script.to_owned()];
        let run = Run { program: Path::new("/bin/sh"), arguments: &arguments, work: work.path(), limit, reads };
        Some(run.run().unwrap())
    }

    #[test]
    fn accounts_are_read_and_nonsense_is_not() {
        let usage = accounted("0.25 1.50 3456\n").unwrap();
        assert_eq!((usage.cpu, usage.rss), (Duration::from_millis(1750), 3456));
        assert!(accounted("").is_none() && accounted("a b c").is_none() && accounted("1 2").is_none());
    }

    #[test]
    fn a_run_has_its_exit_code_its_last_words_and_its_output() {
        let limit = Duration::from_secs(60);
        let Some(usage) = run("printf abc; echo first >&2; echo last >&2; exit 7", limit, Some(1 << 20)) else {
            return;
        };
        assert_eq!((usage.code, usage.said.as_str()), (Some(7), "last"));
        let abc: [u8; 32] = Sha256::digest(b"abc").into();
        assert_eq!(usage.streamed, Some(abc));
        assert!(usage.rss > 0);
    }

    #[test]
    fn a_program_that_does_not_end_is_killed_with_its_children() {
        let Some(usage) = run("sleep 600 & sleep 600", Duration::from_millis(100), None) else { return };
        assert_eq!(usage.code, None);
    }
}
