//! Big files for tests: sparse ones that cost no disk, and pseudo-random ones that compress and repeat nowhere.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Makes a file of `len` zero bytes without disk blocks, with `marker` as its last bytes.
///
/// # Errors
/// Whatever the file system says; a marker longer than the file is `InvalidInput`.
pub fn sparse_file(path: impl AsRef<Path>, len: u64, marker: &[u8]) -> io::Result<()> {
    let start = len.checked_sub(marker.len() as u64).ok_or(io::ErrorKind::InvalidInput)?;
    let file = File::create(path)?;
    file.set_len(len)?;
    file.write_all_at(marker, start)
}

/// Makes a file of `len` bytes that depend on `seed` and position alone: see [`Pattern`].
///
/// # Errors
/// Whatever the file system says.
pub fn random_file(path: impl AsRef<Path>, len: u64, seed: u64) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let pattern = Pattern { seed };
    for word in 0..len / 8 {
        out.write_all(&pattern.word(word))?;
    }
    out.write_all(&pattern.bytes(len / 8 * 8, (len % 8) as usize))?;
    out.flush()
}

/// Endless pseudo-random bytes in which any range can be told without what is before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern {
    /// Two seeds give unrelated bytes.
    pub seed: u64,
}

impl Pattern {
    /// The `len` bytes at `offset`.
    pub fn bytes(self, offset: u64, len: usize) -> Vec<u8> {
        let skip = (offset % 8) as usize;
        let words = (skip + len).div_ceil(8) as u64;
        let whole: Vec<u8> = (offset / 8..offset / 8 + words).flat_map(|word| self.word(word)).collect();
        whole[skip..skip + len].to_vec()
    }

    /// SplitMix64 of seed and position.
    fn word(self, index: u64) -> [u8; 8] {
        let mut z =
            self.seed.wrapping_mul(0xD6E8_FEB8_6659_FD93) ^ index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)).to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_sparse_file_past_4_gib_has_its_marker_at_the_end_and_takes_no_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        sparse_file(&path, 5 << 30, b"the end").unwrap();
        let meta = path.metadata().unwrap();
        assert_eq!(meta.len(), 5 << 30);
        assert!(meta.blocks() * 512 < 1 << 20);
        let mut tail = [0; 9];
        File::open(&path).unwrap().read_exact_at(&mut tail, (5 << 30) - 9).unwrap();
        assert_eq!(&tail, b"\0\0the end");
        assert!(sparse_file(&path, 3, b"four").is_err());
    }

    #[test]
    fn any_range_of_the_pattern_equals_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r");
        random_file(&path, 1003, 7).unwrap();
        let all = std::fs::read(&path).unwrap();
        assert_eq!(all.len(), 1003);
        for (start, end) in [(0, 1003), (1, 2), (7, 9), (8, 16), (13, 1003), (1003, 1003)] {
            assert_eq!(Pattern { seed: 7 }.bytes(start as u64, end - start), all[start..end]);
        }
        random_file(&path, 1003, 8).unwrap();
        assert_ne!(std::fs::read(&path).unwrap(), all);
    }
}
