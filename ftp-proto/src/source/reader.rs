//! One stream of a file.

use std::num::NonZeroUsize;

use async_trait::async_trait;
use bytes::BufMut;
use segfetch_source::{ErrorClass, Extent, Opened, Phase, RangeReader, SourceError, Space, Step};

use super::errors;
use crate::client::Download;

pub(super) struct FtpReader {
    opened: Opened,
    /// `None` at the end.
    download: Option<Download>,
    /// Where the engine wants it to end; the server was asked for that (`RANG`) or, if it refused, is stopped there.
    exact_end: Option<u64>,
}

impl FtpReader {
    pub(super) fn new(opened: Opened, download: Download, exact_end: Option<u64>) -> Self {
        Self { opened, download: Some(download), exact_end }
    }

    /// A stream that starts at the end of the file.
    pub(super) fn at_the_end(opened: Opened) -> Self {
        Self { opened, download: None, exact_end: None }
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

#[async_trait]
impl RangeReader for FtpReader {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    async fn read(&mut self, space: &mut Space<'_>) -> Result<Step, SourceError> {
        let Some(download) = &mut self.download else { return Ok(Step::End) };
        let position = download.position();
        let left = match (self.exact_end, self.opened.ends_at) {
            (Some(end), None) => usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        if left == 0 {
            if let Some(download) = self.download.take() {
                download.stop().await;
            }
            return Ok(Step::End);
        }
        let n = download.read(&mut space.buf_mut().limit(left)).await.map_err(errors::of_read)?;
        match NonZeroUsize::new(n) {
            Some(n) => Ok(Step::Bytes(n)),
            None => self.check_end(position),
        }
    }

    async fn hold(&mut self) -> SourceError {
        match &mut self.download {
            Some(download) => errors::of_read(download.hold().await),
            None => std::future::pending().await,
        }
    }

    async fn stop(mut self: Box<Self>) {
        if let Some(download) = self.download.take() {
            download.stop().await;
        }
    }
}
