//! A download as a reader, while it runs.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::watch;

use super::ReadError;
use crate::checkpoint::{Epoch, PartFile, StoreError};
use crate::engine::{Front, Job, Outcome};
use crate::sink::{Volume, VolumeFile, read_full_at};

/// Bytes read from the disk at once.
const PIECE: usize = 256 << 10;

/// The bytes of a download from its beginning on, each as soon as all before it are in the file.
///
/// From [`Job::reader`](crate::Job::reader). The download goes on over all its connections, whether this is read or not: what was
/// not read yet is in the file. Several readers of one download do not disturb each other.
///
/// The end is told when the download has ended well, and not before: a digest that was asked for is right then, and the file has
/// its name. If the download fails, reading fails with [`ReadError::Download`]; if it begins again because the file on the server
/// has changed, with [`ReadError::Changed`], unless nothing was read yet.
///
/// Reading can be dropped at any await. A reader does not keep the download running; it keeps the finished file open.
pub struct DownloadReader {
    front: watch::Receiver<Front>,
    position: u64,
    /// What the bytes read so far are of.
    epoch: Option<Epoch>,
    /// The finished file, if it was there before the download began.
    finished: Option<Arc<dyn VolumeFile>>,
    /// What was read from the file and not handed out yet begins at this index.
    piece: (Vec<u8>, usize),
    step: Option<Pin<Box<Step>>>,
}

type Step = dyn Future<Output = Done> + Send;

/// What a step brought.
enum Done {
    /// The front has moved, or the download has ended.
    Moved(watch::Receiver<Front>),
    /// The download is gone without a word.
    Gone,
    Read(io::Result<Vec<u8>>),
    /// The download has begun again meanwhile.
    Stale,
    Opened(io::Result<Arc<dyn VolumeFile>>),
}

/// What can be done now.
enum Next {
    Wait,
    Part { part: Arc<PartFile>, epoch: Epoch, end: u64 },
    Finished { file: Arc<dyn VolumeFile>, end: u64 },
    Open { volume: Arc<dyn Volume>, path: PathBuf },
    End,
}

impl Job {
    /// The bytes of the file from its beginning on, while it is fetched.
    ///
    /// ```no_run
    /// # async fn example(job: segfetch::Job) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut reader = job.reader();
    /// tokio::io::copy(&mut reader, &mut tokio::io::sink()).await?;
    /// let report = job.join().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn reader(&self) -> DownloadReader {
        DownloadReader {
            front: self.front.clone(),
            position: 0,
            epoch: None,
            finished: None,
            piece: (Vec::new(), 0),
            step: None,
        }
    }
}

impl DownloadReader {
    /// The next byte that is read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Bytes from the beginning of the file that can be read without waiting for the network.
    pub fn written(&self) -> u64 {
        self.front.borrow().written
    }

    fn next(&mut self) -> Result<Next, ReadError> {
        let front = self.front.borrow_and_update();
        let (complete, end) = match &front.outcome {
            Some(Outcome::Failed(reason)) => return Err(ReadError::Download { reason: reason.clone() }),
            Some(Outcome::Complete { path, len }) => (Some(path), *len),
            None => (None, front.written),
        };
        if let Some((part, epoch)) = &front.part {
            if self.position > 0 && self.epoch != Some(*epoch) {
                return Err(begun_again());
            }
            self.epoch = Some(*epoch);
            if self.position < end {
                return Ok(Next::Part { part: Arc::clone(part), epoch: *epoch, end });
            }
        }
        Ok(match (complete, &self.finished) {
            (None, _) => Next::Wait,
            (Some(_), _) if self.position >= end => Next::End,
            (Some(_), Some(file)) => Next::Finished { file: Arc::clone(file), end },
            (Some(path), None) => Next::Open { volume: Arc::clone(&front.volume), path: path.clone() },
        })
    }

    fn start(&mut self, next: Next) -> Pin<Box<Step>> {
        let position = self.position;
        let mut bytes = std::mem::take(&mut self.piece).0;
        let mut make_room = |end: u64| bytes.resize(usize::try_from(end - position).unwrap_or(PIECE).min(PIECE), 0);
        match next {
            Next::Part { part, epoch, end } => {
                make_room(end);
                Box::pin(blocking(move || match part.read_of(epoch, position, &mut bytes) {
                    Ok(n) => Done::Read(cut(bytes, n)),
                    Err(StoreError::StaleEpoch { .. }) => Done::Stale,
                    Err(error) => Done::Read(Err(io::Error::other(error))),
                }))
            }
            Next::Finished { file, end } => {
                make_room(end);
                Box::pin(blocking(move || {
                    Done::Read(read_full_at(&*file, position, &mut bytes).and_then(|n| cut(bytes, n)))
                }))
            }
            Next::Open { volume, path } => Box::pin(blocking(move || Done::Opened(volume.open(&path).map(Arc::from)))),
            Next::Wait | Next::End => self.wait(),
        }
    }

    /// Waits until the front is another one than was looked at last.
    fn wait(&self) -> Pin<Box<Step>> {
        let mut front = self.front.clone();
        Box::pin(async move {
            match front.changed().await {
                Ok(()) => Done::Moved(front),
                Err(_) => Done::Gone,
            }
        })
    }

    fn took(&mut self, done: Done) -> io::Result<()> {
        match done {
            Done::Moved(front) => self.front = front,
            Done::Gone => {
                let reason = "it was dropped before its end".to_owned();
                return Err(ReadError::Download { reason }.into());
            }
            Done::Read(bytes) => self.piece = (bytes?, 0),
            Done::Stale if self.position > 0 => return Err(begun_again().into()),
            Done::Stale => self.step = Some(self.wait()),
            Done::Opened(file) => self.finished = Some(file?),
        }
        Ok(())
    }
}

impl AsyncRead for DownloadReader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let (bytes, used) = &mut this.piece;
            if *used < bytes.len() || buf.remaining() == 0 {
                let n = (bytes.len() - *used).min(buf.remaining());
                buf.put_slice(&bytes[*used..*used + n]);
                *used += n;
                this.position += n as u64;
                return Poll::Ready(Ok(()));
            }
            let mut step = match this.step.take() {
                Some(step) => step,
                None => match this.next()? {
                    Next::End => return Poll::Ready(Ok(())),
                    next => this.start(next),
                },
            };
            match step.as_mut().poll(cx) {
                Poll::Ready(done) => this.took(done)?,
                Poll::Pending => {
                    this.step = Some(step);
                    return Poll::Pending;
                }
            }
        }
    }
}

async fn blocking(work: impl FnOnce() -> Done + Send + 'static) -> Done {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Done::Gone,
    }
}

/// What was read. There is something: it was written.
fn cut(mut bytes: Vec<u8>, n: usize) -> io::Result<Vec<u8>> {
    if n == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than what was written to it"));
    }
    bytes.truncate(n);
    Ok(bytes)
}

fn begun_again() -> ReadError {
    ReadError::Changed { reason: "the download began again with another version of it".to_owned() }
}

impl fmt::Debug for DownloadReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadReader").field("position", &self.position).finish_non_exhaustive()
    }
}
