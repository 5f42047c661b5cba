//! Offers to prove who we are.

use mms_proto::wire::{Secret, is_of_connection, offers};

fn offered(lines: &[&str]) -> Vec<(String, String)> {
    let text = |token: &[u8]| String::from_utf8_lossy(token).into_owned();
    offers(lines.iter().copied()).into_iter().map(|(scheme, token)| (scheme, text(&token))).collect()
}

fn pair(scheme: &str, token: &str) -> (String, String) {
    (scheme.to_owned(), token.to_owned())
}

#[test]
fn offers_are_told_apart_on_one_line_and_on_several() {
    let lines =
        ["Negotiate, NTLM", "Basic realm=\"a, b\", Digest realm=\"x\",nonce=\"n=1\" , qop = auth", "NTLM TlRMTVNTUAA="];
    let expected = [
        pair("Negotiate", ""),
        pair("NTLM", ""),
        pair("Basic", "realm=\"a, b\""),
        pair("Digest", "realm=\"x\", nonce=\"n=1\", qop = auth"),
        pair("NTLM", "NTLMSSP\0"),
    ];
    assert_eq!(offered(&lines), expected);
}

#[test]
fn a_quote_behind_a_backslash_ends_nothing() {
    let lines = [r#"Digest realm="a \", Basic", nonce="n", Basic realm="b\\", NTLM"#];
    let expected =
        [pair("Digest", r#"realm="a \", Basic", nonce="n""#), pair("Basic", r#"realm="b\\""#), pair("NTLM", "")];
    assert_eq!(offered(&lines), expected);
    assert_eq!(offered(&[r"Basic realm=a\", "NTLM"]), [pair("Basic", r"realm=a\"), pair("NTLM", "")]);
    let all = r#"Digest realm="a\"b\\", nonce=n, NTLM"#;
    for cut in 0..all.len() {
        assert!(offered(&[&all[..cut]]).len() <= 2, "{cut}");
    }
}

#[test]
fn odd_lines_offer_nothing_or_what_they_can() {
    assert_eq!(offered(&["", ", ,", "realm=\"x\""]), []);
    assert_eq!(offered(&["Basic"]), [pair("Basic", "")]);
    assert_eq!(offered(&["NTLM not base64!"]), [pair("NTLM", "not base64!")]);
    assert_eq!(offers(["X"; 1000].into_iter()).len(), 16);
}

#[test]
fn all_but_two_schemes_are_of_the_connection() {
    for answer in ["NTLM TlRMTVNTUAA=", "Negotiate x", "Basically x", "X"] {
        assert!(is_of_connection(answer), "{answer}");
    }
    for answer in ["Basic dTpw", "basic dTpw", "Digest username=\"u\"", "DIGEST"] {
        assert!(!is_of_connection(answer), "{answer}");
    }
}

#[test]
fn a_secret_is_one_line_and_is_not_shown() {
    let secret = Secret::new("Basic dTpw").unwrap();
    assert_eq!(secret.expose(), "Basic dTpw");
    assert_eq!((format!("{secret}"), format!("{secret:?}")), ("***".to_owned(), "***".to_owned()));
    assert_eq!(Secret::new("a\r\nb").expect_err("two lines").offset, 1);
    assert!(Secret::new("a".repeat(Secret::MAX_LEN)).is_ok());
    assert!(Secret::new("a".repeat(Secret::MAX_LEN + 1)).is_err());
}
