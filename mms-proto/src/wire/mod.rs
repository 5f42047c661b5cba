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

mod auth;
mod chunk;
mod data;
mod dechunk;
mod error;
mod host;
mod hresult;
mod http;
pub mod mmst;
mod playlist;
mod pragma;
mod request;
mod scheme;
mod secret;
mod sniff;
mod stream_switch;
mod url;

pub use auth::{is_of_connection, offers};
pub use chunk::{Chunk, MAX_CHUNK, chunk, skip_pair};
pub use data::{DataHeader, DataPacket};
pub use dechunk::Dechunker;
pub use error::WireError;
pub use host::Host;
pub use hresult::{Blame, Hresult};
pub use http::{Head, HeadReader};
pub use playlist::playlist;
pub use pragma::{Features, ServerPragmas};
pub use request::{Play, Request};
pub use scheme::Scheme;
pub use secret::Secret;
pub use sniff::{BodyKind, sniff};
pub use stream_switch::{StreamChoice, Thinning};
pub use url::{Url, UrlError, UrlRule};
