//! What arrived twice, waiting to be compared with what is in the file.

use bytes::Bytes;

use super::writer::JobWriter;
use crate::range_set::RangeSet;

/// Comparisons, of at most 1 MiB each, that the writer thread may be behind before no more bytes are read for them.
const MOST_UNDER_WAY: usize = 16;

/// Bytes received a second time. Each is compared as soon as its first copy is written.
#[derive(Debug, Default)]
pub(crate) struct Seams {
    waiting: Vec<(u64, Bytes)>,
    under_way: usize,
}

impl Seams {
    /// Remembers `bytes`, which belong at `offset`.
    pub(crate) fn add(&mut self, offset: u64, bytes: Bytes) {
        self.waiting.push((offset, bytes));
    }

    /// Hands to the writer thread what can be compared now.
    pub(crate) fn send_comparable(&mut self, written: &RangeSet, writer: &JobWriter) {
        let comparable = |(offset, bytes): &mut (u64, Bytes)| {
            let end = *offset + bytes.len() as u64;
            written.contains_range(&(*offset..end))
        };
        let ready: Vec<_> = self.waiting.extract_if(.., comparable).collect();
        for (offset, bytes) in ready {
            self.send(offset, bytes, writer);
        }
    }

    /// Hands bytes to the writer thread whose first copy is written.
    pub(crate) fn send(&mut self, offset: u64, bytes: Bytes, writer: &JobWriter) {
        self.under_way += 1;
        writer.compare(offset, bytes);
    }

    /// Whether the writer thread is so far behind that it should not get more.
    pub(crate) fn is_full(&self) -> bool {
        self.under_way >= MOST_UNDER_WAY
    }

    /// A comparison is through.
    pub(crate) fn compared(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }
}
