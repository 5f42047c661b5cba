//! The machine of MMST and MMSU.

mod changes;
mod cuts;
mod datagrams;
mod deadlines;
mod dialogue;
mod driver;
mod golden;
mod headers;
mod matrix;
mod memory;
pub(crate) mod operations;
mod pings;
mod refusals;
#[allow(dead_code)]
pub(crate) mod server;
mod stamps;
