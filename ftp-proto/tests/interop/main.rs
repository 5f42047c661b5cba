//! Tests against servers that nobody here wrote. They must be installed.

mod ahead;
mod changes;
mod foreign_clients;
mod limits;
mod names;
mod prearm;
mod ranges;
mod refusals;
mod setup;
