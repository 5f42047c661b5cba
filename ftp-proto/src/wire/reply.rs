//! Replies, from the server to the client.

use bytes::Bytes;
use std::fmt::{self, Display, Formatter};

use super::text::Lossy;

/// A reply code, 100 to 599.
///
/// Spec: RFC 959 section 4.2
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u16);

impl Code {
    /// The code, if its first digit means something.
    pub const fn new(code: u16) -> Option<Self> {
        if 100 <= code && code <= 599 { Some(Self(code)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// What the first digit says.
    ///
    /// Spec: RFC 959 section 4.2.1
    pub const fn class(self) -> Class {
        match self.0 {
            0..200 => Class::Preliminary,
            200..300 => Class::Completion,
            300..400 => Class::Intermediate,
            400..500 => Class::TransientNegative,
            500.. => Class::PermanentNegative,
        }
    }
}

impl Display for Code {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq<u16> for Code {
    fn eq(&self, other: &u16) -> bool {
        self.0 == *other
    }
}

/// The first digit of a reply code.
///
/// Spec: RFC 959 section 4.2.1
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// 1yz: begun, another reply follows.
    Preliminary,
    /// 2yz: done.
    Completion,
    /// 3yz: accepted so far, the next command is awaited.
    Intermediate,
    /// 4yz: not done, the same may work later.
    TransientNegative,
    /// 5yz: not done.
    PermanentNegative,
}

/// A whole reply.
///
/// `Display` is the reply for people: code and text, lossy, with control characters escaped.
///
/// Spec: RFC 959 section 4.2
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The code of the last line, and all but always of the first.
    pub code: Code,
    /// The text of each line without its line end. The first and the last have lost code and separator, lines between
    /// are as sent, since what a `226 ` means there is for no parser to say. A single line is first and last.
    pub lines: Vec<Bytes>,
    /// The code of the first line if it is another one than that of the last, which then was taken for the end because the
    /// peer fell silent.
    pub opening: Option<Code>,
}

impl Reply {
    /// A reply with these lines of text.
    pub fn new<T: Into<Bytes>>(code: Code, lines: impl IntoIterator<Item = T>) -> Self {
        Self { code, lines: lines.into_iter().map(Into::into).collect(), opening: None }
    }

    /// What the first digit says.
    pub fn class(&self) -> Class {
        self.code.class()
    }

    /// The text of the first line.
    pub fn first(&self) -> &[u8] {
        self.lines.first().map_or(&[], |line| line)
    }

    /// The text of the last line; of the only one, if there is one only.
    pub fn last(&self) -> &[u8] {
        self.lines.last().map_or(&[], |line| line)
    }

    /// The lines between the first and the last, without a repeated `ddd-` of the first line.
    ///
    /// Spec: RFC 959 section 4.2. Observed: wu-ftpd and several embedded servers repeat the code on each line
    pub fn inner(&self) -> impl Iterator<Item = &[u8]> {
        let prefix = format!("{}-", self.opening.unwrap_or(self.code));
        let inner =
            self.lines.split_first().and_then(|(_, rest)| rest.split_last()).map_or(&[][..], |(_, inner)| inner);
        inner.iter().map(move |line| line.strip_prefix(prefix.as_bytes()).unwrap_or(line))
    }

    /// All lines, joined with LF.
    pub fn text(&self) -> Vec<u8> {
        self.lines.join(&b'\n')
    }

    /// All lines, joined with SP, for people: lossy, with control characters escaped.
    pub fn lossy(&self) -> String {
        Lossy(&self.lines.join(&b' ')).to_string()
    }
}

impl Display for Reply {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.lossy())
    }
}
