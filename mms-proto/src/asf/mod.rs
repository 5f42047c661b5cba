//! The ASF container: headers, packets, their padding, and the index of a finished file. Useful alone; it knows nothing of any
//! protocol.

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
