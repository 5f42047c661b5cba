//! A live stream as a file that ends.

use std::num::NonZeroUsize;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, Bytes, BytesMut};
use segfetch::source::{ErrorClass, Opened, Phase, RangeReader, SourceError, SourceInfo, Space, Step};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::Media;
use super::clock::Clock;

/// A server that sends nothing for so long has gone. The engine would take the stream for broken a little later, and a broadcast
/// cannot be asked again for what it was.
const SILENCE: Duration = Duration::from_secs(25);

/// Wall clock beyond what was asked for, after which a recording ends though the times in its packets say otherwise: some encoders
/// write none.
const GRACE: Duration = Duration::from_secs(30);

/// What is known of a recording, by the reader that makes it and by those who ask.
#[derive(Debug, Default)]
pub(super) struct Recording(watch::Sender<State>);

#[derive(Clone, Debug, Default)]
struct State {
    /// What the server said before it began.
    info: Option<SourceInfo>,
    /// A packet has come.
    begun: bool,
    /// Somebody wants it to end.
    end: bool,
    over: bool,
    broke_off: Option<String>,
    recorded: Duration,
}

impl Recording {
    pub(super) fn probed(&self, info: &SourceInfo) {
        self.0.send_modify(|state| state.info = Some(info.clone()));
    }

    pub(super) fn info_if_over(&self) -> Option<SourceInfo> {
        let state = self.0.borrow();
        state.info.clone().filter(|_| state.over)
    }

    pub(super) fn end(&self) -> bool {
        let mut begun = false;
        self.0.send_modify(|state| {
            begun = state.begun;
            state.end |= begun;
        });
        begun
    }

    pub(super) fn broke_off(&self) -> Option<String> {
        self.0.borrow().broke_off.clone()
    }

    pub(super) fn recorded(&self) -> Duration {
        self.0.borrow().recorded
    }
}

/// Delivers whole units, so that wherever it ends the file is one: the header with the first packet, then packets. Before the first one
/// nothing is told, and so nothing lost if it has to be asked for again.
pub(super) struct LiveReader {
    inner: Box<dyn RangeReader>,
    media: Media,
    ends: watch::Receiver<State>,
    /// What is being collected.
    unit: BytesMut,
    /// How long that will be.
    unit_len: usize,
    packet_len: usize,
    /// What is to be put next.
    ready: Bytes,
    clock: Clock,
    /// When the first packet came.
    began: Option<Instant>,
    quiet_since: Option<Instant>,
}

/// What came of waiting.
enum Received {
    More,
    /// The recording is over; if it was not to be, for this reason.
    Over(Option<String>),
}

impl LiveReader {
    /// A stream that begins with a header of `header_len` bytes, and goes on with packets of `packet_len`.
    pub(super) fn new(inner: Box<dyn RangeReader>, media: Media, header_len: usize, packet_len: usize) -> Self {
        Self {
            inner,
            ends: media.0.recording.0.subscribe(),
            media,
            unit: BytesMut::new(),
            unit_len: header_len.saturating_add(packet_len),
            packet_len,
            ready: Bytes::new(),
            clock: Clock::default(),
            began: None,
            quiet_since: None,
        }
    }

    fn note(&self, change: impl FnOnce(&mut State)) {
        self.media.0.recording.0.send_modify(change);
    }

    /// Waits for the next piece of a unit.
    async fn receive(&mut self) -> Result<Received, SourceError> {
        let missing = self.unit_len - self.unit.len();
        self.unit.reserve(missing);
        let silent_at = *self.quiet_since.get_or_insert_with(Instant::now) + SILENCE;
        let (ends, mut space) = (&mut self.ends, Space::new(&mut self.unit, missing));
        let step = tokio::select! {
            biased;
            true = async { ends.wait_for(|state| state.end).await.is_ok() } => return Ok(Received::Over(None)),
            step = timeout_at(silent_at, self.inner.read(&mut space)) => step,
        };
        self.quiet_since = None;
        match step {
            Ok(Ok(Step::End)) if self.began.is_none() => {
                let message = "the live stream ends before its first packet";
                Err(SourceError::new(ErrorClass::Transient, Phase::Body, message))
            }
            Ok(Ok(Step::End)) => Ok(Received::Over(None)),
            // Nothing is left out: packets of a broadcast are written one after another.
            Ok(Ok(_)) => Ok(Received::More),
            // Of what has not begun nothing is lost: that is for the engine.
            Ok(Err(error)) if self.began.is_none() => Err(error),
            Err(_) if self.began.is_none() => Ok(Received::More),
            Ok(Err(error)) => Ok(Received::Over(Some(error.to_string()))),
            Err(_) => Ok(Received::Over(Some(format!("the server sends nothing for {} s", SILENCE.as_secs())))),
        }
    }

    /// A unit is whole.
    fn collected(&mut self) {
        self.ready = self.unit.split().freeze();
        self.began.get_or_insert_with(Instant::now);
        self.clock.packet(&self.ready[self.unit_len - self.packet_len..]);
        let recorded = self.clock.elapsed();
        self.note(|state| (state.begun, state.recorded) = (true, recorded));
        self.unit_len = self.packet_len;
    }

    /// As much as was asked for is here.
    fn is_enough(&self) -> bool {
        let (Some(wanted), Some(began)) = (self.media.0.duration, self.began) else { return false };
        self.clock.elapsed() >= wanted || began.elapsed() >= wanted + GRACE
    }
}

#[async_trait]
impl RangeReader for LiveReader {
    fn opened(&self) -> &Opened {
        self.inner.opened()
    }

    async fn read(&mut self, space: &mut Space<'_>) -> Result<Step, SourceError> {
        loop {
            if let Some(put) = NonZeroUsize::new(space.put(&self.ready)) {
                self.ready.advance(put.get());
                return Ok(Step::Bytes(put));
            }
            let received = if self.is_enough() { Received::Over(None) } else { self.receive().await? };
            match received {
                Received::More if self.unit.len() == self.unit_len => self.collected(),
                Received::More => {}
                Received::Over(broke_off) => {
                    self.note(|state| (state.over, state.broke_off) = (true, broke_off));
                    return Ok(Step::End);
                }
            }
        }
    }

    async fn hold(&mut self) -> SourceError {
        self.inner.hold().await
    }

    async fn stop(self: Box<Self>) {
        self.inner.stop().await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use mms_proto::wire::Url;

    use super::*;
    use crate::mms::Options;

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

    /// A header of 4 bytes and packets of 3.
    fn reader(pieces: &[Option<&'static [u8]>], duration: Option<u64>) -> LiveReader {
        let options = Options { duration: duration.map(Duration::from_secs), ..Options::default() };
        let media = Media::new(Url::parse("mms://h/f").unwrap(), &options);
        let script = Script(Opened::at(0), pieces.iter().copied().collect());
        LiveReader::new(Box::new(script), media, 4, 3)
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
        assert_eq!(reader.media.broke_off().as_deref(), Some("the server sends nothing for 25 s"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_broken_connection_ends_what_has_begun_and_nothing_else() {
        let broken: Vec<_> = PIECES.into_iter().chain([None]).collect();
        let mut begun = reader(&broken, None);
        assert_eq!(all(&mut begun).await.0, "headabcdef");
        assert_eq!(begun.media.broke_off().as_deref(), Some("receiving: reset"));
        let mut not_begun = reader(&[Some(b"head"), Some(b"ab"), None], None);
        let (got, end) = all(&mut not_begun).await;
        assert_eq!((got.as_str(), end.is_err()), ("", true), "that is for the engine to try again");
        assert_eq!(not_begun.media.broke_off(), None);
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
        assert_eq!((&got[..], reader.media.broke_off()), (&b"headabcdef"[..], None));
    }

    #[tokio::test(start_paused = true)]
    async fn it_can_be_told_to_end_when_a_packet_has_come_and_not_before() {
        let mut reader = reader(&PIECES, None);
        assert!(!reader.media.end_recording());
        let mut got = BytesMut::with_capacity(64);
        while got.len() < 7 {
            reader.read(&mut Space::new(&mut got, 64)).await.unwrap();
        }
        assert!(reader.media.end_recording());
        assert_eq!(all(&mut reader).await.0, "");
        assert_eq!((&got[..], reader.media.broke_off()), (&b"headabc"[..], None));
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
        assert!(reader.media.broke_off().is_some());
    }
}
