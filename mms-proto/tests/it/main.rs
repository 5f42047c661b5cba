//! All tests that need no server, in one binary.

mod asf;
mod conn;
mod corpus;
mod wire;
