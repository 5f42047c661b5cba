//! What the status and the header lines of an answer mean.
//!
//! | status | event |
//! |---|---|
//! | 1xx | none: the answer is still to come |
//! | 2xx | what the body tells |
//! | 301, 302, 303, 307, 308 with `Location` | [`Event::Redirected`] |
//! | 305 with `Location` | [`Event::UseProxy`] |
//! | 401, 407 | [`Event::Challenged`] |
//! | others | [`Event::Refused`] |
//!
//! Spec: RFC 9110 section 15; WMSP 2.2.1.4 (pragmas)

use crate::conn::{Challenge, Challenger, Error, Event, Offer, Output, Refusal};
use crate::wire::{Head, HeadReader, ServerPragmas, offers};

use super::Connection;
use super::body::Body;
use super::connection::Stage;
use super::listen::{Drain, Success};

/// Most answers of 1xx. One is already more than an HTTP/1.0 client should see.
const INTERIM: u8 = 8;

/// Most bytes of a body that are passed over to keep the connection, or kept to look for a playlist.
pub(super) const ASIDE: usize = 64 << 10;

impl Connection {
    /// What follows the head.
    pub(super) fn answered(&mut self, head: &Head) -> Result<Stage, Error> {
        match head.status {
            100..=199 => {
                self.interim = self.interim.saturating_add(1);
                if self.interim > INTERIM {
                    return Err(Error::Limit { what: "interim responses", max: INTERIM.into() });
                }
                Ok(Stage::Response(HeadReader::default()))
            }
            200..=299 => {
                self.body = Body::of(head);
                Ok(Stage::Sniffing(success(head)))
            }
            301 | 302 | 303 | 307 | 308 => Ok(self.sent_elsewhere(head, Event::Redirected)),
            305 => Ok(self.sent_elsewhere(head, Event::UseProxy)),
            401 => self.challenged(head, Challenger::Server),
            407 => self.challenged(head, Challenger::Proxy),
            _ => Ok(self.finish(refusal(head))),
        }
    }

    fn sent_elsewhere(&mut self, head: &Head, event: fn(String) -> Event) -> Stage {
        match head.first("Location").filter(|location| !location.is_empty()) {
            Some(location) => self.finish(event(location.to_owned())),
            None => self.finish(refusal(head)),
        }
    }

    fn challenged(&mut self, head: &Head, from: Challenger) -> Result<Stage, Error> {
        self.challenges = self.challenges.saturating_add(1);
        let max = self.config.limits.challenges;
        if self.challenges > max {
            return Err(Error::Limit { what: "questions for credentials", max: max.into() });
        }
        let name = match from {
            Challenger::Server => "WWW-Authenticate",
            Challenger::Proxy => "Proxy-Authenticate",
        };
        let offers = offers(head.all(name)).into_iter().map(|(scheme, token)| Offer { scheme, token }).collect();
        let challenge = Challenge { from, offers };
        self.body = Body::of(head);
        if head.stays_open() && self.body.ends_within(ASIDE) {
            return Ok(Stage::Draining(Drain { challenge, passed: 0 }));
        }
        Ok(self.ask_who(challenge, false))
    }

    /// Passes the question on. `open`: the answer can go out on this connection.
    pub(super) fn ask_who(&mut self, challenge: Challenge, open: bool) -> Stage {
        let from = challenge.from;
        self.tell(Event::Challenged(challenge));
        if !open {
            self.outputs.push_back(Output::Close);
        }
        Stage::Challenged { from, open }
    }
}

fn success(head: &Head) -> Success {
    let mut pragmas = ServerPragmas::default();
    head.all("Pragma").for_each(|line| pragmas.note(line));
    Success {
        content_type: head.content_type(),
        server: head.first("Server").map(str::to_owned),
        pragmas,
        lead: bytes::Bytes::new(),
    }
}

fn refusal(head: &Head) -> Event {
    let text = head.text.clone();
    Event::Refused(Refusal::Http { status: head.status, text, retry_after: head.retry_after() })
}
