//! `-o -`.

use std::process::Stdio;

use ftp_proto::testing::{Ending, Fault, File, When};
use rustix::process::Signal;
use tokio::io::AsyncReadExt;

use crate::support::{end, names, run, segfetch, server, signal_to};

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
async fn a_broken_connection_is_replaced_and_no_byte_comes_twice() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(LEN).start().unwrap();
    server.fault(When::Next(2), Fault::Cut { after: 1 << 20, end: Ending::Rst, reply: Some("426 Lost") });
    let ended = run(dir.path(), ["-o", "-", &server.url("/f")]).await.expect(0).says("trying again");
    assert!(ended.stdout == File::generated(LEN, 1).to_vec());
    assert!(server.counters().retrs >= 3, "both cuts came");
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
    let server = server(LEN).start().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = segfetch(dir.path(), ["-o", "-", &server.url("/f")]);
    let child = command.stdout(Stdio::from(writer)).spawn().unwrap();
    drop(command);
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert!(String::from_utf8(output.stderr).unwrap().contains("the reader of standard output has gone away"));
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
