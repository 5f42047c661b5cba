//! The scripted failures of the memory source, each as the engine would see it.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use segfetch_source::conformance::{
    FailPlan, Failure, Finish, Fixture, ManualClock, MemorySource, Pacer, PacketSource, Situation, block_on, pattern,
};
use segfetch_source::{
    End, ErrorClass, OpenRequest, RangeReader, RangeSource, Sameness, SourceContext, SourceError, Space, Step,
};

const LEN: u64 = 10_000;

fn open(source: &MemorySource, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
    block_on(source.open(&SourceContext::new(), request))
}

fn open_at(source: &MemorySource, start: u64) -> Box<dyn RangeReader> {
    open(source, OpenRequest::from(start)).expect("a stream")
}

/// All bytes until the end or the error.
fn read_all(reader: &mut dyn RangeReader) -> (Vec<u8>, Result<(), ErrorClass>) {
    let mut buffer = BytesMut::with_capacity(4 * LEN as usize);
    loop {
        match block_on(reader.read(&mut Space::new(&mut buffer, 999))) {
            Ok(Step::Bytes(_)) => {}
            Ok(Step::End) => return (buffer.to_vec(), Ok(())),
            Ok(step) => panic!("{step:?}"),
            Err(error) => return (buffer.to_vec(), Err(error.class())),
        }
    }
}

fn file(source: &MemorySource, range: std::ops::Range<u64>) -> Vec<u8> {
    let mut bytes = vec![0; (range.end - range.start) as usize];
    source.fill(range.start, &mut bytes);
    bytes
}

fn with(failure: Failure) -> MemorySource {
    MemorySource::new(LEN).with_plan(FailPlan::new().always(failure))
}

fn is_pending(future: impl Future) -> bool {
    let mut future = std::pin::pin!(future);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    (0..10).all(|_| future.as_mut().poll(&mut cx).is_pending())
}

#[test]
fn a_pattern_is_one_file_however_it_is_cut() {
    let content = pattern(7);
    let mut whole = [0; 64];
    content(1_000, &mut whole);
    for start in 0..20 {
        for len in 0..20 {
            let mut piece = vec![0; len];
            content(1_000 + start as u64, &mut piece);
            assert_eq!(piece, whole[start..start + len], "{start} {len}");
        }
    }
    content(u64::MAX - 3, &mut whole[..4]);
}

#[test]
fn a_plan_counts_opens_from_when_it_is_set() {
    let source = MemorySource::new(LEN);
    drop(open_at(&source, 0));
    source.set_plan(
        FailPlan::new().on_open(2, Failure::Refused(ErrorClass::Unknown)).from_open(4, Failure::RangeNotSupported),
    );
    let classes: Vec<_> =
        (0..5).map(|_| open(&source, OpenRequest::from(1)).map_err(|error| error.class()).err()).collect();
    let expected = [
        None,
        Some(ErrorClass::Unknown),
        None,
        Some(ErrorClass::RangeNotSupported),
        Some(ErrorClass::RangeNotSupported),
    ];
    assert_eq!(classes, expected);
    assert_eq!((source.counters().opens, source.counters().refused), (6, 3));
    assert!(open(&source, OpenRequest::from(0)).is_ok(), "a start at 0 needs no ranges");
}

#[test]
fn a_throttled_open_tells_the_limit_that_it_was_given() {
    let class = ErrorClass::Throttled { retry_after: Some(Duration::from_secs(3)), limit_hint: Some(2) };
    let source = with(Failure::Refused(class));
    assert_eq!(open(&source, OpenRequest::from(0)).err().map(|error| error.class()), Some(class));

    let source = MemorySource::new(LEN).with_session_limit(2, Some(2));
    let first = open_at(&source, 0);
    let second = open_at(&source, 0);
    let third = open(&source, OpenRequest::from(0)).err().map(|error| error.class());
    assert_eq!(third, Some(ErrorClass::Throttled { retry_after: None, limit_hint: Some(2) }));
    drop(second);
    drop(open_at(&source, 0));
    drop(first);
    assert_eq!((source.counters().max_open, source.counters().open_now), (2, 0));
}

#[test]
fn a_transient_failure_comes_after_its_bytes() {
    for after in [0, 1, 5_000, LEN - 100] {
        let source = with(Failure::Transient { after });
        let (bytes, end) = read_all(&mut *open_at(&source, 100));
        assert_eq!((bytes == file(&source, 100..100 + after), end), (true, Err(ErrorClass::Transient)), "{after}");
    }
    let (bytes, end) = read_all(&mut *open_at(&with(Failure::Transient { after: LEN }), 100));
    assert_eq!((bytes.len() as u64, end), (LEN - 100, Ok(())), "a cut behind the end is never reached");
}

#[test]
fn a_silent_stream_waits_until_its_session_is_killed() {
    for failure in [Failure::Silent { after: 0 }, Failure::Unconfirmed] {
        let source = with(failure);
        let mut reader = open(&source, OpenRequest::from(0).with_end(End::Exact(0))).expect("a stream");
        let mut buffer = BytesMut::with_capacity(10);
        assert!(is_pending(reader.read(&mut Space::new(&mut buffer, 10))));
        assert!(is_pending(reader.hold()));
        source.kill_sessions();
        let error = block_on(reader.read(&mut Space::new(&mut buffer, 10))).expect_err("a lost session");
        assert_eq!(error.class(), ErrorClass::Transient);
        assert!(buffer.is_empty());
    }
}

#[test]
fn an_open_that_is_not_answered_holds_its_place_until_it_is_dropped() {
    let source = with(Failure::Unanswered);
    let cx = SourceContext::new();
    let mut future = source.open(&cx, OpenRequest::from(0));
    assert!(is_pending(&mut future));
    assert_eq!(source.counters().open_now, 1);
    drop(future);
    assert_eq!(source.counters().open_now, 0);
    assert_eq!(source.opens()[0].finish, Finish::Dropped);
}

#[test]
fn a_short_end_is_said_too_early_and_extra_bytes_come_behind_the_end() {
    let short = with(Failure::ShortEnd { after: 7 });
    assert_eq!(read_all(&mut *open_at(&short, 3)), (file(&short, 3..10), Ok(())));

    let long = with(Failure::ExtraBytes(5));
    assert_eq!(read_all(&mut *open_at(&long, LEN - 3)).0.len(), 8);
    let mut exact = open(&long, OpenRequest::from(10).with_end(End::Exact(20))).expect("a stream");
    assert_eq!(exact.opened().ends_at, Some(20));
    assert_eq!(read_all(&mut *exact), (file(&long, 10..25), Ok(())));
}

#[test]
fn a_start_can_be_late_early_or_a_lie() {
    for (failure, start, first) in [
        (Failure::StartsLate(9), 109, 109),
        (Failure::StartsEarly(9), 91, 91),
        (Failure::StartsEarly(900), 0, 0),
        (Failure::IgnoresStart, 100, 0),
    ] {
        let source = with(failure);
        let mut reader = open_at(&source, 100);
        assert_eq!(reader.opened().start, start, "{failure:?}");
        let (bytes, _) = read_all(&mut *reader);
        assert_eq!(bytes[..50], file(&source, first..first + 50), "{failure:?}");
    }
}

#[test]
fn a_validator_can_differ_between_opens_of_one_file() {
    let source = MemorySource::new(LEN).with_plan(FailPlan::new().on_open(2, Failure::OtherValidator));
    let probed = block_on(source.probe(&SourceContext::new())).expect("a probe").validator;
    let [first, second, third] =
        [0, 1, 2].map(|_| open_at(&source, 0).opened().validator.clone().expect("a validator"));
    assert_eq!(source.compare(&probed, &first), Sameness::Same);
    assert_eq!(source.compare(&probed, &second), Sameness::Different);
    assert_eq!(source.compare(&probed, &third), Sameness::Same);
}

#[test]
fn a_replaced_file_has_other_bytes_and_an_open_stream_keeps_the_old_ones() {
    let source = MemorySource::new(LEN).with_content(pattern(1));
    let old = file(&source, 0..LEN);
    let mut before = open_at(&source, 0);
    source.replace(pattern(2));
    assert_ne!(old, file(&source, 0..LEN));
    assert_eq!(read_all(&mut *before).0, old);
    assert_eq!(read_all(&mut *open_at(&source, 0)).0, file(&source, 0..LEN));
    block_on(source.arrange(Situation::Normal)).expect("always");
    assert_eq!(file(&source, 0..LEN), old);
}

#[test]
fn every_open_is_on_record_with_its_range_its_bytes_and_its_finish() {
    let source = MemorySource::new(LEN);
    assert!(read_all(&mut *open_at(&source, LEN - 10)).1.is_ok());
    block_on(open_at(&source, 5).stop());
    drop(open_at(&source, 6));
    let running = open_at(&source, 7);
    assert!(open(&source, OpenRequest::from(LEN + 1)).is_err());
    source.set_plan(FailPlan::new().always(Failure::Transient { after: 4 }));
    assert!(read_all(&mut *open_at(&source, 8)).1.is_err());
    let seen: Vec<_> = source.opens().iter().map(|open| (open.start, open.delivered, open.finish)).collect();
    let expected = [
        (Some(LEN - 10), 10, Finish::Ended),
        (Some(5), 0, Finish::Stopped),
        (Some(6), 0, Finish::Dropped),
        (Some(7), 0, Finish::Running),
        (None, 0, Finish::Refused),
        (Some(8), 4, Finish::Failed),
    ];
    assert_eq!(seen, expected);
    let counters = source.counters();
    assert_eq!((counters.opens, counters.refused, counters.open_now, counters.delivered), (6, 1, 1, 14));
    drop(running);
}

#[test]
fn a_paced_stream_delivers_by_the_clock_alone() {
    let clock = Arc::new(ManualClock::new());
    let source = MemorySource::new(LEN).with_chunk(100).with_pace(clock.clone(), 1_000);
    let mut reader = open_at(&source, 0);
    let mut buffer = BytesMut::with_capacity(500);
    assert!(is_pending(reader.read(&mut Space::new(&mut buffer, 100))));
    clock.advance(Duration::from_millis(99));
    assert!(is_pending(reader.read(&mut Space::new(&mut buffer, 100))));
    clock.advance(Duration::from_millis(1));
    assert!(!is_pending(reader.read(&mut Space::new(&mut buffer, 100))));
    assert_eq!(buffer[..], file(&source, 0..100));
    assert!(is_pending(reader.read(&mut Space::new(&mut buffer, 100))));
}

#[test]
fn a_clock_wakes_who_waits_for_it() {
    let clock = Arc::new(ManualClock::new());
    let advancing = clock.clone();
    let thread = std::thread::spawn(move || block_on(clock.wait_until(Duration::from_secs(3))));
    while !thread.is_finished() {
        advancing.advance(Duration::from_secs(1));
        std::thread::yield_now();
    }
    assert!(advancing.now() >= Duration::from_secs(3));
}

#[test]
fn a_packet_stream_starts_at_its_grid_skips_holes_and_sends_packets_whole() {
    let clock = Arc::new(ManualClock::new());
    let source = PacketSource::new(20_000, clock.clone(), 3_200).with_holes([2, 6]);
    let mut reader = block_on(source.open(&SourceContext::new(), OpenRequest::from(5_000).with_end(End::Exact(5_001))))
        .expect("a stream");
    assert_eq!((reader.opened().start, reader.opened().ends_at), (3_200, None));
    let mut steps = Vec::new();
    let mut buffer = BytesMut::with_capacity(20_000);
    while steps.last() != Some(&Step::End) {
        clock.advance(Duration::from_secs(1));
        steps.push(block_on(reader.read(&mut Space::new(&mut buffer, 5_000))).expect("a step"));
    }
    let text: Vec<_> = steps.iter().map(|step| format!("{step:?}")).collect();
    let expected = ["Bytes(3200)", "Skip(3200)", "Bytes(3200)", "Bytes(3200)", "Bytes(3200)", "Skip(800)", "End"];
    assert_eq!(text, expected);
    let memory = source.memory();
    assert_eq!(buffer[..], [file(memory, 3_200..6_400), file(memory, 9_600..19_200)].concat());
}

#[test]
fn a_packet_session_dies_when_it_is_neither_read_nor_held() {
    let clock = Arc::new(ManualClock::new());
    let source = PacketSource::new(1 << 20, clock.clone(), 3_200).with_patience(Duration::from_secs(2));
    let mut reader = block_on(source.open(&SourceContext::new(), OpenRequest::from(0))).expect("a stream");
    {
        let mut hold = reader.hold();
        for _ in 0..10 {
            clock.advance(Duration::from_secs(1));
            assert!(is_pending(&mut hold), "held, it lives");
        }
    }
    let mut buffer = BytesMut::with_capacity(10_000);
    block_on(reader.read(&mut Space::new(&mut buffer, 5_000))).expect("a packet");
    clock.advance(Duration::from_secs(3));
    let error = block_on(reader.read(&mut Space::new(&mut buffer, 5_000))).expect_err("a lost session");
    assert_eq!(error.class(), ErrorClass::Transient);
    assert_eq!(block_on(reader.hold()).class(), ErrorClass::Transient);
}
