//! Recordings of streams that are scripts.

use std::collections::VecDeque;
use std::sync::Mutex;

use segfetch::source::OpenRequest;

use super::*;
use crate::mms::Gaps;

/// Delivers these pieces; `None` is a broken connection, and behind the last one is silence.
struct Script(Opened, VecDeque<Option<&'static [u8]>>);

#[async_trait]
impl RangeReader for Script {
    fn opened(&self) -> &Opened {
        &self.0
    }

    async fn read(&mut self, space: &mut Space<'_>) -> Result<Step, SourceError> {
        match self.1.pop_front() {
            Some(Some(piece)) => {
                let put = space.put(piece);
                assert_eq!(put, piece.len(), "no room, so it was asked for less than what is missing");
                Ok(Step::Bytes(NonZeroUsize::new(put).expect("a piece")))
            }
            Some(None) => Err(SourceError::new(ErrorClass::Transient, Phase::Body, "reset")),
            None => std::future::pending().await,
        }
    }

    async fn hold(&mut self) -> SourceError {
        std::future::pending().await
    }

    async fn stop(self: Box<Self>) {}
}

type Pieces = Vec<Option<&'static [u8]>>;

/// What is there when it is asked for again, one after the other; then nothing for good.
struct There(Mutex<VecDeque<Result<Pieces, ErrorClass>>>);

#[async_trait]
impl Reopen for There {
    async fn reopen(&self, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        assert_eq!(request.start, 0);
        let next = self.0.lock().unwrap().pop_front().unwrap_or(Err(ErrorClass::Transient));
        let pieces = next.map_err(|class| SourceError::new(class, Phase::Open, "not there"))?;
        Ok(Box::new(Script(Opened::at(0), pieces.into())))
    }
}

/// A header of 4 bytes and packets of 3.
fn reader(pieces: &[Option<&'static [u8]>], duration: Option<u64>) -> LiveReader {
    recorder(pieces, &Options { duration: duration.map(Duration::from_secs), ..Options::default() }, [])
}

fn recorder(
    pieces: &[Option<&'static [u8]>],
    options: &Options,
    there: impl IntoIterator<Item = Result<Pieces, ErrorClass>>,
) -> LiveReader {
    let script = Script(Opened::at(0), pieces.iter().copied().collect());
    let there = Arc::new(There(Mutex::new(there.into_iter().collect())));
    LiveReader::new(Box::new(script), there, Arc::default(), options, (4, 3))
}

fn broke_off(reader: &LiveReader) -> Option<String> {
    match reader.recording.ending() {
        Some(Ending::BrokeOff(reason)) => Some(reason),
        _ => None,
    }
}

/// All that comes, as text, and how it ended.
async fn all(reader: &mut LiveReader) -> (String, Result<(), SourceError>) {
    let mut got = BytesMut::new();
    let end = loop {
        got.reserve(2);
        match reader.read(&mut Space::new(&mut got, 2)).await {
            Ok(Step::End) => break Ok(()),
            Ok(_) => {}
            Err(error) => break Err(error),
        }
    };
    (String::from_utf8(got.to_vec()).unwrap(), end)
}

const PIECES: [Option<&[u8]>; 6] = [Some(b"he"), Some(b"ad"), Some(b"a"), Some(b"bc"), Some(b"def"), Some(b"g")];

#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_has_ended_with_its_last_whole_packet() {
    let mut reader = reader(&PIECES, None);
    let (got, end) = all(&mut reader).await;
    assert_eq!((got.as_str(), end.is_ok()), ("headabcdef", true));
    assert_eq!(broke_off(&reader).as_deref(), Some("the server sends nothing for 25 s"));
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_ends_what_has_begun_and_nothing_else() {
    let broken: Vec<_> = PIECES.into_iter().chain([None]).collect();
    let mut begun = reader(&broken, None);
    assert_eq!(all(&mut begun).await.0, "headabcdef");
    assert_eq!(broke_off(&begun).as_deref(), Some("receiving: reset"));
    let mut not_begun = reader(&[Some(b"head"), Some(b"ab"), None], None);
    let (got, end) = all(&mut not_begun).await;
    assert_eq!((got.as_str(), end.is_err()), ("", true), "that is for the engine to try again");
    assert_eq!(broke_off(&not_begun), None);
}

#[tokio::test(start_paused = true)]
async fn packets_without_times_end_by_the_wall_clock() {
    let mut reader = reader(&PIECES, Some(1));
    let mut got = BytesMut::with_capacity(64);
    while got.len() < 10 {
        reader.read(&mut Space::new(&mut got, 64)).await.unwrap();
    }
    tokio::time::advance(GRACE + Duration::from_secs(1)).await;
    assert_eq!(reader.read(&mut Space::new(&mut got, 64)).await.unwrap(), Step::End);
    assert_eq!((&got[..], broke_off(&reader)), (&b"headabcdef"[..], None));
}

#[tokio::test(start_paused = true)]
async fn it_can_be_told_to_end_when_a_packet_has_come_and_not_before() {
    let mut reader = reader(&PIECES, None);
    assert!(!reader.recording.end());
    let mut got = BytesMut::with_capacity(64);
    while got.len() < 7 {
        reader.read(&mut Space::new(&mut got, 64)).await.unwrap();
    }
    assert!(reader.recording.end());
    assert_eq!(all(&mut reader).await.0, "");
    assert_eq!((&got[..], broke_off(&reader)), (&b"headabc"[..], None));
}

#[tokio::test(start_paused = true)]
async fn half_a_packet_is_not_told_and_a_dropped_read_does_not_shorten_the_silence() {
    let mut reader = reader(&PIECES, None);
    let mut got = BytesMut::with_capacity(64);
    while got.len() < 10 {
        reader.read(&mut Space::new(&mut got, 64)).await.unwrap();
    }
    for _ in 0..SILENCE.as_secs() - 1 {
        let late = tokio::time::timeout(Duration::from_secs(1), reader.read(&mut Space::new(&mut got, 64))).await;
        assert!(late.is_err());
    }
    assert_eq!(all(&mut reader).await.0, "");
    assert_eq!(&got[..], b"headabcdef");
    assert!(broke_off(&reader).is_some());
}

const PATIENT: Duration = Duration::from_secs(60);

/// Breaks in the middle of its third packet.
const BREAKS: [Option<&[u8]>; 5] = [Some(b"head"), Some(b"abc"), Some(b"def"), Some(b"g"), None];

fn patient() -> Options {
    Options { patience: PATIENT, ..Options::default() }
}

#[tokio::test(start_paused = true)]
async fn the_same_broadcast_goes_on_in_the_same_file_and_what_is_missing_is_known() {
    let again = vec![Some(&b"he"[..]), Some(b"ad"), Some(b"xyz"), None];
    let there = [Err(ErrorClass::Transient), Ok(again.clone()), Ok(again), Err(ErrorClass::NotFound)];
    let mut reader = recorder(&BREAKS, &patient(), there);
    let (got, end) = all(&mut reader).await;
    assert_eq!((got.as_str(), end.is_ok()), ("headabcdefxyzxyz", true));
    assert_eq!(broke_off(&reader).as_deref(), Some("opening the file: not there"), "that is for good");
    // The second attempt is one second behind the first; after a packet the first one is at once.
    assert_eq!(reader.recording.gaps(), Gaps { count: 2, length: Duration::from_secs(1) });
}

#[tokio::test(start_paused = true)]
async fn another_broadcast_ends_the_file() {
    let mut reader = recorder(&BREAKS, &patient(), [Err(ErrorClass::Unknown), Err(ErrorClass::Changed)]);
    assert_eq!(all(&mut reader).await.0, "headabcdef");
    assert_eq!(reader.recording.ending(), Some(Ending::Changed));
    assert_eq!(reader.recording.gaps(), Gaps::default());
}

#[tokio::test(start_paused = true)]
async fn what_stays_away_or_breaks_again_and_again_has_broken_off_when_the_patience_is_over() {
    let without_a_packet = || Ok(vec![Some(&b"head"[..]), Some(b"x"), None]);
    for there in [vec![], (0..1000).map(|_| without_a_packet()).collect(), vec![Ok(vec![Some(&b"head"[..])])]] {
        let mut reader = recorder(&BREAKS, &patient(), there);
        let began = Instant::now();
        assert_eq!(all(&mut reader).await.0, "headabcdef");
        assert!(broke_off(&reader).is_some());
        assert!(began.elapsed() <= PATIENT && began.elapsed() > PATIENT / 3, "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_recording_can_be_told_to_end_while_it_is_asked_for_again() {
    let mut reader = recorder(&BREAKS, &patient(), []);
    let mut got = BytesMut::with_capacity(64);
    while got.len() < 10 {
        reader.read(&mut Space::new(&mut got, 64)).await.unwrap();
    }
    let waiting = tokio::time::timeout(PATIENT / 4, reader.read(&mut Space::new(&mut got, 64))).await;
    assert!(waiting.is_err());
    assert!(reader.recording.end());
    assert_eq!(all(&mut reader).await.0, "");
    assert_eq!((&got[..], reader.recording.ending()), (&b"headabcdef"[..], Some(Ending::Asked)));
}

#[tokio::test(start_paused = true)]
async fn what_breaks_while_nobody_reads_goes_on_with_the_next_read() {
    struct Dead(Opened);

    #[async_trait]
    impl RangeReader for Dead {
        fn opened(&self) -> &Opened {
            &self.0
        }

        async fn read(&mut self, _: &mut Space<'_>) -> Result<Step, SourceError> {
            panic!("nobody reads what is dead");
        }

        async fn hold(&mut self) -> SourceError {
            broken("the session has ended")
        }

        async fn stop(self: Box<Self>) {}
    }

    let mut reader = recorder(&PIECES, &patient(), [Ok(vec![Some(&b"head"[..]), Some(b"xyz"), None])]);
    let mut got = BytesMut::with_capacity(64);
    while got.len() < 10 {
        reader.read(&mut Space::new(&mut got, 64)).await.unwrap();
    }
    reader.line = Line::Up(Box::new(Dead(Opened::at(0))));
    let held = tokio::time::timeout(Duration::from_secs(5), reader.hold()).await;
    assert!(held.is_err(), "the stream is not given up");
    assert_eq!(all(&mut reader).await.0, "xyz");
}
