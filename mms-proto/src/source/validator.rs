//! What a file on an MMS server is recognised by: its header, and which of its streams are fetched how.
//!
//! ```text
//!   version    1 byte, 1: also of the way in which padding is put back
//!   identity   1 byte: 0 player, 1 relay
//!   packets    8 bytes, big-endian
//!   streams    1 byte each, those that are asked for; then a 0
//!   header     32 bytes, the SHA-256 of all of it, with the file id in it
//! ```
//! How the file is carried is not in it: the header and the numbers of the packets are the same in each way.

use segfetch_source::{Strength, Validator};
use sha2::{Digest as _, Sha256};

use crate::asf::Guid;
use crate::client::{Fidelity, Presentation};
use crate::conn::Thinning;

const VERSION: u8 = 1;

/// Strong if the file has an id of its own: a header with it belongs to one file alone. Some programs write none.
///
/// Observed: ffmpeg writes an id of zeros
pub(super) fn of(presentation: &Presentation, fidelity: Fidelity) -> Validator {
    let mut bytes = vec![VERSION, u8::from(fidelity == Fidelity::Relay)];
    bytes.extend(presentation.packets().unwrap_or(0).to_be_bytes());
    let wanted = presentation.streams.iter().filter(|choice| choice.thinning == Thinning::None);
    bytes.extend(wanted.map(|choice| choice.stream).chain([0]));
    bytes.extend(Sha256::digest(&presentation.raw_header));
    let has_id = presentation.header.properties.file_id != Guid([0; 16]);
    Validator::new(if has_id { Strength::Strong } else { Strength::Weak }, bytes)
}
