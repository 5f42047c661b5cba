//! The byte-range contract of `segfetch` over MMS: the file that a server sends packet by packet, as bytes.
//!
//! ```no_run
//! use mms_proto::client::{Client, Config};
//! use mms_proto::source::MmsSource;
//! use mms_proto::wire::Url;
//! use segfetch_source::{RangeSource, SourceContext};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let url = Url::parse("mms://media.example.org/talk.wmv")?;
//! let source = MmsSource::new(Client::new(url, Config::default()));
//! println!("{:?}", source.probe(&SourceContext::new()).await?.extent);
//! # Ok(())
//! # }
//! ```
//!
//! The file is the header and all packets, each at its place: `header + packets * packet size` bytes. Indexes that the original has
//! behind its packets are not sent by any server. Padding that a server takes off is put back; [`MmsSource::padding`] says whether
//! the result is known to be the original's.

mod errors;
mod reader;
mod validator;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use segfetch_source::{
    Access, Cost, ErrorClass, Extent, HostKey, OpenRequest, Opened, Pace, Phase, RangeReader, RangeSource, Sameness,
    SourceContext, SourceError, SourceInfo,
};

pub use errors::EndedEarly;

use crate::asf::Padding;
use crate::client::{Client, OpenError, Presentation, Session, Transport};
use reader::MmsReader;

/// One file on one server.
#[derive(Debug)]
pub struct MmsSource {
    client: Client,
    label: String,
    findings: Arc<Findings>,
    /// A session that brings this content already.
    begun: Mutex<Option<Session>>,
}

/// What the streams of a file have found out.
#[derive(Debug)]
struct Findings(Mutex<Found>);

#[derive(Debug)]
struct Found {
    /// The worst of all packets.
    padding: Padding,
    seek_refused: bool,
    /// Times in a row that a session which had played was of no more use.
    spent: u8,
    /// A session that goes on with another content.
    follows: Option<Session>,
}

/// So often a session is tried for a second stream in vain: some servers stamp all packets alike, so that those of two streams of a
/// session cannot be told apart, and the wait for the first packet would be lost each time.
const SPENT: u8 = 2;

impl Findings {
    fn new() -> Self {
        Self(Mutex::new(Found { padding: Padding::Full, seek_refused: false, spent: 0, follows: None }))
    }

    fn follows(&self, session: Session) {
        self.lock().follows = Some(session);
    }

    fn lock(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a session that has played is worth keeping.
    fn keeps_sessions(&self) -> bool {
        self.lock().spent < SPENT
    }

    fn add(&self, padding: Padding) {
        if padding != Padding::Full {
            let mut found = self.lock();
            found.padding = found.padding.max(padding);
        }
    }
}

impl MmsSource {
    /// The file that the client is for. Connects to nothing yet.
    pub fn new(client: Client) -> Self {
        // What stands behind the path may be a ticket.
        let url = client.url().to_string();
        let label = url.split_once('?').map_or(url.clone(), |(path, _)| format!("{path}?..."));
        Self { client, label, findings: Arc::new(Findings::new()), begun: Mutex::default() }
    }

    /// What a server goes on with behind a stream of unknown length that was read to its end, as a source of its own: a
    /// broadcast whose encoder was restarted, the next entry of a playlist. `None` if nothing follows, or it was taken already.
    ///
    /// Its first stream is the session that the first content came on, so that no packet is lost; until it is opened, the server waits.
    ///
    /// # Errors
    /// What was promised does not come.
    pub async fn next_content(&self) -> Result<Option<Self>, SourceError> {
        let Some(mut session) = self.findings.lock().follows.take() else { return Ok(None) };
        let Some(film) = session.next_content().await.map_err(errors::of_read)? else { return Ok(None) };
        let (client, label) = (self.client.following(&film), self.label.clone());
        Ok(Some(Self { client, label, findings: Arc::new(Findings::new()), begun: Mutex::new(Some(session)) }))
    }

    /// The client, which knows more of the file than the contract asks for.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The worst that happened to a packet that was delivered: up to [`Padding::Restored`] the bytes are the original's.
    pub fn padding(&self) -> Padding {
        self.findings.lock().padding
    }

    fn validator(&self, presentation: &Presentation) -> segfetch_source::Validator {
        validator::of(presentation, self.client.fidelity())
    }

    fn access(&self, presentation: &Presentation) -> Access {
        let refused = self.findings.lock().seek_refused;
        match (presentation.is_live(), presentation.is_seekable() && !refused) {
            (true, _) => Access::Sequential,
            (false, true) => Access::Random,
            (false, false) => Access::FromStartOnly,
        }
    }

    /// Whether the file is still the one that is wanted, and where in it the stream begins: the opening, what of the header belongs
    /// to it, and the first packet.
    fn begin(&self, request: &OpenRequest, film: &Presentation) -> Result<(Opened, Bytes, u64), SourceError> {
        let now = self.validator(film);
        if request.expect.as_ref().is_some_and(|stored| self.compare(stored, &now) == Sameness::Different) {
            return Err(SourceError::new(ErrorClass::Changed, Phase::Open, "it has another header"));
        }
        let refused = |message: String| SourceError::new(ErrorClass::RangeNotSupported, Phase::Open, message);
        let start = request.start;
        if let Some(len) = film.file_len()
            && start > len
        {
            return Err(refused(format!("byte {start} lies behind the end of the file ({len} bytes)")));
        }
        let extent = extent(film);
        let header_len = film.header.data_offset;
        if start < header_len {
            let from = usize::try_from(start).unwrap_or(usize::MAX).min(film.raw_header.len());
            let opened = Opened::at(start).with_extent(extent).with_validator(now);
            return Ok((opened, film.raw_header.slice(from..), 0));
        }
        if film.is_live() {
            return Err(refused("a live stream has one place, and it is not this one".to_owned()));
        }
        let size = u64::from(film.packet_size);
        let packet = (start - header_len) / size;
        let opened = Opened::at(header_len + packet * size).with_extent(extent).with_validator(now);
        Ok((opened, Bytes::new(), packet))
    }

    fn begun(&self) -> MutexGuard<'_, Option<Session>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream on the session that brings this content already, if it is to begin where that does.
    fn begun_stream(&self, request: &OpenRequest) -> Result<Option<MmsReader>, SourceError> {
        let mut begun = self.begun();
        let Some(film) = begun.as_ref().map(|session| Arc::clone(session.presentation())) else { return Ok(None) };
        let (opened, rest, packet) = self.begin(request, &film)?;
        let session = begun.take_if(|_| packet == 0);
        let reader = |session| MmsReader::new(opened, self.client.clone(), Arc::clone(&self.findings), session, rest);
        Ok(session.map(reader))
    }

    fn info(&self, film: &Presentation) -> SourceInfo {
        let cost = match film.transport {
            Transport::Mmsh => Cost::new(2, 0, false),
            Transport::Mmst | Transport::Mmsu => Cost::new(2, 1, true),
        };
        let info =
            SourceInfo::new(extent(film), self.access(film)).with_validator(self.validator(film)).with_cost(cost);
        let rate = film.bytes_per_second();
        let info =
            rate.into_iter().fold(info, |info, bytes_per_second| info.with_pace(Pace::RealTime { bytes_per_second }));
        self.client.url().name().into_iter().fold(info, SourceInfo::with_name)
    }

    /// A stream on a session.
    async fn stream(&self, request: &OpenRequest, mut session: Session) -> Result<MmsReader, SourceError> {
        let film = Arc::clone(session.presentation());
        let (opened, rest, packet) = self.begin(request, &film)?;
        if film.packets() != Some(packet) {
            let beyond = || SourceError::new(ErrorClass::RangeNotSupported, Phase::Open, "no packet has this number");
            let from = u32::try_from(packet).map_err(|_| beyond())?;
            session.play(from).await.map_err(|error| {
                self.findings.lock().seek_refused |= matches!(error, OpenError::SeekNotHonoured { .. });
                errors::of_open(Phase::Open, error)
            })?;
        }
        Ok(MmsReader::new(opened, self.client.clone(), Arc::clone(&self.findings), session, rest))
    }
}

/// Whether a new session may do better than one that was at rest.
fn is_of_rest(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Transient | ErrorClass::Changed)
}

fn extent(film: &Presentation) -> Extent {
    match film.file_len() {
        Some(len) => Extent::Known(len),
        None if film.is_live() => Extent::Growing,
        None => Extent::Unknown,
    }
}

#[async_trait]
impl RangeSource for MmsSource {
    fn label(&self) -> &str {
        &self.label
    }

    fn host(&self) -> Option<HostKey> {
        Some(HostKey::new(format!("mms {}", self.client.url().authority())))
    }

    async fn probe(&self, _: &SourceContext) -> Result<SourceInfo, SourceError> {
        if let Some(session) = &*self.begun() {
            return Ok(self.info(session.presentation()));
        }
        // What a session at rest was told may be old, and a server may have no room for another one beside it.
        if let Some(old) = self.client.take_idle() {
            old.close().await;
        }
        let session = self.client.open_anew().await.map_err(|error| errors::of_open(Phase::Probe, error))?;
        let film = Arc::clone(session.presentation());
        self.client.give_back(session);
        Ok(self.info(&film))
    }

    async fn open(&self, _: &SourceContext, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        if let Some(reader) = self.begun_stream(&request)? {
            return Ok(Box::new(reader));
        }
        if let Some(session) = self.client.take_idle() {
            let has_played = session.has_played();
            let outcome = self.stream(&request, session).await;
            let failed = outcome.as_ref().is_err_and(|error| is_of_rest(error.class()));
            if has_played {
                let mut found = self.findings.lock();
                found.spent = if failed { found.spent.saturating_add(1) } else { 0 };
            }
            // It may have died, and what it was told may be old. A server that is full, or will not, has been asked.
            if !failed {
                return Ok(Box::new(outcome?));
            }
        }
        let session = self.client.open_anew().await.map_err(|error| errors::of_open(Phase::Open, error))?;
        Ok(Box::new(self.stream(&request, session).await?))
    }
}
