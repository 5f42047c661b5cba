//! FTP servers for tests, embedded in the test's own process.
//!
//! * [`Server`] is honest: it serves files from memory to any client, with the habits of the real server that it is told to
//!   imitate ([`Personality`]), counts what it sees, and misbehaves where a [`Fault`] is set.
//! * [`HostileServer`] plays a [`Script`] of single steps, so that any order of bytes, replies, ends and silences can be written
//!   down. A script runs over any stream, an in-memory one included.
//!
//! Both speak bytes: nothing of this crate's own reading and writing of FTP is used, or a misreading would be shared.
//!
//! ```
//! use ftp_proto::testing::{File, Personality, Server};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let server = Server::builder()
//!     .personality(Personality::proftpd())
//!     .file("/pub/big.bin", File::generated(1 << 40, 7))
//!     .max_connections(4)
//!     .rate(8 << 20)
//!     .start()?;
//! println!("{}", server.url("/pub/big.bin"));
//! assert_eq!(server.counters().logins, 0);
//! server.shutdown().await;
//! # Ok::<(), std::io::Error>(())
//! # })?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod command;
mod control;
mod fault;
mod file;
mod hostile;
mod listing;
mod pace;
mod personality;
mod player;
mod script;
mod server;
mod session;
mod stats;
mod transfer;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use fault::{Ending, Fault, When};
pub use file::{File, content_at};
pub use hostile::HostileServer;
pub use personality::{Feature, LimitAt, Personality};
pub use script::{Pattern, Problem, Script, ScriptError, Step, Transcript};
pub use server::{Server, ServerBuilder};
pub use stats::{Counters, DataStream, Event, EventKind};

/// A panicking test must not hide behind a poisoned lock: nothing is left half-changed under any of them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
