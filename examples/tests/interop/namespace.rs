//! Mounts that nobody else sees, and that are gone with the test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::command::{Ended, Running, segfetch};

/// A mount namespace of our own, held by a shell that ends when this end of its standard input closes, however the test ends.
pub(crate) struct Namespace {
    shell: Child,
    dir: PathBuf,
}

impl Namespace {
    /// Mounts `dir` anew with a script for `/bin/sh`, whose `$1` it is.
    pub(crate) fn new(dir: &Path, script: &str) -> Self {
        let mut shell = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "/bin/sh", "-ec"])
            .arg(format!("{script}\necho ready\nread -r _ || true"))
            .args(["sh".as_ref(), dir.as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare runs");
        let mut line = String::new();
        BufReader::new(shell.stdout.take().expect("piped")).read_line(&mut line).expect("it is read");
        assert_eq!(line, "ready\n", "mounting failed: root is needed");
        Self { shell, dir: dir.to_owned() }
    }

    /// `dir` as it is inside.
    pub(crate) fn dir(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.shell.id()));
        root.join(self.dir.strip_prefix("/").expect("an absolute path"))
    }

    /// Runs another program inside.
    pub(crate) fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.shell.id())).arg(format!("--wd={}", self.dir().display()));
        command.arg(program);
        command
    }

    /// Runs the command inside, in the mounted directory, to its end.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        let plain = segfetch(&self.dir, args);
        let mut command = self.inside(&plain.get_program().to_string_lossy());
        command.args(args).env_remove("SEGFETCH_PASSWORD");
        Running::spawn(command).ended()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}
