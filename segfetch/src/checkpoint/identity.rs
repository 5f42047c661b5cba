//! Which file a journal is about.

use segfetch_source::Validator;

use super::record::{MAX_EXTENT, MAX_LABEL_LEN};

/// Counts how often a job started over because the remote file had changed. Whoever writes names the epoch that the bytes
/// belong to, so that a late write cannot put old bytes into a new file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub(super) u32);

impl Epoch {
    /// That of a job which takes no byte any more.
    pub(super) const CLOSED: Self = Self(u32::MAX);
}

/// Which file, and which version of it, the bytes of a job are from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// What the source calls itself. No secret: it is written to the disk.
    pub label: String,
    /// What the source recognises this version by.
    pub validator: Validator,
    /// The length of the file in bytes; `None` while it is not known.
    pub extent: Option<u64>,
    /// The caller's own version of whatever decides how bytes get into the file; opaque here.
    pub policy: u32,
    pub(super) epoch: Epoch,
}

impl Identity {
    /// An identity with policy 0. A label is cut at [`MAX_LABEL_LEN`] bytes, an extent at [`MAX_EXTENT`].
    pub fn new(label: impl Into<String>, validator: Validator, extent: Option<u64>) -> Self {
        let mut label = label.into();
        let fits = |&at: &usize| at <= MAX_LABEL_LEN;
        label.truncate(label.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(fits).last().unwrap_or(0));
        let extent = extent.map(|len| len.min(MAX_EXTENT));
        Self { label, validator, extent, policy: 0, epoch: Epoch(0) }
    }

    /// The same with the caller's policy version.
    #[must_use]
    pub fn with_policy(mut self, policy: u32) -> Self {
        self.policy = policy;
        self
    }

    /// How often the job had started over when these bytes were fetched.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(super) fn in_epoch(mut self, epoch: Epoch) -> Self {
        self.epoch = epoch;
        self
    }
}
