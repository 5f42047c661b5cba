//! Digest, as RFC 7616 section 3.4 has it.

use std::collections::HashMap;

use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::{PASSWORD, USER};

const REALM: &str = r#"the "films", all"#;
const NONCE: &str = "0123/nonce==";

pub(crate) fn offer(more: &str, stale: bool) -> String {
    let realm = REALM.replace('"', "\\\"");
    let stale = if stale { ", stale=true" } else { "" };
    format!("Digest realm=\"{realm}\", nonce=\"{NONCE}\", opaque=\"o\"{stale}{more}")
}

pub(crate) fn is_right(given: &str, head: &str, more: &str) -> bool {
    let given = parameters(given);
    let word = |name: &str| given.get(name).cloned().unwrap_or_default();
    let sha = more.contains("SHA-256");
    let hash = |text: String| {
        let bytes = if sha { Sha256::digest(text).to_vec() } else { Md5::digest(text).to_vec() };
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let (uri, nonce, cnonce, nc) = (word("uri"), word("nonce"), word("cnonce"), word("nc"));
    let mut a1 = hash(format!("{USER}:{REALM}:{PASSWORD}"));
    if more.contains("-sess") {
        a1 = hash(format!("{a1}:{nonce}:{cnonce}"));
    }
    let a2 = hash(format!("GET:{uri}"));
    let response = match more.contains("qop") {
        true if word("qop") != "auth" || nc.len() != 8 || cnonce.is_empty() => return false,
        true => hash(format!("{a1}:{nonce}:{nc}:{cnonce}:auth:{a2}")),
        false if given.contains_key("nc") => return false,
        false => hash(format!("{a1}:{nonce}:{a2}")),
    };
    let target = head.split(' ').nth(1).unwrap();
    // A proxy gets a whole URL.
    let is_target = target == uri || target.starts_with("http://") && target.ends_with(&uri) && uri.starts_with('/');
    let user = if more.contains("userhash") { hash(format!("{USER}:{REALM}")) } else { USER.to_owned() };
    let said = [word("username"), word("realm"), nonce, word("opaque"), word("response")];
    is_target && said == [user, REALM.to_owned(), NONCE.to_owned(), "o".to_owned(), response]
}

fn parameters(text: &str) -> HashMap<String, String> {
    let (mut found, mut name, mut value, mut quoted, mut escaped, mut named) =
        (HashMap::new(), String::new(), String::new(), false, false, false);
    for char in text.chars().chain([',']) {
        match char {
            _ if escaped => {
                value.push(char);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                found.insert(name.trim().to_owned(), value.trim().to_owned());
                (name, value, named) = (String::new(), String::new(), false);
            }
            '=' if !quoted && !named => named = true,
            char if named => value.push(char),
            char => name.push(char),
        }
    }
    found
}
