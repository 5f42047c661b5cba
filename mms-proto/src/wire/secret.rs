//! What must not be shown.

use std::fmt;

use super::WireError;

/// A password, or the value of a header line that proves who we are. It is shown as `***` only.
///
/// Spec: RFC 9110 section 11.6.2
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Longest secret, in bytes: room for a ticket of Kerberos in base64.
    pub const MAX_LEN: usize = 16 << 10;

    /// Checks a secret, which may be empty.
    ///
    /// # Errors
    /// It is longer than [`Self::MAX_LEN`], or has a control character, which could begin another header line.
    pub fn new(text: impl Into<String>) -> Result<Self, WireError> {
        let text = text.into();
        if text.len() > Self::MAX_LEN {
            return Err(WireError::new("a secret", Self::MAX_LEN, "longer than 16 KiB"));
        }
        match text.find(char::is_control) {
            Some(offset) => Err(WireError::new("a secret", offset, "a control character")),
            None => Ok(Self(text)),
        }
    }

    /// The secret itself, for the wire.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
