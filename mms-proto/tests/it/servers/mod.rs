//! The server for tests does what its knobs say, as bytes show it.

mod bytes;
mod mmst;
