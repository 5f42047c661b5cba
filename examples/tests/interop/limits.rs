//! Servers that grant few connections.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ftp_proto::testing::{EventKind, File, LimitAt};
use segfetch_testkit::lab::Kind;

use crate::command::{Ended, Running, run};
use crate::scene::{Scene, assert_equal, hours_ago};

const LEN: u64 = 12 << 20;
/// Most refusals that one command may cause at a server that grants four connections: one for each download, and few to find the limit.
const MOST_REFUSALS: u64 = 6;

/// A refusal that the server has sent so long ago has reached the client, on a machine that is very busy too.
const KNOWN_AFTER: Duration = Duration::from_millis(500);

/// Another client of the same server, which holds a session and does nothing with it.
struct Outsider(BufReader<TcpStream>);

impl Outsider {
    /// Logs in, if the server lets it.
    fn enter(server: SocketAddr) -> Option<Self> {
        let mut session = Self(BufReader::new(TcpStream::connect(server).expect("the server listens")));
        if session.hears()? != "220" {
            return None;
        }
        // vsftpd asks for no password where it needs none.
        let inside = session.says("USER anonymous")? == "230" || session.says("PASS a@b")? == "230";
        inside.then_some(session)
    }

    fn says(&mut self, line: &str) -> Option<String> {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).ok()?;
        self.hears()
    }

    /// The code of the next reply, unless the server hangs up.
    fn hears(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).is_err() || line.is_empty() {
                return None;
            }
            // All but the last line of a reply have something else than a blank behind the code.
            if line.as_bytes().get(3) == Some(&b' ') && line[..3].bytes().all(|byte| byte.is_ascii_digit()) {
                return Some(line[..3].to_owned());
            }
        }
    }
}

fn two_files() -> Scene {
    let scene = Scene::with(LEN);
    scene.put("g", LEN, 2, hours_ago(1));
    scene
}

fn assert_both(scene: &Scene, ended: Ended) -> Ended {
    let ended = ended.expect(0);
    scene.assert_equal("f");
    scene.assert_equal("g");
    let refusals: u64 = ended.events("done").iter().filter_map(|done| done["refusals"].as_u64()).sum();
    assert!(refusals <= MOST_REFUSALS, "{refusals} refusals: {}", ended.stdout);
    ended
}

fn two_downloads_share_four_connections(kind: Kind) {
    let scene = two_files();
    let server = kind.serve(scene.root.path()).rate(1 << 20).max_per_ip(4).start().unwrap();
    assert_both(&scene, scene.start(["-n", "16", &server.url("f"), &server.url("g")]).ended());
    let log = server.wait_for("the transfers", |log| log.bytes_sent() >= 2 * LEN);
    assert!(log.refused as u64 <= MOST_REFUSALS, "{} refusals: {:#?}", log.refused, log.lines);
    let most = log.most_sessions_at_once();
    assert!((3..=4).contains(&most), "{most} sessions at once: {:?}", log.sessions);
}

#[test]
fn two_urls_with_sixteen_connections_each_finish_within_the_four_of_vsftpd_with_at_most_six_refusals() {
    two_downloads_share_four_connections(Kind::Vsftpd);
}

#[test]
fn two_urls_with_sixteen_connections_each_finish_within_the_four_of_proftpd_with_at_most_six_refusals() {
    two_downloads_share_four_connections(Kind::Proftpd);
}

#[test]
fn two_urls_with_sixteen_connections_each_finish_within_the_four_of_pure_ftpd_with_at_most_six_refusals() {
    two_downloads_share_four_connections(Kind::PureFtpd);
}

#[test]
fn two_urls_with_sixteen_connections_each_finish_within_the_four_of_pyftpdlib_with_at_most_six_refusals() {
    two_downloads_share_four_connections(Kind::Pyftpd);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_login_is_tried_while_another_is_in_flight_once_one_was_refused() {
    for limit_at in [LimitAt::Greeting, LimitAt::Password] {
        let to = tempfile::tempdir().unwrap();
        let server = ftp_proto::testing::Server::builder()
            .file("/f", File::generated(LEN, 1))
            .file("/g", File::generated(LEN, 2))
            .rate(2 << 20)
            .max_connections(4)
            .limit_at(limit_at)
            .login_delay(Duration::from_millis(20))
            .start()
            .unwrap();
        let running = Running::start(to.path(), ["-n", "16", &server.url("/f"), &server.url("/g")]);
        running.ended().expect(0);
        for (name, seed) in [("f", 1), ("g", 2)] {
            assert!(std::fs::read(to.path().join(name)).unwrap() == File::generated(LEN, seed).to_vec(), "{name}");
        }
        let counts = server.counters();
        // Logins that were begun together with the refused one may arrive after it; those that know of it must not overlap.
        let log = server.log();
        let refused = log.iter().find(|event| event.kind == EventKind::Refused).expect("four are not enough");
        let overlapping: Vec<_> = log
            .iter()
            .filter(|event| event.at > refused.at + KNOWN_AFTER)
            .filter(|event| matches!(event.kind, EventKind::Connected { others_in_login: 1.. }))
            .collect();
        assert!(overlapping.is_empty(), "{limit_at:?}: {overlapping:?} after {refused:?}");
        assert!(counts.refusals > 0 && counts.refusals <= MOST_REFUSALS, "{limit_at:?}: {counts:?}");
    }
}

#[test]
fn an_outside_client_that_takes_two_slots_and_frees_them_disturbs_nothing() {
    let scene = two_files();
    let server = Kind::Vsftpd.serve(scene.root.path()).rate(1 << 20).max_per_ip(4).start().unwrap();
    let outside: Vec<_> = (0..2).map(|_| Outsider::enter(server.addr()).expect("there is room")).collect();
    let mut running = scene.start(["-n", "16", &server.url("f"), &server.url("g")]);
    running.until_event("throttled");
    running.until_durable();
    drop(outside);
    running.until_durable();
    // One slot is taken again while the downloads run, if they have left one.
    let again = Outsider::enter(server.addr());
    assert_both(&scene, running.ended());
    drop(again);
    let log = server.wait_for("the transfers", |log| log.bytes_sent() >= 2 * LEN);
    assert!(log.most_sessions_at_once() <= 4, "{:?}", log.sessions);
    assert!(log.refused as u64 <= MOST_REFUSALS + 1, "{} refusals: {:#?}", log.refused, log.lines);
}

#[test]
fn a_command_that_finds_every_slot_taken_waits_and_finishes_once_they_are_free() {
    let scene = Scene::with(4 << 20);
    let server = Kind::Proftpd.serve(scene.root.path()).max_per_ip(2).start().unwrap();
    let outside: Vec<_> = (0..2).map(|_| Outsider::enter(server.addr()).expect("there is room")).collect();
    let mut running = scene.start(["-n", "4", &server.url("f")]);
    running.until_event("throttled");
    running.until_event("throttled");
    drop(outside);
    running.ended().expect(0);
    scene.assert_only_f_and_equal();
}

#[test]
fn two_passive_ports_for_eight_connections_end_in_a_whole_file_without_a_storm() {
    let scene = Scene::with(LEN);
    let server = Kind::Vsftpd.serve(scene.root.path()).rate(2 << 20).passive_ports(2).start().unwrap();
    run(scene.to(), ["-n", "8", &server.url("f")]).expect(0);
    assert_equal(&scene.to().join("f"), &scene.root.path().join("f"));
    let log = server.wait_for("the transfers", |log| log.bytes_sent() >= LEN);
    let asked = log.commands.iter().filter(|(_, line)| line.starts_with("EPSV") || line.starts_with("PASV")).count();
    let refused = log.lines.iter().filter(|line| line.contains("FTP response") && line.contains("\"425 ")).count();
    assert!(refused <= 8, "{refused} times 425: {:#?}", log.lines);
    // Without a free port vsftpd dies, and with it the session.
    assert!(asked <= 24, "{asked} times asked for a port: {:#?}", log.lines);
    assert!(log.sessions.len() <= 12, "{} control connections: {:#?}", log.sessions.len(), log.lines);
}
