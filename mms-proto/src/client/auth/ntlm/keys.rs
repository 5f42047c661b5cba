//! Who somebody is, and the keys that follow from the password.

use hmac::{Hmac, KeyInit as _, Mac as _};
use md4::{Digest as _, Md4};
use md5::Md5;

/// A user as NTLM knows it.
pub(in super::super) struct Identity<'a> {
    pub(super) domain: &'a str,
    pub(super) user: &'a str,
    password: &'a str,
}

impl<'a> Identity<'a> {
    /// `DOMAIN\user` is a user of that domain; everything else, `user@domain` too, is one of a domain that the server finds out.
    ///
    /// Spec: MS-NLMP 2.2.1.3 (DomainName, UserName). Observed: curl 7.88 cuts at the backslash and at nothing else but `/`
    pub(in super::super) fn new(user: &'a str, password: &'a str) -> Self {
        let (domain, user) = user.split_once('\\').unwrap_or(("", user));
        Self { domain, user, password }
    }

    /// NTOWFv2, which is LMOWFv2 too.
    ///
    /// Spec: MS-NLMP 3.3.2
    pub(super) fn response_key(&self) -> [u8; 16] {
        let hash = Md4::digest(utf16(self.password));
        hmac_md5(&hash, &[&utf16(&upper(self.user)), &utf16(self.domain)])
    }
}

/// Character by character, as Windows does it: none becomes two.
fn upper(text: &str) -> String {
    let upper = |char: char| {
        let mut upper = char.to_uppercase();
        match (upper.next(), upper.next()) {
            (Some(one), None) => one,
            _ => char,
        }
    };
    text.chars().map(upper).collect()
}

/// UTF-16, without an end.
pub(super) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Spec: RFC 2104
pub(super) fn hmac_md5(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    // A key of any length is one of HMAC.
    let Ok(mut mac) = Hmac::<Md5>::new_from_slice(key) else { return [0; 16] };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_that_of_the_specification() {
        // MS-NLMP 4.2.4.1.1
        let key = [0x0c, 0x86, 0x8a, 0x40, 0x3b, 0xfd, 0x7a, 0x93, 0xa3, 0x00, 0x1e, 0xf2, 0x2e, 0xf0, 0x2e, 0x3f];
        assert_eq!(Identity::new("Domain\\User", "Password").response_key(), key);
        assert_eq!(Identity::new("Domain\\uSER", "Password").response_key(), key);
        assert_ne!(Identity::new("DOMAIN\\User", "Password").response_key(), key);
    }

    #[test]
    fn a_domain_is_before_a_backslash_only() {
        for (name, domain, user) in
            [("D\\u", "D", "u"), ("u", "", "u"), ("u@d.example", "", "u@d.example"), ("D\\u@x\\y", "D", "u@x\\y")]
        {
            let identity = Identity::new(name, "");
            assert_eq!((identity.domain, identity.user), (domain, user));
        }
    }

    #[test]
    fn letters_that_would_become_two_stay() {
        assert_eq!(upper("straße-ünï-ﬁ-я"), "STRAßE-ÜNÏ-ﬁ-Я");
    }
}
