//! A remote file from its beginning to its end, over several connections, with nothing on the disk.

mod lane;
mod shared;
mod window;

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use segfetch_source::{Access, ErrorClass, Phase, RangeSource, SourceError, SourceInfo};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::JoinSet;

use self::shared::{Settings, Shared};
use self::window::Window;
use super::{ReadCounts, ReadError};
use crate::engine::{Connections, Event, Integrity, WorkerProgress, chain};

/// Bytes of the window if nothing else is said.
const WINDOW: usize = 16 << 20;
/// A smaller window has no room for a segment that is worth a stream.
const LEAST_WINDOW: usize = 1 << 20;
/// Nor has a smaller share of one connection in it: then fewer are used.
const LEAST_SHARE: usize = 256 << 10;

/// A remote file as a pipe: every byte in its order, fetched over several connections into a window in memory.
///
/// The window begins where the reader is; nothing behind it is fetched, so a slow reader slows the connections down, and memory is
/// bounded by the size of the window, 16 MiB unless said otherwise. It is fetched in segments, of which one and a half for each
/// connection fit, and each of them costs a stream: with more connections, or on a far server, a larger window is faster. A connection that
/// everybody waits for shares what it has left with an idle one, and one that is silent for 3 s loses it.
///
/// Several connections are used once the first byte has come, if the length of the file is known and the server can start
/// anywhere; where it admits fewer, fewer are used, and with one of them the file is one stream. Failures are mended as by a
/// [`RemoteFile`](super::RemoteFile). At each opening the file is compared with what it was at first; if its validator proves little,
/// each stream brings a little of what is before it once more, nothing behind that is handed out unless both are equal, and the server is
/// asked once more before the end is told.
///
/// The connections are tasks of the current runtime, which are started by the first read, and end with this value.
///
/// ```no_run
/// # async fn example(source: impl segfetch::source::RangeSource) -> std::io::Result<()> {
/// use segfetch::Connections;
/// use segfetch::adapters::OrderedStream;
///
/// let mut stream = OrderedStream::new(source).connections(Connections::Exactly(4));
/// tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
/// # Ok(())
/// # }
/// ```
pub struct OrderedStream {
    source: Arc<dyn RangeSource>,
    connections: Connections,
    window: usize,
    settings: Settings,
    running: Option<Running>,
    position: u64,
    /// The text of the failure that ended it.
    failed: Option<String>,
}

struct Running {
    shared: Arc<Shared>,
    lanes: JoinSet<()>,
    /// All lanes are started that are to be.
    complete: bool,
    closing: Closing,
}

enum Closing {
    NotYet,
    /// The server is asked once more.
    Asking(Pin<Box<dyn Future<Output = Result<(), ReadError>> + Send>>),
    Done,
}

impl OrderedStream {
    /// The file of `source`, with every option at its default. Nothing is done yet.
    pub fn new(source: impl RangeSource) -> Self {
        Self {
            source: Arc::new(source),
            connections: Connections::Auto,
            window: WINDOW,
            settings: Settings {
                silence: Duration::from_secs(30),
                patience: Duration::from_secs(300),
                rate: Arc::default(),
                on_event: Arc::new(|_| ()),
            },
            running: None,
            position: 0,
            failed: None,
        }
    }

    /// The same with another number of connections; [`Connections::Auto`] unless said otherwise, which here is
    /// [`Connections::AUTO_MOST`] at once, or what the server grants.
    #[must_use]
    pub fn connections(mut self, connections: Connections) -> Self {
        self.connections = connections;
        self
    }

    /// The same with another bound of memory in bytes; 16 MiB unless said otherwise. At least 1 MiB, and 256 KiB for each connection or fewer are used.
    #[must_use]
    pub fn window(mut self, bytes: usize) -> Self {
        self.window = bytes.max(LEAST_WINDOW);
        self
    }

    /// The same with another time that a stream may bring nothing before it is replaced; 30 s unless said otherwise. One that exists only
    /// once ([`Access::Sequential`]) has the patience beside it.
    #[must_use]
    pub fn silence(mut self, silence: Duration) -> Self {
        self.settings.silence = silence;
        self
    }

    /// The same with another time that may pass without any progress before it fails, from the first contact on; 5 minutes unless
    /// said otherwise. Waiting for a place on a full server does not count.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.settings.patience = patience;
        self
    }

    /// The same with at most so many bytes per second from the network, over all connections; `None`, as unless said otherwise, is no
    /// limit.
    #[must_use]
    pub fn rate_limit(self, bytes_per_second: Option<u64>) -> Self {
        self.settings.rate.set(bytes_per_second);
        self
    }

    /// The same with somebody who is told what happens, at once, and who must not block: [`Event::Probed`], and of single
    /// connections [`Event::Opened`], [`Event::Closed`], [`Event::Retry`] and [`Event::Throttled`]. Of these, a worker is a connection.
    ///
    /// A retry is a failure that is tried again; the one that ends it all is returned by the read, and not told. Closings may be told a
    /// moment after the last byte was read, or after this value was dropped: when the runtime has ended the tasks.
    #[must_use]
    pub fn on_event(mut self, told: impl Fn(Event) + Send + Sync + 'static) -> Self {
        self.settings.on_event = Arc::new(told);
        self
    }

    /// The next byte that is read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// What the server said of the file, once a byte was read.
    pub fn info(&self) -> Option<SourceInfo> {
        self.running.as_ref()?.shared.state().info.clone()
    }

    /// What it has cost so far.
    pub fn counts(&self) -> ReadCounts {
        self.running.as_ref().map_or_else(ReadCounts::default, |running| ReadCounts {
            opens: running.shared.opens.load(Ordering::Relaxed),
            fetched: running.shared.fetched.load(Ordering::Relaxed),
            retries: running.shared.retries.load(Ordering::Relaxed),
        })
    }

    /// Connections that carry a stream now. They may wait for the reader.
    pub fn workers(&self) -> Vec<WorkerProgress> {
        self.running.as_ref().map_or_else(Vec::new, |running| running.shared.workers())
    }

    /// How the bytes that were read are known to be of one version of the file. A digest is for the reader to compute.
    pub fn integrity(&self) -> Integrity {
        let Some(running) = &self.running else { return Integrity::OneStream };
        let state = running.shared.state();
        match (state.is_strong(), state.brought) {
            (true, _) => Integrity::Validator,
            (false, 0 | 1) => Integrity::OneStream,
            _ => Integrity::Unverified,
        }
    }

    /// Connections that there is room for.
    fn most(&self) -> usize {
        self.connections.most().min(self.window / LEAST_SHARE).max(1)
    }

    fn start(&mut self) -> &mut Running {
        let lanes = self.most();
        self.running.get_or_insert_with(|| {
            let window = Window::new(self.window as u64, lanes);
            let shared = Arc::new(Shared::new(Arc::clone(&self.source), self.settings.clone(), window, lanes));
            let mut tasks = JoinSet::new();
            tasks.spawn(Arc::clone(&shared).run(0));
            Running { shared, lanes: tasks, complete: false, closing: Closing::NotYet }
        })
    }
}

impl Running {
    /// Starts the other connections, if more than one is any good.
    fn complete(&mut self, most: usize) {
        let known = {
            let state = self.shared.state();
            state.window.len().zip(state.info.clone())
        };
        if let Some((_, info)) = known
            && info.access == Access::Random
            && !info.sessions.shares_connection
        {
            let admitted = info.sessions.max.map_or(most, |max| most.min(max.into()));
            self.shared.several.store(admitted > 1, Ordering::Relaxed);
            for lane in 1..admitted {
                self.lanes.spawn(Arc::clone(&self.shared).run(lane));
            }
        }
        self.complete = true;
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        loop {
            self.closing = match &mut self.closing {
                Closing::Done => return Poll::Ready(Ok(())),
                Closing::Asking(asking) => {
                    let answer = ready!(asking.as_mut().poll(cx));
                    self.closing = Closing::Done;
                    return Poll::Ready(answer);
                }
                Closing::NotYet => {
                    let sure = {
                        let state = self.shared.state();
                        state.is_strong() || state.brought < 2
                    };
                    match sure {
                        false => Closing::Asking(Box::pin(Arc::clone(&self.shared).ask_again())),
                        true => Closing::Done,
                    }
                }
            }
        }
    }
}

impl AsyncRead for OrderedStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(text) = &this.failed {
            let error = SourceError::new(ErrorClass::Permanent, Phase::Body, text.clone());
            return Poll::Ready(Err(ReadError::Source(error).into()));
        }
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let most = this.most();
        let running = this.start();
        let error = 'failed: {
            while let Poll::Ready(Some(ended)) = running.lanes.poll_join_next(cx) {
                if let Err(error) = ended
                    && error.is_panic()
                {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
            let shared = Arc::clone(&running.shared);
            let mut state = shared.state();
            if let Some(error @ ReadError::Changed { .. }) =
                state.failure.take_if(|it| matches!(it, ReadError::Changed { .. }))
            {
                break 'failed error;
            }
            let before = buf.filled().len();
            while buf.remaining() > 0 {
                match state.window.take(buf.remaining()) {
                    Ok(Some(bytes)) => buf.put_slice(&bytes),
                    Ok(None) => break,
                    // What is before is right, and it will be said again.
                    Err(_) if buf.filled().len() > before => break,
                    Err(reason) => break 'failed ReadError::Changed { reason },
                }
            }
            let got = buf.filled().len() - before;
            if got > 0 {
                drop(state);
                shared.moved.notify_waiters();
                if !running.complete {
                    running.complete(most);
                }
                this.position += got as u64;
                return Poll::Ready(Ok(()));
            }
            if state.window.is_at_end() && !state.confirming {
                drop(state);
                match ready!(running.poll_close(cx)) {
                    Ok(()) => return Poll::Ready(Ok(())),
                    Err(error) => break 'failed error,
                }
            }
            if let Some(error) = state.failure.take() {
                break 'failed error;
            }
            if running.lanes.is_empty() {
                let text = "the runtime ended the connections";
                break 'failed ReadError::Source(SourceError::new(ErrorClass::Unknown, Phase::Body, text));
            }
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        running.lanes.abort_all();
        this.failed = Some(chain(&error));
        Poll::Ready(Err(error.into()))
    }
}

impl fmt::Debug for OrderedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrderedStream")
            .field("source", &self.source)
            .field("position", &self.position)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
