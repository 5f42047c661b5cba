//! A good log, and bad ones made of it, each of which must be found out.

use std::ffi::OsString;
use std::path::Path;

use segfetch::checkpoint::record::{Axis, Done, HEADER_LEN, Header, Record, Seed};
use segfetch::checkpoint::{Identity, Run};
use segfetch::source::Validator;

use super::super::trace::parse;
use super::{Seen, check};

const BLOCK: u64 = 1 << 20;

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

fn write(file: &str, bytes: &[u8], offset: u64) -> String {
    format!(r#"7 pwrite64(9</d/{file}>, "{}", {}, {offset}) = {}"#, escaped(bytes), bytes.len(), bytes.len())
}

fn data(block: u64) -> String {
    format!(r#"8 pwrite64(9</d/f.part>, "\x01"..., {BLOCK}, {}) = {BLOCK}"#, block * BLOCK)
}

/// A download of two blocks, with a checkpoint after each.
fn good() -> Vec<String> {
    let header = Header { job_id: [7; 16], generation: 0, block_shift: 20, axis: Axis::Bytes, created: 1 };
    let seed = Seed::of(&header);
    let mut end = HEADER_LEN as u64;
    let mut record = |file: &str, record: &Record| {
        let bytes = record.encode(seed, end);
        end += bytes.len() as u64;
        write(file, &bytes, end - bytes.len() as u64)
    };
    let durable = |block: u64| {
        let (start, end) = (block * BLOCK, (block + 1) * BLOCK);
        Record::Durable(vec![Run { start, end, shift: 20, sums: vec![0] }])
    };
    let identity = Record::Identity(Identity::new("ftp://h/f", Validator::none(), Some(2 * BLOCK)));
    let done = Record::Done(Done { len: 2 * BLOCK, name: OsString::from("f"), digest: Vec::new() });
    let line = |text: &str| text.to_owned();
    vec![
        write("f.part.sfj.new", &header.encode(), 0),
        record("f.part.sfj.new", &identity),
        line("7 fsync(9</d/f.part.sfj.new>) = 0"),
        line(r#"7 rename("f.part.sfj.new", "f.part.sfj") = 0"#),
        line("7 fsync(9</d>) = 0"),
        line("7 ftruncate(9</d/f.part>, 2097152) = 0"),
        data(0),
        line("7 fdatasync(9</d/f.part> <unfinished ...>"),
        data(1),
        line("7 <... fdatasync resumed>) = 0"),
        record("f.part.sfj", &durable(0)),
        line("7 fdatasync(9</d/f.part.sfj>) = 0"),
        line("7 fdatasync(9</d/f.part>) = 0"),
        record("f.part.sfj", &durable(1)),
        line("7 fdatasync(9</d/f.part.sfj>) = 0"),
        line("7 fsync(9</d/f.part>) = 0"),
        record("f.part.sfj", &done),
        line("7 fdatasync(9</d/f.part.sfj>) = 0"),
        line(r#"7 renameat2(AT_FDCWD</d>, "f.part", AT_FDCWD</d>, "f", RENAME_NOREPLACE) = 0"#),
        line("7 fsync(9</d>) = 0"),
        line(r#"7 unlink("f.part.sfj") = 0"#),
    ]
}

fn checked(lines: &[String]) -> Result<Seen, String> {
    check(&parse(&lines.join("\n")), Path::new("/d"), "f")
}

/// A good log without the line at `index`, which is put in front of the one that was at `before`.
#[track_caller]
fn assert_found_out(index: usize, before: usize, said: &str) {
    let mut lines = good();
    let line = lines.remove(index);
    lines.insert(before, line);
    let error = checked(&lines).expect_err("it is out of order");
    assert!(error.contains(said), "{error}");
}

#[track_caller]
fn assert_missed(index: usize, said: &str) {
    let mut lines = good();
    lines.remove(index);
    let error = checked(&lines).expect_err("something is missing");
    assert!(error.contains(said), "{error}");
}

#[test]
fn a_log_in_order_passes_and_its_records_are_counted() {
    assert_eq!(checked(&good()), Ok(Seen { durable_records: 2, written: 2 * BLOCK, claimed: 2 * BLOCK }));
}

#[test]
fn a_record_before_the_sync_of_its_bytes_has_returned_is_found_out() {
    const SAID: &str = "a record claims 0..1048576, which no sync has made durable";
    assert_found_out(10, 9, SAID);
    assert_found_out(6, 7, SAID);
}

#[test]
fn bytes_that_were_written_after_the_sync_began_are_not_covered_by_it() {
    let mut lines = good();
    // The second checkpoint without a sync of its own: the only sync began before the write of its bytes.
    lines.remove(12);
    assert!(checked(&lines).unwrap_err().contains("a record claims 1048576..2097152"));
}

#[test]
fn bytes_that_were_written_again_have_to_be_synced_again() {
    let mut lines = good();
    lines.insert(13, data(0));
    assert!(checked(&lines).unwrap_err().contains("a record claims 0..1048576"));
}

#[test]
fn a_sync_that_failed_covers_nothing() {
    let mut lines = good();
    lines[12] = "7 fdatasync(9</d/f.part>) = -1 EIO (Input/output error)".into();
    assert!(checked(&lines).unwrap_err().contains("a record claims 1048576..2097152"));
}

#[test]
fn a_record_that_is_not_synced_before_the_name_is_given_is_found_out() {
    assert_missed(17, "before the record of that is durable");
    assert_missed(16, "before the record of that is durable");
    assert_missed(2, "before it is synced");
}

#[test]
fn a_part_that_is_not_synced_before_the_name_is_given_is_found_out() {
    let mut lines = good();
    lines.insert(16, "7 ftruncate(9</d/f.part>, 2097152) = 0".into());
    assert!(checked(&lines).unwrap_err().contains("the part gets its name before its sync has returned"));
}

#[test]
fn a_journal_that_goes_before_the_directory_is_synced_is_found_out() {
    assert_missed(19, "before the directory is synced");
    assert_found_out(20, 18, "before the directory is synced");
    assert_missed(20, "it ended at Named");
}

#[test]
fn something_that_is_no_record_is_found_out() {
    let mut lines = good();
    lines.insert(12, write("f.part.sfj", b"nonsense", 4096));
    assert!(checked(&lines).is_ok(), "behind the end nobody reads it");
    lines[10] = lines[10].replacen("\\x0", "\\x1", 1);
    assert!(checked(&lines).unwrap_err().contains("is no record"));
}
