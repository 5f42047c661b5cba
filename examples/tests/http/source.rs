//! What the contract does not ask of every source, but this one promises.

use std::time::Duration;

use segfetch::source::{Access, End, ErrorClass, Extent, OpenRequest, Phase, RangeSource, Strength};
use segfetch_cli::http::{Client, HttpSource};

use crate::server::{Body, Server, Then};
use crate::support::{MIB, content, open, probe, read, refused, source};

#[tokio::test]
async fn a_probe_tells_length_time_name_and_that_ranges_work() {
    let server = Server::start(MIB, 1);
    let info = probe(&source(&server.url())).await.unwrap();
    assert_eq!(info.extent, Extent::Known(MIB));
    assert_eq!(info.access, Access::Random);
    assert!(info.exact_ends);
    assert_eq!(info.modified, Some((784_111_741, 0)));
    assert_eq!(info.validator.strength(), Strength::Strong);
    assert_eq!(info.name.as_deref(), Some(&b"f"[..]));
    server.wait_for("its one byte", |log| log.sent == 1).await;
}

#[tokio::test]
async fn an_entity_tag_is_strong_a_weak_one_or_a_time_is_weak_and_without_both_there_is_nothing() {
    let server = Server::start(MIB, 1);
    for (etag, modified, strength) in [
        (Some("W/\"1\""), true, Strength::Weak),
        (None, true, Strength::Weak),
        (None, false, Strength::None),
        (Some("\"1\""), false, Strength::Strong),
    ] {
        server.script(move |_, answer| {
            answer.headers.remove("ETag");
            etag.into_iter().for_each(|etag| answer.set("ETag", etag));
            if !modified {
                answer.headers.remove("Last-Modified");
            }
        });
        assert_eq!(probe(&source(&server.url())).await.unwrap().validator.strength(), strength, "{etag:?} {modified}");
    }
}

#[tokio::test]
async fn a_name_of_the_server_is_taken_if_it_stays_in_its_directory() {
    let server = Server::start(MIB, 1);
    for (disposition, name) in [
        ("attachment; filename=\"disc 1.iso\"", "disc 1.iso"),
        ("attachment; filename=x; filename*=UTF-8''y", "x"),
        ("attachment; filename=\"../x\"", "f"),
        ("attachment; filename=/etc/passwd", "f"),
        ("attachment; filename=\"..\"", "f"),
        ("attachment; filename=", "f"),
        ("inline", "f"),
    ] {
        server.script(move |_, answer| answer.set("Content-Disposition", disposition));
        let info = probe(&source(&server.url())).await.unwrap();
        assert_eq!(String::from_utf8(info.name.unwrap()).unwrap(), name, "{disposition}");
    }
}

#[tokio::test]
async fn an_empty_file_is_empty_whether_or_not_its_server_knows_ranges() {
    let server = Server::start(0, 1);
    for ranges in [true, false] {
        server.script(move |_, answer| {
            if !ranges {
                answer.set_whole(1, 0);
            }
        });
        let source = source(&server.url());
        assert_eq!(probe(&source).await.unwrap().extent, Extent::Known(0));
        assert_eq!(read(&mut *open(&source, OpenRequest::from(0)).await.unwrap()).await.unwrap(), b"");
    }
}

#[tokio::test]
async fn ranges_that_are_refused_or_answered_wrongly_are_done_without() {
    let server = Server::start(MIB, 1);
    for wrong in [None, Some("bytes 1-1/1048576"), Some("bytes 0-0/0"), Some("items 0-0/1048576"), Some("nonsense")] {
        server.script(move |request, answer| match (request.range(), wrong) {
            (None, _) => {}
            (_, Some(wrong)) => answer.set("Content-Range", wrong),
            (_, None) => answer.set_refusal(416),
        });
        let source = source(&server.url());
        let info = probe(&source).await.unwrap();
        assert_eq!((info.access, info.extent), (Access::FromStartOnly, Extent::Known(MIB)), "{wrong:?}");
        assert!(!info.exact_ends);
        let bytes = read(&mut *open(&source, OpenRequest::from(0)).await.unwrap()).await.unwrap();
        assert!(bytes == content(1, MIB), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_part_that_was_not_asked_for_is_refused_before_its_first_byte() {
    let server = Server::start(MIB, 1);
    let source = source(&server.url());
    let expected = probe(&source).await.unwrap().validator;
    let request = || OpenRequest::from(1000).with_end(End::Exact(2000)).expecting(expected.clone());
    for (range, class) in [
        ("bytes 999-1998/1048576", ErrorClass::RangeNotSupported),
        ("bytes 999-1999/1048576", ErrorClass::RangeNotSupported),
        ("bytes 1001-1999/1048576", ErrorClass::RangeNotSupported),
        ("bytes 1000-2000/1048576", ErrorClass::RangeNotSupported),
        ("bytes 1000-1998/1048576", ErrorClass::RangeNotSupported), // and 1000 bytes
        ("bytes 1000-1999/1048577", ErrorClass::Changed),
        ("bytes 1999-1000/1048576", ErrorClass::RangeNotSupported),
        ("bytes 1000-1999", ErrorClass::RangeNotSupported),
        ("bytes 1000-18446744073709551615/*", ErrorClass::RangeNotSupported),
        ("", ErrorClass::RangeNotSupported),
    ] {
        server.script(move |_, answer| answer.set("Content-Range", range));
        let error = refused(&source, request()).await;
        assert_eq!(error.class(), class, "{range}: {error}");
        assert_eq!(error.code(), Some(206));
    }
    server.script(|_, answer| drop(answer.headers.remove("Content-Range")));
    assert_eq!(refused(&source, request()).await.class(), ErrorClass::RangeNotSupported);
    server.script(|_, answer| {
        answer.set("Content-Range", "bytes 1000-2000/1048576");
        answer.body = Body::Part(1, 1000..2001);
    });
    assert_eq!(refused(&source, request()).await.class(), ErrorClass::RangeNotSupported, "a byte too many");
    server.script(|_, answer| answer.set("Content-Range", "bytes 1000-1999/*"));
    assert_eq!(read(&mut *open(&source, request()).await.unwrap()).await.unwrap().len(), 1000);
}

#[tokio::test]
async fn an_answer_that_does_not_say_which_file_it_is_of_is_no_part_of_one_that_was_recognised() {
    let server = Server::start(MIB, 1);
    let source = source(&server.url());
    let expected = probe(&source).await.unwrap().validator;
    server.script(|_, answer| {
        answer.headers.remove("ETag");
        answer.headers.remove("Last-Modified");
    });
    for start in [0, 1000] {
        let error = refused(&source, OpenRequest::from(start).expecting(expected.clone())).await;
        assert_eq!(error.class(), ErrorClass::Transient, "{error}");
    }
    let nothing = probe(&source).await.unwrap().validator;
    assert!(open(&source, OpenRequest::from(1000).expecting(nothing)).await.is_ok());
    assert!(open(&source, OpenRequest::from(MIB).expecting(expected)).await.is_ok(), "the end is nothing but a length");
}

#[tokio::test]
async fn a_shorter_part_than_was_asked_for_says_where_it_ends() {
    let server = Server::start(MIB, 1);
    server.script(|request, answer| {
        if let Some((start, _)) = request.range() {
            answer.set("Content-Range", format_args!("bytes {start}-{}/{MIB}", start + 99));
            answer.body = Body::Part(1, start..start + 100);
        }
    });
    let source = source(&server.url());
    let mut reader = open(&source, OpenRequest::from(500)).await.unwrap();
    assert_eq!(reader.opened().ends_at, Some(600));
    assert_eq!(read(&mut *reader).await.unwrap(), content(1, MIB)[500..600]);
}

#[tokio::test]
async fn a_body_that_is_longer_than_its_part_brings_an_error_and_not_the_surplus() {
    let server = Server::start(MIB, 1);
    server.script(|_, answer| {
        answer.chunked = true;
        answer.body = Body::Part(1, 1000..2001);
        answer.set("Content-Range", format_args!("bytes 1000-1999/{MIB}"));
    });
    let mut reader = open(&source(&server.url()), OpenRequest::from(1000).with_end(End::Exact(2000))).await.unwrap();
    assert_eq!(read(&mut *reader).await.unwrap_err().class(), ErrorClass::RangeNotSupported);
}

#[tokio::test]
async fn a_body_that_was_encoded_is_not_the_file() {
    let server = Server::start(MIB, 1);
    server.script(|_, answer| answer.set("Content-Encoding", "gzip"));
    let source = source(&server.url());
    for error in [probe(&source).await.unwrap_err(), refused(&source, OpenRequest::from(9)).await] {
        assert_eq!(error.class(), ErrorClass::Permanent);
        assert!(error.to_string().contains("encodes the file (gzip)"), "{error}");
    }
    assert_eq!(server.log().requests[0].headers["accept-encoding"], "identity");
    server.script(|_, answer| answer.set("Content-Encoding", "identity"));
    assert!(probe(&source).await.is_ok());
}

#[tokio::test]
async fn a_body_whose_end_is_a_closed_connection_is_refused_unless_its_length_is_known_otherwise() {
    let server = Server::start(MIB, 1);
    server.script(|request, answer| {
        answer.set("Connection", "close"); // and no Content-Length
        if request.number > 2 {
            answer.then = Some((5000, Then::Close));
        }
    });
    let source = source(&server.url());
    let mut reader = open(&source, OpenRequest::from(MIB - 6000)).await.unwrap();
    assert_eq!(read(&mut *reader).await.unwrap().len(), 6000);
    assert_eq!(refused(&source, OpenRequest::from(0)).await.class(), ErrorClass::Permanent);
    let mut reader = open(&source, OpenRequest::from(MIB - 6000)).await.unwrap();
    let error = read(&mut *reader).await.unwrap_err();
    assert_eq!((error.class(), error.phase()), (ErrorClass::Transient, Phase::Body), "{error}");
}

#[tokio::test]
async fn every_status_has_its_remedy() {
    let server = Server::start(MIB, 1);
    let source = source(&server.url());
    let throttled = ErrorClass::Throttled { retry_after: None, limit_hint: None };
    for (status, class, phase) in [
        (202, ErrorClass::Permanent, Phase::Open),
        (300, ErrorClass::Permanent, Phase::Open),
        (400, ErrorClass::Permanent, Phase::Open),
        (401, ErrorClass::Denied, Phase::Login),
        (403, ErrorClass::Denied, Phase::Open),
        (404, ErrorClass::NotFound, Phase::Open),
        (407, ErrorClass::Denied, Phase::Login),
        (408, ErrorClass::Transient, Phase::Open),
        (410, ErrorClass::NotFound, Phase::Open),
        (425, ErrorClass::Transient, Phase::Open),
        (429, throttled, Phase::Open),
        (451, ErrorClass::Permanent, Phase::Open),
        (500, ErrorClass::Transient, Phase::Open),
        (502, ErrorClass::Transient, Phase::Open),
        (503, throttled, Phase::Open),
        (504, ErrorClass::Transient, Phase::Open),
    ] {
        server.script(move |_, answer| answer.set_refusal(status));
        let error = refused(&source, OpenRequest::from(1)).await;
        assert_eq!((error.class(), error.phase(), error.code()), (class, phase, Some(status.into())), "{error}");
        assert!(error.to_string().contains(&format!("127.0.0.1 answers {status}")), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_full_says_for_how_long_in_seconds_or_as_a_date() {
    let server = Server::start(MIB, 1);
    let source = source(&server.url());
    for (after, date, seconds) in [
        (Some("120"), None, Some(120)),
        (Some("Sun, 06 Nov 1994 08:51:37 GMT"), Some("Sun, 06 Nov 1994 08:49:37 GMT"), Some(120)),
        (Some("Sun, 06 Nov 1994 08:51:37 GMT"), Some("Sun, 06 Nov 1994 08:59:37 GMT"), Some(0)),
        (Some("Sun, 06 Nov 1994 08:51:37 GMT"), None, None), // by which clock?
        (Some("soon"), None, None),
        (None, None, None),
    ] {
        for status in [429, 503] {
            server.script(move |_, answer| {
                answer.set_refusal(status);
                after.into_iter().for_each(|after| answer.set("Retry-After", after));
                date.into_iter().for_each(|date| answer.set("Date", date));
            });
            let retry_after = seconds.map(Duration::from_secs);
            let class = refused(&source, OpenRequest::from(0)).await.class();
            assert_eq!(class, ErrorClass::Throttled { retry_after, limit_hint: None }, "{after:?}");
        }
    }
}

#[tokio::test]
async fn streams_read_to_their_end_share_a_connection_and_stopped_ones_give_theirs_up() {
    let server = Server::start(16 * MIB, 1);
    let source = source(&server.url());
    probe(&source).await.unwrap();
    for start in [0, 1000, 5 * MIB] {
        let request = OpenRequest::from(start).with_end(End::Exact(start + MIB));
        assert_eq!(read(&mut *open(&source, request).await.unwrap()).await.unwrap().len(), 1 << 20);
    }
    // One, and another if the first was not yet given back when the next stream was asked for.
    assert!(server.log().connections <= 2);
    for _ in 0..3 {
        let reader = open(&source, OpenRequest::from(1)).await.unwrap();
        reader.stop().await;
    }
    let log = server.wait_for("the stopped streams to be closed", |log| log.sending == 0 && log.open <= 1).await;
    assert!(log.connections <= 5, "{log:?}");
}

#[tokio::test]
async fn the_account_goes_to_the_server_of_the_url_and_not_to_where_it_redirects() {
    let (here, there) = (Server::start(MIB, 1), Server::start(MIB, 1));
    let elsewhere = there.url();
    here.script(move |_, answer| {
        answer.set_refusal(302);
        answer.set("Location", &elsewhere);
    });
    let source = source(&here.url().replace("://", "://anna:s%20cret@"));
    probe(&source).await.unwrap();
    read(&mut *open(&source, OpenRequest::from(MIB - 9)).await.unwrap()).await.unwrap();
    assert_eq!(here.log().requests[0].headers["authorization"], "Basic YW5uYTpzIGNyZXQ=");
    assert_eq!(there.log().requests.len(), 2);
    for request in there.log().requests {
        assert!(!request.headers.contains_key("authorization") && !request.headers.contains_key("referer"));
    }
}

#[tokio::test]
async fn a_redirect_is_followed_once_and_again_when_its_target_has_expired() {
    let server = Server::start(MIB, 1);
    server.script(|request, answer| match &*request.path {
        "/f" => {
            answer.set_refusal(302);
            answer.set("Location", format_args!("/f?{}", request.number));
        }
        // The first address that was handed out has expired by the time of the fifth request.
        "/f?1" if request.number > 4 => answer.set_refusal(403),
        _ => {}
    });
    let source = source(&server.url());
    let last = || server.log().requests.last().unwrap().path.clone();
    probe(&source).await.unwrap();
    for _ in 0..2 {
        open(&source, OpenRequest::from(MIB - 9)).await.unwrap();
    }
    assert_eq!((server.log().requests.len(), last()), (4, "/f?1".into()));
    open(&source, OpenRequest::from(MIB - 9)).await.unwrap();
    // Refused, redirected, answered.
    assert_eq!((server.log().requests.len(), last()), (7, "/f?6".into()));
    assert_eq!(source.host().unwrap().as_str(), server.origin());
}

#[tokio::test]
async fn redirects_in_a_circle_are_given_up() {
    let server = Server::start(MIB, 1);
    server.script(|_, answer| {
        answer.set_refusal(302);
        answer.set("Location", "/f");
    });
    let error = probe(&source(&server.url())).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Permanent);
    assert!(error.to_string().contains("too many redirects"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_or_speaks_something_else_is_told_in_plain_words() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = probe(&source(&format!("http://{nobody}/f"))).await.unwrap_err();
    assert_eq!((error.class(), error.phase()), (ErrorClass::Transient, Phase::Connect));
    assert!(error.to_string().contains("Connection refused"), "{error}");
    let server = Server::start(MIB, 1);
    let error = probe(&source(&server.url().replace("http", "https"))).await.unwrap_err();
    assert_eq!((error.class(), error.phase()), (ErrorClass::Permanent, Phase::Connect), "{error}");
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_given_up_in_time() {
    let server = Server::start(MIB, 1);
    server.script(|_, answer| answer.then = Some((0, Then::Silence)));
    let source = source(&server.url());
    let asking = tokio::spawn(async move { probe(&source).await });
    server.wait_for("the request", |log| log.requests.len() == 1).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    let error = asking.await.unwrap().unwrap_err();
    assert_eq!((error.class(), error.phase()), (ErrorClass::Transient, Phase::Probe), "{error}");
}

#[test]
fn what_is_no_web_url_is_refused_without_being_repeated() {
    for url in
        ["ftp://anna:zyzzyva@h/f", "http://anna:zyzzyva@", "http://anna:zyzzyva@h:99999/f", "http://a:zyzzyva%FF@h/"]
    {
        let error = HttpSource::new(Client::new().unwrap(), url).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("zyzzyva"), "{url}");
    }
}

#[test]
fn a_label_shows_neither_password_nor_query_nor_fragment() {
    let source = source("https://anna:secret@h:8443/a%20b?token=secret#secret");
    assert_eq!(source.label(), "https://anna@h:8443/a%20b?...");
    assert_eq!(source.file_name(), b"a b");
    assert_eq!(source.host().unwrap().as_str(), "https://h:8443");
    assert_eq!(format!("{source:?}"), "HttpSource { label: \"https://anna@h:8443/a%20b?...\", .. }");
}
