//! Values inside of replies: what can be wrong with them, and the plain ones.

use bytes::Bytes;

use super::{Code, Reply};

/// A reply with the right code whose text has not the value that it must have, or has a wrong one.
///
/// Spec: RFC 959 section 4.2
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("reply {code}, line {line}, byte {offset}: {rule}")]
#[non_exhaustive]
pub struct ValueError {
    /// The code of the reply.
    pub code: Code,
    /// Index of the line in [`Reply::lines`].
    pub line: usize,
    /// Offset in that line's text.
    pub offset: usize,
    /// What was broken.
    pub rule: ValueRule,
}

impl ValueError {
    pub(super) fn new(reply: &Reply, line: usize, offset: usize, rule: ValueRule) -> Self {
        Self { code: reply.code, line, offset, rule }
    }
}

/// A rule of a value in a reply.
///
/// Spec: RFC 959 section 4.2, RFC 2428, RFC 3659
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueRule {
    /// The code promises no such value.
    #[error("this code does not carry the value")]
    WrongCode,
    /// Nothing in the text looks like the value.
    #[error("the value is missing")]
    Missing,
    /// PASV: more than six numbers in a row.
    #[error("more than six numbers")]
    TooManyNumbers,
    /// PASV: a number above 255.
    #[error("a number above 255")]
    OctetOutOfRange,
    /// PASV, EPSV: the port is 0 or above 65535.
    #[error("a port that is not 1 to 65535")]
    PortOutOfRange,
    /// SIZE: not a decimal number below 2^64.
    #[error("not a number of bytes")]
    NotANumber,
    /// MDTM: not a date and time.
    #[error("not a date and time")]
    NotATime,
    /// MLST: a fact is given twice, and the two contradict.
    #[error("contradicting facts")]
    Contradiction,
}

/// The size of a file, in bytes.
///
/// ```text
/// size-ok = "213" SP 1*DIGIT
/// ```
///
/// # Errors
///
/// Not a 213, or not exactly one number below 2^64: a wrong size is worse than none.
///
/// Spec: RFC 3659 section 4.1
pub fn size(reply: &Reply) -> Result<u64, ValueError> {
    let line = reply.lines.len().saturating_sub(1);
    let error = |rule| ValueError::new(reply, line, 0, rule);
    expect_code(reply, 213)?;
    let digits = reply.last().trim_ascii();
    if digits.is_empty() {
        return Err(error(ValueRule::Missing));
    }
    decimal(digits).ok_or(error(ValueRule::NotANumber))
}

/// The path in the answer to `PWD` or `MKD`, unquoted.
///
/// ```text
/// pwd-ok = "257" SP DQUOTE path DQUOTE [ SP text ]       ; a DQUOTE of the path is doubled
/// ```
///
/// Where a closing quote is not followed by SP, the server did not double, and the path ends at the last quote.
///
/// # Errors
///
/// Not a 257, or no path in quotes.
///
/// Spec: RFC 959 appendix II. Observed: pure-ftpd 1.0.50 does not double
pub fn pwd257(reply: &Reply) -> Result<Bytes, ValueError> {
    expect_code(reply, 257)?;
    let text = reply.first();
    let missing = ValueError::new(reply, 0, 0, ValueRule::Missing);
    let open = text.iter().position(|&byte| byte == b'"').ok_or(missing)?;
    let quoted = text.get(open..).and_then(|text| text.strip_prefix(b"\"")).ok_or(missing)?;
    let path = doubled(quoted).or_else(|| {
        let end = quoted.iter().rposition(|&byte| byte == b'"')?;
        quoted.get(..end).map(<[u8]>::to_vec)
    });
    path.filter(|path| !path.is_empty()).map(Bytes::from).ok_or(missing)
}

/// The path up to its closing quote, if all quotes in it are doubled and SP or nothing follows.
fn doubled(quoted: &[u8]) -> Option<Vec<u8>> {
    let mut path = Vec::new();
    let mut bytes = quoted.iter().peekable();
    while let Some(&byte) = bytes.next() {
        if byte == b'"' {
            match bytes.peek() {
                Some(b'"') => bytes.next(),
                Some(b' ') | None => return Some(path),
                Some(_) => return None,
            };
        }
        path.push(byte);
    }
    None
}

/// Refuses a reply that has another code.
pub(super) fn expect_code(reply: &Reply, code: u16) -> Result<(), ValueError> {
    if reply.code == code { Ok(()) } else { Err(ValueError::new(reply, 0, 0, ValueRule::WrongCode)) }
}

/// ASCII digits and nothing else, as a number.
pub(super) fn decimal<N: std::str::FromStr>(digits: &[u8]) -> Option<N> {
    // from_str would take a sign too.
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(digits).ok()?.parse().ok()
}
