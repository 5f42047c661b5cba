//! A recording is made one that players can seek in: whatever call is the last one, it is there, whole, as it came or as it was made.

use std::path::Path;

use mms_proto::testing::{Film, Habits, Server};
use segfetch_testkit::need_bin;
use tokio::runtime::{Builder, Runtime};

use super::trace::{Call, Step, parse};
use super::traced;
use crate::command::{Running, run};

const NAME: &str = "f.asf";
const TIDY: &str = "f.asf.part.tidy";

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The new file is being written, and nothing of it is safe.
    Written,
    Synced,
    Renamed,
    /// The directory is synced behind the rename.
    Named,
}

/// Checks that the new file takes the name of the recording when all of it is on the disk, and that nothing else happens to the recording.
///
/// # Errors
/// The first thing that is out of order.
fn check(steps: &[Step], dir: &Path) -> Result<(), String> {
    let is = |path: &Path, name: &str| {
        path.ends_with(name) && path.parent().is_none_or(|at| at == Path::new("") || at == dir)
    };
    // The recording gets its name first, which is another matter.
    let named = |step: &Step| matches!(step, Step::Began(_, Call::Rename { from, .. }) if is(from, "f.asf.part"));
    let begin = steps.iter().position(named).ok_or("there is no recording")?;
    let (mut place, mut writes, mut under_way) = (Place::Written, 0, Vec::new());
    for (index, step) in steps.iter().enumerate().skip(begin + 1) {
        let wrong = |what: &str| Err(format!("at step {index}, {place:?}: {what}"));
        match step {
            Step::Began(thread, call) => {
                match call {
                    Call::WriteOn(path) | Call::Write { path, .. } | Call::SetLen { path, .. } if is(path, TIDY) => {
                        if matches!(place, Place::Renamed | Place::Named) {
                            return wrong("the new file is written to when it has the name");
                        }
                        (place, writes) = (Place::Written, writes + 1);
                    }
                    Call::WriteOn(path) | Call::Write { path, .. } | Call::SetLen { path, .. } if is(path, NAME) => {
                        return wrong("the recording is written to");
                    }
                    Call::Unlink(path) if is(path, NAME) => return wrong("the recording is removed"),
                    Call::Rename { from, .. } if is(from, NAME) => return wrong("the recording is moved away"),
                    Call::Rename { from, to } if is(from, TIDY) && is(to, NAME) && place != Place::Synced => {
                        return wrong("the new file gets the name before it is on the disk");
                    }
                    _ => {}
                }
                under_way.retain(|(other, _)| other != thread);
                under_way.push((*thread, (call.clone(), writes)));
            }
            Step::Returned(thread, result) => {
                let Some(at) = under_way.iter().position(|(other, _)| other == thread) else { continue };
                let (_, (call, writes_then)) = under_way.remove(at);
                match call {
                    _ if result.is_none() => {}
                    Call::Sync(path) if is(&path, TIDY) && writes_then == writes && writes > 0 => place = Place::Synced,
                    Call::Rename { from, to } if is(&from, TIDY) && is(&to, NAME) => place = Place::Renamed,
                    Call::Sync(path) if path == dir && place == Place::Renamed => place = Place::Named,
                    _ => {}
                }
            }
        }
    }
    if place == Place::Named { Ok(()) } else { Err(format!("it ended at {place:?}")) }
}

/// A server of a film that is made seekable, and the runtime that it lives in.
struct Scene {
    _runtime: Runtime,
    film: Film,
    server: Server,
}

impl Scene {
    fn new() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let film = Film::builder().packets(1000).build();
        let inside = runtime.enter();
        let server = Server::builder().film("/f.asf", film.clone()).habits(Habits::default()).start().unwrap();
        drop(inside);
        Self { _runtime: runtime, film, server }
    }

    fn url(&self) -> String {
        self.server.url("mmst", "/f.asf")
    }
}

#[test]
fn a_recording_is_replaced_when_the_new_file_is_on_the_disk_and_not_touched_before() {
    let (scene, dir) = (Scene::new(), tempfile::tempdir().unwrap());
    let log = tempfile::NamedTempFile::new().unwrap();
    Running::spawn(traced(dir.path(), log.path(), &["--tidy", &scene.url()])).ended().expect(0);
    let steps = parse(&std::fs::read_to_string(log.path()).unwrap());
    check(&steps, &dir.path().canonicalize().unwrap()).unwrap();
}

#[test]
fn a_kill_at_any_call_leaves_the_recording_or_the_file_that_was_made_of_it() {
    const CALLS: &str = "openat,write,lseek,fchmod,fsync,statx,fstat,rename,unlink";
    let scene = Scene::new();
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), ["--tidy", &scene.url()]).expect(0);
    let (raw, tidied) = (scene.film.served().to_vec(), std::fs::read(dir.path().join(NAME)).unwrap());
    assert!(raw != tidied);
    // Each call about the new file, and each sync of the directory.
    let mut found = [0, 0];
    for (calls, about) in [(CALLS, TIDY), ("fsync", ".")] {
        for number in 1.. {
            let dir = tempfile::tempdir().unwrap();
            let mut command = std::process::Command::new(need_bin("strace"));
            command
                .args(["-f", "-qq", "-o", "/dev/null", "-P", about, "-P"])
                .arg(dir.path().canonicalize().unwrap().join(about));
            command.args([
                "-e",
                &format!("trace={calls}"),
                "-e",
                &format!("inject={calls}:signal=KILL:when={number}"),
                "--",
            ]);
            command.arg(env!("CARGO_BIN_EXE_segfetch")).args(["--tidy", &scene.url()]).current_dir(dir.path());
            let code = Running::spawn(command).ended().code;
            let file = std::fs::read(dir.path().join(NAME)).ok();
            let was_killed = code != Some(0);
            match &file {
                Some(file) if *file == tidied => found[1] += u32::from(was_killed),
                Some(file) if *file == raw && was_killed => found[0] += 1,
                Some(_) => {
                    panic!("killed at call {number} about {about}: neither the recording nor what was made of it")
                }
                // The directory is synced for the download too.
                None => assert!(about == "." && was_killed, "killed at call {number} about {about}: nothing is there"),
            }
            if !was_killed {
                assert!(number > 1, "no call about {about} was seen");
                break;
            }
        }
    }
    assert!(found[0] >= 5 && found[1] >= 1, "{found:?}");
}

mod planted {
    //! A good log, and bad ones made of it, each of which must be found out.

    use super::*;

    const GOOD: [&str; 8] = [
        r#"7 renameat2(AT_FDCWD</d>, "f.asf.part", AT_FDCWD</d>, "f.asf", RENAME_NOREPLACE) = 0"#,
        "7 fsync(9</d>) = 0",
        r#"8 write(9</d/f.asf.part.tidy>, "\x01"..., 7) = 7"#,
        r#"8 write(9</d/f.asf.part.tidy>, "\x01"..., 7) = 7"#,
        "8 fsync(9</d/f.asf.part.tidy>) = 0",
        r#"8 rename("f.asf.part.tidy", "f.asf") = 0"#,
        "8 fsync(9</d>) = 0",
        r#"8 write(1<pipe:[5]>, "\x64", 1) = 1"#,
    ];

    fn checked(lines: &[&str]) -> Result<(), String> {
        check(&parse(&lines.join("\n")), Path::new("/d"))
    }

    fn with(at: usize, line: &'static str) -> Vec<&'static str> {
        let mut lines = GOOD.to_vec();
        lines.insert(at, line);
        lines
    }

    #[test]
    fn a_good_log_is_good() {
        assert_eq!(checked(&GOOD), Ok(()));
    }

    #[test]
    fn what_is_left_out_is_found_out() {
        for missing in [0, 4, 5, 6] {
            let mut lines = GOOD.to_vec();
            lines.remove(missing);
            assert!(checked(&lines).is_err(), "without {}", GOOD[missing]);
        }
    }

    #[test]
    fn what_comes_too_early_too_late_or_fails_is_found_out() {
        for (one, other) in [(3, 4), (4, 5), (5, 6)] {
            let mut lines = GOOD.to_vec();
            lines.swap(one, other);
            assert!(checked(&lines).is_err(), "{} and {}", GOOD[one], GOOD[other]);
        }
        let mut failed = GOOD.to_vec();
        failed[4] = "8 fsync(9</d/f.asf.part.tidy>) = -1 EIO (Input/output error)";
        assert!(checked(&failed).is_err());
    }

    #[test]
    fn whatever_happens_to_the_recording_is_found_out() {
        for line in [
            r#"8 unlink("f.asf") = 0"#,
            r#"8 rename("f.asf", "f.asf.old") = 0"#,
            "8 ftruncate(9</d/f.asf>, 7) = 0",
            r#"8 write(9</d/f.asf>, "\x01"..., 7) = 7"#,
        ] {
            assert!(checked(&with(2, line)).is_err(), "{line}");
        }
    }
}
