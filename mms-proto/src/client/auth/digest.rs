//! Digest: a hash of the password, a nonce of the server's and what is asked for.
//!
//! ```text
//!   response = H( H(A1) ":" nonce ":" nc ":" cnonce ":" qop ":" H(A2) )    with qop
//!   response = H( H(A1) ":" nonce ":" H(A2) )                             without
//!   A1 = user ":" realm ":" password                     -sess: H(that) ":" nonce ":" cnonce
//!   A2 = "GET:" target
//! ```

use std::collections::HashMap;
use std::fmt::Write as _;

use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::chance;

/// What a server asks.
///
/// Spec: RFC 7616 section 3.3, RFC 2617 section 3.2.1
#[derive(Debug)]
pub(super) struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// As the server writes it; `None`: nothing was said, which is MD5.
    algorithm: Option<String>,
    hash: Hash,
    session: bool,
    /// `qop=auth`; else the older form, without a count.
    counted: bool,
    stale: bool,
    userhash: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hash {
    Md5,
    Sha256,
}

/// What the answer is for.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// The request target.
    pub(super) target: &'a str,
    /// How many requests had an answer to the same challenge before.
    pub(super) uses: u32,
    /// Our nonce.
    pub(super) cnonce: &'a str,
}

/// A nonce of ours.
pub(super) fn cnonce() -> String {
    hex(&[chance::nonce(), chance::nonce()].concat())
}

impl Challenge {
    /// Reads the parameters of an offer. `None` if there is no nonce, or an algorithm or a quality that is not known here.
    ///
    /// Spec: RFC 7616 section 3.3. Observed: a realm may be missing in old servers; it is then empty
    pub(super) fn decode(parameters: &[u8]) -> Option<Self> {
        let mut known = parse(std::str::from_utf8(parameters).ok()?);
        let algorithm = known.remove("algorithm");
        let (hash, session) = match algorithm.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("md5") => (Hash::Md5, false),
            Some("md5-sess") => (Hash::Md5, true),
            Some("sha-256") => (Hash::Sha256, false),
            Some("sha-256-sess") => (Hash::Sha256, true),
            Some(_) => return None,
        };
        let qop = known.remove("qop");
        let auth = |list: &String| list.split(',').any(|word| word.trim().eq_ignore_ascii_case("auth"));
        let counted = qop.as_ref().is_some_and(auth);
        // The session key needs a nonce of ours, which the older form does not carry.
        if qop.is_some() != counted || session && !counted {
            return None;
        }
        let is_true = |value: Option<String>| value.is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Some(Self {
            realm: known.remove("realm").unwrap_or_default(),
            nonce: known.remove("nonce")?,
            opaque: known.remove("opaque"),
            algorithm,
            hash,
            session,
            counted,
            stale: is_true(known.remove("stale")),
            userhash: is_true(known.remove("userhash")),
        })
    }

    /// The larger the better.
    pub(super) fn strength(&self) -> (Hash, bool) {
        (self.hash, self.counted)
    }

    /// The nonce was too old, and the answer to it right.
    pub(super) fn is_stale(&self) -> bool {
        self.stale
    }

    /// The value of the header line. The target is the one of the request line without scheme and host even towards a proxy.
    ///
    /// Spec: RFC 7616 sections 3.4 and 3.4.4 (userhash), RFC 2617 section 3.2.2. Observed: curl 7.88 sends the target so to proxies, and a
    /// `\` in a name as `\\` in quotes but single in the hash
    pub(super) fn answer(&self, user: &str, password: &str, request: &Request<'_>) -> String {
        let Request { target, cnonce, .. } = request;
        let Self { realm, nonce, .. } = self;
        let count = format!("{:08x}", request.uses.saturating_add(1));
        let mut a1 = self.digest(&format!("{user}:{realm}:{password}"));
        if self.session {
            a1 = self.digest(&format!("{a1}:{nonce}:{cnonce}"));
        }
        let a2 = self.digest(&format!("GET:{target}"));
        let response = self.digest(&match self.counted {
            true => format!("{a1}:{nonce}:{count}:{cnonce}:auth:{a2}"),
            false => format!("{a1}:{nonce}:{a2}"),
        });
        let hashed = self.userhash.then(|| self.digest(&format!("{user}:{realm}")));
        let user = hashed.as_deref().unwrap_or(user);
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\"",
            quoted(user),
            quoted(realm),
            quoted(nonce),
            quoted(target),
        );
        if let Some(algorithm) = &self.algorithm {
            value += &format!(", algorithm={algorithm}");
        }
        if let Some(opaque) = &self.opaque {
            value += &format!(", opaque={}", quoted(opaque));
        }
        if self.counted {
            value += &format!(", qop=auth, nc={count}, cnonce={}", quoted(cnonce));
        }
        if self.userhash {
            value += ", userhash=true";
        }
        value
    }

    fn digest(&self, text: &str) -> String {
        match self.hash {
            Hash::Md5 => hex(&Md5::digest(text)),
            Hash::Sha256 => hex(&Sha256::digest(text)),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Names in lower case, and values without quotes. Of two of the same name the first counts.
///
/// Spec: RFC 9110 sections 5.6.4 and 11.2
fn parse(text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches(|char: char| char == ',' || char.is_whitespace()).to_ascii_lowercase();
        let after = after.trim_start();
        let value;
        (value, rest) = match after.strip_prefix('"') {
            Some(inside) => unquoted(inside),
            None => {
                let (value, rest) = after.split_once(',').unwrap_or((after, ""));
                (value.trim().to_owned(), rest)
            }
        };
        found.entry(name).or_insert(value);
    }
    found
}

/// What stands before the closing quote, and what after it.
fn unquoted(inside: &str) -> (String, &str) {
    let (mut value, mut escaped) = (String::new(), false);
    for (at, char) in inside.char_indices() {
        match char {
            '"' if !escaped => return (value, inside.get(at.saturating_add(1)..).unwrap_or_default()),
            '\\' if !escaped => escaped = true,
            char => {
                value.push(char);
                escaped = false;
            }
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(challenge: &str, user: &str, password: &str, request: &Request<'_>) -> String {
        Challenge::decode(challenge.as_bytes()).unwrap().answer(user, password, request)
    }

    const RFC_2617: &str = r#"realm="testrealm@host.com", qop="auth,auth-int",
        nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41""#;

    /// RFC 2617 section 3.5
    #[test]
    fn the_example_of_rfc_2617_comes_out() {
        let request = Request { target: "/dir/index.html", uses: 0, cnonce: "0a4f113b" };
        assert_eq!(
            answer(RFC_2617, "Mufasa", "Circle Of Life", &request),
            "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
             uri=\"/dir/index.html\", response=\"6629fae49393a05397450978507c4ef1\", \
             opaque=\"5ccc069c403ebaf9f0171e9517f40e41\", qop=auth, nc=00000001, cnonce=\"0a4f113b\""
        );
    }

    /// RFC 2069 section 2.4, with the response as its erratum 749 has it
    #[test]
    fn the_form_without_a_count_is_that_of_rfc_2069() {
        let challenge = "realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
        let request = Request { target: "/dir/index.html", uses: 0, cnonce: "unused" };
        let value = answer(challenge, "Mufasa", "CircleOfLife", &request);
        assert!(value.contains("response=\"1949323746fe6a43ef61f9606e7febea\""), "{value}");
        assert!(!value.contains("nonce=\"unused") && !value.contains("qop"), "{value}");
    }

    /// RFC 7616 section 3.9.1
    #[test]
    fn the_examples_of_rfc_7616_come_out() {
        let request =
            Request { target: "/dir/index.html", uses: 0, cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ" };
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let challenge = format!(
                "realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            );
            let value = answer(&challenge, "Mufasa", "Circle of Life", &request);
            assert!(value.contains(&format!("response=\"{response}\"")), "{value}");
            assert!(value.contains(&format!("algorithm={algorithm}, opaque=\"FQhe/qaU9")), "{value}");
        }
    }

    /// Computed with Python's hashlib.
    #[test]
    fn a_session_key_and_a_hashed_name_are_as_two_strangers_compute_them() {
        let request = Request { target: "/f?x=1", uses: 1, cnonce: "c" };
        let md5 = answer("realm=r, nonce=n, qop=auth, algorithm=MD5-sess", "u", "p", &request);
        assert!(md5.contains("response=\"6d3a83bcae9f22f64ba6eb462bb220e9\"") && md5.contains("nc=00000002"), "{md5}");
        let sha = answer("realm=r, nonce=n, qop=auth, algorithm=SHA-256-sess, userhash=TRUE", "u", "p", &request);
        assert!(
            sha.contains("response=\"24ca4940d20c61a599927c2aab3f12fb94d1afe75d65ac075d82ab73c977c77f\"")
                && sha.contains("username=\"1d8a03a6e21a4ce775060ea57360329ac750dea5d847297b42f0d46539af8ab2\""),
            "{sha}"
        );
        assert!(sha.ends_with("userhash=true"));
    }

    #[test]
    fn what_is_not_known_here_is_not_answered() {
        for challenge in [
            "",
            "realm=\"r\"",
            "nonce=n, algorithm=SHA-512-256",
            "nonce=n, qop=auth-int",
            "nonce=n, qop=\"\"",
            "nonce=n, algorithm=MD5-sess",
            "nonce",
            "=",
            "\"",
        ] {
            assert!(Challenge::decode(challenge.as_bytes()).is_none(), "{challenge}");
        }
        assert!(Challenge::decode(b"nonce=\xFF").is_none());
    }

    #[test]
    fn quotes_and_commas_in_values_stay_where_they_are() {
        let known = parse(r#" realm = "a \"b\", c\\" ,, nonce=x/y==  , Stale=TRUE, nonce=second, open="to the end"#);
        assert_eq!(known["realm"], r#"a "b", c\"#);
        assert_eq!((known["nonce"].as_str(), known["stale"].as_str()), ("x/y==", "TRUE"));
        assert_eq!(known["open"], "to the end");
        let request = Request { target: "/", uses: 0, cnonce: "c" };
        let value = answer(r#"realm="a\"b", nonce="n""#, r"DOMAIN\user", "p", &request);
        assert!(value.starts_with(r#"Digest username="DOMAIN\\user", realm="a\"b", nonce="n", uri="/""#), "{value}");
    }

    #[test]
    fn every_cut_of_a_challenge_is_an_answer_or_none() {
        let request = Request { target: "/", uses: u32::MAX, cnonce: "c" };
        for cut in 0..RFC_2617.len() {
            if let Some(challenge) = Challenge::decode(&RFC_2617.as_bytes()[..cut]) {
                assert!(challenge.answer("u", "p", &request).starts_with("Digest username=\"u\", realm="));
            }
        }
    }
}
