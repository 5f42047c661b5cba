//! What a client may do.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::auth::{Authenticator, Credentials};
use super::connector::{Connector, Target, TcpConnector};
use crate::asf;
use crate::conn::mmst::Acceleration;
use crate::conn::{Identity, Limits, StreamChoice, Thinning, Waits};
use crate::wire::{Scheme, Url};

/// Configuration of a [`Client`](super::Client). The default is right for public servers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How connections are made.
    pub connector: Arc<dyn Connector>,
    /// The ways that are tried for `mms://`, each a little after the one before. The first that works is kept.
    pub transports: Vec<Transport>,
    /// Which streams are wanted.
    pub streams: Streams,
    /// Who we say that we are, and so whether the server takes the padding off.
    pub fidelity: Fidelity,
    /// How long connecting may take.
    pub connect: Duration,
    /// How long each answer may take.
    pub waits: Waits,
    /// How much there may be of each thing.
    pub limits: Limits,
    /// Redirects and playlists that are followed one after another.
    pub redirects: u8,
    /// Answers challenges of the URL's own host, if the URL names no user. Wherever else that host leads, nobody answers.
    pub authenticator: Option<Arc<dyn Authenticator>>,
    /// Where requests of MMSH go instead of to their server.
    pub proxy: Option<Target>,
    /// Answers challenges of that proxy: [`Credentials`] of its own.
    pub proxy_authenticator: Option<Arc<dyn Authenticator>>,
    /// The time of day, such as `SystemTime::now`, for NTLM with servers before Windows Vista: they compare what they are told with their
    /// own. Nothing else depends on it, and newer servers tell theirs.
    pub time_of_day: Option<fn() -> SystemTime>,
    /// Asks for a fast beginning.
    pub acceleration: Option<Acceleration>,
    /// Names this client to servers, as a GUID without braces. By default a new one for each client, so that nobody is followed.
    pub guid: String,
}

/// A way in which MMS is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Over TCP, port 1755.
    Mmst,
    /// Over HTTP, port 80.
    Mmsh,
    /// Control over TCP, packets over UDP, port 1755. What is lost and not sent again is a hole.
    Mmsu,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mmst => "MMST",
            Self::Mmsh => "MMSH",
            Self::Mmsu => "MMSU",
        })
    }
}

/// Which streams of a file are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Streams {
    /// All: what the file on the server is.
    #[default]
    All,
    /// Those with these numbers.
    Numbers(Vec<u8>),
    /// Of each kind the best, as long as all together stay within so many bits per second; at least one of each kind.
    BitRate(u64),
}

/// Who we say that we are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fidelity {
    /// A player. Servers take the padding off the packets; it is put back.
    #[default]
    Player,
    /// An old server that relays. Servers should leave the padding; some do not like it.
    Relay,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connector: Arc::new(TcpConnector::default()),
            transports: vec![Transport::Mmsh, Transport::Mmst],
            streams: Streams::default(),
            fidelity: Fidelity::default(),
            connect: Duration::from_secs(15),
            waits: Waits::default(),
            limits: Limits::default(),
            redirects: 5,
            authenticator: None,
            proxy: None,
            proxy_authenticator: None,
            time_of_day: None,
            acceleration: None,
            guid: random_guid(),
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
    pub fn with_connector(self, connector: impl Connector) -> Self {
        Self { connector: Arc::new(connector), ..self }
    }

    /// The same with other streams.
    #[must_use]
    pub fn with_streams(self, streams: Streams) -> Self {
        Self { streams, ..self }
    }

    /// Who answers for a URL: its own user, or else the authenticator.
    pub(super) fn authenticator_for(&self, url: &Url) -> Option<Arc<dyn Authenticator>> {
        let own = url
            .user()
            .map(|user| -> Arc<dyn Authenticator> { Arc::new(Credentials::new(user, url.password().cloned())) });
        own.or_else(|| self.authenticator.clone())
    }

    /// The ways in which a URL can be fetched.
    pub(super) fn transports_for(&self, url: &Url) -> Vec<Transport> {
        match url.scheme() {
            Scheme::Mmst => vec![Transport::Mmst],
            Scheme::Mmsu => vec![Transport::Mmsu],
            Scheme::Mmsh | Scheme::Http => vec![Transport::Mmsh],
            Scheme::Mms => self.transports.clone(),
            // TLS is not spoken here.
            _ => Vec::new(),
        }
    }

    pub(super) fn identity(&self) -> Identity {
        let guid = self.guid.clone();
        match self.fidelity {
            Fidelity::Player => Identity::Player { guid },
            Fidelity::Relay => Identity::Relay { guid },
        }
    }
}

impl Streams {
    /// What is said of each stream of the header: servers send none that is not named.
    ///
    /// Spec: MMSP 2.2.4.28
    pub(super) fn choose(&self, header: &asf::Header) -> Vec<StreamChoice> {
        let wanted: Vec<u8> = match self {
            Self::All => header.streams.keys().copied().collect(),
            Self::Numbers(numbers) => numbers.clone(),
            Self::BitRate(most) => within(header, *most),
        };
        let choice = |&stream: &u8| {
            let thinning = if wanted.contains(&stream) { Thinning::None } else { Thinning::Off };
            StreamChoice { stream, thinning }
        };
        header.streams.keys().map(choice).collect()
    }
}

/// The cheapest stream of each kind, then better ones in their places while there is room for the difference. Streams whose rate is
/// not stated cost nothing.
fn within(header: &asf::Header, most: u64) -> Vec<u8> {
    let rate = |stream: &asf::Stream| u64::from(stream.bit_rate.unwrap_or(0));
    type Kind = std::mem::Discriminant<asf::StreamKind>;
    let mut kinds: Vec<(Kind, Vec<(u64, u8)>)> = Vec::new();
    for (number, stream) in &header.streams {
        let kind = std::mem::discriminant(&stream.kind);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, members)) => members.push((rate(stream), *number)),
            None => kinds.push((kind, vec![(rate(stream), *number)])),
        }
    }
    let mut chosen: Vec<(u64, u8)> = Vec::new();
    for (_, members) in &mut kinds {
        members.sort_unstable();
        chosen.extend(members.first());
    }
    for (place, (_, members)) in kinds.iter().enumerate() {
        let others: u64 = chosen.iter().enumerate().filter(|(at, _)| *at != place).map(|(_, (rate, _))| rate).sum();
        let best = members.iter().rev().find(|(rate, _)| others.saturating_add(*rate) <= most);
        chosen.splice(place..=place, [best.or(members.first()).copied().unwrap_or_default()]);
    }
    chosen.into_iter().map(|(_, number)| number).collect()
}

/// 122 random bits, as a GUID of version 4.
fn random_guid() -> String {
    let chance = || RandomState::new().build_hasher().finish();
    let (high, low) = (chance() & !0xF000 | 0x4000, chance() & !(0xC << 60) | (8 << 60));
    let text = format!("{high:016X}{low:016X}");
    let parts = [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]];
    parts.join("-")
}
