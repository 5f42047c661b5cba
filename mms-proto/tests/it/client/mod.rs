//! The async client against the embedded server.

mod reading;
