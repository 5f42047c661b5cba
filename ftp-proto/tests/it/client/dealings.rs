//! Downloads from servers of all habits, and how sessions are used.

use std::time::Duration;

use bytes::BytesMut;
use ftp_proto::client::{Client, Config, Download, ErrorClass, OpenError, ReadError};
use ftp_proto::testing::{
    Ending, Fault, Feature, File, HostileServer, Personality, Script, Server, ServerBuilder, When, content_at,
};
use ftp_proto::wire::{Path, Url};

use super::watched::Watched;

pub(crate) const LEN: u64 = 4 << 20;
pub(crate) const SEED: u64 = 5;

pub(crate) fn builder(personality: Personality) -> ServerBuilder {
    Server::builder().personality(personality).file("/pub/big", File::generated(LEN, SEED))
}

pub(crate) fn personalities() -> [Personality; 5] {
    [
        Personality::plain(),
        Personality::vsftpd(),
        Personality::proftpd(),
        Personality::pure_ftpd(),
        Personality::pyftpdlib(),
    ]
}

pub(crate) fn connect(url: &str) -> (Client, Path, Watched) {
    let url = Url::parse(url).unwrap();
    let watched = Watched::default();
    (Client::new(&url, Config::default().with_connector(watched.clone())), url.path().clone(), watched)
}

pub(crate) async fn assert_bytes(download: &mut Download, len: u64) {
    let start = download.position();
    let mut bytes = BytesMut::with_capacity(1 << 20);
    while (bytes.len() as u64) < len {
        bytes.reserve(1 << 16);
        assert!(download.read(&mut bytes).await.unwrap() > 0, "the end came early");
    }
    let mut expected = vec![0; bytes.len()];
    content_at(SEED, start, &mut expected);
    assert!(bytes == expected, "other bytes at {start}");
}

#[tokio::test]
async fn ranges_that_end_early_at_the_end_or_unread_take_one_login_on_servers_of_all_habits() {
    for personality in personalities() {
        let server = builder(personality).start().unwrap();
        let (client, path, watched) = connect(&server.url("/pub/big"));
        for round in 0..60_u64 {
            let start = (round * 7919 * 61) % LEN;
            let mut download = client.download(&path, start).await.unwrap();
            match round % 4 {
                0 => assert_bytes(&mut download, 1).await,
                1 => assert_bytes(&mut download, (LEN - start).min(700_000)).await,
                2 => {
                    assert_bytes(&mut download, LEN - start).await;
                    assert_eq!(download.read(&mut BytesMut::with_capacity(1)).await, Ok(0));
                }
                _ => {}
            }
            if round % 8 > 3 {
                download.stop().await;
            }
        }
        let counters = server.counters();
        assert_eq!((counters.logins, counters.max_open), (1, 1), "{personality:?}");
        assert_eq!(client.sessions(), 1);
        assert!(watched.open() <= 2);
    }
}

#[tokio::test]
async fn parallel_downloads_have_a_session_each_and_leave_them_to_the_next() {
    let server = builder(Personality::vsftpd()).start().unwrap();
    let (client, path, _) = connect(&server.url("/pub/big"));
    for _ in 0..3 {
        let mut downloads = Vec::new();
        for part in 0..4 {
            downloads.push(client.download(&path, part * LEN / 4).await.unwrap());
        }
        for download in &mut downloads {
            assert_bytes(download, 100_000).await;
        }
    }
    assert_eq!((server.counters().logins, client.sessions()), (4, 4));
}

#[tokio::test]
async fn a_session_that_died_while_it_was_idle_is_noticed_and_replaced() {
    let server = builder(Personality::vsftpd()).start().unwrap();
    let (client, path, watched) = connect(&server.url("/pub/big"));
    for _ in 0..3 {
        let downloads = [client.download(&path, 0).await.unwrap(), client.download(&path, 0).await.unwrap()];
        let [first, second] = downloads;
        first.stop().await;
        second.stop().await;
        watched.end_all();
        // At once: whether the pool or the caller finds out first does not matter.
        assert_bytes(&mut client.download(&path, 9).await.unwrap(), 1000).await;
    }
    watched.end_all();
    while client.sessions() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_farewell_to_an_idle_session_empties_the_pool() {
    let farewell = Script::new()
        .send("220 hi\r\n")
        .serve_until("MDTM")
        .send("213 20200101000000\r\n")
        .expect("EPSV")
        .send("229 (|||9|)\r\n")
        .pause(Duration::from_millis(50))
        .send("421 idle for too long\r\n")
        .stall();
    let server = HostileServer::start([farewell]).unwrap();
    let (client, path, _) = connect(&server.url("f"));
    client.probe(&path).await.unwrap();
    assert_eq!(client.idle_sessions(), 1);
    while client.sessions() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn without_epsv_pasv_serves_and_its_address_is_not_followed() {
    let address = std::net::Ipv4Addr::new(192, 0, 2, 77);
    let server = builder(Personality::plain()).without(Feature::Epsv).passive_address(address).start().unwrap();
    let (client, path, _) = connect(&server.url("/pub/big"));
    assert_bytes(&mut client.download(&path, 0).await.unwrap(), LEN).await;
    assert!(client.quirks().no_epsv);
}

#[tokio::test]
async fn over_ipv6_epsv_alone_serves() {
    let server = builder(Personality::vsftpd()).ipv6().start().unwrap();
    let (client, path, _) = connect(&server.url("/pub/big"));
    assert_bytes(&mut client.download(&path, LEN / 3).await.unwrap(), 1000).await;
    let server = builder(Personality::vsftpd()).ipv6().without(Feature::Epsv).start().unwrap();
    let (client, path, _) = connect(&server.url("/pub/big"));
    let error = client.download(&path, 0).await.unwrap_err();
    assert!(matches!(error, OpenError::PassiveRefused(Some(_))), "{error}");
}

#[tokio::test]
async fn a_server_that_lies_about_where_it_starts_is_found_out_before_a_byte_is_delivered() {
    let lies = [
        Fault::REST_IGNORED,
        Fault::WrongOffset { back: 1, above: 0 },
        Fault::WrongOffset { back: -1, above: 0 },
        Fault::WrongOffset { back: 4096, above: 1 },
    ];
    for lie in lies {
        let server = builder(Personality::vsftpd()).start().unwrap();
        server.fault(When::Always, lie.clone());
        let (client, path, _) = connect(&server.url("/pub/big"));
        for _ in 0..2 {
            let error = client.download(&path, LEN / 2).await.unwrap_err();
            assert_eq!(error.class(), ErrorClass::RangeRefused, "{lie:?}: {error}");
        }
        assert_bytes(&mut client.download(&path, 0).await.unwrap(), LEN).await;
        assert_eq!(server.counters().logins, 1, "{lie:?}");
    }
}

#[tokio::test]
async fn a_server_whose_offsets_have_31_bits_is_found_out_where_they_end() {
    let file = File::generated(5 << 30, SEED);
    let server = Server::builder().file("/huge", file).start().unwrap();
    server.fault(When::Always, Fault::WrongOffset { back: 1 << 31, above: 1 << 31 });
    let (client, path, _) = connect(&server.url("/huge"));
    let error = client.download(&path, 3 << 30).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::RangeRefused, "{error}");
}

#[tokio::test]
async fn offsets_behind_4_gib_are_right() {
    let server = Server::builder().file("/huge", File::generated(1 << 40, SEED)).start().unwrap();
    let (client, path, _) = connect(&server.url("/huge"));
    for start in [(1 << 31) - 1, 1 << 31, (1 << 32) + 1, (1 << 40) - 5000] {
        assert_bytes(&mut client.download(&path, start).await.unwrap(), 5000).await;
    }
}

#[tokio::test]
async fn a_server_without_rest_serves_from_the_beginning_only() {
    let server = builder(Personality::plain()).without(Feature::Rest).start().unwrap();
    let (client, path, _) = connect(&server.url("/pub/big"));
    for _ in 0..2 {
        let error = client.download(&path, 1).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::RangeRefused, "{error}");
    }
    assert_bytes(&mut client.download(&path, 0).await.unwrap(), LEN).await;
    assert_eq!(server.counters().logins, 1);
}

#[tokio::test]
async fn a_refused_file_is_classified_at_once_and_the_session_goes_on() {
    for personality in personalities() {
        let server = builder(personality).start().unwrap();
        let (client, path, _) = connect(&server.url("/pub/big"));
        let missing = Url::parse(&server.url("/pub/none")).unwrap();
        let directory = Url::parse(&server.url("/pub")).unwrap();
        for _ in 0..3 {
            for url in [&missing, &directory] {
                for error in [
                    client.probe(url.path()).await.unwrap_err(),
                    client.download(url.path(), 0).await.unwrap_err(),
                    client.download(url.path(), 7).await.unwrap_err(),
                ] {
                    let class = error.class();
                    assert!(matches!(class, ErrorClass::NotFound | ErrorClass::Permanent), "{personality:?}: {error}");
                }
                assert_bytes(&mut client.download(&path, 3).await.unwrap(), 1000).await;
            }
        }
        assert_eq!(server.counters().logins, 1, "{personality:?}");
    }
}

#[tokio::test]
async fn a_file_that_exists_and_is_refused_is_denied() {
    let server = builder(Personality::vsftpd()).start().unwrap();
    server.fault(When::Always, Fault::Reply("RETR", "550 Failed to open file."));
    let (client, path, _) = connect(&server.url("/pub/big"));
    assert_eq!(client.download(&path, 0).await.unwrap_err().class(), ErrorClass::Denied);
}

#[tokio::test]
async fn a_farewell_at_any_step_is_transient_and_costs_no_byte_twice() {
    let steps = ["greeting", "USER", "PASS", "FEAT", "TYPE", "SIZE", "MDTM", "EPSV", "REST", "RETR"];
    for step in steps {
        let server = builder(Personality::vsftpd()).start().unwrap();
        server.fault(When::Next(1), Fault::Reply(step, "421 Service not available."));
        let (client, path, _) = connect(&server.url("/pub/big"));
        let error = client.download(&path, 99).await.unwrap_err();
        let login = ["greeting", "USER", "PASS", "FEAT", "TYPE"].contains(&step);
        match error.class() {
            ErrorClass::LimitReached { .. } => assert!(login, "{step}: {error}"),
            class => assert_eq!((class, login), (ErrorClass::Transient, false), "{step}: {error}"),
        }
        assert_eq!(client.sessions(), 0, "{step}");
        assert_bytes(&mut client.download(&path, 99).await.unwrap(), 5000).await;
    }
}

#[tokio::test]
async fn what_goes_wrong_in_the_middle_is_told_and_the_next_download_goes_on_from_there() {
    let cut = |end, reply| Fault::Cut { after: 100_000, end, reply };
    let faults = [
        cut(Ending::Fin, Some("426 Lost")),
        cut(Ending::Rst, Some("426 Lost")),
        cut(Ending::Fin, Some("226 Done")),
        cut(Ending::Rst, Some("451 Disk")),
        Fault::Kill { after: 100_000 },
    ];
    for fault in faults {
        let server = builder(Personality::vsftpd()).start().unwrap();
        let (client, path, _) = connect(&server.url("/pub/big"));
        // The proof of the first start behind 0 is not what the fault is for.
        client.download(&path, 1).await.unwrap().stop().await;
        server.fault(When::Next(1), fault.clone());
        let mut position = LEN / 2;
        let mut failures = 0;
        while position < LEN {
            let mut download = client.download(&path, position).await.unwrap();
            let mut bytes = BytesMut::with_capacity(1 << 23);
            let error = loop {
                match download.read(&mut bytes).await {
                    Ok(0) => break None,
                    Ok(_) => {}
                    Err(error) => break Some(error),
                }
            };
            let mut expected = vec![0; bytes.len()];
            content_at(SEED, position, &mut expected);
            assert!(bytes == expected, "{fault:?}");
            position += bytes.len() as u64;
            if let Some(error) = error {
                assert_eq!(error.class(), ErrorClass::Transient, "{fault:?}: {error}");
                failures += 1;
            }
        }
        assert_eq!((position, failures), (LEN, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn a_success_that_is_short_is_none() {
    let server = builder(Personality::vsftpd()).start().unwrap();
    server.fault(When::Always, Fault::Cut { after: 1000, end: Ending::Fin, reply: Some("226 Transfer complete.") });
    let (client, path, _) = connect(&server.url("/pub/big"));
    let mut download = client.download(&path, 0).await.unwrap();
    assert_bytes(&mut download, 1000).await;
    assert_eq!(download.read(&mut BytesMut::with_capacity(9)).await, Err(ReadError::Short(LEN - 1000)));
}

#[tokio::test]
async fn a_lost_control_connection_does_not_cost_the_rest_of_the_body() {
    let server = builder(Personality::vsftpd()).start().unwrap();
    server.fault(When::Always, Fault::LoseControl { after: 1000 });
    let (client, path, _) = connect(&server.url("/pub/big"));
    let mut download = client.download(&path, 0).await.unwrap();
    assert_bytes(&mut download, LEN).await;
    assert_eq!(download.read(&mut BytesMut::with_capacity(9)).await, Err(ReadError::Unconfirmed));
}

#[tokio::test]
async fn a_file_that_is_larger_than_it_says_is_noticed_at_its_end() {
    let server = builder(Personality::vsftpd()).start().unwrap();
    server.fault(When::Always, Fault::WrongSize(-1000));
    let (client, path, _) = connect(&server.url("/pub/big"));
    let mut download = client.download(&path, 0).await.unwrap();
    assert_bytes(&mut download, LEN - 1000).await;
    let mut more = BytesMut::with_capacity(9);
    assert_eq!(download.read(&mut more).await, Err(ReadError::Overrun));
    assert!(more.is_empty(), "nothing of it is taken for data");
}

#[tokio::test]
async fn a_path_without_tvfs_is_walked_and_files_of_other_directories_are_found_from_there() {
    let server = Server::builder()
        .single_component_names()
        .without(Feature::Tvfs)
        .file("/a/b/big", File::generated(LEN, SEED))
        .file("/c/big", File::generated(LEN, SEED))
        .file("/big", File::generated(LEN, SEED))
        .start()
        .unwrap();
    let (client, _, _) = connect(&server.url("/"));
    for path in ["a/b/big", "c/big", "big", "a/b/big", "big"] {
        let path = Path::new(path.split('/').map(str::to_owned)).unwrap();
        assert_bytes(&mut client.download(&path, 5).await.unwrap(), 1000).await;
    }
    assert_eq!(server.counters().logins, 1);
}

#[tokio::test]
async fn a_server_that_loses_commands_sent_together_is_spoken_to_one_by_one_from_then_on() {
    let honest = || Script::honest(File::generated(LEN, SEED));
    let confused = [
        Script::new().send("220 hi\r\n").expect("USER").flush_input().send("331 pass?\r\n").black_hole(),
        Script::new()
            .send("220 hi\r\n")
            .expect("USER")
            .send("331 pass?\r\n")
            .expect("PASS")
            .send("331 pass?\r\n")
            .black_hole(),
        Script::new().send("220 hi\r\n").expect("USER").send("331 pass?\r\n").close_control(Ending::Fin),
        Script::new().send("220 hi\r\n").expect("USER").send("331 pass?\r\n").close_control(Ending::Rst),
        Script::new().send("220 hi\r\n").expect("USER").send("500 line too long\r\n").black_hole(),
    ];
    for script in confused {
        let server = HostileServer::start([script, honest()]).unwrap();
        let url = Url::parse(&server.url("f")).unwrap();
        let mut config = Config::default();
        config.timeouts.waits.pipelined_login = Duration::from_millis(100);
        let client = Client::new(&url, config);
        let first = client.download(url.path(), 7).await.unwrap();
        assert!(client.quirks().serial);
        let mut second = client.download(url.path(), 9).await.unwrap();
        assert_bytes(&mut second, 1000).await;
        assert_eq!(server.connections(), 3, "it is not tried again");
        drop(first);
    }
}

#[tokio::test]
async fn a_name_with_0xff_is_sent_as_it_is_and_doubled_only_where_that_is_known_by() {
    let honest = Server::builder().file(b"/n\xffame", File::generated(LEN, SEED)).start().unwrap();
    let path = Path::new([&b"n\xffame"[..]].map(<[u8]>::to_vec)).unwrap();
    let (client, _, _) = connect(&honest.url("/"));
    assert_bytes(&mut client.download(&path, 0).await.unwrap(), 100).await;
    assert!(!client.quirks().doubled_ff);

    let telnet = Script::new()
        .send("220 hi\r\n")
        .serve_until("SIZE")
        .send("550 no\r\n")
        .expect("MDTM")
        .send("550 no\r\n")
        .expect_line(b"SIZE n\xff\xffame")
        .send("213 1000\r\n")
        .expect_line(b"MDTM n\xff\xffame")
        .send("213 20200101000000\r\n")
        .expect_line(b"SIZE n\xff\xffame")
        .send("213 1000\r\n");
    let server = HostileServer::start([telnet]).unwrap();
    let (client, _, _) = connect(&server.url("/"));
    assert_eq!(client.probe(&path).await.unwrap().size, Some(1000));
    assert!(client.quirks().doubled_ff);
    drop(client.probe(&path).await);
    server.finished(1).await.unwrap();
}
