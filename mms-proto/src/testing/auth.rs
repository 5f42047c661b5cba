//! Credentials, as a script of questions and expected answers.

use bytes::Bytes;

/// What a client must answer before it gets a film.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Auth {
    /// One question, and a name with a password.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// Questions and the only right answers to them, in turn. On MMSH each is a `401` on the same connection, with the
    /// question in base64, as NTLM has it; an empty question is the bare name of the scheme there. (No good for Digest,
    /// whose answers are not known before.)
    Legs {
        /// As it is announced: `NTLM`.
        scheme: String,
        /// Question and answer.
        legs: Vec<(Bytes, Bytes)>,
    },
}

impl Auth {
    /// The name of the scheme, as MMST and HTTP spell it.
    pub(super) fn scheme(&self) -> (&str, &str) {
        match self {
            Auth::Basic { .. } => ("BASIC", "Basic"),
            Auth::Legs { scheme, .. } => (scheme, scheme),
        }
    }

    /// The question of a leg, `None` if there is no such leg: the client is in.
    pub(super) fn question(&self, leg: usize) -> Option<Bytes> {
        match self {
            Auth::Basic { .. } => (leg == 0).then(Bytes::new),
            Auth::Legs { legs, .. } => legs.get(leg).map(|(question, _)| question.clone()),
        }
    }

    /// Whether an answer is right.
    pub(super) fn accepts(&self, leg: usize, answer: &[u8]) -> bool {
        match self {
            Auth::Basic { user, password } => answer == format!("{user}:{password}").as_bytes(),
            Auth::Legs { legs, .. } => legs.get(leg).is_some_and(|(_, expected)| answer == &expected[..]),
        }
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let value = chunk.iter().fold(0_u32, |value, byte| value << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let digit = ALPHABET[(value >> (18 - 6 * index) & 63) as usize];
            text.push(if index <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// The bytes of a base64 text, which ends at the first character that is not of its alphabet.
pub(super) fn from_base64(text: &[u8]) -> Vec<u8> {
    let digits = text.iter().map_while(|char| ALPHABET.iter().position(|digit| digit == char));
    let (mut bytes, mut value, mut bits) = (Vec::new(), 0_u32, 0);
    for digit in digits {
        value = value << 6 | digit as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((value >> bits) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
            assert_eq!(from_base64(text.as_bytes()), bytes.as_bytes());
        }
    }
}
