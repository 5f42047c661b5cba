//! A remote file from its beginning to its end, over several connections, with nothing on the disk.

mod lane;
mod window;

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use segfetch_source::{Access, ErrorClass, Phase, RangeSource, SourceContext, SourceError, SourceInfo, Strength};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use self::lane::{Settings, Shared};
use self::window::Window;
use super::retry::Retry;
use super::{ReadCounts, ReadError};
use crate::engine::Connections;

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
/// bytes that come twice are compared, and the server is asked once more before the end is told.
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
                on_failure: Arc::new(|_| ()),
            },
            running: None,
            position: 0,
            failed: None,
        }
    }

    /// The same with another number of connections; up to [`Connections::AUTO_MOST`] unless said otherwise.
    #[must_use]
    pub fn connections(mut self, connections: Connections) -> Self {
        self.connections = connections;
        self
    }

    /// The same with another bound of memory in bytes, at least 1 MiB, and 256 KiB for each connection or fewer are used.
    #[must_use]
    pub fn window(mut self, bytes: usize) -> Self {
        self.window = bytes.max(LEAST_WINDOW);
        self
    }

    /// The same with another time that a stream may bring nothing before it is replaced; 30 s unless said otherwise.
    #[must_use]
    pub fn silence(mut self, silence: Duration) -> Self {
        self.settings.silence = silence;
        self
    }

    /// The same with another time that may pass without any progress before it fails; 5 minutes unless said otherwise.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.settings.patience = patience;
        self
    }

    /// The same with at most so many bytes per second from the network, over all connections; `None` is no limit.
    #[must_use]
    pub fn rate_limit(self, bytes_per_second: Option<u64>) -> Self {
        self.settings.rate.set(bytes_per_second);
        self
    }

    /// The same with somebody who is told of failures of single connections, each of them tried again unless it was the last.
    #[must_use]
    pub fn on_failure(mut self, told: impl Fn(&SourceError) + Send + Sync + 'static) -> Self {
        self.settings.on_failure = Arc::new(told);
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
                    let weak = self
                        .shared
                        .state()
                        .info
                        .as_ref()
                        .is_some_and(|info| info.validator.strength() != Strength::Strong);
                    match weak && self.shared.opens.load(Ordering::Relaxed) > 1 {
                        true => Closing::Asking(Box::pin(ask_again(Arc::clone(&self.shared)))),
                        false => Closing::Done,
                    }
                }
            }
        }
    }
}

/// Whether the file is still the one that it was, as far as a last look can tell.
async fn ask_again(shared: Arc<Shared>) -> Result<(), ReadError> {
    let mut retry = Retry::new(shared.settings.patience);
    let Some(before) = shared.state().info.clone() else { return Ok(()) };
    loop {
        match shared.source.probe(&SourceContext::new().with_attempt(retry.attempts())).await {
            Ok(now) => return shared.compare(&before, Some(&now.validator), now.extent.known()),
            Err(error) => sleep_until(retry.failed(error)?).await,
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
            if let Some(bytes) = state.window.take(buf.remaining()) {
                drop(state);
                shared.moved.notify_waiters();
                if !running.complete {
                    running.complete(most);
                }
                buf.put_slice(&bytes);
                this.position += bytes.len() as u64;
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
        this.failed = Some(error.to_string());
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
