//! How many sessions a server admits, and who is let in at all.

use std::time::Duration;

use bytes::BytesMut;
use ftp_proto::client::{Client, Config, ConnectError, ErrorClass, OpenError};
use ftp_proto::testing::{Ending, HostileServer, LimitAt, Personality, Script, Server, ServerBuilder};
use ftp_proto::wire::{Path, Url};

use super::dealings::{assert_bytes, builder, connect};

fn is_limit(error: &OpenError) -> bool {
    matches!(error.class(), ErrorClass::LimitReached { .. })
}

fn limited(at: LimitAt, personality: Personality) -> ServerBuilder {
    builder(personality).max_connections(2).limit_at(at)
}

/// Where servers say that they are full.
pub(super) fn wherever() -> [(LimitAt, Personality); 4] {
    [
        (LimitAt::Greeting, Personality::vsftpd()),
        (LimitAt::Greeting, Personality::pure_ftpd()),
        (LimitAt::Greeting, Personality::pyftpdlib()),
        (LimitAt::Password, Personality::proftpd()),
    ]
}

#[tokio::test]
async fn one_session_too_many_is_a_limit_wherever_the_server_says_so() {
    for (at, personality) in wherever() {
        let server = limited(at, personality).start().unwrap();
        let (client, path, _) = connect(&server.url("/pub/big"));
        let mut first = client.prepare(&path).await.unwrap().start(0, None).await.unwrap();
        let mut second = client.prepare(&path).await.unwrap().start(0, None).await.unwrap();
        for _ in 0..3 {
            let error = client.prepare(&path).await.unwrap_err();
            assert!(is_limit(&error), "{personality:?}: {error}");
        }
        assert_bytes(&mut first, 1000).await;
        first.stop().await;
        // Reused, not opened anew.
        let mut third = client.prepare(&path).await.unwrap().start(0, None).await.unwrap();
        assert_bytes(&mut third, 1000).await;
        assert_bytes(&mut second, 1000).await;
        let counters = server.counters();
        assert_eq!((counters.max_open <= 3, counters.logins), (true, 2), "{personality:?}: {counters:?}");
    }
}

#[tokio::test]
async fn a_530_is_about_the_password_unless_the_account_was_let_in_before_or_it_says_otherwise() {
    let refusals = [
        ("530 Login incorrect.", false),
        ("530 Sorry, the maximum number of clients (4) from your host are already connected.", true),
        ("530 Too many users, try again later", true),
    ];
    for (text, limit) in refusals {
        let refusing = || Script::new().send("220 hi\r\n").serve_until("PASS").send(format!("{text}\r\n")).serve();
        let server = HostileServer::start([refusing()]).unwrap();
        let (client, path, _) = connect(&format!("ftp://u:wrong@{}/f", server.addr()));
        let error = client.probe(&path).await.unwrap_err();
        assert_eq!(is_limit(&error), limit, "{error}");
        assert_eq!(error.class() == ErrorClass::Denied, !limit, "{error}");
        assert_eq!(error.code(), Some(530));
        assert_eq!(error.to_string().contains("user or password"), !limit, "{error}");
        assert!(error.to_string().contains(text), "the answer to PASS is quoted: {error}");
        assert_eq!(server.connections(), 1, "a refused password is not tried again");
        if text.contains("(4)") {
            assert_eq!(error.class(), ErrorClass::LimitReached { retry_after: None, limit_hint: Some(4) });
        }

        let server =
            HostileServer::start([Script::honest(ftp_proto::testing::File::generated(9, 1)), refusing()]).unwrap();
        let (client, path, _) = connect(&format!("ftp://u:right@{}/f", server.addr()));
        let _held = client.prepare(&path).await.unwrap();
        assert!(is_limit(&client.prepare(&path).await.unwrap_err()), "{text}: this account has been let in");
    }
}

#[tokio::test]
async fn a_530_behind_the_password_is_a_refused_account_and_its_words_are_not_quoted() {
    let hi = Script::new().send("220 hi\r\n").serve_until("TYPE").send("530 Log in with USER and PASS first.\r\n");
    let server = HostileServer::start([hi.serve()]).unwrap();
    let (client, path, _) = connect(&format!("ftp://u:wrong@{}/f", server.addr()));
    let error = client.probe(&path).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Denied);
    assert_eq!(error.to_string(), "the server refuses this user or password (530)");
    assert_eq!(error.code(), Some(530));
}

#[tokio::test]
async fn a_wrong_password_is_denied_after_one_attempt() {
    for personality in [Personality::vsftpd(), Personality::proftpd()] {
        let server = Server::builder().personality(personality).account("u", "right").no_anonymous().start().unwrap();
        let url = Url::parse(&server.url_as("u", "wrong", "/f")).unwrap();
        let client = Client::new(&url, Config::default());
        let error = client.probe(url.path()).await.unwrap_err();
        assert!(matches!(&error, OpenError::Connect(ConnectError::Denied { .. })), "{error}");
        assert_eq!(server.counters().bad_passwords, 1);
        assert!(!format!("{error} {error:?} {client:?}").contains("wrong"));
    }
}

#[tokio::test]
async fn a_connection_closed_before_the_greeting_is_a_limit_only_beside_others_of_ours() {
    for end in [Ending::Fin, Ending::Rst] {
        let closing = || Script::new().close_control(end);
        let honest = Script::honest(ftp_proto::testing::File::generated(9, 1));
        let server = HostileServer::start([closing(), honest, closing()]).unwrap();
        let (client, path, _) = connect(&server.url("f"));
        assert_eq!(client.probe(&path).await.unwrap_err().class(), ErrorClass::Transient);
        let _held = client.prepare(&path).await.unwrap();
        assert!(is_limit(&client.prepare(&path).await.unwrap_err()));
    }
}

#[tokio::test]
async fn a_download_of_the_client_itself_waits_for_a_session_to_become_free() {
    let server = limited(LimitAt::Greeting, Personality::vsftpd()).start().unwrap();
    let (client, path, _) = connect(&server.url("/pub/big"));
    let held = [client.download(&path, 0).await.unwrap(), client.download(&path, 0).await.unwrap()];
    let waiting = tokio::spawn({
        let (client, path): (Client, Path) = (client.clone(), path.clone());
        async move { assert_bytes(&mut client.download(&path, 0).await.unwrap(), 5000).await }
    });
    server.wait_for(|counters| counters.refusals == 1).await;
    drop(held);
    waiting.await.unwrap();
    assert_eq!(server.counters().logins, 2);
}

#[tokio::test]
async fn the_clients_own_limit_is_kept_and_idle_sessions_make_room() {
    let server = builder(Personality::plain()).start().unwrap();
    let url = Url::parse(&server.url("/pub/big")).unwrap();
    let mut config = Config::default();
    config.limits.sessions = 2;
    config.timeouts.session = Duration::from_millis(20);
    let client = Client::new(&url, config);
    let first = client.download(url.path(), 0).await.unwrap();
    let _second = client.download(url.path(), 0).await.unwrap();
    assert!(is_limit(&client.download(url.path(), 0).await.unwrap_err()));
    drop(first);
    let mut third = client.download(url.path(), 0).await.unwrap();
    third.read(&mut BytesMut::with_capacity(10)).await.unwrap();
    assert_eq!((server.counters().max_open, client.sessions()), (2, 2));
}

#[tokio::test]
async fn clients_of_one_url_serve_each_other_and_no_other_account() {
    let parse = |url: &str| Url::parse(url).unwrap();
    let client = Client::new(&parse("ftp://u:p@host/a"), Config::default());
    assert!(client.serves(&parse("ftp://u:p@HOST:21/b")));
    assert!(client.serves(&parse("ftp://u@host/b")), "no password is no other password");
    for other in ["ftp://u:q@host/a", "ftp://v:p@host/a", "ftp://host/a", "ftp://u:p@host:2121/a", "ftp://u:p@other/a"]
    {
        assert!(!client.serves(&parse(other)), "{other}");
    }
    assert_eq!(client.host_key(), "host:21:u");
}
