//! Streaming over a source in memory, in virtual time.

use segfetch_source::conformance::{FailPlan, Failure, MemorySource, pattern};

use super::*;

const LEN: usize = 1_000_003;

fn options() -> Options {
    Options { patience: Duration::from_secs(300), rate: None, expected: None }
}

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

async fn run(source: &MemorySource, options: &Options) -> (Vec<u8>, Result<Streamed, StreamError>) {
    let mut out = Vec::new();
    let result = copy(source, &mut out, options, |_| {}).await;
    (out, result)
}

#[tokio::test(start_paused = true)]
async fn a_file_comes_whole_and_in_order() {
    let (out, result) = run(&weak(FailPlan::new()), &options()).await;
    assert_eq!(out, content(0));
    let expected = Streamed { len: LEN as u64, opens: 1, retries: 0, integrity: Integrity::OneStream, sha256: None };
    assert_eq!(result.unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_goes_on_where_it_was_and_is_called_unverified() {
    let plan = FailPlan::new()
        .on_open(1, Failure::Transient { after: 300_000 })
        .on_open(2, Failure::Silent { after: 100_000 })
        .on_open(3, Failure::Refused(ErrorClass::Throttled { retry_after: None, limit_hint: None }));
    let (out, result) = run(&weak(plan), &options()).await;
    assert_eq!(out, content(0));
    let streamed = result.unwrap();
    assert_eq!((streamed.opens, streamed.retries, streamed.integrity), (3, 3, Integrity::Unverified));
}

#[tokio::test(start_paused = true)]
async fn a_server_without_ranges_is_read_again_from_the_start() {
    let plan = FailPlan::new().on_open(1, Failure::Transient { after: 500_000 }).always(Failure::RangeNotSupported);
    let (out, result) = run(&weak(plan), &options()).await;
    assert_eq!(out, content(0));
    assert_eq!(result.unwrap().opens, 2);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_starts_early_adds_no_byte() {
    let plan =
        FailPlan::new().on_open(1, Failure::Transient { after: 500_000 }).on_open(2, Failure::StartsEarly(123_456));
    let (out, result) = run(&weak(plan), &options()).await;
    assert_eq!(out, content(0));
    assert_eq!(result.unwrap().opens, 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ignores_the_start_is_found_out_before_a_wrong_byte_is_written() {
    let plan = FailPlan::new().on_open(1, Failure::Transient { after: 500_000 }).on_open(2, Failure::IgnoresStart);
    let (out, result) = run(&weak(plan), &options()).await;
    assert!(matches!(result, Err(StreamError::Download(DownloadError::Changed { .. }))), "{result:?}");
    assert_eq!(out, content(0)[..out.len()]);
}

#[tokio::test(start_paused = true)]
async fn another_file_in_its_place_is_never_appended() {
    let source = weak(FailPlan::new().on_open(1, Failure::Transient { after: 500_000 }));
    let (mut out, options) = (Vec::new(), options());
    let result = copy(&source, &mut out, &options, |news| {
        if matches!(news, News::Event(_)) {
            source.replace(pattern(1));
        }
    });
    let result = result.await;
    assert!(matches!(result, Err(StreamError::Download(DownloadError::Changed { .. }))), "{result:?}");
    assert_eq!(out, content(0)[..out.len()]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_waited_for_as_long_as_patience_says() {
    let source = weak(FailPlan::new());
    source.set_outage(Some(ErrorClass::Transient));
    let began = Instant::now();
    let (out, result) = run(&source, &options()).await;
    assert!(out.is_empty());
    assert!(matches!(result, Err(StreamError::Download(DownloadError::GaveUp { .. }))), "{result:?}");
    let waited = began.elapsed();
    assert!(waited <= Duration::from_secs(300) && waited > Duration::from_secs(300) - BACKOFF.1, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_mended_is_not_repeated() {
    for class in [ErrorClass::NotFound, ErrorClass::Denied, ErrorClass::Permanent] {
        let source = weak(FailPlan::new());
        source.set_outage(Some(class));
        let (_, result) = run(&source, &options()).await;
        let Err(StreamError::Download(DownloadError::Source(error))) = result else { panic!("{result:?}") };
        assert_eq!(error.class(), class);
        assert_eq!(source.counters().probes, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_unknown_kind_is_permanent_when_it_comes_twice() {
    let source = weak(FailPlan::new());
    source.set_outage(Some(ErrorClass::Unknown));
    let (_, result) = run(&source, &options()).await;
    assert!(matches!(result, Err(StreamError::Download(DownloadError::Source(_)))), "{result:?}");
    assert_eq!(source.counters().probes, 2);
}

#[tokio::test(start_paused = true)]
async fn an_end_before_the_announced_length_is_no_success() {
    let source = weak(FailPlan::new().always(Failure::ShortEnd { after: 10 }));
    let (out, result) = run(&source, &options()).await;
    assert_eq!(out.len(), 10);
    let Err(StreamError::Download(DownloadError::WrongLength { announced, actual })) = result else {
        panic!("{result:?}")
    };
    assert_eq!((announced, actual), (LEN as u64, 10));
}

#[tokio::test(start_paused = true)]
async fn a_checksum_is_compared_over_all_attempts_together() {
    let right: [u8; 32] = Sha256::digest(content(0)).into();
    for (bytes, is_right) in [(right, true), ([0; 32], false)] {
        let expected = Some(Digest::new(segfetch::source::DigestAlgorithm::Sha256, bytes));
        let source = weak(FailPlan::new().on_open(1, Failure::Transient { after: 333_333 }));
        let (out, result) = run(&source, &Options { expected, ..options() }).await;
        assert_eq!(out, content(0));
        match result {
            Ok(streamed) => {
                assert!(is_right && streamed.integrity == Integrity::Digest && streamed.sha256 == Some(right));
            }
            Err(error) => {
                assert!(!is_right && matches!(error, StreamError::Download(DownloadError::Digest { .. })), "{error}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_from_the_first_second_on() {
    let rate = NonZeroU64::new(100_000);
    let began = Instant::now();
    let mut at_two_seconds = 0;
    let mut out = Vec::new();
    let limited = Options { rate, ..options() };
    let source = weak(FailPlan::new());
    let copied = copy(&source, &mut out, &limited, |news| {
        if let News::At(at) = news
            && began.elapsed() <= Duration::from_secs(2)
        {
            at_two_seconds = at;
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
    let result = copy(&weak(FailPlan::new()), &mut out, &options(), |_| {}).await;
    let Err(StreamError::Output(error)) = result else { panic!("{result:?}") };
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}
