//! Names of targets.

use std::os::unix::ffi::OsStrExt;

use ftp_proto::testing::File;

use crate::support::{names, run, server};

#[tokio::test]
async fn a_name_that_would_leave_its_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("in")).unwrap();
    let server = server(1).start().unwrap();
    for path in ["/%2E%2E", "/..", "/d/..%2F..", "/."] {
        let url = format!("ftp://{}{path}", server.addr());
        run(&dir.path().join("in"), [&url]).await.expect(2).says("choose");
    }
    assert_eq!(names(dir.path()), ["in"]);
    assert_eq!(names(&dir.path().join("in")), Vec::<String>::new());
    assert_eq!(server.counters().connections, 0);
}

#[tokio::test]
async fn of_a_path_that_climbs_only_the_last_name_counts() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("in")).unwrap();
    let server = server(1).start().unwrap();
    run(&dir.path().join("in"), [format!("ftp://{}/d/..%2F..%2Ff", server.addr())]).await.expect(0);
    assert_eq!((names(dir.path()), names(&dir.path().join("in"))), (vec!["in".into()], vec!["f".into()]));
}

#[tokio::test]
async fn a_name_that_is_no_utf8_is_kept_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(1).file(b"/gr\xfc\xdfe ;#?", File::generated(1000, 1)).start().unwrap();
    let url = format!("ftp://{}/gr%FC%DFe%20%3B%23%3F", server.addr());
    run(dir.path(), [&url]).await.expect(0);
    let entry = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap();
    assert_eq!(entry.file_name().as_bytes(), b"gr\xfc\xdfe ;#?");
}

#[tokio::test]
async fn two_urls_that_come_to_one_name_are_refused_before_anything_is_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(1).file("/d/f", File::generated(1, 2)).start().unwrap();
    run(dir.path(), [server.url("/f"), server.url("/d/f")]).await.expect(2).says("would both use f");
    run(dir.path(), ["-o", "x", &server.url("/f"), &server.url("/d/f")]).await.expect(2).says("no directory");
    run(dir.path(), ["-o", "none/", &server.url("/f")]).await.expect(2).says("make it first");
    assert_eq!(server.counters().connections, 0);
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_type_at_the_end_of_the_url_is_no_part_of_the_name() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(1000).start().unwrap();
    run(dir.path(), [format!("{};type=i", server.url("/f"))]).await.expect(0);
    assert_eq!(names(dir.path()), ["f"]);
}
