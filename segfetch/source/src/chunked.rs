//! From chunks of bytes to a [`RangeReader`].

use std::num::NonZeroUsize;

use async_trait::async_trait;
use bytes::{Buf, Bytes};

use crate::{Opened, RangeReader, SourceError, Space, Step};

/// Something that yields a body chunk by chunk: an HTTP body, a queue of packets.
#[async_trait]
pub trait Chunks: Send + 'static {
    /// The next chunk, or `None` when the peer has confirmed the end. Cancel safe.
    ///
    /// # Errors
    /// As [`RangeReader::read`].
    async fn next(&mut self) -> Result<Option<Bytes>, SourceError>;
}

/// A reader that copies chunks into the engine's memory and keeps the rest of one chunk between calls.
///
/// [`hold`](RangeReader::hold) does nothing and stays pending, so a session that dies meanwhile is noticed by the next read; where sessions
/// die because nobody reads, implement the trait yourself. [`stop`](RangeReader::stop) drops the chunks, and whatever they hold.
pub struct ChunkedReader<C> {
    opened: Opened,
    chunks: C,
    rest: Bytes,
}

impl<C: Chunks> ChunkedReader<C> {
    /// A reader over `chunks` that was opened as `opened` says.
    pub fn new(opened: Opened, chunks: C) -> Self {
        Self { opened, chunks, rest: Bytes::new() }
    }
}

impl<C> std::fmt::Debug for ChunkedReader<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChunkedReader").field("opened", &self.opened).finish_non_exhaustive()
    }
}

#[async_trait]
impl<C: Chunks> RangeReader for ChunkedReader<C> {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    async fn read(&mut self, space: &mut Space<'_>) -> Result<Step, SourceError> {
        while self.rest.is_empty() {
            match self.chunks.next().await? {
                Some(chunk) => self.rest = chunk,
                None => return Ok(Step::End),
            }
        }
        let put = space.put(&self.rest);
        self.rest.advance(put);
        Ok(NonZeroUsize::new(put).map_or(Step::End, Step::Bytes))
    }

    async fn hold(&mut self) -> SourceError {
        std::future::pending().await
    }

    async fn stop(self: Box<Self>) {}
}
