//! From this crate's errors to the contract's.

use segfetch_source::{ErrorClass, Phase, SourceError};

use crate::client::{self, ConnectError, ConnectorError, OpenError, ReadError};

pub(super) fn of_open(phase: Phase, error: OpenError) -> SourceError {
    let phase = match &error {
        OpenError::Connect(ConnectError::Connector(ConnectorError::Resolve { .. })) => Phase::Resolve,
        OpenError::Connect(ConnectError::Connector(_) | ConnectError::TimedOut { .. }) => Phase::Connect,
        OpenError::Connect(_) => Phase::Login,
        _ => phase,
    };
    with(SourceError::new(class(error.class()), phase, error.to_string()), error.code()).with_cause(error)
}

pub(super) fn of_read(error: ReadError) -> SourceError {
    with(SourceError::new(class(error.class()), Phase::Body, error.to_string()), error.code()).with_cause(error)
}

fn with(error: SourceError, code: Option<u16>) -> SourceError {
    match code {
        Some(code) => error.with_code(code.into()),
        None => error,
    }
}

fn class(class: client::ErrorClass) -> ErrorClass {
    match class {
        client::ErrorClass::Transient => ErrorClass::Transient,
        client::ErrorClass::LimitReached { retry_after, limit_hint } => {
            ErrorClass::Throttled { retry_after, limit_hint }
        }
        client::ErrorClass::RangeRefused => ErrorClass::RangeNotSupported,
        client::ErrorClass::Changed => ErrorClass::Changed,
        client::ErrorClass::NotFound => ErrorClass::NotFound,
        client::ErrorClass::Denied => ErrorClass::Denied,
        client::ErrorClass::Permanent => ErrorClass::Permanent,
        client::ErrorClass::Unknown => ErrorClass::Unknown,
    }
}
