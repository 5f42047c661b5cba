//! A password is in no output, no event, no file, and in nothing that other users can see of the process but its arguments.

use std::fs;
use std::path::{Path, PathBuf};

use segfetch_testkit::lab::{Kind, Log, PASSWORD};

use crate::command::{Ended, Running, run, segfetch};
use crate::scene::{Scene, on_every_server};

fn has_secret(bytes: &[u8]) -> bool {
    bytes.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes())
}

fn assert_not_said(ended: &Ended) {
    assert!(!has_secret(ended.stdout.as_bytes()) && !has_secret(ended.stderr.as_bytes()), "{ended:?}");
}

fn assert_not_on_disk(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        assert!(!has_secret(&fs::read(&path).unwrap()), "{}", path.display());
    }
}

/// What `/proc` shows of a process, with the names that its descriptors have.
fn shown(pid: u32) -> Vec<(PathBuf, Vec<u8>)> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let mut paths: Vec<PathBuf> = ["cmdline", "environ", "comm", "status", "stat", "maps", "mountinfo", "limits", "io"]
        .map(|name| process.join(name))
        .into();
    let tasks = fs::read_dir(process.join("task")).expect("it runs").flatten();
    paths.extend(tasks.map(|task| task.path().join("comm")));
    let mut all: Vec<_> = paths.into_iter().filter_map(|path| Some((path.clone(), fs::read(path).ok()?))).collect();
    let descriptors = fs::read_dir(process.join("fd")).expect("it runs").flatten();
    let links = descriptors.filter_map(|fd| Some((fd.path(), fs::read_link(fd.path()).ok()?)));
    all.extend(links.map(|(path, link)| (path, link.into_os_string().into_encoded_bytes())));
    assert!(all.len() > 12, "too little was read of {process:?}");
    all
}

#[test]
fn the_password_of_a_url_is_nowhere_but_in_the_arguments() {
    on_every_server(|kind| {
        let scene = Scene::with(16 << 20);
        let server = kind.serve(scene.root.path()).account().rate(1 << 20).start().unwrap();
        let url = server.url("f");
        assert!(has_secret(url.as_bytes()));
        let mut running = scene.start(["-n", "4", "-v", &url]);
        running.until_durable();
        for (path, bytes) in shown(running.id()) {
            assert!(path.ends_with("cmdline") || !has_secret(&bytes), "{kind}: {}", path.display());
        }
        assert_not_on_disk(scene.to());
        assert_not_said(&running.kill());
        assert_not_on_disk(scene.to());
        let ended = run(scene.to(), ["-n", "4", "-v", &url]).expect(0);
        assert_not_said(&ended);
        assert_not_said(&run(scene.to(), [&server.url("none")]).expect(4));
        assert_not_said(&run(scene.to(), ["probe", "--json", &url]).expect(0));
        scene.assert_equal("f");
    });
}

#[test]
fn a_wrong_password_is_4_and_not_repeated_in_the_message() {
    on_every_server(|kind| {
        let scene = Scene::with(1000);
        let server = kind.serve(scene.root.path()).account().start().unwrap();
        let (user, _) = server.account().unwrap();
        let url = format!("ftp://{user}:not-{PASSWORD}@{}/f", server.addr());
        let ended = scene.run(["-v", &url]).expect(4).says("Check user and password");
        assert_not_said(&ended);
        // pyftpdlib refuses what comes behind the password at once, and the password three seconds later: to nobody, if the
        // client has gone by then.
        let gone = |log: &Log| !log.sessions.is_empty() && log.sessions.iter().all(|session| session.end.is_some());
        let told = |log: &Log| !log.logins.is_empty() || (kind == Kind::Pyftpd && gone(log));
        let log = server.wait_for("the login", told);
        assert!(log.logins.len() <= 1 && log.logins_granted() == 0, "{kind}: {:?}", log.logins);
    });
}

#[test]
fn a_password_in_the_environment_opens_the_account_and_is_not_even_in_the_arguments() {
    on_every_server(|kind| {
        let scene = Scene::with(8 << 20);
        let server = kind.serve(scene.root.path()).account().rate(1 << 20).start().unwrap();
        let (user, password) = server.account().unwrap();
        let url = format!("ftp://{user}@{}/f", server.addr());
        let mut command = segfetch(scene.to(), ["-v", "--json", "-n", "2", &url]);
        command.env("SEGFETCH_PASSWORD", password);
        let mut running = Running::spawn(command);
        running.until_durable();
        for (path, bytes) in shown(running.id()) {
            assert!(path.ends_with("environ") || !has_secret(&bytes), "{kind}: {}", path.display());
        }
        assert_not_said(&running.ended().expect(0));
        scene.assert_only_f_and_equal();
    });
}
