//! From this crate's errors to the contract's.

use segfetch_source::{ErrorClass, Phase, SourceError};
use thiserror::Error;

use crate::client::{self, ConnectorError, OpenError, ReadError};
use crate::conn::Refusal;

/// The server has ended a stream in good order, though by its header there is more of the file.
///
/// It is the [cause](SourceError::cause) of a [`SourceError`], which is [`Transient`](ErrorClass::Transient).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the server ends the stream {left} bytes before the end of the file")]
#[non_exhaustive]
pub struct EndedEarly {
    /// Bytes that did not come.
    pub left: u64,
}

impl EndedEarly {
    /// So many bytes before the end of the file.
    pub fn new(left: u64) -> Self {
        Self { left }
    }

    /// Whether that is what a stream failed of.
    pub fn is_cause_of(error: &SourceError) -> bool {
        matches!(error.cause(), Some(cause) if cause.is::<Self>())
    }
}

impl From<EndedEarly> for SourceError {
    fn from(cause: EndedEarly) -> Self {
        Self::new(ErrorClass::Transient, Phase::Body, cause.to_string()).with_cause(cause)
    }
}

pub(super) fn of_open(phase: Phase, error: OpenError) -> SourceError {
    let phase = match &error {
        OpenError::Connector(ConnectorError::Resolve { .. }) => Phase::Resolve,
        OpenError::Connector(_) | OpenError::ConnectTimedOut { .. } => Phase::Connect,
        OpenError::Denied { .. } | OpenError::NotAdmitted { .. } => Phase::Login,
        _ => phase,
    };
    let code = match &error {
        OpenError::Refused(Refusal::Mms { reason, .. }) | OpenError::NotAdmitted { reason, .. } => Some(reason.0),
        OpenError::Refused(Refusal::Http { status, .. }) => Some((*status).into()),
        _ => None,
    };
    let told = SourceError::new(class(error.class()), phase, error.to_string());
    code.into_iter().fold(told, SourceError::with_code).with_cause(error)
}

pub(super) fn of_read(error: ReadError) -> SourceError {
    SourceError::new(class(error.class()), Phase::Body, error.to_string()).with_cause(error)
}

fn class(class: client::ErrorClass) -> ErrorClass {
    match class {
        client::ErrorClass::Transient => ErrorClass::Transient,
        client::ErrorClass::Busy { retry_after } => ErrorClass::Throttled { retry_after, limit_hint: None },
        client::ErrorClass::SeekRefused => ErrorClass::RangeNotSupported,
        client::ErrorClass::Changed => ErrorClass::Changed,
        client::ErrorClass::NotFound => ErrorClass::NotFound,
        client::ErrorClass::Denied => ErrorClass::Denied,
        client::ErrorClass::Permanent => ErrorClass::Permanent,
        client::ErrorClass::Unknown => ErrorClass::Unknown,
    }
}
