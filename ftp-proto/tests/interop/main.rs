//! Tests against servers that nobody here wrote. They must be installed.

mod foreign_clients;
mod ranges;
mod setup;
