//! The body of an answer as a stream.

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Response;
use segfetch::source::chunked::Chunks;
use segfetch::source::{ErrorClass, Phase, SourceError};

use super::client;

pub(super) struct Body {
    response: Response,
    /// Bytes still to come, if the head said how many there are.
    left: Option<u64>,
}

impl Body {
    pub(super) fn new(response: Response, len: Option<u64>) -> Self {
        Self { response, left: len }
    }
}

#[async_trait]
impl Chunks for Body {
    /// Without a `Content-Length` the end is the last chunk's to say, so it is waited for also when all bytes are here.
    ///
    /// Spec: RFC 9112 section 8
    async fn next(&mut self) -> Result<Option<Bytes>, SourceError> {
        let error = |class, text: String| Err(SourceError::new(class, Phase::Body, text));
        // A 416 has a body of its own, which is no part of the file.
        if self.left == Some(0) && self.response.status() == reqwest::StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(None);
        }
        let chunk = self.response.chunk().await.map_err(|error| client::failed(Phase::Body, error))?;
        match (chunk, self.left) {
            (Some(chunk), Some(left)) => match left.checked_sub(chunk.len() as u64) {
                Some(left) => {
                    self.left = Some(left);
                    Ok(Some(chunk))
                }
                None => error(ErrorClass::RangeNotSupported, "the server sends more than it was asked for".into()),
            },
            (None, Some(left)) if left > 0 => {
                error(ErrorClass::Transient, format!("the server ends the answer {left} bytes too early"))
            }
            (chunk, _) => Ok(chunk),
        }
    }
}
