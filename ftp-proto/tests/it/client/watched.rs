//! A connector that knows which connections are open, and can end them.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use ftp_proto::client::{Connected, Connecting, Connector, Io, Target, TcpConnector};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Counts what the connector under it has opened. Clones share the count.
#[derive(Clone, Debug)]
pub(crate) struct Watched<C = TcpConnector> {
    connector: C,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    open: AtomicUsize,
    lives: Mutex<Vec<Arc<Mutex<Life>>>>,
}

/// Whether a connection has been ended from here, and who waits for it.
#[derive(Debug, Default)]
struct Life {
    ended: bool,
    reader: Option<Waker>,
}

impl Default for Watched {
    fn default() -> Self {
        Self::over(TcpConnector::default())
    }
}

impl<C> Watched<C> {
    pub(crate) fn over(connector: C) -> Self {
        Self { connector, shared: Arc::default() }
    }

    /// Connections that are open now.
    pub(crate) fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Ends all that are open, as a reset does.
    pub(crate) fn end_all(&self) {
        for life in self.shared.lives.lock().unwrap().drain(..) {
            let mut life = life.lock().unwrap();
            life.ended = true;
            if let Some(waker) = life.reader.take() {
                waker.wake();
            }
        }
    }
}

impl<C: Connector + Clone> Connector for Watched<C> {
    fn connect(&self, target: Target) -> Connecting {
        let connecting = self.connector.connect(target);
        let shared = self.shared.clone();
        Box::pin(async move {
            let Connected { io, peer } = connecting.await?;
            shared.open.fetch_add(1, Ordering::SeqCst);
            let life = Arc::<Mutex<Life>>::default();
            shared.lives.lock().unwrap().push(life.clone());
            Ok(Connected { io: Box::new(WatchedIo { io, life, shared }), peer })
        })
    }
}

struct WatchedIo {
    io: Box<dyn Io>,
    life: Arc<Mutex<Life>>,
    shared: Arc<Shared>,
}

impl Drop for WatchedIo {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl AsyncRead for WatchedIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut life = self.life.lock().unwrap();
        if life.ended {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        life.reader = Some(cx.waker().clone());
        drop(life);
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for WatchedIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
