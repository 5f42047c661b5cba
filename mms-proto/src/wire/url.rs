//! URLs of media.
//!
//! ```text
//!   url     = scheme "://" [ user [ ":" password ] "@" ] host [ ":" port ] [ "/" path ] [ "?" query ]
//!   scheme  = "mms" / "mmst" / "mmsu" / "mmsh" / "http" / "https"
//! ```

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{Host, Scheme, Secret};

/// Where a file of media is. `Display` and `Debug` leave the password out.
///
/// Spec: RFC 3986 section 3, WMSP 2.2.2.1 (the request target)
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url {
    scheme: Scheme,
    user: Option<String>,
    password: Option<Secret>,
    host: Host,
    port: Option<u16>,
    /// Path and query as they were written.
    written: String,
}

/// What may not stand in a path or query as it is. `%` is not here: what is encoded stays as it is.
const UNSENDABLE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

impl Url {
    /// Longest URL, in bytes. A redirection or a playlist may bring one, and its path is sent to another server.
    pub const MAX_LEN: usize = 8 << 10;
    /// Port of MMST and MMSU.
    pub const MMS_PORT: u16 = 1755;
    /// Port of MMSH.
    pub const HTTP_PORT: u16 = 80;

    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong and where; never the password.
    ///
    /// Spec: RFC 3986 sections 3.1 to 3.4
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let at = |part: &str, rule| UrlError { offset: offset_of(url, part), rule };
        if url.len() > Self::MAX_LEN {
            return Err(UrlError { offset: Self::MAX_LEN, rule: UrlRule::TooLong });
        }
        if let Some(offset) = url.find(char::is_control) {
            return Err(UrlError { offset, rule: UrlRule::Control });
        }
        let (scheme, rest) = url.split_once("://").ok_or(at(url, UrlRule::Scheme))?;
        let scheme = Scheme::parse(scheme).ok_or(at(url, UrlRule::Scheme))?;
        if let Some((_, fragment)) = rest.split_once('#') {
            return Err(at(fragment, UrlRule::Fragment));
        }
        let (authority, written) =
            rest.split_at_checked(rest.find(['/', '?']).unwrap_or(rest.len())).unwrap_or_default();
        let (userinfo, host_port) = match authority.rsplit_once('@') {
            Some((userinfo, host_port)) => (Some(userinfo), host_port),
            None => (None, authority),
        };
        let (user, password) = match userinfo.map(|userinfo| userinfo.split_once(':').ok_or(userinfo)) {
            Some(Ok((user, password))) => (Some(user), Some(password)),
            Some(Err(user)) => (Some(user), None),
            None => (None, None),
        };
        let user = user.filter(|user| !user.is_empty()).map(|user| decode(user).map_err(|rule| at(user, rule)));
        let password = password.map(|secret| {
            let clear = decode(secret).map_err(|rule| at(secret, rule))?;
            Secret::new(clear).map_err(|_| at(secret, UrlRule::Control))
        });
        let (host, port) = split_port(host_port);
        let port = match port {
            None | Some("") => None,
            Some(digits) => Some(parse_port(digits).ok_or(at(digits, UrlRule::Port))?),
        };
        check_escapes(written).map_err(|rule| at(written, rule))?;
        Ok(Self {
            scheme,
            user: user.transpose()?,
            password: password.transpose()?,
            host: Host::parse(host).ok_or(at(host, UrlRule::Host))?,
            port,
            written: written.to_owned(),
        })
    }

    /// What a reference that was found at this URL points to: a whole URL, or one that leaves out what is the same.
    ///
    /// # Errors
    /// As [`Self::parse`]; the offset is one of the URL that was put together.
    ///
    /// Spec: RFC 3986 section 5.2
    pub fn join(&self, reference: &str) -> Result<Self, UrlError> {
        let scheme = self.scheme.name();
        let named = |scheme: &str| !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if reference.split_once("://").is_some_and(|(scheme, _)| named(scheme)) {
            return Self::parse(reference);
        }
        if reference.starts_with("//") {
            return Self::parse(&format!("{scheme}:{reference}"));
        }
        let (path, query) = split_query(&self.written);
        let (there, there_query) = split_query(reference);
        let written = match there {
            "" => format!("{path}{}", if there_query.is_empty() { query } else { there_query }),
            absolute if absolute.starts_with('/') => format!("{}{there_query}", without_dots(absolute)),
            relative => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{}{there_query}", without_dots(&format!("{folder}/{relative}")))
            }
        };
        let joined = Self::parse(&format!("{scheme}://{}{written}", self.authority()))?;
        Ok(Self { user: self.user.clone(), password: self.password.clone(), ..joined })
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The same place by another way.
    #[must_use]
    pub fn with_scheme(self, scheme: Scheme) -> Self {
        Self { scheme, ..self }
    }

    /// The user, decoded.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The password, decoded. It can be given without a user, and be empty.
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// The same place for another user, decoded. An empty one counts as none.
    ///
    /// # Errors
    /// It has a control character; the offset is one of the user.
    pub fn with_user(self, user: &str) -> Result<Self, UrlError> {
        match user.find(char::is_control) {
            Some(offset) => Err(UrlError { offset, rule: UrlRule::Control }),
            None => Ok(Self { user: Some(user.to_owned()).filter(|user| !user.is_empty()), ..self }),
        }
    }

    /// The same place with this password, which then needs to stand in no text.
    #[must_use]
    pub fn with_password(self, password: Secret) -> Self {
        Self { password: Some(password), ..self }
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, if the URL names one. It is meant for whatever way is tried.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Host and port as they stand in the URL.
    pub fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.to_string(),
        }
    }

    /// Path and query as they are sent in an HTTP request: what may not stand there is percent-encoded, what was encoded stays
    /// as it was written. It begins with `/`.
    pub fn target(&self) -> String {
        let slash = if self.written.starts_with('/') { "" } else { "/" };
        format!("{slash}{}", utf8_percent_encode(&self.written, UNSENDABLE))
    }

    /// The path without its first `/`, decoded, and the query as it was written: the name of the file in MMST. `None` if it
    /// is no Unicode.
    ///
    /// Observed: servers do not decode the name; libmms, VLC and xine do, ffmpeg does not and gets nothing
    pub fn file_name(&self) -> Option<String> {
        let (path, query) = split_query(&self.written);
        let path = path.strip_prefix('/').unwrap_or(path);
        let decoded = percent_decode_str(path).decode_utf8().ok()?;
        Some(format!("{decoded}{query}"))
    }

    /// The last part of the path, decoded, without the query; `None` if the path ends with `/`.
    pub fn name(&self) -> Option<Vec<u8>> {
        let (path, _) = split_query(&self.written);
        let name = path.rsplit('/').next().filter(|name| !name.is_empty())?;
        Some(percent_decode_str(name).collect())
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        Self::parse(url)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.name())?;
        if let Some(user) = &self.user {
            write!(f, "{}@", utf8_percent_encode(user, NON_ALPHANUMERIC))?;
        }
        write!(f, "{}{}", self.authority(), self.target())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url(\"{self}\")")
    }
}

/// A string that is no URL of media.
///
/// Spec: RFC 3986 section 3
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset} of the URL: {rule}")]
#[non_exhaustive]
pub struct UrlError {
    /// Where the offending part begins, in bytes.
    pub offset: usize,
    /// What was broken.
    pub rule: UrlRule,
}

/// A rule of URLs.
///
/// Spec: RFC 3986 section 3
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlRule {
    /// Another scheme, or none.
    #[error("not mms://, mmst://, mmsu://, mmsh://, http:// or https://")]
    Scheme,
    /// More than [`Url::MAX_LEN`].
    #[error("longer than 8 KiB")]
    TooLong,
    /// A control character, plain or percent-encoded.
    #[error("a control character")]
    Control,
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
    /// A user or password that is no UTF-8 when decoded.
    #[error("not UTF-8")]
    NotUtf8,
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
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|&port| plain && port != 0)
}

/// The path, and the query with its `?`.
fn split_query(written: &str) -> (&str, &str) {
    written.split_at_checked(written.find('?').unwrap_or(written.len())).unwrap_or((written, ""))
}

/// A whole path without `.` and `..`.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments = path.strip_prefix('/').unwrap_or(path).split('/');
    let folder = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    for segment in segments {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    if folder && kept.last().is_none_or(|last| !last.is_empty()) {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

/// Every `%` is followed by two digits, and none of them makes a control character.
fn check_escapes(written: &str) -> Result<(), UrlRule> {
    for escape in written.split('%').skip(1) {
        let value = escape.get(..2).and_then(|digits| {
            digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u8::from_str_radix(digits, 16).ok())?
        });
        match value {
            None => return Err(UrlRule::PercentEncoding),
            Some(byte) if byte.is_ascii_control() => return Err(UrlRule::Control),
            Some(_) => {}
        }
    }
    Ok(())
}

fn decode(part: &str) -> Result<String, UrlRule> {
    check_escapes(part)?;
    percent_decode_str(part).decode_utf8().map(Into::into).map_err(|_| UrlRule::NotUtf8)
}
