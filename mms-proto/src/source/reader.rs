//! One stream of a file.

use std::future::Future as _;
use std::num::{NonZeroU64, NonZeroUsize};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use segfetch_source::{Opened, RangeReader, SourceError, Space, Step};

use super::{EndedEarly, Findings, errors};
use crate::client::{Client, MediaPacket, Presentation, ReadError, Session};

pub(super) struct MmsReader {
    opened: Opened,
    client: Client,
    findings: Arc<Findings>,
    presentation: Arc<Presentation>,
    /// `None` when nothing more comes of it.
    session: Option<Session>,
    /// What is to be put next.
    rest: Bytes,
    /// Where `rest` begins, in the file, but for the gap before it.
    position: u64,
    /// Bytes before `rest` that will not come.
    gap: u64,
    /// What a session said that was not to be told yet.
    ahead: Option<Result<Option<MediaPacket>, ReadError>>,
    /// A packet has come.
    begun: bool,
}

impl MmsReader {
    /// A stream that begins with `rest`, which may be a part of the header, at `opened.start`.
    pub(super) fn new(opened: Opened, client: Client, findings: Arc<Findings>, session: Session, rest: Bytes) -> Self {
        let (presentation, position) = (Arc::clone(session.presentation()), opened.start);
        Self {
            opened,
            client,
            findings,
            presentation,
            session: Some(session),
            rest,
            position,
            gap: 0,
            ahead: None,
            begun: false,
        }
    }

    fn is_at_the_end(&self) -> bool {
        self.presentation.file_len() == Some(self.position)
    }

    fn put(&mut self, space: &mut Space<'_>) -> usize {
        let put = space.put(&self.rest);
        self.rest.advance(put);
        if self.rest.is_empty() {
            // An empty slice would still hold the memory that is received into, and each receive would need new one.
            self.rest = Bytes::new();
        }
        self.position += put as u64;
        put
    }

    fn take(&mut self, packet: MediaPacket) {
        self.begun = true;
        self.findings.add(packet.padding);
        self.rest = packet.data;
        // Packets of a broadcast are written one after another: a number that is left out is nothing that could be fetched later.
        let place = self.presentation.header.packet_offset(packet.location.into());
        let place = place.filter(|_| !self.presentation.is_live()).unwrap_or(self.position);
        self.gap = place.saturating_sub(self.position);
    }

    /// Takes the next packet if it need not be waited for. False if there is none.
    fn take_what_is_there(&mut self) -> bool {
        let Some(session) = self.session.as_mut().filter(|_| self.ahead.is_none()) else { return false };
        // Reading is cancel safe: a call that would wait is dropped.
        let outcome = match pin!(session.read()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => return false,
            Poll::Ready(outcome) => outcome,
        };
        match outcome {
            Ok(Some(packet)) => self.take(packet),
            other => self.ahead = Some(other),
        }
        self.ahead.is_none()
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
        let Some(left) = NonZeroU64::new(left) else {
            // What follows is another file, and nobody else is going to be told of it.
            if let Some(session) = self.session.take_if(|session| session.has_more()) {
                self.findings.follows(session);
            }
            return Ok(Step::End);
        };
        if self.begun {
            return Err(EndedEarly::new(left.get()).into());
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
        let mut put = 0;
        loop {
            if self.gap == 0 {
                put += self.put(space);
            }
            if let Some(put) = NonZeroUsize::new(put) {
                // What has come already goes along: a step for each packet would cost more than the packet.
                let is_done = self.gap > 0 || !self.rest.is_empty() || self.is_at_the_end();
                if is_done || !self.take_what_is_there() {
                    return Ok(Step::Bytes(put));
                }
                continue;
            }
            if let Some(gap) = NonZeroU64::new(std::mem::take(&mut self.gap)) {
                self.position += gap.get();
                return Ok(Step::Skip(gap));
            }
            if self.is_at_the_end() {
                self.end().await;
                return Ok(Step::End);
            }
            let Some(session) = &mut self.session else { return Ok(Step::End) };
            let outcome = match self.ahead.take() {
                Some(outcome) => outcome,
                None => session.read().await,
            };
            let Some(packet) = outcome.map_err(errors::of_read)? else { return self.ended() };
            self.take(packet);
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
