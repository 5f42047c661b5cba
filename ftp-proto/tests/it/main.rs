//! All tests that need no server, in one binary.

mod client;
mod conn;
mod contract;
mod lengths;
mod servers;
mod wire;
