//! What arrived twice, waiting to be compared with what is in the file.

use bytes::Bytes;

use super::writer::JobWriter;
use crate::range_set::RangeSet;

/// Bytes received a second time. Each is compared as soon as its first copy is written.
#[derive(Debug, Default)]
pub(crate) struct Seams {
    waiting: Vec<(u64, Bytes)>,
}

impl Seams {
    /// Remembers `bytes`, which belong at `offset`.
    pub(crate) fn add(&mut self, offset: u64, bytes: Bytes) {
        self.waiting.push((offset, bytes));
    }

    /// Hands to the writer thread what can be compared now.
    pub(crate) fn send_comparable(&mut self, written: &RangeSet, writer: &JobWriter) {
        self.waiting.retain(|(offset, bytes)| {
            let range = *offset..*offset + bytes.len() as u64;
            let comparable = written.contains_range(&range);
            if comparable {
                writer.compare(*offset, bytes.clone());
            }
            !comparable
        });
    }
}
