//! A media server for tests, embedded in the test's own process, and films for it to serve.
//!
//! [`Server`] speaks MMST, MMSU and MMSH. It is honest unless [`Habits`] or a [`Fault`] say otherwise: ffmpeg, libmms, VLC, MPlayer
//! and xine get their films from it. It counts what it sees, and keeps what it was asked. A [`Film`] is a small ASF file, made from a few
//! parameters, that players play.
//!
//! The server speaks bytes: nothing of this crate's own reading and writing of MMS and ASF is used, or a misreading would be shared.
//!
//! ```
//! use mms_proto::testing::{Film, Habits, Seek, Server};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let server = Server::builder()
//!     .film("/clip.asf", Film::generated(324, 7))
//!     .habits(Habits::default().seek(Seek::Early(2)).ping_every_packets(10))
//!     .max_sessions(4)
//!     .start()?;
//! println!("{}", server.url("mmst", "/clip.asf"));
//! assert_eq!(server.counters().plays, 0);
//! server.shutdown().await;
//! # Ok::<(), std::io::Error>(())
//! # })?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod auth;
mod fault;
mod film;
mod habits;
mod http;
mod line;
mod mmsh;
mod mmst;
mod packet;
mod play;
mod server;
mod stats;
mod udp;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use auth::Auth;
pub use fault::{Fault, Step, When};
pub use film::{Film, FilmBuilder, PaddingField, Payloads, Stream};
pub use habits::{AtEnd, ChunkCount, Habits, Incarnations, Marks, Padding, Rate, Seek};
pub use server::{Server, ServerBuilder};
pub use stats::{Asked, Counters};

/// A panicking test must not hide behind a poisoned lock: nothing is left half-changed under any of them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
