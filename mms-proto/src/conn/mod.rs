//! The sans-IO machines. They have no socket, no clock and no chance: time is an argument, and who we are is in the
//! configuration.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::as_conversions)
)]

mod awaited;
mod config;
mod error;
mod event;
pub mod mmsh;
pub mod mmst;

pub use crate::wire::{StreamChoice, Thinning};
pub use awaited::Awaited;
pub use config::{Identity, Limits, Waits};
pub use error::Error;
pub use event::{Challenge, Challenger, Event, Facts, Input, Offer, Output, Packet, Refusal};
