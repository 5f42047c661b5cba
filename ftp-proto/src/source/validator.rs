//! What a file on an FTP server is recognised by: its length, its time, and the server's own name for it.
//!
//! ```text
//!   version    1 byte, 1
//!   flags      1 byte: 1 size, 2 mdtm, 4 modify, 8 unique
//!   size       8 bytes, big-endian
//!   mdtm       8 bytes of seconds since 1970, 4 bytes of nanoseconds, big-endian
//!   modify     the same
//!   unique     the rest
//! ```
//! A field whose flag is not set takes no bytes. Times of `MDTM` and of the `MLST` fact are kept apart, since servers exist
//! on which they differ by the time zone.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use segfetch_source::{Sameness, Strength, Validator};

use crate::conn::FileFacts;
use crate::wire::Timestamp;

const VERSION: u8 = 1;
const SIZE: u8 = 1;
const MDTM: u8 = 2;
const MODIFY: u8 = 4;
const UNIQUE: u8 = 8;

/// The fields of a validator.
#[derive(Debug, Default, PartialEq, Eq)]
struct Fields {
    size: Option<u64>,
    mdtm: Option<(i64, u32)>,
    modify: Option<(i64, u32)>,
    unique: Option<Bytes>,
}

/// The validator of what a server says. Weak at best: a second is long, and clocks are set.
pub(super) fn of(facts: &FileFacts) -> Validator {
    let time = |time: Timestamp| (time.seconds, time.nanoseconds);
    let fields = Fields {
        size: facts.size,
        mdtm: facts.mdtm.map(time),
        modify: facts.modify.map(time),
        unique: facts.unique.clone(),
    };
    if fields == Fields::default() {
        return Validator::none();
    }
    Validator::new(Strength::Weak, fields.encode())
}

/// Compares what both have. Other sizes or times are other files. The same size and time are the same file, unless the
/// server has another name for it: then mirrors behind one address differ, or it was replaced, and bytes have to tell.
pub(super) fn compare(stored: &Validator, now: &Validator) -> Sameness {
    let (Some(stored), Some(now)) = (Fields::decode(stored), Fields::decode(now)) else { return Sameness::Unknown };
    let size = same(stored.size, now.size);
    let times = [same(stored.mdtm, now.mdtm), same(stored.modify, now.modify)];
    if size == Some(false) || times.contains(&Some(false)) {
        return Sameness::Different;
    }
    if size.is_none() || !times.contains(&Some(true)) || same(stored.unique, now.unique) == Some(false) {
        return Sameness::Unknown;
    }
    Sameness::Same
}

fn same<T: PartialEq>(a: Option<T>, b: Option<T>) -> Option<bool> {
    Some(a? == b?)
}

impl Fields {
    fn encode(&self) -> Bytes {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let mut out = BytesMut::with_capacity(64);
        out.put_u8(VERSION);
        out.put_u8(
            flag(self.size.is_some(), SIZE)
                | flag(self.mdtm.is_some(), MDTM)
                | flag(self.modify.is_some(), MODIFY)
                | flag(self.unique.is_some(), UNIQUE),
        );
        if let Some(size) = self.size {
            out.put_u64(size);
        }
        for (seconds, nanoseconds) in self.mdtm.iter().chain(&self.modify) {
            out.put_i64(*seconds);
            out.put_u32(*nanoseconds);
        }
        out.extend_from_slice(self.unique.as_deref().unwrap_or_default());
        out.freeze()
    }

    /// `None` for what another version, or another source, has written.
    fn decode(validator: &Validator) -> Option<Self> {
        let mut bytes = validator.as_bytes();
        if validator.strength() == Strength::None || bytes.try_get_u8().ok()? != VERSION {
            return None;
        }
        let flags = bytes.try_get_u8().ok()?;
        let mut fields = Self::default();
        if flags & SIZE != 0 {
            fields.size = Some(bytes.try_get_u64().ok()?);
        }
        for (flag, field) in [(MDTM, &mut fields.mdtm), (MODIFY, &mut fields.modify)] {
            if flags & flag != 0 {
                *field = Some((bytes.try_get_i64().ok()?, bytes.try_get_u32().ok()?));
            }
        }
        if flags & UNIQUE != 0 {
            fields.unique = Some(Bytes::copy_from_slice(bytes));
        }
        Some(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validator(size: Option<u64>, mdtm: Option<i64>, unique: Option<&'static str>) -> Validator {
        let fields = Fields { size, mdtm: mdtm.map(|s| (s, 5)), modify: None, unique: unique.map(Bytes::from) };
        Validator::new(Strength::Weak, fields.encode())
    }

    #[test]
    fn fields_survive_their_encoding() {
        let fields = Fields {
            size: Some(u64::MAX),
            mdtm: Some((-1, 999_999_999)),
            modify: Some((0, 0)),
            unique: Some(Bytes::from_static(b"\xffg4")),
        };
        assert_eq!(Fields::decode(&Validator::new(Strength::Weak, fields.encode())), Some(fields));
    }

    #[test]
    fn another_size_or_time_is_another_file_and_what_one_side_lacks_does_not_count() {
        let stored = validator(Some(7), Some(1), None);
        assert_eq!(compare(&stored, &validator(Some(7), Some(1), Some("x"))), Sameness::Same);
        assert_eq!(compare(&stored, &validator(Some(8), Some(1), None)), Sameness::Different);
        assert_eq!(compare(&stored, &validator(Some(7), Some(2), None)), Sameness::Different);
        assert_eq!(compare(&stored, &validator(Some(7), None, None)), Sameness::Unknown);
        assert_eq!(compare(&stored, &Validator::none()), Sameness::Unknown);
    }

    #[test]
    fn another_name_for_the_same_size_and_time_is_for_the_bytes_to_tell() {
        let stored = validator(Some(7), Some(1), Some("a"));
        assert_eq!(compare(&stored, &validator(Some(7), Some(1), Some("b"))), Sameness::Unknown);
    }

    #[test]
    fn the_bytes_of_another_version_are_unknown_and_cut_ones_too() {
        let stored = validator(Some(7), Some(1), None);
        let other = Validator::new(Strength::Weak, &b"\x02\x01"[..]);
        assert_eq!(compare(&stored, &other), Sameness::Unknown);
        for len in 0..stored.as_bytes().len() {
            let cut = Validator::new(Strength::Weak, stored.as_bytes()[..len].to_vec());
            assert_eq!(compare(&stored, &cut), Sameness::Unknown, "{len}");
        }
    }
}
