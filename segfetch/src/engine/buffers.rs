//! The one memory budget of an engine.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of one buffer. Larger writes cost less CPU per byte up to here, and no less beyond.
pub(crate) const BUFFER_LEN: usize = 1 << 20;

/// A fixed number of equal buffers, shared by all jobs of an engine. Waiting for one is the back-pressure: a stream
/// without a buffer is not read, and TCP closes its window.
#[derive(Clone)]
pub(crate) struct Buffers {
    permits: Arc<Semaphore>,
    free: Arc<Mutex<Vec<BytesMut>>>,
}

impl Buffers {
    /// A pool of as many buffers as fit into `budget` bytes, at least one. Memory is allocated when first used.
    pub(crate) fn new(budget: usize) -> Self {
        let count = (budget / BUFFER_LEN).clamp(1, Semaphore::MAX_PERMITS);
        Self { permits: Arc::new(Semaphore::new(count)), free: Arc::default() }
    }

    /// Waits for an empty buffer.
    ///
    /// It cannot wait for ever: a held buffer is either being written by a writer thread, which needs no buffer, or held by
    /// a stream that gives it up after a bounded age, full or empty.
    pub(crate) async fn acquire(&self) -> Buffer {
        let permit = match Arc::clone(&self.permits).acquire_owned().await {
            Ok(permit) => permit,
            Err(_closed) => std::future::pending().await, // never closed
        };
        let recycled = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = recycled.unwrap_or_else(|| BytesMut::with_capacity(BUFFER_LEN));
        Buffer { bytes, free: Arc::clone(&self.free), _permit: permit }
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers").field("available", &self.permits.available_permits()).finish()
    }
}

/// A buffer that goes back to its pool when dropped.
pub(crate) struct Buffer {
    /// What it holds; its capacity is [`BUFFER_LEN`].
    pub(crate) bytes: BytesMut,
    free: Arc<Mutex<Vec<BytesMut>>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pool_never_hands_out_more_than_its_budget() {
        let pool = Buffers::new(2 * BUFFER_LEN + 17);
        let first = pool.acquire().await;
        let _second = pool.acquire().await;
        assert_eq!(pool.permits.available_permits(), 0);
        drop(first);
        let again = pool.acquire().await;
        assert!(again.bytes.is_empty() && again.bytes.capacity() >= BUFFER_LEN);
    }
}
