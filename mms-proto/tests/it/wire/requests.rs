//! The requests, byte for byte.

use mms_proto::wire::{Play, Request, Secret, StreamChoice, Thinning, Url};

const GUID: &str = "3300ad50-2c39-46c0-ae0a-1c2d3e4f5a6b";

fn request(url: &Url) -> Request<'_> {
    Request {
        url,
        to_proxy: false,
        user_agent: "NSPlayer/7.1.0.3055",
        guid: GUID,
        authorization: None,
        proxy_authorization: None,
        play: None,
    }
}

fn url() -> Url {
    Url::parse("mmsh://u:p@media.test:8080/dir/a b.asf?x=%41").unwrap()
}

fn entry(stream: u8, thinning: Thinning) -> StreamChoice {
    StreamChoice { stream, thinning }
}

#[test]
fn describe_is_this() {
    assert_eq!(
        request(&url()).encode().unwrap(),
        "GET /dir/a%20b.asf?x=%41 HTTP/1.0\r\n\
         Accept: */*\r\n\
         User-Agent: NSPlayer/7.1.0.3055\r\n\
         Host: media.test:8080\r\n\
         Pragma: no-cache,rate=1.000,stream-time=0,stream-offset=4294967295:4294967295,packet-num=4294967295,max-duration=0\r\n\
         Pragma: xClientGUID={3300ad50-2c39-46c0-ae0a-1c2d3e4f5a6b}\r\n\
         Connection: Close\r\n\r\n"
    );
}

#[test]
fn play_is_this() {
    let streams = [entry(1, Thinning::None), entry(2, Thinning::KeyFrames), entry(3, Thinning::Off)];
    let offset = Some((5 << 32) + 17);
    let url = Url::parse("mms://[::1]/f").unwrap();
    let request = Request { play: Some(Play { packet: Some(40), offset, streams: &streams }), ..request(&url) };
    assert_eq!(
        request.encode().unwrap(),
        "GET /f HTTP/1.0\r\n\
         Accept: */*\r\n\
         User-Agent: NSPlayer/7.1.0.3055\r\n\
         Host: [::1]:80\r\n\
         Pragma: no-cache,rate=1.000,stream-time=0,stream-offset=5:17,packet-num=40,max-duration=0\r\n\
         Pragma: xPlayStrm=1\r\n\
         Pragma: xClientGUID={3300ad50-2c39-46c0-ae0a-1c2d3e4f5a6b}\r\n\
         Pragma: stream-switch-count=3\r\n\
         Pragma: stream-switch-entry=ffff:1:0 ffff:2:1 ffff:3:2\r\n\
         Connection: Close\r\n\r\n"
    );
}

#[test]
fn streams_are_named_in_hexadecimal_and_counted_in_decimal() {
    let url = url();
    let streams: Vec<_> = (1..=12).chain([16, 127]).map(|stream| entry(stream, Thinning::None)).collect();
    let request = Request { play: Some(Play { packet: Some(0), offset: None, streams: &streams }), ..request(&url) };
    let text = request.encode().unwrap();
    assert!(text.contains("\r\nPragma: stream-switch-count=14\r\n"));
    let alone = "\r\nPragma: stream-switch-entry=ffff:1:0 ffff:2:0 ffff:3:0 ffff:4:0 ffff:5:0 ffff:6:0 ffff:7:0 ffff:8:0 \
        ffff:9:0 ffff:a:0 ffff:b:0 ffff:c:0 ffff:10:0 ffff:7f:0\r\n";
    assert!(text.contains(alone), "{text}");
}

#[test]
fn large_places_are_stated_whole() {
    let url = url();
    let at = |packet, offset| {
        let request = Request { play: Some(Play { packet, offset, streams: &[] }), ..request(&url) };
        request.encode().map(|text| text.lines().find(|line| line.contains("packet-num")).unwrap().to_owned())
    };
    let line = at(Some((1 << 20) + 1), Some((1 << 32) + 5000)).unwrap();
    assert!(line.contains("stream-offset=1:5000,packet-num=1048577,"), "{line}");
    let line = at(Some(u32::MAX - 1), Some(u64::MAX - 1)).unwrap();
    assert!(line.contains("stream-offset=4294967295:4294967294,packet-num=4294967294,"), "{line}");
    assert!(at(Some(u32::MAX), None).is_err(), "it would mean: from the beginning");
    assert!(at(None, Some(u64::MAX)).is_err());
    assert!(!at(Some(0), None).unwrap().contains("switch"));
}

#[test]
fn a_proxy_is_told_the_whole_url_and_never_the_password_in_it() {
    let (url, basic, ntlm) = (url(), Secret::new("Basic dTpw").unwrap(), Secret::new("NTLM YQ==").unwrap());
    let request =
        Request { to_proxy: true, authorization: Some(&basic), proxy_authorization: Some(&ntlm), ..request(&url) };
    let text = request.encode().unwrap();
    assert!(text.starts_with("GET http://media.test:8080/dir/a%20b.asf?x=%41 HTTP/1.0\r\n"), "{text}");
    let end = "\r\nAuthorization: Basic dTpw\r\nProxy-Authorization: NTLM YQ==\r\nConnection: Keep-Alive\r\n\r\n";
    assert!(text.ends_with(end), "{text}");
    assert!(!format!("{request:?}").contains("dTpw"));
}

#[test]
fn nothing_from_outside_can_break_a_line() {
    let url = url();
    for guid in ["", "x", "a\r\nb", "{3300ad50}", "3300ad50 "] {
        assert!(Request { guid, ..request(&url) }.encode().is_err(), "{guid:?}");
    }
    assert!(Request { user_agent: "a\nb", ..request(&url) }.encode().is_err());
    let most = [entry(127, Thinning::None); 127];
    let request_of = |streams| Request { play: Some(Play { packet: Some(1), offset: None, streams }), ..request(&url) };
    assert!(request_of(&most).encode().is_ok());
    let bad = [vec![entry(0, Thinning::None)], vec![entry(128, Thinning::None)], vec![entry(1, Thinning::None); 128]];
    for streams in &bad {
        assert!(request_of(streams).encode().is_err(), "{streams:?}");
    }
}

#[test]
fn real_clients_send_the_same_lines_in_their_own_order() {
    // The captured request of libmms 0.6.4.
    let libmms = include_str!("../../data/libmms-describe.txt");
    let names = |text: &str| {
        text.lines().filter_map(|line| line.split_once(": ")).map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
    };
    let url = Url::parse("mmsh://127.0.0.1:17561/dir/clip.wmv").unwrap();
    let ours = request(&url).encode().unwrap();
    assert_eq!(ours.lines().next(), libmms.lines().next());
    assert_eq!(names(&ours), names(libmms));
    for line in ["Accept: */*", "Host: 127.0.0.1:17561", "Connection: Close"] {
        assert!(libmms.lines().any(|theirs| theirs == line) && ours.lines().any(|own| own == line), "{line}");
    }
}
