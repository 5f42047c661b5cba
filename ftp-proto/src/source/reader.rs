//! One stream of a file.

use std::num::NonZeroUsize;

use async_trait::async_trait;
use bytes::BufMut;
use segfetch_source::{ErrorClass, Extent, Opened, Phase, RangeReader, Sameness, SourceError, Space, Step};

use super::{errors, validator};
use crate::client::{Client, Download, ReadError};
use crate::wire::Path;

pub(super) struct FtpReader {
    opened: Opened,
    stream: Option<Stream>,
}

/// A stream that is not at the end of the file from the start.
struct Stream {
    download: Download,
    /// Where the engine wants it to end; the server was asked for that (`RANG`) or, if it refused, is stopped there.
    exact_end: Option<u64>,
    client: Client,
    path: Path,
}

impl FtpReader {
    pub(super) fn new(client: Client, path: Path, opened: Opened, download: Download, exact_end: Option<u64>) -> Self {
        Self { opened, stream: Some(Stream { download, exact_end, client, path }) }
    }

    /// A stream that starts at the end of the file.
    pub(super) fn at_the_end(opened: Opened) -> Self {
        Self { opened, stream: None }
    }

    /// A success without a byte, from the middle of a file of unknown length: vsftpd says so when the start lies behind
    /// the end, and nothing tells that from a start at the very end.
    ///
    /// Observed: vsftpd 3.0.3
    fn check_end(&self, position: u64) -> Result<Step, SourceError> {
        if position == self.opened.start && position > 0 && self.opened.extent == Extent::Unknown {
            let message = "the server sends nothing from there, and does not say how long the file is";
            return Err(SourceError::new(ErrorClass::RangeNotSupported, Phase::Body, message));
        }
        Ok(Step::End)
    }
}

impl Stream {
    /// More bytes than there should be: the file has grown, or the server is wrong about it and will be again.
    async fn judge_overrun(&mut self, opened: &Opened) -> SourceError {
        let error = errors::of_read(ReadError::Overrun);
        let Ok(facts) = self.client.probe(&self.path).await else { return error };
        let same = opened.validator.as_ref().map(|before| validator::compare(before, &validator::of(&facts)));
        if facts.size != opened.extent.known() || same == Some(Sameness::Different) {
            return error;
        }
        let message = "the server sends more bytes than it says that the file has";
        SourceError::new(ErrorClass::Permanent, Phase::Body, message).with_cause(error)
    }
}

#[async_trait]
impl RangeReader for FtpReader {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    async fn read(&mut self, space: &mut Space<'_>) -> Result<Step, SourceError> {
        let Some(stream) = &mut self.stream else { return Ok(Step::End) };
        let position = stream.download.position();
        let left = match (stream.exact_end, self.opened.ends_at) {
            (Some(end), None) => usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        if left == 0 {
            if let Some(stream) = self.stream.take() {
                stream.download.stop().await;
            }
            return Ok(Step::End);
        }
        match stream.download.read(&mut space.buf_mut().limit(left)).await {
            Ok(n) => match NonZeroUsize::new(n) {
                Some(n) => Ok(Step::Bytes(n)),
                None => self.check_end(position),
            },
            // Should this be dropped, the next call finds the same error, and asks again.
            Err(ReadError::Overrun) => Err(stream.judge_overrun(&self.opened).await),
            Err(error) => Err(errors::of_read(error)),
        }
    }

    async fn hold(&mut self) -> SourceError {
        match &mut self.stream {
            Some(stream) => errors::of_read(stream.download.hold().await),
            None => std::future::pending().await,
        }
    }

    async fn stop(mut self: Box<Self>) {
        if let Some(stream) = self.stream.take() {
            stream.download.stop().await;
        }
    }
}
