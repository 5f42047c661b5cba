//! The async client, over test servers on the loopback interface and over memory in virtual time.

mod cancel;
mod deadlines;
pub(crate) mod dealings;
mod limits;
mod memory;
pub(crate) mod watched;
