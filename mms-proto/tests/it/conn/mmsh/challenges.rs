//! Questions for credentials.

use mms_proto::conn::{Awaited, Challenge, Challenger, Error, Event};

use super::script::{HEAD, Script, answer, config, end, header, packet, play};

const KEPT: &str = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM, Basic realm=\"a, b\"\r\n\
    Content-Length: 5\r\n\r\n";

fn asked(script: &Script) -> &Challenge {
    match script.trace.events.last() {
        Some(Event::Challenged(challenge)) => challenge,
        other => panic!("{other:?}"),
    }
}

fn schemes(script: &Script) -> Vec<&str> {
    asked(script).offers.iter().map(|offer| offer.scheme.as_str()).collect()
}

#[test]
fn basic_is_answered_on_a_new_connection_where_the_old_one_ends() {
    let mut script = Script::playing();
    script.hear("HTTP/1.0 401 No\r\nWWW-Authenticate: Basic realm=\"r\"\r\n\r\n<html>");
    assert_eq!(schemes(&script), ["Basic"]);
    assert_eq!(&asked(&script).offers[0].token[..], b"realm=\"r\"");
    assert!(script.trace.closed && !script.machine.is_answerable());
    assert!(matches!(script.answer("Basic dTpw"), Err(Error::Misuse(_))));
    script.close();
    assert_eq!(script.trace.error, None);

    let mut again = config();
    again.authorization = Some(mms_proto::wire::Secret::new("Basic dTpw").unwrap());
    assert!(!format!("{again:?}").contains("dTpw"));
    let script = Script::new(again, play());
    assert!(script.trace.sent[0].contains("\r\nAuthorization: Basic dTpw\r\n"));
    assert!(!format!("{:?}", script.machine).contains("dTpw"));
}

#[test]
fn three_legs_go_over_one_connection() {
    let mut script = Script::playing();
    script.hear(KEPT);
    assert!(script.trace.events.is_empty(), "the body is still to come");
    script.hear("sorry");
    assert_eq!(schemes(&script), ["Negotiate", "NTLM", "Basic"]);
    assert!(script.machine.is_answerable() && !script.trace.closed);
    assert_eq!(script.wait, None);
    script.answer("NTLM TlRMTVNTUAAB").unwrap();
    assert!(!script.machine.is_answerable());
    let second = "HTTP/1.1 401 More\r\nWWW-Authenticate: NTLM TlRMTVNTUAAC\r\nContent-Length: 0\r\n\r\n";
    script.hear(second);
    assert_eq!(&asked(&script).offers[0].token[..], b"NTLMSSP\0\x02");
    script.answer("NTLM TlRMTVNTUAAD").unwrap();
    script.hear(answer(HEAD, &[header(0, 0x0C, b"hdr"), packet(40, b"p"), end(0)]));
    assert_eq!(script.trace.events.len(), 7);
    assert_eq!(script.trace.sent.len(), 3);
    for (sent, token) in script.trace.sent[1..].iter().zip(["AAB", "AAD"]) {
        assert!(sent.contains(&format!("\r\nAuthorization: NTLM TlRMTVNTU{token}\r\n")), "{sent}");
        assert!(sent.ends_with("\r\nConnection: Keep-Alive\r\n\r\n"), "{sent}");
    }
}

#[test]
fn a_proxy_gets_its_own_line() {
    let mut script = Script::playing();
    script.hear("HTTP/1.0 407 No\r\nProxy-Authenticate: Basic realm=\"p\"\r\nProxy-Connection: keep-alive\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(asked(&script).from, Challenger::Proxy);
    script.answer("Basic cDpw").unwrap();
    assert!(script.trace.sent[1].contains("\r\nProxy-Authorization: Basic cDpw\r\n"));
    script.hear(KEPT).hear("sorry");
    script.answer("Basic dTpw").unwrap();
    let both = "\r\nAuthorization: Basic dTpw\r\nProxy-Authorization: Basic cDpw\r\n";
    assert!(script.trace.sent[2].contains(both), "{}", script.trace.sent[2]);
}

#[test]
fn a_connection_that_does_not_stay_open_is_told_by_what_comes() {
    let open = |end: &dyn Fn(&mut Script) -> &mut Script| {
        let mut script = Script::playing();
        end(&mut script);
        assert_eq!((schemes(&script).len(), script.trace.error.clone()), (3, None));
        (script.machine.is_answerable(), script.trace.closed)
    };
    let length = |len: &str| KEPT.replace("Length: 5", &format!("Length: {len}"));
    let chunked = KEPT.replace("Content-Length: 5", "Transfer-Encoding: chunked");
    assert_eq!(open(&|script| script.hear(KEPT).hear("sorry")), (true, false));
    assert_eq!(open(&|script| script.hear(&chunked).hear("5\r\nsorry\r\n0\r\n\r\n")), (true, false));
    // It ends, early or late; it says more than it announced; it is slow; it is long; it is broken.
    assert_eq!(open(&|script| script.hear(KEPT).close()), (false, true));
    assert_eq!(open(&|script| script.hear(KEPT).hear("sorry").close()), (false, false));
    assert_eq!(open(&|script| script.hear(KEPT).hear("sorry!")), (false, true));
    assert_eq!(open(&|script| script.hear(KEPT).elapse(15)), (false, true));
    assert_eq!(open(&|script| script.hear(length("65537"))), (false, true));
    assert_eq!(open(&|script| script.hear(&chunked).hear("20000\r\n").hear(vec![b'x'; 65537])), (false, true));

    assert_eq!(open(&|script| script.hear(&chunked).hear("no\r\n")), (false, true));
    assert_eq!(open(&|script| script.hear(KEPT.replace("Content-Length: 5\r\n", ""))), (false, true));
    assert_eq!(open(&|script| script.hear(KEPT.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"))), (false, true));
}

#[test]
fn it_does_not_matter_how_a_long_body_is_cut() {
    let chunked = KEPT.replace("Content-Length: 5", "Transfer-Encoding: chunked");
    let body = [chunked.as_bytes(), b"20000\r\n", &vec![b'x'; 0x20000], b"\r\n0\r\n\r\n"].concat();
    let mut whole = Script::playing();
    whole.hear(&body);
    let mut cut = Script::playing();
    for piece in body.chunks(100) {
        cut.hear(piece);
    }
    assert_eq!(whole.trace, cut.trace);
    assert!(whole.trace.closed);
}

#[test]
fn questions_have_a_limit() {
    let mut script = Script::playing();
    for _ in 0..6 {
        script.hear(KEPT).hear("sorry");
        script.answer("Basic dTpw").unwrap();
    }
    script.hear(KEPT);
    assert_eq!(script.error(), Error::Limit { what: "questions for credentials", max: 6 });
    assert_eq!(script.answer("Basic dTpw"), Err(script.error()));
}

#[test]
fn after_an_answer_the_deadlines_begin_anew() {
    let mut script = Script::playing();
    script.elapse(10).hear(KEPT).hear("sorry").elapse(100);
    script.answer("Basic dTpw").unwrap();
    assert_eq!(script.deadline(), Some(15));
    script.elapse(15);
    assert_eq!(script.error(), Error::TimedOut(Awaited::Response));
}
