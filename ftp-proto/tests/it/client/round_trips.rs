//! What everything costs, in round trips of a network that has no other cost.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use ftp_proto::client::{Config, Prearm};
use ftp_proto::source::FtpSource;
use ftp_proto::testing::content_at;
use ftp_proto::wire::Url;
use segfetch_source::{End, OpenRequest, RangeReader, RangeSource, SourceContext, Space, Step};
use tokio::time::{Instant, sleep};

use super::distance::{Distant, SEED};

pub(super) const ROUND_TRIP: Duration = Duration::from_millis(100);
pub(super) const LEN: u64 = 4 << 20;

pub(super) fn source(path: &str, prearm: Prearm) -> (Distant, Arc<FtpSource>) {
    source_at(ROUND_TRIP, path, prearm)
}

fn source_at(round_trip: Duration, path: &str, prearm: Prearm) -> (Distant, Arc<FtpSource>) {
    let distant = Distant::serve(round_trip, LEN);
    let url = Url::parse(&format!("ftp://server.example/{path}")).unwrap();
    let source =
        FtpSource::connect(&url, Config::default().with_prearm(prearm).with_connector(distant.clone())).unwrap();
    (distant, Arc::new(source))
}

/// How many round trips something takes, and what comes of it.
pub(super) async fn measured<T>(what: impl Future<Output = T>) -> (f64, T) {
    let before = Instant::now();
    let done = what.await;
    let trips = before.elapsed().as_secs_f64() / ROUND_TRIP.as_secs_f64();
    ((trips * 1000.0).round() / 1000.0, done)
}

/// Opens a stream and reads its first bytes.
pub(super) async fn first_bytes(source: &FtpSource, request: OpenRequest) -> Box<dyn RangeReader> {
    let start = request.start;
    let mut reader = source.open(&SourceContext::new(), request).await.unwrap();
    read(&mut *reader, start).await;
    reader
}

/// Reads once, and compares.
pub(super) async fn read(reader: &mut dyn RangeReader, at: u64) -> Option<u64> {
    let mut buffer = BytesMut::with_capacity(1 << 16);
    match reader.read(&mut Space::new(&mut buffer, 1 << 16)).await.unwrap() {
        Step::Bytes(n) => {
            let mut expected = vec![0; n.get()];
            content_at(SEED, at, &mut expected);
            assert!(buffer == expected, "other bytes at {at}");
            Some(n.get() as u64)
        }
        Step::Skip(_) => panic!("FTP skips nothing"),
        Step::End => None,
    }
}

/// A source on a server that is known to start where it is asked to, with one idle session that has nothing ready.
pub(super) async fn known(prearm: Prearm) -> (Distant, Arc<FtpSource>) {
    let (distant, source) = source("pub/f", prearm);
    source.probe(&SourceContext::new()).await.unwrap();
    let mut reader = first_bytes(&source, OpenRequest::from(LEN - 10)).await;
    assert_eq!(read(&mut *reader, LEN).await, None);
    distant.verbs();
    (distant, source)
}

/// The same, after another stream was ended early and long enough ago for all that happens in the background.
pub(super) async fn rested(prearm: Prearm) -> (Distant, Arc<FtpSource>) {
    let (distant, source) = known(prearm).await;
    drop(first_bytes(&source, OpenRequest::from(1)).await);
    sleep(ROUND_TRIP * 10).await;
    distant.verbs();
    (distant, source)
}

#[tokio::test(start_paused = true)]
async fn the_first_byte_of_a_cold_download_takes_5_whether_it_was_probed_or_not() {
    for path in ["f", "pub/dir/f"] {
        let (distant, probed) = source(path, Prearm::Auto);
        assert_eq!(measured(probed.probe(&SourceContext::new())).await.0, 3.0, "{path}");
        assert_eq!(measured(first_bytes(&probed, OpenRequest::from(0))).await.0, 2.0, "{path}");
        let said = ["USER", "PASS", "FEAT", "TYPE", "SIZE", "MDTM", "EPSV", "SIZE", "MDTM", "RETR"];
        assert_eq!(distant.verbs(), said, "{path}");
        let (distant, unprobed) = source(path, Prearm::Auto);
        assert_eq!(measured(first_bytes(&unprobed, OpenRequest::from(0))).await.0, 5.0, "{path}");
        let said = ["USER", "PASS", "FEAT", "TYPE", "SIZE", "MDTM", "EPSV", "RETR"];
        assert_eq!(distant.verbs(), said, "{path}");
        assert_eq!(distant.targets().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_start_behind_0_on_a_server_is_proven_for_3_more() {
    let (_, source) = source("f", Prearm::Auto);
    source.probe(&SourceContext::new()).await.unwrap();
    let (first, _held) = measured(first_bytes(&source, OpenRequest::from(9))).await;
    let (beside, _) = measured(first_bytes(&source, OpenRequest::from(9))).await;
    assert_eq!((first, beside), (6.0, 5.0), "the second one on a session of its own");
}

#[tokio::test(start_paused = true)]
async fn what_starts_beside_the_proof_pays_nothing_for_it() {
    let (distant, source) = source("f", Prearm::Auto);
    let mut streams = tokio::task::JoinSet::new();
    for n in 1..7 {
        let source = Arc::clone(&source);
        streams.spawn(async move { measured(first_bytes(&source, OpenRequest::from(n << 18))).await.0 });
    }
    let mut trips = streams.join_all().await;
    trips.sort_by(f64::total_cmp);
    assert_eq!(trips, [5.0, 5.0, 5.0, 5.0, 5.0, 8.0]);
    let last_byte = distant.starts().iter().filter(|start| **start == LEN - 1).count();
    assert_eq!((distant.starts().len(), last_byte), (7, 1));
}

#[tokio::test(start_paused = true)]
async fn what_starts_beside_a_proof_that_fails_proves_by_itself_and_brings_nothing_from_a_liar() {
    for (lies, refused) in [(1, false), (100, true)] {
        let (distant, source) = source("f", Prearm::Auto);
        source.probe(&SourceContext::new()).await.unwrap();
        // The first REST is that of the proof; it, or each of them, has no effect.
        (0..lies).for_each(|_| distant.answer("REST", "350 no"));
        if !refused {
            distant.answer("RETR", "451 not now");
        }
        let mut streams = tokio::task::JoinSet::new();
        for n in 1..5 {
            let source = Arc::clone(&source);
            streams.spawn(async move {
                let mut reader = source.open(&SourceContext::new(), OpenRequest::from(n << 18)).await?;
                read(&mut *reader, n << 18).await;
                Ok::<_, segfetch_source::SourceError>(())
            });
        }
        let outcomes = streams.join_all().await;
        if refused {
            let class = |outcome: &Result<(), segfetch_source::SourceError>| outcome.as_ref().unwrap_err().class();
            let unsupported = segfetch_source::ErrorClass::RangeNotSupported;
            assert!(outcomes.iter().all(|outcome| class(outcome) == unsupported), "{outcomes:?}");
            assert_eq!(source.client().quirks().restart, ftp_proto::conn::Restart::Lies);
        } else {
            assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_byte_of_the_next_range_takes_3_on_an_idle_session() {
    let (distant, source) = rested(Prearm::Never).await;
    assert_eq!(measured(first_bytes(&source, OpenRequest::from(1 << 20))).await.0, 3.0);
    assert_eq!(distant.verbs(), ["SIZE", "MDTM", "EPSV", "REST", "RETR"]);
}

#[tokio::test(start_paused = true)]
async fn the_first_byte_of_the_next_range_takes_1_where_a_data_connection_was_made_in_advance() {
    let (distant, source) = rested(Prearm::Auto).await;
    assert_eq!((distant.open(), source.client().prearmed_sessions()), (2, 1));
    for (request, said) in [
        (OpenRequest::from(1 << 20), ["SIZE", "MDTM", "REST", "RETR"]),
        (OpenRequest::from(5).with_end(End::Exact(9000)), ["SIZE", "MDTM", "RANG", "RETR"]),
    ] {
        let (trips, reader) = measured(first_bytes(&source, request)).await;
        assert_eq!((trips, &distant.verbs()[..]), (1.0, &said.map(String::from)[..]));
        assert_eq!(source.client().prearmed_sessions(), 0);
        drop(reader);
        sleep(ROUND_TRIP * 10).await;
        assert_eq!(distant.verbs(), ["EPSV"]);
    }
    assert_eq!(source.client().sessions(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_early_end_takes_1_in_the_background_and_the_next_range_comes_on_the_same_session() {
    let (_, source) = known(Prearm::Never).await;
    let reader = first_bytes(&source, OpenRequest::from(1)).await;
    assert_eq!(measured(reader.stop()).await.0, 1.0);
    let reader = first_bytes(&source, OpenRequest::from(2)).await;
    drop(reader);
    assert_eq!(measured(first_bytes(&source, OpenRequest::from(3))).await.0, 4.0, "the last word, and 3 as ever");
    assert_eq!(source.client().sessions(), 1);
}

#[tokio::test(start_paused = true)]
async fn making_a_data_connection_in_advance_never_costs_whoever_comes_before_it_is_ready() {
    let mut before = [f64::INFINITY; 2];
    for quarters in 0..=16 {
        let mut trips = [0.0; 2];
        for (prearm, trips) in [Prearm::Never, Prearm::Auto].into_iter().zip(&mut trips) {
            let (_, source) = known(prearm).await;
            drop(first_bytes(&source, OpenRequest::from(1)).await);
            sleep(ROUND_TRIP * quarters / 4).await;
            *trips = measured(first_bytes(&source, OpenRequest::from(2))).await.0;
        }
        assert!(trips[1] <= trips[0], "{quarters}: {trips:?}");
        assert!(trips[0] <= before[0] && trips[1] <= before[1], "{quarters}: {trips:?}");
        before = trips;
    }
    assert_eq!(before, [3.0, 1.0]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_range_by_rang_takes_nothing_and_the_next_one_1() {
    let (distant, source) = known(Prearm::Auto).await;
    let request = OpenRequest::from(1000).with_end(End::Exact(9000));
    let mut reader = first_bytes(&source, request).await;
    assert_eq!(reader.opened().ends_at, Some(9000));
    assert_eq!(measured(read(&mut *reader, 9000)).await, (0.0, None));
    assert_eq!(source.client().idle_sessions(), 1, "the reader is still there, and the session free");
    sleep(ROUND_TRIP * 10).await;
    assert_eq!(distant.verbs(), ["SIZE", "MDTM", "EPSV", "RANG", "RETR", "EPSV"]);
    assert_eq!(measured(first_bytes(&source, OpenRequest::from(9000))).await.0, 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_download_of_a_whole_file_asks_for_one_port() {
    let (distant, source) = source("f", Prearm::Auto);
    source.probe(&SourceContext::new()).await.unwrap();
    let mut reader = first_bytes(&source, OpenRequest::from(0)).await;
    let mut at = 1 << 16;
    while let Some(n) = read(&mut *reader, at).await {
        at += n;
    }
    assert_eq!(at, LEN);
    sleep(ROUND_TRIP * 10).await;
    assert_eq!(distant.verbs().iter().filter(|verb| *verb == "EPSV").count(), 1);
    assert_eq!((distant.open(), source.client().prearmed_sessions()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_beside_others_leaves_a_data_connection_for_the_next() {
    let (_, source) = known(Prearm::Auto).await;
    let other = first_bytes(&source, OpenRequest::from(0)).await;
    let mut last = first_bytes(&source, OpenRequest::from(LEN - 10)).await;
    assert_eq!(read(&mut *last, LEN).await, None);
    sleep(ROUND_TRIP * 10).await;
    assert_eq!(measured(first_bytes(&source, OpenRequest::from(5000))).await.0, 1.0);
    drop(other);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_near_is_left_alone() {
    for (round_trip, prearmed) in [(Duration::from_millis(8), 0), (Duration::from_millis(12), 1)] {
        let (_, source) = source_at(round_trip, "f", Prearm::Auto);
        drop(first_bytes(&source, OpenRequest::from(0)).await);
        sleep(ROUND_TRIP * 10).await;
        assert_eq!(source.client().prearmed_sessions(), prearmed, "{round_trip:?}");
    }
    let (_, source) = source_at(Duration::from_millis(2), "f", Prearm::Always);
    drop(first_bytes(&source, OpenRequest::from(0)).await);
    sleep(ROUND_TRIP * 10).await;
    assert_eq!(source.client().prearmed_sessions(), 1);
}
