//! Names and addresses.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use segfetch_testkit::lab::Kind;

use crate::scene::{Scene, assert_equal, on_every_server};

/// Names that no listing is needed for, and that everything on the way has a use for.
const ODD: [&[u8]; 22] = [
    b" leading",
    b"trailing ",
    b"two  blanks",
    b"-x",
    b"--help",
    b"50%",
    b"%41",
    b"a\"b\"",
    b"it's",
    b";=x",
    b"f;type=a",
    b"[*]?",
    b"{a,b}~$HOME",
    b"back\\slash",
    b"a:b#c",
    b"tab\there",
    "\u{e9}t\u{e9} \u{4e2d}".as_bytes(),
    "\u{44f}".as_bytes(),
    b"gr\xfc\xdfe",
    b"\xff",
    b"a\xff\xf4\xf2b",
    b"\xcc\xee\xff.txt",
];

/// Every byte that is not a letter or digit, as `%41`.
fn encoded(name: &[u8]) -> String {
    let byte = |&byte: &u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    name.iter().map(byte).collect()
}

/// What a server does not serve, whoever asks.
fn is_beyond(_kind: Kind, _name: &[u8]) -> bool {
    false
}

#[test]
fn odd_names_arrive_equal_under_the_same_bytes_or_are_refused_with_code_4() {
    on_every_server(|kind| {
        let scene = Scene::new();
        for (seed, name) in (1..).zip(ODD) {
            segfetch_testkit::random_file(scene.root.path().join(OsStr::from_bytes(name)), 3000, seed).unwrap();
        }
        let server = kind.serve(scene.root.path()).start().unwrap();
        let mut fetched = 0;
        for name in ODD {
            let shown = name.escape_ascii();
            let ended = scene.run([&server.url(&encoded(name))]);
            if is_beyond(kind, name) {
                ended.expect(4);
                continue;
            }
            assert_eq!(ended.code, Some(0), "{kind} and {shown}: {}", ended.stderr);
            fetched += 1;
            let path = OsStr::from_bytes(name);
            assert_equal(&scene.to().join(path), &scene.root.path().join(path));
        }
        assert_eq!(std::fs::read_dir(scene.to()).unwrap().count(), fetched, "{kind} left something else");
    });
}

#[test]
fn a_line_end_in_a_name_is_refused_before_anything_is_sent() {
    let scene = Scene::with(1000);
    let server = Kind::Vsftpd.serve(scene.root.path()).start().unwrap();
    for path in ["a%0Db", "a%0Ab", "f%0D%0ADELE%20f", "a%00b"] {
        scene.run([&server.url(path)]).expect(2);
    }
    scene.run([&server.url("f")]).expect(0);
    let log = server.wait_for("the download", |log| !log.transfers.is_empty());
    assert_eq!(log.logins.len(), 1, "{:?}", log.commands);
    assert!(log.commands.iter().all(|(_, line)| !line.contains("DELE") && !line.contains("a")), "{:?}", log.commands);
}

#[test]
fn an_empty_file_arrives_empty_from_every_server() {
    on_every_server(|kind| {
        let scene = Scene::with(0);
        let server = kind.serve(scene.root.path()).start().unwrap();
        scene.run(["-n", "4", &server.url("f")]).expect(0).says("f: done: 0 B in f");
        scene.assert_only_f_and_equal();
    });
}

#[test]
fn ipv6_serves_a_whole_file_over_four_connections() {
    on_every_server(|kind| {
        let scene = Scene::with(8 << 20);
        let server = kind.serve(scene.root.path()).ipv6().rate(2 << 20).start().unwrap();
        assert!(server.url("f").starts_with("ftp://[::1]:"), "{}", server.url("f"));
        scene.run(["-n", "4", &server.url("f")]).expect(0);
        scene.assert_only_f_and_equal();
        let log = server.wait_for("the transfers", |log| log.bytes_sent() >= 8 << 20);
        assert!(log.most_transfers_at_once() >= 2, "{kind}: {log:?}");
    });
}
