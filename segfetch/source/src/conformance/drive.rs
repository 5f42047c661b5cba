//! Driving a source by hand: polling a limited number of times, dropping in the middle, keeping account of offsets.
//!
//! The account is kept by what is in the buffer, not by what the reader says, so that one broken sentence does not break
//! the others.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use bytes::BytesMut;

use super::{Fixture, MIN_LEN, NotApplicable};
use crate::{
    Access, OpenRequest, Opened, RangeReader, RangeSource, SourceContext, SourceError, SourceInfo, Space, Step,
};

/// Pauses after which something that should happen is taken to hang.
const HANGS: u32 = 1_000;
/// Pauses for which something that should not happen is watched.
pub(super) const WATCH: u32 = 64;
/// Bytes that are looked at in one place of the file; four of them fit into [`MIN_LEN`].
pub(super) const WINDOW: u64 = MIN_LEN / 4;
/// The room of an ordinary read.
pub(super) const ROOM: usize = 16 * 1024;
/// Most bytes that are read just to come to the end of a file.
const SHORT: u64 = 16 << 20;

/// Polls until the future is done or the fixture has paused so often.
pub(super) async fn attempt<T>(fixture: &dyn Fixture, pauses: u32, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..pauses {
        let mut pause = fixture.pause();
        let done = poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => pause.as_mut().poll(cx).map(|()| None),
        });
        if let Some(done) = done.await {
            return Some(done);
        }
    }
    poll_once(future).await
}

/// Waits for something that has to happen.
pub(super) async fn settle<T>(fixture: &dyn Fixture, what: &str, future: impl Future<Output = T>) -> T {
    match attempt(fixture, HANGS, future).await {
        Some(done) => done,
        None => panic!("{what} is still pending after {HANGS} pauses"),
    }
}

/// Polls at most so often, with a pause between, and drops what is not done then.
pub(super) async fn drop_after<T>(fixture: &dyn Fixture, polls: u32, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    for poll in 0..polls {
        if poll > 0 {
            fixture.pause().await;
        }
        if let Some(done) = poll_once(future.as_mut()).await {
            return Some(done);
        }
    }
    None
}

async fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// A probe that has to work.
pub(super) async fn probe(fixture: &dyn Fixture, source: &dyn RangeSource) -> SourceInfo {
    assert!(fixture.file_len() >= MIN_LEN, "the fixture's file is shorter than MIN_LEN");
    let cx = SourceContext::new();
    settle(fixture, "probe", source.probe(&cx)).await.unwrap_or_else(|error| panic!("probe failed: {error}"))
}

/// A place inside the file where streams of this source can start, or its beginning.
pub(super) async fn inside(fixture: &dyn Fixture, source: &dyn RangeSource) -> u64 {
    match probe(fixture, source).await.access {
        Access::Random => fixture.file_len() / 2 + 1,
        _ => 0,
    }
}

/// A place from which the end of the file is near.
pub(super) async fn near_end(fixture: &dyn Fixture, source: &dyn RangeSource) -> Result<u64, NotApplicable> {
    match probe(fixture, source).await.access {
        Access::Random => Ok(fixture.file_len() - WINDOW),
        _ if fixture.file_len() <= SHORT => Ok(0),
        _ => Err(NotApplicable::because("the source only starts at 0, and the end of this file is too far from there")),
    }
}

/// Whether streams of this source can start anywhere.
pub(super) async fn require_random(fixture: &dyn Fixture, source: &dyn RangeSource) -> Result<(), NotApplicable> {
    match probe(fixture, source).await.access {
        Access::Random => Ok(()),
        _ => Err(NotApplicable::because("the source only starts at 0")),
    }
}

/// A stream and the account of it.
pub(super) struct Stream<'f> {
    fixture: &'f dyn Fixture,
    pub(super) reader: Box<dyn RangeReader>,
    /// Offset of the next byte.
    pub(super) at: u64,
    /// What the last read put.
    pub(super) buffer: BytesMut,
}

impl<'f> Stream<'f> {
    pub(super) async fn try_open(
        fixture: &'f dyn Fixture,
        source: &dyn RangeSource,
        request: OpenRequest,
    ) -> Result<Self, SourceError> {
        let cx = SourceContext::new();
        settle(fixture, "open", source.open(&cx, request)).await.map(|reader| Self::of(fixture, reader))
    }

    pub(super) fn of(fixture: &'f dyn Fixture, reader: Box<dyn RangeReader>) -> Self {
        let at = reader.opened().start;
        Self { fixture, reader, at, buffer: BytesMut::new() }
    }

    /// An open that has to work.
    pub(super) async fn open(fixture: &'f dyn Fixture, source: &dyn RangeSource, request: OpenRequest) -> Self {
        let start = request.start;
        match Self::try_open(fixture, source, request).await {
            Ok(stream) => stream,
            Err(error) => panic!("open at {start} failed: {error}"),
        }
    }

    pub(super) fn opened(&self) -> &Opened {
        self.reader.opened()
    }

    /// Reads into an empty buffer of at most `room` bytes.
    pub(super) async fn read(&mut self, room: usize) -> Result<Step, SourceError> {
        settle(self.fixture, "read", self.read_unsettled(room)).await
    }

    /// The same, for as long as the fixture takes to pause so often.
    pub(super) async fn read_for(&mut self, pauses: u32, room: usize) -> Option<Result<Step, SourceError>> {
        attempt(self.fixture, pauses, self.read_unsettled(room)).await
    }

    /// The same, dropped after so many polls.
    pub(super) async fn read_dropped_after(&mut self, polls: u32, room: usize) -> Option<Result<Step, SourceError>> {
        self.buffer.clear();
        drop_after(self.fixture, polls, self.read_unsettled(room)).await
    }

    async fn read_unsettled(&mut self, room: usize) -> Result<Step, SourceError> {
        self.buffer.clear();
        self.buffer.reserve(room);
        let step = self.reader.read(&mut Space::new(&mut self.buffer, room)).await?;
        self.at += self.buffer.len() as u64;
        if let Step::Skip(bytes) = step {
            self.at += bytes.get();
        }
        Ok(step)
    }

    /// Reads until `until`, or the end of the stream, without looking at the bytes. True if the end was said.
    pub(super) async fn pass(&mut self, until: u64) -> bool {
        self.go(until, ROOM, false).await
    }

    /// Reads until `until`, or the end of the stream, and compares every byte. True if the end was said.
    pub(super) async fn compare(&mut self, until: u64, room: usize) -> bool {
        self.go(until, room, true).await
    }

    async fn go(&mut self, until: u64, room: usize, compare: bool) -> bool {
        while self.at < until {
            let before = self.at;
            match self.read(room).await {
                Ok(Step::End) => return true,
                Ok(_) => assert!(self.at > before, "a step that is not the end brought nothing at {before}"),
                Err(error) => panic!("a read at {before} failed: {error}"),
            }
            if compare {
                self.check();
            }
        }
        false
    }

    /// Compares what the last read put with the file.
    pub(super) fn check(&self) {
        let start = self.at - self.buffer.len() as u64;
        let mut expected = vec![0; self.buffer.len()];
        self.fixture.fill(start, &mut expected);
        if self.buffer != expected {
            let wrong = self.buffer.iter().zip(&expected).take_while(|(got, want)| got == want).count() as u64;
            panic!("the byte at {} is not the file's (stream opened at {})", start + wrong, self.opened().start);
        }
    }

    pub(super) async fn stop(self) {
        settle(self.fixture, "stop", self.reader.stop()).await;
    }
}

/// What was held after a first, orderly stream.
pub(super) struct Baseline(u64);

impl Baseline {
    pub(super) async fn take(fixture: &dyn Fixture, source: &dyn RangeSource) -> Result<Self, NotApplicable> {
        fixture.held()?;
        let start = inside(fixture, source).await;
        Stream::open(fixture, source, OpenRequest::from(start)).await.stop().await;
        for _ in 0..WATCH {
            fixture.pause().await;
        }
        fixture.held().map(Self)
    }

    /// Waits until no more is held than at first, and tries whether a stream can still be had.
    pub(super) async fn comes_back(self, fixture: &dyn Fixture, source: &dyn RangeSource) -> Result<(), NotApplicable> {
        let mut held = fixture.held()?;
        for _ in 0..HANGS {
            if held <= self.0 {
                break;
            }
            fixture.pause().await;
            held = fixture.held()?;
        }
        assert!(held <= self.0, "{held} are held, {} were after the first stream", self.0);
        let start = inside(fixture, source).await;
        Stream::open(fixture, source, OpenRequest::from(start)).await.stop().await;
        Ok(())
    }
}
