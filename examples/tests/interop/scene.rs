//! Two directories, and what is in them.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use segfetch::checkpoint::{Journaled, recover};
use segfetch_testkit::lab::Kind;
use tempfile::TempDir;

use crate::command::{Ended, Running, run};

/// Name of a file in the root that has no name yet.
const PREPARED: &str = ".new";

/// A server's root, and the directory that the command runs in.
pub(crate) struct Scene {
    pub(crate) root: TempDir,
    pub(crate) to: TempDir,
}

impl Scene {
    /// Two empty directories.
    pub(crate) fn new() -> Self {
        Self { root: tempfile::tempdir().expect("a directory"), to: tempfile::tempdir().expect("a directory") }
    }

    /// A root with the file `f` of `len` bytes, made of seed 1, an hour old.
    pub(crate) fn with(len: u64) -> Self {
        let scene = Self::new();
        scene.put("f", len, 1, hours_ago(1));
        scene
    }

    /// Puts a file in the root, as a mirror does: made beside, then renamed, so that whoever reads the old one goes on reading it.
    pub(crate) fn put(&self, name: &str, len: u64, seed: u64, modified: SystemTime) {
        self.prepare(len, seed, modified);
        self.swap(name);
    }

    /// Makes a file beside the others, which takes its time.
    pub(crate) fn prepare(&self, len: u64, seed: u64, modified: SystemTime) {
        let new = self.root.path().join(PREPARED);
        segfetch_testkit::random_file(&new, len, seed).expect("the file is written");
        File::options().write(true).open(&new).and_then(|file| file.set_modified(modified)).expect("a time is set");
    }

    /// Gives the prepared file a name, at once.
    pub(crate) fn swap(&self, name: &str) {
        std::fs::rename(self.root.path().join(PREPARED), self.root.path().join(name)).expect("the file is renamed");
    }

    pub(crate) fn to(&self) -> &Path {
        self.to.path()
    }

    pub(crate) fn part(&self) -> PathBuf {
        self.to().join("f.part")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.to().join("f.part.sfj")
    }

    /// What the journal says.
    pub(crate) fn journaled(&self) -> Journaled {
        recover(&std::fs::read(self.journal()).expect("a journal is there")).expect("it can be read")
    }

    /// Runs the command to its end.
    #[track_caller]
    pub(crate) fn run<const N: usize>(&self, args: [&str; N]) -> Ended {
        run(self.to(), args)
    }

    /// Starts the command with `--json`.
    pub(crate) fn start<const N: usize>(&self, args: [&str; N]) -> Running {
        Running::start(self.to(), args)
    }

    /// Starts the command with these arguments, and kills it as soon as some of `f` is durable. Returns how much that is.
    #[track_caller]
    pub(crate) fn interrupted<const N: usize>(&self, args: [&str; N]) -> u64 {
        let mut running = self.start(args);
        let durable = running.until_durable();
        assert_eq!(running.kill().code, None, "it was to be killed, and had ended");
        assert_eq!(names(self.to()), ["f.part", "f.part.sfj"]);
        durable
    }

    /// Fails unless there is nothing but `f`, and it is the `f` of the root.
    #[track_caller]
    pub(crate) fn assert_only_f_and_equal(&self) {
        assert_eq!(names(self.to()), ["f"]);
        self.assert_equal("f");
    }

    /// Fails unless the file of this name is that of the root.
    #[track_caller]
    pub(crate) fn assert_equal(&self, name: impl AsRef<Path>) {
        assert_equal(&self.to().join(&name), &self.root.path().join(&name));
    }

    /// Fails unless nothing but an incomplete `f` is there.
    #[track_caller]
    pub(crate) fn assert_no_f(&self) {
        assert_eq!(names(self.to()), ["f.part", "f.part.sfj"]);
    }
}

/// Runs a test against every server, all at once, and names the one that fails.
pub(crate) fn on_every_server(test: impl Fn(Kind) + Sync) {
    std::thread::scope(|scope| {
        for kind in Kind::ALL {
            let test = &test;
            let thread = std::thread::Builder::new().name(kind.to_string());
            thread.spawn_scoped(scope, move || test(kind)).expect("a thread");
        }
    });
}

/// A time to the second, as all servers can tell it.
pub(crate) fn hours_ago(hours: u64) -> SystemTime {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    SystemTime::UNIX_EPOCH + Duration::from_secs(now - hours * 3600)
}

/// The names in a directory, sorted.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("the directory is read");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// SHA-256 in hexadecimal, as coreutils compute it.
pub(crate) fn sha256(path: &Path) -> String {
    let output = Command::new("sha256sum").arg("--").arg(path).output().expect("sha256sum runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let digest = text.trim_start_matches('\\').split(' ').next().unwrap_or_default();
    assert_eq!(digest.len(), 64, "{text}");
    digest.to_owned()
}

/// Fails at the first byte that differs.
#[track_caller]
pub(crate) fn assert_equal(found: &Path, expected: &Path) {
    let mut files =
        [found, expected].map(|path| File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())));
    let lens = files.each_ref().map(|file| file.metadata().expect("metadata").len());
    assert_eq!(lens[0], lens[1], "length of {}", found.display());
    let mut pieces = [vec![0; 1 << 20], vec![0; 1 << 20]];
    let mut at = 0;
    while at < lens[0] {
        let n = usize::try_from(lens[0] - at).unwrap_or(usize::MAX).min(1 << 20);
        for (file, piece) in files.iter_mut().zip(&mut pieces) {
            file.read_exact(&mut piece[..n]).expect("it is read");
        }
        if pieces[0][..n] != pieces[1][..n] {
            let wrong = pieces[0].iter().zip(&pieces[1]).position(|(a, b)| a != b).expect("they differ");
            panic!("{} is wrong from byte {} on", found.display(), at + wrong as u64);
        }
        at += n as u64;
    }
}

/// Turns the bytes of a range of a file round, as a disk that rots does.
pub(crate) fn rot(path: &Path, offset: u64, len: usize) {
    let file = File::options().read(true).write(true).open(path).expect("the file is there");
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, offset).expect("it is read");
    bytes.iter_mut().for_each(|byte| *byte = !*byte);
    file.write_all_at(&bytes, offset).expect("it is written");
}
