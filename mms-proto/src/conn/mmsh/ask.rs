//! What is asked for, of whom, and as whom.

use crate::conn::{Error, Identity, Limits, StreamChoice, Waits};
use crate::wire::{Play, Request, Secret, Url};

/// What the machine has to know of the server and of us. `Debug` does not show the secrets.
///
/// Spec: WMSP 2.2.1.8 (User-Agent), RFC 9110 sections 11.6.2 and 11.7.2
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Where the file is. Its user and password are not sent by themselves.
    pub url: Url,
    /// Who we say that we are.
    pub identity: Identity,
    /// How long each thing may take.
    pub waits: Waits,
    /// How much there may be of each thing.
    pub limits: Limits,
    /// The connection goes to an HTTP proxy, which is told the whole URL.
    pub to_proxy: bool,
    /// The answer to a challenge of the server: a scheme, and what belongs to it.
    pub authorization: Option<Secret>,
    /// The answer to a challenge of the proxy.
    pub proxy_authorization: Option<Secret>,
}

impl Config {
    /// A file on a server, asked for directly, with default waits and limits.
    pub fn new(url: Url, identity: Identity) -> Self {
        Self {
            url,
            identity,
            waits: Waits::default(),
            limits: Limits::default(),
            to_proxy: false,
            authorization: None,
            proxy_authorization: None,
        }
    }
}

/// The one thing that a connection is for.
///
/// Spec: WMSP 2.2.2.1 (Describe), 2.2.2.6 (Play)
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// What the file is: its header and no packets.
    Describe,
    /// The header again, and the packets from one on to the end.
    Play {
        /// Number of the first packet, from 0; all but the largest number.
        from: u32,
        /// Where this packet begins in the file, in bytes: the length of the header, and of the packets before it. `None` if it
        /// is not known.
        stream_offset: Option<u64>,
        /// Every stream that the header names. None at all leaves the choice to the server, which may send nothing.
        streams: Vec<StreamChoice>,
        /// How the place is stated.
        form: SeekForm,
    },
}

/// How a server is told where to begin. They understand different things, and what they understood only the first packet shows.
///
/// Spec: WMSP 2.2.1.4 (packet-num, stream-offset). Observed: libmms and VLC send the offset alone
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SeekForm {
    /// The number of the packet and, if it is known, the offset.
    #[default]
    Both,
    /// The offset alone.
    OffsetOnly,
    /// The number alone.
    PacketOnly,
}

/// A player of Windows Media that no server sends metadata to. Padding is removed for it.
const PLAYER: &str = "NSPlayer/7.1.0.3055";

/// A server older than 5.0, for which the padding stays.
const RELAY: &str = "NSServer/4.1.0.3928";

/// The bytes of the request.
pub(super) fn request(config: &Config, ask: &Ask) -> Result<String, Error> {
    let (user_agent, guid) = match &config.identity {
        Identity::Player { guid } => (PLAYER, guid),
        Identity::Relay { guid } => (RELAY, guid),
    };
    let mut request = Request {
        url: &config.url,
        to_proxy: config.to_proxy,
        user_agent,
        guid,
        authorization: config.authorization.as_ref(),
        proxy_authorization: config.proxy_authorization.as_ref(),
        play: None,
    };
    if let Ask::Play { from, stream_offset, streams, form } = ask {
        let (packet, offset) = match form {
            SeekForm::Both => (Some(*from), *stream_offset),
            SeekForm::OffsetOnly if stream_offset.is_none() => {
                return Err(Error::Misuse("asked to seek by an offset that is not given"));
            }
            SeekForm::OffsetOnly => (None, *stream_offset),
            SeekForm::PacketOnly => (Some(*from), None),
        };
        request.play = Some(Play { packet, offset, streams });
    }
    request.encode().map_err(|error| Error::Misuse(error.rule))
}
