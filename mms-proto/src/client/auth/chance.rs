//! Numbers that nobody can foresee.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Eight bytes: the challenge of a client. The keys of the hash are the system's random bytes, counted up for each hash after the first.
pub(super) fn nonce() -> [u8; 8] {
    RandomState::new().build_hasher().finish().to_le_bytes()
}
