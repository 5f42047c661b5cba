//! Bytes to values and back: commands, replies, and the values inside replies.
//!
//! Everything here is pure: no clock, no socket, and no state between calls except what a [`ReplyReader`] holds of an
//! unfinished reply. Framing is by hand and limited; values are parsed from whole frames only.
//!
//! | question | answer |
//! |---|---|
//! | what do I send | [`Command`], made of [`Arg`] and [`Secret`] |
//! | what did it say | [`ReplyReader`] gives [`Reply`], which has a [`Code`] |
//! | where is the data | [`pasv`], [`epsv`], [`epsv_protocols`] |
//! | what can it do | [`feat`] gives [`Features`] |
//! | which file is it | [`size`], [`mdtm`], [`mlst`], [`pwd257`] |
//! | why did it refuse | [`reply_hints_limit`], [`reply_hints_transient`], [`ready_in`] |
//! | what does the user want | [`Url`], whose [`Path`] gives the steps |
//!
//! ```
//! use bytes::BytesMut;
//! use ftp_proto::wire::{Arg, Command, ReplyReader, pasv};
//!
//! let mut line = BytesMut::new();
//! Command::Retr(Arg::new("a name")?).encode(&mut line);
//! assert_eq!(&line[..], b"RETR a name\r\n");
//!
//! let mut received = BytesMut::from("227 Entering Passive Mode (192,0,2,1,19,137).\r\n150 Ope");
//! let reply = ReplyReader::default().decode(&mut received)?.expect("a whole reply");
//! assert_eq!(pasv(&reply)?.to_string(), "192.0.2.1:5001");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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

mod arg;
mod command;
mod feat;
mod hints;
mod mlst;
mod passive;
mod path;
mod reader;
mod reply;
mod text;
mod timestamp;
mod url;
mod value;

pub use arg::{Arg, InvalidArg, Secret};
pub use command::{Command, Iac, InvalidVerb, OtherCommand, Type};
pub use feat::{Features, HashAlgorithm, MlstFact, feat};
pub use hints::{ready_in, reply_hints_limit, reply_hints_transient};
pub use mlst::{EntryType, Facts, Perm, mlst};
pub use passive::{Protocols, epsv, epsv_protocols, pasv};
pub use path::{Path, PathSegments};
pub use reader::{ReplyError, ReplyLimits, ReplyReader, ReplyRule};
pub use reply::{Class, Code, Reply};
pub use timestamp::{Timestamp, mdtm};
pub use url::{Host, Scheme, Url, UrlError, UrlRule, UrlType};
pub use value::{ValueError, ValueRule, pwd257, size};
