//! The examples run alone, and do what they say.

use std::path::PathBuf;
use std::process::Command;

/// An example that cargo has built beside the command, as it does for `cargo test` without `--test`.
fn example(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_segfetch")).with_file_name("examples").join(name);
    assert!(path.exists(), "build it first: cargo build -p segfetch-cli --examples");
    path
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn download_fetches_a_file() {
    let said = output(&mut Command::new(example("download")));
    assert!(said.starts_with("67108864 bytes in "), "{said}");
}

#[test]
fn custom_source_copies_a_file() {
    let said = output(&mut Command::new(example("custom_source")));
    assert!(said.starts_with("33554432 bytes with ") && said.ends_with(", equal\n"), "{said}");
}

#[test]
fn progress_stops_half_way_and_goes_on() {
    let said = output(&mut Command::new(example("progress")));
    for part in ["bytes/s over 4 connections", "stopped; ", "going on; ", "done: 16777216 bytes"] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}

#[test]
fn sans_io_ftp_fetches_a_file_without_a_runtime() {
    let said = output(&mut Command::new(example("sans_io_ftp")));
    assert!(
        said.starts_with("logged in\nSome(5000000) bytes, ")
            && said.ends_with("5000000 bytes, confirmed by the server\n"),
        "{said}"
    );
}

#[test]
fn sans_io_mms_fetches_a_film_without_a_runtime() {
    let said = output(&mut Command::new(example("sans_io_mms")));
    assert!(said.starts_with("Some(1000) packets, seekable: true\n") && said.ends_with(" bytes, equal\n"), "{said}");
}

#[test]
fn save_stream_joins_a_broadcast_and_makes_a_file_of_it() {
    let said = output(&mut Command::new(example("save_stream")));
    for part in [", live\n", "joined at packet 4000000, ", "250 packets, an index of "] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}

#[test]
fn list_streams_says_what_is_in_a_film() {
    let said = output(&mut Command::new(example("list_streams")));
    for part in ["\"Test film 1\" by ", "Some(300) packets", "stream 1: video MJPG, 64x48", "stream 2: sound 0x0001, "]
    {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}

#[test]
fn tidy_asf_looks_into_packets_and_makes_an_index() {
    let said = output(&mut Command::new(example("tidy_asf")));
    for part in ["600 packets of 3200 bytes, Some(", "a key frame of stream 1 in packet 0\n", "an index of "] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}

#[test]
fn zip_member_reads_a_member_and_not_the_archive() {
    let said = output(&mut Command::new(example("zip_member")));
    assert!(said.contains("  film.mkv\n") && said.contains("1048576 bytes of notes.txt with 2 streams, "), "{said}");
}

#[test]
fn quickstart_kills_resumes_compares_and_cleans_up() {
    let tmp = tempfile::tempdir().unwrap();
    let said =
        output(Command::new(example("quickstart")).env("SEGFETCH_QUICKSTART_MIB", "32").env("TMPDIR", tmp.path()));
    for part in [
        "Killed by SIGKILL",
        "disc.iso.part.sfj",
        "on both sides",
        "connections at once       4",
        "SHA-256 equal",
        "film by MMST",
        "film by MMSH",
    ] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    assert_eq!(std::fs::read_dir(tmp.path()).unwrap().count(), 0, "the temporary directory is cleaned up");
}
