//! The programs, and how each is made to show what it received.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use mms_proto::testing::Server;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

use super::verdict::Whole;

const LIBMMS: &str = include_str!("libmms.py");
/// Seconds after which a program is killed: some never come to an end.
const SECONDS: &str = "20";

/// A program that plays films of such servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Ffmpeg,
    Libmms,
    Vlc,
    Mplayer,
    /// Through its front end for terminals.
    Xine,
}

/// All, in the order of the table.
pub(super) const PROGRAMS: [Program; 5] =
    [Program::Ffmpeg, Program::Libmms, Program::Vlc, Program::Mplayer, Program::Xine];

use Program::*;

impl Program {
    /// Runs the program. What it wrote of the film, at most `most` bytes, or whether it was there until it had been sent all.
    pub(super) async fn run(self, scheme: &str, server: &Server, from: &Server, whole: Whole<'_>) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        // VLC runs as somebody else.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let url = from.url(if self == Mplayer && scheme == "mmsh" { "mmshttp" } else { scheme }, "/clip.asf");
        let dump = dir.path().join("dump");
        let mut running =
            Running::start(self.command(&url, &dump, whole.most, &[]).await, &dir, self.limit(whole.most));
        if self == Xine {
            // It plays, and then waits for somebody who wants to see something else.
            let sent = server.wait_for(|c| c.packets_sent >= u64::from(whole.film.packets()) && c.open == 0);
            let played = tokio::select! {
                biased;
                _ = running.0.wait() => false,
                _ = sent => true,
            };
            running.end().await;
            return if played { whole.film.served().to_vec() } else { Vec::new() };
        }
        // On MMST ffmpeg never ends.
        let enough = if self == Ffmpeg && scheme == "mmst" { whole.film.served().len() } else { whole.most };
        let shown = running.shown(enough).await;
        if matches!(self, Ffmpeg | Libmms) { shown } else { fs::read(dump).unwrap_or_default() }
    }

    /// The most bytes of a file that it may write.
    fn limit(self, most: usize) -> Option<usize> {
        // xine keeps frames in a file.
        (self != Xine).then_some(most)
    }

    async fn command(self, url: &str, dump: &Path, most: usize, more: &[String]) -> Vec<String> {
        let dump = dump.display();
        let line = match self {
            Ffmpeg => format!("ffmpeg -nostdin -v quiet -f data -i {url} -map 0 -c copy -f data pipe:1"),
            Libmms => {
                let fixed = ["python3", "-c", LIBMMS, url, &most.to_string()].map(str::to_owned);
                return [&fixed[..], more].concat();
            }
            Vlc => format!(
                "{} vlc -I dummy -q --aout=adummy --play-and-exit --mms-all --demux=dump --demuxdump-file={dump} {url} \
                 vlc://quit",
                unprivileged().await
            ),
            Mplayer => format!("mplayer -noconfig all -nolirc -really-quiet -dumpstream -dumpfile {dump} {url}"),
            Xine => {
                let play = format!("env TERM=xterm aaxine -V aa -A none {url}");
                return ["script", "-qfc", &play, "/dev/null"].map(str::to_owned).into();
            }
        };
        line.split_ascii_whitespace().map(str::to_owned).collect()
    }
}

/// What libmms reads from a byte of the film on.
pub(super) async fn libmms_from(url: &str, position: usize, most: usize) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let command = Libmms.command(url, dir.path(), most, &[position.to_string()]).await;
    Running::start(command, &dir, Some(most)).shown(most).await
}

/// What ffmpeg and MPlayer complain of when they decode a film.
pub(super) async fn decoding_errors(film: &[u8]) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.asf");
    fs::write(&path, film).unwrap();
    let path = path.display();
    let ffmpeg = format!("timeout -s KILL {SECONDS} ffmpeg -nostdin -v error -i {path} -f null -");
    let mplayer = format!(
        "timeout -s KILL {SECONDS} mplayer -noconfig all -nolirc -nojoystick -really-quiet -benchmark -vo null -ao null {path}"
    );
    for line in [ffmpeg, mplayer] {
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().unwrap());
        command.args(words).env("HOME", dir.path()).stdin(Stdio::null());
        let ran = command.output().await.unwrap();
        if !ran.status.success() || !ran.stderr.is_empty() {
            return Some(format!("{line}: {} {}", ran.status, String::from_utf8_lossy(&ran.stderr)));
        }
    }
    None
}

/// VLC refuses to run as root.
async fn unprivileged() -> &'static str {
    let root = Command::new("id").arg("-u").output().await.unwrap().stdout == b"0\n";
    if root { "setpriv --reuid nobody --regid nogroup --clear-groups" } else { "" }
}

/// A program in a process group of its own, killed when dropped.
struct Running(Child);

impl Running {
    fn start(command: Vec<String>, dir: &TempDir, limit: Option<usize>) -> Running {
        let mut timeout = Command::new("timeout");
        timeout.args(["-s", "KILL", SECONDS]);
        if let Some(bytes) = limit {
            timeout.args(["prlimit", &format!("--fsize={bytes}")]);
        }
        let home = dir.path();
        timeout.args(command).env("HOME", home).env("XDG_RUNTIME_DIR", home).env("TMPDIR", home).current_dir(home);
        let spawned = timeout.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        Running(spawned.expect("coreutils are installed"))
    }

    /// What it writes until it ends, or up to so many bytes; then it is ended.
    async fn shown(&mut self, most: usize) -> Vec<u8> {
        let mut shown = Vec::new();
        let stdout = self.0.stdout.take().unwrap();
        stdout.take(most as u64).read_to_end(&mut shown).await.unwrap();
        if shown.len() < most {
            let _ = self.0.wait().await;
        } else {
            self.end().await;
        }
        shown
    }

    /// Ends the program and its children: `timeout` leads a group of its own.
    async fn end(&mut self) {
        if let Some(group) = self.group() {
            let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).status().await;
            let _ = self.0.wait().await;
        }
    }

    fn group(&self) -> Option<String> {
        self.0.id().map(|id| format!("-{id}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group() {
            let _ = std::process::Command::new("kill").args(["-s", "KILL", "--", &group]).status();
        }
    }
}
