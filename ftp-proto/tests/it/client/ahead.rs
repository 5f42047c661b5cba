//! Connections that are made beside the probe, for the sessions that follow it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ftp_proto::client::{
    Client, Config, ConnectError, Connecting, Connector, ConnectorError, ErrorClass, OpenError, Prearm, Target,
};
use ftp_proto::source::FtpSource;
use ftp_proto::testing::{Personality, Server};
use ftp_proto::wire::Url;
use segfetch_source::{ErrorClass as Class, OpenRequest, RangeReader, RangeSource, SourceContext, SourceError};
use tokio::task::JoinSet;
use tokio::time;

use super::dealings::{LEN as SERVED, builder};
use super::distance::Distant;
use super::memory;
use super::round_trips::{LEN, ROUND_TRIP, first_bytes, measured, source};
use crate::conn::script::path;

/// How long what was made in vain is kept.
const KEPT: Duration = Duration::from_secs(5);

async fn probe(source: &FtpSource) {
    source.probe(&SourceContext::new()).await.unwrap();
}

/// Commands of this name among these.
fn count(verbs: &[String], verb: &str) -> usize {
    verbs.iter().filter(|said| *said == verb).count()
}

/// `sessions` streams side by side; what each of them took until its first byte, in round trips.
async fn side_by_side(source: &Arc<FtpSource>, sessions: u64) -> Vec<f64> {
    let mut streams = JoinSet::new();
    for n in 0..sessions {
        let source = Arc::clone(source);
        streams.spawn(async move { measured(first_bytes(&source, OpenRequest::from(n * (LEN / 16)))).await });
    }
    // All are held until the last one has begun, so that each has a session of its own.
    let mut trips: Vec<_> = streams.join_all().await.into_iter().map(|(trips, _reader)| trips).collect();
    trips.sort_by(f64::total_cmp);
    trips
}

#[tokio::test(start_paused = true)]
async fn the_first_bytes_of_further_sessions_come_2_round_trips_earlier() {
    let (_, plain) = source("f", Prearm::Auto);
    probe(&plain).await;
    assert_eq!(side_by_side(&plain, 8).await, [2.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0]);

    let (distant, hinted) = source("f", Prearm::Auto);
    hinted.preconnect(7);
    assert_eq!(measured(probe(&hinted)).await.0, 3.0);
    assert_eq!(side_by_side(&hinted, 8).await, [2.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0]);
    // A control and a data connection each.
    assert_eq!((distant.targets().len(), hinted.client().sessions()), (16, 8));
    assert_eq!(count(&distant.verbs(), "USER"), 8);
}

#[tokio::test(start_paused = true)]
async fn they_are_connected_behind_the_probes_own_and_say_nothing_before_it_has_succeeded() {
    let (distant, source) = source("f", Prearm::Auto);
    source.preconnect(7);
    assert_eq!(distant.targets().len(), 0, "the hint alone does nothing");
    let probing = tokio::spawn({
        let source = Arc::clone(&source);
        async move { probe(&source).await }
    });
    time::sleep(ROUND_TRIP / 2).await;
    assert_eq!(distant.targets().len(), 1, "the first one is on its way");
    time::sleep(ROUND_TRIP * 9 / 4).await;
    assert_eq!((distant.open(), source.client().sessions(), probing.is_finished()), (8, 8, false));
    assert_eq!(count(&distant.verbs(), "USER"), 1);
    probing.await.unwrap();
    time::sleep(ROUND_TRIP).await;
    assert_eq!(count(&distant.verbs(), "USER"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_sent_once_and_everything_is_closed() {
    let (distant, source) = source("f", Prearm::Auto);
    distant.answer("PASS", "530 Login incorrect.");
    source.preconnect(7);
    let error = source.probe(&SourceContext::new()).await.unwrap_err();
    assert_eq!((error.class(), source.client().sessions()), (Class::Denied, 0));
    time::sleep(ROUND_TRIP).await;
    let verbs = distant.verbs();
    assert_eq!((count(&verbs, "USER"), count(&verbs, "PASS")), (1, 1));
    assert_eq!((distant.targets().len(), distant.open()), (8, 0));

    for personality in [Personality::vsftpd(), Personality::proftpd()] {
        let server = Server::builder().personality(personality).account("u", "right").no_anonymous().start().unwrap();
        let url = Url::parse(&server.url_as("u", "wrong", "/f")).unwrap();
        let client = Client::new(&url, Config::default());
        client.preconnect(7);
        assert_eq!(client.probe(url.path()).await.unwrap_err().class(), ErrorClass::Denied);
        server.wait_for(|counters| counters.sessions == 0).await;
        assert_eq!(server.counters().bad_passwords, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_file_or_a_dropped_probe_closes_them_too() {
    let (distant, source) = source("f", Prearm::Auto);
    distant.answer("SIZE", "550 no");
    distant.answer("MDTM", "550 no");
    source.preconnect(7);
    assert_eq!(source.probe(&SourceContext::new()).await.unwrap_err().class(), Class::NotFound);
    assert_eq!(source.client().sessions(), 1);
    time::sleep(ROUND_TRIP).await;
    assert_eq!((distant.targets().len(), distant.open()), (8, 1));

    let (distant, source) = super::round_trips::source("f", Prearm::Auto);
    source.preconnect(7);
    time::timeout(ROUND_TRIP * 5 / 2, probe(&source)).await.unwrap_err();
    time::sleep(ROUND_TRIP).await;
    assert_eq!((distant.targets().len(), distant.open()), (8, 1), "the session of the probe goes on");
}

#[tokio::test(start_paused = true)]
async fn those_that_nobody_needs_are_closed_after_a_while_and_with_the_client() {
    let (distant, source) = source("f", Prearm::Auto);
    source.preconnect(7);
    probe(&source).await;
    time::sleep(KEPT - ROUND_TRIP).await;
    assert_eq!((distant.open(), source.client().sessions()), (8, 8));
    assert_eq!(distant.targets().len(), 8, "beside them alone nothing more is made in advance");
    time::sleep(ROUND_TRIP * 2).await;
    assert_eq!((distant.open(), source.client().sessions()), (1, 1));

    let (distant, source) = super::round_trips::source("f", Prearm::Auto);
    source.preconnect(7);
    probe(&source).await;
    assert_eq!(distant.open(), 8);
    drop(source);
    time::sleep(ROUND_TRIP).await;
    assert_eq!(distant.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_slow_to_greet_does_not_cost_them() {
    let (client, mut side) = memory::client(Config::default());
    client.preconnect(2);
    let path = path("f");
    let server = async {
        let mut first = side.control().await;
        let mut others = [side.control().await, side.control().await];
        time::sleep(KEPT * 2).await;
        for other in &mut others {
            other.say("220 hi").await;
        }
        first.log_in(" SIZE").await;
        first.stat().await;
        (first, others)
    };
    let (probed, (_first, others)) = tokio::join!(client.probe(&path), server);
    probed.unwrap();
    assert_eq!(client.sessions(), 3);
    drop(client);
    for mut other in others {
        other.closed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_hint_is_for_one_probe_and_counts_what_is_there() {
    let (distant, source) = source("f", Prearm::Auto);
    source.preconnect(7);
    source.preconnect(3);
    probe(&source).await;
    assert_eq!(distant.targets().len(), 4, "the last one counts");
    source.preconnect(7);
    probe(&source).await;
    assert_eq!(distant.targets().len(), 4, "an idle session serves, and others may be idle too");
    for _ in 0..6 {
        assert_eq!(distant.open(), 4);
        time::sleep(KEPT / 6).await;
        source.preconnect(7);
        probe(&source).await;
    }
    assert_eq!((distant.targets().len(), distant.open()), (4, 1), "and keeps nothing alive that nobody needs");
}

#[tokio::test(start_paused = true)]
async fn they_keep_within_the_clients_own_limit_and_are_no_session_that_is_let_in() {
    let mut config = Config::default();
    config.limits.sessions = 3;
    let (client, mut side) = memory::client(config);
    client.preconnect(7);
    let path = path("f");
    let server = async {
        let first = side.control().await;
        let others = [side.control().await, side.control().await];
        // It hangs up on everybody.
        drop((first, others));
    };
    let (probed, ()) = tokio::join!(client.probe(&path), server);
    let error = probed.unwrap_err();
    assert_eq!((error.class(), client.sessions()), (ErrorClass::Transient, 0), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_port_or_a_lost_connection_beside_them_alone_is_no_limit() {
    for loses in [false, true] {
        let (client, mut side) = memory::client(Config::default());
        client.preconnect(2);
        let path = path("f");
        let server = async {
            let mut first = side.control().await;
            let (second, third) = (side.control().await, side.control().await);
            first.log_in(" SIZE").await;
            first.stat().await;
            if loses {
                return (None, None, third);
            }
            first.answer("SIZE f", "213 100").await;
            first.answer("EPSV", "425 no").await;
            first.answer("PASV", "425 no").await;
            (Some(first), Some(second), third)
        };
        let asking = async {
            client.probe(&path).await.unwrap();
            if loses {
                while client.idle_sessions() > 0 {
                    tokio::task::yield_now().await;
                }
            }
            client.prepare(&path).await.unwrap_err()
        };
        let (error, _controls) = tokio::join!(asking, server);
        assert_eq!(error.class(), ErrorClass::Transient, "{error}");
        assert_eq!(matches!(error, OpenError::PassiveRefused(Some(_))), !loses, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_was_greeted_and_hung_up_on_is_replaced_without_a_word() {
    for farewell in [None, Some("421 you say nothing")] {
        let (client, mut side) = memory::client(Config::default());
        client.preconnect(2);
        let path = path("f");
        let server = async {
            let mut first = side.control().await;
            for mut other in [side.control().await, side.control().await] {
                other.say("220 hi").await;
                if let Some(farewell) = farewell {
                    other.say(farewell).await;
                }
            }
            first.log_in(" SIZE").await;
            first.stat().await;
            first.arm().await;
            let mut second = side.logged_in("").await;
            second.answer("SIZE f", "213 100").await;
            second.answer("EPSV", "229 (|||4711|)").await;
            (first, second)
        };
        let asking = async {
            client.probe(&path).await.unwrap();
            let first = client.prepare(&path).await.unwrap();
            (first, client.prepare(&path).await.unwrap())
        };
        let (_prepared, _controls) = tokio::join!(asking, server);
        assert_eq!(client.sessions(), 2);
        assert!(!client.quirks().serial);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_in_place_of_the_greeting_is_that_of_whoever_takes_it_over() {
    for refusal in [Some("421 too many (1)"), None] {
        let (client, mut side) = memory::client(Config::default());
        client.preconnect(1);
        let path = path("f");
        let server = async {
            let mut first = side.control().await;
            let mut other = side.control().await;
            if let Some(refusal) = refusal {
                other.say(refusal).await;
            }
            drop(other);
            first.log_in(" SIZE").await;
            first.stat().await;
            first.arm().await;
            first
        };
        let asking = async {
            client.probe(&path).await.unwrap();
            let _first = client.prepare(&path).await.unwrap();
            client.prepare(&path).await.unwrap_err()
        };
        let (error, _first) = tokio::join!(asking, server);
        let limit_hint = refusal.map(|_| 1);
        assert_eq!(error.class(), ErrorClass::LimitReached { retry_after: None, limit_hint }, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_one_of_them_has_overtaken_on_the_way_takes_that_one_over() {
    for refusal in [Some("421 too many"), None] {
        let (client, mut side) = memory::client(Config::default());
        client.preconnect(2);
        let path = path("f");
        let server = async {
            let (mut first, mut second, mut third) = (side.control().await, side.control().await, side.control().await);
            for turned_away in [&mut first, &mut second] {
                if let Some(refusal) = refusal {
                    turned_away.say(refusal).await;
                }
            }
            drop((first, second));
            third.log_in(" SIZE").await;
            third.stat().await;
            third
        };
        let (probed, _third) = tokio::join!(client.probe(&path), server);
        probed.unwrap();
        assert_eq!(client.sessions(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_turned_away_with_all_of_them_is_told_of_the_limit() {
    let (client, mut side) = memory::client(Config::default());
    client.preconnect(2);
    let path = path("f");
    let server = async {
        for mut control in [side.control().await, side.control().await, side.control().await] {
            control.say("421 too many").await;
        }
    };
    let (probed, ()) = tokio::join!(client.probe(&path), server);
    let error = probed.unwrap_err();
    assert_eq!(error.class(), ErrorClass::LimitReached { retry_after: None, limit_hint: None }, "{error}");
    assert_eq!(client.sessions(), 0);
}

/// A way to the server that the second connection fails on, after a while or never.
#[derive(Clone, Debug)]
struct SecondFails {
    net: Distant,
    after: Option<Duration>,
}

impl Connector for SecondFails {
    fn connect(&self, target: Target) -> Connecting {
        let (second, after) = (self.net.targets().len() == 1, self.after);
        let connecting = self.net.connect(target);
        if !second {
            return connecting;
        }
        Box::pin(async move {
            match after {
                Some(after) => time::sleep(after).await,
                None => std::future::pending().await,
            }
            let target = "server.example:21".to_owned();
            Err(ConnectorError::Connect { target, error: io::ErrorKind::ConnectionRefused.into() })
        })
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_while_it_is_waited_for_is_an_error_and_before_that_it_is_none() {
    for (after, trips) in [(Some(2), Ok(3.0)), (Some(9), Err((6.0, false))), (None, Err((200.0, true)))] {
        let net = SecondFails { net: Distant::serve(ROUND_TRIP, LEN), after: after.map(|trips| ROUND_TRIP * trips) };
        let url = Url::parse("ftp://server.example/f").unwrap();
        let client = Client::new(&url, Config::default().with_connector(net));
        client.preconnect(1);
        client.probe(url.path()).await.unwrap();
        let _first = client.prepare(url.path()).await.unwrap();
        let (took, second) = measured(client.prepare(url.path())).await;
        let outcome = match second {
            Ok(_) => Ok(took),
            Err(OpenError::Connect(ConnectError::Connector(_))) => Err((took, false)),
            Err(OpenError::Connect(ConnectError::TimedOut { .. })) => Err((took, true)),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(outcome, trips, "{after:?}");
        let sessions = if outcome.is_ok() { 2 } else { 1 };
        assert_eq!(client.sessions(), sessions);
    }
}

/// What became of eight streams that were opened at once, after a probe with or without the hint.
async fn crowd(server: &Server, hinted: bool) -> Vec<Result<Box<dyn RangeReader>, SourceError>> {
    let url = Url::parse(&server.url("/pub/big")).unwrap();
    let source = Arc::new(FtpSource::connect(&url, Config::default()).unwrap());
    if hinted {
        source.preconnect(7);
    }
    probe(&source).await;
    let mut streams = JoinSet::new();
    for n in 0..8 {
        let source = Arc::clone(&source);
        streams.spawn(async move { source.open(&SourceContext::new(), OpenRequest::from(n * SERVED / 8)).await });
    }
    streams.join_all().await
}

#[tokio::test]
async fn a_server_that_admits_few_admits_the_probe_and_refuses_no_more_than_without() {
    for (at, personality) in super::limits::wherever() {
        for admitted in [1, 2] {
            for hinted in [false, true] {
                let server = builder(personality).max_connections(admitted).limit_at(at).start().unwrap();
                let outcomes = crowd(&server, hinted).await;
                let refused = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
                assert!(
                    refused.clone().all(|error| matches!(error.class(), Class::Throttled { .. })),
                    "{personality:?}: {outcomes:?}",
                    outcomes = refused.collect::<Vec<_>>()
                );
                let counters = server.counters();
                let seen = (counters.logins, counters.refusals, counters.connections);
                assert_eq!(seen, (admitted as u64, 8 - admitted as u64, 8), "{personality:?}, hinted: {hinted}");
            }
        }
    }
}
