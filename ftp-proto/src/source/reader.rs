//! One stream of a file.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

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
    asker: Asker,
}

/// What a stream needs to tell a server that is wrong from one that has failed.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) client: Client,
    pub(super) path: Path,
    /// Where a stream of this file has last ended with success, and too early.
    pub(super) short_at: Arc<Mutex<Option<u64>>>,
}

impl FtpReader {
    pub(super) fn new(asker: Asker, opened: Opened, download: Download, exact_end: Option<u64>) -> Self {
        Self { opened, stream: Some(Stream { download, exact_end, asker }) }
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
        let Ok(facts) = self.asker.client.probe(&self.asker.path).await else { return error };
        let same = opened.validator.as_ref().map(|before| validator::compare(before, &validator::of(&facts)));
        if facts.size != opened.extent.known() || same == Some(Sameness::Different) {
            return error;
        }
        let message = "the server sends more bytes than it says that the file has";
        SourceError::new(ErrorClass::Permanent, Phase::Body, message).with_cause(error)
    }

    /// Success, and fewer bytes than there should be: once it may be an accident, twice at one place it is the end.
    fn judge_short(&self, error: ReadError) -> SourceError {
        let position = self.download.position();
        let mut short_at = self.asker.short_at.lock().unwrap_or_else(PoisonError::into_inner);
        if short_at.replace(position) != Some(position) {
            return errors::of_read(error);
        }
        let message = format!("{error}: the file ends at byte {position} each time");
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
            Err(error @ ReadError::Short(_)) => Err(stream.judge_short(error)),
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
