//! A file in order over several connections, with nothing on the disk.

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use segfetch::adapters::{OrderedStream, ReadError};
use segfetch::source::conformance::{FailPlan, Failure, Finish, MemorySource, PACKET, PacketSource, pattern};
use segfetch::source::{
    Access, ErrorClass, Extent, OpenRequest, RangeReader, RangeSource, SourceContext, SourceError, SourceInfo,
    Strength, Validator,
};
use segfetch::{Connections, Event, Integrity};
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

use crate::remote_trouble::Mute;
use crate::support::*;

fn stream(source: impl RangeSource, connections: u16) -> OrderedStream {
    OrderedStream::new(source).connections(Connections::Exactly(connections))
}

async fn read_all(stream: &mut OrderedStream) -> (Vec<u8>, io::Result<()>) {
    let mut all = Vec::new();
    let result = stream.read_to_end(&mut all).await.map(drop);
    (all, result)
}

/// Panics unless the stream brings the whole file, and leaves no session.
async fn assert_all(source: &MemorySource, mut stream: OrderedStream) -> OrderedStream {
    let (all, result) = read_all(&mut stream).await;
    result.expect("everything");
    assert_eq!(all.len() as u64, len_of(source));
    assert!(all == bytes(source, 0..len_of(source)));
    assert_eq!(stream.read(&mut [0]).await.expect("the end again"), 0);
    stream
}

/// Panics if a session is left when the stream is gone. Its tasks are told to end, and need their turn for that.
async fn assert_none_left(source: &MemorySource, stream: OrderedStream) {
    drop(stream);
    tokio::task::yield_now().await;
    assert_eq!(source.counters().open_now, 0);
}

fn len_of(source: &MemorySource) -> u64 {
    segfetch::source::conformance::Fixture::file_len(source)
}

fn weak(len: u64) -> MemorySource {
    MemorySource::new(len).with_info(|info| info.with_validator(Validator::new(Strength::Weak, Vec::new())))
}

fn paced(source: MemorySource, rate: u64) -> MemorySource {
    source.with_pace(TokioClock::start(), rate)
}

#[tokio::test(start_paused = true)]
async fn a_file_arrives_in_order_over_several_connections() {
    for source in [MemorySource::new(50 * MIB + 7), weak(50 * MIB + 7)] {
        for exact in [true, false] {
            let source = paced(source.clone().with_info(|info| info.with_exact_ends(exact)), MIB);
            let before = source.counters();
            let begun = Instant::now();
            let stream = assert_all(&source, stream(source.clone(), 4)).await;
            let took = begun.elapsed();
            let counters = source.counters();
            println!("exact {exact}: {took:?}, {:?}", stream.counts());
            assert_eq!(counters.max_open, 4);
            assert!(took < Duration::from_secs(20), "50 s over one connection: {took:?}");
            assert_eq!(stream.info().expect("info").extent, Extent::Known(50 * MIB + 7));
            let counts = stream.counts();
            assert_eq!(u64::from(counts.opens), counters.opens - before.opens);
            assert_eq!(counts.retries, 0);
            assert_none_left(&source, stream).await;
        }
    }
}

/// What segments cost on a server that is far away.
#[tokio::test(start_paused = true)]
async fn openings_cost_little_of_the_time_and_less_with_a_larger_window() {
    let mut times = Vec::new();
    for (n, window) in [(1, 16), (4, 16), (4, 32), (8, 32)] {
        let source = paced(MemorySource::new(128 * MIB), 2 * MIB);
        let far = Slow { source: source.clone(), opening: Duration::from_millis(200) };
        let begun = Instant::now();
        let stream = assert_all(
            &source,
            OrderedStream::new(far).connections(Connections::Exactly(n)).window((window * MIB) as usize),
        )
        .await;
        println!("{n} connections, {window} MiB: {:?}, {:?}", begun.elapsed(), stream.counts());
        times.push(begun.elapsed());
    }
    assert!(times.is_sorted_by(|slower, faster| slower > faster), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn files_of_every_awkward_length_and_of_none_that_is_known_arrive() {
    for len in [0, 1, 65_536, MIB - 1, MIB, MIB + 1, 2 * MIB, 5 * MIB + 3] {
        for extent in [Extent::Known(len), Extent::Unknown, Extent::AtLeast(0)] {
            let source = weak(len).with_info(|mut info| {
                info.extent = extent;
                info
            });
            let stream = assert_all(&source, stream(source.clone(), 3).window(MIB as usize)).await;
            assert_none_left(&source, stream).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_connection_is_one_stream_and_so_is_a_source_without_ranges() {
    let start_only = MemorySource::new(40 * MIB).with_info(|mut info| {
        info.access = Access::FromStartOnly;
        info
    });
    let shared = MemorySource::new(40 * MIB).with_info(|mut info| {
        info.sessions.shares_connection = true;
        info
    });
    for (source, n) in [(MemorySource::new(40 * MIB), 1), (start_only, 4), (shared, 4)] {
        let stream = assert_all(&source, stream(source.clone(), n)).await;
        assert_eq!((stream.counts().opens, source.counters().max_open), (1, 1));
        assert_eq!(stream.counts().fetched, 40 * MIB);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_read_stops_the_connections_at_the_end_of_the_window() {
    let source = MemorySource::new(1000 * MIB);
    let mut stream = stream(source.clone(), 4).window(4 * MIB as usize);
    assert_eq!(source.counters().probes, 0, "nothing is done before the first read");
    let mut read = 0;
    for _ in 0..20 {
        let n = stream.read(&mut vec![0; MIB as usize]).await.expect("bytes") as u64;
        read += n;
        tokio::time::sleep(Duration::from_secs(100)).await;
        let ahead = source.counters().delivered - read;
        assert!(ahead <= 4 * MIB, "{ahead}");
    }
    assert!(source.counters().delivered > read);
    assert_none_left(&source, stream).await;
}

#[tokio::test(start_paused = true)]
async fn streams_that_fail_are_replaced_where_they_were() {
    for source in [MemorySource::new(30 * MIB), weak(30 * MIB)] {
        let plan = FailPlan::new()
            .on_open(1, Failure::Transient { after: 700_000 })
            .on_open(2, Failure::Transient { after: 3 * MIB })
            .on_open(3, Failure::Refused(ErrorClass::Transient))
            .on_open(5, Failure::Transient { after: 0 })
            .on_open(7, Failure::StartsEarly(5000));
        let source = source.with_plan(plan);
        let stream = assert_all(&source, stream(source.clone(), 4)).await;
        assert!(stream.counts().retries >= 3, "{:?}", stream.counts());
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_comes_begins_patience_anew() {
    let source = MemorySource::new(10 * MIB).with_plan(FailPlan::new().always(Failure::Transient { after: 100_000 }));
    for n in [1, 3] {
        let stream = assert_all(&source, stream(source.clone(), n).patience(Duration::from_secs(2))).await;
        assert!(stream.counts().retries > 50);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_silent_is_not_waited_for() {
    let plan = FailPlan::new().on_open(1, Failure::Silent { after: MIB });
    let source = paced(MemorySource::new(40 * MIB), 4 * MIB).with_plan(plan);
    let begun = Instant::now();
    assert_all(&source, stream(source.clone(), 4)).await;
    let took = begun.elapsed();
    println!("{took:?}");
    assert!(took < Duration::from_secs(12), "30 s of silence, 10 s over one connection: {took:?}");
    assert_eq!(source.opens()[0].finish, Finish::Dropped);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_admits_fewer_or_cannot_start_where_it_is_asked_is_served_by_fewer() {
    let source = paced(MemorySource::new(20 * MIB), MIB).with_session_limit(2, None);
    let stream_of_two = assert_all(&source, stream(source.clone(), 4)).await;
    assert_eq!((source.counters().max_open, stream_of_two.counts().retries), (2, 0));

    let plan = FailPlan::new().always(Failure::RangeNotSupported);
    let source = paced(MemorySource::new(20 * MIB), MIB).with_plan(plan.clone());
    assert_all(&source, stream(source.clone(), 4)).await;
    assert_eq!(source.counters().max_open, 1);

    // And after a failure it begins at the beginning, and what is there is passed over.
    let plan = plan.on_open(1, Failure::Transient { after: 9 * MIB });
    let source = weak(20 * MIB).with_plan(plan);
    let stream = assert_all(&source, stream(source.clone(), 1)).await;
    assert_eq!(stream.counts().fetched, 29 * MIB);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_changes_is_never_mixed() {
    let source = paced(MemorySource::new(60 * MIB), MIB);
    let mut changing = stream(source.clone(), 3);
    take(&mut changing, MIB).await.expect("the beginning");
    source.replace(pattern(9));
    let (all, result) = read_all(&mut changing).await;
    assert!(matches!(failure(&result), ReadError::Changed { .. }));
    assert!(all == bytes_of(0, MIB..MIB + all.len() as u64));
    let again = changing.read(&mut [0]).await;
    assert!(matches!(failure(&again), ReadError::Source(_)), "that was the last word");
    tokio::task::yield_now().await;
    assert_eq!(source.counters().open_now, 0);

    // Nothing tells the versions apart, except for bytes that come twice.
    let source = MemorySource::new(20 * MIB).with_info(|info| info.with_validator(Validator::none()));
    source.set_plan(FailPlan::new().on_open(1, Failure::Transient { after: 5 * MIB }));
    let mut changing = stream(source.clone(), 1).window(MIB as usize);
    take(&mut changing, MIB).await.expect("the beginning");
    source.replace(pattern(9));
    let (_, result) = read_all(&mut changing).await;
    assert!(matches!(failure(&result), ReadError::Changed { reason } if reason.contains("twice")), "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn where_the_validator_proves_little_the_server_is_asked_once_more_at_the_end() {
    let source = paced(weak(8 * MIB), MIB);
    let mut late = stream(source.clone(), 2);
    take(&mut late, 8 * MIB).await.expect("all of the bytes");
    source.replace(pattern(9));
    let result = late.read(&mut [0]).await;
    assert!(matches!(failure(&result), ReadError::Changed { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_ends_elsewhere_than_it_was_said_is_a_change() {
    for failure_of_source in [Failure::ShortEnd { after: 3 * MIB }, Failure::ExtraBytes(1)] {
        let source = MemorySource::new(8 * MIB).with_plan(FailPlan::new().always(failure_of_source));
        let mut stream = stream(source.clone(), 1);
        let (_, result) = read_all(&mut stream).await;
        assert!(matches!(failure(&result), ReadError::Changed { .. }), "{failure_of_source:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_repeating_cannot_mend_ends_it_and_patience_does_too() {
    let source = MemorySource::new(8 * MIB);
    source.set_outage(Some(ErrorClass::NotFound));
    let (_, result) = read_all(&mut stream(source.clone(), 4)).await;
    assert!(matches!(failure(&result), ReadError::Source(_)));
    assert_eq!(result.expect_err("it fails").kind(), io::ErrorKind::NotFound);

    let silent = MemorySource::new(8 * MIB).with_plan(FailPlan::new().always(Failure::Silent { after: 0 }));
    let mut hopeless = stream(silent, 4).silence(Duration::from_secs(1)).patience(Duration::from_secs(20));
    let (all, result) = read_all(&mut hopeless).await;
    assert!(all.is_empty() && matches!(failure(&result), ReadError::GaveUp { .. }));

    let full = MemorySource::new(8 * MIB);
    full.set_outage(Some(ErrorClass::Throttled { retry_after: None, limit_hint: None }));
    let emptied = full.clone();
    let mut waiting = stream(full.clone(), 4).patience(Duration::from_secs(20)).on_event(move |event| {
        if matches!(event, Event::Retry { .. }) && emptied.counters().probes == 100 {
            emptied.set_outage(None);
        }
    });
    let begun = Instant::now();
    let (all, result) = read_all(&mut waiting).await;
    assert!(result.is_ok() && all.len() as u64 == 8 * MIB && begun.elapsed() > Duration::from_secs(900));

    let packets = PacketSource::new(MIB, TokioClock::start(), MIB).with_holes([10]);
    let memory = packets.memory().clone();
    let (all, result) = read_all(&mut stream(packets, 1)).await;
    assert!(all == bytes(&memory, 0..10 * PACKET), "what is before the hole is read");
    assert!(matches!(failure(&result), ReadError::Missing { .. }));
}

#[tokio::test(start_paused = true)]
async fn all_connections_together_keep_to_the_rate() {
    for (chunk, rate) in [(10_000, 100 * MIB), (64 * 1024, 100 * MIB), (10_000, MIB), (10_000, 700 * KIB)] {
        let source = paced(MemorySource::new(20 * MIB).with_chunk(chunk), rate);
        let begun = Instant::now();
        assert_all(&source, stream(source.clone(), 4).rate_limit(Some(2 * MIB))).await;
        let took = begun.elapsed().as_secs_f64();
        println!("{rate}: {took}");
        assert!((9.5..10.5).contains(&took), "{took}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_failure_that_ends_it_is_returned_and_not_told_as_well() {
    for class in [ErrorClass::NotFound, ErrorClass::Denied, ErrorClass::Permanent] {
        for from in [1, 3] {
            let plan = FailPlan::new().from_open(from, Failure::Refused(class));
            let source = paced(MemorySource::new(20 * MIB), MIB).with_plan(plan);
            let (sender, told) = std::sync::mpsc::channel();
            let mut stream = stream(source, 2).on_event(move |event| drop(sender.send(event)));
            let (_, result) = read_all(&mut stream).await;
            assert!(matches!(failure(&result), ReadError::Source(error) if error.class() == class));
            let retries: Vec<_> = told.try_iter().filter(|event| matches!(event, Event::Retry { .. })).collect();
            assert!(retries.is_empty(), "{class:?} from open {from}: {retries:?}");
        }
    }
}

/// They would only take from the one that the reader waits for.
#[tokio::test(start_paused = true)]
async fn where_the_rate_is_limited_the_reader_gets_all_of_it_and_not_the_part_of_one_connection() {
    let mut stream = stream(weak(20 * MIB), 8).rate_limit(Some(100_000));
    let begun = Instant::now();
    take(&mut stream, 1_000_000).await.expect("bytes");
    let took = begun.elapsed().as_secs_f64();
    assert!((9.5..10.5).contains(&took), "{took}");
    assert_eq!(stream.counts().opens, 1);
}

#[tokio::test(start_paused = true)]
async fn what_happens_to_single_connections_is_told() {
    let plan = FailPlan::new().on_open(1, Failure::Transient { after: MIB });
    let source = paced(MemorySource::new(20 * MIB), MIB).with_session_limit(2, None).with_plan(plan);
    let (sender, told) = std::sync::mpsc::channel();
    let mut stream = stream(source.clone(), 4).on_event(move |event| drop(sender.send(event)));
    take(&mut stream, 3 * MIB).await.expect("bytes");
    let workers = stream.workers();
    assert_eq!(workers.len(), 2);
    assert!(workers.iter().all(|worker| worker.start <= worker.front && worker.front <= worker.end.unwrap_or(0)));
    let fastest = workers.iter().map(|worker| worker.rate).max().unwrap_or(0);
    assert!((MIB / 2..MIB * 11 / 10).contains(&fastest), "{workers:?}");
    let rest = read_all(&mut stream).await;
    assert!(rest.0 == bytes(&source, 3 * MIB..20 * MIB) && rest.1.is_ok());
    assert_none_left(&source, stream).await;
    let told: Vec<_> = told.iter().collect();
    let count = |wanted: &dyn Fn(&Event) -> bool| told.iter().filter(|event| wanted(event)).count();
    assert_eq!(count(&|event| matches!(event, Event::Probed(info) if info.extent == Extent::Known(20 * MIB))), 1);
    assert_eq!(count(&|event| matches!(event, Event::Retry { class: ErrorClass::Transient, worker: 0, .. })), 1);
    assert_eq!(count(&|event| matches!(event, Event::Throttled { granted: 1 | 2, .. })), 1, "{told:?}");
    let opened = count(&|event| matches!(event, Event::Opened { .. }));
    assert_eq!(count(&|event| matches!(event, Event::Closed { .. })), opened, "{told:?}");
    assert!((opened as u64) < source.counters().opens, "refused ones were not opened");
}

/// Neither those that it refuses nor those that it fails ask again and again while others go on.
#[tokio::test(start_paused = true)]
async fn a_server_that_carries_some_is_not_bothered_for_more() {
    for class in [ErrorClass::Throttled { retry_after: None, limit_hint: None }, ErrorClass::Transient] {
        let plan = (2..1000).fold(FailPlan::new(), |plan, n| plan.on_open(n, Failure::Refused(class)));
        let source = paced(weak(120 * MIB), MIB).with_plan(plan);
        let stream = assert_all(&source, stream(source.clone(), 4).window(128 * MIB as usize)).await;
        let opens = stream.counts().opens;
        println!("{class:?}: {:?}", stream.counts());
        assert!(opens < 60, "in two minutes: {opens}");
    }
}

/// A session that another connection has left may take a moment to be free.
#[tokio::test(start_paused = true)]
async fn a_place_that_was_there_before_is_asked_for_again_soon() {
    let refused = Failure::Refused(ErrorClass::Throttled { retry_after: None, limit_hint: None });
    let plan = [6, 7, 11, 15].into_iter().fold(FailPlan::new(), |plan, n| plan.on_open(n, refused));
    let source = paced(MemorySource::new(60 * MIB), MIB).with_plan(plan);
    let begun = Instant::now();
    let stream = stream(source.clone(), 4).on_event(|event| assert!(!matches!(event, Event::Throttled { .. })));
    assert_all(&source, stream).await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(20), "15 s without refusals: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_the_version_of_the_bytes_is_said() {
    let strong = MemorySource::new(8 * MIB);
    let full = weak(8 * MIB).with_session_limit(1, None);
    for (source, n, integrity) in [
        (strong, 4, Integrity::Validator),
        (weak(8 * MIB), 1, Integrity::OneStream),
        (full, 4, Integrity::OneStream),
        (weak(8 * MIB), 4, Integrity::Unverified),
    ] {
        let source = paced(source, MIB);
        let stream = assert_all(&source, stream(source.clone(), n)).await;
        assert_eq!(stream.integrity(), integrity, "{n}");
    }
}

/// A server that grants any start and sends from the beginning, and a file that changes between two opens and looks the same.
#[tokio::test(start_paused = true)]
async fn streams_that_do_not_join_are_found_out_before_a_wrong_byte_is_handed_out() {
    for n in [1, 4] {
        let lies = (2..100).fold(FailPlan::new().on_open(1, Failure::Transient { after: 5 * MIB }), |plan, open| {
            plan.on_open(open, Failure::IgnoresStart)
        });
        let source = paced(weak(20 * MIB), MIB).with_plan(lies);
        let (all, result) = read_all(&mut stream(source.clone(), n)).await;
        assert!(matches!(failure(&result), ReadError::Changed { reason } if reason.contains("twice")), "{result:?}");
        assert!(all == bytes(&source, 0..all.len() as u64), "{n}");

        let source = MemorySource::new(20 * MIB).with_info(|info| info.with_validator(Validator::none()));
        let source = paced(source, MIB).with_plan(FailPlan::new().on_open(1, Failure::Transient { after: 9 * MIB }));
        let mut changing = stream(source.clone(), n);
        let beginning = take(&mut changing, 1).await.expect("a byte");
        source.replace(pattern(9));
        let (rest, result) = read_all(&mut changing).await;
        assert!(matches!(failure(&result), ReadError::Changed { reason } if reason.contains("twice")), "{result:?}");
        let all = [beginning, rest].concat();
        assert!(all == bytes_of(0, 0..all.len() as u64), "{n}");
    }
}

/// A strong validator that only a probe tells.
#[tokio::test(start_paused = true)]
async fn where_an_answer_does_not_say_which_file_it_is_of_the_server_is_asked() {
    let source = paced(MemorySource::new(20 * MIB), MIB);
    let mut changing = stream(Mute(source.clone()), 3);
    take(&mut changing, MIB).await.expect("the beginning");
    source.replace(pattern(9));
    let (all, result) = read_all(&mut changing).await;
    assert!(matches!(failure(&result), ReadError::Changed { .. }));
    assert!(all == bytes_of(0, MIB..MIB + all.len() as u64));
}

#[tokio::test(start_paused = true)]
async fn reads_that_are_dropped_lose_nothing_and_a_stream_that_is_dropped_leaves_no_session() {
    let source = paced(MemorySource::new(3 * MIB), MIB).with_chunk(5000);
    let mut stream = stream(source.clone(), 3).window(MIB as usize);
    let mut all = Vec::new();
    let mut dropped = 0;
    loop {
        let mut piece = vec![0; 3000];
        tokio::select! {
            biased;
            n = stream.read(&mut piece) => match n.expect("bytes") {
                0 => break,
                n => all.extend_from_slice(&piece[..n]),
            },
            () = tokio::time::sleep(Duration::from_millis(1)) => dropped += 1,
        }
    }
    assert!(all == bytes(&source, 0..3 * MIB) && dropped > 10);

    for steps in 0..40 {
        let source = MemorySource::new(8 * MIB).with_chunk(100_000);
        let mut stream = self::stream(source.clone(), 3).window(MIB as usize);
        for _ in 0..steps {
            touch(&mut stream).await;
        }
        assert_none_left(&source, stream).await;
    }
}

/// Polls a read, and drops it at the first await.
async fn touch(stream: &mut OrderedStream) {
    tokio::select! {
        biased;
        result = async { stream.read(&mut [0; 70_000]).await } => assert!(result.is_ok()),
        () = tokio::task::yield_now() => {}
    }
}

/// A source that panics is not waited for.
#[derive(Debug)]
struct Panics(MemorySource);

#[async_trait]
impl RangeSource for Panics {
    fn label(&self) -> &str {
        "panics"
    }
    async fn probe(&self, cx: &SourceContext) -> Result<SourceInfo, SourceError> {
        self.0.probe(cx).await
    }
    async fn open(&self, _: &SourceContext, _: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        panic!("a bug in a source")
    }
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "a bug in a source")]
async fn a_source_that_panics_lets_its_reader_panic_and_not_wait_for_ever() {
    let _ = stream(Panics(MemorySource::new(MIB)), 2).read(&mut [0]).await;
}

fn bytes_of(seed: u64, range: std::ops::Range<u64>) -> Vec<u8> {
    let mut bytes = vec![0; (range.end - range.start) as usize];
    pattern(seed)(range.start, &mut bytes);
    bytes
}
