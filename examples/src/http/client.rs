//! Connections, and what it means when there are none.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use segfetch::source::{ErrorClass, Phase, SourceError};
use thiserror::Error;

/// For a connection, TLS included, to one server.
const CONNECT: Duration = Duration::from_secs(15);
/// For the head of an answer, with everything before it: redirects, proxies, several addresses.
pub(super) const ANSWER: Duration = Duration::from_secs(60);

/// A pool of connections to any number of servers. Cheap to clone.
///
/// It trusts the certificates that the system trusts (on Linux also, as OpenSSL does, those of `SSL_CERT_FILE`), and goes through the
/// proxies of `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, as curl does.
#[derive(Clone, Debug)]
pub struct Client(pub(super) reqwest::Client);

/// TLS, or a proxy of the environment, cannot be set up.
#[derive(Debug, Error)]
#[error("cannot set up HTTP: {0}")]
pub struct ClientError(String);

impl Client {
    /// A pool without a connection.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn new() -> Result<Self, ClientError> {
        let failed = |error: &dyn Error| ClientError(error.to_string());
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?;
        // A system without any certificate can still fetch what needs none.
        let trusting_nobody = tls.clone().with_root_certificates(RootCertStore::empty());
        let tls = tls.with_platform_verifier().unwrap_or(trusting_nobody).with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("segfetch/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .referer(false) // it may hold a token
            .build();
        client.map(Self).map_err(|error| failed(&error))
    }
}

/// Nothing came back in time.
pub(super) fn no_answer(phase: Phase) -> SourceError {
    SourceError::new(ErrorClass::Transient, phase, format!("no answer for {} s", ANSWER.as_secs()))
}

/// What a failure of reqwest's means. Its innermost cause is what a person can use.
pub(super) fn failed(phase: Phase, error: reqwest::Error) -> SourceError {
    let error = error.without_url();
    let phase = if error.is_connect() { Phase::Connect } else { phase };
    let causes = || std::iter::successors(Some(&error as &(dyn Error + 'static)), |&error| error.source());
    let io = causes().find_map(|cause| cause.downcast_ref::<io::Error>());
    // That of a TLS handshake is wrapped in another one.
    let io = io.map(|io| io.get_ref().and_then(|inner| inner.downcast_ref()).unwrap_or(io));
    let class = match io {
        _ if error.is_builder() || error.is_redirect() => ErrorClass::Permanent,
        // A certificate that is not trusted, a server that speaks something else.
        Some(io) if phase != Phase::Body => SourceError::io(phase, io.kind().into()).class(),
        _ => ErrorClass::Transient,
    };
    let message = causes().last().map_or_else(String::new, ToString::to_string);
    SourceError::new(class, phase, message).with_cause(error)
}

/// Whether asking from the beginning of the redirects may help.
pub(super) fn may_have_moved(error: &SourceError) -> bool {
    !matches!(error.class(), ErrorClass::Changed | ErrorClass::RangeNotSupported | ErrorClass::Throttled { .. })
}
