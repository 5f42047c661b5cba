//! Connections that are counted while they are open, and can be ended from outside.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Knows which of its connections are open. Clones share the count.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    open: Arc<AtomicUsize>,
    lives: Arc<Mutex<Vec<Arc<Mutex<Life>>>>>,
}

/// Whether a connection has been ended from here, and who waits for it.
#[derive(Debug, Default)]
struct Life {
    ended: bool,
    reader: Option<Waker>,
}

impl Watch {
    /// The same connection, which counts as open until it is dropped.
    ///
    /// # Panics
    /// If another thread has panicked here.
    pub fn over<T>(&self, io: T) -> Watched<T> {
        self.open.fetch_add(1, Ordering::SeqCst);
        let life = Arc::<Mutex<Life>>::default();
        self.lives.lock().expect("nothing panics here").push(life.clone());
        Watched { io, life, open: self.open.clone() }
    }

    /// Connections that are open now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Ends all that are open, as a reset does.
    ///
    /// # Panics
    /// If another thread has panicked here.
    pub fn end_all(&self) {
        for life in self.lives.lock().expect("nothing panics here").drain(..) {
            let mut life = life.lock().expect("nothing panics here");
            life.ended = true;
            if let Some(waker) = life.reader.take() {
                waker.wake();
            }
        }
    }
}

/// A connection of a [`Watch`].
#[derive(Debug)]
pub struct Watched<T> {
    io: T,
    life: Arc<Mutex<Life>>,
    open: Arc<AtomicUsize>,
}

impl<T> Drop for Watched<T> {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut life = self.life.lock().expect("nothing panics here");
        if life.ended {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        life.reader = Some(cx.waker().clone());
        drop(life);
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_connection_counts_until_it_is_dropped_and_ends_when_it_is_told_to() {
        let watch = Watch::default();
        let (near, mut far) = tokio::io::duplex(16);
        let mut near = watch.over(near);
        far.write_all(b"a").await.unwrap();
        assert_eq!((near.read_u8().await.unwrap(), watch.open()), (b'a', 1));

        let (read, ()) = tokio::join!(near.read_u8(), async { watch.end_all() });
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(watch.open(), 1);
        drop(near);
        assert_eq!(watch.open(), 0);
    }
}
