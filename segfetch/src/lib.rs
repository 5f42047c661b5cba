#![doc = include_str!("../README.md")]
//!
//! # Modules
//!
//! | module | what |
//! |---|---|
//! | [`source`] | the contract, re-exported from `segfetch-source` |
//! | [`range_set`] | sets of half-open ranges |
//! | [`plan`] | pure machines: what to fetch next, and with how many streams |
//! | [`checkpoint`] | the journal, recovery, and the files of a download |
//! | [`sink`] | the storage operations that a download makes, for the file system and for memory |
//! | [`adapters`] | remote files as readers: in place, while they are downloaded, or in order |

pub mod adapters;
pub mod checkpoint;
mod engine;
pub mod plan;
pub mod range_set;
pub mod sink;

/// The contract between a source and the engine.
pub use segfetch_source as source;

pub use checkpoint::{OnDamage, Verify};
pub use engine::{
    Connections, Control, Download, DownloadError, Engine, EngineConfig, Event, Events, IfExists, Integrity, Job,
    OnChange, Order, Progress, Report, Stage, WorkerProgress,
};
