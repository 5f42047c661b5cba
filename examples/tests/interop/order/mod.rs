//! The order of a real run's system calls: data first, then the claim, then the name.

mod check;
mod tidy;
mod trace;

use std::path::Path;
use std::process::Command;

use segfetch_testkit::lab::Kind;
use segfetch_testkit::need_bin;

use crate::command::Running;
use crate::scene::Scene;
use check::Seen;

const CALLS: &str = "trace=write,pwrite64,pwritev,pwritev2,fdatasync,fsync,rename,renameat,renameat2,ftruncate,fallocate,unlink,unlinkat";

/// The command under strace, which writes to `log`.
fn traced(dir: &Path, log: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(need_bin("strace"));
    // Paths of descriptors, all text as \xNN, and whole journal records; lines of one thread are split where another comes between.
    command.args(["-f", "-qq", "-y", "-xx", "-s", "65536", "-e", CALLS, "-o"]).arg(log).arg("--");
    command.arg(env!("CARGO_BIN_EXE_segfetch")).args(args).current_dir(dir).env_remove("SEGFETCH_PASSWORD");
    command
}

#[test]
fn every_byte_that_a_record_claims_was_synced_before_and_the_name_comes_last() {
    const LEN: u64 = 24 << 20;
    let scene = Scene::with(LEN);
    let log = scene.root.path().join("strace");
    let server = Kind::Vsftpd.serve(scene.root.path()).rate(1 << 20).start().unwrap();
    Running::spawn(traced(scene.to(), &log, &["-n", "4", &server.url("f")])).ended().expect(0);
    scene.assert_only_f_and_equal();
    let log = std::fs::read_to_string(log).unwrap();
    let seen = check::check(&trace::parse(&log), &scene.to().canonicalize().unwrap(), "f").unwrap();
    // At this rate it takes six seconds, with a checkpoint every other second, and a record of the end.
    assert!(seen.durable_records >= 3, "{seen:?}");
    assert_eq!(seen, Seen { written: LEN, claimed: LEN, ..seen });
}

#[test]
fn a_run_that_goes_on_after_a_kill_keeps_the_order_too() {
    const LEN: u64 = 24 << 20;
    let scene = Scene::with(LEN);
    let server = Kind::Proftpd.serve(scene.root.path()).rate(1 << 20).start().unwrap();
    let url = server.url("f");
    scene.interrupted(["-n", "4", &url]);
    let (have, journal) = (scene.journaled().claims.have(), std::fs::read(scene.journal()).unwrap());
    let log = scene.root.path().join("strace");
    Running::spawn(traced(scene.to(), &log, &["-n", "4", &url])).ended().expect(0);
    scene.assert_only_f_and_equal();
    let steps = trace::parse(&std::fs::read_to_string(log).unwrap());
    let dir = scene.to().canonicalize().unwrap();
    let seen = check::check_resumed(&steps, &dir, "f", have.clone(), journal).unwrap();
    assert!(seen.durable_records >= 2, "{seen:?}");
    assert_eq!(seen, Seen { written: LEN - have.total(), claimed: LEN, ..seen });
}
