//! How connections are made: the seam for proxies and tests.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};

/// A stream of bytes in both directions.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// Whom to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A host by its name, or an address in text, and a port.
    Host {
        /// A DNS name, an IPv4 address, or an IPv6 address without brackets.
        name: String,
        /// The port.
        port: u16,
    },
    /// The very address of the control connection's peer, with the port that it told.
    Address(SocketAddr),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { name, port } if name.contains(':') => write!(f, "[{name}]:{port}"),
            Self::Host { name, port } => write!(f, "{name}:{port}"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// A connection that stands.
pub struct Connected {
    /// The stream.
    pub io: Box<dyn Io>,
    /// The address at its other end, where data connections go to. `None` behind a proxy: they go to the host's name.
    pub peer: Option<SocketAddr>,
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connected").field("peer", &self.peer).finish_non_exhaustive()
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
        /// The host, or the last address tried.
        target: String,
        /// What the system says.
        error: io::Error,
    },
}

impl ConnectorError {
    /// The kind of the failure underneath.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Resolve { error, .. } | Self::Connect { error, .. } => error.kind(),
        }
    }
}

/// A connection in the making. Dropping it gives up.
pub type Connecting = Pin<Box<dyn Future<Output = Result<Connected, ConnectorError>> + Send>>;

/// Makes control and data connections. The caller limits the time.
pub trait Connector: fmt::Debug + Send + Sync + 'static {
    /// Starts to connect.
    fn connect(&self, target: Target) -> Connecting;
}
