//! What went wrong, sorted by what the engine should do about it.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

/// The remedy. There is no default: a source decides for each failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// Try again from where the bytes end: a reset, a time-out, a busy file.
    Transient,
    /// The server admits no more sessions now. Costs no retry; lowers the number of connections.
    Throttled {
        /// How long the server asked to be left alone.
        retry_after: Option<Duration>,
        /// How many sessions the server says that it allows.
        limit_hint: Option<u16>,
    },
    /// The server cannot start, or end, where it was asked to.
    RangeNotSupported,
    /// The file is not the one that was expected.
    Changed,
    /// There is no such file, or the server says so.
    NotFound,
    /// The account may not read it, or the login failed. Never repeated: repeating locks accounts.
    Denied,
    /// Will fail again in the same way.
    Permanent,
    /// The source cannot tell. Two identical ones in a row are permanent.
    Unknown,
}

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Looking up the name.
    Resolve,
    /// Making the connection.
    Connect,
    /// Logging in.
    Login,
    /// Asking what the file is.
    Probe,
    /// Asking for a stream.
    Open,
    /// Receiving the body.
    Body,
    /// Ending a stream.
    Stop,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "looking up the host",
            Self::Connect => "connecting",
            Self::Login => "logging in",
            Self::Probe => "asking about the file",
            Self::Open => "opening the file",
            Self::Body => "receiving",
            Self::Stop => "stopping",
        })
    }
}

/// A failure of a source. Its text names who did what where, and never a secret.
///
/// `{error}` says what was being done, and the message. [`source()`](Error::source) goes on below that: with the [cause](Self::cause), or, if
/// the message contains the text of one of the causes already, with what is below the last such one. So whoever prints the chain
/// says nothing twice.
#[derive(Debug)]
pub struct SourceError {
    class: ErrorClass,
    phase: Phase,
    code: Option<u32>,
    message: Cow<'static, str>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl SourceError {
    /// A failure with its remedy, where it happened, and a sentence for people.
    pub fn new(class: ErrorClass, phase: Phase, message: impl Into<Cow<'static, str>>) -> Self {
        Self { class, phase, code: None, message: message.into(), cause: None }
    }

    /// A failure of the operating system's, sorted by the one table of this crate.
    pub fn io(phase: Phase, error: io::Error) -> Self {
        let class = class_of_io(error.kind());
        Self { class, phase, code: None, message: Cow::Owned(error.to_string()), cause: Some(Box::new(error)) }
    }

    /// The same with the protocol's own code: an FTP reply, an HTTP status, an HRESULT.
    #[must_use]
    pub fn with_code(mut self, code: u32) -> Self {
        self.code = Some(code);
        self
    }

    /// The same with what caused it. Its text may be in the message or not.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The remedy.
    pub fn class(&self) -> ErrorClass {
        self.class
    }

    /// What was being done.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The protocol's own code.
    pub fn code(&self) -> Option<u32> {
        self.code
    }

    /// What caused it, for code; for people it is in the text, or in [`source()`](Error::source).
    pub fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.cause.as_deref()
    }

    /// Whether two failures are the same one again: equal class, phase, code and text.
    pub fn is_repeat_of(&self, earlier: &Self) -> bool {
        (self.class, self.phase, self.code) == (earlier.class, earlier.phase, earlier.code)
            && self.message == earlier.message
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.phase, self.message)
    }
}

impl Error for SourceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let first = self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static));
        let causes = std::iter::successors(first, |&cause| cause.source());
        match causes.filter(|cause| self.message.contains(&cause.to_string())).last() {
            Some(said) => said.source(),
            None => first,
        }
    }
}

/// The one table from `io::ErrorKind` to a remedy.
fn class_of_io(kind: io::ErrorKind) -> ErrorClass {
    use io::ErrorKind as K;
    match kind {
        K::ConnectionRefused
        | K::ConnectionReset
        | K::ConnectionAborted
        | K::NotConnected
        | K::BrokenPipe
        | K::TimedOut
        | K::UnexpectedEof
        | K::Interrupted
        | K::WouldBlock
        | K::HostUnreachable
        | K::NetworkUnreachable
        | K::NetworkDown
        | K::AddrNotAvailable
        | K::AddrInUse => ErrorClass::Transient,
        K::NotFound => ErrorClass::NotFound,
        K::PermissionDenied => ErrorClass::Denied,
        K::InvalidInput | K::InvalidData | K::Unsupported => ErrorClass::Permanent,
        _ => ErrorClass::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_transient_and_a_bad_argument_is_not() {
        let reset = SourceError::io(Phase::Body, io::ErrorKind::ConnectionReset.into());
        assert_eq!(reset.class(), ErrorClass::Transient);
        let bad = SourceError::io(Phase::Connect, io::ErrorKind::InvalidInput.into());
        assert_eq!(bad.class(), ErrorClass::Permanent);
        let odd = SourceError::io(Phase::Connect, io::Error::other("?"));
        assert_eq!(odd.class(), ErrorClass::Unknown);
    }

    #[test]
    fn a_chain_says_each_text_once_whether_the_message_has_that_of_a_cause_or_not() {
        let system = || io::Error::from_raw_os_error(5);
        let wrapped = || io::Error::other(Wrapped(system()));
        for (error, layers) in [
            (SourceError::new(ErrorClass::Unknown, Phase::Open, "what"), 1),
            (SourceError::io(Phase::Body, system()), 1),
            (SourceError::new(ErrorClass::Unknown, Phase::Open, "it broke").with_cause(system()), 2),
            (SourceError::new(ErrorClass::Unknown, Phase::Open, "it broke").with_cause(wrapped()), 3),
            // The message has what matters, which is the innermost cause.
            (SourceError::new(ErrorClass::Unknown, Phase::Open, system().to_string()).with_cause(wrapped()), 1),
        ] {
            let caused = error.cause().is_some();
            let texts: Vec<_> = std::iter::successors(Some(&error as &dyn Error), |&error| error.source())
                .map(ToString::to_string)
                .collect();
            assert_eq!(texts.len(), layers, "{texts:?}");
            let said = texts.join(": ");
            assert_eq!(said.matches(&system().to_string()).count(), usize::from(caused), "{said}");
        }
    }

    #[derive(Debug)]
    struct Wrapped(io::Error);

    impl fmt::Display for Wrapped {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the driver failed")
        }
    }

    impl Error for Wrapped {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_repeat_has_equal_class_phase_code_and_text() {
        let first = SourceError::new(ErrorClass::Unknown, Phase::Open, "what").with_code(599);
        let again = SourceError::new(ErrorClass::Unknown, Phase::Open, "what").with_code(599);
        let other = SourceError::new(ErrorClass::Unknown, Phase::Open, "what").with_code(598);
        assert!(again.is_repeat_of(&first));
        assert!(!other.is_repeat_of(&first));
    }
}
