//! Bytes shown to people.

use std::fmt::{self, Display, Formatter, Write};

/// Shows bytes of a peer or a user: UTF-8 where it is, U+FFFD where it is not, and control characters escaped, so that
/// neither a terminal nor a log line can be driven by them.
pub(super) struct Lossy<'a>(pub(super) &'a [u8]);

impl Display for Lossy<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() {
                    write!(f, "{}", c.escape_default())?;
                } else {
                    f.write_char(c)?;
                }
            }
            if !chunk.invalid().is_empty() {
                f.write_char(char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }
}

/// Whether `text` contains one of `needles`, which are given in lower case, in any case.
pub(super) fn contains_any(text: &[u8], needles: &[&str]) -> bool {
    let text = text.to_ascii_lowercase();
    needles.iter().any(|needle| text.windows(needle.len()).any(|window| window == needle.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_text_where_they_are_text() {
        assert_eq!(
            Lossy(b"caf\xC3\xA9 \xE9\xFF \x07\x7F\r\n").to_string(),
            "caf\u{E9} \u{FFFD}\u{FFFD} \\u{7}\\u{7f}\\r\\n"
        );
        // C1 controls are controls, too.
        assert_eq!(Lossy("\u{9B}2J".as_bytes()).to_string(), "\\u{9b}2J");
    }

    #[test]
    fn needles_are_found_in_any_case() {
        assert!(contains_any(b"Too MANY users", &["x", "too many"]));
        assert!(!contains_any(b"too man", &["too many"]));
    }
}
