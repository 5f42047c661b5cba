//! Big files.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use segfetch_testkit::lab::Kind;

use crate::command::run;
use crate::scene::{assert_equal, sha256};

/// A directory in memory if there is room for `len` bytes, as nothing here is about the disk; else where all temporary files are.
fn roomy_directory(len: u64) -> tempfile::TempDir {
    const MEMORY: &str = "/dev/shm";
    let free = rustix::fs::statvfs(MEMORY).map_or(0, |stat| stat.f_bavail * stat.f_frsize);
    let place = if free > 2 * len { MEMORY.into() } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("segfetch-interop-").tempdir_in(place).expect("a directory")
}

/// `len` bytes that compress and repeat nowhere.
fn incompressible_file(path: &Path, len: u64) {
    let mut source = File::open("/dev/urandom").expect("random bytes").take(len);
    let (mut file, mut piece) = (File::create(path).expect("a file"), vec![0; 1 << 20]);
    while source.limit() > 0 {
        let n = source.read(&mut piece).expect("random bytes");
        file.write_all(&piece[..n]).expect("it is written");
    }
}

#[test]
fn one_gibibyte_over_eight_connections_is_equal_with_eight_overlapping_streams_and_at_most_nine_logins() {
    const LEN: u64 = 1 << 30;
    let (root, to) = (roomy_directory(LEN), roomy_directory(LEN));
    incompressible_file(&root.path().join("f"), LEN);
    let server = Kind::Vsftpd.serve(root.path()).rate(16 << 20).start().unwrap();
    run(to.path(), ["-n", "8", &server.url("f")]).expect(0);
    assert_eq!(sha256(&to.path().join("f")), sha256(&root.path().join("f")));
    let log = server.wait_for("the transfers", |log| log.bytes_sent() >= LEN);
    let mut streams = log.transfers.clone();
    streams.sort_by_key(|stream| std::cmp::Reverse(stream.bytes));
    let main = streams.get(..8).unwrap_or_else(|| panic!("fewer than eight streams: {streams:?}"));
    assert!(main.iter().all(|stream| stream.bytes >= LEN / 20), "a stream with less than 5 %: {main:?}");
    let (last_start, first_end) = (main.iter().map(|s| s.start).max(), main.iter().map(|s| s.end).min());
    assert!(last_start < first_end, "there is no moment in which all eight ran: {main:?}");
    assert!(log.logins_granted() <= 9, "{:?}", log.logins);
}

#[test]
fn five_gibibytes_with_a_marker_past_the_fourth_are_equal() {
    const LEN: u64 = 5 << 30;
    let (root, to) = (roomy_directory(LEN), roomy_directory(LEN));
    segfetch_testkit::sparse_file(root.path().join("f"), LEN, b"the last bytes of five gibibytes").unwrap();
    let file = File::options().write(true).open(root.path().join("f")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"just past the fourth", (4 << 30) + 5).unwrap();
    let server = Kind::Proftpd.serve(root.path()).start().unwrap();
    run(to.path(), ["-n", "4", &server.url("f")]).expect(0).says("5.00 GiB");
    assert_equal(&to.path().join("f"), &root.path().join("f"));
}
