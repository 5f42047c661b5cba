//! The kit against the real servers, judged by clients that nobody here wrote: curl, and Python's ftplib.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use segfetch_testkit::lab::{Fault, Kind, PASSWORD, Server};
use segfetch_testkit::relay::Relay;
use segfetch_testkit::{files::Pattern, need_bin, random_file};

const LEN: u64 = 4 << 20;

fn root() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    random_file(dir.path().join("f"), LEN, 1).unwrap();
    dir
}

fn content(offset: u64) -> Vec<u8> {
    Pattern { seed: 1 }.bytes(offset, (LEN - offset) as usize)
}

/// Output of curl, which must succeed.
fn curl(arguments: &[&str]) -> Vec<u8> {
    let (code, out) = curl_exits(arguments);
    assert_eq!(code, Some(0), "curl {arguments:?}");
    out
}

fn curl_exits(arguments: &[&str]) -> (Option<i32>, Vec<u8>) {
    let ran = Command::new(need_bin("curl")).args(["-sS", "--max-time", "30"]).args(arguments).output().unwrap();
    (ran.status.code(), ran.stdout)
}

/// Runs a script with `f`, an ftplib connection that is not logged in, and `login()`; returns what it prints.
fn ftplib(server: &Server, script: &str) -> String {
    let (user, password) = server.account().unwrap_or(("anonymous", "x@y"));
    let head = format!(
        "import ftplib, sys\ndef connect():\n f = ftplib.FTP(timeout=30); f.connect('{}', {}); return f\n\
         def login(f): return f.login('{user}', '{password}')\nf = connect()\n",
        server.addr().ip(),
        server.addr().port()
    );
    let ran = Command::new("/usr/bin/python3").args(["-c", &(head + script)]).output().unwrap();
    assert!(ran.status.success(), "{}: {}", server.kind(), String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn each_server_serves_a_file_whole_and_from_an_offset_over_ipv4_and_ipv6() {
    let root = root();
    for kind in Kind::ALL {
        for server in [kind.serve(root.path()).start().unwrap(), kind.serve(root.path()).ipv6().start().unwrap()] {
            assert_eq!(curl(&[&server.url("f")]), content(0), "{kind}");
            assert_eq!(curl(&["-C", "4000000", &server.url("f")]), content(4_000_000), "{kind}");
            let log = server.wait_for("two downloads and two ends", |log| {
                log.transfers.len() == 2 && log.sessions.iter().filter(|session| session.end.is_some()).count() == 2
            });
            let told: Vec<_> = log.transfers.iter().map(|it| (it.bytes, it.aborted.unwrap_or(false))).collect();
            assert_eq!(told, [(LEN, false), (LEN - 4_000_000, false)], "{kind}");
            assert!(log.transfers.iter().all(|it| it.path.ends_with("/f") && it.start <= it.end), "{kind}: {log:#?}");
            assert_eq!((log.logins.len(), log.logins_granted(), log.refused), (2, 2, 0), "{kind}: {log:#?}");
            assert_eq!(log.sessions.len(), 2, "{kind}: {log:#?}");
            let sessions: BTreeSet<_> = log.sessions.iter().map(|it| it.id).collect();
            assert_eq!(sessions, log.transfers.iter().map(|it| it.session).collect(), "{kind}: {log:#?}");
            assert_eq!((log.most_sessions_at_once(), log.most_transfers_at_once()), (1, 1), "{kind}: {log:#?}");
            if kind != Kind::PureFtpd {
                assert!(log.commands.iter().any(|(_, command)| command == "REST 4000000"), "{kind}: {log:#?}");
            }
        }
    }
}

#[test]
fn a_download_stopped_by_the_client_is_logged_with_its_bytes_and_a_rate_cap_holds() {
    let root = root();
    for kind in Kind::ALL {
        let server = kind.serve(root.path()).rate(1 << 20).start().unwrap();
        let script = "login(f); f.voidcmd('TYPE I'); s = f.transfercmd('RETR f'); n = 0\n\
                      while n < 1000000: n += len(s.recv(65536))\ns.close(); print(f.getmultiline()[:3]); f.voidcmd('NOOP')\n\
                      f.retrbinary('RETR f', lambda b: None)";
        let said = ftplib(&server, script);
        assert_eq!(said.trim(), if kind == Kind::PureFtpd { "150" } else { "426" }, "{kind}");
        let log = server.wait_for("both downloads", |log| log.transfers.len() == 2);
        let [stopped, whole] = &log.transfers[..] else { panic!() };
        assert!((1_000_000..LEN).contains(&stopped.bytes), "{kind}: {log:#?}");
        assert_eq!(whole.bytes, LEN, "{kind}");
        if kind != Kind::PureFtpd {
            assert_eq!((stopped.aborted, whole.aborted), (Some(true), Some(false)), "{kind}");
        }
        // 4 MiB at 1 MiB/s; some servers let the first second's worth through sooner, and pure-ftpd tells whole seconds.
        assert!(whole.end.duration_since(whole.start).unwrap() >= Duration::from_secs(2), "{kind}: {whole:?}");
        assert_eq!((log.logins.len(), log.sessions.len()), (1, 1), "{kind}: {log:#?}");
    }
}

#[test]
fn a_connection_past_the_limit_is_refused_and_one_after_a_free_slot_is_not() {
    let root = root();
    for kind in Kind::ALL {
        let server = kind.serve(root.path()).max_per_ip(2).start().unwrap();
        let script = "login(f); g = connect(); login(g)\ndef third():\n try: h = connect(); login(h); print('in'); h.close()\n \
                      except ftplib.Error as e: print(str(e)[:3])\nthird()\ng.quit(); g = None\nimport time\n\
                      for i in range(500):\n try: g = connect(); login(g); break\n except (ftplib.Error, EOFError): time.sleep(0.01)\n\
                      print(g is not None)";
        let said = ftplib(&server, script);
        let code = if kind == Kind::Proftpd { "530" } else { "421" };
        assert_eq!(said, format!("{code}\nTrue\n"), "{kind}");
        let log = server.wait_for("the logins", |log| log.logins_granted() == 3);
        assert!(log.most_sessions_at_once() <= 2, "{kind}: {log:#?}");
        assert!(kind == Kind::PureFtpd || log.refused >= 1, "{kind}: {log:#?}");
    }
}

#[test]
fn with_an_account_the_wrong_password_and_other_names_are_refused() {
    let root = root();
    for kind in Kind::ALL {
        let server = kind.serve(root.path()).account().start().unwrap();
        let (user, password) = server.account().unwrap();
        assert_eq!(password, PASSWORD);
        let script = format!(
            "for u, p in (('{user}', 'wrong'), ('nobody-here', '{password}'), ('{user}', '{password}')):\n f = connect()\n \
             try: print(f.login(u, p)[:3])\n except ftplib.Error as e: print(str(e)[:3])"
        );
        assert_eq!(ftplib(&server, &script), "530\n530\n230\n", "{kind}");
        assert_eq!(curl(&[&server.url("f")]), content(0), "{kind}");
        let log = server.wait_for("the logins", |log| log.logins_granted() == 2);
        assert!(log.logins.iter().any(|login| !login.ok), "{kind}: {log:#?}");
    }
}

#[test]
fn a_passive_range_of_two_ports_is_all_that_is_ever_announced() {
    let root = root();
    for kind in Kind::ALL {
        let server = kind.serve(root.path()).passive_ports(2).start().unwrap();
        let said = ftplib(
            &server,
            "login(f)\nfor i in range(12): s = f.transfercmd('RETR f'); print(s.getpeername()[1]); s.close(); f.getmultiline()",
        );
        let first = server.addr().port() + 1;
        let announced: BTreeSet<u16> = said.lines().map(|port| port.parse().unwrap()).collect();
        assert!(announced.is_subset(&BTreeSet::from([first, first + 1])), "{kind}: {announced:?}");
    }
}

#[test]
fn a_command_that_a_server_is_told_not_to_know_is_refused() {
    let root = root();
    for kind in [Kind::Vsftpd, Kind::Proftpd, Kind::Pyftpd] {
        for (command, line) in
            [("EPSV", "EPSV"), ("SIZE", "SIZE f"), ("REST", "REST 1"), ("MDTM", "MDTM f"), ("MLST", "MLST f")]
        {
            if (kind, command) == (Kind::Proftpd, "REST") {
                continue; // it accepts the REST and denies the RETR after it
            }
            let server = kind.serve(root.path()).without(command).start().unwrap();
            let script = format!(
                "login(f); f.voidcmd('TYPE I')\ntry: print(f.sendcmd('{line}'))\nexcept ftplib.error_perm as e: print('no')"
            );
            assert_eq!(ftplib(&server, &script), "no\n", "{kind} {command}");
        }
    }
    assert!(Kind::PureFtpd.serve(root.path()).without("EPSV").start().unwrap_err().to_string().contains("cannot"));
}

#[test]
fn a_server_that_cannot_start_says_why_in_its_own_words() {
    let root = root();
    for kind in Kind::ALL {
        let error = kind.serve(root.path()).line("--nonsense").start().unwrap_err().to_string();
        assert!(error.contains("nonsense") || error.contains("unrecog"), "{kind}: {error}");
    }
}

#[test]
fn a_dropped_server_takes_its_sessions_along_and_leaves_another_alone() {
    let root = root();
    for kind in Kind::ALL {
        let (first, other) = (kind.serve(root.path()).start().unwrap(), kind.serve(root.path()).start().unwrap());
        let mut session = TcpStream::connect(first.addr()).unwrap();
        session.write_all(b"USER anonymous\r\nPASS a@b\r\n").unwrap();
        first.wait_for("the login", |log| log.logins_granted() == 1);
        let addr = first.addr();
        drop(first);
        session.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut rest = Vec::new();
        let end = session.read_to_end(&mut rest);
        assert!(
            !matches!(&end, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock),
            "{kind}: the session lives on"
        );
        assert!(TcpStream::connect(addr).is_err(), "{kind}");
        assert_eq!(curl(&[&other.url("f")]), content(0), "{kind}");
    }
}

#[test]
fn a_stopped_server_starts_again_at_its_port_and_killed_sessions_leave_the_server() {
    let root = root();
    for kind in Kind::ALL {
        let mut server = kind.serve(root.path()).start().unwrap();
        let addr = server.addr();
        assert_eq!(curl(&[&server.url("f")]), content(0), "{kind}");
        server.wait_for("the first download", |log| log.transfers.len() == 1);
        server.stop();
        assert!(TcpStream::connect(addr).is_err(), "{kind}");
        assert!(server.log().sessions.iter().all(|session| session.end.is_some()), "{kind}");
        server.start().unwrap();
        let mut session = TcpStream::connect(addr).unwrap();
        session.write_all(b"USER anonymous\r\nPASS a@b\r\n").unwrap();
        server.wait_for("the second login", |log| log.logins_granted() == 2);
        if kind != Kind::Pyftpd {
            assert!(server.kill_sessions() >= 1, "{kind}");
            let _ = session.read_to_end(&mut Vec::new());
        }
        assert_eq!(curl(&[&server.url("f")]), content(0), "{kind}");
        server.wait_for("the second download", |log| log.transfers.len() == 2);
    }
}

/// Runs itself as a child that starts servers and then hangs; the child is killed.
#[test]
fn servers_die_with_a_killed_test_process() {
    const CHILD: &str = "SEGFETCH_TESTKIT_CHILD";
    if let Some(path) = std::env::var_os(CHILD) {
        let servers: Vec<_> = Kind::ALL.iter().map(|kind| kind.serve(Path::new(&path)).start().unwrap()).collect();
        servers.iter().for_each(|server| println!("at {}", server.addr()));
        println!("started");
        std::thread::park();
    }
    let root = root();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["servers_die_with_a_killed_test_process", "--exact", "--nocapture"])
        .env(CHILD, root.path())
        .env("TMPDIR", root.path()) // what it cannot clean up itself goes with our own directory
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: Vec<String> = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .take_while(|line| line != "started")
        .collect();
    let addrs: Vec<&str> = lines.iter().filter_map(|line| line.split_once("at ").map(|(_, addr)| addr)).collect();
    assert_eq!(addrs.len(), 4, "{lines:?}");
    assert!(addrs.iter().all(|addr| TcpStream::connect(addr).is_ok()));
    child.kill().unwrap();
    child.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while addrs.iter().any(|addr| TcpStream::connect(addr).is_ok()) {
        assert!(Instant::now() < deadline, "a server survives its test: {addrs:?}");
        std::thread::yield_now();
    }
}

#[test]
fn each_fault_of_pyftpdlib_is_what_it_says() {
    let root = root();
    let with = |faults: &[Fault]| {
        faults.iter().fold(Kind::Pyftpd.serve(root.path()), |builder, &fault| builder.fault(fault)).start().unwrap()
    };
    let get = |fault| {
        let server = with(&[fault]);
        let (code, out) = curl_exits(&["--max-time", "3", &server.url("f")]);
        assert_eq!(out, content(0)[..out.len()], "{fault:?}");
        (code, out.len() as u64)
    };
    assert!(matches!(get(Fault::DropAfter(1_000_000)), (Some(18), 1_000_000..LEN)));
    assert!(matches!(get(Fault::DropCleanAfter(1_000_000)), (Some(18), 1_000_000..LEN)));
    assert!(matches!(get(Fault::StallAfter(1_000_000)), (Some(28), 1_000_000..LEN)));
    assert!(matches!(get(Fault::KillControlAfter(1_000_000)), (Some(code), _) if code != 0));
    assert!(matches!(get(Fault::BusyShare(1.0)), (Some(code), 0) if code != 0));
    assert!(matches!(get(Fault::Login421(0)), (Some(code), 0) if code != 0));
    let untouched = with(&[Fault::DropAfter(1_000_000), Fault::DropShare(0.0)]);
    assert_eq!(curl(&[&untouched.url("f")]), content(0));

    let ask = |fault, script: &str| ftplib(&with(&[fault]), &format!("login(f); f.voidcmd('TYPE I')\n{script}"));
    assert_eq!(ask(Fault::WrongSize(-7), "print(f.size('f'))"), format!("{}\n", LEN - 7));
    assert!(!ask(Fault::NoTvfs, "print(f.sendcmd('FEAT'))").contains("TVFS"));
    assert!(ask(Fault::DropShare(0.0), "print(f.sendcmd('FEAT'))").contains("TVFS"));
    let refused = "f.voidcmd('TYPE A')\ntry: f.sendcmd('SIZE f')\nexcept ftplib.error_perm as e: print(str(e)[:3])";
    assert_eq!(ask(Fault::AsciiSize, refused), "550\n");
    assert!(ask(Fault::PasvAddress(Ipv4Addr::new(10, 1, 2, 3)), "print(f.sendcmd('PASV'))").contains("10,1,2,3,"));
    let first = "s = f.transfercmd('RETR f', 1000); print(list(s.recv(3, 256)))"; // 256: MSG_WAITALL
    assert_eq!(ask(Fault::RestIgnored, first), format!("{:?}\n", &content(0)[..3]));
    let slow = "import time; t = time.time(); f.voidcmd('NOOP'); print(time.time() - t >= 0.05)";
    assert_eq!(ask(Fault::Delay(Duration::from_millis(50)), slow), "True\n");
    let changes = "import time; t = f.sendcmd('MDTM f')\nfor i in range(100):\n if f.sendcmd('MDTM f') != t: print('changed'); break\n time.sleep(0.1)";
    assert_eq!(ask(Fault::Mutate(Duration::from_millis(300)), changes), "changed\n");
}

#[test]
fn a_download_through_the_relay_is_the_same_and_all_of_it_passes_the_relay() {
    let root = root();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for kind in Kind::ALL {
        let servers = [kind.serve(root.path()).start().unwrap(), kind.serve(root.path()).ipv6().start().unwrap()];
        for (server, passive) in servers.iter().zip([["--disable-epsv"].as_slice(), &[]]) {
            let relay = runtime.block_on(Relay::to(server.addr()).delay(Duration::from_millis(5)).start()).unwrap();
            let url = server.url_via(relay.addr(), "f");
            assert_eq!(curl(&[passive, &[&url]].concat()), content(0), "{kind}");
            let counts = relay.counts();
            assert_eq!((counts.control, counts.data, counts.data_to_client), (1, 1, LEN), "{kind}");
            assert!((5..20).contains(&counts.turns), "{kind}: {counts:?}");
            server.wait_for("the download", |log| log.bytes_sent() == LEN && log.sessions.len() == 1);
        }
    }
}

#[test]
fn refusals_are_counted_by_the_relay_and_a_kill_is_felt_by_server_and_client() {
    let root = root();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for kind in Kind::ALL {
        let server = kind.serve(root.path()).max_per_ip(1).rate(1 << 20).start().unwrap();
        let relay = runtime.block_on(Relay::to(server.addr()).start()).unwrap();
        let mut curl = Command::new(need_bin("curl"));
        curl.args(["-sS", "-o", "/dev/null", &server.url_via(relay.addr(), "f")]).stderr(Stdio::null());
        let mut busy = curl.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while relay.counts().data_to_client == 0 {
            assert!(Instant::now() < deadline, "{kind}: nothing comes");
            std::thread::yield_now();
        }
        let (code, _) = curl_exits(&[&server.url_via(relay.addr(), "f")]);
        assert_ne!(code, Some(0), "{kind}");
        assert_eq!(relay.counts().refusals, 1, "{kind}");
        relay.kill();
        assert_ne!(busy.wait().unwrap().code(), Some(0), "{kind}");
        let log =
            server.wait_for("the end of both sessions", |log| log.sessions.iter().all(|session| session.end.is_some()));
        // vsftpd and pure-ftpd die of the control connection's reset before they have written the transfer down.
        assert!(log.transfers.len() <= 1, "{kind}: {log:#?}");
        assert!(log.transfers.iter().all(|it| it.bytes < LEN && it.aborted != Some(false)), "{kind}: {log:#?}");
    }
}
