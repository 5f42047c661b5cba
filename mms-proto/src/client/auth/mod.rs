//! Who we are, when a server or a proxy asks.
//!
//! | scheme | over HTTP | over MMS | rests on |
//! |---|---|---|---|
//! | NTLM | yes | yes | MS-NLMP, MS-NTHT; MMSP 2.2.4.14 and 2.2.4.24 |
//! | Negotiate | with the token of NTLM alone, not with Kerberos | no | RFC 4559 |
//! | Digest | MD5, SHA-256, their `-sess`; `qop=auth` or none | no | RFC 7616, RFC 2617 |
//! | Basic | yes | yes | RFC 7617; MMSP 2.2.4.24 |
//!
//! Of what is offered the first of this table is taken, and Basic if nothing else is offered at all: it shows the password to
//! everybody on the way. A question that comes again after an answer is not answered in a weaker way.

#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::as_conversions,
        clippy::arithmetic_side_effects
    )
)]

mod basic;
mod chance;
mod credentials;
mod digest;
mod exchange;
mod home;
mod mms_token;
mod ntlm;

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;

use super::Transport;
use crate::conn::Challenge;

pub use credentials::Credentials;
pub(super) use exchange::{Exchange, Proofs, denied};
pub(super) use home::Home;

/// Answers challenges. The answer of one leg follows from the challenge and the context alone: what the legs of a longer exchange have to
/// know of each other, they carry.
pub trait Authenticator: fmt::Debug + Send + Sync + 'static {
    /// The answer to one of the offers, or `None` if there is none, or none any more.
    ///
    /// Over HTTP (MMSH) it is the value of the header line: a scheme and what belongs to it. An answer whose scheme is neither Basic nor
    /// Digest is good for the connection alone on which the question came. Over MMST it is the token as it is sent.
    fn answer(&self, challenge: &Challenge, context: &AuthContext<'_>) -> Option<Bytes>;
}

/// What an answer may depend on beside the challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthContext<'a> {
    /// How the question came.
    pub transport: Transport,
    /// Who asks: the host of the URL, or the proxy.
    pub host: &'a str,
    /// Its port, if one is named.
    pub port: Option<u16>,
    /// What is asked for: the request target of HTTP, without scheme and host even if a proxy asks.
    pub target: &'a str,
    /// How many answers its questions got before, in this exchange.
    pub legs: u8,
    /// How many requests carried an answer to this very challenge before.
    pub uses: u32,
    /// The time of day, from [`Config::time_of_day`](super::Config::time_of_day).
    pub time_of_day: Option<SystemTime>,
}

impl<'a> AuthContext<'a> {
    /// The first question of a server about `target`, for whoever tries an authenticator without one.
    pub fn new(transport: Transport, host: &'a str, target: &'a str) -> Self {
        Self { transport, host, port: None, target, legs: 0, uses: 0, time_of_day: None }
    }
}
