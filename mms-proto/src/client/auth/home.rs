//! Credentials stay at home.

use bytes::Bytes;

use std::sync::Arc;

use super::{AuthContext, Authenticator};
use crate::conn::Challenge;
use crate::wire::Url;

/// An authenticator for one host and port alone, wherever a redirect or a playlist leads.
#[derive(Debug)]
pub(in crate::client) struct Home {
    host: String,
    port: Option<u16>,
    who: Arc<dyn Authenticator>,
}

impl Home {
    /// Only for where `url` points to: the same host, and the same port in words. A port that is not named is another one for each
    /// transport, and so is not the same as one that is.
    pub(in crate::client) fn new(url: &Url, who: Arc<dyn Authenticator>) -> Self {
        Self { host: url.host().unbracketed(), port: url.port(), who }
    }
}

impl Authenticator for Home {
    fn answer(&self, challenge: &Challenge, context: &AuthContext<'_>) -> Option<Bytes> {
        let here = context.host == self.host && context.port == self.port;
        here.then(|| self.who.answer(challenge, context))?
    }
}
