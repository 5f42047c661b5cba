//! What survives a crash: the journal of a download, and the store that keeps data and journal in step.
//!
//! `docs/design.md` of this crate draws the bytes, argues every point at which a crash can come, and lists what is
//! promised. In short: bytes are written to `name.part`, the part is synced, and only then does a record that claims these
//! bytes, with a checksum for each block, go to `name.part.sfj`; the file gets its name when everything is on the disk.
//!
//! | module | what |
//! |---|---|
//! | [`record`], [`recover()`] | the bytes of the journal, and what they mean. Pure |
//! | [`BlockSums`], [`Claims`] | checksums of blocks while they are written, and of all that is on the disk. Pure |
//! | [`JobStore`], [`PartFile`] | the three files of a download, over any [`Volume`](crate::sink::Volume) |

mod claims;
mod durable;
mod error;
mod identity;
mod journal;
mod names;
mod open;
mod options;
mod part;
mod place;
mod publish;
pub mod record;
mod recover;
mod store;
mod sums;
mod verify;

pub use claims::{BlockClaim, Claims, Run};
pub use error::StoreError;
pub use identity::{Epoch, Identity};
pub use options::{IfExists, OnDamage, StoreOptions, Verify};
pub use part::PartFile;
pub use record::CorruptJournal;
pub use recover::{Journaled, recover};
pub use store::{Checkpoint, Completed, Finished, FreshJob, JobStore, Opened, Recovered};
pub use sums::BlockSums;
