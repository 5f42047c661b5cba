//! How connections are made: the seam for proxies, TLS and tests.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::race::{self, Attempt};

/// A stream of bytes in both directions.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// Whom to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A DNS name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// A connection that stands.
pub struct Connected {
    /// The stream.
    pub io: Box<dyn Io>,
    /// Our address and the server's, where datagrams are exchanged. `None`: there is no way for datagrams.
    pub addresses: Option<(SocketAddr, SocketAddr)>,
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connected").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// Why a connection was not made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectorError {
    /// The name was not found.
    #[error("cannot look up {name}: {error}")]
    Resolve {
        /// The name.
        name: String,
        /// What the resolver says.
        error: io::Error,
    },
    /// No address of the host could be reached.
    #[error("cannot connect to {target}: {error}")]
    Connect {
        /// The host.
        target: Target,
        /// What the system says.
        error: io::Error,
    },
}

/// A connection in the making. Dropping it gives up.
pub type Connecting = Pin<Box<dyn Future<Output = Result<Connected, ConnectorError>> + Send>>;

/// Makes connections. The caller limits the time.
pub trait Connector: fmt::Debug + Send + Sync + 'static {
    /// Starts to connect.
    fn connect(&self, target: Target) -> Connecting;
}

/// Head start of an address before the next one is tried beside it.
///
/// Spec: RFC 8305 section 8
const STAGGER: Duration = Duration::from_millis(250);

/// More addresses than any host needs; each costs one attempt.
const MAX_ADDRESSES: usize = 16;

/// Connects by TCP. Of several addresses the one that answers first wins.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TcpConnector;

impl Connector for TcpConnector {
    fn connect(&self, target: Target) -> Connecting {
        Box::pin(async move {
            let found = tokio::net::lookup_host((target.host.as_str(), target.port)).await;
            let found = found.map_err(|error| ConnectorError::Resolve { name: target.host.clone(), error })?;
            let attempts = found.take(MAX_ADDRESSES).map(|address| -> Attempt<'_, _, _> { Box::pin(dial(address)) });
            race::first(attempts.collect(), STAGGER).await.map_err(|mut errors| {
                let none = || io::Error::new(io::ErrorKind::AddrNotAvailable, "the host has no address");
                ConnectorError::Connect { target, error: errors.pop().unwrap_or_else(none) }
            })
        })
    }
}

async fn dial(address: SocketAddr) -> io::Result<Connected> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let addresses = Some((stream.local_addr()?, stream.peer_addr()?));
    Ok(Connected { io: Box::new(stream), addresses })
}
