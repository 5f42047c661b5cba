//! Fetching, without accidents.

use std::time::{Duration, SystemTime};

use ftp_proto::testing::{Fault, File, When};
use sha2::{Digest, Sha256};

use crate::support::{assert_content, names, run, server};

const LEN: u64 = 3 << 20;

#[tokio::test]
async fn a_file_arrives_whole_with_its_time_and_leaves_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(LEN).start().unwrap();
    run(dir.path(), [server.url("/f")]).await.expect(0).says("f: done: 3.00 MiB in f");
    assert_content(&dir.path().join("f"), LEN, 1);
    assert_eq!(names(dir.path()), ["f"]);
    let modified = dir.path().join("f").metadata().unwrap().modified().unwrap();
    assert_eq!(modified, File::generated(LEN, 1).modified_at());
}

#[tokio::test]
async fn n_connections_are_open_at_the_same_time() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(32 << 20).rate(4 << 20).start().unwrap();
    let done = run(dir.path(), ["-n", "4", "--json", &server.url("/f")]).await.expect(0);
    assert_content(&dir.path().join("f"), 32 << 20, 1);
    assert_eq!(server.counters().max_data_open, 4);
    assert!(done.event("done")["opens"].as_u64() >= Some(4), "{:?}", done.events());
}

#[tokio::test]
async fn several_urls_are_several_files_in_one_directory() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("to")).unwrap();
    let server = server(LEN).file("/d/g", File::generated(LEN, 2)).file("/h", File::bytes(&b""[..])).start().unwrap();
    run(dir.path(), ["-o", "to", &server.url("/f"), &server.url("/d/g"), &server.url("/h")]).await.expect(0);
    assert_content(&dir.path().join("to/f"), LEN, 1);
    assert_content(&dir.path().join("to/g"), LEN, 2);
    assert_content(&dir.path().join("to/h"), 0, 0);
    assert_eq!(names(&dir.path().join("to")), ["f", "g", "h"]);
}

#[tokio::test]
async fn one_url_that_fails_leaves_the_others_alone_and_decides_the_code() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(LEN).start().unwrap();
    run(dir.path(), [server.url("/none"), server.url("/f")]).await.expect(4).says("none: ").says("f: done");
    assert_content(&dir.path().join("f"), LEN, 1);
}

#[tokio::test]
async fn a_target_with_the_length_and_time_of_the_remote_needs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(LEN).start().unwrap();
    run(dir.path(), [server.url("/f")]).await.expect(0);
    let before = server.counters();
    run(dir.path(), [server.url("/f")]).await.expect(0).says("f: nothing to do: f is there");
    assert_eq!(server.counters().retrs, before.retrs);
    let again = run(dir.path(), ["--json", &server.url("/f")]).await.expect(0);
    assert_eq!(again.event("done")["already_complete"], true);
}

#[tokio::test]
async fn a_target_that_is_another_file_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(LEN).start().unwrap();
    std::fs::write(dir.path().join("f"), "mine").unwrap();
    run(dir.path(), [server.url("/f")]).await.expect(8).says("--overwrite replaces it");
    assert_eq!(std::fs::read(dir.path().join("f")).unwrap(), b"mine");
    assert_eq!(names(dir.path()), ["f"]);
}

#[tokio::test]
async fn overwrite_replaces_and_unique_goes_beside() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(LEN).start().unwrap();
    let target = dir.path().join("f");
    std::fs::write(&target, "mine").unwrap();
    run(dir.path(), ["--unique", &server.url("/f")]).await.expect(0).says("in f.1");
    assert_eq!(std::fs::read(&target).unwrap(), b"mine");
    assert_content(&dir.path().join("f.1"), LEN, 1);
    run(dir.path(), ["--overwrite", &server.url("/f")]).await.expect(0);
    assert_content(&target, LEN, 1);
    assert_eq!(names(dir.path()), ["f", "f.1"]);
}

#[tokio::test]
async fn a_right_checksum_is_confirmed_and_a_wrong_one_keeps_the_name_back() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(LEN).start().unwrap();
    let digest = Sha256::digest(File::generated(LEN, 1).to_vec());
    let right: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let wrong = right.replace(|c: char| c.is_ascii_digit(), "f");
    let url = server.url("/f");
    run(dir.path(), ["--checksum", &format!("sha256:{wrong}"), "-o", "w", &url])
        .await
        .expect(6)
        .says(&right)
        .says("w.part");
    assert!(!dir.path().join("w").exists());
    let done =
        run(dir.path(), ["--checksum", &format!("sha256:{right}"), "--json", &url]).await.expect(0).event("done");
    assert_eq!((done["integrity"].as_str(), done["sha256"].as_str()), (Some("digest"), Some(&*right)));
    assert_content(&dir.path().join("f"), LEN, 1);
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_is_permanent_and_not_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(LEN).no_anonymous().account("anna", "right").start().unwrap();
    run(dir.path(), [server.url("/f")]).await.expect(4).says("Check user and password");
    run(dir.path(), [server.url_as("anna", "wrong", "/f")]).await.expect(4).says("Check user and password");
    assert_eq!(server.counters().bad_passwords, 2);
    run(dir.path(), [server.url_as("anna", "right", "/none")]).await.expect(4).says("Check the path");
    assert_eq!(names(dir.path()), Vec::<String>::new());
    run(dir.path(), [server.url_as("anna", "right", "/f")]).await.expect(0);
}

#[tokio::test]
async fn a_network_that_stays_away_is_given_up_with_what_there_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(LEN).start().unwrap();
    server.fault(When::Always, Fault::HangUp("RETR"));
    let url = server.url("/f");
    run(dir.path(), ["--patience", "1s", &url])
        .await
        .expect(3)
        .says("no progress for 1 s")
        .says("Run the same command again");
    server.clear_faults();
    run(dir.path(), [&url]).await.expect(0);
    assert_content(&dir.path().join("f"), LEN, 1);
}

#[tokio::test]
async fn a_rate_limit_is_kept_over_all_files() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(300 << 10).file("/g", File::generated(300 << 10, 2)).start().unwrap();
    let began = std::time::Instant::now();
    run(dir.path(), ["--limit-rate", "200k", &server.url("/f"), &server.url("/g")]).await.expect(0);
    // 600 KiB at 200 KiB/s; a burst of half a second's worth is fine, a second limit beside the first is not.
    assert!(began.elapsed() >= Duration::from_millis(2400), "{:?}", began.elapsed());
}

#[tokio::test]
async fn quiet_says_nothing_when_all_is_well() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(LEN).start().unwrap();
    let ended = run(dir.path(), ["-q", &server.url("/f")]).await.expect(0);
    assert_eq!((ended.stderr.as_str(), ended.stdout.as_slice()), ("", &b""[..]));
}

#[tokio::test]
async fn a_mistake_in_the_command_line_is_2_and_touches_no_server() {
    let dir = tempfile::tempdir().unwrap();
    for (url, said) in [
        ("ftps://h/f", "not supported yet"),
        ("ftpes://h/f", "not supported yet"),
        ("rtsp://h/f", "not supported yet"),
        ("pnm://h/f", "not supported yet"),
        ("mms://h:0/f", "not a usable media URL"),
        ("gopher://h/f", "gopher"),
        ("f", "ftp://"),
        ("ftp://h/d/", "ftp://h/d/ cannot be fetched: the URL names a directory"),
    ] {
        run(dir.path(), [url]).await.expect(2).says(said);
    }
    run(dir.path(), ["-n", "0", "ftp://h/f"]).await.expect(2);
    run(dir.path(), ["--no-such-option"]).await.expect(2);
    let help = run(dir.path(), ["--help"]).await.expect(0);
    assert!(String::from_utf8(help.stdout).unwrap().contains("Exit codes:"));
}

#[tokio::test]
async fn probe_says_what_the_server_said_and_fetches_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let day = SystemTime::UNIX_EPOCH + Duration::from_secs(951_782_400);
    let server = server(1).file("/f", File::generated(LEN, 1).modified(day)).start().unwrap();
    let said = String::from_utf8(run(dir.path(), ["probe", &server.url("/f")]).await.expect(0).stdout).unwrap();
    assert!(said.contains("3145728 bytes (3.00 MiB)") && said.contains("2000-02-29 00:00:00 UTC"), "{said}");
    let probed = run(dir.path(), ["probe", "--json", &server.url("/f")]).await.expect(0).event("probed");
    assert_eq!((probed["length"].as_u64(), probed["modified"].as_u64()), (Some(LEN), Some(951_782_400)));
    run(dir.path(), ["probe", &server.url("/none")]).await.expect(4);
    assert_eq!(server.counters().retrs, 0);
    assert_eq!(names(dir.path()), Vec::<String>::new());
}
