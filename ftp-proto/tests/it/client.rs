//! The async client, over test servers on the loopback interface and over memory in virtual time.

mod cancel;
mod deadlines;
mod memory;
pub(crate) mod watched;
