//! Reads numbers and pieces off a slice, and knows where it is.

use super::{AsfError, Guid, LengthType, Rule};

/// What is left of some bytes. Numbers are little-endian.
///
/// Spec: ASF 2.1
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reader<'a> {
    what: &'static str,
    /// Where `left` begins, from the beginning of what errors speak of.
    offset: usize,
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, offset: 0, left: bytes }
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    pub(super) fn left(&self) -> &'a [u8] {
        self.left
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    pub(super) fn error(&self, rule: Rule) -> AsfError {
        AsfError::new(self.what, self.offset, rule)
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], AsfError> {
        let (taken, left) = self.left.split_at_checked(len).ok_or_else(|| self.error(Rule::Truncated))?;
        self.offset = self.offset.saturating_add(len);
        self.left = left;
        Ok(taken)
    }

    /// The next `len` bytes, to be read on their own.
    pub(super) fn part(&mut self, len: usize) -> Result<Self, AsfError> {
        let (what, offset) = (self.what, self.offset);
        Ok(Self { what, offset, left: self.take(len)? })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], AsfError> {
        let (taken, left) = self.left.split_first_chunk::<N>().ok_or_else(|| self.error(Rule::Truncated))?;
        self.offset = self.offset.saturating_add(N);
        self.left = left;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, AsfError> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, AsfError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, AsfError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, AsfError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn guid(&mut self) -> Result<Guid, AsfError> {
        self.array().map(Guid)
    }

    /// A number of this width; 0 if it is absent.
    pub(super) fn number(&mut self, width: LengthType) -> Result<u32, AsfError> {
        match width {
            LengthType::Absent => Ok(0),
            LengthType::Byte => self.u8().map(u32::from),
            LengthType::Word => self.u16().map(u32::from),
            LengthType::Dword => self.u32(),
        }
    }
}
