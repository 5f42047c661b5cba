//! What a control connection is told at its birth.

use std::time::Duration;

use crate::wire::{Arg, Secret};

/// Whom to log in as.
///
/// Spec: RFC 959 section 4.1.1
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Credentials {
    /// The argument of `USER`.
    pub user: Arg,
    /// The argument of `PASS`.
    pub password: Secret,
    /// The argument of `ACCT`, for servers that ask for it with 332.
    pub account: Option<Secret>,
}

impl Credentials {
    /// A user and a password.
    pub fn new(user: Arg, password: Secret) -> Self {
        Self { user, password, account: None }
    }

    /// The same with an account for servers that ask for one.
    #[must_use]
    pub fn with_account(mut self, account: Secret) -> Self {
        self.account = Some(account);
        self
    }
}

/// How long the peer may take. Every wait of a [`Connection`](super::Connection) has one of these; the silence of a body has none,
/// that one is the caller's.
///
/// Observed: after an early close vsftpd, proftpd, pure-ftpd and pyftpdlib say their last word within 1.4 ms of a round trip;
/// virtual users of pure-ftpd 1.0.50 take up to 5 s to log in on a loaded machine (password hashing)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waits {
    /// From the connection to the greeting.
    pub greeting: Duration,
    /// For each reply, counted from the command or from the reply before it.
    pub reply: Duration,
    /// For each reply to a login whose commands were sent together; after that the login is repeated one by one.
    pub pipelined_login: Duration,
    /// For the data connection.
    pub data_connect: Duration,
    /// From the end of the data to the final reply.
    pub last_word: Duration,
    /// The least time from closing the data connection early to the final reply; three round trips if that is more.
    pub retire: Duration,
    /// From a fence (`NOOP`) to its answer.
    pub fence: Duration,
    /// How long a port or a data connection that was made in advance is kept.
    ///
    /// Observed: pyftpdlib 1.5.7 closes a port that nobody uses after 30 s
    pub prearmed: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            greeting: Duration::from_secs(30),
            reply: Duration::from_secs(30),
            pipelined_login: Duration::from_secs(10),
            data_connect: Duration::from_secs(15),
            last_word: Duration::from_secs(10),
            retire: Duration::from_millis(300),
            fence: Duration::from_secs(5),
            prearmed: Duration::from_secs(12),
        }
    }
}

/// What a [`Connection`](super::Connection) is told at its birth.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Whom to log in as.
    pub credentials: Credentials,
    /// How long the peer may take.
    pub waits: Waits,
    /// Whether `PASV` can serve: its answer can only name IPv4 addresses, and only its port is used.
    pub pasv_allowed: bool,
}

impl Config {
    /// A configuration with default waits.
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials, waits: Waits::default(), pasv_allowed: true }
    }

    /// The same with other waits.
    #[must_use]
    pub fn with_waits(mut self, waits: Waits) -> Self {
        self.waits = waits;
        self
    }

    /// The same for a peer with an IPv6 address, where `PASV` does not exist.
    #[must_use]
    pub fn without_pasv(mut self) -> Self {
        self.pasv_allowed = false;
        self
    }
}
