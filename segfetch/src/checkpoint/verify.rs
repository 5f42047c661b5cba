//! Reading back what a journal claims.

use crc32c::crc32c;

use super::{BlockClaim, Journaled, Verify};
use crate::range_set::RangeSet;
use crate::sink::{VolumeFile, read_full_at};

/// Most blocks of the last checkpoint that a sample reads.
const LATEST: u64 = 64;

/// The numbers of the blocks that are not what `journaled` claims, ascending, as far as `policy` looks.
///
/// A block that cannot be read is bad: writing it again is what may mend it.
pub(super) fn bad_blocks(file: &dyn VolumeFile, journaled: &Journaled, policy: Verify) -> Vec<u64> {
    let shift = journaled.header.block_shift;
    let mut buf = vec![0; 1 << shift];
    let mut is_bad = |claim: &BlockClaim| {
        let bytes = &mut buf[..claim.len as usize];
        !read_full_at(file, claim.block << shift, bytes).is_ok_and(|n| n == bytes.len() && crc32c(bytes) == claim.sum)
    };
    let claims = &journaled.claims;
    let look_at_all = match policy {
        Verify::Trust => false,
        Verify::Full => true,
        // A disk that lost one block is not to be believed about the others.
        Verify::Sample(n) => {
            let in_sample = sample(journaled, n);
            claims.blocks().enumerate().any(|(index, claim)| in_sample(index as u64, claim.block) && is_bad(&claim))
        }
    };
    let all = look_at_all.then(|| claims.blocks().filter(|claim| is_bad(claim)).map(|claim| claim.block));
    all.into_iter().flatten().collect()
}

/// Whether the block with this number, the `index`th that is claimed, is in a sample of about `n` blocks and those of the
/// last checkpoint. Which ones it takes differs from one checkpoint to the next.
fn sample(journaled: &Journaled, n: u32) -> impl Fn(u64, u64) -> bool {
    let shift = journaled.header.block_shift;
    let stride = journaled.claims.count().div_ceil(u64::from(n).max(1)).max(1);
    let phase = (n > 0).then_some(journaled.end.wrapping_mul(0x9e37_79b9_7f4a_7c15) % stride);
    let mut latest = RangeSet::new();
    for range in journaled.latest.iter().rev() {
        let room = LATEST.saturating_sub(latest.total());
        let blocks = range.start >> shift..range.end.div_ceil(1 << shift);
        latest.insert(blocks.start.max(blocks.end.saturating_sub(room))..blocks.end);
    }
    move |index, block| Some(index % stride) == phase || latest.contains(block)
}
