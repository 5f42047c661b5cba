//! The ASF container: headers, packets, their padding, and the index of a finished file. Useful alone; it knows nothing
//! of any protocol.
//!
//! Bytes in, values out: nothing here reads, waits or keeps state between calls, except [`Tidy`], which counts what it
//! is fed.
//!
//! | question | answer |
//! |---|---|
//! | what is this file, how long is it, what is in it | [`Header`] |
//! | where does packet N begin | [`Header::packet_offset`] |
//! | what is in this packet | [`Packet`], whose [`payloads`](Packet::payloads) are the pieces of media |
//! | the packet came without its padding | [`restore`] |
//! | are two packets the same but for their padding | [`Unpadded`] |
//! | make a recording a proper file, with an index | [`Tidy`] |
//! | let a recording that was joined in the middle begin at 0 | [`rebase`] |
//!
//! ```
//! use mms_proto::asf::{Header, StreamKind};
//!
//! # let file = include_bytes!("../../tests/data/video.wmv");
//! // The beginning of a file, or what a server sends for a header: `Header::measure` tells how much is needed.
//! let header = Header::decode(file)?;
//!
//! println!("{} packets of {} bytes", header.properties.packets, header.packet_size()?);
//! for (number, stream) in &header.streams {
//!     match stream.kind {
//!         StreamKind::Video(Some(video)) => println!("stream {number}: {}, {} lines", video.codec(), video.height),
//!         StreamKind::Audio(Some(audio)) => println!("stream {number}: {} Hz", audio.sample_rate),
//!         _ => println!("stream {number}: something else"),
//!     }
//! }
//! # assert_eq!(header.packet_size()?, 1400);
//! # assert_eq!(header.streams.len(), 2);
//! assert_eq!(header.packet_offset(0), Some(header.data_offset));
//! # Ok::<(), mms_proto::asf::AsfError>(())
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

mod description;
mod error;
mod guid;
mod header;
mod index;
mod object;
mod packet;
mod padding;
mod payload;
mod reader;
mod rebase;
mod stream;
mod tidy;

pub use description::Description;
pub use error::{AsfError, Rule};
pub use guid::Guid;
pub(crate) use header::DATA_OBJECT_HEADER_LEN;
pub use header::{DataObject, FileProperties, Header, MAX_HEADER_LEN, MAX_PACKET_SIZE};
pub use index::MAX_INDEX_ENTRIES;
pub use packet::{LengthType, Packet, PaddingLength};
pub use padding::{Padding, Unpadded, restore};
pub use payload::{Payload, Payloads};
pub use rebase::rebase;
pub use stream::{AudioFormat, Stream, StreamKind, VideoFormat};
pub use tidy::{Tidied, Tidy};
