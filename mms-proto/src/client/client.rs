//! Finds the way to a file, and keeps it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::auth::{Authenticator, Home};
use super::config::{Config, Fidelity, Transport};
use super::link::{self, Form, Found};
use super::race::{self, Attempt};
use super::{OpenError, Presentation, Session};
use crate::wire::Url;

/// Head start of a way before the next one is tried beside it.
const STAGGER: Duration = Duration::from_millis(300);

/// Sessions at rest that are kept. More end together rarely.
const IDLE: usize = 16;

/// How long a session at rest is kept. Nobody answers for it meanwhile, and servers ask every ten seconds at most.
///
/// Spec: MMSP 3.2.2
const IDLE_FOR: Duration = Duration::from_secs(8);

/// A client for one file. Clones share what was found out, and sessions.
#[derive(Clone, Debug)]
pub struct Client {
    url: Url,
    config: Arc<Config>,
    learned: Arc<Learned>,
}

/// What was found out about a file and its server.
#[derive(Debug, Default)]
pub(super) struct Learned {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The way that worked, and the place after all redirects.
    way: Option<(Transport, Url)>,
    presentation: Option<Arc<Presentation>>,
    form: Form,
    idle: Vec<(Instant, Session)>,
}

impl Learned {
    pub(super) fn form(&self) -> Form {
        self.lock().form
    }

    pub(super) fn keep(&self, form: Form) {
        self.lock().form = form;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// A client for the file that `url` names. Connects to nothing yet.
    pub fn new(url: Url, mut config: Config) -> Self {
        let who = config.authenticator_for(&url);
        config.authenticator = who.map(|who| -> Arc<dyn Authenticator> { Arc::new(Home::new(&url, who)) });
        Self { url, config: Arc::new(config), learned: Arc::default() }
    }

    /// The URL that it was made for.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Who it says that it is.
    pub fn fidelity(&self) -> Fidelity {
        self.config.fidelity
    }

    /// What the last session was told.
    pub fn presentation(&self) -> Option<Arc<Presentation>> {
        self.learned.lock().presentation.clone()
    }

    /// A session with the file's header: one that is at rest, or a new one. The first finds the way, all later ones go it.
    ///
    /// # Errors
    /// [`OpenError`]; for `mms://` every way's reason is in it.
    pub async fn open(&self) -> Result<Session, OpenError> {
        match self.take_idle() {
            Some(session) => Ok(session),
            None => self.open_anew().await,
        }
    }

    /// A session that is not one of those at rest.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_anew(&self) -> Result<Session, OpenError> {
        let known = self.learned.lock().way.clone();
        let session = match known {
            Some((transport, url)) => self.follow(url, vec![transport]).await?,
            None => self.follow(self.url.clone(), self.config.transports_for(&self.url)).await?,
        };
        let presentation = session.presentation();
        let mut state = self.learned.lock();
        state.way = Some((presentation.transport, presentation.url.clone()));
        state.presentation = Some(Arc::clone(presentation));
        drop(state);
        Ok(session)
    }

    /// Whether a session is at rest. Another one beside it costs a connection.
    pub fn has_idle(&self) -> bool {
        self.learned.lock().idle.iter().any(|(since, _)| since.elapsed() < IDLE_FOR)
    }

    /// Takes a session back that is at rest.
    pub fn give_back(&self, session: Session) {
        let mut state = self.learned.lock();
        state.idle.retain(|(since, _)| since.elapsed() < IDLE_FOR);
        if state.idle.len() < IDLE {
            state.idle.push((Instant::now(), session));
        }
    }

    fn take_idle(&self) -> Option<Session> {
        let mut state = self.learned.lock();
        state.idle.retain(|(since, _)| since.elapsed() < IDLE_FOR);
        state.idle.pop().map(|(_, session)| session)
    }

    /// Opens a URL, and what it leads to.
    async fn follow(&self, url: Url, transports: Vec<Transport>) -> Result<Session, OpenError> {
        let (mut url, mut transports) = (url, transports);
        for _ in 0..=self.config.redirects {
            if transports.is_empty() {
                return Err(OpenError::Elsewhere(url.to_string()));
            }
            let (transport, found) = self.roll(&url, &transports).await?;
            match found {
                Found::Here { link, facts, header } => {
                    let choose = |header: &_| self.config.streams.choose(header);
                    let presentation = Presentation::new(transport, url, facts, &header, choose)?;
                    let (config, learned) = (Arc::clone(&self.config), Arc::clone(&self.learned));
                    return Ok(Session::new(link, config, learned, Arc::new(presentation)));
                }
                Found::There(there) => {
                    transports = self.config.transports_for(&there);
                    url = there;
                }
            }
        }
        Err(OpenError::Redirects(self.config.redirects))
    }

    /// Tries the ways beside each other; one alone fails with its own error.
    async fn roll(&self, url: &Url, transports: &[Transport]) -> Result<(Transport, Found), OpenError> {
        let attempt = |&transport: &Transport| -> Attempt<'_, _, _> {
            Box::pin(async move { Ok((transport, link::open(&self.config, transport, url).await?)) })
        };
        let attempts = transports.iter().map(attempt).collect();
        race::first(attempts, STAGGER).await.map_err(|mut errors: Vec<OpenError>| match errors.len() {
            1 => errors.remove(0),
            _ => OpenError::Rollover(transports.iter().copied().zip(errors.into_iter().map(Box::new)).collect()),
        })
    }
}
