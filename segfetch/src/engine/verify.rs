//! Whole-file digests.

use segfetch_source::{Digest, DigestAlgorithm};
use sha2::{Digest as _, Sha256};

use super::error::DownloadError;
use crate::checkpoint::StoreError;

/// Bytes read at a time.
const PIECE: usize = 1 << 20;

/// Refuses, before anything is fetched, a digest that cannot be checked at the end.
pub(crate) fn check_supported(expected: &Digest) -> Result<(), DownloadError> {
    if is_supported(expected) { Ok(()) } else { Err(DownloadError::UnsupportedDigest) }
}

/// Whether a digest is one that can be computed.
pub(crate) fn is_supported(digest: &Digest) -> bool {
    digest.algorithm == DigestAlgorithm::Sha256 && digest.bytes.len() == 32
}

/// SHA-256 of the first `len` bytes of whatever `read_at` reads. Blocks for about a second per GiB.
///
/// # Errors
/// Those of `read_at`; a file that ends before `len` gives the digest of what is there.
pub(crate) fn sha256(
    len: u64,
    read_at: impl Fn(u64, &mut [u8]) -> Result<usize, StoreError>,
) -> Result<[u8; 32], StoreError> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    while at < len {
        let want = usize::try_from(len - at).unwrap_or(PIECE).min(PIECE);
        let n = read_at(at, &mut piece[..want])?;
        if n == 0 {
            break;
        }
        hash.update(&piece[..n]);
        at += n as u64;
    }
    Ok(hash.finalize().into())
}

/// An error if `found` is not what was asked for.
pub(crate) fn compare(expected: &Digest, found: &[u8; 32]) -> Result<(), DownloadError> {
    if expected.bytes == found {
        Ok(())
    } else {
        Err(DownloadError::Digest { expected: expected.clone(), found: found.to_vec() })
    }
}
