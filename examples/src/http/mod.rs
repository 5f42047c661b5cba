//! A file behind `http://` or `https://` as a [`RangeSource`].
//!
//! Connections, redirects, proxies and TLS are reqwest's business. What is here is what HTTP lets a server say:
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | what the contract asks of a source |
//! | `answer.rs` | what the head of a response says, and whether that was asked |
//! | `body.rs` | the response as a stream of chunks, which the contract's own adapter makes a reader of |
//! | `validator.rs` | what a file is recognised by |
//! | `client.rs` | the pool of connections, deadlines, and what failures mean |
//!
//! ```
//! use segfetch::source::RangeSource;
//! use segfetch_cli::http::{Client, HttpSource};
//!
//! let source = HttpSource::new(Client::new()?, "https://anna:secret@example.org/disc.iso?token=1")?;
//! assert_eq!(source.label(), "https://anna@example.org/disc.iso?...");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod body;
mod client;
mod validator;

use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use percent_encoding::percent_decode_str;
use reqwest::header::{ACCEPT_ENCODING, RANGE};
use reqwest::{Response, Url};
use segfetch::source::chunked::ChunkedReader;
use segfetch::source::{
    Access, Cost, End, ErrorClass, Extent, HostKey, OpenRequest, Opened, Phase, RangeReader, RangeSource, Sameness,
    SourceContext, SourceError, SourceInfo, Strength, Validator,
};
use thiserror::Error;
use tokio::time::timeout;

use answer::{Head, Question};
use body::Body;
use client::ANSWER;
pub use client::{Client, ClientError};

/// One file on one web server.
pub struct HttpSource {
    client: Client,
    /// Without account and fragment.
    url: Url,
    account: Option<(String, Option<String>)>,
    label: String,
    /// Where redirects led last time. All streams go there, so that they come from one mirror and ask nobody twice.
    found: Mutex<Option<Url>>,
}

/// Why a text is no URL of a file on a web server. Contains no part of the URL.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidUrl(String);

impl HttpSource {
    /// The file that the URL names. Connects to nothing yet. Sources that share a client share its connections.
    ///
    /// # Errors
    /// [`InvalidUrl`].
    pub fn new(client: Client, url: &str) -> Result<Self, InvalidUrl> {
        let mut url = Url::parse(url).map_err(|error| InvalidUrl(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidUrl("the scheme is neither http nor https".into()));
        }
        url.set_fragment(None);
        let account = account(&mut url)?;
        let label = label(&url, account.as_ref().map(|(user, _)| &**user));
        Ok(Self { client, url, account, label, found: Mutex::default() })
    }

    /// The last part of the path, decoded; empty if the path ends with `/`. Hostile: check before using it as a path.
    pub fn file_name(&self) -> Vec<u8> {
        let last = self.url.path_segments().and_then(|mut segments| segments.next_back());
        percent_decode_str(last.unwrap_or_default()).collect()
    }

    /// Whether the URL names a user and no password.
    pub fn lacks_password(&self) -> bool {
        self.account.as_ref().is_some_and(|(_, password)| password.is_none())
    }

    /// The same, with a password for the user that the URL names.
    ///
    /// # Errors
    /// [`InvalidUrl`] if it is not UTF-8.
    pub fn with_password(mut self, password: &[u8]) -> Result<Self, InvalidUrl> {
        let password = std::str::from_utf8(password).map_err(|_| not_utf8())?;
        self.account = self.account.map(|(user, _)| (user, Some(password.to_owned())));
        Ok(self)
    }

    /// Host and port that learn the password.
    pub fn server(&self) -> String {
        format!("{}:{}", self.url.host_str().unwrap_or_default(), self.url.port_or_known_default().unwrap_or_default())
    }

    /// Asks where the last answer came from, and from the beginning of the redirects if that does not work any more: they may
    /// lead to addresses that expire.
    async fn ask(&self, question: Question<'_>) -> Result<(Response, Head), SourceError> {
        if let Some(found) = self.found(|found| found.clone()) {
            match self.ask_at(&found, &question).await {
                Err(error) if client::may_have_moved(&error) => self.found(|found| *found = None),
                result => return result,
            }
        }
        self.ask_at(&self.url, &question).await
    }

    async fn ask_at(&self, url: &Url, question: &Question<'_>) -> Result<(Response, Head), SourceError> {
        let mut request = self.client.0.get(url.clone()).header(ACCEPT_ENCODING, "identity");
        if let Some(range) = question.range() {
            request = request.header(RANGE, range);
        }
        // A redirect to another server does not take the account along, nor does remembering it.
        if let Some((user, password)) = self.account.as_ref().filter(|_| url.origin() == self.url.origin()) {
            request = request.basic_auth(user, password.as_ref());
        }
        let answer = timeout(ANSWER, request.send()).await.map_err(|_| client::no_answer(question.phase))?;
        let response = answer.map_err(|error| client::failed(question.phase, error))?;
        let head = Head::of(&response, question)?;
        self.found(|found| *found = Some(response.url().clone()).filter(|url| *url != self.url));
        Ok((response, head))
    }

    fn found<T>(&self, with: impl FnOnce(&mut Option<Url>) -> T) -> T {
        with(&mut self.found.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Takes user and password out of a URL.
fn account(url: &mut Url) -> Result<Option<(String, Option<String>)>, InvalidUrl> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(String::from).map_err(|_| not_utf8());
    let account = (decoded(url.username())?, url.password().map(decoded).transpose()?);
    // These fail for URLs without a host, which http URLs never are.
    let _ = (url.set_username(""), url.set_password(None));
    Ok(Some(account).filter(|(user, password)| !user.is_empty() || password.is_some()))
}

fn not_utf8() -> InvalidUrl {
    InvalidUrl("user and password have to be UTF-8".into())
}

/// The URL without its password, and without its query, which often is one.
fn label(url: &Url, user: Option<&str>) -> String {
    let mut shown = url.clone();
    let _ = shown.set_username(user.unwrap_or_default());
    shown.set_query(url.query().map(|_| "..."));
    shown.into()
}

impl fmt::Debug for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSource").field("label", &self.label).finish_non_exhaustive()
    }
}

#[async_trait]
impl RangeSource for HttpSource {
    fn label(&self) -> &str {
        &self.label
    }

    fn host(&self) -> Option<HostKey> {
        Some(HostKey::new(self.url.origin().ascii_serialization()))
    }

    /// Asks for the first byte: what a server does with a range is known only when it has been asked for one. (`HEAD` is often
    /// not implemented, and `Accept-Ranges` often wrong.)
    async fn probe(&self, _: &SourceContext) -> Result<SourceInfo, SourceError> {
        let first_byte = Question { phase: Phase::Probe, start: 0, end: Some(1), expect: None };
        let (mut response, head) = match self.ask(first_byte).await {
            // Perhaps it can do without.
            Err(error) if error.class() == ErrorClass::RangeNotSupported => {
                self.ask(Question { end: None, ..first_byte }).await?
            }
            asked => asked?,
        };
        if head.knows_ranges {
            // A body that is read to its end, twice because of chunked ones, gives its connection back.
            let _ = timeout(ANSWER, async { (response.chunk().await.is_ok(), response.chunk().await.is_ok()) }).await;
        }
        let name = answer::file_name(&response).unwrap_or_else(|| self.file_name());
        let mut info = SourceInfo::new(
            head.total.map_or(Extent::Unknown, Extent::Known),
            if head.knows_ranges { Access::Random } else { Access::FromStartOnly },
        )
        .with_exact_ends(head.knows_ranges)
        .with_cost(Cost::new(2, 0, false))
        .with_name(name);
        if let Some((seconds, nanoseconds)) = answer::modified(&response) {
            info = info.with_modified(seconds, nanoseconds);
        }
        Ok(info.with_validator(head.validator))
    }

    async fn open(&self, _: &SourceContext, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        let end = match request.end {
            End::Exact(end) if end > request.start => Some(end),
            _ => None,
        };
        let expect = request.expect.as_ref();
        let (response, head) = self.ask(Question { phase: Phase::Open, start: request.start, end, expect }).await?;
        let mut opened = Opened::at(head.start);
        if let Some(total) = head.total {
            opened = opened.with_extent(Extent::Known(total));
        }
        if let Some(end) = head.end.filter(|&end| head.total != Some(end)) {
            opened = opened.with_ends_at(end);
        }
        if head.validator.strength() != Strength::None {
            opened = opened.with_validator(head.validator);
        }
        let body = Body::new(response, head.end.map(|end| end - head.start));
        Ok(Box::new(ChunkedReader::new(opened, body)))
    }

    fn compare(&self, stored: &Validator, now: &Validator) -> Sameness {
        validator::compare(stored, now)
    }
}
