//! All tests that need no server, in one binary.

mod conn;
mod servers;
mod wire;
