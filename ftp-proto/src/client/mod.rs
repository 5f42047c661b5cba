//! The async client: sessions in a pool, probes and downloads.
//!
//! A [`Client`] stands for one server and account. It makes sessions as they are needed, keeps them while they are idle, and
//! remembers what it learned about the server. Ending a download early does not cost the session: the data connection is
//! closed, the server's last word is awaited in the background, and the next download starts on the same session.
//!
//! # Round trips
//!
//! | | round trips | which |
//! |---|---|---|
//! | first byte of a cold download, probed or not | 5 | connect, greeting, login with all questions and the port; connect with `RETR` (2) |
//! | the same on further sessions of a client that was told of them before the probe ([`Client::preconnect`]) | 3 behind the probe | login with all questions and the port; connect with `RETR` (2) |
//! | first byte of the next range, session idle | 3 | questions and port; connect with `REST` and `RETR` (2) |
//! | the same, data connection made in advance | 1 | questions, `REST` and `RETR` |
//! | end of a range, early | 1, in the background | close, and one reply |
//! | end of a range by `RANG`, or of the file | 0 | the reply comes with the last byte |
//! | first start behind byte 0 on a server, once, beside or after one at byte 0 of the same file | 0 | the first bytes of the two are compared |
//! | the same, alone | 3 more | the last byte is fetched, as a proof; what starts beside that waits for its outcome, at no cost as a rule |
//!
//! Data connections are made in advance ([`Prearm`]) by the task that looks after idle sessions, once the last word of the
//! transfer before has come. By default that is done where somebody is likely to come back: after a transfer that stopped
//! short of the end of its file, or that ended while others of the client go on. Whoever downloads a file as a whole sends one
//! `EPSV`. Nobody waits for it: who comes while the port is being opened takes it over, and who finds that the connection
//! does not serve begins anew with a port of its own, silently, and is the last one to try.

mod ahead;
mod beginning;
mod config;
mod connector;
mod download;
mod error;
mod face;
mod lease;
mod pool;
mod proof;
mod session;
mod site;
mod tcp;

pub use config::{Config, Limits, Prearm, Timeouts};
pub use connector::{Connected, Connecting, Connector, ConnectorError, Io, Target};
pub use download::{Download, Prepared};
pub use error::{ConnectError, ErrorClass, OpenError, ReadError};
pub use face::Client;
pub use tcp::TcpConnector;
