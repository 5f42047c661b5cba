//! All tests that need no server, in one binary.

mod asf;
mod client;
mod conn;
mod contract;
mod corpus;
mod wire;
