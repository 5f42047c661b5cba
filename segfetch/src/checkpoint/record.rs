//! The bytes of a journal.
//!
//! All numbers are little endian. A journal is a header, records, and zeros up to the end of the file:
//!
//! ```text
//! header, 128 bytes
//!   0  magic "SEGFJNL1"                      32  generation u32: how often this journal was rewritten
//!   8  format u16 = 1                        36  zeros 4
//!  10  block_shift u8 (12..=22)              40  created u64, seconds since 1970: for people, decides nothing
//!  11  axis u8 (0 bytes, 1 packets, 2 time)  48  zeros 76
//!  12  header_len u32 = 128                 124  crc32c of bytes 0..124
//!  16  job id 16, random
//!
//! record at offset o
//!   0  len u32: bytes of kind and payload; 0 = no record here, the journal ends
//!   4  kind u8
//!   5  payload
//!   4 + len  crc32c of (job id, generation u32, o as u64, then the record from len to payload)
//!
//! payload by kind
//!   1 Identity  epoch u32 | policy u32 | extent u64 (2^64-1 unknown) | n u16, label n | m u16, validator m
//!   2 Durable   runs u32, then for each run: first block u64 | bytes u64 | crc32c u32 of each block
//!   3 Aux       opaque bytes of the source
//!   4 Done      length u64 | n u16, file name n | m u16, digest m
//! ```
//!
//! What precedes a record in its checksum makes a record of another journal, of an older generation of this one, or from
//! another place in it, invalid: space that a file system hands out with old content in it cannot speak.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crc32c::{crc32c, crc32c_append};
use segfetch_source::Validator;
use thiserror::Error;

use super::{Identity, Run};

/// Bytes of the header of a journal.
pub const HEADER_LEN: usize = 128;
/// Smallest blocks: 4 KiB; below that the checksums of a file outweigh what they save.
pub const MIN_BLOCK_SHIFT: u8 = 12;
/// Largest blocks: 4 MiB; a block is read back in one piece when it is verified.
pub const MAX_BLOCK_SHIFT: u8 = 22;
/// Most bytes of kind and payload of one record: a reader holds one record in memory.
pub const MAX_RECORD_LEN: usize = 1 << 20;
/// Most bytes of an auxiliary blob: the header of any container fits, and compaction stays cheap.
pub const MAX_AUX_LEN: usize = 256 << 10;
/// Most bytes of a label; it is a URL, and part of every checkpoint file.
pub const MAX_LABEL_LEN: usize = 4096;
/// Most bytes of a digest with its name.
pub const MAX_DIGEST_LEN: usize = 256;
/// Most bytes of a file name, as on every common file system.
pub const MAX_NAME_LEN: usize = 255;
/// Highest end of a claim: file offsets are signed.
pub const MAX_EXTENT: u64 = i64::MAX as u64;

const MAGIC: [u8; 8] = *b"SEGFJNL1";
const FORMAT: u16 = 1;
/// What a record adds to its payload: length, kind, checksum.
pub(super) const RECORD_OVERHEAD: usize = 9;
/// Payload of one Durable record that the writer aims at; longer lists become several records.
const DURABLE_PAYLOAD: usize = 512 << 10;

/// What the numbers of a range count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Axis {
    /// Bytes of a file.
    #[default]
    Bytes,
    /// Packets of a container.
    Packets,
    /// Nanoseconds of media time.
    Time,
}

/// The header of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Random for each job.
    pub job_id: [u8; 16],
    /// How often this journal was rewritten.
    pub generation: u32,
    /// Binary logarithm of the bytes of a block.
    pub block_shift: u8,
    /// What ranges count.
    pub axis: Axis,
    /// Seconds since 1970.
    pub created: u64,
}

/// One entry of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Which file all claims are about. The first record, and only that.
    Identity(Identity),
    /// Bytes that are on the disk, sorted and disjoint, with the checksum of each block. Supersedes earlier sums.
    Durable(Vec<Run>),
    /// What a source wants to find again; the last one counts.
    Aux(Vec<u8>),
    /// The file is complete and on the disk, and gets its name next; the last one counts.
    Done(Done),
}

/// How a download ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Final length in bytes.
    pub len: u64,
    /// The name that the file gets, in the directory of the journal.
    pub name: OsString,
    /// The digest of the whole file as the caller encodes it, or nothing.
    pub digest: Vec<u8>,
}

/// Why bytes are not a journal, or not one that this version can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CorruptJournal {
    /// Shorter than a header.
    #[error("it has only {0} bytes")]
    Short(usize),
    /// Longer than any journal gets.
    #[error("it has {0} bytes, more than any checkpoint file")]
    Long(u64),
    /// The file is something else.
    #[error("it does not begin like a checkpoint file")]
    Magic,
    /// A format of another version of this program.
    #[error("it has format {0}, this program reads format {FORMAT}")]
    Format(u16),
    /// The header was damaged.
    #[error("the checksum of its header is wrong")]
    HeaderChecksum,
    /// A field of the header has a value that cannot be.
    #[error("its header says {0}")]
    Header(&'static str),
    /// The first record is not whole, or is none that says which file this is about.
    #[error("it does not say which file it is about")]
    NoIdentity,
    /// A whole record, with the right checksum, breaks a rule.
    #[error("its record at byte {offset} has {rule}")]
    Record {
        /// Where the record starts.
        offset: u64,
        /// What is wrong with it.
        rule: &'static str,
    },
}

/// What precedes every record in its checksum.
#[derive(Clone, Copy, Debug)]
pub struct Seed(u32);

impl Seed {
    /// The seed of the journal that has this header.
    pub fn of(header: &Header) -> Self {
        Self(crc32c_append(crc32c(&header.job_id), &header.generation.to_le_bytes()))
    }

    /// The checksum of a record, given from its length field to the end of its payload, at this offset.
    pub fn checksum(self, offset: u64, record: &[u8]) -> u32 {
        crc32c_append(crc32c_append(self.0, &offset.to_le_bytes()), record)
    }
}

impl Header {
    /// The header as it is on the disk.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..8].copy_from_slice(&MAGIC);
        out[8..10].copy_from_slice(&FORMAT.to_le_bytes());
        out[10] = self.block_shift;
        out[11] = match self.axis {
            Axis::Bytes => 0,
            Axis::Packets => 1,
            Axis::Time => 2,
        };
        out[12..16].copy_from_slice(&(HEADER_LEN as u32).to_le_bytes());
        out[16..32].copy_from_slice(&self.job_id);
        out[32..36].copy_from_slice(&self.generation.to_le_bytes());
        out[40..48].copy_from_slice(&self.created.to_le_bytes());
        let sum = crc32c(&out[..124]);
        out[124..].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// Reads a header.
    ///
    /// # Errors
    /// [`CorruptJournal`] if `bytes` do not begin with one.
    pub fn decode(bytes: &[u8]) -> Result<Self, CorruptJournal> {
        let header: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or(CorruptJournal::Short(bytes.len()))?;
        let mut take = Take(header);
        let mut fields = || {
            let magic = take.array::<8>()?;
            let format = take.u16()?;
            let ([block_shift, axis], header_len) = (take.array()?, take.u32()?);
            let (job_id, generation) = (take.array()?, take.u32()?);
            take.bytes(4)?;
            let created = take.u64()?;
            take.bytes(76)?;
            Some((magic, format, header_len, axis, take.u32()?, (job_id, generation, block_shift, created)))
        };
        let (magic, format, header_len, axis, sum, rest) = fields().ok_or(CorruptJournal::Short(bytes.len()))?;
        if magic != MAGIC {
            return Err(CorruptJournal::Magic);
        }
        if sum != crc32c(header.split_last_chunk::<4>().map_or(&[], |(summed, _)| summed)) {
            return Err(CorruptJournal::HeaderChecksum);
        }
        if format != FORMAT {
            return Err(CorruptJournal::Format(format));
        }
        let (job_id, generation, block_shift, created) = rest;
        if header_len as usize != HEADER_LEN {
            return Err(CorruptJournal::Header("another length"));
        }
        if !(MIN_BLOCK_SHIFT..=MAX_BLOCK_SHIFT).contains(&block_shift) {
            return Err(CorruptJournal::Header("an impossible size of blocks"));
        }
        let axis = match axis {
            0 => Axis::Bytes,
            1 => Axis::Packets,
            2 => Axis::Time,
            _ => return Err(CorruptJournal::Header("an unknown axis")),
        };
        Ok(Self { job_id, generation, block_shift, axis, created })
    }
}

impl Record {
    /// The record as it is on the disk at `offset` of the journal with this seed.
    pub fn encode(&self, seed: Seed, offset: u64) -> Vec<u8> {
        let mut out = vec![0; 4];
        out.push(self.kind());
        match self {
            Self::Identity(identity) => {
                out.extend(identity.epoch.0.to_le_bytes());
                out.extend(identity.policy.to_le_bytes());
                out.extend(identity.extent.unwrap_or(u64::MAX).to_le_bytes());
                put_short(&mut out, identity.label.as_bytes());
                put_short(&mut out, &identity.validator.encode());
            }
            Self::Durable(runs) => {
                out.extend((runs.len() as u32).to_le_bytes());
                for run in runs {
                    out.extend((run.start >> run.shift).to_le_bytes());
                    out.extend((run.end - run.start).to_le_bytes());
                    out.extend(run.sums.iter().flat_map(|sum| sum.to_le_bytes()));
                }
            }
            Self::Aux(blob) => out.extend(blob),
            Self::Done(done) => {
                out.extend(done.len.to_le_bytes());
                put_short(&mut out, done.name.as_bytes());
                put_short(&mut out, &done.digest);
            }
        }
        let len = (out.len() - 4) as u32;
        out[..4].copy_from_slice(&len.to_le_bytes());
        let sum = seed.checksum(offset, &out);
        out.extend(sum.to_le_bytes());
        out
    }

    /// Reads kind and payload of a record whose checksum was right.
    ///
    /// # Errors
    /// The rule that it breaks. A kind that is not known is an error: it may take back what earlier records claim.
    pub fn decode(body: &[u8], block_shift: u8) -> Result<Self, &'static str> {
        let (&kind, payload) = body.split_first().ok_or("no kind")?;
        let mut take = Take(payload);
        let record = match kind {
            1 => Self::Identity(take.identity()?),
            2 => Self::Durable(take.runs(block_shift)?),
            3 if payload.len() > MAX_AUX_LEN => return Err("too long an auxiliary blob"),
            3 => Self::Aux(std::mem::take(&mut take.0).to_vec()),
            4 => Self::Done(take.done()?),
            _ => return Err("an unknown kind"),
        };
        if take.0.is_empty() { Ok(record) } else { Err("bytes left over") }
    }

    /// Records that claim all of `runs`, none of them too long.
    pub fn durable(runs: impl IntoIterator<Item = Run>) -> Vec<Self> {
        let mut records = Vec::new();
        let (mut batch, mut room) = (Vec::new(), DURABLE_PAYLOAD);
        for mut run in runs {
            loop {
                let fits = room.saturating_sub(16) / 4;
                if run.sums.len() <= fits {
                    room -= 16 + 4 * run.sums.len();
                    batch.push(run);
                    break;
                }
                let rest = run.split_off(fits);
                if fits > 0 {
                    batch.push(run);
                }
                records.push(Self::Durable(std::mem::take(&mut batch)));
                (run, room) = (rest, DURABLE_PAYLOAD);
            }
        }
        if !batch.is_empty() {
            records.push(Self::Durable(batch));
        }
        records
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Identity(_) => 1,
            Self::Durable(_) => 2,
            Self::Aux(_) => 3,
            Self::Done(_) => 4,
        }
    }
}

/// A length in two bytes, then the bytes. All that is written so was limited when it came in.
fn put_short(out: &mut Vec<u8>, bytes: &[u8]) {
    debug_assert!(bytes.len() <= usize::from(u16::MAX));
    out.extend((bytes.len() as u16).to_le_bytes());
    out.extend(bytes);
}

/// What is left to read.
struct Take<'a>(&'a [u8]);

impl<'a> Take<'a> {
    fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (&taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Bytes behind a length of two bytes, at most `limit` of them.
    fn short(&mut self, limit: usize) -> Option<&'a [u8]> {
        let n = usize::from(self.u16()?);
        if n > limit { None } else { self.bytes(n) }
    }

    fn identity(&mut self) -> Result<Identity, &'static str> {
        const CUT: &str = "an identity that is cut off";
        let epoch = super::Epoch(self.u32().ok_or(CUT)?);
        let policy = self.u32().ok_or(CUT)?;
        let extent = match self.u64().ok_or(CUT)? {
            u64::MAX => None,
            len if len > MAX_EXTENT => return Err("an impossible length of the file"),
            len => Some(len),
        };
        let label = self.short(MAX_LABEL_LEN).ok_or("an impossible label")?;
        let label = std::str::from_utf8(label).map_err(|_| "a label that is not text")?.to_owned();
        let validator = self.short(Validator::MAX_LEN + 1).ok_or("an impossible validator")?;
        let validator = Validator::decode(validator).map_err(|_| "an impossible validator")?;
        Ok(Identity { epoch, policy, extent, label, validator })
    }

    fn runs(&mut self, shift: u8) -> Result<Vec<Run>, &'static str> {
        const CUT: &str = "a list of ranges that is cut off";
        let count = self.u32().ok_or(CUT)?;
        let mut runs: Vec<Run> = Vec::new();
        for _ in 0..count {
            let (first, bytes) = (self.u64().ok_or(CUT)?, self.u64().ok_or(CUT)?);
            if bytes == 0 || first > MAX_EXTENT >> shift {
                return Err("an impossible range");
            }
            let start = first << shift;
            let end = start.checked_add(bytes).filter(|&end| end <= MAX_EXTENT).ok_or("an impossible range")?;
            if runs.last().is_some_and(|last| last.end > start) {
                return Err("ranges that are out of order");
            }
            let blocks = usize::try_from(bytes.div_ceil(1 << shift)).map_err(|_| CUT)?;
            let sums = self.bytes(blocks.checked_mul(4).ok_or(CUT)?).ok_or(CUT)?;
            let sums = sums.as_chunks::<4>().0.iter().map(|sum| u32::from_le_bytes(*sum)).collect();
            runs.push(Run { start, end, shift, sums });
        }
        Ok(runs)
    }

    fn done(&mut self) -> Result<Done, &'static str> {
        let len = self.u64().filter(|&len| len <= MAX_EXTENT).ok_or("an impossible length of the file")?;
        let name = self.short(MAX_NAME_LEN).ok_or("an impossible name")?;
        // The name is joined to a directory: it must be a name, and nothing that leads elsewhere.
        if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') || name.contains(&0) {
            return Err("an impossible name");
        }
        let digest = self.short(MAX_DIGEST_LEN).ok_or("an impossible digest")?.to_vec();
        Ok(Done { len, name: OsString::from_vec(name.to_vec()), digest })
    }
}
