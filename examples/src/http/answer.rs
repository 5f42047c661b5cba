//! What the head of an answer says, and whether it answers what was asked.

use std::ops::Range;
use std::time::{Duration, UNIX_EPOCH};

use reqwest::header::{
    CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_RANGE, DATE, HeaderName, LAST_MODIFIED, RETRY_AFTER,
    TRANSFER_ENCODING,
};
use reqwest::{Response, StatusCode};
use segfetch::source::{ErrorClass, Phase, Sameness, SourceError, Strength, Validator};

use super::validator;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) phase: Phase,
    /// First byte.
    pub(super) start: u64,
    /// Exclusive, and behind the start; without one it is the end of the file.
    pub(super) end: Option<u64>,
    /// What the file must still be.
    pub(super) expect: Option<&'a Validator>,
}

impl Question<'_> {
    /// `None` for the whole file: no server can refuse that, and an empty file has no range.
    ///
    /// Spec: RFC 9110 section 14.1.2
    pub(super) fn range(&self) -> Option<String> {
        match (self.start, self.end) {
            (0, None) => None,
            (start, None) => Some(format!("bytes={start}-")),
            (start, Some(end)) => Some(format!("bytes={start}-{}", end.saturating_sub(1))),
        }
    }

    /// Whether a part is one that was asked for. It may be shorter; the rest is asked for again.
    ///
    /// Spec: RFC 9110 section 15.3.7
    fn is_answered_by(&self, part: &Range<u64>, len: Option<u64>) -> bool {
        part.start == self.start
            && self.end.is_none_or(|end| part.end <= end)
            && len.is_none_or(|len| len == part.end - part.start)
    }
}

/// The head of an answer that brings the file, or a part of it.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) knows_ranges: bool,
    /// Place of the body's first byte in the file.
    pub(super) start: u64,
    /// Behind its last byte, if that is known.
    pub(super) end: Option<u64>,
    /// Length of the file, if that is known.
    pub(super) total: Option<u64>,
    pub(super) validator: Validator,
}

impl Head {
    /// Judges an answer. What is expected is compared here instead of being sent as `If-Range`: some caches drop the range then.
    pub(super) fn of(response: &Response, asked: &Question<'_>) -> Result<Self, SourceError> {
        let status = response.status();
        let refuse = |class, text: &str| Err(error(class, asked.phase, response, text));
        let stated = header(response, CONTENT_RANGE);
        let (part, total) = match status {
            StatusCode::OK => (None, response.content_length()),
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                content_range(stated).unwrap_or_default()
            }
            _ => return Err(refusal(asked.phase, response)),
        };
        let validator = validator::of(response, total);
        if let Some(expected) = asked.expect.filter(|expected| expected.strength() != Strength::None) {
            if validator::compare(expected, &validator) == Sameness::Different {
                return refuse(ErrorClass::Changed, "describes another file than before");
            }
            if validator.strength() == Strength::None && status != StatusCode::RANGE_NOT_SATISFIABLE {
                // A page of something on the way, perhaps.
                return refuse(ErrorClass::Transient, "does not say any more which file it sends");
            }
        }
        let encoding = header(response, CONTENT_ENCODING);
        if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
            return refuse(
                ErrorClass::Permanent,
                &format!("encodes the file ({encoding}), which it was asked not to do"),
            );
        }
        let (start, end) = match (status, part) {
            (StatusCode::OK, _) if total.is_none() && !is_chunked(response) => {
                let text = "does not say where the file ends: nobody could tell whether it is complete";
                return refuse(ErrorClass::Permanent, text);
            }
            (StatusCode::OK, _) => (0, total),
            (StatusCode::PARTIAL_CONTENT, Some(part)) if asked.is_answered_by(&part, response.content_length()) => {
                (part.start, Some(part.end))
            }
            (StatusCode::PARTIAL_CONTENT, _) => {
                let text = format!("was asked for {} and sends {stated:?}", asked.range().unwrap_or_default());
                return refuse(ErrorClass::RangeNotSupported, &text);
            }
            _ if total == Some(asked.start) => (asked.start, total),
            _ => return refuse(ErrorClass::RangeNotSupported, &format!("has nothing at byte {}", asked.start)),
        };
        let knows_ranges = status != StatusCode::OK && asked.range().is_some();
        Ok(Self { knows_ranges, start, end, total, validator })
    }
}

/// ```text
/// Content-Range = "bytes" SP ( first "-" last "/" ( complete / "*" ) / "*/" complete )
/// ```
/// The part, which is never empty, and the length of the file.
///
/// Spec: RFC 9110 section 14.4
fn content_range(value: &str) -> Option<(Option<Range<u64>>, Option<u64>)> {
    let (unit, value) = value.split_once(' ')?;
    let (part, complete) = value.trim_start().split_once('/')?;
    let complete = if complete == "*" { None } else { Some(complete.parse().ok()?) };
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    if part == "*" {
        return Some((None, complete));
    }
    let (first, last) = part.split_once('-')?;
    let range = first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?;
    let sound = range.start < range.end && complete.is_none_or(|complete| range.end <= complete);
    sound.then_some((Some(range), complete))
}

/// An answer that brings nothing of the file.
fn refusal(phase: Phase, response: &Response) -> SourceError {
    let class = match response.status().as_u16() {
        401 | 403 | 407 => ErrorClass::Denied,
        404 | 410 => ErrorClass::NotFound,
        429 | 503 => ErrorClass::Throttled { retry_after: retry_after(response), limit_hint: None },
        408 | 425 | 500..=599 => ErrorClass::Transient,
        _ => ErrorClass::Permanent,
    };
    let phase = if matches!(response.status().as_u16(), 401 | 407) { Phase::Login } else { phase };
    error(class, phase, response, &format!("answers {}", response.status()))
}

fn error(class: ErrorClass, phase: Phase, response: &Response, text: &str) -> SourceError {
    let host = response.url().host_str().unwrap_or("the server");
    SourceError::new(class, phase, format!("{host} {text}")).with_code(response.status().as_u16().into())
}

/// ```text
/// Retry-After = HTTP-date / delay-seconds
/// ```
/// A date is measured by the server's own clock; nothing else is known of its time.
///
/// Spec: RFC 9110 section 10.2.3
fn retry_after(response: &Response) -> Option<Duration> {
    let value = header(response, RETRY_AFTER);
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let now = httpdate::parse_http_date(header(response, DATE)).ok()?;
    let then = httpdate::parse_http_date(value).ok()?;
    Some(then.duration_since(now).unwrap_or_default())
}

/// When the file was last changed: seconds since 1970 and nanoseconds.
pub(super) fn modified(response: &Response) -> Option<(i64, u32)> {
    let time = httpdate::parse_http_date(header(response, LAST_MODIFIED)).ok()?;
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some((i64::try_from(seconds).ok()?, 0))
}

/// The name that the server gives to the file, if it is one that stays in its directory.
///
/// ```text
/// Content-Disposition: attachment; filename="disc one.iso"
/// ```
/// Spec: RFC 6266 section 4.1
pub(super) fn file_name(response: &Response) -> Option<Vec<u8>> {
    let (_, name) = header(response, CONTENT_DISPOSITION).split_once("filename=")?;
    let name = name.split(';').next()?.trim().trim_matches('"');
    let safe = !matches!(name, "" | "." | "..") && !name.contains(['/', '\\', '"']);
    safe.then(|| name.into())
}

fn is_chunked(response: &Response) -> bool {
    header(response, TRANSFER_ENCODING).to_ascii_lowercase().ends_with("chunked")
}

/// A header as text; empty if there is none, or it is no text.
pub(super) fn header(response: &Response, name: HeaderName) -> &str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
