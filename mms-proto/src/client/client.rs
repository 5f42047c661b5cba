//! Finds the way to a file, and keeps it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::auth::{Authenticator, Home};
use super::config::{Config, Fidelity, Transport};
use super::link::{self, Form, Found};
use super::race::{self, Attempt};
use super::{ErrorClass, OpenError, Presentation, Session};
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

    /// A client for what a session goes on with: another content in the same place.
    pub(crate) fn following(&self, film: &Arc<Presentation>) -> Self {
        let way = Some((film.transport, film.url.clone()));
        let state = State { way, presentation: Some(Arc::clone(film)), ..State::default() };
        let learned = Arc::new(Learned { state: Mutex::new(state) });
        Self { url: self.url.clone(), config: Arc::clone(&self.config), learned }
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

    /// A session with the file's header: one that is at rest, or a new one.
    ///
    /// # Errors
    /// As [`open_anew`](Self::open_anew).
    pub async fn open(&self) -> Result<Session, OpenError> {
        match self.take_idle() {
            Some(session) => Ok(session),
            None => self.open_anew().await,
        }
    }

    /// A session that is not one of those at rest. The first finds the way, all later ones go it as long as it leads there.
    ///
    /// # Errors
    /// [`OpenError`]; for `mms://` every way's reason is in it.
    pub async fn open_anew(&self) -> Result<Session, OpenError> {
        let known = self.learned.lock().way.clone();
        let (url, transports) = match known {
            Some((transport, url)) => (url, vec![transport]),
            None => (self.url.clone(), self.config.transports_for(&self.url)),
        };
        let outcome = self.follow(url, transports, self.config.redirects).await;
        let mut state = self.learned.lock();
        match &outcome {
            Ok(session) => {
                let presentation = session.presentation();
                state.way = Some((presentation.transport, presentation.url.clone()));
                state.presentation = Some(Arc::clone(presentation));
            }
            // It leads there, and is too narrow.
            Err(error) if matches!(error.class(), ErrorClass::Busy { .. }) => {}
            Err(_) => state.way = None,
        }
        drop(state);
        outcome
    }

    /// A session that is at rest, if there is one. It may have died meanwhile, and what it was told may be old.
    pub fn take_idle(&self) -> Option<Session> {
        let mut state = self.learned.lock();
        state.idle.retain(|(since, _)| since.elapsed() < IDLE_FOR);
        state.idle.pop().map(|(_, session)| session)
    }

    /// Takes a session back that is at rest.
    pub fn give_back(&self, session: Session) {
        let mut state = self.learned.lock();
        state.idle.retain(|(since, _)| since.elapsed() < IDLE_FOR);
        if state.idle.len() < IDLE {
            state.idle.push((Instant::now(), session));
        }
    }

    /// Opens a URL, and what it leads to. The ways are tried beside each other; one alone fails with its own error.
    fn follow(&self, url: Url, transports: Vec<Transport>, redirects: u8) -> Attempt<'_, Session, OpenError> {
        Box::pin(async move {
            if transports.is_empty() {
                return Err(OpenError::Elsewhere(url.to_string()));
            }
            let attempts = transports.iter().map(|transport| self.attempt(*transport, &url, redirects));
            race::first(attempts.collect(), STAGGER).await.map_err(|mut errors: Vec<OpenError>| match errors.len() {
                1 => errors.remove(0),
                _ => OpenError::Rollover(transports.iter().copied().zip(errors.into_iter().map(Box::new)).collect()),
            })
        })
    }

    /// One way. A redirect belongs to it: where that leads nowhere, another way may lead there.
    fn attempt<'a>(&'a self, transport: Transport, url: &'a Url, redirects: u8) -> Attempt<'a, Session, OpenError> {
        Box::pin(async move {
            match link::open(&self.config, transport, url).await? {
                Found::Here { transport, link, facts, header } => {
                    let choose = |header: &_| self.config.streams.choose(header);
                    let presentation = Presentation::new(transport, url.clone(), facts, &header, choose)?;
                    let (config, learned) = (Arc::clone(&self.config), Arc::clone(&self.learned));
                    Ok(Session::new(link, config, learned, Arc::new(presentation)))
                }
                Found::There(there) => {
                    let left = redirects.checked_sub(1).ok_or(OpenError::Redirects(self.config.redirects))?;
                    let transports = self.config.transports_for(&there);
                    self.follow(there, transports, left).await
                }
            }
        })
    }
}
