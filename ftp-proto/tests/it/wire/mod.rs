//! Bytes to values and back.

mod commands;
mod corpus;
mod facts;
mod features;
mod passive;
#[path = "../../../fuzz/properties.rs"]
mod properties;
mod replies;
mod round_trips;
mod url;
