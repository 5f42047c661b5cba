//! The async client against the embedded server.

mod auth;
mod gate;
mod reading;
