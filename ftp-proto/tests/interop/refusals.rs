//! What cannot be had, and that the session goes on.

use std::os::unix::fs::PermissionsExt;

use ftp_proto::client::{ErrorClass, OpenError};
use ftp_proto::wire::Path;
use segfetch_testkit::lab::Kind;

use super::setup::{client, server_with_file, take};

#[tokio::test]
async fn a_missing_file_a_directory_and_an_unreadable_file_are_told_apart_as_far_as_the_server_does() {
    for kind in Kind::ALL {
        let (dir, server, pattern) = server_with_file(kind, 300_000);
        std::fs::create_dir(dir.path().join("dir")).unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "x").unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o000)).unwrap();
        // The embedded Python server runs as the tests do: root may read everything.
        let readable = kind == Kind::Pyftpd;
        let client = client(&server);
        let path = |name: &'static str| Path::new([name]).unwrap();
        for _ in 0..2 {
            for start in [0, 5] {
                let error = client.download(&path("none"), start).await.unwrap_err();
                assert_eq!(error.class(), ErrorClass::NotFound, "{kind:?}: {error}");
                let error = client.download(&path("dir"), start).await.unwrap_err();
                let directory = matches!(error, OpenError::Directory) || error.class() == ErrorClass::NotFound;
                assert!(directory || error.class() == ErrorClass::Denied, "{kind:?}: {error}");
                let unknown = client.download(&Path::new(["none", "f"]).unwrap(), start).await.unwrap_err();
                assert_eq!(unknown.class(), ErrorClass::NotFound, "{kind:?}: {unknown}");
            }
            match client.download(&path("secret"), 0).await {
                Ok(_) => assert!(readable, "{kind:?}"),
                Err(error) => assert_eq!((error.class(), readable), (ErrorClass::Denied, false), "{kind:?}: {error}"),
            }
            let mut download = client.download(&path("big"), 77).await.unwrap();
            assert!(take(&mut download, 1000).await.starts_with(&pattern.bytes(77, 1000)));
        }
        let log = server.wait_for("the last transfer", |log| log.transfers.len() >= 2);
        assert_eq!(log.logins_granted(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn an_empty_file_and_the_end_of_a_file_are_ends_and_not_errors() {
    for kind in Kind::ALL {
        let (dir, server, _) = server_with_file(kind, 1000);
        std::fs::write(dir.path().join("empty"), "").unwrap();
        let client = client(&server);
        for (name, start) in [("empty", 0), ("big", 1000), ("empty", 0), ("big", 999)] {
            let mut download = client.download(&Path::new([name]).unwrap(), start).await.unwrap();
            let len = take(&mut download, 10).await.len();
            assert_eq!(len, usize::from(start == 999), "{kind:?}: {name}");
        }
        assert_eq!(client.sessions(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn after_an_early_stop_of_pure_ftpd_each_command_gets_its_own_reply() {
    let (_dir, server, pattern) = server_with_file(Kind::PureFtpd, 64 << 20);
    let client = client(&server);
    let path = Path::new(["big"]).unwrap();
    for round in 0..20 {
        let mut download = client.download(&path, round).await.unwrap();
        assert!(take(&mut download, 100).await.starts_with(&pattern.bytes(round, 100)));
        download.stop().await;
        assert_eq!(client.probe(&path).await.unwrap().size, Some(64 << 20));
    }
    assert!(client.quirks().terminal_is_1xx);
    assert_eq!(client.sessions(), 1);
}
