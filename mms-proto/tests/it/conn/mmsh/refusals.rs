//! "No", and "not here".

use std::time::Duration;

use mms_proto::conn::mmsh::Ask;
use mms_proto::conn::{Awaited, Error, Event, Refusal};
use mms_proto::wire::playlist;

use super::script::{HEAD, Script, config, play, trace};

fn only(ask: Ask, response: &str) -> Event {
    let mut told = trace(ask, [response.as_bytes()]);
    assert_eq!((told.events.len(), told.closed, told.error.take()), (1, true, None), "{response}");
    told.events.remove(0)
}

#[test]
fn a_status_is_passed_on_with_its_words() {
    for (status, text) in [
        (400, "Bad Request"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (500, "Oops"),
        (503, ""),
        (304, "Same"),
        (600, "?"),
    ] {
        let event =
            only(play(), &format!("HTTP/1.0 {status} {text}\r\nContent-Type: text/html\r\n\r\n<html>no</html>"));
        assert_eq!(event, Event::Refused(refusal(status, text, None)));
    }
    let busy = only(Ask::Describe, "HTTP/1.1 503 Server Busy\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(busy, Event::Refused(refusal(503, "Server Busy", Some(30))));
}

/// Built by way of an answer, as nobody outside can make one.
fn refusal(status: u16, text: &str, retry_after: Option<u64>) -> Refusal {
    let retry = retry_after.map(|seconds| format!("Retry-After: {seconds}\r\n")).unwrap_or_default();
    let Event::Refused(refusal) = only(play(), &format!("HTTP/1.0 {status} {text}\r\n{retry}\r\n")) else {
        panic!("no refusal")
    };
    let Refusal::Http { status: told, text: words, retry_after: wait, .. } = &refusal else { panic!("{refusal:?}") };
    assert_eq!((*told, words.as_str(), *wait), (status, text, retry_after.map(Duration::from_secs)));
    refusal
}

#[test]
fn a_redirection_is_passed_on_as_it_stands() {
    for status in [301, 302, 303, 307, 308] {
        for location in
            ["http://other.test/f.asf", "mms://other.test/f.asf", "rtsp://other.test/f", "/elsewhere?x=1", "%00 \u{e9}"]
        {
            let event = only(play(), &format!("HTTP/1.1 {status} There\r\nLocation: {location}\r\n\r\n"));
            assert_eq!(event, Event::Redirected(location.to_owned()));
        }
        let nowhere = only(play(), &format!("HTTP/1.1 {status} Somewhere\r\nLocation:\r\n\r\n"));
        assert!(matches!(nowhere, Event::Refused(Refusal::Http { .. })), "{nowhere:?}");
    }
    let proxy = only(play(), "HTTP/1.1 305 Use Proxy\r\nLocation: http://proxy.test:3128/\r\n\r\n");
    assert_eq!(proxy, Event::UseProxy("http://proxy.test:3128/".to_owned()));
}

#[test]
fn interim_answers_are_waited_out_but_not_for_ever() {
    let event = only(play(), "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\n\r\n");
    assert!(matches!(event, Event::Refused(Refusal::Http { status: 404, .. })));
    let mut script = Script::playing();
    script.hear("HTTP/1.1 100 Continue\r\n\r\n".repeat(9));
    assert_eq!(script.error(), Error::Limit { what: "interim responses", max: 8 });
}

fn body(event: &Event) -> (Option<&str>, &[u8]) {
    match event {
        Event::Refused(Refusal::NotMms { content_type, body, .. }) => (content_type.as_deref(), body),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_playlist_in_place_of_media_can_be_read() {
    let asx = "<ASX version=\"3.0\"><Entry><Ref href=\"mms://h/f.asf\"/></Entry></ASX>";
    for lines in ["", "Content-Length: 65\r\n", "Server: Cougar/9.01.01.3814\r\n"] {
        let event =
            only(Ask::Describe, &format!("HTTP/1.0 200 OK\r\nContent-Type: Video/X-MS-ASF; x=y\r\n{lines}\r\n{asx}"));
        let (content_type, body) = body(&event);
        assert_eq!(content_type, Some("video/x-ms-asf"));
        assert_eq!(playlist(body).unwrap(), ["mms://h/f.asf"]);
    }
}

#[test]
fn web_pages_raw_files_and_nothing_at_all_are_not_mms() {
    for text in ["<html>hello</html>", "0&\u{b2}u", "$", "$X??", "no", ""] {
        let event = only(play(), &format!("HTTP/1.0 200 OK\r\n\r\n{text}"));
        assert_eq!(body(&event), (None, text.as_bytes()), "{text:?}");
        let coded = match text.len() {
            0 => "0\r\n\r\n".to_owned(),
            len => format!("{len:x}\r\n{text}\r\n0\r\n\r\n"),
        };
        let coded = only(play(), &format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{coded}"));
        assert_eq!(event, coded);
    }
    let none = only(play(), "HTTP/1.0 204 No Content\r\n\r\n");
    assert_eq!(body(&none), (None, &b""[..]));
}

#[test]
fn of_a_large_body_the_first_part_is_kept() {
    let mut script = Script::playing();
    script.hear("HTTP/1.0 200 OK\r\n\r\n").hear(vec![b'x'; 40_000]);
    assert!(script.trace.events.is_empty());
    script.hear(vec![b'y'; 40_000]);
    let (_, kept) = body(&script.trace.events[0]);
    assert_eq!((kept.len(), kept.iter().filter(|&&byte| byte == b'x').count()), (64 << 10, 40_000));
    assert!(script.trace.closed);
    assert_eq!(script.hear(vec![b'z'; 40_000]).trace.events.len(), 1);
}

#[test]
fn a_body_that_does_not_end_in_time_is_given_as_far_as_it_came() {
    let mut script = Script::playing();
    script.hear("HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\n<asx><ref href=\"mms://h/f\"/>").elapse(30);
    assert_eq!(playlist(body(&script.trace.events[0]).1).unwrap(), ["mms://h/f"]);
    assert_eq!((script.trace.closed, script.trace.error.clone()), (true, None));
}

#[test]
fn a_body_that_claims_to_be_chunks_and_is_none_is_broken() {
    let mut script = Script::playing();
    script.hear(HEAD).hear("rubbish");
    assert!(matches!(script.error(), Error::Malformed(error) if error.what == "the chunks" && error.offset == 0));
    let mut script = Script::new(config(), Ask::Describe);
    script.hear(HEAD).close();
    assert_eq!(script.error(), Error::Closed(Awaited::Header));
}

#[test]
fn a_media_server_that_sends_nothing_is_not_ready() {
    for server in ["Cougar 4.1.0.3921", "Cougar/9.01.01.3814", "Rex/9.00.00.2980"] {
        let head = format!("HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\nServer: {server}\r\n\r\n");
        for ask in [Ask::Describe, play()] {
            let told = trace(ask, [head.as_bytes()]);
            assert_eq!((told.events.len(), told.error), (0, Some(Error::Closed(Awaited::Header))));
        }
        let playlist = only(play(), &format!("{head}<asx></asx>"));
        assert_eq!(body(&playlist).1, b"<asx></asx>");
        let page = only(play(), &format!("{head}<html>"));
        assert_eq!(body(&page).1, b"<html>");
    }
}
