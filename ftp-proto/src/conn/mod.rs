//! The sans-IO machine: one control connection, and the transfer that runs beside it.
//!
//! A [`Connection`] is born when the control connection stands. It logs in by itself, and then does one thing at a time:
//! it asks what a file is ([`stat`](Connection::stat)), asks that and opens a port for data ([`arm`](Connection::arm)), starts
//! a transfer there ([`retrieve`](Connection::retrieve)), or ends it early ([`stop`](Connection::stop)). While it is idle it
//! may make a data connection for whatever comes next ([`prearm`](Connection::prearm)), and then asks and starts at once
//! ([`retrieve_at_once`](Connection::retrieve_at_once)). The driver feeds it
//! [`Input`] and does what [`poll_output`](Connection::poll_output) says. No payload passes it: it is told how many bytes
//! were read.
//!
//! ```
//! use std::time::Instant;
//! use bytes::BytesMut;
//! use ftp_proto::conn::{Config, Connection, Credentials, Input, Output, Quirks};
//! use ftp_proto::wire::{Arg, Secret};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = Instant::now();
//! let credentials = Credentials::new(Arg::new("anonymous")?, Secret::new("guest@")?);
//! let mut connection = Connection::new(now, Config::new(credentials), Quirks::default());
//! assert!(matches!(connection.poll_output(), Output::Wait(Some(_)))); // for the greeting
//! connection.handle_input(now, Input::Received(&mut BytesMut::from("220 Welcome\r\n")))?;
//! let Output::Transmit(login) = connection.poll_output() else { panic!() };
//! assert_eq!(&login[..], b"USER anonymous\r\nPASS guest@\r\nFEAT\r\nTYPE I\r\n"); // in one segment
//! # Ok(())
//! # }
//! ```

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::as_conversions)
)]

mod asking;
mod config;
mod connection;
mod control;
mod error;
mod event;
mod hearing;
mod login;
mod moving;
mod prearm;
mod quirks;
mod transfer;

pub use config::{Config, Credentials, Waits};
pub use connection::Connection;
pub use error::Error;
pub use event::{Awaited, Event, FileFacts, Input, Output};
pub use quirks::{Quirks, Restart};
pub use transfer::{DataEnd, Ending};
