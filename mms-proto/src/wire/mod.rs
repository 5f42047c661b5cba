//! Bytes to values and back. Everything here is pure: no clock, no socket. Framing is by hand and limited; values are parsed from
//! whole frames only.

#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::as_conversions,
        clippy::arithmetic_side_effects
    )
)]

mod error;
mod hresult;

pub use error::WireError;
pub use hresult::{Blame, Hresult};
