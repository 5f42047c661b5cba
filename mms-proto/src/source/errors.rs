//! From this crate's errors to the contract's.

use segfetch_source::{ErrorClass, Phase, SourceError};

use crate::client::{self, ConnectorError, OpenError, ReadError};
use crate::conn::Refusal;

pub(super) fn of_open(phase: Phase, error: OpenError) -> SourceError {
    let phase = match &error {
        OpenError::Connector(ConnectorError::Resolve { .. }) => Phase::Resolve,
        OpenError::Connector(_) | OpenError::ConnectTimedOut { .. } => Phase::Connect,
        OpenError::Denied { .. } => Phase::Login,
        _ => phase,
    };
    let code = match &error {
        OpenError::Refused(Refusal::Mms { reason, .. }) => Some(reason.0),
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
