//! The checker itself, on offences that are planted.

use crate::rules::complaints;
use crate::source::Source;

fn offences(path: &str, text: &str) -> usize {
    complaints(&Source::new(path, text)).len()
}

#[test]
fn each_rule_finds_its_offence() {
    const LINTS: &str = "#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]";
    let long = "x\n".repeat(601);
    let planted = [
        ("ftp-proto/src/client/a.rs", "use segfetch::Engine;"),
        ("ftp-proto/tests/it/a.rs", "use segfetch::Engine;"),
        ("segfetch/src/engine/a.rs", "fn f() { ftp_proto::client::Client::new() }"),
        ("ftp-proto/src/wire/mod.rs", &format!("{LINTS}\n")), // as_conversions
        ("ftp-proto/src/conn/mod.rs", &format!("{LINTS}\n")),
        ("ftp-proto/src/wire/text.rs", "use crate::conn::Error;"),
        ("ftp-proto/src/wire/text.rs", "use super::super::client::Error;"),
        ("ftp-proto/src/wire/text.rs", "use crate::{\n    wire::Code,\n    client::Client,\n};"),
        ("ftp-proto/src/wire/text.rs", "use crate::{conn, wire};"),
        ("ftp-proto/src/wire/text.rs", "use std::time::Instant;"),
        ("ftp-proto/src/wire/text.rs", "fn f(s: std::net::TcpStream) {}"),
        ("ftp-proto/src/conn/error.rs", "use tokio::sync::mpsc;"),
        ("ftp-proto/src/conn/error.rs", "fn f() { crate::client::f() }"),
        ("ftp-proto/src/conn/error.rs", "fn f() { std::time::Instant::now(); }"),
        ("ftp-proto/src/client/a.rs", "use crate::source::X;"),
        ("ftp-proto/src/testing/a.rs", "use crate::wire::Reply;"),
        ("mms-proto/src/asf/packet.rs", "use crate::wire::Hresult;\n//! Spec: ASF"),
        ("mms-proto/src/testing/a.rs", "use crate::asf::Header;"),
        ("segfetch/src/plan/a.rs", "fn f() { let now = Instant::now(); }"),
        ("segfetch/src/plan/a.rs", "use crate::engine::Job;"),
        ("segfetch/src/plan/a.rs", "fn f(bytes_left: u64) {}"),
        ("segfetch/src/plan/a.rs", "struct ByteCount;"),
        ("segfetch/src/checkpoint/a.rs", "use crate::plan::Planner;"),
        ("segfetch/src/sink/a.rs", "use tokio::fs::File;\n"),
        ("segfetch/src/engine/a.rs", "fn f() { tokio::fs::read(\"x\") }"),
        ("segfetch/src/engine/a.rs", "fn f() { let now = SystemTime::now(); }"),
        ("segfetch/src/engine/a.rs", "fn get_job() {}"),
        ("segfetch/src/lib.rs", "mod utils;"),
        ("segfetch/tests/a.rs", "#[test]\n#[ignore]\nfn f() {}"),
        ("segfetch/tests/a.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}"),
        ("segfetch/tests/a.rs", "fn f() { std::thread::sleep(d) }"),
        ("segfetch/tests/a.rs", "#[tokio::test(start_paused = true)]\nasync fn f() { std::thread::sleep(d) }"),
        (
            "segfetch/tests/a.rs",
            "#[tokio::test(start_paused = true)]\nasync fn f() {}\n#[tokio::test]\nasync fn g() { sleep(d).await }",
        ),
        (
            "segfetch/src/engine/a.rs",
            "fn f() {}\n#[cfg(test)]\nmod tests {\n    async fn f() { tokio::time::sleep(d).await }\n}",
        ),
        ("segfetch/src/engine/a.rs", &long),
        ("benches/release/a.py", &long),
        ("ftp-proto/src/wire/a.rs", "//! Spec: RFC 959\n/// Parses.\npub fn size() {}"),
        (
            "ftp-proto/src/wire/a.rs",
            "//! Spec: RFC 959\nimpl A {\n    /// Parses.\n    ///\n    /// Spec says\n    pub fn parse(a: &[u8]) {}\n}",
        ),
        ("ftp-proto/src/wire/a.rs", "/// Spec: RFC 959\n///\n/// And more.\npub fn size() {}"),
        ("ftp-proto/src/conn/a.rs", "//! Nothing said.\nstruct A;"),
        ("segfetch/Cargo.toml", "[package]\nname = \"a\"\n"),
        ("Cargo.toml", "[workspace.lints.rust]\n"),
    ];
    for (path, text) in planted {
        assert!(offences(path, text) >= 1, "{path}: nothing found in {text:.200}");
    }
}

#[test]
fn innocent_code_is_left_alone() {
    let innocent = [
        ("ftp-proto/src/source.rs", "use segfetch_source::RangeSource;\n"),
        (
            "ftp-proto/src/wire/text.rs",
            "// tokio, Instant\nconst A: &str = \"use crate::conn::X\"; // and \"more\nfn f(client: u8) {}\n",
        ),
        (
            "ftp-proto/src/wire/text.rs",
            "fn f<'a>(a: &'a str) -> char { '\"' }\nconst B: &[u8] = br#\"tokio \"quoted\" tokio\"#;\n",
        ),
        (
            "ftp-proto/src/conn/error.rs",
            "use std::time::Instant;\nuse crate::{wire::{client, Reply}};\n/* tokio\n tokio */\n",
        ),
        ("ftp-proto/src/conn/error.rs", "#[cfg(test)]\nmod tests {\n    fn f() { Instant::now() }\n}\n"),
        (
            "ftp-proto/src/wire/a.rs",
            "/// Parses.\n///\n/// Spec: RFC 959 section 1,\n/// and more of it\n#[must_use]\npub fn size() {}\nfn own() {}",
        ),
        ("segfetch/src/plan/a.rs", "/// Bytes are units here.\nfn units() {}\n"),
        ("segfetch/src/engine/a.rs", "fn f() { sleep_well(); tokio::time::sleep(d); let x = unsafe_code; }"),
        ("segfetch/tests/a.rs", "#[tokio::test(start_paused = true)]\nasync fn f() { tokio::time::sleep(d).await }"),
        ("segfetch/src/lib.rs", "mod utility_company;\n"),
        ("segfetch/Cargo.toml", "[package]\n[lints]\nworkspace = true\n"),
        ("ftp-proto/fuzz/Cargo.toml", "[package]\n[workspace]\n"),
    ];
    for (path, text) in innocent {
        assert_eq!(complaints(&Source::new(path, text)), Vec::<String>::new(), "{text}");
    }
}
