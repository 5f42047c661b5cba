//! The host of a URL.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The host of a [`Url`](super::Url).
///
/// Spec: RFC 3986 section 3.2.2
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name, in lower case: letters, digits, `-`, `_` and `.`.
    Name(String),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address; in brackets in the URL.
    V6(Ipv6Addr),
}

impl Host {
    /// Reads the host of a URL; `None` if it is none of the three.
    ///
    /// Spec: RFC 3986 section 3.2.2
    pub fn parse(host: &str) -> Option<Self> {
        /// Longest name in DNS, with a final dot.
        const NAME: usize = 254;
        if let Some(bracketed) = host.strip_prefix('[') {
            return bracketed.strip_suffix(']')?.parse().ok().map(Self::V6);
        }
        if let Ok(address) = host.parse() {
            return Some(Self::V4(address));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let valid = !host.is_empty() && host.len() <= NAME && !host.starts_with('.') && host.bytes().all(allowed);
        valid.then(|| Self::Name(host.to_ascii_lowercase()))
    }

    /// The host as a resolver wants it: an IPv6 address without brackets.
    pub fn unbracketed(&self) -> String {
        match self {
            Self::V6(address) => address.to_string(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => fmt::Display::fmt(address, f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}
