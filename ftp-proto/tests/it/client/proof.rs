//! How a server is known to start where it is asked to, where a stream from byte 0 can tell.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use ftp_proto::client::{Client, Download, ErrorClass, OpenError, Prearm};
use ftp_proto::conn::{Awaited, Error, Restart};
use ftp_proto::source::FtpSource;
use ftp_proto::testing::{Fault, File, Personality, Server, When, content_at};
use ftp_proto::wire::Path;
use segfetch_source::{OpenRequest, RangeReader, RangeSource, SourceContext, Space};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::dealings::{LEN as FILE, SEED, assert_bytes, builder, connect};
use super::distance::Distant;
use super::round_trips::{LEN, ROUND_TRIP, first_bytes, measured, read, source};
use crate::conn::script::path;

const MIDDLE: u64 = LEN / 2;
const LAST: u64 = LEN - 1;
const NEVER: Duration = Duration::from_secs(86_400);

/// A source that has been probed, so that its first stream begins after 2 round trips and others after 5.
async fn probed() -> (Distant, Arc<FtpSource>) {
    let (distant, source) = source("f", Prearm::Auto);
    source.probe(&SourceContext::new()).await.unwrap();
    (distant, source)
}

/// The same with a stream from byte 0, whose first bytes have come.
async fn beside() -> (Distant, Arc<FtpSource>, Box<dyn RangeReader>) {
    let (distant, source) = probed().await;
    let first = first_bytes(&source, OpenRequest::from(0)).await;
    (distant, source, first)
}

/// Opens a stream and reads its first bytes, beside what the test does.
fn spawn(source: &Arc<FtpSource>, start: u64) -> JoinHandle<(f64, Box<dyn RangeReader>)> {
    let source = Arc::clone(source);
    tokio::spawn(async move { measured(first_bytes(&source, OpenRequest::from(start))).await })
}

fn works(source: &FtpSource) -> bool {
    matches!(source.client().quirks().restart, Restart::Works { .. })
}

#[tokio::test(start_paused = true)]
async fn streams_beside_one_from_the_beginning_make_no_extra_transfer_and_pay_nothing() {
    let (distant, source) = probed().await;
    let streams: Vec<_> = (0..6).map(|n| spawn(&source, n << 18)).collect();
    let mut trips = Vec::new();
    for stream in streams {
        trips.push(stream.await.unwrap().0);
    }
    assert_eq!(trips, [2.0, 5.0, 5.0, 5.0, 5.0, 5.0]);
    let mut starts = distant.starts();
    starts.sort_unstable();
    assert_eq!(starts, [0, 1 << 18, 2 << 18, 3 << 18, 4 << 18, 5 << 18]);
    assert!(works(&source));
}

#[tokio::test(start_paused = true)]
async fn streams_that_begin_at_once_on_a_server_that_nobody_has_spoken_to_do_the_same() {
    let (distant, source) = source("f", Prearm::Auto);
    let streams: Vec<_> = (0..6).map(|n| spawn(&source, n << 18)).collect();
    for stream in streams {
        assert_eq!(stream.await.unwrap().0, 5.0);
    }
    assert_eq!(distant.starts().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_stream_from_the_beginning_that_is_over_serves_as_well_and_so_does_what_it_left_ready() {
    let (distant, source, first) = beside().await;
    drop(first);
    sleep(ROUND_TRIP * 10).await;
    distant.verbs();
    assert_eq!(measured(first_bytes(&source, OpenRequest::from(MIDDLE))).await.0, 1.0);
    assert_eq!(distant.verbs(), ["SIZE", "MDTM", "REST", "RETR"]);
    assert!(works(&source));
}

#[tokio::test(start_paused = true)]
async fn a_port_that_is_ready_is_used_and_a_file_that_is_another_one_by_now_is_noticed() {
    for changed in [false, true] {
        let (distant, source) = source("f", Prearm::Auto);
        let prepared = source.client().prepare(&path("f")).await.unwrap();
        let _first = first_bytes(&source, OpenRequest::from(0)).await;
        drop(prepared);
        distant.verbs();
        if changed {
            (0..3).for_each(|_| distant.answer("MDTM", "213 20210101000000"));
        }
        let (trips, _reader) = measured(first_bytes(&source, OpenRequest::from(MIDDLE))).await;
        if changed {
            assert_eq!(distant.starts(), [0, MIDDLE, LAST, MIDDLE]);
        } else {
            assert_eq!((trips, distant.starts()), (2.0, vec![0, MIDDLE]));
            assert_eq!(distant.verbs(), ["SIZE", "MDTM", "REST", "RETR"]);
        }
        assert!(works(&source));
    }
}

#[tokio::test(start_paused = true)]
async fn the_bytes_that_were_compared_are_not_lost_even_if_the_end_is_heard_of_before_they_are_read() {
    for (start, held) in [LAST, LEN - 300, LEN - 3000].into_iter().flat_map(|start| [(start, false), (start, true)]) {
        let (distant, source, _first) = beside().await;
        let mut reader = source.open(&SourceContext::new(), OpenRequest::from(start)).await.unwrap();
        if held {
            assert!(tokio::time::timeout(ROUND_TRIP * 20, reader.hold()).await.is_err());
        }
        let mut at = start;
        while let Some(n) = read(&mut *reader, at).await {
            at += n;
        }
        assert_eq!((at, distant.starts()), (LEN, vec![0, start]), "held: {held}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_stream_from_the_beginning_is_waited_for_and_one_that_is_too_slow_is_not() {
    for (delay, waits) in [(6, true), (600, false)] {
        let (distant, source) = probed().await;
        distant.delay(0, ROUND_TRIP * delay);
        let slow = spawn(&source, 0);
        tokio::task::yield_now().await;
        let (trips, _reader) = measured(first_bytes(&source, OpenRequest::from(MIDDLE))).await;
        if waits {
            assert_eq!((trips, distant.starts()), (8.0, vec![0, MIDDLE]), "2 + 6, as for the other one");
        } else {
            assert_eq!(distant.starts(), [0, MIDDLE, LAST, MIDDLE]);
            assert!(trips <= 5.0 + 4.0 + 1.0 + 6.0, "the wait, the stop, and a start with a proof: {trips}");
        }
        assert!(works(&source));
        assert_eq!(slow.await.unwrap().0, 2.0 + f64::from(delay));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_from_the_beginning_that_is_dropped_or_not_read_proves_nothing() {
    for dropped in [true, false] {
        let (distant, source) = probed().await;
        distant.delay(0, NEVER);
        let first = source.open(&SourceContext::new(), OpenRequest::from(0)).await.unwrap();
        let other = spawn(&source, MIDDLE);
        sleep(ROUND_TRIP * 6).await;
        assert_eq!(distant.starts(), [0, MIDDLE]);
        let first = (!dropped).then_some(first);
        other.await.unwrap();
        assert_eq!(distant.starts(), [0, MIDDLE, LAST, MIDDLE]);
        assert!(works(&source));
        drop(first);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_from_the_beginning_that_failed_before_its_first_byte_is_not_waited_for() {
    let (distant, source) = probed().await;
    distant.delay(0, NEVER);
    let mut first = source.open(&SourceContext::new(), OpenRequest::from(0)).await.unwrap();
    distant.end_data();
    let mut buffer = BytesMut::with_capacity(9);
    first.read(&mut Space::new(&mut buffer, 9)).await.unwrap_err();
    first_bytes(&source, OpenRequest::from(MIDDLE)).await;
    assert_eq!(distant.starts(), [0, LAST, MIDDLE]);
}

#[tokio::test(start_paused = true)]
async fn a_start_at_or_behind_the_end_is_answered_without_a_proof_where_a_port_is_ready() {
    for (start, ends) in [(LEN, true), (LEN + 1, false)] {
        let (distant, source, first) = beside().await;
        drop(first);
        sleep(ROUND_TRIP * 10).await;
        let opened = source.open(&SourceContext::new(), OpenRequest::from(start)).await;
        match opened {
            Ok(mut reader) => assert!(ends && read(&mut *reader, LEN).await.is_none()),
            Err(error) => assert!(!ends && error.class() == segfetch_source::ErrorClass::RangeNotSupported, "{error}"),
        }
        assert_eq!((distant.starts().contains(&LAST), works(&source)), (false, false));
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_own_first_byte_does_not_come_ends_in_time_with_a_proof_or_without() {
    for (delayed, beside) in [(MIDDLE, true), (LAST, false)] {
        let (distant, source) = probed().await;
        let first = if beside { Some(first_bytes(&source, OpenRequest::from(0)).await) } else { None };
        distant.delay(delayed, NEVER);
        let before = Instant::now();
        let error = source.client().download(&path("f"), MIDDLE).await.unwrap_err();
        assert!(before.elapsed() < Duration::from_secs(32), "{:?}", before.elapsed());
        let expected = Error::TimedOut(Awaited::Command("RETR"));
        assert!(matches!(&error, OpenError::Session(error) if *error == expected), "{error}");
        assert_eq!(error.class(), ErrorClass::Transient);
        assert_eq!(source.client().quirks().restart, Restart::Unknown);
        distant.delay(delayed, Duration::ZERO);
        first_bytes(&source, OpenRequest::from(MIDDLE)).await;
        assert!(works(&source), "nothing is in the way of the next one");
        drop(first);
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_its_first_byte_is_let_go_when_another_one_has_the_proof() {
    let (distant, source, _first) = beside().await;
    distant.delay(MIDDLE, Duration::from_secs(10));
    let slow = tokio::spawn({
        let source = Arc::clone(&source);
        async move { measured(source.open(&SourceContext::new(), OpenRequest::from(MIDDLE))).await }
    });
    sleep(ROUND_TRIP * 2).await;
    assert_eq!(measured(first_bytes(&source, OpenRequest::from(7))).await.0, 5.0);
    let (trips, reader) = slow.await.unwrap();
    assert_eq!(trips, 7.0);
    assert_eq!(read(&mut *reader.unwrap(), MIDDLE).await.map(|n| n > 0), Some(true));
    assert_eq!(distant.starts(), [0, MIDDLE, 7]);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_changed_in_between_or_has_no_time_is_not_compared() {
    for time in [["213 20200101000000", "213 20210101000000"], ["550 no", "550 no"]] {
        let (distant, source) = source("f", Prearm::Never);
        distant.answer("MDTM", time[0]);
        let _first = first_bytes(&source, OpenRequest::from(0)).await;
        (0..3).for_each(|_| distant.answer("MDTM", time[1]));
        first_bytes(&source, OpenRequest::from(MIDDLE)).await;
        assert_eq!(distant.starts(), [0, LAST, MIDDLE]);
    }
}

/// A server next door, with a stream from byte 0 whose first bytes have come.
async fn next_door(file: File, fault: Option<Fault>) -> (Server, Client, Path, Download) {
    let server = builder(Personality::vsftpd()).file("/pub/f", file).start().unwrap();
    if let Some(fault) = fault {
        server.fault(When::Always, fault);
    }
    let (client, path, _) = connect(&server.url("/pub/f"));
    let mut first = client.download(&path, 0).await.unwrap();
    assert!(first.read(&mut BytesMut::with_capacity(1000)).await.unwrap() > 0);
    (server, client, path, first)
}

fn starts(server: &Server) -> Vec<u64> {
    server.streams().iter().map(|stream| stream.offset).collect()
}

#[tokio::test]
async fn a_server_that_ignores_rest_is_found_out_beside_a_stream_from_the_beginning_too() {
    for start in [1, FILE / 2, FILE - 1] {
        let file = File::generated(FILE, SEED);
        let (_server, client, path, mut first) = next_door(file, Some(Fault::REST_IGNORED)).await;
        let downloads = [client.download(&path, start), client.download(&path, start)];
        for download in downloads {
            let error = download.await.unwrap_err();
            assert!(matches!(error, OpenError::StartRefused(None)), "{start}: {error}");
        }
        assert_eq!(client.quirks().restart, Restart::Lies);
        assert_bytes(&mut first, FILE / 2).await;
    }
}

#[tokio::test]
async fn a_file_that_is_the_same_there_as_at_its_beginning_is_proven_by_its_last_byte() {
    let middle = FILE / 2;
    let mut beginning = vec![0; 100_000];
    content_at(SEED, 0, &mut beginning);
    let file = File::generated(FILE, SEED).patched(middle, beginning.clone());
    let (server, client, path, _first) = next_door(file, None).await;
    let mut bytes = BytesMut::with_capacity(100_000);
    let mut download = client.download(&path, middle).await.unwrap();
    while bytes.len() < 100_000 {
        assert!(download.read(&mut bytes).await.unwrap() > 0);
    }
    assert!(bytes == beginning);
    assert_eq!(starts(&server), [0, middle, FILE - 1, middle]);
    assert_eq!(client.quirks().restart, Restart::Works { up_to: FILE - 1 });
}

#[tokio::test]
async fn a_start_behind_2_gib_is_proven_by_the_last_byte_whatever_comes_from_the_beginning() {
    const GIB: u64 = 1 << 30;
    let modulo = Fault::WrongOffset { back: 2 * GIB as i64, above: 2 * GIB - 1 };
    for (fault, shorter) in [(None, false), (None, true), (Some(modulo.clone()), false), (Some(modulo), true)] {
        let lies = fault.is_some();
        let (server, client, path, _first) = next_door(File::generated(3 * GIB, SEED), fault).await;
        if shorter {
            // It says nothing about the longer one.
            client.download(&path, GIB).await.unwrap();
            assert_eq!(client.quirks().restart, Restart::Works { up_to: GIB });
        }
        match client.download(&path, 2 * GIB + 5).await {
            Ok(mut download) => {
                assert!(!lies);
                assert_bytes(&mut download, 5000).await;
                assert_eq!(starts(&server)[1 + usize::from(shorter)..], [3 * GIB - 1, 2 * GIB + 5]);
            }
            Err(error) => assert!(lies && matches!(error, OpenError::StartRefused(None)), "{error}"),
        }
    }
}

#[tokio::test]
async fn an_end_without_a_byte_is_judged_by_the_last_byte() {
    let (server, client, path, _first) = next_door(File::generated(FILE, SEED), None).await;
    let nothing = Fault::Cut { after: 0, end: ftp_proto::testing::Ending::Fin, reply: Some("226 Done") };
    server.fault(When::Next(1), nothing);
    assert_bytes(&mut client.download(&path, FILE / 2).await.unwrap(), 5000).await;
    assert_eq!(starts(&server), [0, FILE / 2, FILE - 1, FILE / 2]);
}
