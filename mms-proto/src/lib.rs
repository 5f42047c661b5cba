#![doc = include_str!("../README.md")]

pub mod asf;
#[cfg(feature = "tokio")]
pub mod client;
pub mod conn;
#[cfg(feature = "source")]
pub mod source;
#[cfg(feature = "testing")]
pub mod testing;
pub mod wire;
