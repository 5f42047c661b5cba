//! The steps that a remote file takes, each a future of its own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use segfetch_source::{
    ErrorClass, OpenRequest, Opened, Phase, RangeReader, RangeSource, SourceContext, SourceError, SourceInfo, Space,
    Step,
};
use tokio::time::{Instant, sleep_until};

use super::super::source;

/// Most bytes of one step: what a socket holds, as a rule.
pub(super) const PIECE: usize = 64 << 10;

/// What is done next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Task {
    /// Ask what the file is.
    Probe,
    /// Open a stream, and end the one that is there.
    Open(OpenRequest),
    /// Read at most so many bytes.
    Read(usize),
    /// Wait, and end the stream that is there.
    Pause(Instant),
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Done {
    Probed(SourceInfo),
    /// With the time that it took.
    Opened(Opened, Duration),
    /// The bytes are in [`Link::piece`].
    Bytes,
    /// So many bytes will not come.
    Skipped(u64),
    End,
    Paused,
}

/// The source, and the stream of it that is open.
pub(super) struct Link {
    source: Arc<dyn RangeSource>,
    reader: Option<Box<dyn RangeReader>>,
    silence: Duration,
    /// What the last read brought.
    pub(super) piece: BytesMut,
}

impl Link {
    pub(super) fn new(source: Arc<dyn RangeSource>, silence: Duration) -> Box<Self> {
        Box::new(Self { source, reader: None, silence, piece: BytesMut::with_capacity(PIECE) })
    }

    /// Does one thing. After an error no stream is open.
    pub(super) async fn perform(
        mut self: Box<Self>,
        task: Task,
        attempt: u32,
    ) -> (Box<Self>, Result<Done, SourceError>) {
        let cx = SourceContext::new().with_attempt(attempt);
        let result = match task {
            Task::Probe => self.source.probe(&cx).await.map(Done::Probed),
            Task::Open(request) => self.open(&cx, request).await,
            Task::Read(most) => self.read(most).await,
            Task::Pause(until) => {
                self.leave().await;
                sleep_until(until).await;
                Ok(Done::Paused)
            }
        };
        if result.is_err() {
            self.reader = None;
        }
        (self, result)
    }

    /// Lets go of the stream, without waiting.
    pub(super) fn drop_stream(&mut self) {
        self.reader = None;
    }

    async fn leave(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.stop().await;
        }
    }

    async fn open(&mut self, cx: &SourceContext, request: OpenRequest) -> Result<Done, SourceError> {
        // First, so that a server with room for one finds it.
        self.leave().await;
        let begun = Instant::now();
        let reader = self.source.open(cx, request).await?;
        let opened = reader.opened().clone();
        self.reader = Some(reader);
        Ok(Done::Opened(opened, begun.elapsed()))
    }

    async fn read(&mut self, most: usize) -> Result<Done, SourceError> {
        let Some(reader) = &mut self.reader else {
            return Err(SourceError::new(ErrorClass::Transient, Phase::Body, "no stream is open"));
        };
        self.piece.clear();
        self.piece.reserve(PIECE);
        let mut space = Space::new(&mut self.piece, most);
        let step = source::read(&mut **reader, &mut space, self.silence).await?;
        Ok(match step {
            Step::Bytes(_) => Done::Bytes,
            Step::Skip(n) => Done::Skipped(n.get()),
            Step::End => {
                self.reader = None;
                Done::End
            }
        })
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("source", &self.source).field("open", &self.reader.is_some()).finish()
    }
}
