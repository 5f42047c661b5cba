//! `-o -`.

use std::io::Read;
use std::process::Stdio;

use ftp_proto::testing::{Ending, Fault, File, When};
use rustix::process::Signal;
use tokio::io::AsyncReadExt;

use crate::support::{end, names, run, segfetch, server, signal_to, wait};

const LEN: u64 = 3 << 20;

#[tokio::test]
async fn a_file_goes_to_standard_output_and_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(LEN).start().unwrap();
    let ended =
        run(dir.path(), ["-o", "-", &server.url("/f")]).await.expect(0).says("done: 3.00 MiB in standard output");
    assert!(ended.stdout == File::generated(LEN, 1).to_vec());
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn several_connections_fetch_it_and_every_byte_comes_in_its_order() {
    const LEN: u64 = 24 << 20;
    let dir = tempfile::tempdir().unwrap();
    let server = server(LEN).rate(4 << 20).start().unwrap();
    let ended = run(dir.path(), ["-n", "4", "-o", "-", &server.url("/f")]).await.expect(0);
    assert!(ended.stdout == File::generated(LEN, 1).to_vec());
    let counters = server.counters();
    // One session more if another is not free in time.
    assert!((4..=5).contains(&counters.max_open), "{counters:?}");
    assert!(counters.bytes_sent < LEN + LEN / 4, "{counters:?}");
}

#[tokio::test]
async fn without_a_number_it_takes_what_the_server_grants() {
    const LEN: u64 = 12 << 20;
    let dir = tempfile::tempdir().unwrap();
    let server = server(LEN).rate(4 << 20).max_connections(2).start().unwrap();
    let ended = run(dir.path(), ["-o", "-", &server.url("/f")]).await.expect(0).says("the server grants ");
    assert!(ended.stdout == File::generated(LEN, 1).to_vec());
    let counters = server.counters();
    assert_eq!(counters.max_open, 2);
    assert!((1..=8).contains(&counters.refusals), "{counters:?}");
}

#[tokio::test]
async fn broken_connections_are_replaced_and_no_byte_comes_twice() {
    let dir = tempfile::tempdir().unwrap();
    for (n, len) in [("1", LEN), ("4", 24 << 20)] {
        // Slow enough that all of them are still needed when they break.
        let server = server(len).rate(8 << 20).start().unwrap();
        server.fault(When::Next(2), Fault::Cut { after: 1 << 20, end: Ending::Rst, reply: Some("426 Lost") });
        let ended = run(dir.path(), ["-n", n, "-o", "-", &server.url("/f")]).await.expect(0).says("trying again");
        assert!(ended.stdout == File::generated(len, 1).to_vec(), "connections: {n}");
        assert!(server.counters().retrs >= 3, "both cuts came");
    }
}

#[tokio::test]
async fn another_file_is_never_appended_to_the_one_that_was_begun() {
    const LEN: u64 = 24 << 20;
    let dir = tempfile::tempdir().unwrap();
    for n in ["1", "4"] {
        let server = server(LEN).rate(8 << 20).start().unwrap();
        // So that one stream is not enough.
        server.fault(When::Nth(1), Fault::Cut { after: 5 << 20, end: Ending::Rst, reply: Some("426 Lost") });
        let mut child = segfetch(dir.path(), ["-n", n, "-o", "-", &server.url("/f")]).spawn().unwrap();
        let mut out = vec![0; 1000];
        child.stdout.as_mut().unwrap().read_exact(&mut out).await.unwrap();
        server.put("/f", File::generated(LEN, 2));
        let ended = wait(child, out).await.expect(5).says("the file on the server has changed");
        assert!(ended.stdout.len() < LEN as usize);
        assert!(File::generated(LEN, 1).to_vec().starts_with(&ended.stdout), "connections: {n}");
    }
}

#[tokio::test]
async fn a_server_that_starts_elsewhere_than_it_says_puts_no_byte_in_a_wrong_place() {
    const LEN: u64 = 12 << 20;
    let dir = tempfile::tempdir().unwrap();
    let wrong = Fault::WrongOffset { back: 1000, above: 0 };
    // Byte 0 is found out at the first start, and one connection is enough. Another place is by the last byte of the file, or
    // later, when streams do not join: which of them depends on whether the stream from byte 0 is early enough to be compared.
    for (when, fault, codes) in [(2, Fault::REST_IGNORED, &[0][..]), (2, wrong.clone(), &[0, 5]), (6, wrong, &[5])] {
        let server = server(LEN).rate(8 << 20).start().unwrap();
        server.fault(When::From(when), fault);
        let ended = run(dir.path(), ["-n", "4", "-o", "-", &server.url("/f")]).await;
        assert!(File::generated(LEN, 1).to_vec().starts_with(&ended.stdout));
        let code = ended.code.unwrap();
        assert!(codes.contains(&code), "{code}: {}", ended.stderr);
        assert_eq!(ended.stdout.len() as u64 == LEN, code == 0, "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_wrong_checksum_is_found_though_the_bytes_are_out() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(1000).start().unwrap();
    let wrong = format!("sha256:{}", "0".repeat(64));
    let ended = run(dir.path(), ["-o", "-", "--checksum", &wrong, &server.url("/f")]).await.expect(6);
    assert_eq!(ended.stdout.len(), 1000);
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_the_command() {
    let dir = tempfile::tempdir().unwrap();
    for read in [0, 1 << 20] {
        // Slow enough that it cannot be through when the reader leaves.
        let server = server(64 << 20).rate(1 << 20).start().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut command = segfetch(dir.path(), ["-n", "8", "-o", "-", &server.url("/f")]);
        let child = command.stdout(Stdio::from(writer)).spawn().unwrap();
        drop(command);
        tokio::task::spawn_blocking(move || reader.read_exact(&mut vec![0; read])).await.unwrap().unwrap();
        let ended = wait(child, Vec::new()).await.expect(7).says("the reader of standard output has gone away");
        assert!(!ended.stderr.contains("panic"), "{}", ended.stderr);
        assert!(server.counters().bytes_sent < 48 << 20, "it did not go on for nobody");
    }
}

#[tokio::test]
async fn ctrl_c_ends_it_though_nobody_reads() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(LEN).start().unwrap();
    let mut child = segfetch(dir.path(), ["-o", "-", &server.url("/f")]).spawn().unwrap();
    let mut first = [0; 1000];
    child.stdout.as_mut().unwrap().read_exact(&mut first).await.unwrap();
    assert!(first[..] == File::generated(LEN, 1).to_vec()[..1000]);
    signal_to(&child, Signal::INT);
    assert_eq!(child.wait().await.unwrap().code(), Some(130));
}

#[tokio::test]
async fn what_is_not_there_gives_no_byte() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(1).start().unwrap();
    let ended = end(segfetch(dir.path(), ["-q", "-o", "-", &server.url("/none")])).await.expect(4);
    assert!(ended.stdout.is_empty());
}
