//! Client for Microsoft Media Server: MMST over TCP, MMSU over UDP, MMSH over HTTP; and the ASF container.
//!
//! ```no_run
//! use mms_proto::client::{Client, Config};
//! use mms_proto::wire::Url;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(Url::parse("mms://media.example.org/talk.wmv")?, Config::default());
//! let mut session = client.open().await?; // MMSH and MMST raced, the first that works wins
//! println!("{} streams", session.presentation().header.streams.len());
//!
//! session.play(1000).await?; // from this packet on
//! while let Some(packet) = session.read().await? {
//!     // packet.data, whose place in the file is packet.location
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
//!
//! | module | feature | what |
//! |---|---|---|
//! | [`asf`] | | the container: header, packets, padding put back, recordings finished. Knows no protocol |
//! | [`wire`] | | bytes to values and back: messages, chunks, URLs, playlists. Pure |
//! | [`conn`] | | the machines: a session of MMST or MMSU, a request of MMSH. No sockets, no clock |
#![cfg_attr(feature = "tokio", doc = "| [`client`] | `tokio` | the async client: finds the way, brings packets |")]
#![cfg_attr(not(feature = "tokio"), doc = "| `client` | `tokio` | the async client: finds the way, brings packets |")]
#![cfg_attr(feature = "source", doc = "| [`source`] | `source` | [`segfetch_source::RangeSource`] for one file |")]
#![cfg_attr(not(feature = "source"), doc = "| `source` | `source` | `segfetch_source::RangeSource` for one file |")]
#![cfg_attr(feature = "testing", doc = "| [`testing`] | `testing` | a server for tests, and films for it |")]
#![cfg_attr(not(feature = "testing"), doc = "| `testing` | `testing` | a server for tests, and films for it |")]
//!
//! Imports go up this table and never down. `client` and `source` are on by default.
//!
//! # What it does that others do not
//!
//! * A packet is written where its number (LocationId) says, or not at all. A server that begins elsewhere than it was asked to is asked
//!   in another way, or found out; packets of the stream before are told from those of this one.
//! * Servers take the padding off packets. It is put back so that a packet is the file's own bytes, the length of the padding included;
//!   what cannot be proven to be the original is labelled as reconstructed.
//! * Several sessions fetch different parts of one file at once: what a server that sends at the pace of the media needs an hour for
//!   comes in a fraction of it.
//! * Datagrams that are lost are asked for again, up to the last one that the header counts, and what stays lost is a hole to be
//!   fetched, not a shift.
//! * `$M` before the header, chunks that begin with `0xA4`, headers in any number of pieces, contents that follow one another.
//! * Every wait has a deadline, but for the silence of a body. Every future can be dropped at any await.
//!
//! # One thing, four names
//!
//! | specification | libmms, SDP, ffmpeg | Wireshark | what it is |
//! |---|---|---|---|
//! | TcpMessageHeader | pre-header, command header | command common header | 32 bytes before each control message |
//! | messageLength | length until end | length until end | bytes from offset 16 to the end |
//! | chunkLen | len8 | length in 8-byte blocks | length of a message in units of 8 bytes |
//! | MID | command and direction | command, direction | which message |
//! | LocationId | packet sequence, seq_num | data sequence number | number of an ASF packet in the file, or of a piece of the header |
//! | playIncarnation | packet id type | packet id type | which request a packet answers |
//! | AFFlags | flags | flags, UDP sequence | marks of pieces of the header, a count of packets |
//! | ReadBlock | header request | header request | asks for the ASF header |
//! | StreamSwitch | stream select | media stream MBR selector | says which streams are wanted |
//! | FunnelInfo | timing test request | timing test data request | test of bandwidth |
//! | ConnectFunnel | protocol select | transport info | TCP or UDP, and the port |
//!
//! # What of which specification
//!
//! | specification | done | not done |
//! |---|---|---|
//! | MS-MMSP (MMST, MMSU) | sessions, seeking by packet, stream selection, challenges, redirects, change of content, resend requests | StartStriding (fast forward), Logging, proxies |
//! | MS-WMSP (MMSH) | Describe and Play on a connection each, challenges, redirects, proxies, every kind of chunk | pipelined mode, playlists of the server, logs |
//! | ASF (December 2004) | headers, packets with all kinds of payload, Simple Index | Index, Media Object Index, encryption |
//! | ASX and `[Reference]` | the first entry is followed | the others |
//! | HTTP | what a media server needs, chunked coding | TLS, compression |

pub mod asf;
#[cfg(feature = "tokio")]
pub mod client;
pub mod conn;
#[cfg(feature = "source")]
pub mod source;
#[cfg(feature = "testing")]
pub mod testing;
pub mod wire;
