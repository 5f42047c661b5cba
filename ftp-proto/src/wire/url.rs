//! `ftp://` URLs.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use std::fmt::{self, Debug, Display, Formatter};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::{Arg, InvalidArg, Path, Secret};

/// An `ftp://` URL.
///
/// ```text
/// ftpurl   = "ftp://" [ user [ ":" password ] "@" ] host [ ":" port ] [ "/" fpath [ ";type=" ( "a" / "i" / "d" ) ] ]
/// fpath    = fsegment *( "/" fsegment )
/// ```
///
/// * Percent-encoding is undone after splitting, so `%2F` is a `/` inside of a segment, and `ftp://host/%2Fetc/motd` is
///   absolute: `CWD /etc`, `RETR motd`. All else starts at the login directory. Empty segments are
///   passed over, so `ftp://host//etc/motd` is not absolute, other than for curl.
/// * User, password and segments are bytes, in whichever character set. `%00`, `%0D` and `%0A` are refused.
/// * An empty user counts as none.
/// * `?` is part of a segment. A `#` is refused, since half of the world takes it for a fragment: write `%23`.
/// * `ftps://` (implicit TLS) and `ftpes://` (explicit TLS) are refused as not supported yet: never silently in clear.
///
/// `Display` and `Debug` leave the password out; parsing what `Display` shows gives the same URL without it.
///
/// Spec: RFC 1738 sections 3.1 and 3.2, RFC 3986 section 3.2.2 (IPv6)
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url {
    scheme: Scheme,
    user: Option<Arg>,
    password: Option<Secret>,
    host: Host,
    port: u16,
    path: Path,
    url_type: Option<UrlType>,
}

impl Url {
    /// Port of the control connection if the URL names none.
    pub const DEFAULT_PORT: u16 = 21;

    /// Parses a URL.
    ///
    /// # Errors
    ///
    /// What is wrong and where; never the password.
    ///
    /// Spec: RFC 1738 sections 3.1 and 3.2, RFC 3986 section 3.2.2 (IPv6)
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let at = |part: &str, rule| UrlError { offset: offset_of(url, part), rule };
        let (scheme, rest) = url.split_once("://").ok_or(at(url, UrlRule::NotFtp))?;
        let scheme = Scheme::parse(scheme).map_err(|rule| at(url, rule))?;
        if let Some((_, fragment)) = rest.split_once('#') {
            return Err(at(fragment, UrlRule::Fragment));
        }
        let path_start = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(path_start).ok_or(at(rest, UrlRule::Host))?;
        let (userinfo, host_port) = match authority.rsplit_once('@') {
            Some((userinfo, host_port)) => (Some(userinfo), host_port),
            None => (None, authority),
        };
        let (user, password) = match userinfo.map(|userinfo| userinfo.split_once(':').ok_or(userinfo)) {
            Some(Ok((user, password))) => (Some(user), Some(password)),
            Some(Err(user)) => (Some(user), None),
            None => (None, None),
        };
        let user = user.filter(|user| !user.is_empty());
        let user = user.map(|user| decode(user).and_then(|user| Ok(Arg::new(user)?)).map_err(|rule| at(user, rule)));
        let password = password
            .map(|secret| decode(secret).and_then(|clear| Ok(Secret::new(clear)?)).map_err(|rule| at(secret, rule)));
        let (host, port) = split_port(host_port);
        let host = Host::parse(host).ok_or(at(host, UrlRule::Host))?;
        let port = match port {
            None | Some("") => Self::DEFAULT_PORT,
            Some(digits) => parse_port(digits).ok_or(at(digits, UrlRule::Port))?,
        };
        let (path, url_type) = split_type(path).map_err(|rule| at(path, rule))?;
        let segments = path.strip_prefix('/').unwrap_or(path).split('/').map(decode).collect::<Result<Vec<_>, _>>();
        let decoded = segments.and_then(|segments| Ok(Path::new(segments)?)).map_err(|rule| at(path, rule))?;
        Ok(Self {
            scheme,
            user: user.transpose()?,
            password: password.transpose()?,
            host,
            port,
            path: decoded,
            url_type,
        })
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The user; without one, log in as `anonymous`.
    pub fn user(&self) -> Option<&Arg> {
        self.user.as_ref()
    }

    /// The password. It can be given without a user, and be empty.
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Port of the control connection, 1 to 65535.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The `;type=`.
    pub fn url_type(&self) -> Option<UrlType> {
        self.url_type
    }

    /// The last name in the path; see [`Path::file_name`].
    pub fn file_name(&self) -> Option<&[u8]> {
        self.path.file_name()
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        Self::parse(url)
    }
}

impl Display for Url {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        /// Unreserved and what RFC 1738 lets stand in a segment, without `:` and `@`, which mean something in the user.
        const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
            .remove(b'-')
            .remove(b'.')
            .remove(b'_')
            .remove(b'~')
            .remove(b'!')
            .remove(b'$')
            .remove(b'&')
            .remove(b'\'')
            .remove(b'(')
            .remove(b')')
            .remove(b'*')
            .remove(b'+')
            .remove(b',')
            .remove(b'=');
        write!(f, "{}://", self.scheme.name())?;
        if let Some(user) = &self.user {
            write!(f, "{}@", percent_encode(user.as_bytes(), PLAIN))?;
        }
        write!(f, "{}", self.host)?;
        if self.port != Self::DEFAULT_PORT {
            write!(f, ":{}", self.port)?;
        }
        for segment in self.path.segments() {
            write!(f, "/{}", percent_encode(segment.as_bytes(), PLAIN))?;
        }
        if self.path.file().is_none() {
            f.write_str("/")?;
        }
        match self.url_type {
            Some(url_type) => write!(f, ";type={}", url_type.letter()),
            None => Ok(()),
        }
    }
}

impl Debug for Url {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Url(\"{self}\")")
    }
}

/// The scheme of a [`Url`]. There is one so far: FTP over TLS is not supported yet.
///
/// Spec: RFC 1738 section 3.2
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `ftp`: in clear.
    Ftp,
}

impl Scheme {
    /// Its name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ftp => "ftp",
        }
    }

    fn parse(scheme: &str) -> Result<Self, UrlRule> {
        match scheme.to_ascii_lowercase().as_str() {
            "ftp" => Ok(Self::Ftp),
            "ftps" | "ftpes" => Err(UrlRule::TlsNotSupported),
            _ => Err(UrlRule::NotFtp),
        }
    }
}

/// The host of a [`Url`].
///
/// Spec: RFC 1738 section 3.1, RFC 3986 section 3.2.2
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name, in lower case: letters, digits, `-`, `_` and `.`.
    Name(String),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address; in brackets in the URL.
    V6(Ipv6Addr),
}

impl Host {
    fn parse(host: &str) -> Option<Self> {
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
    ///
    /// Spec: RFC 3986 section 3.2.2
    pub fn unbracketed(&self) -> String {
        match self {
            Self::V6(address) => address.to_string(),
            other => other.to_string(),
        }
    }
}

impl Display for Host {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => Display::fmt(address, f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// The `;type=` of a [`Url`].
///
/// Spec: RFC 1738 section 3.2.2
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UrlType {
    /// `a`: text.
    Ascii,
    /// `i`: bytes.
    Image,
    /// `d`: the list of a directory.
    Directory,
}

impl UrlType {
    fn letter(self) -> char {
        match self {
            Self::Ascii => 'a',
            Self::Image => 'i',
            Self::Directory => 'd',
        }
    }
}

/// A string that is no FTP URL.
///
/// Spec: RFC 1738 section 3.2
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset} of the URL: {rule}")]
#[non_exhaustive]
pub struct UrlError {
    /// Where the offending part begins, in bytes.
    pub offset: usize,
    /// What was broken.
    pub rule: UrlRule,
}

/// A rule of FTP URLs.
///
/// Spec: RFC 1738 section 3.2
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlRule {
    /// It does not begin with `ftp://`.
    #[error("not ftp://")]
    NotFtp,
    /// `ftps://` or `ftpes://`.
    #[error("FTP over TLS (ftps://, ftpes://) is not supported yet")]
    TlsNotSupported,
    /// A `#` that is not percent-encoded.
    #[error("a fragment; write %23 for a # in a name")]
    Fragment,
    /// A host that is no name and no address.
    #[error("not a host name, an IPv4 address or an IPv6 address in brackets")]
    Host,
    /// A port that is not 1 to 65535.
    #[error("not a port of 1 to 65535")]
    Port,
    /// A `%` without two hexadecimal digits.
    #[error("a % without two hexadecimal digits")]
    PercentEncoding,
    /// A `;type=` that is not `a`, `i` or `d`.
    #[error("a ;type= that is not a, i or d")]
    Type,
    /// User, password or path cannot be sent.
    #[error(transparent)]
    Argument(#[from] InvalidArg),
}

/// Where `part`, a slice of `url`, begins in it.
fn offset_of(url: &str, part: &str) -> usize {
    part.as_ptr().addr().saturating_sub(url.as_ptr().addr())
}

fn split_port(host_port: &str) -> (&str, Option<&str>) {
    match host_port.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (host_port, None),
    }
}

fn parse_port(digits: &str) -> Option<u16> {
    super::value::decimal(digits.as_bytes()).filter(|&port| port != 0)
}

/// The path and its `;type=`, which is at the very end and in any case.
fn split_type(path: &str) -> Result<(&str, Option<UrlType>), UrlRule> {
    let Some((before, parameter)) = path.rsplit_once(';') else { return Ok((path, None)) };
    let Some((name, value)) = parameter.split_once('=') else { return Ok((path, None)) };
    if !name.eq_ignore_ascii_case("type") || value.contains('/') {
        return Ok((path, None));
    }
    match value {
        "a" | "A" => Ok((before, Some(UrlType::Ascii))),
        "i" | "I" => Ok((before, Some(UrlType::Image))),
        "d" | "D" => Ok((before, Some(UrlType::Directory))),
        _ => Err(UrlRule::Type),
    }
}

/// Undoes percent-encoding; what is not encoded stands for itself.
fn decode(part: &str) -> Result<Vec<u8>, UrlRule> {
    let mut decoded = Vec::with_capacity(part.len());
    let mut bytes = part.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(UrlRule::PercentEncoding) };
        let value = high.saturating_mul(16).saturating_add(low);
        decoded.push(u8::try_from(value).map_err(|_| UrlRule::PercentEncoding)?);
    }
    Ok(decoded)
}
