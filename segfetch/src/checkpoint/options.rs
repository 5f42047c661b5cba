//! What a store does when there is a choice.

/// How much of what the journal claims is read back and compared before it is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verify {
    /// Nothing.
    Trust,
    /// (default: 16) The blocks of the last checkpoint (at most 64 of them) and this many others. If one is bad, all blocks are read.
    Sample(u32),
    /// Every block.
    Full,
}

impl Default for Verify {
    fn default() -> Self {
        Self::Sample(16)
    }
}

/// What to do with files that cannot be used to go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDamage {
    /// (default) Report it and change nothing.
    #[default]
    Fail,
    /// Start the download over.
    Restart,
}

/// What to do if the target is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IfExists {
    /// (default) Report it, before the download begins as well as at its end.
    #[default]
    Fail,
    /// Put the new file in its place, at the end and atomically.
    Replace,
    /// Take the first free name of `name`, `name.1`, `name.2` and so on.
    Unique,
}

/// How a store behaves. Start from [`StoreOptions::new`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoreOptions {
    /// Binary logarithm of the bytes of a block, for a new job: 12 (4 KiB) to 22 (4 MiB), by default 20 (1 MiB).
    pub block_shift: u8,
    /// How much of a found checkpoint is checked against the data.
    pub verify: Verify,
    /// What to do if the checkpoint file is damaged, or if it is there and the data is not.
    pub on_damage: OnDamage,
    /// What to do if there is data without a checkpoint file: perhaps another program's.
    pub on_orphan: OnDamage,
    /// What to do if the target is there.
    pub if_exists: IfExists,
    /// Whether space is reserved when a job begins.
    pub preallocate: bool,
    /// Random bytes that name a new job.
    pub job_id: [u8; 16],
    /// The time in seconds since 1970, for people who look into a new checkpoint file.
    pub created: u64,
}

impl StoreOptions {
    /// The defaults. `job_id` is random; nothing depends on `created`.
    pub fn new(job_id: [u8; 16], created: u64) -> Self {
        Self {
            block_shift: 20,
            verify: Verify::default(),
            on_damage: OnDamage::Fail,
            on_orphan: OnDamage::Fail,
            if_exists: IfExists::Fail,
            preallocate: true,
            job_id,
            created,
        }
    }
}
