//! The names of objects and of kinds of streams.

use std::fmt;

/// What an object is, by 16 bytes as they stand in the file. The first three groups of the printed form are
/// little-endian there.
///
/// Spec: ASF 2.1, and 10 for the names
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub [u8; 16]);

/// `NAME = 0x11111111, 0x2222, 0x3333, 0x4444_555555555555;` with the groups as they are printed.
macro_rules! guids {
    ($($(#[$doc:meta])* $name:ident = $first:literal, $second:literal, $third:literal, $rest:literal;)*) => {
        impl Guid {
            $($(#[$doc])* pub const $name: Self = Self::from_groups($first, $second, $third, $rest);)*
        }
    };
}

guids! {
    /// Header Object: the first of a file.
    HEADER = 0x75B22630, 0x668E, 0x11CF, 0xA6D9_00AA0062CE6C;
    /// Data Object: the packets.
    DATA = 0x75B22636, 0x668E, 0x11CF, 0xA6D9_00AA0062CE6C;
    /// Simple Index Object: where the key frames of one video stream are, by time.
    SIMPLE_INDEX = 0x33000890, 0xE5B1, 0x11CF, 0x89F4_00A0C90349CB;
    /// File Properties Object.
    FILE_PROPERTIES = 0x8CABDCA1, 0xA947, 0x11CF, 0x8EE4_00C00C205365;
    /// Stream Properties Object.
    STREAM_PROPERTIES = 0xB7DC0791, 0xA9B7, 0x11CF, 0x8EE6_00C00C205365;
    /// Header Extension Object: holds further objects.
    HEADER_EXTENSION = 0x5FBF03B5, 0xA92E, 0x11CF, 0x8EE3_00C00C205365;
    /// Extended Stream Properties Object.
    EXTENDED_STREAM_PROPERTIES = 0x14E6A5CB, 0xC672, 0x4332, 0x8399_A96952065B5A;
    /// Stream Bitrate Properties Object.
    STREAM_BITRATE_PROPERTIES = 0x7BF875CE, 0x468D, 0x11D1, 0x8D82_006097C9A2B2;
    /// Content Description Object: title, author, and so on.
    CONTENT_DESCRIPTION = 0x75B22633, 0x668E, 0x11CF, 0xA6D9_00AA0062CE6C;
    /// A stream of sound.
    AUDIO_MEDIA = 0xF8699E40, 0x5B4D, 0x11CF, 0xA8FD_00805F5C442B;
    /// A stream of pictures.
    VIDEO_MEDIA = 0xBC19EFC0, 0x5B4D, 0x11CF, 0xA8FD_00805F5C442B;
    /// A stream of commands to the player.
    COMMAND_MEDIA = 0x59DACFC0, 0x59E6, 0x11D0, 0xA3AC_00A0C90348F6;
    /// A stream of JPEG pictures.
    JFIF_MEDIA = 0xB61BE100, 0x5B4E, 0x11CF, 0xA8FD_00805F5C442B;
    /// A stream of JPEG pictures that may have lost parts.
    DEGRADABLE_JPEG_MEDIA = 0x35907DE0, 0xE415, 0x11CF, 0xA917_00805F5C442B;
    /// A stream of files.
    FILE_TRANSFER_MEDIA = 0x91BD222C, 0xF21C, 0x497A, 0x8B6D_5AA86BFC0185;
    /// A stream of something else.
    BINARY_MEDIA = 0x3AFB65E2, 0x47EF, 0x40F2, 0xAC2C_70A90D71D343;
}

impl Guid {
    /// From the groups of the printed form; the last two are one number.
    const fn from_groups(first: u32, second: u16, third: u16, rest: u64) -> Self {
        let [a, b, c, d] = first.to_le_bytes();
        let [e, f] = second.to_le_bytes();
        let [g, h] = third.to_le_bytes();
        let [i, j, k, l, m, n, o, p] = rest.to_be_bytes();
        Self([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g, h, i, rest @ ..] = self.0;
        let (first, second, third) =
            (u32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([e, g]), u16::from_le_bytes([h, i]));
        let [j, k, l, m, n, o, p, q] = rest;
        let (fourth, last) = (u16::from_be_bytes([j, k]), u64::from_be_bytes([0, 0, l, m, n, o, p, q]));
        write!(f, "{first:08X}-{second:04X}-{third:04X}-{fourth:04X}-{last:012X}")
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guid({self})")
    }
}
