//! Full servers, wrong passwords, and few ports.

use ftp_proto::client::{Client, Config, ErrorClass};
use ftp_proto::wire::{Path, Url};
use segfetch_testkit::lab::{Kind, Log};

use super::setup::{MIB, client, random_file, take};

fn big() -> Path {
    Path::new(["big"]).unwrap()
}

#[tokio::test]
async fn one_session_too_many_is_a_limit_and_a_wrong_password_is_denied() {
    for kind in Kind::ALL {
        let dir = tempfile::tempdir().unwrap();
        random_file(&dir.path().join("big"), MIB);
        let server = kind.serve(dir.path()).account().max_per_ip(2).start().unwrap();
        let (user, password) = server.account().unwrap();
        let url = |password: &str| Url::parse(&format!("ftp://{user}:{password}@{}/big", server.addr())).unwrap();
        let wrong = Client::new(&url("wrong"), Config::default()).probe(&big()).await.unwrap_err();
        assert_eq!(wrong.class(), ErrorClass::Denied, "{kind:?}: {wrong}");

        let client = Client::new(&url(password), Config::default());
        let mut held = Vec::new();
        let refusal = loop {
            assert!(held.len() <= 2, "{kind:?} admits more than it should");
            match client.prepare(&big()).await {
                Ok(prepared) => held.push(prepared),
                // The session of the wrong password may not be gone yet.
                Err(error) => break error,
            }
        };
        assert!(matches!(refusal.class(), ErrorClass::LimitReached { .. }), "{kind:?}: {refusal}");
        if matches!(kind, Kind::Proftpd | Kind::PureFtpd) {
            let hint = ErrorClass::LimitReached { retry_after: None, limit_hint: Some(2) };
            assert_eq!(refusal.class(), hint, "{kind:?}: {refusal}");
        }
        drop(held);
        take(&mut client.download(&big(), 0).await.unwrap(), MIB).await;
    }
}

#[tokio::test]
async fn a_dropped_session_frees_its_place_at_once() {
    for kind in Kind::ALL {
        let dir = tempfile::tempdir().unwrap();
        random_file(&dir.path().join("big"), 64 * MIB);
        let server = kind.serve(dir.path()).max_per_ip(1).start().unwrap();
        let mut patience = 500;
        for round in 1..=3 {
            let client = client(&server);
            // Unread data is on its way when the session is dropped with its client.
            let prepared = loop {
                match client.prepare(&big()).await {
                    // The parent of the server counts its children a moment later than they write their last line.
                    Err(_) if patience > 0 => patience -= 1,
                    prepared => break prepared.unwrap(),
                }
            };
            let mut download = prepared.start(0, None).await.unwrap();
            take(&mut download, 1000).await;
            drop((download, client));
            let over = |log: &Log| log.sessions.iter().filter(|session| session.end.is_some()).count();
            // Whichever the server's log tells: pure-ftpd's has no ends of sessions, vsftpd's no transfers that were reset.
            server.wait_for("the end", |log| over(log).max(log.transfers.len()) >= round);
        }
    }
}

#[tokio::test]
async fn eight_downloads_share_two_passive_ports() {
    let dir = tempfile::tempdir().unwrap();
    let pattern = random_file(&dir.path().join("big"), 8 * MIB);
    let server = Kind::Vsftpd.serve(dir.path()).passive_ports(2).start().unwrap();
    let client = client(&server);
    let workers = (0..8).map(|part| {
        let client = client.clone();
        tokio::spawn(async move {
            let start = part * MIB;
            // Waits for its turn by itself.
            let mut download = client.download(&big(), start).await.unwrap();
            assert!(take(&mut download, MIB).await.starts_with(&pattern.bytes(start, 1 << 20)));
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    let logins = server.wait_for("transfers", |log| log.transfers.len() >= 8).logins_granted();
    assert!(logins <= 24, "a storm of {logins} logins");
}

#[tokio::test]
async fn a_server_over_ipv6_serves_ranges() {
    for kind in Kind::ALL {
        let dir = tempfile::tempdir().unwrap();
        let pattern = random_file(&dir.path().join("big"), MIB);
        let server = kind.serve(dir.path()).ipv6().start().unwrap();
        let mut download = client(&server).download(&big(), 12_345).await.unwrap();
        assert!(take(&mut download, 5000).await.starts_with(&pattern.bytes(12_345, 5000)), "{kind:?}");
    }
}

#[tokio::test]
async fn a_server_without_epsv_is_served_by_pasv() {
    for kind in [Kind::Vsftpd, Kind::Proftpd, Kind::Pyftpd] {
        let dir = tempfile::tempdir().unwrap();
        let pattern = random_file(&dir.path().join("big"), MIB);
        let server = kind.serve(dir.path()).without("EPSV").start().unwrap();
        let client = client(&server);
        for start in [5, 12_345] {
            let mut download = client.download(&big(), start).await.unwrap();
            assert!(take(&mut download, 5000).await.starts_with(&pattern.bytes(start, 5000)), "{kind:?}");
        }
        assert!(client.quirks().no_epsv);
        assert_eq!(client.sessions(), 1);
    }
}
