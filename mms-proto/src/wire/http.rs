//! The head of an HTTP response.
//!
//! ```text
//!   head        = status-line *header-line line-end
//!   status-line = ( "HTTP/" 1*DIGIT "." 1*DIGIT / "ICY" ) SP 3DIGIT [ SP text ] line-end
//!   header-line = name ":" value line-end *( ( SP / HTAB ) more line-end )
//!   line-end    = [ CR ] LF
//! ```

use std::time::Duration;

use bytes::{Buf, BytesMut};

use super::WireError;

/// Longest line, in bytes, with its end. A copy without a limit is how libmms was broken into.
const LINE: usize = 8 << 10;

/// Longest head, in bytes.
const HEAD: usize = 64 << 10;

/// Most header lines.
const LINES: usize = 100;

/// What the offsets of errors count in.
const WHAT: &str = "the head of the HTTP response";

/// Status and header lines.
///
/// Spec: RFC 1945 section 6, RFC 9112 sections 4 and 5
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The version is 1.1 or later, so that a connection stays open unless something else is said.
    pub persistent: bool,
    /// The status code, 100 to 999.
    pub status: u16,
    /// The words after it.
    pub text: String,
    headers: Vec<(String, String)>,
}

impl Head {
    /// The values of all lines of this name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    /// The value of the first line of this name.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The type of the body, in lower case and without parameters.
    pub fn content_type(&self) -> Option<String> {
        let value = self.first("Content-Type")?;
        let value = value.split(';').next().unwrap_or(value).trim();
        (!value.is_empty()).then(|| value.to_ascii_lowercase())
    }

    /// How long the body is said to be, in bytes. `None` if it is not said, or differently by different lines.
    pub fn content_length(&self) -> Option<u64> {
        let mut lengths = self.all("Content-Length").flat_map(|value| value.split(','));
        let first = digits(lengths.next()?)?;
        lengths.all(|other| digits(other) == Some(first)).then_some(first)
    }

    /// Whether the body comes in chunks.
    pub fn is_chunked(&self) -> bool {
        self.lists("Transfer-Encoding", "chunked")
    }

    /// Whether the connection stays open after the body.
    pub fn stays_open(&self) -> bool {
        let says = |word| self.lists("Connection", word) || self.lists("Proxy-Connection", word);
        !says("close") && (self.persistent || says("keep-alive"))
    }

    /// How long to wait before asking again, if that is said in seconds.
    pub fn retry_after(&self) -> Option<Duration> {
        self.first("Retry-After")
            .and_then(|value| value.parse().ok())
            .map(|seconds: u32| Duration::from_secs(seconds.into()))
    }

    fn lists(&self, name: &str, word: &str) -> bool {
        self.all(name).flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(word))
    }
}

/// Reads a head line by line, so that it is limited while it arrives.
///
/// Spec: RFC 9112 section 2.2 (a lone LF ends a line too), section 5.2 (folding)
#[derive(Debug, Default)]
pub struct HeadReader {
    head: Option<Head>,
    /// Bytes of the lines that are done.
    taken: usize,
    /// Bytes of the line under way in which there is no end.
    looked: usize,
    lines: usize,
}

impl HeadReader {
    /// Takes whole lines from `buf`. `None`: the head is not whole yet; less than one line is left in `buf`, at most 8 KiB.
    ///
    /// # Errors
    /// It is no HTTP response, or one without an end: a line of more than 8 KiB, a head of more than 64 KiB, more than 100
    /// lines.
    ///
    /// Spec: RFC 9112 sections 2.2, 4 and 5
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Option<Head>, WireError> {
        loop {
            let room = LINE.min(HEAD.saturating_sub(self.taken));
            let unseen = buf.get(self.looked..).unwrap_or_default();
            let end = unseen.iter().position(|&byte| byte == b'\n').map(|at| at.saturating_add(self.looked));
            let len = end.map_or(buf.len(), |end| end.saturating_add(1));
            if len > room {
                let rule = if room < LINE { "a head of more than 64 KiB" } else { "a line of more than 8 KiB" };
                return Err(WireError::new(WHAT, self.taken.saturating_add(room), rule));
            }
            let Some(end) = end else {
                self.looked = buf.len();
                return Ok(None);
            };
            let line = text(buf.get(..end).unwrap_or_default());
            let line = line.strip_suffix('\r').unwrap_or(&line);
            if let Some(head) = self.line(line)? {
                buf.advance(len);
                return Ok(Some(head));
            }
            buf.advance(len);
            self.taken = self.taken.saturating_add(len);
            self.looked = 0;
        }
    }

    /// Takes in one line; the empty one ends the head.
    fn line(&mut self, line: &str) -> Result<Option<Head>, WireError> {
        let error = |rule| WireError::new(WHAT, self.taken, rule);
        let Some(head) = &mut self.head else {
            self.head = Some(status_line(line).ok_or(error("no status line of HTTP"))?);
            return Ok(None);
        };
        if line.is_empty() {
            return Ok(self.head.take());
        }
        self.lines = self.lines.saturating_add(1);
        if self.lines > LINES {
            return Err(error("more than 100 header lines"));
        }
        if line.starts_with([' ', '\t']) {
            let (_, value) = head.headers.last_mut().ok_or(error("a continuation of nothing"))?;
            value.push(' ');
            value.push_str(line.trim());
        } else if let Some((name, value)) = line.split_once(':') {
            head.headers.push((name.trim_end().to_owned(), value.trim().to_owned()));
        }
        // A line without a colon says nothing.
        Ok(None)
    }
}

fn status_line(line: &str) -> Option<Head> {
    let (version, rest) = line.split_once(' ')?;
    let persistent = match version.split_at_checked(5) {
        Some((http, version)) if http.eq_ignore_ascii_case("HTTP/") => {
            let (major, minor) = version.split_once('.')?;
            (digits(major)?, digits(minor)?) >= (1, 1)
        }
        // Shoutcast, and what was made after it.
        _ if version == "ICY" => false,
        _ => return None,
    };
    let rest = rest.trim_start();
    let (status, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let status =
        digits(status).and_then(|status| u16::try_from(status).ok()).filter(|status| (100..1000).contains(status))?;
    Some(Head { persistent, status, text: text.trim().to_owned(), headers: Vec::new() })
}

/// A decimal number and nothing else.
fn digits(text: &str) -> Option<u64> {
    let text = text.trim();
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Bytes as text; what is no UTF-8 is taken for Latin-1.
///
/// Spec: RFC 9110 section 5.5
pub(super) fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}
