//! The body of an answer: passed over, looked at, collected or taken as chunks.

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::answer::ASIDE;
use super::connection::Stage;
use super::frames::Frames;
use super::{Ask, Connection};
use crate::conn::{Challenge, Error, Event, Output, Refusal};
use crate::wire::{BodyKind, ServerPragmas, sniff};

/// Bytes that tell chunks from everything else.
///
/// Spec: WMSP 2.2.3.1.1: no chunk is shorter
const LEAD: usize = 4;

/// The body under a question for credentials, which nobody reads.
#[derive(Debug)]
pub(super) struct Drain {
    pub(super) challenge: Challenge,
    pub(super) passed: usize,
}

/// The head of an answer that brings something.
#[derive(Debug)]
pub(super) struct Success {
    pub(super) content_type: Option<String>,
    pub(super) server: Option<String>,
    pub(super) pragmas: ServerPragmas,
    /// The first bytes of the body while they are too few.
    pub(super) lead: Bytes,
}

impl Success {
    /// Spec: WMSP 2.2.1.5 (Server). Observed: VLC 3.0.24 sends an empty body until it has a header
    fn is_from_media_server(&self) -> bool {
        self.server.as_deref().is_some_and(|server| ["Cougar", "Rex"].iter().any(|name| server.starts_with(name)))
    }
}

/// A body of something else.
#[derive(Debug)]
pub(super) struct Foreign {
    content_type: Option<String>,
    collected: BytesMut,
}

impl Connection {
    /// Takes what it can of `bytes`, of a body of which nothing else will come if it is `whole`.
    pub(super) fn listen(
        &mut self,
        now: Instant,
        stage: Stage,
        bytes: &mut BytesMut,
        whole: bool,
    ) -> Result<Stage, Error> {
        match stage {
            Stage::Draining(drain) => Ok(self.pass_over(drain, bytes, whole)),
            Stage::Sniffing(success) => self.look(now, success, bytes, whole),
            Stage::Foreign(foreign) => Ok(self.collect(foreign, bytes, whole)),
            Stage::Framed(mut frames) => {
                if frames.hear(now, bytes, &mut self.outputs)? {
                    self.outputs.push_back(Output::Close);
                    Ok(Stage::Done)
                } else if whole {
                    Err(Error::Closed(frames.awaited()))
                } else {
                    Ok(Stage::Framed(frames))
                }
            }
            other => Ok(other),
        }
    }

    fn pass_over(&mut self, drain: Drain, bytes: &mut BytesMut, whole: bool) -> Stage {
        let passed = drain.passed.saturating_add(bytes.len());
        bytes.clear();
        if whole || passed > ASIDE {
            return self.ask_who(drain.challenge, passed <= ASIDE);
        }
        Stage::Draining(Drain { passed, ..drain })
    }

    fn look(&mut self, now: Instant, success: Success, bytes: &mut BytesMut, whole: bool) -> Result<Stage, Error> {
        let Some(lead) = bytes.get(..LEAD).or(whole.then_some(&bytes[..])) else {
            return Ok(Stage::Sniffing(Success { lead: Bytes::copy_from_slice(bytes), ..success }));
        };
        let kind = match sniff(success.content_type.as_deref(), lead) {
            // Nothing yet, of a server that has nothing else: asking again may help, looking elsewhere does not.
            BodyKind::Other if lead.is_empty() && success.is_from_media_server() => BodyKind::Framed,
            kind => kind,
        };
        let stage = if kind == BodyKind::Framed {
            let play = matches!(self.ask, Ask::Play { .. });
            let said = (success.server, success.pragmas);
            Stage::Framed(Frames::new(play, self.config.waits, self.config.limits, self.header_by, said))
        } else {
            Stage::Foreign(Foreign { content_type: success.content_type, collected: BytesMut::new() })
        };
        self.listen(now, stage, bytes, whole)
    }

    fn collect(&mut self, mut foreign: Foreign, bytes: &mut BytesMut, whole: bool) -> Stage {
        let room = ASIDE.saturating_sub(foreign.collected.len());
        foreign.collected.extend_from_slice(&bytes.split_to(room.min(bytes.len())));
        if whole || foreign.collected.len() == ASIDE {
            return self.not_mms(foreign);
        }
        Stage::Foreign(foreign)
    }

    /// Nothing of ours: whoever asked may find a playlist in it.
    pub(super) fn not_mms(&mut self, foreign: Foreign) -> Stage {
        let Foreign { content_type, collected } = foreign;
        self.finish(Event::Refused(Refusal::NotMms { content_type, body: collected.freeze() }))
    }

    /// The connection ended, or the body did not go on in time.
    pub(super) fn cut_off(&mut self, now: Instant, stage: Stage) -> Result<Stage, Error> {
        match stage {
            Stage::Draining(drain) => Ok(self.ask_who(drain.challenge, false)),
            Stage::Sniffing(success) => {
                let mut lead = BytesMut::from(&success.lead[..]);
                self.listen(now, Stage::Sniffing(success), &mut lead, true)
            }
            stage => self.listen(now, stage, &mut BytesMut::new(), true),
        }
    }
}
