//! The same over HTTP: nginx, which knows everything, and Python's `http.server`, which knows no ranges. And curl and wget
//! judge the web server of the other tests.

#[allow(dead_code)]
#[path = "../http/server.rs"]
mod server;

use std::path::Path;
use std::process::{Command, Output};

use ftp_proto::testing::content_at;
use segfetch_testkit::lab::{Nginx, Web};
use segfetch_testkit::need_bin;

use crate::command::{Ended, Running, segfetch};
use crate::scene::{Scene, hours_ago, sha256};
use server::{Body, Server};

const LEN: u64 = 24 << 20;

fn nginx(scene: &Scene, location: &str) -> Web {
    Nginx::of(scene.root.path()).location(location).start().expect("nginx starts")
}

#[test]
fn a_file_of_nginx_arrives_whole_over_four_connections() {
    let scene = Scene::with(LEN);
    let server = nginx(&scene, "limit_rate 4m;");
    let done = scene.run(["-n", "4", "--json", &server.url("f")]).expect(0);
    scene.assert_only_f_and_equal();
    // Its entity tags are made of time and length.
    assert_eq!(done.integrity(), "unverified");
    assert!(done.events("opened").len() >= 4);
    scene.run([&server.url("f")]).expect(0).says("nothing to do");
}

#[test]
fn a_download_from_nginx_goes_on_after_a_kill_and_refuses_another_file() {
    let scene = Scene::with(LEN);
    let server = nginx(&scene, "limit_rate 1m;");
    let durable = scene.interrupted(["-n", "4", &server.url("f")]);
    drop(server);
    let server = nginx(&scene, "");
    let again = scene.run(["-n", "4", "--json", &server.url("f")]).expect(0);
    assert!(again.number("resumed", "have") >= durable);
    scene.assert_only_f_and_equal();

    let scene = Scene::with(LEN);
    let server = nginx(&scene, "limit_rate 1m;");
    scene.interrupted(["-n", "4", &server.url("f")]);
    scene.put("f", LEN, 2, hours_ago(0));
    scene.run(["-n", "4", &server.url("f")]).expect(5).says("has changed");
    scene.assert_no_f();
}

#[test]
fn another_file_of_the_same_length_and_time_is_found_out_by_its_bytes() {
    let scene = Scene::with(LEN);
    let server = nginx(&scene, "limit_rate 1m;");
    scene.interrupted(["-n", "4", &server.url("f")]);
    let time = std::fs::metadata(scene.root.path().join("f")).and_then(|found| found.modified()).expect("a time");
    scene.put("f", LEN, 2, time);
    scene.run(["-n", "4", &server.url("f")]).expect(5).says("arrived twice and differ");
    scene.assert_no_f();
}

#[test]
fn what_nginx_has_switched_off_is_done_without() {
    for (location, integrity) in [
        ("etag off;", "unverified"),
        ("max_ranges 0;", "one-stream"),
        ("gzip on; gzip_min_length 1; gzip_types *;", "unverified"),
    ] {
        let scene = Scene::with(LEN);
        let server = nginx(&scene, &format!("limit_rate 8m; {location}"));
        let done = scene.run(["-n", "4", "--json", &server.url("f")]).expect(0);
        scene.assert_only_f_and_equal();
        assert_eq!(done.integrity(), integrity, "{location}");
        let opened = done.events("opened").len();
        assert_eq!(opened == 1, location.starts_with("max_ranges"), "{location}: {opened} streams");
    }
}

#[test]
fn an_nginx_that_admits_two_connections_serves_the_file_over_two() {
    let scene = Scene::with(LEN);
    let zone = "limit_conn_zone $binary_remote_addr zone=a:1m;";
    let server = Nginx::of(scene.root.path()).http(zone).location("limit_rate 2m; limit_conn a 2;");
    let server = server.start().expect("nginx starts");
    let done = scene.run(["-n", "4", "--json", &server.url("f")]).expect(0);
    scene.assert_only_f_and_equal();
    assert!(!done.events("throttled").is_empty(), "{}", done.stdout);
}

#[test]
fn nginx_lets_in_who_has_the_password_and_a_missing_or_empty_file_is_told() {
    let scene = Scene::with(1 << 20);
    std::fs::write(scene.root.path().join("accounts"), "anna:{PLAIN}hunter2\n").expect("it is written");
    std::fs::write(scene.root.path().join("empty"), "").expect("it is written");
    let file = scene.root.path().join("accounts");
    let server = nginx(&scene, &format!("auth_basic lab; auth_basic_user_file {};", file.display()));
    scene.run([&server.url("f")]).expect(4).says("401").says("SEGFETCH_PASSWORD");
    let url = server.url("f").replace("://", "://anna:hunter2@");
    scene.run([&*url.replace("/f", "/none")]).expect(4).says("404");
    scene.run([&*url.replace("/f", "/empty")]).expect(0);
    assert_eq!(std::fs::read(scene.to().join("empty")).expect("it is there"), b"");
    std::fs::remove_file(scene.to().join("empty")).expect("it is there");
    scene.run([&url]).expect(0);
    scene.assert_only_f_and_equal();
}

#[test]
fn nginx_serves_over_tls_and_only_a_trusted_one_is_believed() {
    let scene = Scene::with(LEN);
    let keys = tempfile::tempdir().expect("a directory");
    let (key, certificate) = (keys.path().join("key"), keys.path().join("certificate"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=lab"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output();
    assert!(made.expect("openssl runs").status.success());
    let http = format!("ssl_certificate {}; ssl_certificate_key {};", certificate.display(), key.display());
    let server = Nginx::of(scene.root.path()).http(http).listen("ssl").location("limit_rate 8m;");
    let server = server.start().expect("nginx starts");
    let url = server.url("f").replace("http", "https");
    let trusting = |file: &Path| {
        let mut command = segfetch(scene.to(), ["-n", "4", &url]);
        command.env("SSL_CERT_FILE", file).env_remove("SSL_CERT_DIR");
        Running::spawn(command).ended()
    };
    trusting(Path::new("/dev/null")).expect(4).says("certificate");
    trusting(&certificate).expect(0);
    scene.assert_only_f_and_equal();
    scene.run([&*server.url("f")]).expect(4).says("400");
}

#[test]
fn a_server_of_python_without_ranges_is_read_from_the_beginning_each_time() {
    let scene = Scene::with(LEN);
    let server = Web::python(scene.root.path()).expect("it starts");
    let url = server.url("f");
    let first: Ended = scene.start(["-n", "4", "--limit-rate", "4M", &url]).until_kill();
    assert_eq!(first.code, None);
    let again = scene.run(["-n", "4", "--json", &url]).expect(0);
    assert!(again.number("resumed", "have") > 0);
    assert_eq!(again.events("probed")[0]["access"], "from-start");
    scene.assert_only_f_and_equal();
}

impl Running {
    /// Kills it as soon as some of the file is durable.
    fn until_kill(mut self) -> Ended {
        self.until_durable();
        self.kill()
    }
}

#[test]
fn curl_and_wget_take_the_test_server_for_a_web_server() {
    const LEN: u64 = 3 << 20;
    let dir = tempfile::tempdir().expect("a directory");
    let content = |start: u64, end: u64| {
        let mut bytes = vec![0; usize::try_from(end - start).expect("small")];
        content_at(1, start, &mut bytes);
        bytes
    };
    let server = Server::start(LEN, 1);
    let url = server.url();
    let run = |program: &str, args: &[&str]| -> Output {
        let mut command = Command::new(need_bin(program));
        command.args(args).current_dir(dir.path()).env("no_proxy", "*");
        command.output().expect("it runs")
    };
    for chunked in [false, true] {
        server.script(move |_, answer| answer.chunked = chunked);
        let curl = |args: &[&str]| run("curl", &[&["-sS", "-f", "--http1.1"], args, &[&*url]].concat());
        assert!(curl(&[]).stdout == content(0, LEN));
        assert!(curl(&["-r", "1000-1999"]).stdout == content(1000, 2000));
        assert!(curl(&["-r", "3000000-"]).stdout == content(3_000_000, LEN));
        assert_eq!(curl(&["-r", "3145728-"]).status.code(), Some(22), "416");
        let head = String::from_utf8(curl(&["-I"]).stdout).expect("a head");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("ETag: \"v1\"\r\n"), "{head}");
        assert_eq!(head.contains("Content-Length: 3145728\r\n"), !chunked, "{head}");
        // wget goes on with a file of which the beginning is there.
        std::fs::write(dir.path().join("f"), content(0, 1 << 20)).expect("it is written");
        let wget = run("wget", &["-q", "-c", &url]);
        assert!(wget.status.success(), "{wget:?}");
        assert!(std::fs::read(dir.path().join("f")).expect("it is there") == content(0, LEN));
        // Two requests, one connection.
        let before = server.log().connections;
        assert!(run("curl", &["-sS", &url, "-o", "a", &url, "-o", "b"]).status.success());
        assert_eq!(server.log().connections, before + 1);
        assert_eq!(sha256(&dir.path().join("a")), sha256(&dir.path().join("b")));
    }
    server.script(|request, answer| match &*request.path {
        "/f" => {
            answer.set_refusal(302);
            answer.set("Location", "/f?moved");
        }
        _ => answer.body = Body::Bytes(request.headers.get("authorization").cloned().unwrap_or_default().into()),
    });
    let moved = run("curl", &["-sS", "-L", "-u", "anna:secret", &url]);
    assert_eq!(String::from_utf8_lossy(&moved.stdout), "Basic YW5uYTpzZWNyZXQ=");
    server.script(|_, answer| answer.then = Some((1000, server::Then::Close)));
    assert_eq!(run("curl", &["-sS", &url, "-o", "c"]).status.code(), Some(18), "a partial file");
}
