//! One stream of a file.

use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use segfetch_source::{ErrorClass, Opened, Phase, RangeReader, SourceError, Space, Step};

use super::{Findings, errors};
use crate::client::{Client, Presentation, Session};

pub(super) struct MmsReader {
    opened: Opened,
    client: Client,
    findings: Arc<Findings>,
    presentation: Arc<Presentation>,
    /// `None` when nothing more comes of it.
    session: Option<Session>,
    /// What is to be put next.
    rest: Bytes,
    /// Where `rest` begins, in the file.
    position: u64,
    /// A packet has come.
    begun: bool,
}

impl MmsReader {
    /// A stream that begins with `rest`, which may be a part of the header, at `opened.start`.
    pub(super) fn new(opened: Opened, client: Client, findings: Arc<Findings>, session: Session, rest: Bytes) -> Self {
        let (presentation, position) = (Arc::clone(session.presentation()), opened.start);
        Self { opened, client, findings, presentation, session: Some(session), rest, position, begun: false }
    }

    /// Gives the session back if it can be used again.
    async fn end(&mut self) {
        // Should this be dropped, the next call finds the session still here.
        let usable = match &mut self.session {
            Some(session) => session.stop().await,
            None => return,
        };
        if let Some(session) = self.session.take().filter(|_| usable && self.findings.keeps_sessions()) {
            self.client.give_back(session);
        }
    }

    /// The server has no more, and says so.
    fn ended(&mut self) -> Result<Step, SourceError> {
        let left = self.presentation.file_len().map_or(0, |len| len.saturating_sub(self.position));
        let Some(left) = NonZeroU64::new(left) else { return Ok(Step::End) };
        if self.begun {
            let message = format!("the server ends the stream {left} bytes before the end of the file");
            return Err(SourceError::new(ErrorClass::Transient, Phase::Body, message));
        }
        // It was asked for just this, and has none of it.
        self.position += left.get();
        Ok(Step::Skip(left))
    }
}

#[async_trait]
impl RangeReader for MmsReader {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    async fn read(&mut self, space: &mut Space<'_>) -> Result<Step, SourceError> {
        loop {
            let put = space.put(&self.rest);
            if let Some(put) = NonZeroUsize::new(put) {
                self.rest.advance(put.get());
                self.position += put.get() as u64;
                return Ok(Step::Bytes(put));
            }
            if self.presentation.file_len() == Some(self.position) {
                self.end().await;
                return Ok(Step::End);
            }
            let Some(session) = &mut self.session else { return Ok(Step::End) };
            let Some(packet) = session.read().await.map_err(errors::of_read)? else { return self.ended() };
            self.begun = true;
            self.findings.add(packet.padding);
            self.rest = packet.data;
            // Packets of a broadcast are written one after another: a number that is left out is nothing that could be fetched later.
            let place = self.presentation.header.packet_offset(packet.location.into());
            let place = place.filter(|_| !self.presentation.is_live()).unwrap_or(self.position);
            if let Some(skipped) = place.checked_sub(self.position).and_then(NonZeroU64::new) {
                self.position = place;
                return Ok(Step::Skip(skipped));
            }
        }
    }

    async fn hold(&mut self) -> SourceError {
        match &mut self.session {
            Some(session) => errors::of_read(session.hold().await.into()),
            None => std::future::pending().await,
        }
    }

    async fn stop(mut self: Box<Self>) {
        self.end().await;
    }
}
