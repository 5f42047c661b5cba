//! Strings: UTF-16LE, ended by a zero unit or by the field.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use crate::wire::WireError;

/// Units of a [`Text`]. Names come out of URLs and redirects, so that strangers determine their length too.
pub const MAX_TEXT_UNITS: usize = 4096;

/// A string that is to be sent, encoded, with its zero unit. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(Bytes);

impl Text {
    /// Encodes a string.
    ///
    /// # Errors
    /// It is longer than [`MAX_TEXT_UNITS`], or would end early: it has a NUL.
    ///
    /// Spec: MMSP 2.2.4
    pub fn new(text: &str) -> Result<Self, WireError> {
        let mut encoded = BytesMut::new();
        for (index, unit) in text.encode_utf16().enumerate() {
            if index >= MAX_TEXT_UNITS {
                return Err(WireError::new("string", index, "a string has 4096 units at most"));
            }
            if unit == 0 {
                return Err(WireError::new("string", index, "a string has no NUL inside"));
            }
            encoded.put_u16_le(unit);
        }
        encoded.put_u16_le(0);
        Ok(Self(encoded.freeze()))
    }

    /// UTF-16LE with the zero unit.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({:?})", decode_text(&self.0))
    }
}

/// What a field says up to its first zero unit. Lone surrogates become U+FFFD, and half a unit at the end is ignored.
///
/// Spec: MMSP 2.2.4
pub fn decode_text(field: &[u8]) -> String {
    let (pairs, _) = field.as_chunks::<2>();
    let units = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).take_while(|unit| *unit != 0);
    char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
