//! MMS over HTTP: one request, one answer, and the packets that it brings.
//!
//! Spec: WMSP, without its pipelined mode

mod answer;
mod ask;
mod body;
mod connection;
mod frames;
mod listen;

pub use ask::{Ask, Config, SeekForm};
pub use connection::Connection;
