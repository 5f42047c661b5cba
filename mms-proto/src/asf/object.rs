//! A header is a list of objects, and so are some of these.

use super::reader::Reader;
use super::{AsfError, Guid, Rule};

/// GUID and size, which every object begins with, in bytes.
pub(super) const OBJECT_HEADER_LEN: usize = 24;

/// An object, and what is in it.
///
/// ```text
/// | GUID 16 | size u64, counts itself and the GUID | body |
/// ```
///
/// Spec: ASF 2.1
#[derive(Clone, Copy, Debug)]
pub(super) struct Object<'a> {
    pub(super) id: Guid,
    /// Where its GUID is, from the beginning of the header.
    pub(super) offset: usize,
    pub(super) body: Reader<'a>,
}

impl<'a> Object<'a> {
    /// Takes one object off. Never less than 24 bytes, so that a loop over objects ends.
    pub(super) fn read(parent: &mut Reader<'a>) -> Result<Self, AsfError> {
        let (offset, available) = (parent.offset(), parent.left().len());
        let id = parent.guid()?;
        let at_size = *parent;
        let size = parent.u64()?;
        // A size that no address can hold is beyond any parent.
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let len = size.checked_sub(OBJECT_HEADER_LEN).ok_or_else(|| at_size.error(Rule::ObjectTooSmall))?;
        if size > available {
            return Err(at_size.error(Rule::ObjectBeyondParent));
        }
        Ok(Self { id, offset, body: parent.part(len)? })
    }
}
