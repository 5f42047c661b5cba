//! The client of one server.

use std::sync::Arc;

use tokio::sync::{Mutex, Notify};

use super::beginning::Beginning;
use super::config::Config;
use super::download::{Download, Prepared};
use super::error::{ErrorClass, OpenError};
use super::pool::Pool;
use super::site::{Port, Site};
use crate::conn::{Credentials, FileFacts, Quirks};
use crate::wire::{Arg, Path, Secret, Url};

/// A client of one server and one account. Cheap to clone; clones share sessions and what was learned about the server.
///
/// All of it works on the caller's own task, but for one task that looks after sessions nobody uses. Every future may be
/// dropped at any await: the session goes back to the pool, by way of retirement if something was under way.
///
/// ```no_run
/// use bytes::BytesMut;
/// use ftp_proto::client::{Client, Config};
/// use ftp_proto::wire::Url;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let url = Url::parse("ftp://ftp.example.org/pub/file.iso")?;
/// let client = Client::new(&url, Config::default());
/// let mut download = client.download(url.path(), 1 << 20).await?; // from the second MiB on
/// let mut buffer = BytesMut::with_capacity(64 << 10);
/// while download.read(&mut buffer).await? > 0 {
///     buffer.clear(); // do something with it
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) site: Arc<Site>,
}

impl Client {
    /// A client of the server that the URL names, with the URL's account or as `anonymous`. Connects to nothing yet.
    pub fn new(url: &Url, config: Config) -> Self {
        Self::with_credentials(&url.host().unbracketed(), url.port(), account(url), config)
    }

    /// A client of a server by its name or address (IPv6 without brackets).
    pub fn with_credentials(host: &str, port: u16, credentials: Credentials, config: Config) -> Self {
        let pool = Pool::new(config.limits, config.prearm);
        Self {
            site: Arc::new(Site {
                host: host.to_owned(),
                port,
                credentials,
                config,
                pool,
                turn: Mutex::default(),
                proof: Mutex::default(),
                proven: Notify::default(),
                beginning: Beginning::default(),
            }),
        }
    }

    /// Whether the URL names this server and account, so that its files can be fetched with this client.
    pub fn serves(&self, url: &Url) -> bool {
        let (site, asked) = (&self.site, account(url));
        site.host == url.host().unbracketed()
            && site.port == url.port()
            && site.credentials.user == asked.user
            && (url.password().is_none() || site.credentials.password == asked.password)
    }

    /// Host, port and user: what a server counts sessions by. No secret.
    pub fn host_key(&self) -> String {
        format!("{}:{}:{}", self.site.host, self.site.port, self.site.credentials.user)
    }

    /// Asks what a file is.
    ///
    /// # Errors
    /// [`OpenError`]: there is no session, or the server says that there is no such file.
    pub async fn probe(&self, path: &Path) -> Result<FileFacts, OpenError> {
        let probing = self.site.pool.probing();
        let (_lease, facts) = self.site.probe(named(path)?, probing.ahead).await?;
        match &facts.refusal {
            _ if facts.is_directory => Err(OpenError::Directory),
            Some(reply) => Err(OpenError::Refused { reply: reply.clone(), exists: false }),
            None => {
                probing.succeeded();
                Ok(facts)
            }
        }
    }

    /// Says that so many sessions will be needed beside that of the next [`probe`](Self::probe), at once if it succeeds. Returns
    /// at once, and nothing comes of it until then.
    ///
    /// If that probe has to connect itself, so many connections are made behind its own, within
    /// [`Limits::sessions`](super::Limits::sessions), and wait for whoever needs a session: two round trips less for him. Nothing
    /// is said on them before, so that a password is sent once until it is known to be right. They are closed if the probe fails
    /// or is dropped, 5 s after it has succeeded, and with the client.
    ///
    /// One that fails before it is needed, or that the server greets and hangs up on, is replaced without a word; what the server
    /// says in place of a greeting, or a failure while it is waited for, is the answer to whoever needed it.
    pub fn preconnect(&self, sessions: u16) {
        self.site.pool.wish_ahead(sessions);
    }

    /// Asks what a file is and makes the server ready to send it. Nothing is sent before [`Prepared::start`].
    ///
    /// Never waits for a session that is in use elsewhere.
    ///
    /// # Errors
    /// [`OpenError`]; a refusal of the file itself comes with [`Prepared::start`].
    pub async fn prepare(&self, path: &Path) -> Result<Prepared, OpenError> {
        let (lease, facts) = self.site.ask(named(path)?, Port::Always, 0).await?;
        if facts.is_directory {
            return Err(OpenError::Directory);
        }
        Ok(Prepared::new(self.clone(), path.clone(), lease, facts))
    }

    /// Starts to download a file at byte `from`. If the server admits no further session, waits for one of this client's to
    /// become free, up to [`Timeouts::session`](super::Timeouts::session).
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn download(&self, path: &Path, from: u64) -> Result<Download, OpenError> {
        let until = tokio::time::Instant::now() + self.site.config.timeouts.session;
        let mut turn = None;
        loop {
            let before = self.site.pool.begun();
            let started = async {
                match self.download_at_once(path, from, None).await? {
                    Some(download) => Ok(download),
                    None => self.prepare(path).await?.start(from, None).await,
                }
            };
            let error = match started.await {
                Ok(download) => return Ok(download),
                Err(error) => error,
            };
            let live = self.site.pool.begun();
            let limited = matches!(error.class(), ErrorClass::LimitReached { .. });
            // Without a session of ours there is nothing to wait for; those that were here have just made room.
            match (limited, live) {
                (true, 0) if before > 0 || matches!(error, OpenError::NoPort(_)) => continue,
                (true, 1..) => {}
                _ => return Err(error),
            }
            let change = async {
                // One at a time, so that a place which becomes free is not stormed.
                if turn.is_none() {
                    turn = Some(self.site.turn.lock().await);
                }
                self.site.pool.wait_for_change(before.max(live)).await;
            };
            if tokio::time::timeout_at(until, change).await.is_err() {
                return Err(error);
            }
        }
    }

    /// Starts a download on a session that has a port or a data connection ready, and asks what the file is along with it.
    /// `None`: there is no such session, or it did not come about; [`prepare`](Self::prepare) takes its time and finds out why.
    pub(crate) async fn download_at_once(
        &self,
        path: &Path,
        start: u64,
        exact_end: Option<u64>,
    ) -> Result<Option<Download>, OpenError> {
        let site = &self.site;
        let Some(mut lease) = site.take_ready(path, start, exact_end) else { return Ok(None) };
        let to_come = if start == 0 { site.announce_as_probed(path) } else { None };
        let Some(facts) = lease.start_at_once(path, start, exact_end).await else { return Ok(None) };
        let to_come = match to_come.filter(|to_come| to_come.is_of(&facts)) {
            None if start == 0 => site.announce(path, &facts),
            to_come => to_come,
        };
        let first = site.first_bytes(path, &facts, start);
        let download = Download::new(lease, facts, start, to_come);
        if site.is_start_safe(start, exact_end) {
            return Ok(Some(download));
        }
        // The file is another one than the one whose first bytes are known, or is not as long.
        if first.is_none() {
            return Ok(None);
        }
        download.vouched_for(self, path).await.map(Some)
    }

    /// What was learned about the server so far.
    pub fn quirks(&self) -> Quirks {
        self.site.pool.quirks()
    }

    /// Sessions that are logged in, or on their way there: in use, idle, being retired, and connected ahead
    /// ([`preconnect`](Self::preconnect)), since the server counts those as well.
    pub fn sessions(&self) -> usize {
        self.site.pool.live()
    }

    /// Sessions that are ready for use at once.
    pub fn idle_sessions(&self) -> usize {
        self.site.pool.idle()
    }

    /// Those of them that have made a data connection in advance, or are making it.
    pub fn prearmed_sessions(&self) -> usize {
        self.site.pool.prearmed()
    }
}

fn named(path: &Path) -> Result<&Path, OpenError> {
    path.file().map(|_| path).ok_or(OpenError::Directory)
}

/// The account that the URL names, or `anonymous`.
fn account(url: &Url) -> Credentials {
    let anonymous = || Arg::new("anonymous").expect("a constant that is a valid argument");
    // RFC 1635 asks for a mail address; none is told, and servers look for the @ at most.
    let guest = || Secret::new("guest@").expect("a constant that is a valid secret");
    let user = url.user().cloned().unwrap_or_else(anonymous);
    let password = url.password().cloned();
    let password = password.unwrap_or_else(|| match url.user() {
        None => guest(),
        Some(_) => Secret::new("").expect("the empty secret is valid"),
    });
    Credentials::new(user, password)
}
