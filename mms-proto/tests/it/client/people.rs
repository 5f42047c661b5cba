//! URLs as people write them, and who answers for their users.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use mms_proto::client::{AuthContext, Authenticator, Client, Config};
use mms_proto::conn::Challenge;
use mms_proto::testing::{Asked, Auth, Film, Server};
use mms_proto::wire::Url;

use super::{PATH, SCHEMES, client, numbers};

fn film() -> Film {
    Film::generated(10, 4)
}

async fn assert_read(client: &Client) {
    let mut session = client.open().await.unwrap();
    session.play(8).await.unwrap();
    assert_eq!(numbers(&mut session, &film()).await, [8, 9]);
}

#[tokio::test]
async fn a_password_may_have_any_sign_if_it_is_escaped() {
    let auth = Auth::Basic { user: "user".to_owned(), password: "p@ss:/w".to_owned() };
    let server = Server::builder().film(PATH, film()).auth(auth).start().unwrap();
    for scheme in SCHEMES {
        let url = server.url(scheme, PATH).replace("://", "://user:p%40ss%3A%2Fw@");
        assert_read(&Client::new(Url::parse(&url).unwrap(), Config::default())).await;
    }
}

#[tokio::test]
async fn a_path_may_be_empty() {
    let server = Server::builder().film("/", film()).ipv6().start().unwrap();
    for (scheme, addr) in [("mmst", server.mmst_addr()), ("mmsu", server.mmst_addr()), ("mmsh", server.mmsh_addr())] {
        for end in ["", "/"] {
            let url = Url::parse(&format!("{scheme}://{addr}{end}")).unwrap();
            assert_read(&Client::new(url, Config::default())).await;
        }
    }
    let named = |(_, asked): &(u64, Asked)| matches!(asked, Asked::OpenFile { name, .. } if name.is_empty());
    assert_eq!(server.asked().iter().filter(|asked| named(asked)).count(), 4);
}

/// Answers in turn, and keeps what it was asked.
#[derive(Debug)]
struct Witness {
    answers: Vec<&'static [u8]>,
    asked: Mutex<Vec<(String, Bytes)>>,
}

impl Authenticator for Witness {
    fn answer(&self, challenge: &Challenge, context: &AuthContext<'_>) -> Option<Bytes> {
        let offers = challenge.offers.iter().map(|offer| (offer.scheme.clone(), offer.token.clone()));
        self.asked.lock().unwrap().extend(offers);
        self.answers.get(usize::from(context.legs)).map(|answer| Bytes::from_static(answer))
    }
}

/// The questions of a server, as the client sees them, each with its scheme; what pads a message is no part of them.
async fn questions(auth: Auth, answers: Vec<&'static [u8]>) -> Vec<(String, Vec<u8>)> {
    let server = Server::builder().film(PATH, film()).auth(auth).start().unwrap();
    let witness = Arc::new(Witness { answers, asked: Mutex::default() });
    let mut config = Config::default();
    config.authenticator = Some(Arc::clone(&witness) as Arc<dyn Authenticator>);
    assert_read(&Client::new(client(&server, "mmst").url().clone(), config)).await;
    let asked = std::mem::take(&mut *witness.asked.lock().unwrap());
    let unpadded = |token: Bytes| token[..token.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1)].to_vec();
    asked.into_iter().map(|(scheme, token)| (scheme, unpadded(token))).collect()
}

/// A question with nothing in it is one for a realm where a name and a password are wanted, and nowhere else.
#[tokio::test]
async fn a_realm_is_named_by_servers_that_want_a_password() {
    let mut realm: Vec<u8> = "realm=\"films\"".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(realm.pop(), Some(0), "taken for padding");
    let basic = Auth::Basic { user: "a".to_owned(), password: "b".to_owned() };
    assert_eq!(questions(basic, vec![b"YTpi"]).await, [("BASIC".to_owned(), realm)]);

    let legs = [("", "one"), ("two?", "two")].map(|(question, answer)| (question.into(), answer.into()));
    let ntlm = Auth::Legs { scheme: "NTLM".to_owned(), legs: legs.to_vec() };
    let expected = ["", "two?"].map(|question| ("NTLM".to_owned(), question.as_bytes().to_vec()));
    assert_eq!(questions(ntlm, vec![b"one", b"two"]).await, expected);
}
