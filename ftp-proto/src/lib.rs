//! FTP client: byte ranges over pooled control connections, on a sans-IO core.
//!
//! ```no_run
//! use bytes::BytesMut;
//! use ftp_proto::client::{Client, Config};
//! use ftp_proto::wire::Url;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let url = Url::parse("ftp://ftp.example.org/pub/file.iso")?;
//! let client = Client::new(&url, Config::default());
//! println!("{:?} bytes", client.probe(url.path()).await?.size);
//!
//! let mut download = client.download(url.path(), 1_000_000).await?; // from this byte on
//! let mut buffer = BytesMut::with_capacity(1 << 20);
//! while download.read(&mut buffer).await? > 0 {
//!     // .. use it ..
//!     buffer.clear();
//! }
//! // Confirmed by the server. The session is in the pool, ready for the next range.
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
//!
//! | module | feature | what |
//! |---|---|---|
//! | [`wire`] | | bytes to values and back: replies, commands, URLs. Pure |
//! | [`conn`] | | the machine of one control connection and its transfer. No sockets, no clock |
#![cfg_attr(feature = "tokio", doc = "| [`client`] | `tokio` | the async client: connector, pool, downloads |")]
#![cfg_attr(not(feature = "tokio"), doc = "| `client` | `tokio` | the async client: connector, pool, downloads |")]
#![cfg_attr(feature = "source", doc = "| [`source`] | `source` | [`segfetch_source::RangeSource`] for one file |")]
#![cfg_attr(not(feature = "source"), doc = "| `source` | `source` | `segfetch_source::RangeSource` for one file |")]
#![cfg_attr(feature = "testing", doc = "| [`testing`] | `testing` | servers for tests, honest and hostile |")]
#![cfg_attr(not(feature = "testing"), doc = "| `testing` | `testing` | servers for tests, honest and hostile |")]
//!
//! Imports go up this table and never down. `client` and `source` are on by default.
//!
//! # What it does that others do not
//!
//! * A range that ends early costs a round trip and not a session: the data connection is closed, without `ABOR`, and the
//!   server's last word is awaited in the background, whatever it is. Where there is none, a fence.
//! * Login, questions and the request for a port go out in one segment, `REST` and `RETR` in another, with the connection for
//!   the data: the first byte comes after 5 round trips. The next range takes 3, or 1 where an idle session has made a data
//!   connection in advance. A server that cannot take that is found out, and remembered.
//! * A server that says 350 and sends from elsewhere is found out before a byte of it is delivered.
//! * A transfer is complete when the server says so *and* the bytes are as many as there should be.
//! * Data connections go to the control connection's peer; the address in a `PASV` answer is not followed.
//! * Every wait has a deadline, but for the silence of a body. Every future can be dropped at any await.
//!
//! # What of which specification
//!
//! | specification | done | not done |
//! |---|---|---|
//! | RFC 959 | login with `ACCT`, `TYPE I`, `PASV`, `REST`, `RETR`, `CWD`, `PWD`, `NOOP`, `QUIT` | active mode, text mode, listings, uploads |
//! | RFC 1123 section 4.1 | `PASV` answers in any form, reply tolerance | |
//! | RFC 1738 section 3.2 | relative and absolute paths, `;type=` | `;type=a`, `;type=d` are refused |
//! | RFC 2389 | `FEAT` | `OPTS` |
//! | RFC 2428 | `EPSV` | `EPRT` |
//! | RFC 2640 | names are bytes | negotiation of UTF-8 |
//! | RFC 3659 | `SIZE`, `MDTM`, `MLST`, `TVFS`, `REST STREAM` | `MLSD` |
//! | RFC 4217 | | TLS |
//! | RFC 8305 | addresses raced | |
//! | draft-bryan-ftp-range | `RANG` | |

#[cfg(feature = "tokio")]
pub mod client;
pub mod conn;
#[cfg(feature = "source")]
pub mod source;
#[cfg(feature = "testing")]
pub mod testing;
pub mod wire;
