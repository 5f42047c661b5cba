//! A zip library reads a remote archive in place.

use std::process::Command;
use std::time::Duration;

use segfetch_testkit::lab::Kind;
use segfetch_testkit::need_bin;
use segfetch_testkit::relay::Relay;

use crate::scene::Scene;

/// Makes a zip of 1 GiB in which nothing is compressed, with a member of 1 MiB in its middle.
const MAKE: &str = "
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as archive:
    for name, mib in ('one', 512), ('member', 1), ('two', 511):
        with archive.open(name, 'w') as out:
            for _ in range(mib):
                out.write(bytes(1 << 20))
";

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_and_one_member_of_a_large_zip_cost_few_streams_and_little_more_than_the_member() {
    let scene = Scene::new();
    let made = Command::new(need_bin("python3")).args(["-c", MAKE]).arg(scene.root.path().join("a.zip")).status();
    assert!(made.expect("python3 runs").success());
    let server = Kind::Vsftpd.serve(scene.root.path()).start().expect("vsftpd starts");
    let relay = Relay::to(server.addr()).delay(Duration::from_millis(25)).start().await.expect("a relay");
    let example =
        std::path::PathBuf::from(env!("CARGO_BIN_EXE_segfetch")).with_file_name("examples").join("zip_member");
    let url = server.url_via(relay.addr(), "a.zip");
    let output =
        tokio::process::Command::new(example).args([&url, "member"]).output().await.expect("the example is built");
    let said = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let last: Vec<_> = said.lines().last().expect("it says something").split(' ').collect();
    let ["1048576", "bytes", "of", "member", "with", streams, "streams,", fetched, "bytes", "received"] = last[..]
    else {
        panic!("{said}")
    };
    assert!(streams.parse::<u32>().expect("a number") <= 4, "{said}");
    assert!(fetched.parse::<u64>().expect("a number") <= 2 << 20, "{said}");
}
