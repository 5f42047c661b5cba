//! Names are bytes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use ftp_proto::client::ErrorClass;
use ftp_proto::wire::Path;
use segfetch_testkit::lab::Kind;

use super::setup::{client, take};

const NAMES: [&[u8]; 17] = [
    b" leading",
    b"trailing ",
    b"  both  ",
    b"-x",
    b"--help",
    b"a;type=b",
    b"x=1;size=2; y",
    b"[ab]*?{c}",
    b"quo\"te\"s",
    b"100%",
    b"%41",
    b"back\\slash",
    b"tab\there",
    b"latin-\xe9",
    b"cp1251-\xff\xe0",
    b"\xff\xff",
    "utf-8 \u{44f} \u{1f600}".as_bytes(),
];

#[tokio::test]
async fn odd_names_arrive_as_they_are_or_are_refused_in_step() {
    for kind in Kind::ALL {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join(OsStr::from_bytes(b"di r;\xe9"));
        std::fs::create_dir(&inner).unwrap();
        for name in NAMES {
            std::fs::write(dir.path().join(OsStr::from_bytes(name)), name).unwrap();
            std::fs::write(inner.join(OsStr::from_bytes(name)), [b"inner ", name].concat()).unwrap();
        }
        let server = kind.serve(dir.path()).start().unwrap();
        let client = client(&server);
        let mut refused = Vec::new();
        for name in NAMES {
            for (path, content) in [
                (Path::new([name.to_vec()]).unwrap(), name.to_vec()),
                (Path::new([b"di r;\xe9".to_vec(), name.to_vec()]).unwrap(), [b"inner ", name].concat()),
            ] {
                match client.download(&path, 0).await {
                    Ok(mut download) => assert_eq!(take(&mut download, 1000).await, content, "{kind:?}: {path}"),
                    Err(error) => {
                        let refusal = matches!(error.class(), ErrorClass::NotFound | ErrorClass::Denied);
                        assert!(refusal, "{kind:?}: {path}: {error}");
                        refused.push(path);
                    }
                }
            }
        }
        // pyftpdlib 1.5.7 decodes names as UTF-8 and cannot name these files at all; pure-ftpd
        // prohibits the backslash and replaces the tab.
        let may_refuse = |path: &Path| match kind {
            Kind::Pyftpd => path.segments().any(|segment| std::str::from_utf8(segment.as_bytes()).is_err()),
            Kind::PureFtpd => path.file().is_some_and(|name| name.as_bytes().iter().any(|byte| b"\\\t".contains(byte))),
            _ => false,
        };
        assert!(refused.iter().all(may_refuse), "{kind:?}: {refused:?}");
        let log = server.wait_for("transfers", |log| log.transfers.len() >= 2 * NAMES.len() - refused.len());
        assert_eq!(log.logins_granted(), 1, "{kind:?}");
    }
}

#[test]
fn names_that_could_end_a_command_are_refused_before_anything_is_sent() {
    for name in ["a\r\nDELE b", "a\nb", "a\rb", "a\0b"] {
        assert!(Path::new([name.to_owned()]).is_err(), "{name:?}");
    }
    for url in ["ftp://h/a%0D%0ADELE%20b", "ftp://h/a%0Ab", "ftp://h/a%00b", "ftp://u%0D:p@h/a"] {
        assert!(ftp_proto::wire::Url::parse(url).is_err(), "{url}");
    }
}
