//! What a file on a web server is recognised by.
//!
//! ```text
//!   1 LF host LF ETag LF Last-Modified LF length
//! ```
//! in the server's own words, each empty if it did not say. No header has a line feed in it.

use reqwest::Response;
use reqwest::header::{ETAG, LAST_MODIFIED};
use segfetch::source::{Sameness, Strength, Validator};

use super::answer::{header, modified};

/// The validator of an answer about a file of `total` bytes.
///
/// Spec: RFC 9110 section 8.8
pub(super) fn of(response: &Response, total: Option<u64>) -> Validator {
    let (etag, last_modified) = (header(response, ETAG), header(response, LAST_MODIFIED));
    let strength = match (etag, last_modified) {
        ("", "") => Strength::None,
        ("", _) => Strength::Weak,
        (etag, _) if etag.starts_with("W/") => Strength::Weak,
        (etag, _) if modified(response).is_some_and(|(seconds, _)| is_made_of(seconds, etag)) => Strength::Weak,
        _ => Strength::Strong,
    };
    let host = response.url().host_str().unwrap_or_default();
    let total = total.map(|total| total.to_string()).unwrap_or_default();
    Validator::new(strength, format!("1\n{host}\n{etag}\n{last_modified}\n{total}"))
}

/// Whether an `ETag` says no more than `Last-Modified`: it holds the same time, in hexadecimal seconds (nginx) or microseconds (the
/// `FileETag MTime Size` of Apache). Of two files with the same length and time such a server says that they are one.
///
/// Observed: nginx 1.22, `"TIME-LENGTH"`
fn is_made_of(seconds: i64, etag: &str) -> bool {
    let is_it = |word: &str| {
        i64::from_str_radix(word, 16).is_ok_and(|number| number == seconds || number / 1_000_000 == seconds)
    };
    etag.split(|c: char| !c.is_ascii_hexdigit()).any(is_it)
}

/// Another length is another file, and so is another `ETag` or, without one, another `Last-Modified`. From another server
/// they prove nothing: mirrors of one file have different ones, and the bytes have to tell.
pub(super) fn compare(stored: &Validator, now: &Validator) -> Sameness {
    let (Some(stored), Some(now)) = (fields(stored), fields(now)) else { return Sameness::Unknown };
    let [host, etag, modified, total] = [0, 1, 2, 3].map(|i| same(stored[i], now[i]));
    match (total, etag.or(modified)) {
        (Some(false), _) => Sameness::Different,
        (_, Some(true)) => Sameness::Same,
        (_, Some(false)) if host == Some(true) => Sameness::Different,
        _ => Sameness::Unknown,
    }
}

/// `None` if one of the two is not known.
fn same(a: &str, b: &str) -> Option<bool> {
    (!a.is_empty() && !b.is_empty()).then_some(a == b)
}

/// `None` for what another version, or another source, has written, and for what says nothing.
fn fields(validator: &Validator) -> Option<[&str; 4]> {
    let mut parts = std::str::from_utf8(validator.as_bytes()).ok()?.split('\n');
    if validator.strength() == Strength::None || parts.next()? != "1" {
        return None;
    }
    let fields = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: &str = "1\na\n\"x\"\nMon\n7";

    fn compared(now: &'static str) -> Sameness {
        let validator = |text: &'static str| Validator::new(Strength::Strong, text);
        let (there, back) =
            (compare(&validator(STORED), &validator(now)), compare(&validator(now), &validator(STORED)));
        assert_eq!(there, back, "{now:?}");
        there
    }

    #[test]
    fn an_entity_tag_that_is_made_of_the_time_is_known() {
        let seconds = 0x65a5_0928;
        assert!(is_made_of(seconds, "\"65a50928-1e8480\""), "nginx");
        assert!(is_made_of(seconds, "\"1e8480-60ef97ef87c40\""), "Apache");
        for of_content in ["\"d41d8cd98f00b204e9800998ecf8427e\"", "\"65a50929-1e8480\"", "\"v1\"", "\"\""] {
            assert!(!is_made_of(seconds, of_content), "{of_content}");
        }
    }

    #[test]
    fn an_equal_entity_tag_is_the_same_file_and_another_one_is_another_file() {
        assert_eq!(compared(STORED), Sameness::Same);
        assert_eq!(compared("1\na\n\"x\"\nTue\n7"), Sameness::Same);
        assert_eq!(compared("1\na\n\"y\"\nMon\n7"), Sameness::Different);
    }

    #[test]
    fn without_an_entity_tag_the_time_decides() {
        assert_eq!(compared("1\na\n\nMon\n7"), Sameness::Same);
        assert_eq!(compared("1\na\n\nTue\n7"), Sameness::Different);
        assert_eq!(compared("1\na\n\n\n7"), Sameness::Unknown);
    }

    #[test]
    fn another_length_is_another_file_wherever_it_comes_from() {
        assert_eq!(compared("1\na\n\"x\"\nMon\n8"), Sameness::Different);
        assert_eq!(compared("1\nb\n\"y\"\nMon\n8"), Sameness::Different);
        assert_eq!(compared("1\na\n\"x\"\nMon\n"), Sameness::Same);
    }

    #[test]
    fn what_differs_between_two_mirrors_is_for_the_bytes_to_tell() {
        assert_eq!(compared("1\nb\n\"y\"\nMon\n7"), Sameness::Unknown);
        assert_eq!(compared("1\nb\n\"x\"\nTue\n7"), Sameness::Same);
    }

    #[test]
    fn what_another_version_wrote_is_unknown() {
        for foreign in ["", "1", "2\na\n\"x\"\nMon\n7", "1\na\n\"x\"\nMon\n7\n", "1\na\n\"x\"\nMon"] {
            assert_eq!(compared(foreign), Sameness::Unknown, "{foreign:?}");
        }
    }
}
