//! The questions and answers around one request.

use bytes::Bytes;

use super::AuthContext;
use crate::client::connector::Target;
use crate::client::{Config, OpenError, Transport};
use crate::conn::{Challenge, Challenger};
use crate::wire::{Secret, Url, is_of_connection};

/// Who answers for one request, and how often that happened.
#[derive(Debug)]
pub(in crate::client) struct Exchange<'a> {
    config: &'a Config,
    transport: Transport,
    url: &'a Url,
    server: u8,
    proxy: u8,
    all: u8,
}

/// The last answer to somebody, and to what.
#[derive(Clone, Debug)]
pub(in crate::client) struct Proven {
    challenge: Challenge,
    value: Secret,
    uses: u32,
}

/// What requests of HTTP say of who we are, from one to the next.
#[derive(Clone, Debug, Default)]
pub(in crate::client) struct Proofs {
    server: Option<Proven>,
    proxy: Option<Proven>,
}

impl<'a> Exchange<'a> {
    pub(in crate::client) fn new(config: &'a Config, transport: Transport, url: &'a Url) -> Self {
        Self { config, transport, url, server: 0, proxy: 0, all: 0 }
    }

    /// The answer to a question, if there is one still.
    pub(in crate::client) fn answer(&mut self, challenge: &Challenge) -> Result<Bytes, OpenError> {
        let legs = self.legs(challenge.from);
        let answer = if self.all < self.config.limits.challenges { self.ask(challenge, legs, 0) } else { None };
        let answer = answer.ok_or_else(|| denied(challenge))?;
        self.all = self.all.saturating_add(1);
        *self.legs_mut(challenge.from) = legs.saturating_add(1);
        Ok(answer)
    }

    /// Whether anybody got an answer.
    pub(in crate::client) fn has_answered(&self) -> bool {
        self.all > 0
    }

    fn legs(&self, from: Challenger) -> u8 {
        match from {
            Challenger::Server => self.server,
            Challenger::Proxy => self.proxy,
        }
    }

    fn legs_mut(&mut self, from: Challenger) -> &mut u8 {
        match from {
            Challenger::Server => &mut self.server,
            Challenger::Proxy => &mut self.proxy,
        }
    }

    /// A proxy is answered if it is the one of the configuration, a server whoever it is: the authenticator knows where it belongs.
    fn ask(&self, challenge: &Challenge, legs: u8, uses: u32) -> Option<Bytes> {
        let target = self.url.target();
        let (Target { host, port }, port_is_named, who) = match challenge.from {
            Challenger::Server => {
                let at = Target { host: self.url.host().unbracketed(), port: self.url.port().unwrap_or_default() };
                (at, self.url.port().is_some(), self.config.authenticator_for(self.url)?)
            }
            Challenger::Proxy => (self.config.proxy.clone()?, true, self.config.proxy_authenticator.clone()?),
        };
        let context = AuthContext {
            transport: self.transport,
            host: &host,
            port: port_is_named.then_some(port),
            target: &target,
            legs,
            uses,
            time_of_day: self.config.time_of_day.map(|now| now()),
        };
        who.answer(challenge, &context)
    }
}

impl Proofs {
    /// What server and proxy are told at once.
    pub(in crate::client) fn values(&self) -> (Option<Secret>, Option<Secret>) {
        let value = |proven: &Option<Proven>| proven.as_ref().map(|proven| proven.value.clone());
        (value(&self.server), value(&self.proxy))
    }

    /// Makes what was said ready for one more request: what was good for a connection goes, what has a count counts.
    pub(in crate::client) fn renew(&mut self, exchange: &Exchange<'_>) {
        for slot in [&mut self.server, &mut self.proxy] {
            let Some(proven) = slot.take().filter(|proven| !is_of_connection(proven.value.expose())) else { continue };
            let value = exchange.ask(&proven.challenge, 0, proven.uses).and_then(secret);
            *slot = value.map(|value| Proven { value, uses: proven.uses.saturating_add(1), ..proven });
        }
    }

    /// Forgets everything: what comes next goes to somebody else.
    pub(in crate::client) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Answers a question. `open`: on the connection on which it came; else the answer goes to another one.
    ///
    /// # Errors
    /// There is no answer, or none that would be good for another connection.
    pub(in crate::client) fn answer(
        &mut self,
        exchange: &mut Exchange<'_>,
        challenge: &Challenge,
        open: bool,
    ) -> Result<Secret, OpenError> {
        let begun = exchange.legs(challenge.from) > 0;
        let value = exchange.answer(challenge).ok().and_then(secret).ok_or_else(|| denied(challenge))?;
        if !open && begun && is_of_connection(value.expose()) {
            return Err(denied(challenge));
        }
        let (slot, other, other_is) = match challenge.from {
            Challenger::Server => (&mut self.server, &mut self.proxy, Challenger::Proxy),
            Challenger::Proxy => (&mut self.proxy, &mut self.server, Challenger::Server),
        };
        *slot = Some(Proven { challenge: challenge.clone(), value: value.clone(), uses: 1 });
        // What was proved on the connection is so no more, and may be again.
        if !open && other.as_ref().is_some_and(|proven| is_of_connection(proven.value.expose())) {
            *other = None;
            *exchange.legs_mut(other_is) = 0;
        }
        Ok(value)
    }

    /// Whether what was said can be said again on another connection.
    pub(in crate::client) fn can_move(&self) -> bool {
        [&self.server, &self.proxy].into_iter().flatten().all(|proven| !is_of_connection(proven.value.expose()))
    }
}

fn secret(answer: Bytes) -> Option<Secret> {
    Secret::new(String::from_utf8(answer.into()).ok()?).ok()
}

pub(in crate::client) fn denied(challenge: &Challenge) -> OpenError {
    let schemes: Vec<&str> = challenge.offers.iter().map(|offer| offer.scheme.as_str()).collect();
    OpenError::Denied { schemes: schemes.join(", ") }
}
