//! Data connections made in advance, where something is wrong with them.

use std::time::Duration;

use bytes::BytesMut;
use ftp_proto::client::{Client, Config, Prearm, Target};
use ftp_proto::testing::{Fault, File, Personality, Server, When};
use ftp_proto::wire::Url;
use segfetch_source::{ErrorClass, OpenRequest, RangeSource, SourceContext};
use tokio::time::sleep;

use super::dealings::{LEN as FILE, SEED, assert_bytes, personalities};
use super::distance::Distant;
use super::round_trips::{LEN, ROUND_TRIP, first_bytes, known, measured, read, rested};
use super::watched::Watched;

/// What the client may do about it: the bytes come all the same, after the 3 round trips of a session that has nothing ready or
/// with those of the attempt before them, and nothing is made in advance any more.
async fn assert_forgone(distant: &Distant, source: &ftp_proto::source::FtpSource, trips: f64) {
    assert_eq!(measured(first_bytes(source, OpenRequest::from(7))).await.0, trips);
    assert!(source.client().quirks().no_prearm);
    sleep(ROUND_TRIP * 10).await;
    assert_eq!((distant.open(), source.client().sessions(), source.client().prearmed_sessions()), (1, 1, 0));
    assert_eq!(measured(first_bytes(source, OpenRequest::from(8))).await.0, 3.0);
}

#[tokio::test(start_paused = true)]
async fn one_that_the_server_closes_is_noticed_and_not_used() {
    let (distant, source) = rested(Prearm::Auto).await;
    distant.end_data();
    sleep(ROUND_TRIP).await;
    assert_eq!(source.client().prearmed_sessions(), 0);
    assert_forgone(&distant, &source, 3.0).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_the_server_closes_at_the_moment_of_use_costs_the_attempt() {
    let (distant, source) = rested(Prearm::Auto).await;
    distant.end_data();
    distant.answer("RETR", "425 it is gone");
    assert_forgone(&distant, &source, 4.0).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_the_server_does_not_use_costs_the_attempt() {
    for reply in ["425 no data connection", "426 failure reading network stream"] {
        let (distant, source) = rested(Prearm::Auto).await;
        distant.answer("RETR", reply);
        assert_forgone(&distant, &source, 4.0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_port_that_does_not_answer_is_given_up() {
    let (distant, source) = known(Prearm::Auto).await;
    drop(first_bytes(&source, OpenRequest::from(1)).await);
    distant.answer("EPSV", "229 nobody is there (|||9|)");
    sleep(ROUND_TRIP * 10).await;
    assert_forgone(&distant, &source, 3.0).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_port_is_not_asked_for_again() {
    for reply in ["425 not now", "500 what", "229 somewhere"] {
        let (distant, source) = known(Prearm::Auto).await;
        drop(first_bytes(&source, OpenRequest::from(1)).await);
        distant.answer("EPSV", reply);
        sleep(ROUND_TRIP * 10).await;
        assert_forgone(&distant, &source, 3.0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_port_that_a_probe_did_not_get_does_not_fail_it() {
    for (reply, trips) in [("425 not now", 4.0), ("500 OOPS: no port", 6.0)] {
        let (distant, source) = super::round_trips::source("f", Prearm::Auto);
        distant.answer("EPSV", reply);
        distant.answer("PASV", "425 not now");
        let (took, info) = measured(source.probe(&SourceContext::new())).await;
        assert_eq!(info.unwrap().extent.known(), Some(LEN), "{reply}");
        assert!(took >= trips && took <= trips + 1.0, "{reply}: {took}");
        assert!(source.client().quirks().no_prearm);
        drop(first_bytes(&source, OpenRequest::from(0)).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_lost_meanwhile_is_replaced() {
    let (distant, source) = rested(Prearm::Auto).await;
    distant.answer("SIZE", "421 bye");
    drop(first_bytes(&source, OpenRequest::from(7)).await);
    assert_eq!(source.client().sessions(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_nobody_uses_is_dropped_and_after_four_there_are_no_more_until_somebody_would_have() {
    let (distant, source) = rested(Prearm::Auto).await;
    let client = source.client();
    for unused in 1..=5 {
        assert_eq!(client.prearmed_sessions(), usize::from(unused <= 4), "{unused}");
        sleep(Duration::from_secs(12)).await;
        assert_eq!((distant.open(), client.sessions(), client.prearmed_sessions()), (1, 1, 0));
        assert!(!client.quirks().no_prearm);
        drop(first_bytes(&source, OpenRequest::from(7)).await);
        sleep(ROUND_TRIP * 10).await;
    }
    drop(first_bytes(&source, OpenRequest::from(7)).await);
    sleep(ROUND_TRIP * 10).await;
    assert_eq!(client.prearmed_sessions(), 1, "that was soon");
}

#[tokio::test(start_paused = true)]
async fn no_more_than_two_wait_at_one_time() {
    let (distant, source) = known(Prearm::Auto).await;
    let mut readers = Vec::new();
    for start in 0..5 {
        readers.push(first_bytes(&source, OpenRequest::from(start)).await);
    }
    drop(readers);
    sleep(ROUND_TRIP * 10).await;
    assert_eq!((source.client().idle_sessions(), source.client().prearmed_sessions(), distant.open()), (5, 2, 7));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_has_changed_is_not_delivered_and_the_session_is_kept() {
    let (distant, source) = known(Prearm::Auto).await;
    let reader = first_bytes(&source, OpenRequest::from(1)).await;
    let before = reader.opened().validator.clone().unwrap();
    drop(reader);
    sleep(ROUND_TRIP * 10).await;
    distant.verbs();
    distant.answer("SIZE", "213 5000000");
    let changed = OpenRequest::from(2).expecting(before.clone());
    let error = source.open(&SourceContext::new(), changed).await.err().unwrap();
    assert_eq!(
        (error.class(), &distant.verbs()[..3]),
        (ErrorClass::Changed, &["SIZE", "MDTM", "REST"].map(String::from)[..])
    );
    sleep(ROUND_TRIP * 10).await;
    first_bytes(&source, OpenRequest::from(2).expecting(before)).await;
    assert_eq!(source.client().sessions(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_start_at_or_behind_the_end_is_answered_as_ever() {
    let (_, source) = rested(Prearm::Auto).await;
    let mut reader = source.open(&SourceContext::new(), OpenRequest::from(LEN)).await.unwrap();
    assert_eq!(read(&mut *reader, LEN).await, None);
    sleep(ROUND_TRIP * 10).await;
    let error = source.open(&SourceContext::new(), OpenRequest::from(LEN + 1)).await.err().unwrap();
    assert_eq!(error.class(), ErrorClass::RangeNotSupported);
    assert_eq!(source.client().sessions(), 1);
}

#[tokio::test(start_paused = true)]
async fn they_go_to_the_peer_of_the_control_connection() {
    let (distant, source) = known(Prearm::Auto).await;
    drop(first_bytes(&source, OpenRequest::from(1)).await);
    // Whatever address the answer names.
    distant.answer("EPSV", "229 elsewhere (|1|203.0.113.9|4711|)");
    sleep(ROUND_TRIP * 10).await;
    let data = &distant.targets()[1..];
    assert!(data.len() >= 3 && data.last() == Some(&Target::Address("192.0.2.1:4711".parse().unwrap())), "{data:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_dropped_closes_everything() {
    for rest in [0, 5, 10, 15, 20, 25, 30, 100] {
        let (distant, source) = known(Prearm::Auto).await;
        drop(first_bytes(&source, OpenRequest::from(1)).await);
        sleep(ROUND_TRIP * rest / 10).await;
        drop(source);
        sleep(ROUND_TRIP * 3).await;
        assert_eq!(distant.open(), 0, "{rest} tenths");
    }
}

/// A client that makes data connections in advance on a server next door, and has made one.
async fn next_door(server: &Server) -> (Client, Watched) {
    let watched = Watched::default();
    let config = Config::default().with_connector(watched.clone()).with_prearm(Prearm::Always);
    let client = Client::new(&Url::parse(&server.url("/")).unwrap(), config);
    client.download(Url::parse(&server.url("/pub/big")).unwrap().path(), 9).await.unwrap().stop().await;
    ready(&watched).await;
    (client, watched)
}

/// The one session has a data connection again.
async fn ready(watched: &Watched) {
    while watched.open() < 2 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn every_server_serves_them() {
    for personality in personalities() {
        let server =
            Server::builder().personality(personality).file("/pub/big", File::generated(FILE, SEED)).start().unwrap();
        let (client, watched) = next_door(&server).await;
        let path = Url::parse(&server.url("/pub/big")).unwrap().path().clone();
        for round in 1..20 {
            let mut download = client.download(&path, round * 1000).await.unwrap();
            assert_bytes(&mut download, if round % 3 == 0 { FILE - round * 1000 } else { 5000 }).await;
            if round % 3 == 0 {
                assert_eq!(download.read(&mut BytesMut::with_capacity(1)).await, Ok(0));
            }
            download.stop().await;
            ready(&watched).await;
        }
        assert!(!client.quirks().no_prearm, "{personality:?}");
        assert_eq!((server.counters().logins, client.sessions()), (1, 1));
        drop(client);
        server.wait_for(|counters| counters.sessions == 0).await;
        assert_eq!(watched.open(), 0);
    }
}

#[tokio::test]
async fn a_file_that_is_gone_is_not_found_and_a_session_that_ends_is_noticed() {
    let server = Server::builder().personality(Personality::vsftpd()).file("/pub/big", File::generated(FILE, SEED));
    let server = server.start().unwrap();
    let (client, watched) = next_door(&server).await;
    let path = Url::parse(&server.url("/pub/big")).unwrap().path().clone();
    server.remove("/pub/big");
    let error = client.download(&path, 0).await.unwrap_err();
    assert_eq!(error.class(), ftp_proto::client::ErrorClass::NotFound, "{error}");
    assert!(!client.quirks().no_prearm && client.sessions() == 1);
    server.put("/pub/big", File::generated(FILE, SEED));
    ready(&watched).await;
    server.fault(When::Next(1), Fault::HangUp("RETR"));
    assert_bytes(&mut client.download(&path, 100).await.unwrap(), 5000).await;
    assert!(client.quirks().no_prearm, "that costs a login, so it is not tried twice");
    watched.end_all();
    assert_bytes(&mut client.download(&path, 100).await.unwrap(), 5000).await;
    assert_eq!(client.sessions(), 1);
}
