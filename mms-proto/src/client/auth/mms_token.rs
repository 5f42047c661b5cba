//! The pToken of MMST: which scheme it belongs to, and what is wrapped around a message of NTLM.
//!
//! ```text
//!   Basic      "realm=" realm 00 00            in UTF-16; the realm may be left out
//!   NTLM       00 00 [ NTLM_AUTH / message ]   nothing more to begin with
//!
//!   NTLM_AUTH  0     4     8           12              16    20          24
//!              | 0   | 1   | Reserved1 | NTLMTokenSize | 2   | Reserved2 | NTLMToken
//!              | u32 | u32 | u32       | u32           | u32 | u32       |
//! ```
//!
//! Nothing of this was seen on a wire: no server with NTLM is left to look at. So what comes is understood with and without either
//! wrapping, and what goes out is as the specification has it in words, wrapped in both: NTLM_AUTH is an SSPI buffer as it lies in
//! memory, which the oldest servers must know, and a server answers in the form in which it is spoken to.

use bytes::{BufMut, BytesMut};

use super::ntlm::SIGNATURE;

/// NTLM_AUTH before its token, in bytes.
const NTLM_AUTH: usize = 24;

/// How the user is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Basic,
    Ntlm,
}

/// The Auth-Scheme, from the AuthenPackage of the server and the first bytes of its challenge. NTLM unless something else is said; for a
/// package that is neither of the two, `None`.
///
/// Spec: MMSP 3.1.1 and 3.1.5.8. What it has about servers from version 9 on makes no difference: those know no Basic.
pub(super) fn scheme(package: &str, token: &[u8]) -> Option<Scheme> {
    let begins_with_text = token.first_chunk().is_some_and(|lead: &[u8; 2]| *lead != [0, 0]);
    if begins_with_text && !token.starts_with(SIGNATURE) {
        return Some(Scheme::Basic);
    }
    match package {
        "" => Some(Scheme::Ntlm),
        package if package.eq_ignore_ascii_case("NTLM") => Some(Scheme::Ntlm),
        package if package.eq_ignore_ascii_case("BASIC") => Some(Scheme::Basic),
        _ => None,
    }
}

/// The message of NTLM in a pToken, empty if there is none yet. `None` if it is neither.
///
/// Spec: MMSP 2.2.4.14 and 2.2.4.14.1
pub(super) fn decode(token: &[u8]) -> Option<&[u8]> {
    let inner = token.strip_prefix(&[0, 0]).unwrap_or(token);
    // A server pads to eight bytes.
    if inner.iter().all(|byte| *byte == 0) {
        return Some(&[]);
    }
    if inner.starts_with(SIGNATURE) {
        return Some(inner);
    }
    ntlm_auth(inner).or_else(|| ntlm_auth(token))
}

fn ntlm_auth(bytes: &[u8]) -> Option<&[u8]> {
    let (head, token) = bytes.split_first_chunk::<NTLM_AUTH>()?;
    let [0, 0, 0, 0, 1, 0, 0, 0, _, _, _, _, a, b, c, d, 2, 0, 0, 0, ..] = head else { return None };
    token.get(..usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).ok()?)
}

/// A pToken with a message of NTLM.
///
/// Spec: MMSP 2.2.4.24 and 2.2.4.14.1
pub(super) fn encode(message: &[u8]) -> BytesMut {
    let mut token = BytesMut::with_capacity(message.len().saturating_add(NTLM_AUTH + 2));
    token.put_u16_le(0);
    token.put_u32_le(0);
    token.put_u32_le(1);
    token.put_u32_le(0); // Reserved1
    token.put_u32_le(u32::try_from(message.len()).unwrap_or(u32::MAX));
    token.put_u32_le(2);
    token.put_u32_le(0); // Reserved2
    token.put_slice(message);
    token
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"NTLMSSP\0\x02\0\0\0and so on";

    #[test]
    fn the_scheme_is_the_package_unless_the_challenge_shows_another() {
        let realm = b"r\0e\0a\0l\0m\0=\0\"\0\"\0\0\0";
        for (package, token, expected) in [
            ("BASIC", &realm[..], Some(Scheme::Basic)),
            ("BASIC", b"\0\0", Some(Scheme::Basic)),
            ("NTLM", b"\0\0", Some(Scheme::Ntlm)),
            ("ntlm", b"", Some(Scheme::Ntlm)),
            ("", b"\0\0", Some(Scheme::Ntlm)),
            ("NTLM", realm, Some(Scheme::Basic)),
            ("NTLM", MESSAGE, Some(Scheme::Ntlm)),
            ("DPA", b"\0\0", None),
        ] {
            assert_eq!(scheme(package, token), expected, "{package} {token:?}");
        }
    }

    #[test]
    fn a_message_is_found_in_every_wrapping() {
        let wrapped = encode(MESSAGE);
        assert_eq!(wrapped[..10], [0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
        let bare = [&[0, 0][..], MESSAGE].concat();
        for token in [&wrapped[..], &wrapped[2..], &bare, MESSAGE] {
            assert_eq!(decode(token), Some(MESSAGE));
        }
        assert_eq!(decode(b""), Some(&b""[..]));
        assert_eq!(decode(b"\0\0\0\0\0\0\0\0"), Some(&b""[..]));
        // What pads the message of MMST is not part of it.
        assert_eq!(decode(&[&wrapped[..], &[0; 6]].concat()), Some(MESSAGE));
    }

    #[test]
    fn a_wrapping_that_is_cut_or_lies_holds_nothing() {
        let wrapped = encode(MESSAGE);
        for cut in 7..wrapped.len() {
            assert_eq!(decode(&wrapped[..cut]), None, "{cut}");
        }
        let mut lies = wrapped.to_vec();
        lies[14..18].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(decode(&lies), None);
    }
}
