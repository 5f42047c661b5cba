//! The machine of MMST and MMSU: one TCP connection, and datagrams where they are wanted.
//!
//! Spec: MMSP 3.1

mod config;
mod connection;
mod context;
mod header;
mod opening;
mod outbox;
mod playing;
mod session;
mod slots;
mod stamps;
mod state;

pub use config::{Config, SeekForm};
pub use connection::Connection;

pub use crate::wire::mmst::{Acceleration, Funnel};
