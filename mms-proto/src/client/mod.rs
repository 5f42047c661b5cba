//! The async client: it finds the way to a file, and brings its packets.
//!
//! ```no_run
//! use mms_proto::client::{Client, Config};
//! use mms_proto::wire::Url;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(Url::parse("mms://media.example.org/talk.wmv")?, Config::default());
//! let mut session = client.open().await?;
//! let film = session.presentation().clone();
//! println!("{}: {:?} packets of {} bytes", film.transport, film.packets(), film.packet_size);
//!
//! session.play(1000).await?; // from this packet on
//! while let Some(packet) = session.read().await? {
//!     println!("packet {}", packet.location); // its place in the file
//! }
//! # Ok(())
//! # }
//! ```

mod auth;
#[allow(clippy::module_inception)]
mod client;
mod config;
mod connector;
mod driver;
mod error;
mod link;
mod presentation;
mod race;
mod session;

pub use auth::{AuthContext, Authenticator, Credentials};
pub use client::Client;
pub use config::{Config, Fidelity, Streams, Transport};
pub use connector::{Connected, Connecting, Connector, ConnectorError, Io, Target, TcpConnector};
pub use driver::ConnectionError;
pub use error::{ErrorClass, OpenError, ReadError};
pub use presentation::Presentation;
pub use session::{MediaPacket, Session};
