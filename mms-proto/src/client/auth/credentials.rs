//! A user and a password.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::mms_token::{self, Scheme};
use super::{AuthContext, Authenticator, basic, chance, digest, ntlm};
use crate::client::Transport;
use crate::conn::{Challenge, Offer};
use crate::wire::Secret;

/// A user and a password, which are proved in the strongest of the ways that are offered. `Debug` shows neither.
///
/// The user of NTLM may be `DOMAIN\user` or `user@domain`, which all other schemes send as it stands.
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

    fn password(&self) -> &str {
        self.password.as_ref().map_or("", Secret::expose)
    }

    fn over_http(&self, challenge: &Challenge, context: &AuthContext<'_>) -> Option<Bytes> {
        let offers = &challenge.offers;
        let named = |name: &'static str| offers.iter().filter(move |offer| offer.scheme.eq_ignore_ascii_case(name));
        // An answer to what was said before is in one of them, a fresh start in all.
        let ntlm = named("NTLM").chain(named("Negotiate"));
        if let Some(offer) = ntlm.clone().find(|offer| !offer.token.is_empty()).or_else(|| ntlm.clone().next()) {
            let token = self.ntlm(&offer.token, Some(context.host), context)?;
            return Some(format!("{} {}", offer.scheme, STANDARD.encode(token)).into());
        }
        let asked: Vec<&Offer> = named("Digest").collect();
        if !asked.is_empty() {
            let challenges = asked.iter().filter_map(|offer| digest::Challenge::decode(&offer.token));
            let challenge = challenges.max_by_key(digest::Challenge::strength)?;
            // The second question means that the answer was wrong, unless it says that it came too late.
            let again = context.legs == 1 && challenge.is_stale();
            let request = digest::Request { target: context.target, uses: context.uses, cnonce: &digest::cnonce() };
            return (context.legs == 0 || again)
                .then(|| challenge.answer(&self.user, self.password(), &request).into());
        }
        named("Basic").next().filter(|_| context.legs == 0)?;
        Some(format!("Basic {}", basic::credentials(&self.user, self.password())?).into())
    }

    fn over_mms(&self, offer: &Offer, context: &AuthContext<'_>) -> Option<Bytes> {
        match mms_token::scheme(&offer.scheme, &offer.token)? {
            Scheme::Basic => {
                let credentials = basic::credentials(&self.user, self.password())?;
                (context.legs == 0).then(|| format!("{credentials}\0").into())
            }
            Scheme::Ntlm => {
                let token = self.ntlm(mms_token::decode(&offer.token)?, None, context)?;
                Some(mms_token::encode(&token).into())
            }
        }
    }

    /// The message that follows on what the server said: nothing, and then its challenge.
    fn ntlm(&self, token: &[u8], http_host: Option<&str>, context: &AuthContext<'_>) -> Option<Vec<u8>> {
        match (context.legs, token) {
            (0, []) => Some(ntlm::NEGOTIATE.to_vec()),
            (1, challenge) => {
                let challenge = ntlm::Challenge::decode(challenge)?;
                let response = ntlm::Response {
                    identity: ntlm::Identity::new(&self.user, self.password()),
                    client_challenge: chance::nonce(),
                    time_of_day: context.time_of_day,
                    target: http_host.map(|host| format!("HTTP/{host}")),
                };
                response.encode(&challenge)
            }
            _ => None,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Authenticator for Credentials {
    fn answer(&self, challenge: &Challenge, context: &AuthContext<'_>) -> Option<Bytes> {
        match context.transport {
            Transport::Mmsh => self.over_http(challenge, context),
            Transport::Mmst | Transport::Mmsu => self.over_mms(challenge.offers.first()?, context),
        }
    }
}
