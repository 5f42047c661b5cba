//! The server for tests does what its knobs say, as bytes show it.

mod bytes;
mod chunks;
mod http;
mod mmsh;
mod mmst;
mod mmst_answers;
mod mmst_faults;
mod mmst_plays;
mod mmsu;
