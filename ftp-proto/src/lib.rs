//! FTP client: byte ranges over pooled control connections, on a sans-IO core.

#[cfg(feature = "tokio")]
pub mod client;
pub mod conn;
#[cfg(feature = "source")]
pub mod source;
#[cfg(feature = "testing")]
pub mod testing;
pub mod wire;
