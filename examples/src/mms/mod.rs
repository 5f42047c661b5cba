//! Files and live streams of media servers (`mms://` and its kin), for the command.
//!
//! `mms-proto` makes byte ranges of packets. What is here is what a download wants beside them:
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | which URLs lead to media servers, and the source with what the command may ask of it |
//! | `live.rs` | a live stream as a file that ends: after a while, when somebody says so, when another one follows, or when the server has gone |
//! | `again.rs` | a live stream whose connection broke, asked for again |
//! | `recording.rs` | what is known of a recording |
//! | `clock.rs` | how much of a live stream has come, by the times in its packets |
//! | `partial.rs` | a film of which not all streams are wanted |
//! | `facts.rs` | what a server says of a film |
//! | `tidy.rs` | a file that was recorded as a file that players can seek in |
//!
//! ```
//! use mms_proto::wire::Url;
//! use segfetch::source::RangeSource;
//! use segfetch_cli::mms::{Media, Options};
//!
//! let url = Url::parse("mms://anna:secret@media.example.org/talk.wmv?ticket=1")?;
//! let media = Media::new(url, &Options::default());
//! assert_eq!(media.label(), "mms://anna@media.example.org/talk.wmv?...");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod again;
mod clock;
mod facts;
mod live;
mod partial;
mod recording;
mod tidy;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use mms_proto::asf::Padding;
use mms_proto::client::{Client, Config, Fidelity, Presentation, Streams, Transport};
use mms_proto::conn::Thinning;
use mms_proto::source::MmsSource;
use mms_proto::wire::{Scheme, Url};
use percent_encoding::percent_decode_str;
use segfetch::source::{
    ErrorClass, HostKey, OpenRequest, Phase, RangeReader, RangeSource, Sameness, SourceContext, SourceError,
    SourceInfo, Validator,
};

pub use facts::{Facts, StreamFacts};
pub use recording::Gaps;
pub use tidy::{Tidied, TidyError, Tidying, temporary, tidy};

use live::LiveReader;
use partial::PartialReader;
use recording::{Ending, Recording};

/// What is wanted of media servers.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// Which streams of a film.
    pub streams: Streams,
    /// Who we say that we are.
    pub fidelity: Fidelity,
    /// How much of a live stream; all that comes if `None`. A file with an end is then refused.
    pub duration: Option<Duration>,
    /// How long, from the last packet on, a live stream is asked for again whose connection broke; not at all if zero.
    pub patience: Duration,
}

/// A file or a live stream on a media server. Clones are the same one.
#[derive(Clone)]
pub struct Media(Arc<Inner>);

struct Inner {
    source: Arc<MmsSource>,
    options: Options,
    recording: Arc<Recording>,
}

/// Whether a URL leads to a media server: by its scheme, or, if it is a web URL, by the mark that Microsoft's servers put into those
/// that are none.
pub fn is_media(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let scheme = scheme.to_ascii_lowercase();
    let query = rest.split_once('?').map_or("", |(_, query)| query).split('#').next().unwrap_or_default();
    let marked = || query.split('&').any(is_mark);
    matches!(&*scheme, "mms" | "mmst" | "mmsh" | "mmsu") || scheme == "http" && marked()
}

/// `MSWMExt=.asf`, as it stands in the playlists of Windows Media Services.
fn is_mark(parameter: &str) -> bool {
    let parameter = percent_decode_str(parameter).decode_utf8_lossy();
    parameter.split_once('=').is_some_and(|(key, value)| {
        key.eq_ignore_ascii_case("MSWMExt") && value.trim_start_matches('.').eq_ignore_ascii_case("asf")
    })
}

impl Media {
    /// What the URL leads to. Connects to nothing yet.
    pub fn new(url: Url, options: &Options) -> Self {
        // A mark is for whoever reads the URL; the server gets it as it stands.
        let url = if url.scheme() == Scheme::Http { url.with_scheme(Scheme::Mmsh) } else { url };
        let mut config = Config::default().with_streams(options.streams.clone());
        config.fidelity = options.fidelity;
        config.time_of_day = Some(SystemTime::now);
        Self::of(MmsSource::new(Client::new(url, config)), options.clone())
    }

    fn of(source: MmsSource, options: Options) -> Self {
        Self(Arc::new(Inner { source: Arc::new(source), options, recording: Arc::default() }))
    }

    /// What a live stream goes on with once the recording of it has ended: another content, with a header of its own, for a file of its
    /// own. `None` if nothing follows, or all has come that was wanted.
    ///
    /// It is the session of the recording where that one lives: whoever waits before opening it lets the server wait.
    pub async fn next(&self) -> Option<Self> {
        let Inner { source, options, recording } = &*self.0;
        let anew = match recording.ending()? {
            Ending::Told => false,
            Ending::Changed => true,
            Ending::Enough | Ending::Asked | Ending::BrokeOff(_) => return None,
        };
        let left = options.duration.map(|wanted| wanted.saturating_sub(recording.recorded()));
        if left.is_some_and(|left| left.is_zero()) {
            return None;
        }
        let options = Options { duration: left, ..options.clone() };
        match source.next_content().await {
            Ok(Some(next)) => Some(Self::of(next, options)),
            Ok(None) if !anew => None,
            // It was announced and did not come in this way, or the way is gone.
            _ => Some(Self::new(source.client().url().clone(), &options)),
        }
    }

    /// What the server said of it; `None` as long as it was not asked.
    pub fn facts(&self) -> Option<Facts> {
        Some(Facts::of(&*self.0.source.client().presentation()?))
    }

    /// Whether it is a live stream, as far as is known.
    pub fn is_live(&self) -> bool {
        self.0.source.client().presentation().is_some_and(|film| film.is_live())
    }

    /// Whether the server can begin anywhere in it, as far as is known.
    pub fn is_seekable(&self) -> bool {
        self.0.source.client().presentation().is_some_and(|film| film.is_seekable())
    }

    /// Ends the recording of a live stream with the packet that came last, as if the server had ended there. False if nothing of one
    /// has come.
    pub fn end_recording(&self) -> bool {
        self.0.recording.end()
    }

    /// Why a recording ended before it was to: the connection broke, or the server fell silent. What came until then is whole.
    pub fn broke_off(&self) -> Option<String> {
        match self.0.recording.ending() {
            Some(Ending::BrokeOff(reason)) => Some(reason),
            _ => None,
        }
    }

    /// What of a live stream did not come, because the connection had broken, and which is not in the recording.
    pub fn gaps(&self) -> Gaps {
        self.0.recording.gaps()
    }

    /// How much of a live stream has come.
    pub fn recorded(&self) -> Duration {
        self.0.recording.recorded()
    }

    /// The worst that happened to the padding of a packet, in this process.
    pub fn padding(&self) -> Padding {
        self.0.source.padding()
    }

    /// Why what was asked for cannot be had of this film.
    fn objection(&self, film: &Presentation) -> Option<String> {
        if self.0.options.duration.is_some() && !film.is_live() {
            return Some("a duration was asked for, and this is no live stream but a file with an end".into());
        }
        if let Streams::Numbers(wanted) = &self.0.options.streams
            && let Some(absent) = wanted.iter().find(|number| !film.header.streams.contains_key(number))
        {
            let there: Vec<_> = film.header.streams.keys().map(u8::to_string).collect();
            return Some(format!("there is no stream {absent}; there are {}", there.join(", ")));
        }
        if film.transport == Transport::Mmsu && !film.is_live() && !self.left_out().is_empty() {
            let message = "with packets over UDP, one that is lost could not be told from one that has nothing of the \
                           streams that are wanted; ask for all streams, or use mmst:// or mmsh://";
            return Some(message.into());
        }
        None
    }

    /// The streams of its header that are not fetched.
    pub fn left_out(&self) -> Vec<u8> {
        let film = self.0.source.client().presentation();
        let choices = film.iter().flat_map(|film| film.streams.iter());
        choices.filter(|choice| choice.thinning == Thinning::Off).map(|choice| choice.stream).collect()
    }
}

impl fmt::Debug for Media {
    /// What the query of a URL is for nobody knows but the server.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Media").field(&self.label()).finish()
    }
}

#[async_trait]
impl RangeSource for Media {
    fn label(&self) -> &str {
        self.0.source.label()
    }

    fn host(&self) -> Option<HostKey> {
        self.0.source.host()
    }

    fn preconnect(&self, sessions: u16) {
        self.0.source.preconnect(sessions);
    }

    async fn probe(&self, cx: &SourceContext) -> Result<SourceInfo, SourceError> {
        // What was recorded is over, whatever the server does now.
        if let Some(info) = self.0.recording.info_if_over() {
            return Ok(info);
        }
        let info = self.0.source.probe(cx).await?;
        if let Some(message) = self.0.source.client().presentation().and_then(|film| self.objection(&film)) {
            return Err(SourceError::new(ErrorClass::Permanent, Phase::Probe, message));
        }
        self.0.recording.probed(&info);
        Ok(info)
    }

    async fn open(&self, cx: &SourceContext, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        let reader = self.0.source.open(cx, request).await?;
        match self.0.source.client().presentation() {
            Some(film) if film.is_live() => {
                let packet_len = usize::try_from(film.packet_size).unwrap_or(usize::MAX);
                let (reopen, lens) = (self.0.source.clone(), (film.raw_header.len(), packet_len));
                let recording = self.0.recording.clone();
                Ok(Box::new(LiveReader::new(reader, reopen, recording, &self.0.options, lens)))
            }
            Some(film) if !self.left_out().is_empty() => match film.file_len() {
                Some(len) => Ok(Box::new(PartialReader::new(reader, len))),
                None => Ok(reader),
            },
            _ => Ok(reader),
        }
    }

    fn compare(&self, stored: &Validator, now: &Validator) -> Sameness {
        self.0.source.compare(stored, now)
    }
}

#[cfg(test)]
mod tests {
    use mms_proto::wire::Secret;

    use super::*;

    #[test]
    fn a_media_server_is_known_by_scheme_or_mark() {
        for url in [
            "mms://h/f",
            "MMSH://h/f",
            "mmst://h",
            "mmsu://h/f",
            "http://h/f?MSWMExt=.asf",
            "http://h/f?a=b&mswmext=.ASF#x",
            "HTTP://h/f?MSWMExt=%2Easf",
        ] {
            assert!(is_media(url), "{url}");
        }
        for url in
            ["http://h/f.asf", "http://h/MSWMExt=.asf", "https://h/f?MSWMExt=.asf", "http://h/?x=MSWMExt=.asf", "f"]
        {
            assert!(!is_media(url), "{url}");
        }
    }

    #[test]
    fn a_password_is_in_no_text() {
        let url = Url::parse("mms://a%40b@h:99/d/f?x=1").unwrap();
        let with = url.with_password(Secret::new("p@ss/w:\u{f6}rd%20").unwrap());
        let media = Media::new(with, &Options::default());
        let text = format!("{media:?} {}", media.label());
        assert!(!text.contains("w:\u{f6}rd") && !text.contains("p%40ss"), "{text}");
    }
}
