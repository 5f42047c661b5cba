//! Tests against programs that nobody here wrote. They must be installed.

mod asf;
mod auth;
mod foreign_clients;
#[allow(dead_code)]
#[path = "../it/client/gate/mod.rs"]
mod gate;
mod live;
mod mmsh;
