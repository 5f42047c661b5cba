//! The threads that own all file writes.
//!
//! A write is never part of a future: a future that is dropped would leave it running, to land after a retry of the same range
//! or after the file has got its name. Each job is pinned to one thread, so its writes happen in the order in which they were
//! handed over, and [`JobWriter::drain`] knows when the last one is through.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use tokio::sync::{mpsc as async_mpsc, oneshot};

use super::buffers::Buffer;
use crate::checkpoint::{Epoch, PartFile, StoreError};

/// The writer threads of an engine. They end when the last handle and the last job are gone.
#[derive(Debug)]
pub(crate) struct Writers {
    queues: Vec<mpsc::Sender<Work>>,
    next: AtomicUsize,
}

impl Writers {
    /// Starts `count` threads, at least one.
    pub(crate) fn start(count: usize) -> std::io::Result<Self> {
        let queues = (0..count.max(1))
            .map(|n| {
                let (sender, receiver) = mpsc::channel();
                thread::Builder::new().name(format!("segfetch-write-{n}")).spawn(move || run(&receiver))?;
                Ok(sender)
            })
            .collect::<std::io::Result<_>>()?;
        Ok(Self { queues, next: AtomicUsize::new(0) })
    }

    /// A writer for one job's part, and what it reports.
    pub(crate) fn pin(&self, part: Arc<PartFile>) -> (JobWriter, async_mpsc::UnboundedReceiver<Written>) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let queue = self.queues[turn % self.queues.len()].clone();
        // Bounded by the buffer pool: every message but a comparison's and a barrier's holds a buffer.
        let (done, receiver) = async_mpsc::unbounded_channel();
        (JobWriter { queue, part, done }, receiver)
    }
}

/// What a writer thread says of one piece of work.
#[derive(Debug)]
pub(crate) enum Written {
    /// These bytes are in the file, where a kill cannot reach them.
    Range(Range<u64>),
    /// The bytes in the file are, or are not, those that were received a second time.
    Compared { range: Range<u64>, equal: bool },
    /// The storage failed; nothing more is written for this job.
    Failed(StoreError),
}

enum Work {
    Write { job: JobWriter, epoch: Epoch, offset: u64, buffer: Buffer },
    Compare { job: JobWriter, offset: u64, bytes: Bytes },
    Barrier(oneshot::Sender<()>),
}

/// One job's way to its writer thread.
#[derive(Clone, Debug)]
pub(crate) struct JobWriter {
    queue: mpsc::Sender<Work>,
    part: Arc<PartFile>,
    done: async_mpsc::UnboundedSender<Written>,
}

impl JobWriter {
    /// Hands over bytes that belong at `offset`.
    pub(crate) fn write(&self, epoch: Epoch, offset: u64, buffer: Buffer) {
        self.send(Work::Write { job: self.clone(), epoch, offset, buffer });
    }

    /// Compares bytes that arrived a second time with those in the file, behind all writes handed over before.
    pub(crate) fn compare(&self, offset: u64, bytes: Bytes) {
        self.send(Work::Compare { job: self.clone(), offset, bytes });
    }

    /// Waits until everything handed over before is done.
    pub(crate) async fn drain(&self) {
        let (sender, receiver) = oneshot::channel();
        self.send(Work::Barrier(sender));
        let _ = receiver.await;
    }

    /// What came of a piece of work. A volume that panics fails one job; the thread lives on for the others.
    fn attempt(work: impl FnOnce() -> Result<Written, StoreError>) -> Written {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(written)) => written,
            Ok(Err(error)) => Written::Failed(error),
            Err(_) => Written::Failed(StoreError::Poisoned { first: "the volume panicked".into() }),
        }
    }

    fn send(&self, work: Work) {
        // The thread lives as long as a sender exists, and `self` holds one.
        let _ = self.queue.send(work);
    }
}

fn run(queue: &mpsc::Receiver<Work>) {
    while let Ok(work) = queue.recv() {
        match work {
            Work::Write { job, epoch, offset, buffer } => {
                let outcome = JobWriter::attempt(|| {
                    let range = offset..offset + buffer.bytes.len() as u64;
                    job.part.write_at(epoch, offset, &buffer.bytes).map(|_| Written::Range(range))
                });
                drop(buffer);
                // Bytes of a version of the file that has been given up since are nobody's.
                if !matches!(outcome, Written::Failed(StoreError::StaleEpoch { .. })) {
                    let _ = job.done.send(outcome);
                }
            }
            Work::Compare { job, offset, bytes } => {
                let outcome = JobWriter::attempt(|| {
                    let range = offset..offset + bytes.len() as u64;
                    let mut found = vec![0; bytes.len()];
                    let n = job.part.read_at(offset, &mut found)?;
                    Ok(Written::Compared { range, equal: found[..n] == bytes[..] })
                });
                let _ = job.done.send(outcome);
            }
            Work::Barrier(reached) => {
                let _ = reached.send(());
            }
        }
    }
}
