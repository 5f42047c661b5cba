//! A broadcast whose connection broke, asked for again.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use segfetch::source::{
    ErrorClass, OpenRequest, Phase, RangeReader, RangeSource, SourceContext, SourceError, Space, Step, Validator,
};
use tokio::time::{Instant, sleep, timeout_at};

/// Before the second attempt, and twice as long before each later one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Opens a stream from its beginning.
#[async_trait]
pub(super) trait Reopen: Send + Sync {
    async fn reopen(&self, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError>;
}

#[async_trait]
impl<S: RangeSource> Reopen for S {
    async fn reopen(&self, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        self.open(&SourceContext::new(), request).await
    }
}

/// Attempts under way.
pub(super) type Attempt = Pin<Box<dyn Future<Output = Back> + Send>>;

/// What came of asking again.
pub(super) enum Back {
    /// The same broadcast, behind its header.
    Same(Box<dyn RangeReader>),
    /// Another content is there now.
    Other,
    /// Nothing, and why it broke, or is not to be had any more.
    Lost(String),
}

/// How it is asked for.
pub(super) struct Again {
    /// When to give up.
    pub(super) until: Instant,
    /// How often it broke without a packet in between.
    pub(super) attempts: u32,
    pub(super) header_len: usize,
    /// Why it broke.
    pub(super) reason: String,
}

impl Again {
    pub(super) fn attempt(self, reopen: Arc<dyn Reopen>, expected: Option<Validator>) -> Attempt {
        Box::pin(self.run(reopen, expected))
    }

    async fn run(mut self, reopen: Arc<dyn Reopen>, expected: Option<Validator>) -> Back {
        loop {
            let pause = self.pause();
            if Instant::now() + pause >= self.until {
                return Back::Lost(self.reason);
            }
            sleep(pause).await;
            self.attempts = self.attempts.saturating_add(1);
            let request = expected.iter().cloned().fold(OpenRequest::from(0), OpenRequest::expecting);
            match timeout_at(self.until, behind_header(&*reopen, request, self.header_len)).await {
                Ok(Ok(reader)) => return Back::Same(reader),
                Ok(Err(error)) => match error.class() {
                    ErrorClass::Changed => return Back::Other,
                    ErrorClass::Transient | ErrorClass::Throttled { .. } | ErrorClass::Unknown => {}
                    _ => return Back::Lost(error.to_string()),
                },
                Err(_) => return Back::Lost(self.reason),
            }
        }
    }

    fn pause(&self) -> Duration {
        match self.attempts {
            0 => Duration::ZERO,
            more => FIRST_PAUSE.saturating_mul(1 << (more - 1).min(8)).min(LONGEST_PAUSE),
        }
    }
}

/// A stream of which the header has been read.
async fn behind_header(
    reopen: &dyn Reopen,
    request: OpenRequest,
    header_len: usize,
) -> Result<Box<dyn RangeReader>, SourceError> {
    let mut reader = reopen.reopen(request).await?;
    let mut header = BytesMut::with_capacity(header_len);
    while header.len() < header_len {
        let room = header_len - header.len();
        if !matches!(reader.read(&mut Space::new(&mut header, room)).await?, Step::Bytes(_)) {
            return Err(SourceError::new(ErrorClass::Transient, Phase::Body, "the live stream ends in its header"));
        }
    }
    Ok(reader)
}
