//! The message of the server.
//!
//! ```text
//! 0             8   12                 20               24                32         40                 48
//! | "NTLMSSP\0" | 2 | TargetNameFields | NegotiateFlags | ServerChallenge | Reserved | TargetInfoFields | Version, Payload
//!
//! Fields     | Len: u16 | MaxLen: u16 | BufferOffset: u32, from the beginning of the message
//! TargetInfo | AvId: u16 | AvLen: u16 | Value | .. | 0 | 0
//! ```

use super::{SIGNATURE, flag};

/// CHALLENGE_MESSAGE, as far as it matters.
///
/// Spec: MS-NLMP 2.2.1.2
pub(in super::super) struct Challenge<'a> {
    /// The whole message, over which the MIC goes.
    pub(super) message: &'a [u8],
    pub(super) flags: u32,
    pub(super) server_challenge: [u8; 8],
    /// What the server says of itself, without the end of the list.
    pub(super) target_info: Vec<AvPair<'a>>,
}

/// Something that is said of a server.
///
/// Spec: MS-NLMP 2.2.2.1
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AvPair<'a> {
    pub(super) id: u16,
    pub(super) value: &'a [u8],
}

impl AvPair<'_> {
    const EOL: u16 = 0;
    pub(super) const FLAGS: u16 = 6;
    pub(super) const TIMESTAMP: u16 = 7;
    pub(super) const TARGET_NAME: u16 = 9;
    pub(super) const CHANNEL_BINDINGS: u16 = 10;
}

/// Longest TargetInfo that is answered, in bytes. It goes back whole, in base64 and in one header line, of which servers take 8 KiB or
/// 16 KiB. Real ones have a few hundred bytes.
const TARGET_INFO: usize = 4 << 10;

impl<'a> Challenge<'a> {
    /// Reads the message. `None` if it is cut, is another one, points outside itself, or does not want Unicode.
    pub(in super::super) fn decode(message: &'a [u8]) -> Option<Self> {
        let rest = message.strip_prefix(SIGNATURE)?.strip_prefix(&[2, 0, 0, 0])?;
        // TargetName is for people; the names in TargetInfo are the server's too.
        let (_target_name, rest) = rest.split_first_chunk::<8>()?;
        let (flags, rest) = rest.split_first_chunk()?;
        let (server_challenge, rest) = rest.split_first_chunk()?;
        let flags = u32::from_le_bytes(*flags);
        if flags & flag::UNICODE == 0 {
            return None;
        }
        let info = match flags & flag::TARGET_INFO {
            // The oldest servers end before the field.
            0 => &[][..],
            _ => {
                let (_reserved, rest) = rest.split_first_chunk::<8>()?;
                payload(message, rest.first_chunk()?)?
            }
        };
        let target_info = if info.is_empty() { Vec::new() } else { pairs(info)? };
        Some(Self { message, flags, server_challenge: *server_challenge, target_info })
    }

    pub(super) fn value(&self, id: u16) -> Option<&'a [u8]> {
        self.target_info.iter().find(|pair| pair.id == id).map(|pair| pair.value)
    }

    /// The server's own time, in units of 100 ns since 1601.
    pub(super) fn timestamp(&self) -> Option<[u8; 8]> {
        self.value(AvPair::TIMESTAMP)?.try_into().ok()
    }
}

fn payload<'a>(message: &'a [u8], fields: &[u8; 8]) -> Option<&'a [u8]> {
    let [len, more_len, _, _, offset @ ..] = *fields;
    let len = usize::from(u16::from_le_bytes([len, more_len]));
    let offset = usize::try_from(u32::from_le_bytes(offset)).ok()?;
    (len <= TARGET_INFO).then(|| message.get(offset..offset.checked_add(len)?))?
}

/// The pairs before the end of the list, which must be there.
fn pairs(mut info: &[u8]) -> Option<Vec<AvPair<'_>>> {
    let mut pairs = Vec::new();
    loop {
        let ([id, more_id, len, more_len], rest) = info.split_first_chunk()?;
        let id = u16::from_le_bytes([*id, *more_id]);
        if id == AvPair::EOL {
            return Some(pairs);
        }
        let (value, rest) = rest.split_at_checked(u16::from_le_bytes([*len, *more_len]).into())?;
        pairs.push(AvPair { id, value });
        info = rest;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// MS-NLMP 4.2.4.3
    pub(in super::super) const MESSAGE: &[u8] = b"NTLMSSP\0\x02\0\0\0\x0c\0\x0c\0\x38\0\0\0\x33\x82\x8a\xe2\
        \x01\x23\x45\x67\x89\xab\xcd\xef\0\0\0\0\0\0\0\0\x24\0\x24\0\x44\0\0\0\x06\0\x70\x17\0\0\0\x0f\
        S\0e\0r\0v\0e\0r\0\x02\0\x0c\0D\0o\0m\0a\0i\0n\0\x01\0\x0c\0S\0e\0r\0v\0e\0r\0\0\0\0\0";

    /// The same with another TargetInfo.
    pub(in super::super) fn with_info(info: &[u8]) -> Vec<u8> {
        let mut message = MESSAGE[..0x44].to_vec();
        message[0x28..0x2A].copy_from_slice(&(info.len() as u16).to_le_bytes());
        message.extend_from_slice(info);
        message
    }

    #[test]
    fn the_example_of_the_specification_is_read() {
        let challenge = Challenge::decode(MESSAGE).unwrap();
        assert_eq!(challenge.server_challenge, [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]);
        assert_eq!(challenge.flags, 0xe28a_8233);
        assert_eq!(challenge.value(2), Some(&b"D\0o\0m\0a\0i\0n\0"[..]));
        assert_eq!(challenge.value(1), Some(&b"S\0e\0r\0v\0e\0r\0"[..]));
        assert_eq!((challenge.target_info.len(), challenge.timestamp()), (2, None));
    }

    #[test]
    fn every_cut_is_refused() {
        for cut in 0..MESSAGE.len() {
            assert!(Challenge::decode(&MESSAGE[..cut]).is_none(), "{cut}");
        }
    }

    #[test]
    fn the_oldest_servers_may_end_before_target_info() {
        let mut old = MESSAGE[..32].to_vec();
        old[0x16] &= !0x80;
        let challenge = Challenge::decode(&old).unwrap();
        assert!(challenge.target_info.is_empty());
    }

    #[test]
    fn lengths_and_offsets_that_lie_are_refused() {
        for (at, bytes) in [
            (0x28, &[0xFF, 0xFF][..]),         // longer than the message
            (0x28, &[0x25, 0]),                // by one
            (0x28, &[0x23, 0]),                // cuts the end of the list
            (0x2C, &[0xFF, 0xFF, 0xFF, 0xFF]), // far behind the message
            (0x2C, &[0x45, 0, 0, 0]),          // by one
            (0x46, &[0xFF, 0xFF]),             // a pair longer than the list
            (0x08, &[1]),                      // another message
            (0x08, &[3]),                      //
            (0x14, &[0x32]),                   // no Unicode
            (0x00, b"n"),                      //
        ] {
            let mut message = MESSAGE.to_vec();
            message[at..at + bytes.len()].copy_from_slice(bytes);
            assert!(Challenge::decode(&message).is_none(), "{at:#x} {bytes:x?}");
        }
    }

    #[test]
    fn a_target_info_larger_than_any_is_refused() {
        let pair = |len: u16| [&[1, 0][..], &len.to_le_bytes(), &vec![7; len.into()], &[0; 4]].concat();
        assert!(Challenge::decode(&with_info(&pair(4088))).is_some());
        assert!(Challenge::decode(&with_info(&pair(4089))).is_none());
    }

    #[test]
    fn a_timestamp_of_another_length_is_none() {
        assert_eq!(Challenge::decode(&with_info(&[7, 0, 1, 0, 9, 0, 0, 0, 0])).unwrap().timestamp(), None);
        let time = [7, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0];
        assert_eq!(Challenge::decode(&with_info(&time)).unwrap().timestamp(), Some([1, 2, 3, 4, 5, 6, 7, 8]));
    }
}
