//! What a download is asked to do.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use segfetch_source::{Access, Digest, RangeSource};

use crate::checkpoint::{OnDamage, Verify};

/// How many connections a download may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Connections {
    /// (default) One at first (four for a long file on a server far away), and more of them while they make the whole faster, at
    /// most [`Connections::AUTO_MOST`].
    Auto,
    /// This many, once the server has said what the file is, unless it grants fewer. 0 counts as 1, and more than
    /// [`Connections::MOST`] as that.
    Exactly(u16),
}

impl Connections {
    /// What [`Connections::Auto`] goes up to.
    pub const AUTO_MOST: u16 = 8;
    /// More than this is never opened for one download.
    pub const MOST: u16 = 64;

    pub(crate) fn most(self) -> usize {
        usize::from(match self {
            Self::Auto => Self::AUTO_MOST,
            Self::Exactly(n) => n.clamp(1, Self::MOST),
        })
    }
}

/// In which order the parts of the file are fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// (default) So that the whole is there soonest, with as few requests as possible.
    #[default]
    Fastest,
    /// From the front, so that what is read while it arrives comes soonest. Costs more requests.
    FromFront,
}

/// What to do when the file on the server is not the one that was begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnChange {
    /// (default) End with [`DownloadError::Changed`](crate::DownloadError::Changed); what was fetched stays.
    #[default]
    Fail,
    /// Throw away what was fetched and begin again with the new file.
    Restart,
}

/// What to do when the target exists already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IfExists {
    /// (default) If it has the length and the time of the file on the server, there is nothing to do; otherwise refuse, with
    /// [`StoreError::TargetExists`](crate::checkpoint::StoreError::TargetExists). A source that says no time of change
    /// ([`SourceInfo::modified`](crate::source::SourceInfo::modified)) is always refused.
    #[default]
    KeepOrFail,
    /// Replace it, in one step, when the download is complete.
    Replace,
    /// Choose another name: `name.1`, `name.2`, and so on.
    Unique,
}

/// One download: from where, to where, and how.
#[derive(Clone, Debug)]
pub struct Download {
    pub(crate) source: Arc<dyn RangeSource>,
    pub(crate) target: PathBuf,
    pub(crate) connections: Connections,
    pub(crate) order: Order,
    pub(crate) on_change: OnChange,
    pub(crate) on_damage: OnDamage,
    pub(crate) if_exists: IfExists,
    pub(crate) verify: Verify,
    pub(crate) expected: Option<Digest>,
    pub(crate) rate_limit: Option<u64>,
    pub(crate) silence: Duration,
    pub(crate) patience: Duration,
    pub(crate) checkpoint_every: Duration,
    pub(crate) keep_modified: bool,
}

impl Download {
    /// Fetches `source` into the file `target`, with every option at its default.
    pub fn new(source: impl RangeSource, target: impl AsRef<Path>) -> Self {
        Self {
            source: Arc::new(source),
            target: target.as_ref().to_owned(),
            connections: Connections::Auto,
            order: Order::default(),
            on_change: OnChange::default(),
            on_damage: OnDamage::default(),
            if_exists: IfExists::default(),
            verify: Verify::Sample(16),
            expected: None,
            rate_limit: None,
            silence: Duration::from_secs(30),
            patience: Duration::from_secs(300),
            checkpoint_every: Duration::from_secs(1),
            keep_modified: true,
        }
    }

    /// How many connections at once; [`Connections::Auto`] unless said otherwise.
    #[must_use]
    pub fn connections(mut self, connections: Connections) -> Self {
        self.connections = connections;
        self
    }

    /// Which parts come first; [`Order::Fastest`] unless said otherwise.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// What to do when the file on the server has changed; [`OnChange::Fail`] unless said otherwise.
    #[must_use]
    pub fn on_change(mut self, on_change: OnChange) -> Self {
        self.on_change = on_change;
        self
    }

    /// What to do when the journal of an earlier run is damaged, or its part is gone; [`OnDamage::Fail`] unless said otherwise, and
    /// with [`OnDamage::Restart`] everything is fetched anew. Damaged *bytes* are no matter of this: they are found by their
    /// checksums and fetched again. A part without a journal may belong to another program, and is never overwritten.
    #[must_use]
    pub fn on_damage(mut self, on_damage: OnDamage) -> Self {
        self.on_damage = on_damage;
        self
    }

    /// What to do when the target exists; [`IfExists::KeepOrFail`] unless said otherwise.
    #[must_use]
    pub fn if_exists(mut self, if_exists: IfExists) -> Self {
        self.if_exists = if_exists;
        self
    }

    /// How much of the disk is read back when going on; [`Verify::Sample(16)`](Verify::Sample) unless said otherwise.
    #[must_use]
    pub fn verify(mut self, verify: Verify) -> Self {
        self.verify = verify;
        self
    }

    /// The digest that the finished file must have, or it does not get its name. Only SHA-256 is computed; any other algorithm
    /// is refused with [`DownloadError::UnsupportedDigest`](crate::DownloadError::UnsupportedDigest) before anything is fetched.
    ///
    /// Unless said otherwise it is the SHA-256 that the source states
    /// ([`SourceInfo::digest`](crate::source::SourceInfo::digest)), if it states one; what it states of other algorithms is ignored.
    #[must_use]
    pub fn expect_digest(mut self, digest: Digest) -> Self {
        self.expected = Some(digest);
        self
    }

    /// Most bytes per second that this download receives; `None`, as unless said otherwise, is no limit.
    #[must_use]
    pub fn rate_limit(mut self, bytes_per_second: Option<u64>) -> Self {
        self.rate_limit = bytes_per_second;
        self
    }

    /// How long a stream may bring nothing before it has failed; 30 s unless said otherwise. Where another one is free, that one
    /// takes over much earlier, and where others go on, it is replaced after 5 s, and once it was, after 15. One that exists only once
    /// ([`Access::Sequential`](crate::source::Access::Sequential)) cannot be replaced, and has failed when the
    /// [`patience`](Self::patience) is over too.
    #[must_use]
    pub fn silence(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }

    /// How long the whole download may make no progress before it gives up; 5 minutes unless said otherwise. A single byte is
    /// progress. Pauses do not count, nor does waiting for a place on a full server.
    ///
    /// It is so from the first contact on: a server that refuses the connection, or does not answer, is tried again and again for as
    /// long, told by [`Event::Retry`](crate::Event::Retry). Say less where a person waits for the answer.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How often what was received is made durable; 1 s unless said otherwise. A kill loses about this much.
    #[must_use]
    pub fn checkpoint_every(mut self, interval: Duration) -> Self {
        self.checkpoint_every = interval;
        self
    }

    /// Whether the finished file gets the server's time of last change; yes unless said otherwise.
    #[must_use]
    pub fn keep_modified(mut self, keep: bool) -> Self {
        self.keep_modified = keep;
        self
    }
}

/// How long a stream may bring nothing. One that exists only once cannot be replaced, and its source has the time to mend it.
pub(crate) fn bearable_silence(access: Access, silence: Duration, patience: Duration) -> Duration {
    match access {
        Access::Sequential => silence.saturating_add(patience),
        _ => silence,
    }
}
