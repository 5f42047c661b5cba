//! What must hold for any question of who we are. The fuzz targets run these on what they invent, `tests/it` on the corpus.

use bytes::Bytes;
use mms_proto::client::{AuthContext, Authenticator, Credentials, Transport};
use mms_proto::conn::{Challenge, Challenger, Offer};
use mms_proto::wire::{Secret, offers};

/// A password that is in no answer but Basic's, where it is in base64.
const PASSWORD: &str = "Sw0rdfish";

/// The answers to the first question, to the second and to the third.
fn answers(transport: Transport, offers: Vec<Offer>) -> [Option<Bytes>; 3] {
    let who = Credentials::new("DOMAIN\\user", Some(Secret::new(PASSWORD).expect("a secret")));
    let holds = |text: &[u8]| text.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes());
    // A realm comes back as it was told, without its backslashes: what is in it is no secret.
    let is_told = offers.iter().any(|offer| {
        let plain: Vec<u8> = offer.token.iter().copied().filter(|byte| *byte != b'\\').collect();
        holds(&plain)
    });
    let challenge = Challenge::new(Challenger::Server, offers);
    [0, 1, 2].map(|legs| {
        let mut context = AuthContext::new(transport, "h.test", "/d/f.asf?q=1");
        context.legs = legs;
        let answer = who.answer(&challenge, &context)?;
        let shown = holds(&answer) && !is_told;
        assert!(!shown || matches!(transport, Transport::Mmst), "the password as it is");
        Some(answer)
    })
}

/// One line for each line of the header, whatever the server offers, and no answer to a third question.
pub(crate) fn auth_offers(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let all = offers(text.lines());
    assert!(all.len() <= 16, "more offers than are looked at");
    let told: usize = all.iter().map(|(scheme, token)| scheme.len() + token.len()).sum();
    assert!(told <= 2 * data.len(), "more offers than were made");
    let all: Vec<Offer> = all.into_iter().map(|(scheme, token)| Offer::new(scheme, token)).collect();
    let answers = answers(Transport::Mmsh, all);
    for answer in answers.iter().flatten() {
        let line = std::str::from_utf8(answer).expect("a header line");
        let scheme = line.split_once(' ').map(|(scheme, _)| scheme.to_ascii_lowercase());
        assert!(matches!(scheme.as_deref(), Some("ntlm" | "negotiate" | "digest" | "basic")), "{line}");
        // What could begin another line is an answer to nobody: it is no secret.
        assert!(!line.contains(['\r', '\n']) || Secret::new(line).is_err(), "two header lines: {line:?}");
    }
    assert_eq!(answers[2], None, "a question that comes again and again");
}

/// The answer to a challenge of NTLM is a message of it, in both ways to carry MMS, or there is none in both.
pub(crate) fn auth_ntlm(data: &[u8]) {
    let token = Bytes::copy_from_slice(data);
    let [_, by_http, _] = answers(Transport::Mmsh, vec![Offer::new("NTLM", token.clone())]);
    let wrapped = [&[0, 0][..], &token].concat();
    let [_, by_mms, _] = answers(Transport::Mmst, vec![Offer::new("NTLM", wrapped)]);
    if let Some(answer) = &by_mms {
        assert_eq!(answer.get(26..38), Some(&b"NTLMSSP\0\x03\0\0\0"[..]), "AUTHENTICATE_MESSAGE");
    }
    // Over MMS a message of zeros is none yet.
    assert_eq!(by_http.is_some(), by_mms.is_some());
}

/// The first byte chooses the AuthenPackage; the rest is the token.
pub(crate) fn auth_mms(data: &[u8]) {
    let Some((package, token)) = data.split_first() else { return };
    let package = ["", "NTLM", "BASIC", "DPA"][usize::from(*package) % 4];
    let [first, _, third] = answers(Transport::Mmst, vec![Offer::new(package, Bytes::copy_from_slice(token))]);
    if let Some(first) = first {
        let ntlm = first.get(26..38) == Some(&b"NTLMSSP\0\x01\0\0\0"[..]);
        assert!(ntlm || first.ends_with(&[0]), "neither NTLM nor a string");
    }
    assert_eq!(third, None, "a question that comes again and again");
}
