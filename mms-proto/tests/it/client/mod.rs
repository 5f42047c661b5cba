//! The async client against the embedded server.

mod auth;
mod cancel;
pub(crate) mod codes;
mod corpus;
mod datagrams;
mod deadlines;
mod gate;
mod opening;
mod people;
#[path = "../../../fuzz/auth_properties.rs"]
mod properties;
mod reading;
mod seeking;
mod taped;
pub(crate) mod watched;

use mms_proto::client::{Client, Config, OpenError, Session};
use mms_proto::testing::{Film, Server};
use mms_proto::wire::Url;

const PATH: &str = "/clip.asf";
const SCHEMES: [&str; 3] = ["mmst", "mmsh", "mmsu"];

fn url(server: &Server, scheme: &str) -> Url {
    Url::parse(&server.url(scheme, PATH)).unwrap()
}

fn client(server: &Server, scheme: &str) -> Client {
    Client::new(url(server, scheme), Config::default())
}

/// A session that plays from a packet.
async fn playing(client: &Client, from: u32) -> Result<Session, OpenError> {
    let mut session = client.open().await?;
    session.play(from).await?;
    Ok(session)
}

/// The numbers of the packets that come, each of which is compared with the film's.
async fn numbers(session: &mut Session, film: &Film) -> Vec<u32> {
    let mut numbers = Vec::new();
    while let Some(packet) = session.read().await.unwrap() {
        assert!(packet.data == film.packet(packet.location), "packet {} is another one", packet.location);
        numbers.push(packet.location);
    }
    numbers
}
