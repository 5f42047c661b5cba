//! What a client may do.

use std::sync::Arc;
use std::time::Duration;

use super::connector::Connector;
use super::tcp::TcpConnector;
use crate::conn::Waits;

/// Configuration of a [`Client`](super::Client). The default is right for public servers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How connections are made.
    pub connector: Arc<dyn Connector>,
    /// How long everything may take.
    pub timeouts: Timeouts,
    /// How much of everything there may be.
    pub limits: Limits,
    /// Whether data connections are made in advance.
    pub prearm: Prearm,
}

/// When an idle session makes a data connection in advance, for whatever is fetched next.
///
/// A transfer that finds one begins after one round trip instead of three. It is dropped after
/// [`Waits::prearmed`], and if the server does not play along nothing is lost but the attempt, which is not repeated
/// ([`Quirks::no_prearm`](crate::conn::Quirks::no_prearm)). There is at most one for a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Prearm {
    /// Never.
    Never,
    /// Where it pays: after a transfer that did not reach the end of its file, or beside others, on a server that is 10 ms away
    /// or more; by no more than two idle sessions at once, and no more if four in a row were made in vain.
    #[default]
    Auto,
    /// By every session that becomes idle, whatever it costs.
    Always,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connector: Arc::new(TcpConnector),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            prearm: Prearm::default(),
        }
    }
}

impl Config {
    /// The default configuration.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with another way to connect.
    #[must_use]
    pub fn with_connector(mut self, connector: impl Connector) -> Self {
        self.connector = Arc::new(connector);
        self
    }

    /// The same with other time-outs.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same with data connections in advance, or without.
    #[must_use]
    pub fn with_prearm(mut self, prearm: Prearm) -> Self {
        self.prearm = prearm;
        self
    }
}

/// A deadline for every wait. Only the silence of a body has none: that one is the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Looking up the host and connecting to it.
    pub connect: Duration,
    /// Everything after that: greeting, replies, data connection, retirement.
    pub waits: Waits,
    /// For the answer to the `NOOP` that goes ahead on a session which has been idle for long.
    pub check: Duration,
    /// For a session that is being retired, before a new one is opened instead of it.
    pub handover: Duration,
    /// For a session of this client to become free, when the server admits no further one. Only [`Client`](super::Client)'s own
    /// downloads wait; a source never does.
    pub session: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            waits: Waits::default(),
            check: Duration::from_secs(5),
            handover: Duration::from_millis(1500),
            session: Duration::from_secs(60),
        }
    }
}

/// How much a client keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Sessions at most, idle ones included. Reaching it is answered as if the server had refused.
    pub sessions: usize,
    /// How long an idle session is kept. Servers close them after 60 s to 900 s.
    pub idle: Duration,
    /// How long a session may have been idle and still be used without a `NOOP` ahead.
    pub unchecked: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { sessions: usize::MAX, idle: Duration::from_secs(55), unchecked: Duration::from_secs(15) }
    }
}
