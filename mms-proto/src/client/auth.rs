//! Who we are, when a server asks.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::Transport;
use crate::conn::{Challenge, Challenger};
use crate::wire::Secret;

/// Answers challenges. The answer of one leg follows from the challenge alone: what the legs of a longer exchange have to know of each
/// other, they carry.
pub trait Authenticator: fmt::Debug + Send + Sync + 'static {
    /// The answer to one of the offers, or `None` if there is none, or none any more.
    ///
    /// Over HTTP (MMSH) it is the value of the header line: a scheme and what belongs to it. Over MMST it is the token alone.
    fn answer(&self, challenge: &Challenge, context: &AuthContext<'_>) -> Option<Bytes>;
}

/// What an answer may depend on beside the challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthContext<'a> {
    /// How the question came.
    pub transport: Transport,
    /// The host that is asked for.
    pub host: &'a str,
    /// What of it: the request target of HTTP.
    pub target: &'a str,
    /// How many questions there were before in this exchange.
    pub legs: u8,
}

/// A user and a password, by the scheme Basic, which shows them to everybody on the way.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: String,
    password: Option<Secret>,
}

impl Credentials {
    /// For a user, whose password may be empty.
    pub fn new(user: impl Into<String>, password: Option<Secret>) -> Self {
        Self { user: user.into(), password }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Authenticator for Credentials {
    fn answer(&self, challenge: &Challenge, context: &AuthContext<'_>) -> Option<Bytes> {
        if context.legs > 0 || challenge.from == Challenger::Proxy {
            return None;
        }
        challenge.offers.iter().find(|offer| offer.scheme.eq_ignore_ascii_case("basic"))?;
        let encoded = STANDARD.encode(format!("{}:{}", self.user, self.password.as_ref().map_or("", Secret::expose)));
        Some(match context.transport {
            Transport::Mmsh => format!("Basic {encoded}").into(),
            Transport::Mmst | Transport::Mmsu => format!("{encoded}\0").into(),
        })
    }
}
