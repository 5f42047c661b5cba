//! Parallel, resumable, crash-safe downloads from anything that can serve byte ranges.
//!
//! A protocol crate implements [`source::RangeSource`]; [`Engine`] turns it into a file: over several connections at once, with
//! checkpoints that survive SIGKILL and power loss, and without ever mixing two versions of the file silently.
//!
//! ```no_run
//! # async fn example(source: impl segfetch::source::RangeSource) -> Result<(), Box<dyn std::error::Error>> {
//! use segfetch::{Connections, Download, Engine, EngineConfig};
//!
//! let engine = Engine::new(EngineConfig::default())?;
//! let job = engine.start(Download::new(source, "film.mkv").connections(Connections::Exactly(8)));
//! let report = job.join().await?;
//! println!("{} bytes, {:?}", report.len, report.integrity);
//! # Ok(())
//! # }
//! ```
//!
//! Run the same again after an interruption of any kind, and it goes on. What is on the disk, and what is promised after which
//! event, is in `docs/design.md`.
//!
//! | module | what |
//! |---|---|
//! | [`source`] | the contract, re-exported from `segfetch-source` |
//! | [`range_set`] | sets of half-open ranges |
//! | [`plan`] | pure machines: what to fetch next, and with how many streams |
//! | [`checkpoint`] | the journal, recovery, and the files of a download |
//! | [`sink`] | the storage operations that a download makes, for the file system and for memory |

pub mod checkpoint;
mod engine;
pub mod plan;
pub mod range_set;
pub mod sink;

/// The contract between a source and the engine.
pub use segfetch_source as source;

pub use checkpoint::Verify;
pub use engine::{
    Canceller, Connections, Download, DownloadError, Engine, EngineConfig, Event, Events, IfExists, Integrity, Job,
    OnChange, Progress, Report, Stage, WorkerProgress,
};
