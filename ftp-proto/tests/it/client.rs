//! The async client, over test servers on the loopback interface and over memory in virtual time.

mod ahead;
mod cancel;
mod deadlines;
pub(crate) mod dealings;
mod distance;
mod limits;
mod memory;
mod prearm;
mod proof;
mod round_trips;
pub(crate) mod watched;
