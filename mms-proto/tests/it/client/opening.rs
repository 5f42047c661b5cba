//! The way to a file: names, redirects, credentials, refusals, and several ways at once.

use std::net::SocketAddr;

use bytes::Bytes;
use mms_proto::client::{
    Client, Config, Connected, Connecting, Connector, ConnectorError, Credentials, ErrorClass, OpenError, Target,
    TcpConnector, Transport,
};
use mms_proto::testing::{Asked, Auth, Fault, Film, Server, Step, When};
use mms_proto::wire::{Secret, Url};

use super::taped::{Player, Then};
use super::watched::Watched;
use super::{PATH, SCHEMES, client, numbers, playing, url};

fn film() -> Film {
    Film::generated(10, 4)
}

fn server() -> Server {
    Server::builder().film(PATH, film()).start().unwrap()
}

async fn transport(client: &Client) -> Transport {
    let mut session = client.open().await.unwrap();
    session.play(8).await.unwrap();
    assert_eq!(numbers(&mut session, &film()).await, [8, 9]);
    session.presentation().transport
}

#[tokio::test]
async fn names_arrive_as_they_are_meant() {
    let builder = Server::builder().film("/a b/c.asf", film()).film("/фильм.wmv", film()).ipv6();
    let server = builder.start().unwrap();
    for (written, meant) in [("a%20b%2Fc.asf?x=%41", "a b/c.asf?x=%41"), ("%D1%84ильм.wmv", "фильм.wmv")] {
        for (scheme, addr) in [("mmst", server.mmst_addr()), ("mmsu", server.mmst_addr()), ("mmsh", server.mmsh_addr())]
        {
            let url = Url::parse(&format!("{scheme}://{addr}/{written}")).unwrap();
            transport(&Client::new(url, Config::default())).await;
        }
        let named = |(_, asked): &(u64, Asked)| matches!(asked, Asked::OpenFile { name, .. } if name == meant);
        assert_eq!(server.asked().iter().filter(|asked| named(asked)).count(), 2, "{written}");
    }
}

#[tokio::test]
async fn redirects_are_followed_and_remembered() {
    let (here, there) = (server(), server());
    for (scheme, target) in [("mmst", "mmsh"), ("mmst", "mmst"), ("mmsh", "mmst"), ("mmsh", "mmsh"), ("mmsh", "http")] {
        here.clear_faults();
        let to = there.url(target, PATH);
        let fault = if scheme == "mmst" { Fault::Redirect(to) } else { Fault::HttpRedirect(302, to) };
        here.fault(When::Always, fault);
        let client = client(&here, scheme);
        let before = here.counters().connections;
        for _ in 0..2 {
            let expected = if target == "mmst" { Transport::Mmst } else { Transport::Mmsh };
            assert_eq!(transport(&client).await, expected, "{scheme} to {target}");
        }
        assert_eq!(here.counters().connections - before, 1, "{scheme} to {target}: asked once");
    }
}

#[tokio::test]
async fn where_a_redirect_led_is_forgotten_when_it_leads_nowhere_any_more() {
    let (here, there) = (server(), server());
    here.fault(When::Nth(1), Fault::Redirect(there.url("mmst", PATH)));
    let client = client(&here, "mmst");
    transport(&client).await;
    assert!(there.remove(PATH));
    assert_eq!(client.open().await.unwrap_err().class(), ErrorClass::NotFound);
    transport(&client).await;
    assert_eq!(here.counters().connections, 2);
}

#[tokio::test]
async fn a_redirect_that_leads_in_a_circle_or_out_of_the_protocol_ends() {
    let server = server();
    for (to, is_ours) in [
        (server.url("mmsh", PATH), true),
        ("https://127.0.0.1/clip.asf".to_owned(), false),
        ("rtsp://127.0.0.1/clip.asf".to_owned(), false),
        (String::new(), false),
    ] {
        server.clear_faults();
        server.fault(When::Always, Fault::HttpRedirect(301, to.clone()));
        let error = client(&server, "mmsh").open().await.unwrap_err();
        assert_eq!(matches!(error, OpenError::Redirects(5)), is_ours, "{to}: {error}");
        assert_eq!(error.class(), ErrorClass::Permanent, "{to}: {error}");
    }
    // The first and five more.
    assert_eq!(server.counters().connections, 6 + 3);
}

#[tokio::test]
async fn a_playlist_in_place_of_the_film_is_followed() {
    let (here, there) = (server(), server());
    let asx = format!("<ASX VERSION=\"3.0\"><ENTRY><REF HREF=\"{}\"/></ENTRY></ASX>", there.url("mmst", PATH));
    let head = "HTTP/1.0 200 OK\nContent-Type: video/x-ms-asf\nX-Folded: a\n b\n\n";
    here.fault(When::Always, Fault::Bytes(Step::Describe, format!("{head}{asx}").into()));
    assert_eq!(transport(&client(&here, "mmsh")).await, Transport::Mmst);
}

#[tokio::test]
async fn a_server_may_want_to_be_asked_through_a_proxy_once() {
    let (here, proxy) = (server(), server());
    here.fault(When::Always, Fault::HttpRedirect(305, proxy.url("http", "")));
    assert_eq!(transport(&client(&here, "mmsh")).await, Transport::Mmsh);
    let host = here.mmsh_addr();
    let whole = |(_, asked): &(u64, Asked)| matches!(asked, Asked::Http { request, .. } if request.contains(&format!("http://{host}/")));
    assert!(proxy.asked().iter().all(whole), "{:?}", proxy.asked());
    assert_eq!(proxy.counters().connections, 2);

    proxy.fault(When::Always, Fault::HttpRedirect(305, proxy.url("http", "")));
    let error = client(&here, "mmsh").open().await.unwrap_err();
    assert!(matches!(error, OpenError::Proxy(_)) && error.class() == ErrorClass::Permanent, "{error:?}");
}

#[tokio::test]
async fn a_proxy_that_a_server_names_is_not_asked_where_that_would_be_worse() {
    let (here, proxy) = (server(), server());
    here.fault(When::Always, Fault::HttpRedirect(305, "https://127.0.0.1/".to_owned()));
    let error = client(&here, "mmsh").open().await.unwrap_err();
    assert!(matches!(&error, OpenError::Proxy(there) if there == "https://127.0.0.1/"), "{error:?}");

    let here = server();
    here.fault(When::Always, Fault::HttpRedirect(305, proxy.url("http", "")));
    let mut config = Config::default();
    config.proxy = Some(Target { host: here.mmsh_addr().ip().to_string(), port: here.mmsh_addr().port() });
    let error = Client::new(url(&here, "mmsh"), config).open().await.unwrap_err();
    assert!(matches!(error, OpenError::Proxy(_)), "{error:?}");

    for (there, text) in [(proxy.url("mms", ""), "through a proxy"), (String::new(), "without a proxy")] {
        let here = server();
        here.fault(When::Always, Fault::RedirectToProxy(there.clone()));
        let error = client(&here, "mmst").open().await.unwrap_err();
        assert!(matches!(&error, OpenError::Proxy(named) if *named == there), "{error:?}");
        assert!(error.to_string().contains(text) && error.class() == ErrorClass::Permanent, "{error}");
    }
    assert_eq!(proxy.counters().connections, 0);
}

#[tokio::test]
async fn each_refusal_is_of_the_class_that_says_what_to_do() {
    use ErrorClass::{Denied, NotFound, Permanent, Transient, Unknown};
    const BUSY: ErrorClass = ErrorClass::Busy { retry_after: None };
    let server = server();
    let mms = [
        (0x8007_0002, NotFound),
        (0x8007_0003, NotFound),
        (0xC00D_001A, NotFound),
        (0xE00D_001A, NotFound),
        (0x8007_0005, Denied),
        (0xC00D_000E, BUSY),
        (0xC00D_000F, BUSY),
        (0xC00D_0025, BUSY),
        (0xC00D_002C, BUSY),
        (0xC00D_0029, Transient),
        (0xC00D_0013, Transient),
        (0x8000_FFFF, Transient),
        (0xC00D_0012, Permanent),
        (0xC00D_002F, Permanent),
        (0xC00D_0035, Permanent),
        (0xC00D_7777, Unknown),
    ];
    for (code, class) in mms {
        for step in [Step::Connect, Step::OpenFile, Step::ReadBlock, Step::StreamSwitch, Step::StartPlaying] {
            server.clear_faults();
            server.fault(When::Nth(1), Fault::Refused(step, code));
            let error = playing(&client(&server, "mmst"), 3).await.unwrap_err();
            assert_eq!(error.class(), class, "{code:#x} at {step:?}: {error}");
        }
    }
    let http =
        [(403, Denied), (404, NotFound), (410, NotFound), (453, BUSY), (500, Transient), (503, BUSY), (400, Permanent)];
    for (status, class) in http {
        for step in [Step::Describe, Step::Play] {
            server.clear_faults();
            server.fault(When::Nth(1), Fault::Refused(step, status));
            let error = playing(&client(&server, "mmsh"), 3).await.unwrap_err();
            assert_eq!(error.class(), class, "{status} at {step:?}: {error}");
        }
    }
    // A remark is no refusal.
    for step in [Step::Connect, Step::ConnectFunnel, Step::OpenFile, Step::StreamSwitch, Step::StartPlaying] {
        server.clear_faults();
        server.fault(When::Nth(1), Fault::Refused(step, 1));
        transport(&client(&server, "mmst")).await;
    }
}

#[tokio::test]
async fn credentials_are_shown_where_they_are_asked_for_and_wrong_ones_are_told_nowhere() {
    let basic = || Auth::Basic { user: "lab".to_owned(), password: "hunter2".to_owned() };
    let server = Server::builder().film(PATH, film()).auth(basic()).start().unwrap();
    let with = |scheme: &str, who: &str| {
        let url = server.url(scheme, PATH).replace("://", &format!("://{who}@"));
        Client::new(Url::parse(&url).unwrap(), Config::default())
    };
    for scheme in SCHEMES {
        transport(&with(scheme, "lab:hunter2")).await;
        let mut config = Config::default();
        let password = Secret::new("hunter2".to_owned()).unwrap();
        config.authenticator = Some(std::sync::Arc::new(Credentials::new("lab", Some(password))));
        transport(&Client::new(url(&server, scheme), config)).await;
        for client in [with(scheme, "lab:guess7"), client(&server, scheme)] {
            let error = client.open().await.unwrap_err();
            assert_eq!(error.class(), ErrorClass::Denied, "{scheme}: {error}");
            let said = format!("{error} {error:?} {client:?}");
            assert!(!said.contains("guess7") && !said.contains("bGFiOmd1ZXNzNw"), "{scheme}: a password is told");
        }
    }
}

/// A server can send to any other: that one learns nothing.
#[tokio::test]
async fn credentials_are_not_shown_to_another_place() {
    let basic = Auth::Basic { user: "lab".to_owned(), password: "hunter2".to_owned() };
    let there = Server::builder().film(PATH, film()).auth(basic).start().unwrap();
    let here = server();
    let mut config = Config::default();
    let password = Secret::new("hunter2".to_owned()).unwrap();
    config.authenticator = Some(std::sync::Arc::new(Credentials::new("lab", Some(password))));
    for host in ["127.0.0.1", "localhost"] {
        for scheme in ["mmst", "mmsh"] {
            let to = there.url(scheme, PATH).replace("127.0.0.1", host);
            here.clear_faults();
            here.fault(When::Always, Fault::HttpRedirect(302, to));
            let outcome = Client::new(url(&here, "mmsh"), config.clone()).open().await;
            let class = outcome.map(drop).map_err(|error| error.class());
            assert_eq!(class, Err(ErrorClass::Denied), "{scheme} at {host}: another port, and another name");
        }
    }
}

/// What is at a port.
#[derive(Clone, Debug)]
enum Place {
    At(SocketAddr),
    /// Packets are lost on the way there.
    BlackHole,
    Closed,
    /// This is said to everybody, and nothing else.
    Says(&'static [u8]),
    /// Everybody is let in, and nobody is spoken to.
    Silent,
}

/// A host with two ports.
#[derive(Clone, Debug)]
struct Town {
    web: Place,
    media: Place,
}

impl Connector for Town {
    fn connect(&self, target: Target) -> Connecting {
        let place = if target.port == 80 { &self.web } else { &self.media };
        match place.clone() {
            Place::At(addr) => {
                TcpConnector::default().connect(Target { host: addr.ip().to_string(), port: addr.port() })
            }
            Place::BlackHole => Box::pin(std::future::pending::<Result<Connected, ConnectorError>>()),
            Place::Closed => Box::pin(async move {
                Err(ConnectorError::Connect { target, error: std::io::ErrorKind::ConnectionRefused.into() })
            }),
            Place::Says(bytes) => Player::new(&[], vec![(1, Bytes::from_static(bytes))], Then::Close).connect(target),
            Place::Silent => Player::new(&[], Vec::new(), Then::Silence).connect(target),
        }
    }
}

fn visitor(web: Place, media: Place) -> (Client, Watched<Town>) {
    let watched = Watched::over(Town { web, media });
    let url = Url::parse("mms://town/clip.asf").unwrap();
    (Client::new(url, Config::default().with_connector(watched.clone())), watched)
}

const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>Welcome</html>";
const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
const MOVED: &[u8] = b"HTTP/1.1 301 Moved\r\nLocation: http://town/index.html\r\n\r\n";
const TLS: &[u8] = b"HTTP/1.1 301 Moved\r\nLocation: https://town/clip.asf\r\n\r\n";

#[tokio::test]
async fn of_several_ways_one_that_works_is_found_and_kept() {
    let server = server();
    let (mmst, mmsh) = (server.mmst_addr(), server.mmsh_addr());
    let places = [
        (Place::At(mmsh), Place::At(mmst), Transport::Mmsh),
        (Place::At(mmsh), Place::BlackHole, Transport::Mmsh),
        (Place::At(mmsh), Place::Closed, Transport::Mmsh),
        (Place::BlackHole, Place::At(mmst), Transport::Mmst),
        (Place::Silent, Place::At(mmst), Transport::Mmst),
        (Place::Closed, Place::At(mmst), Transport::Mmst),
        (Place::Says(PAGE), Place::At(mmst), Transport::Mmst),
        (Place::Says(NOT_FOUND), Place::At(mmst), Transport::Mmst),
        (Place::Says(MOVED), Place::At(mmst), Transport::Mmst),
        (Place::Says(TLS), Place::At(mmst), Transport::Mmst),
        (Place::Says(b"SSH-2.0-OpenSSH\r\n"), Place::At(mmst), Transport::Mmst),
        (Place::At(mmst), Place::At(mmst), Transport::Mmst),
    ];
    for (web, media, expected) in places {
        let (client, watched) = visitor(web.clone(), media);
        for _ in 0..2 {
            let session = client.open().await.unwrap();
            assert_eq!(session.presentation().transport, expected, "{web:?}");
            // An answer about a film of MMSH is all of a connection.
            assert_eq!(watched.open(), usize::from(expected == Transport::Mmst), "{web:?}: the others are given up");
        }
        assert_eq!(transport(&client).await, expected);
    }
}

#[tokio::test]
async fn where_no_way_works_every_one_is_told() {
    let ways = [
        (Place::Says(NOT_FOUND), Place::Closed, ErrorClass::NotFound, "404"),
        (Place::Says(PAGE), Place::Closed, ErrorClass::Transient, "text/html"),
        (Place::Closed, Place::Closed, ErrorClass::Transient, "MMSH: cannot connect"),
    ];
    for (web, media, class, said) in ways {
        let (client, watched) = visitor(web, media);
        let error = client.open().await.unwrap_err();
        let OpenError::Rollover(all) = &error else { panic!("{error}") };
        assert_eq!(all.iter().map(|(way, _)| *way).collect::<Vec<_>>(), [Transport::Mmsh, Transport::Mmst]);
        let text = error.to_string();
        assert!(text.contains(said) && text.contains("MMST: cannot connect"), "{text}");
        assert_eq!((error.class(), watched.open()), (class, 0), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_way_that_leads_into_nothing_is_told_with_the_other() {
    let (client, _) = visitor(Place::Says(NOT_FOUND), Place::BlackHole);
    let error = client.open().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::NotFound);
    assert!(error.to_string().contains("no connection to town:1755 within 15 s"), "{error}");
}

/// Takes no byte, and has said why.
#[derive(Debug)]
struct Deaf;

impl Connector for Deaf {
    fn connect(&self, _: Target) -> Connecting {
        let full = std::io::Cursor::new(Box::<[u8]>::default());
        let io = Box::new(tokio::io::join(&b"HTTP/1.0 404 Not Found\r\n\r\n"[..], full));
        Box::pin(async { Ok(Connected { io, addresses: None }) })
    }
}

#[tokio::test]
async fn what_a_server_said_is_read_though_it_takes_nothing() {
    let client = Client::new(Url::parse("mmsh://h/f").unwrap(), Config::default().with_connector(Deaf));
    assert_eq!(client.open().await.unwrap_err().class(), ErrorClass::NotFound);
}
