//! Bytes to values and back.

mod auth;
mod chunks;
mod corpus;
mod hresults;
mod http;
mod mmst_corpus;
mod mmst_datagrams;
mod mmst_frames;
mod mmst_from_server;
mod mmst_to_server;
mod playlists;
mod pragmas;
#[path = "../../../fuzz/mmsh_properties.rs"]
mod properties;
mod requests;
mod sniffing;
mod urls;
