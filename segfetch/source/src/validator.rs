//! What a source recognises a file by.

use bytes::Bytes;
use thiserror::Error;

/// How much an equal validator proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Strength {
    /// Nothing is known.
    None,
    /// Equal validators may, rarely, name different content: a size and a time.
    Weak,
    /// Equal validators name equal bytes: a content hash or a strong entity tag.
    Strong,
}

/// An opaque name for one version of a file, in bytes that only its source understands.
///
/// It is written to the journal, so a source versions what it puts in, and keeps it free of secrets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Validator {
    strength: Strength,
    bytes: Bytes,
}

/// Why stored bytes are not a validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidValidator {
    /// No byte at all.
    #[error("an encoded validator has at least one byte")]
    Empty,
    /// The first byte is no known strength.
    #[error("unknown validator strength {0}")]
    Strength(u8),
    /// Longer than [`Validator::MAX_LEN`].
    #[error("a validator has at most 4096 bytes, this one has {0}")]
    TooLong(usize),
}

/// The answer of [`RangeSource::compare`](crate::RangeSource::compare).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sameness {
    /// The same file, as far as the weaker of the two validators can tell.
    Same,
    /// Another file.
    Different,
    /// Cannot be told; the engine then compares bytes that it already has.
    Unknown,
}

impl Validator {
    /// Most bytes that a validator may have; it is part of every checkpoint.
    pub const MAX_LEN: usize = 4096;

    /// A validator of `bytes`, in the source's own versioned encoding.
    ///
    /// Bytes behind [`Validator::MAX_LEN`] are dropped, which can only turn "the same" into "different".
    pub fn new(strength: Strength, bytes: impl Into<Bytes>) -> Self {
        let mut bytes = bytes.into();
        bytes.truncate(Self::MAX_LEN);
        Self { strength, bytes }
    }

    /// The validator of a source that knows nothing.
    pub fn none() -> Self {
        Self { strength: Strength::None, bytes: Bytes::new() }
    }

    /// How much equality proves.
    pub fn strength(&self) -> Strength {
        self.strength
    }

    /// The source's own bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The encoding that a journal keeps: one byte of strength, then the source's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + self.bytes.len());
        out.push(match self.strength {
            Strength::None => 0,
            Strength::Weak => 1,
            Strength::Strong => 2,
        });
        out.extend_from_slice(&self.bytes);
        out
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`InvalidValidator`] if the bytes cannot have come from `encode`.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidValidator> {
        let (&first, rest) = bytes.split_first().ok_or(InvalidValidator::Empty)?;
        let strength = match first {
            0 => Strength::None,
            1 => Strength::Weak,
            2 => Strength::Strong,
            other => return Err(InvalidValidator::Strength(other)),
        };
        if rest.len() > Self::MAX_LEN {
            return Err(InvalidValidator::TooLong(rest.len()));
        }
        Ok(Self { strength, bytes: Bytes::copy_from_slice(rest) })
    }

    /// The comparison of a source that has no better one.
    pub(crate) fn compare_bytes(&self, other: &Self) -> Sameness {
        if self.strength == Strength::None || other.strength == Strength::None {
            Sameness::Unknown
        } else if self.strength == other.strength && self.bytes == other.bytes {
            Sameness::Same
        } else {
            Sameness::Different
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validator_survives_its_encoding() {
        for validator in [
            Validator::none(),
            Validator::new(Strength::Weak, &b"\x01size"[..]),
            Validator::new(Strength::Strong, vec![0xff; Validator::MAX_LEN]),
        ] {
            assert_eq!(Validator::decode(&validator.encode()), Ok(validator));
        }
    }

    #[test]
    fn bytes_that_encode_never_wrote_are_refused() {
        assert_eq!(Validator::decode(&[]), Err(InvalidValidator::Empty));
        assert_eq!(Validator::decode(&[3]), Err(InvalidValidator::Strength(3)));
        assert_eq!(Validator::decode(&[1; 4098]), Err(InvalidValidator::TooLong(4097)));
    }

    #[test]
    fn nothing_is_unknown_and_unequal_is_different() {
        let weak = Validator::new(Strength::Weak, &b"a"[..]);
        let other = Validator::new(Strength::Weak, &b"b"[..]);
        assert_eq!(weak.compare_bytes(&weak), Sameness::Same);
        assert_eq!(weak.compare_bytes(&other), Sameness::Different);
        assert_eq!(weak.compare_bytes(&Validator::none()), Sameness::Unknown);
    }
}
