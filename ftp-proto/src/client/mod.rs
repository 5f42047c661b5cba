//! The async client: sessions in a pool, probes and downloads.
//!
//! A [`Client`] stands for one server and account. It makes sessions as they are needed, keeps them while they are idle, and
//! remembers what it learned about the server. Ending a download early does not cost the session: the data connection is
//! closed, the server's last word is awaited in the background, and the next download starts on the same session.

mod config;
mod connector;
mod download;
mod error;
mod face;
mod lease;
mod pool;
mod session;
mod site;
mod tcp;

pub use config::{Config, Limits, Timeouts};
pub use connector::{Connected, Connecting, Connector, ConnectorError, Io, Target};
pub use download::{Download, Prepared};
pub use error::{ConnectError, ErrorClass, OpenError, ReadError};
pub use face::Client;
pub use tcp::TcpConnector;
