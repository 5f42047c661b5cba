//! The byte-range contract of `segfetch` over FTP.
//!
//! ```no_run
//! use ftp_proto::client::Config;
//! use ftp_proto::source::FtpSource;
//! use ftp_proto::wire::Url;
//! use segfetch_source::{RangeSource, SourceContext};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let source = FtpSource::connect(&Url::parse("ftp://ftp.example.org/pub/file.iso")?, Config::default())?;
//! println!("{:?}", source.probe(&SourceContext::new()).await?.extent);
//! # Ok(())
//! # }
//! ```

mod errors;
mod reader;
mod validator;

use std::sync::Arc;

use async_trait::async_trait;
use segfetch_source::{
    Access, Cost, End, ErrorClass, Extent, HostKey, OpenRequest, Opened, Phase, RangeReader, RangeSource, Sameness,
    SourceContext, SourceError, SourceInfo, Strength, Validator,
};
use thiserror::Error;

use crate::client::{Client, Config, OpenError};
use crate::conn::{FileFacts, Restart};
use crate::wire::{Url, UrlType};
use reader::{Asker, FtpReader};

/// One file on one server.
///
/// Sources of the same server and account should share a [`Client`]: then they share sessions, and what was learned.
#[derive(Debug)]
pub struct FtpSource {
    asker: Asker,
    label: String,
}

/// Why a URL is no file to download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotAFile {
    /// The path ends with `/`, is empty, or `;type=d` asks for a listing.
    #[error("the URL names a directory")]
    Directory,
    /// `;type=a`: offsets mean nothing in text mode.
    #[error("a transfer in text mode (;type=a) has no byte ranges")]
    Text,
    /// The client is one of another server or account.
    #[error("the client is connected to another server or account")]
    OtherServer,
}

impl FtpSource {
    /// The file that the URL names, with a client of its own. Connects to nothing yet.
    ///
    /// # Errors
    /// [`NotAFile`].
    pub fn connect(url: &Url, config: Config) -> Result<Self, NotAFile> {
        Self::new(Client::new(url, config), url)
    }

    /// The file that the URL names, with a client that may be shared.
    ///
    /// # Errors
    /// [`NotAFile`].
    pub fn new(client: Client, url: &Url) -> Result<Self, NotAFile> {
        if !client.serves(url) {
            return Err(NotAFile::OtherServer);
        }
        match url.url_type() {
            Some(UrlType::Ascii) => return Err(NotAFile::Text),
            Some(UrlType::Directory) => return Err(NotAFile::Directory),
            Some(UrlType::Image) | None => {}
        }
        if url.path().file().is_none() {
            return Err(NotAFile::Directory);
        }
        let asker = Asker { client, path: url.path().clone(), short_at: Arc::default() };
        Ok(Self { asker, label: url.to_string() })
    }

    /// The client, to be shared with other sources.
    pub fn client(&self) -> &Client {
        &self.asker.client
    }

    fn access(&self) -> Access {
        match self.asker.client.quirks().restart {
            Restart::Refused | Restart::Lies => Access::FromStartOnly,
            Restart::Unknown | Restart::Works { .. } => Access::Random,
        }
    }

    fn has_rang(&self) -> bool {
        let quirks = self.asker.client.quirks();
        !quirks.no_rang && quirks.features.is_some_and(|features| features.rang_stream)
    }
}

impl FtpSource {
    /// Whether the file is still the one that is wanted, and reaches to where the stream is to start.
    fn check(&self, request: &OpenRequest, facts: &FileFacts) -> Result<Opened, SourceError> {
        let now = validator::of(facts);
        let differs = |expected| self.compare(expected, &now) == Sameness::Different;
        if request.expect.as_ref().is_some_and(differs) {
            return Err(SourceError::new(ErrorClass::Changed, Phase::Open, "its length or time is another one"));
        }
        let start = request.start;
        if let Some(size) = facts.size
            && start > size
        {
            let message = format!("byte {start} lies behind the end of the file ({size} bytes)");
            return Err(SourceError::new(ErrorClass::RangeNotSupported, Phase::Open, message));
        }
        let opened = Opened::at(start).with_extent(extent(facts));
        Ok(if now.strength() == Strength::None { opened } else { opened.with_validator(now) })
    }
}

impl FtpSource {
    /// Opens on a session that has a data connection ready; `None` if there is none, or it did not come about.
    async fn open_at_once(&self, request: &OpenRequest) -> Result<Option<Box<dyn RangeReader>>, SourceError> {
        let Asker { client, path, .. } = &self.asker;
        let exact = exact_end(request);
        let rang = exact.filter(|_| self.has_rang());
        let download = client.download_at_once(path, request.start, rang).await;
        let Some(download) = download.map_err(|error| errors::of_open(Phase::Open, error))? else { return Ok(None) };
        let opened = self.check(request, download.facts())?;
        if request.start > 0 && download.facts().size == Some(request.start) {
            return Ok(Some(Box::new(FtpReader::at_the_end(opened))));
        }
        let opened = rang.into_iter().fold(opened, Opened::with_ends_at);
        Ok(Some(Box::new(FtpReader::new(self.asker.clone(), opened, download, exact))))
    }
}

fn exact_end(request: &OpenRequest) -> Option<u64> {
    match request.end {
        End::Exact(end) if end > request.start => Some(end),
        _ => None,
    }
}

fn extent(facts: &FileFacts) -> Extent {
    facts.size.map_or(Extent::Unknown, Extent::Known)
}

#[async_trait]
impl RangeSource for FtpSource {
    fn label(&self) -> &str {
        &self.label
    }

    fn host(&self) -> Option<HostKey> {
        Some(HostKey::new(self.asker.client.host_key()))
    }

    fn preconnect(&self, sessions: u16) {
        self.asker.client.preconnect(sessions);
    }

    async fn probe(&self, _: &SourceContext) -> Result<SourceInfo, SourceError> {
        let facts =
            self.asker.client.probe(&self.asker.path).await.map_err(|error| errors::of_open(Phase::Probe, error))?;
        let mut info = SourceInfo::new(extent(&facts), self.access())
            .with_validator(validator::of(&facts))
            .with_cost(Cost::new(3, 1, true))
            .with_exact_ends(self.has_rang());
        if let Some(name) = self.asker.path.file_name() {
            info = info.with_name(name);
        }
        if let Some(modified) = facts.modified() {
            info = info.with_modified(modified.seconds, modified.nanoseconds);
        }
        Ok(info)
    }

    async fn open(&self, _: &SourceContext, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        if let Some(reader) = self.open_at_once(&request).await? {
            return Ok(reader);
        }
        let mut try_rang = true;
        loop {
            let prepared = self
                .asker
                .client
                .prepare(&self.asker.path)
                .await
                .map_err(|error| errors::of_open(Phase::Open, error))?;
            let opened = self.check(&request, prepared.facts())?;
            let start = request.start;
            let size = prepared.facts().size;
            if size.is_some_and(|size| start == size && size > 0) {
                return Ok(Box::new(FtpReader::at_the_end(opened)));
            }
            let exact = exact_end(&request);
            let rang =
                exact.filter(|end| try_rang && prepared.can_end_exactly() && size.is_some_and(|size| *end <= size));
            match prepared.start(start, rang).await {
                Ok(download) => {
                    let opened = rang.into_iter().fold(opened, Opened::with_ends_at);
                    return Ok(Box::new(FtpReader::new(self.asker.clone(), opened, download, exact)));
                }
                // RANG is young; REST serves as well.
                Err(OpenError::StartRefused(_)) if rang.is_some() => try_rang = false,
                Err(error) => return Err(errors::of_open(Phase::Open, error)),
            }
        }
    }

    fn compare(&self, stored: &Validator, now: &Validator) -> Sameness {
        validator::compare(stored, now)
    }
}
