//! Streaming over a source in memory, in virtual time.

use std::sync::{Arc, Mutex};

use segfetch::Event;
use segfetch::source::{DigestAlgorithm, RangeSource, Strength, Validator};
use segfetch_source::conformance::{FailPlan, Failure, ManualClock, MemorySource, PACKET, PacketSource, pattern};

use super::*;

const LEN: usize = 1_000_003;

fn content(seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; LEN];
    pattern(seed)(0, &mut bytes);
    bytes
}

/// A source that nothing strong is known of, as an FTP server is.
fn weak(plan: FailPlan) -> MemorySource {
    MemorySource::new(LEN as u64)
        .with_info(|info| info.with_validator(Validator::new(Strength::Weak, &b"v"[..])))
        .with_plan(plan)
}

/// Over one connection.
fn one(source: impl RangeSource) -> OrderedStream {
    OrderedStream::new(source).connections(Connections::Exactly(1))
}

async fn run(stream: OrderedStream) -> (Vec<u8>, Result<Summary, StreamError>) {
    let mut out = Vec::new();
    let result = copy(stream, &mut out, None, |_| {}).await;
    (out, result)
}

#[tokio::test(start_paused = true)]
async fn a_file_comes_whole_and_in_order() {
    let (out, result) = run(one(weak(FailPlan::new()))).await;
    assert_eq!(out, content(0));
    let summary = result.unwrap();
    assert_eq!((summary.len, summary.fetched), (LEN as u64, LEN as u64));
    assert_eq!((summary.opens, summary.retries, summary.integrity), (1, 0, Integrity::OneStream));
    assert_eq!(summary.sha256, None);
}

#[tokio::test(start_paused = true)]
async fn what_has_arrived_is_told_while_it_runs_and_when_all_is_out() {
    let mut told = Vec::new();
    let stream = one(weak(FailPlan::new())).rate_limit(Some(200_000));
    let mut out = Vec::new();
    copy(stream, &mut out, None, |progress| told.push(progress)).await.unwrap();
    assert_eq!((told[0].stage, told[0].total, told[0].received), (Stage::Starting, None, 0));
    let (last, before) = told[1..].split_last().unwrap();
    assert_eq!((last.received, last.total, last.stage), (LEN as u64, Some(LEN as u64), Stage::Receiving));
    assert!(before.is_sorted_by_key(|progress| progress.received) && before.len() >= 20, "{}", before.len());
    for progress in before.iter().filter(|progress| progress.received > 0) {
        assert_eq!(progress.workers.len(), 1);
        assert!((150_000..=210_000).contains(&progress.rate), "{progress:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_goes_on_where_it_was_and_is_called_unverified() {
    let plan = FailPlan::new()
        .on_open(1, Failure::Transient { after: 300_000 })
        .on_open(2, Failure::Silent { after: 100_000 })
        .on_open(3, Failure::Refused(ErrorClass::Throttled { retry_after: None, limit_hint: None }));
    let events = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&events);
    let (out, result) = run(one(weak(plan)).on_event(move |event| told.lock().unwrap().push(event))).await;
    assert_eq!(out, content(0));
    let summary = result.unwrap();
    assert_eq!((summary.opens, summary.retries, summary.integrity), (4, 2, Integrity::Unverified));
    let retries = events.lock().unwrap().iter().filter(|event| matches!(event, Event::Retry { .. })).count();
    assert_eq!(retries, 3);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_ranges_is_read_again_from_the_start() {
    let plan = FailPlan::new().on_open(1, Failure::Transient { after: 500_000 }).always(Failure::RangeNotSupported);
    let (out, result) = run(one(weak(plan))).await;
    assert_eq!(out, content(0));
    assert_eq!(result.unwrap().retries, 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_starts_early_adds_no_byte() {
    let plan =
        FailPlan::new().on_open(1, Failure::Transient { after: 500_000 }).on_open(2, Failure::StartsEarly(123_456));
    let (out, result) = run(one(weak(plan))).await;
    assert_eq!(out, content(0));
    assert_eq!(result.unwrap().retries, 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ignores_the_start_is_found_out_before_a_wrong_byte_is_written() {
    let plan = FailPlan::new().on_open(1, Failure::Transient { after: 500_000 }).on_open(2, Failure::IgnoresStart);
    let (out, result) = run(one(weak(plan))).await;
    assert!(matches!(result, Err(StreamError::Download(DownloadError::Changed { .. }))), "{result:?}");
    assert_eq!(out, content(0)[..out.len()]);
}

#[tokio::test(start_paused = true)]
async fn another_file_in_its_place_is_never_appended() {
    let source = weak(FailPlan::new().on_open(1, Failure::Transient { after: 500_000 }));
    let replaced = source.clone();
    let stream = one(source).on_event(move |event| {
        if matches!(event, Event::Retry { .. }) {
            replaced.replace(pattern(1));
        }
    });
    let (out, result) = run(stream).await;
    assert!(matches!(result, Err(StreamError::Download(DownloadError::Changed { .. }))), "{result:?}");
    assert_eq!(out, content(0)[..out.len()]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_waited_for_as_long_as_patience_says() {
    let source = weak(FailPlan::new());
    source.set_outage(Some(ErrorClass::Transient));
    let began = Instant::now();
    let (out, result) = run(one(source)).await;
    assert!(out.is_empty());
    assert!(matches!(result, Err(StreamError::Download(DownloadError::GaveUp { .. }))), "{result:?}");
    let waited = began.elapsed();
    let patience = Duration::from_secs(300);
    assert!(waited <= patience && waited > patience - Duration::from_secs(10), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_mended_is_not_repeated() {
    for class in [ErrorClass::NotFound, ErrorClass::Denied, ErrorClass::Permanent] {
        let source = weak(FailPlan::new());
        source.set_outage(Some(class));
        let (_, result) = run(one(source.clone())).await;
        let Err(StreamError::Download(DownloadError::Source(error))) = result else { panic!("{result:?}") };
        assert_eq!(error.class(), class);
        assert_eq!(source.counters().probes, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_unknown_kind_is_permanent_when_it_comes_twice() {
    let source = weak(FailPlan::new());
    source.set_outage(Some(ErrorClass::Unknown));
    let (_, result) = run(one(source.clone())).await;
    assert!(matches!(result, Err(StreamError::Download(DownloadError::Source(_)))), "{result:?}");
    assert_eq!(source.counters().probes, 2);
}

#[tokio::test(start_paused = true)]
async fn an_end_before_the_announced_length_is_no_success() {
    let source = weak(FailPlan::new().always(Failure::ShortEnd { after: 10 }));
    let (out, result) = run(one(source)).await;
    assert!(content(0)[..10].starts_with(&out));
    let Err(StreamError::Download(DownloadError::Changed { reason })) = result else { panic!("{result:?}") };
    assert_eq!(reason, "it had 1000003 bytes and ends at 10");
}

#[tokio::test(start_paused = true)]
async fn a_hole_is_no_part_of_a_pipe() {
    let source = PacketSource::new(10 * PACKET, Arc::new(ManualClock::default()), u64::MAX).with_holes([3]);
    let (out, result) = run(one(source)).await;
    assert_eq!(out, content(0)[..3 * PACKET as usize]);
    let Err(StreamError::Download(DownloadError::Source(error))) = result else { panic!("{result:?}") };
    assert_eq!(error.class(), ErrorClass::Permanent);
}

#[tokio::test(start_paused = true)]
async fn a_checksum_is_compared_over_all_attempts_together() {
    let right: [u8; 32] = Sha256::digest(content(0)).into();
    for (bytes, is_right) in [(right, true), ([0; 32], false)] {
        let expected = Digest::new(DigestAlgorithm::Sha256, bytes);
        let source = weak(FailPlan::new().on_open(1, Failure::Transient { after: 333_333 }));
        let mut out = Vec::new();
        let result = copy(one(source), &mut out, Some(&expected), |_| {}).await;
        assert_eq!(out, content(0));
        match result {
            Ok(summary) => {
                assert!(is_right && summary.integrity == Integrity::Digest && summary.sha256 == Some(right));
            }
            Err(error) => {
                assert!(!is_right && matches!(error, StreamError::Download(DownloadError::Digest { .. })), "{error}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_from_the_first_second_on() {
    let began = Instant::now();
    let mut at_two_seconds = 0;
    let mut out = Vec::new();
    let stream = OrderedStream::new(weak(FailPlan::new())).rate_limit(Some(100_000));
    let copied = copy(stream, &mut out, None, |progress| {
        if began.elapsed() <= Duration::from_secs(2) {
            at_two_seconds = progress.received;
        }
    });
    copied.await.unwrap();
    assert!((190_000..=210_000).contains(&at_two_seconds), "{at_two_seconds}");
    let took = began.elapsed().as_secs_f64();
    assert!((9.9..10.2).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_goes_away_ends_the_stream() {
    let (mut out, reader) = tokio::io::duplex(1000);
    drop(reader);
    let result = copy(one(weak(FailPlan::new())), &mut out, None, |_| {}).await;
    let Err(StreamError::Output(error)) = result else { panic!("{result:?}") };
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}

#[test]
fn the_window_grows_with_the_connections() {
    assert_eq!(window(Connections::Auto), 16 << 20);
    for (n, mib) in [(1, 16), (8, 16), (9, 18), (64, 128)] {
        assert_eq!(window(Connections::Exactly(n)), mib << 20);
    }
}
