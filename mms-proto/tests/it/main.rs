//! All tests that need no foreign program, in one binary.

mod asf;
mod client;
mod conn;
mod contract;
mod corpus;
mod servers;
mod wire;
