//! Arguments of commands, checked once so that no byte of them can end the command line.

use bytes::Bytes;
use std::fmt::{self, Debug, Display, Formatter};

use super::text::Lossy;

/// The argument of a command: 1 to [`Arg::MAX_LEN`] bytes, none of them CR, LF or NUL.
///
/// Names are bytes: no character set is assumed, nothing is trimmed. There is no escape for the three forbidden bytes
/// that works on every server, and each of them can end the line on some: CR LF by the book, a bare LF on vsftpd and
/// pure-ftpd, NUL is LF on vsftpd and ends the session on pyftpdlib.
///
/// `Display` is lossy and escapes control characters. A password goes into a [`Secret`], which cannot become an `Arg`.
///
/// Spec: RFC 959 section 5.3.2 (`string`, `char`), RFC 2640 section 3.1
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arg(Bytes);

impl Arg {
    /// The most bytes in an argument: `PATH_MAX` of Linux, the longest path that a server there can open.
    pub const MAX_LEN: usize = 4096;

    /// Checks the bytes of an argument.
    ///
    /// # Errors
    ///
    /// It is empty, too long, or has a CR, LF or NUL.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, InvalidArg> {
        let bytes = bytes.into();
        if bytes.is_empty() {
            return Err(InvalidArg::Empty);
        }
        check(&bytes).map(|()| Self(bytes))
    }

    /// The bytes as they were given.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as they were given.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Display for Arg {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Lossy(&self.0).fmt(f)
    }
}

impl Debug for Arg {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

macro_rules! try_from {
    ($($bytes:ty),*) => {$(
        impl TryFrom<$bytes> for Arg {
            type Error = InvalidArg;

            fn try_from(bytes: $bytes) -> Result<Self, InvalidArg> {
                Self::new(bytes)
            }
        }
    )*};
}
try_from!(&'static str, String, Vec<u8>, Bytes);

/// A password or an account: the bytes of an argument, possibly none, that are shown as `***` only.
///
/// Spec: RFC 959 section 5.3.2 (`password`, `account-information`)
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Bytes);

impl Secret {
    /// Checks the bytes of a secret.
    ///
    /// # Errors
    ///
    /// It is longer than [`Arg::MAX_LEN`], or has a CR, LF or NUL. The error does not tell the secret.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, InvalidArg> {
        let bytes = bytes.into();
        check(&bytes).map(|()| Self(bytes))
    }

    /// The secret itself, for the wire.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl Display for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why bytes cannot be the argument of a command.
///
/// Spec: RFC 959 section 5.3.2
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidArg {
    /// There are no bytes, and the command needs some.
    #[error("the argument is empty")]
    Empty,
    /// There are more than [`Arg::MAX_LEN`] bytes.
    #[error("the argument has {len} bytes, the limit is {}", Arg::MAX_LEN)]
    TooLong {
        /// How many bytes were given.
        len: usize,
    },
    /// A byte that would end the command line on some server.
    #[error("the argument has a {} at byte {offset}", name_of(*byte))]
    Forbidden {
        /// Where it is in the argument.
        offset: usize,
        /// CR, LF or NUL.
        byte: u8,
    },
}

fn check(bytes: &[u8]) -> Result<(), InvalidArg> {
    if bytes.len() > Arg::MAX_LEN {
        return Err(InvalidArg::TooLong { len: bytes.len() });
    }
    match bytes.iter().enumerate().find(|(_, byte)| matches!(byte, b'\r' | b'\n' | 0)) {
        Some((offset, &byte)) => Err(InvalidArg::Forbidden { offset, byte }),
        None => Ok(()),
    }
}

fn name_of(byte: u8) -> &'static str {
    match byte {
        b'\r' => "CR",
        b'\n' => "LF",
        _ => "NUL",
    }
}
