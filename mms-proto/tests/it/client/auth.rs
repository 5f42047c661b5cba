//! Who we are, proved to a gate that computes by itself, in every way and to nobody else.

use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use mms_proto::client::{AuthContext, Authenticator, Client, Config, Credentials, ErrorClass, OpenError, Target};
use mms_proto::conn::Challenge;
use mms_proto::testing::{Asked, Auth, Fault, Film, Server, Step, When};
use mms_proto::wire::{Hresult, Secret, Url};

use super::gate::mms::{self, Ask};
use super::gate::{DOMAIN, Gate, Habits, PASSWORD, Scheme, USER};

const DIGEST: Scheme = Scheme::Digest(", qop=\"auth,auth-int\"");
const NTLM: Scheme = Scheme::Ntlm("NTLM", true);
const ALL: &[Scheme] = &[
    Scheme::Basic,
    DIGEST,
    Scheme::Digest(""),
    Scheme::Digest(", algorithm=MD5, qop=auth"),
    Scheme::Digest(", algorithm=MD5-sess, qop=\"auth\""),
    Scheme::Digest(", algorithm=SHA-256, qop=\"auth\", charset=UTF-8"),
    Scheme::Digest(", algorithm=SHA-256-sess, qop=\"auth\", userhash=true"),
    Scheme::Ntlm("NTLM", true),
    Scheme::Ntlm("NTLM", false),
    Scheme::Ntlm("Negotiate", true),
];

fn film() -> Film {
    Film::generated(20, 7)
}

fn server() -> Server {
    Server::builder().film("/clip.asf", film()).start().unwrap()
}

fn user(password: &str) -> Arc<Credentials> {
    Arc::new(Credentials::new(USER, Some(Secret::new(password).unwrap())))
}

fn url(scheme: &str, addr: SocketAddr) -> Url {
    Url::parse(&format!("{scheme}://{addr}/clip.asf")).unwrap()
}

fn with(authenticator: Arc<Credentials>) -> Config {
    let mut config = Config::default();
    config.authenticator = Some(authenticator);
    config
}

/// Reads a film, which takes two requests of MMSH.
async fn read(client: &Client) -> Result<(), OpenError> {
    let mut session = client.open().await?;
    session.play(17).await?;
    let packet = session.read().await.unwrap().expect("a packet");
    assert_eq!((packet.location, &packet.data), (17, &film().packet(17)));
    session.close().await;
    Ok(())
}

fn assert_denied(result: Result<(), OpenError>) {
    let error = result.unwrap_err();
    assert!(matches!(error, OpenError::Denied { .. }), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Denied);
}

#[tokio::test]
async fn every_scheme_proves_a_user_to_a_server() {
    let server = server();
    for scheme in ALL {
        let gate = Gate::before(server.mmsh_addr(), Habits::of(&[*scheme])).await;
        read(&Client::new(url("mmsh", gate.addr), with(user(PASSWORD))))
            .await
            .unwrap_or_else(|e| panic!("{scheme:?} {e}"));
        assert_denied(read(&Client::new(url("mmsh", gate.addr), with(user("wrong")))).await);
        assert_denied(read(&Client::new(url("mmsh", gate.addr), Config::default())).await);
    }
}

#[tokio::test]
async fn every_scheme_proves_a_user_to_a_proxy() {
    let server = server();
    for scheme in ALL {
        let gate = Gate::before(server.mmsh_addr(), Habits { proxy: true, ..Habits::of(&[*scheme]) }).await;
        let mut config = Config::default();
        config.proxy = Some(Target { host: gate.addr.ip().to_string(), port: gate.addr.port() });
        let place = Url::parse("mmsh://films.example/clip.asf?a=1").unwrap();
        // What is meant for the server is nothing for a proxy.
        config.authenticator = Some(user(PASSWORD));
        assert_denied(read(&Client::new(place.clone(), config.clone())).await);
        assert_eq!(gate.answers(), [""; 0]);
        config.proxy_authenticator = Some(user("wrong"));
        assert_denied(read(&Client::new(place.clone(), config.clone())).await);
        config.proxy_authenticator = Some(user(PASSWORD));
        let place = place.join("/clip.asf").unwrap();
        read(&Client::new(place, config)).await.unwrap_or_else(|e| panic!("{scheme:?} {e}"));
    }
}

#[tokio::test]
async fn proxy_and_server_are_both_told_who_we_are() {
    let server = server();
    let pairs = [(Scheme::Basic, DIGEST), (DIGEST, Scheme::Basic), (DIGEST, NTLM), (NTLM, Scheme::Basic), (NTLM, NTLM)];
    for (outer, inner) in pairs {
        let inner = Gate::before(server.mmsh_addr(), Habits::of(&[inner])).await;
        let outer = Gate::before(inner.addr, Habits { proxy: true, ..Habits::of(&[outer]) }).await;
        let mut config = with(user(PASSWORD));
        config.proxy = Some(Target { host: outer.addr.ip().to_string(), port: outer.addr.port() });
        config.proxy_authenticator = Some(user(PASSWORD));
        read(&Client::new(Url::parse("mmsh://films.example/clip.asf").unwrap(), config)).await.unwrap();
        // The inner gate takes its own line away and no other.
        let said = server.asked().into_iter().filter_map(|(_, asked)| match asked {
            Asked::Http { headers, .. } => headers.into_iter().rev().find(|(name, _)| name == "proxy-authorization"),
            _ => None,
        });
        assert!(said.into_iter().all(|(_, value)| value.starts_with("Basic ") || value.starts_with("Digest ")));
    }
}

#[tokio::test]
async fn the_domain_is_before_the_backslash_or_in_the_url() {
    let server = server();
    let gate = Gate::before(server.mmsh_addr(), Habits::of(&[NTLM])).await;
    let name = format!("{DOMAIN}\\{USER}");
    let known = Arc::new(Credentials::new(name, Some(Secret::new(PASSWORD).unwrap())));
    read(&Client::new(url("mmsh", gate.addr), with(known))).await.unwrap();
    let text = format!("mmsh://{DOMAIN}%5C{USER}:se%3Acret%22%5C@{}/clip.asf", gate.addr);
    read(&Client::new(Url::parse(&text).unwrap(), Config::default())).await.unwrap();
    let elsewhere = Arc::new(Credentials::new("Other\\User", Some(Secret::new(PASSWORD).unwrap())));
    assert_denied(read(&Client::new(url("mmsh", gate.addr), with(elsewhere))).await);
}

#[tokio::test]
async fn the_strongest_offer_is_taken_and_never_a_weaker_one_after_it() {
    let server = server();
    let sha = Scheme::Digest(", algorithm=SHA-256, qop=\"auth\"");
    for (offers, begins) in [
        (vec![Scheme::Basic, DIGEST, NTLM], "NTLM "),
        (vec![Scheme::Basic, Scheme::Ntlm("Negotiate", true), DIGEST], "Negotiate "),
        (vec![Scheme::Ntlm("Negotiate", true), NTLM], "NTLM "),
        (vec![Scheme::Basic, DIGEST], "Digest "),
        (vec![Scheme::Basic, Scheme::Digest(", qop=auth-int")], ""),
    ] {
        for closed in [false, true] {
            let gate = Gate::before(server.mmsh_addr(), Habits { closed, ..Habits::of(&offers) }).await;
            let result = read(&Client::new(url("mmsh", gate.addr), with(user(PASSWORD)))).await;
            assert_eq!(result.is_ok(), !closed && !begins.is_empty(), "{offers:?} {result:?}");
            let answers = gate.answers();
            assert!(answers.iter().all(|answer| !begins.is_empty() && answer.starts_with(begins)), "{answers:?}");
        }
    }
    let gate = Gate::before(server.mmsh_addr(), Habits::of(&[sha, sha])).await;
    read(&Client::new(url("mmsh", gate.addr), with(user(PASSWORD)))).await.unwrap();
    assert!(gate.answers().iter().all(|answer| answer.contains("algorithm=SHA-256")));
}

#[tokio::test]
async fn ntlm_proves_itself_on_one_connection_and_again_on_the_next() {
    let server = server();
    let gate = Gate::before(server.mmsh_addr(), Habits::of(&[NTLM])).await;
    read(&Client::new(url("mmsh", gate.addr), with(user(PASSWORD)))).await.unwrap();
    // Each of the two requests: one connection on which it is asked, one on which it is answered twice.
    assert_eq!((gate.connections(), gate.answers().len()), (4, 4));
}

#[tokio::test]
async fn a_connection_that_closes_amid_ntlm_is_denied() {
    let server = server();
    let always_closes = Habits { always_closes: true, ..Habits::of(&[NTLM]) };
    let closed = Habits { closed: true, ..Habits::of(&[NTLM]) };
    for (habits, answers) in [(always_closes, 1), (closed, 2)] {
        let gate = Gate::before(server.mmsh_addr(), habits).await;
        assert_denied(read(&Client::new(url("mmsh", gate.addr), with(user(PASSWORD)))).await);
        assert_eq!(gate.answers().len(), answers, "{:?}", gate.answers());
    }
    let gate = Gate::before(server.mmsh_addr(), Habits { hangs_up: true, ..Habits::of(&[NTLM]) }).await;
    let error = read(&Client::new(url("mmsh", gate.addr), with(user(PASSWORD)))).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient, "{error:?}");
}

#[tokio::test]
async fn a_proxy_is_told_again_after_the_server_closed_the_connection() {
    let server = server();
    let inner = Gate::before(server.mmsh_addr(), Habits { always_closes: true, ..Habits::of(&[Scheme::Basic]) }).await;
    let outer = Gate::before(inner.addr, Habits { proxy: true, ..Habits::of(&[NTLM]) }).await;
    let mut config = with(user(PASSWORD));
    config.proxy = Some(Target { host: outer.addr.ip().to_string(), port: outer.addr.port() });
    config.proxy_authenticator = Some(user(PASSWORD));
    Client::new(Url::parse("mmsh://films.example/clip.asf").unwrap(), config).open().await.unwrap();
    assert_eq!((outer.answers().len(), inner.answers().len()), (4, 1));
}

/// Says the same to every question, whatever it is.
#[derive(Debug)]
struct Ticket;

impl Authenticator for Ticket {
    fn answer(&self, _: &Challenge, _: &AuthContext<'_>) -> Option<Bytes> {
        Some("Ticket dGlja2V0".into())
    }
}

#[tokio::test]
async fn a_scheme_of_the_callers_own_is_said_when_it_is_asked_for() {
    let auth = Auth::Legs { scheme: "Ticket".to_owned(), legs: vec![(Bytes::new(), "ticket".into())] };
    let server = Server::builder().film("/clip.asf", film()).auth(auth).start().unwrap();
    let mut config = Config::default();
    config.authenticator = Some(Arc::new(Ticket));
    read(&Client::new(Url::parse(&server.url("mmsh", "/clip.asf")).unwrap(), config)).await.unwrap();
    let said = |(_, asked)| match asked {
        Asked::Http { headers, .. } => Some(headers.iter().any(|(name, _)| name == "authorization")),
        _ => None,
    };
    let said: Vec<bool> = server.asked().into_iter().filter_map(said).collect();
    assert_eq!(said, [false, true, false, true], "good for one connection, as far as we know");
}

#[tokio::test]
async fn digest_counts_and_is_said_at_once_to_those_who_asked() {
    let server = server();
    let gate = Gate::before(server.mmsh_addr(), Habits::of(&[DIGEST])).await;
    read(&Client::new(url("mmsh", gate.addr), with(user(PASSWORD)))).await.unwrap();
    let answers = gate.answers();
    assert_eq!(gate.connections(), 3);
    assert!(
        answers.len() == 2 && answers[0].contains("nc=00000001") && answers[1].contains("nc=00000002"),
        "{answers:?}"
    );
    assert_ne!(answers[0].split("cnonce").nth(1), answers[1].split("cnonce").nth(1));
}

#[tokio::test]
async fn an_answer_that_came_too_late_is_given_once_more() {
    let server = server();
    for (stale, works) in [(1, true), (2, false)] {
        let gate = Gate::before(server.mmsh_addr(), Habits { stale, ..Habits::of(&[DIGEST]) }).await;
        let result = read(&Client::new(url("mmsh", gate.addr), with(user(PASSWORD)))).await;
        assert_eq!(result.is_ok(), works, "{result:?}");
    }
}

#[tokio::test]
async fn a_connection_that_was_to_stay_and_did_not_is_made_again() {
    let server = server();
    let gate = Gate::before(server.mmsh_addr(), Habits { hangs_up: true, stale: 1, ..Habits::of(&[DIGEST]) }).await;
    read(&Client::new(url("mmsh", gate.addr), with(user(PASSWORD)))).await.unwrap();
}

#[tokio::test]
async fn credentials_do_not_follow_to_another_place() {
    let (server, elsewhere) = (server(), server());
    let gate = Gate::before(server.mmsh_addr(), Habits::of(&[Scheme::Basic, DIGEST, NTLM])).await;
    let (other, there) =
        (Gate::before(server.mmsh_addr(), Habits::of(&[NTLM])).await, format!("http://{}/clip.asf", gate.addr));
    assert_ne!(other.addr, gate.addr);
    for status in [302, 305] {
        elsewhere.fault(When::Nth(1), Fault::HttpRedirect(status, there.clone()));
        let own = elsewhere.url("mmsh", "/clip.asf");
        let named = own.replace("//", "//User:secret@");
        let text = if status == 302 { named } else { own };
        assert_denied(read(&Client::new(Url::parse(&text).unwrap(), with(user(PASSWORD)))).await);
        assert_eq!(gate.answers(), [""; 0], "{status}");
    }
}

#[tokio::test]
async fn a_user_is_still_the_same_where_the_server_leads_to_itself() {
    let auth = Auth::Basic { user: USER.to_owned(), password: "secret".to_owned() };
    let server = Server::builder().film("/clip.asf", film()).auth(auth).start().unwrap();
    server.fault(When::Nth(1), Fault::HttpRedirect(302, server.url("http", "/clip.asf")));
    let text = server.url("mmsh", "/old.asf").replace("//", "//User:secret@");
    read(&Client::new(Url::parse(&text).unwrap(), Config::default())).await.unwrap();
}

#[tokio::test]
async fn a_server_that_asks_for_ever_is_asked_no_more() {
    let question = b"NTLMSSP\0\x02".to_vec();
    let legs = vec![(question.clone().into(), question.into()); 300];
    for scheme in ["NTLM", "Digest", "Negotiate"] {
        let auth = Auth::Legs { scheme: scheme.to_owned(), legs: legs.clone() };
        let server = Server::builder().film("/clip.asf", film()).auth(auth).start().unwrap();
        for transport in ["mmsh", "mmst"] {
            let client = Client::new(Url::parse(&server.url(transport, "/clip.asf")).unwrap(), with(user(PASSWORD)));
            assert_denied(read(&client).await);
        }
        assert!(server.counters().requests <= 20, "{:?}", server.counters());
    }
}

#[tokio::test]
async fn a_user_is_proved_over_mms() {
    let server = server();
    for ask in [Ask::Basic, Ask::Wrapped, Ask::Bare] {
        let (addr, log) = mms::gate(server.mmst_addr(), ask).await;
        read(&Client::new(url("mmst", addr), with(user(PASSWORD)))).await.unwrap();
        let error = read(&Client::new(url("mmst", addr), with(user("wrong")))).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Denied, "{error:?}");
        assert_eq!(error.to_string(), format!("the server refuses the credentials: {}", Hresult(0x8007_0005)));
        assert_denied(read(&Client::new(url("mmst", addr), Config::default())).await);
        let log = log.lock().unwrap();
        assert!(log.len() == 2 && log[0].is_ok() && log[1].is_err(), "{log:?}");
    }
}

#[tokio::test]
async fn who_was_not_asked_is_told_so() {
    let server = server();
    server.fault(When::Always, Fault::Refused(Step::OpenFile, 0x8007_0005));
    let error = Client::new(url("mmst", server.mmst_addr()), Config::default()).open().await.unwrap_err();
    assert!(matches!(error, OpenError::NotAdmitted { answered: false, .. }), "{error:?}");
    assert!(error.to_string().contains("was given no credentials") && error.class() == ErrorClass::Denied, "{error}");
}

#[tokio::test]
async fn no_secret_is_shown_anywhere() {
    let server = server();
    let secret = "Sw0rdfish";
    for scheme in ALL {
        let gate = Gate::before(server.mmsh_addr(), Habits { closed: true, ..Habits::of(&[*scheme]) }).await;
        let mut config = with(user(secret));
        config.proxy_authenticator = Some(user(secret));
        let place = Url::parse(&format!("mmsh://{USER}:{secret}@{}/clip.asf", gate.addr)).unwrap();
        let client = Client::new(place.clone(), config.clone());
        let error = client.open().await.unwrap_err();
        let mut shown =
            format!("{place} {place:?} {place:#?} {client:?} {client:#?} {config:?} {config:#?} {:?}", user(secret));
        shown += &format!("{error} {error:?} {error:#?}");
        let mut cause = error.source();
        while let Some(error) = cause {
            shown += &format!("{error} {error:?}");
            cause = error.source();
        }
        let mut sent = gate.answers();
        assert!(!sent.is_empty());
        sent.push(secret.to_owned());
        for value in
            sent.iter().flat_map(|value| value.split([' ', ','])).filter(|word| word.len() > 20 || *word == secret)
        {
            assert!(!shown.contains(value), "{scheme:?}: {value}");
        }
    }
    // A session keeps what it has said, to say it again.
    for scheme in [Scheme::Basic, DIGEST, NTLM] {
        let gate = Gate::before(server.mmsh_addr(), Habits::of(&[scheme])).await;
        let mut session = Client::new(url("mmsh", gate.addr), with(user(PASSWORD))).open().await.unwrap();
        session.play(0).await.unwrap();
        let shown = format!("{session:?} {session:#?}");
        for value in gate.answers().iter().flat_map(|value| value.split_once(' ')).map(|(_, value)| value) {
            assert!(!shown.contains(value), "{scheme:?}: {value}");
        }
        assert!(!shown.contains(PASSWORD) && !shown.contains("response="));
    }
}
