//! Files, limits, rates, counters and the log of the honest server.

use std::time::{Duration, Instant, SystemTime};

use ftp_proto::testing::{EventKind, Feature, File, LimitAt, Personality, Server};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};

use super::{Raw, content, drain, within};

const MIB: u64 = 1 << 20;

fn presets() -> [Personality; 5] {
    [
        Personality::plain(),
        Personality::vsftpd(),
        Personality::proftpd(),
        Personality::pure_ftpd(),
        Personality::pyftpdlib(),
    ]
}

#[tokio::test]
async fn a_file_comes_whole_over_pasv_and_epsv_from_every_preset() {
    for personality in presets() {
        let server =
            Server::builder().personality(personality).file("/a/b", File::generated(MIB + 3, 5)).start().unwrap();
        let mut raw = Raw::login(server.addr()).await;
        for passive in ["PASV", "EPSV"] {
            let reply = raw.cmd(passive).await;
            let data = TcpStream::connect(raw.data_addr(&reply)).await.unwrap();
            assert!(raw.cmd("RETR a/b").await.starts_with('1'));
            assert_eq!(drain(data).await, (content(5, 0..MIB + 3), true));
            assert!(raw.reply().await.starts_with("226"));
        }
        assert!(raw.cmd("QUIT").await.starts_with("221"));
        assert_eq!(raw.reply().await, "");
    }
}

#[tokio::test]
async fn ipv6_has_epsv_and_refuses_pasv() {
    let server = Server::builder().ipv6().file("/f", File::generated(100, 5)).start().unwrap();
    assert!(server.addr().is_ipv6() && server.url("/f").starts_with("ftp://[::1]:"));
    let mut raw = Raw::login(server.addr()).await;
    assert!(raw.cmd("PASV").await.starts_with("425"));
    assert!(raw.cmd("EPSV 1").await.starts_with("522"));
    assert_eq!(drain(raw.retr("/f", 0).await).await.0, content(5, 0..100));
}

#[tokio::test]
async fn the_far_end_of_a_huge_file_costs_nothing() {
    const TIB: u64 = 1 << 40;
    let file = File::generated(TIB, 9).patched(TIB - 2, "ab");
    let server = Server::builder().file("/huge", file).start().unwrap();
    let mut raw = Raw::login(server.addr()).await;
    assert_eq!(raw.cmd("SIZE huge").await, format!("213 {TIB}"));
    let mut expected = content(9, TIB - 1000..TIB);
    expected.splice(998.., *b"ab");
    assert_eq!(drain(raw.retr("huge", TIB - 1000).await).await.0, expected);
}

#[tokio::test]
async fn a_feature_taken_away_leaves_feat_and_is_not_understood() {
    let commands = [
        (Feature::Epsv, "EPSV", "EPSV"),
        (Feature::Pasv, "PASV", "PASV"),
        (Feature::Size, "SIZE", "SIZE f"),
        (Feature::Mdtm, "MDTM", "MDTM f"),
        (Feature::Mlst, "MLST", "MLST f"),
        (Feature::Rest, "REST", "REST 1"),
        (Feature::Rang, "RANG", "RANG 0 1"),
    ];
    for (feature, name, command) in commands {
        let both = [Server::builder().with(feature), Server::builder().with(feature).without(feature)];
        for (builder, there) in both.into_iter().zip([true, false]) {
            let server = builder.file("/f", File::generated(10, 1)).start().unwrap();
            let mut raw = Raw::login(server.addr()).await;
            assert_eq!(raw.cmd("FEAT").await.contains(&format!("\n {name}")), there, "{name}");
            assert_eq!(!raw.cmd(command).await.starts_with("500"), there, "{name}");
        }
    }
    let server = Server::builder().without(Feature::Tvfs).start().unwrap();
    assert!(!Raw::login(server.addr()).await.cmd("FEAT").await.contains("TVFS"));
}

#[tokio::test]
async fn facts_and_listings_tell_the_truth() {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(951_782_400);
    let file = File::generated(12, 1).modified(time);
    let server = Server::builder().file("/d/f 1", file.clone()).file("/d/sub/g", File::bytes("x")).start().unwrap();
    let mut raw = Raw::login(server.addr()).await;
    assert_eq!(raw.cmd("SIZE d/f 1").await, "213 12");
    assert_eq!(raw.cmd("MDTM d/f 1").await, "213 20000229000000");
    assert!(raw.cmd("CWD d").await.starts_with("250"));
    assert!(raw.cmd("PWD").await.starts_with("257 \"/d\""));
    let facts = raw.cmd("MLST f 1").await;
    assert!(
        facts.contains("\n type=file;size=12;modify=20000229000000;unique=") && facts.contains("; /d/f 1\n"),
        "{facts}"
    );
    server.put("/d/f 1", file);
    assert_ne!(raw.cmd("MLST f 1").await, facts, "a new file has a new identity");
    for (command, lines) in [
        ("NLST", vec!["f 1", "sub"]),
        ("LIST -a", vec!["-rw-r--r--    1 0        0                  12 Feb 29  2000 f 1", "drwxr-xr-x"]),
        ("MLSD", vec!["type=file;size=12;", "type=dir; sub"]),
    ] {
        let data = raw.data().await;
        assert!(raw.cmd(command).await.starts_with("150"));
        let listing = String::from_utf8(drain(data).await.0).unwrap();
        assert!(raw.reply().await.starts_with("226"));
        let got: Vec<_> = listing.split_terminator("\r\n").collect();
        assert_eq!(got.len(), lines.len(), "{listing}");
        assert!(got.iter().zip(&lines).all(|(got, line)| got.starts_with(line)), "{listing}");
    }
    assert!(raw.cmd("CWD nowhere").await.starts_with("550"));
    assert!(raw.cmd("CDUP").await.starts_with("250"));
    assert!(raw.cmd("SIZE d").await.starts_with("550"));
}

#[tokio::test]
async fn the_limit_shows_as_421_at_the_greeting_or_530_at_the_password_and_slots_come_back() {
    for (at, code) in [(LimitAt::Greeting, "421"), (LimitAt::Password, "530")] {
        let server = Server::builder().limit_at(at).max_connections(2).start().unwrap();
        let held = [Raw::login(server.addr()).await, Raw::login(server.addr()).await];
        let mut third = Raw::connect(server.addr()).await;
        let mut reply = third.reply().await;
        if at == LimitAt::Password {
            assert!(reply.starts_with("220"));
            reply = third.user("anonymous", "x").await;
        }
        assert!(reply.starts_with(code), "{reply}");
        assert_eq!(third.reply().await, "", "the connection is closed");
        let counters = server.counters();
        assert_eq!((counters.open, counters.max_open, counters.logins, counters.refusals), (2, 2, 2, 1));
        drop(held);
        within(server.wait_for(|c| c.open == 0)).await;
        Raw::login(server.addr()).await;
        server.set_max_connections(0);
        within(server.wait_for(|c| c.open == 0)).await;
        let mut late = Raw::connect(server.addr()).await;
        let greeting = late.reply().await;
        assert_eq!(greeting.starts_with("421"), at == LimitAt::Greeting);
    }
}

#[tokio::test]
async fn a_limit_per_account_counts_each_user_alone() {
    let server = Server::builder().account("a", "1").account("b", "2").max_per_account(1).start().unwrap();
    let mut sessions = [(); 3].map(|()| None);
    for (session, (user, password, code)) in
        sessions.iter_mut().zip([("a", "1", "230"), ("b", "2", "230"), ("a", "1", "421")])
    {
        let mut raw = Raw::connect(server.addr()).await;
        raw.reply().await;
        let reply = raw.user(user, password).await;
        assert!(reply.starts_with(code), "{user}: {reply}");
        *session = Some(raw);
    }
    drop(sessions);
    within(server.wait_for(|c| c.sessions == 0)).await;
    let mut raw = Raw::connect(server.addr()).await;
    raw.reply().await;
    assert!(raw.user("a", "1").await.starts_with("230"));
}

#[tokio::test]
async fn passwords_are_checked_three_times_and_never_logged() {
    let server = Server::builder()
        .account("u", "right")
        .no_anonymous()
        .home("/h")
        .file("/h/f", File::bytes("x"))
        .start()
        .unwrap();
    let mut raw = Raw::connect(server.addr()).await;
    raw.reply().await;
    assert!(raw.cmd("SIZE f").await.starts_with("530"));
    assert!(raw.user("anonymous", "right").await.starts_with("530"));
    assert!(raw.user("u", "secret-1").await.starts_with("530"));
    assert!(raw.user("u", "right").await.starts_with("230"));
    assert!(raw.cmd("PWD").await.starts_with("257 \"/h\""));
    assert_eq!(raw.cmd("SIZE f").await, "213 1");
    let mut raw = Raw::connect(server.addr()).await;
    raw.reply().await;
    for _ in 0..3 {
        assert!(raw.user("u", "secret-2").await.starts_with("530"));
    }
    assert_eq!(raw.reply().await, "");
    assert_eq!((server.counters().bad_passwords, server.counters().logins), (5, 1));
    let log = format!("{:?}", server.log());
    assert!(log.contains("PASS ***") && !log.contains("secret") && !log.contains("right"), "{log}");
    assert_eq!(server.url_as("u", "p@s/s", "/f g"), format!("ftp://u:p%40s%2Fs@{}/f%20g", server.addr()));
}

#[tokio::test]
async fn a_file_put_over_another_does_not_touch_running_transfers() {
    let server = Server::builder().send_buffer(4096).file("/f", File::generated(8 * MIB, 1)).start().unwrap();
    let mut raw = Raw::login(server.addr()).await;
    let data = raw.retr("f", 0).await;
    server.put("/f", File::generated(MIB, 2));
    assert_eq!(drain(data).await.0, content(1, 0..8 * MIB));
    assert!(raw.reply().await.starts_with("226"));
    assert_eq!(raw.cmd("SIZE f").await, format!("213 {MIB}"));
    assert!(server.remove("/f") && !server.remove("/f"));
    assert!(raw.cmd("SIZE f").await.starts_with("550"));
}

#[tokio::test]
async fn a_file_changed_in_place_changes_under_running_transfers() {
    let server = Server::builder().send_buffer(4096).file("/f", File::generated(32 * MIB, 1)).start().unwrap();
    let mut raw = Raw::login(server.addr()).await;
    let mut data = raw.retr("f", 0).await;
    let mut first = vec![0; 1000];
    data.read_exact(&mut first).await.unwrap();
    assert_eq!(first, content(1, 0..1000));
    assert!(server.overwrite("/f", File::generated(31 * MIB, 2)) && !server.overwrite("/g", File::bytes("")));
    let rest = drain(data).await.0;
    assert_eq!(rest.len() as u64 + 1000, 31 * MIB, "it ends where the file now ends");
    assert!(rest.ends_with(&content(2, 31 * MIB - 1000..31 * MIB)));
}

#[tokio::test]
async fn the_log_and_the_streams_prove_what_ran_at_the_same_time() {
    let server = Server::builder().send_buffer(4096).file("/f", File::generated(8 * MIB, 1)).start().unwrap();
    let mut lanes = Vec::new();
    for offset in [0, 100] {
        let mut raw = Raw::login(server.addr()).await;
        let data = raw.retr("f", offset).await;
        lanes.push((raw, data));
    }
    let counters = within(server.wait_for(|c| c.data_open == 2 && c.bytes_sent > 0)).await;
    assert_eq!((counters.retrs, counters.max_data_open, counters.overlapping_logins), (2, 2, 0));
    for (mut raw, data) in lanes {
        drain(data).await;
        raw.reply().await;
    }
    let mut raw = Raw::login(server.addr()).await;
    drain(raw.retr("f", 8 * MIB - 1).await).await;
    raw.reply().await;
    let streams = server.streams();
    let facts: Vec<_> =
        streams.iter().map(|s| (s.session, s.offset, s.sent, s.path.clone(), s.ended.is_some())).collect();
    let path = b"/f".to_vec();
    assert_eq!(
        facts,
        [
            (1, 0, 8 * MIB, path.clone(), true),
            (2, 100, 8 * MIB - 100, path.clone(), true),
            (3, 8 * MIB - 1, 1, path, true)
        ]
    );
    assert!(streams[0].overlaps(&streams[1]) && !streams[2].overlaps(&streams[0]));
    assert_eq!(server.counters().bytes_sent, 16 * MIB - 99);
    let log = server.log();
    assert!(log.is_sorted_by(|a, b| a.seq < b.seq && a.at <= b.at));
    let verbs: Vec<_> = server.verbs().into_iter().filter(|(session, _)| *session == 2).map(|(_, verb)| verb).collect();
    assert_eq!(verbs, ["USER", "PASS", "TYPE", "EPSV", "REST", "RETR"]);
    drop(raw);
    within(server.wait_for(|c| c.sessions == 0)).await;
    assert_eq!(server.log().iter().filter(|event| event.kind == EventKind::Closed).count(), 3);
}

#[tokio::test]
async fn a_login_that_starts_while_another_is_in_flight_is_counted() {
    let server = Server::builder().login_delay(Duration::from_secs(3600)).start().unwrap();
    let mut slow = Raw::connect(server.addr()).await;
    slow.send("USER anonymous\r\nPASS x\r\n").await;
    within(server.wait_for(|c| c.in_login == 1)).await;
    let _other = Raw::connect(server.addr()).await;
    let counters = within(server.wait_for(|c| c.in_login == 2)).await;
    assert_eq!(
        (counters.overlapping_logins, counters.overlapping_logins_after_refusal, counters.max_in_login),
        (1, 0, 2)
    );
    server.set_max_connections(0);
    assert!(Raw::connect(server.addr()).await.reply().await.starts_with("421"));
    Raw::connect(server.addr()).await.reply().await;
    let counters = server.counters();
    assert_eq!((counters.overlapping_logins, counters.overlapping_logins_after_refusal, counters.in_login), (3, 1, 2));
}

#[tokio::test(start_paused = true)]
async fn the_rate_of_each_data_connection_is_held_and_can_change_under_way() {
    let server = Server::builder().rate(MIB).file("/f", File::generated(4 * MIB, 1)).start().unwrap();
    let mut lanes = Vec::new();
    for _ in 0..2 {
        let mut raw = Raw::login(server.addr()).await;
        let data = raw.retr("f", 2 * MIB).await;
        lanes.push((raw, data));
    }
    for (_, data) in lanes {
        assert_eq!(drain(data).await.0, content(1, 2 * MIB..4 * MIB));
    }
    for stream in server.streams() {
        let took = stream.ended.unwrap() - stream.started;
        assert!(took >= Duration::from_millis(1930), "2 MiB at 1 MiB/s took {took:?}");
    }
    server.set_rate(0);
    let mut raw = Raw::login(server.addr()).await;
    drain(raw.retr("f", 0).await).await;
    let fast = server.streams().pop().unwrap();
    assert!(fast.ended.unwrap() - fast.started < Duration::from_secs(1), "virtual time: nothing waits");
}

#[tokio::test(start_paused = true)]
async fn a_reply_delay_is_a_round_trip_that_pipelined_commands_share() {
    let server = Server::builder().reply_delay(Duration::from_secs(1)).start().unwrap();
    let mut raw = Raw::login(server.addr()).await;
    let clock = || tokio::time::Instant::now().into_std();
    let begin: Instant = clock();
    raw.send("NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n").await;
    for _ in 0..4 {
        assert!(raw.reply().await.starts_with("200"));
    }
    let together = clock() - begin;
    let begin = clock();
    for _ in 0..4 {
        raw.cmd("NOOP").await;
    }
    let serial = clock() - begin;
    assert!(together >= Duration::from_millis(999) && together < Duration::from_secs(2), "{together:?}");
    assert!(serial >= Duration::from_millis(3996), "{serial:?}");
}

#[tokio::test]
async fn passive_ports_run_out_and_passive_addresses_lie() {
    let port = {
        let probe = TcpSocket::new_v4().unwrap();
        probe.bind(([127, 0, 0, 1], 0).into()).unwrap();
        probe.local_addr().unwrap().port()
    };
    let server = Server::builder().passive_ports(port..=port).passive_address([10, 1, 2, 3].into()).start().unwrap();
    let (mut one, mut two) = (Raw::login(server.addr()).await, Raw::login(server.addr()).await);
    let reply = one.cmd("PASV").await;
    assert!(reply.contains(&format!("(10,1,2,3,{},{})", port / 256, port % 256)), "{reply}");
    assert!(one.cmd("PASV").await.starts_with("227"), "its own port is free again");
    assert!(two.cmd("EPSV").await.starts_with("425"));
}

#[tokio::test]
async fn names_of_one_component_need_steps_of_cwd() {
    let server = Server::builder().single_component_names().file("/a/b/f", File::bytes("x")).start().unwrap();
    let mut raw = Raw::login(server.addr()).await;
    assert!(raw.cmd("SIZE a/b/f").await.starts_with("550") && raw.cmd("CWD a/b").await.starts_with("550"));
    assert!(raw.cmd("CWD a").await.starts_with("250") && raw.cmd("CWD b").await.starts_with("250"));
    assert_eq!(raw.cmd("SIZE f").await, "213 1");
}

#[tokio::test]
async fn data_connections_from_another_address_are_turned_away() {
    let server = Server::builder().file("/f", File::generated(100, 1)).start().unwrap();
    let mut raw = Raw::login(server.addr()).await;
    let addr = {
        let reply = raw.cmd("EPSV").await;
        raw.data_addr(&reply)
    };
    let stranger = TcpSocket::new_v4().unwrap();
    stranger.bind(([127, 0, 0, 2], 0).into()).unwrap();
    let stranger = stranger.connect(addr).await.unwrap();
    raw.send("RETR f\r\n").await;
    assert_eq!(drain(stranger).await.0, b"");
    let data = TcpStream::connect(addr).await.unwrap();
    assert!(raw.reply().await.starts_with("150"));
    assert_eq!(drain(data).await.0, content(1, 0..100));
}

#[tokio::test]
async fn overlong_lines_are_refused_and_the_session_goes_on() {
    let server = Server::builder().start().unwrap();
    let mut raw = Raw::login(server.addr()).await;
    raw.send([b'x'; 5000]).await;
    assert!(raw.reply().await.starts_with("500"));
    assert!(raw.cmd("").await.starts_with("500"));
    assert!(raw.cmd("NOOP").await.starts_with("200"));
}

#[tokio::test]
async fn shutdown_and_drop_close_every_socket_and_free_the_port() {
    let addr = {
        let server = Server::builder().send_buffer(4096).file("/f", File::generated(1 << 40, 1)).start().unwrap();
        let mut raw = Raw::login(server.addr()).await;
        let data = raw.retr("f", 0).await;
        let addr = server.addr();
        server.shutdown().await;
        assert_eq!(raw.reply().await, "");
        drain(data).await;
        assert!(TcpStream::connect(addr).await.is_err());
        addr
    };
    let again = Server::builder().bind(addr).start().unwrap();
    let mut raw = Raw::login(addr).await;
    drop(again);
    assert_eq!(raw.reply().await, "");
}

#[test]
fn a_server_starts_on_a_given_runtime_from_outside() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = Server::builder().file("/f", File::bytes("x")).start_on(runtime.handle()).unwrap();
    let mut io = std::net::TcpStream::connect(server.addr()).unwrap();
    let mut greeting = [0; 3];
    std::io::Read::read_exact(&mut io, &mut greeting).unwrap();
    assert_eq!(&greeting, b"220");
    drop(server);
}
