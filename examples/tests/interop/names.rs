//! Names and addresses.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use segfetch_testkit::lab::Kind;

use crate::namespace::Namespace;
use crate::scene::{Scene, names, on_every_server};

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
///
/// Observed: pyftpdlib 1.5.7 knows names as text, in which bytes that are no UTF-8 are lost; pure-ftpd 1.0.50 prohibits backslashes
/// and control characters.
fn is_beyond(kind: Kind, name: &[u8]) -> bool {
    match kind {
        Kind::Pyftpd => std::str::from_utf8(name).is_err(),
        Kind::PureFtpd => name.iter().any(|&byte| byte == b'\\' || byte < b' '),
        _ => false,
    }
}

#[test]
fn odd_names_arrive_equal_under_the_same_bytes_or_are_refused_with_code_4() {
    on_every_server(|kind| {
        let scene = Scene::new();
        for (seed, name) in (1..).zip(ODD) {
            segfetch_testkit::random_file(scene.root.path().join(OsStr::from_bytes(name)), 3000, seed).unwrap();
        }
        let server = kind.serve(scene.root.path()).start().unwrap();
        let ended = ODD.map(|name| (name, scene.run([&server.url(&encoded(name))])));
        for (name, ended) in &ended {
            let (shown, code) = (name.escape_ascii(), if is_beyond(kind, name) { 4 } else { 0 });
            assert_eq!(ended.code, Some(code), "{kind} and {shown}: {}", ended.stderr);
            if code == 0 {
                scene.assert_equal(OsStr::from_bytes(name));
            } else {
                assert!(!ended.stderr.contains("password"), "the login was not the trouble: {}", ended.stderr);
            }
        }
        let served = ODD.iter().filter(|name| !is_beyond(kind, name)).count();
        // An incomplete file is two names: what is refused only when it is opened leaves them.
        let complete = |path: &std::path::Path| !path.to_string_lossy().contains(".part");
        let found = std::fs::read_dir(scene.to()).unwrap().filter(|entry| complete(&entry.as_ref().unwrap().path()));
        assert_eq!(found.count(), served, "{kind}: {:?}", names(scene.to()));
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
    assert!(log.commands.iter().all(|(_, line)| !line.contains("DELE")), "{:?}", log.commands);
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

#[test]
fn a_host_name_with_a_live_and_a_dead_address_is_fetched_whichever_family_lives() {
    for alive in ["127.0.0.1", "::1"] {
        let scene = Scene::with(1 << 20);
        let server = Kind::Proftpd.serve(scene.root.path()).ip(alive.parse().unwrap()).start().unwrap();
        // Nothing listens at that port of the other address.
        let script = "printf '::1 twofold.test\\n127.0.0.1 twofold.test\\n' > \"$1/hosts\"; mount --bind \"$1/hosts\" /etc/hosts";
        let named = Namespace::new(scene.to(), script);
        let url = format!("ftp://twofold.test:{}/f", server.addr().port());
        named.run(&["-n", "2", &url]).expect(0);
        scene.assert_equal("f");
    }
}

#[test]
fn probe_says_length_and_time_of_a_file_on_every_server_and_fetches_nothing() {
    on_every_server(|kind| {
        let scene = Scene::new();
        let day = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(951_782_400);
        scene.put("f", 3 << 20, 1, day);
        let server = kind.serve(scene.root.path()).start().unwrap();
        let said = scene.run(["probe", &server.url("f")]).expect(0).stdout;
        for part in ["3145728 bytes (3.00 MiB)", "2000-02-29 00:00:00 UTC", "at any byte", "by a weak validator"] {
            assert!(said.contains(part), "{kind}: {part} is not in {said}");
        }
        scene.run(["probe", &server.url("none")]).expect(4).says("Check the path");
        assert_eq!((server.log().transfers.len(), names(scene.to())), (0, Vec::new()));
    });
}
