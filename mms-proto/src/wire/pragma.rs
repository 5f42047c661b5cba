//! What a media server says of itself and of a file in its `Pragma` lines, and again in front of metadata.
//!
//! ```text
//!   pragmas = token *( "," token )            ; over one line or several, in any order
//!   token   = name [ "=" ( word / '"' words '"' ) ]
//! ```

use std::time::Duration;

/// The tokens of a server that matter to a client. Names are compared without case, unknown ones passed over, numbers read
/// as far as they are digits.
///
/// Spec: WMSP 2.2.1.4. Observed: avserver of libav 0.8 writes client ids below zero
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerPragmas {
    /// Names the session.
    pub client_id: Option<u32>,
    /// What can be done with the content; `None` if nothing is said.
    pub features: Option<Features>,
    /// How long a paused session is kept.
    pub timeout: Option<Duration>,
    /// Names the playlist.
    pub playlist_gen_id: Option<u32>,
    /// The session of this client id was replaced by another.
    pub reset: bool,
}

/// What can be done with a content.
///
/// Spec: WMSP 2.2.1.4 (features)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Features {
    /// All who listen are at the same place.
    pub broadcast: bool,
    /// It comes from an encoder.
    pub live: bool,
    /// Several contents one after another.
    pub playlist: bool,
    /// The last one of them.
    pub last: bool,
    /// Can be begun anywhere.
    pub seekable: bool,
    /// Can be played faster, slower and backwards.
    pub stridable: bool,
    /// The next of a playlist can be skipped to.
    pub skip_forward: bool,
    /// The one before can be skipped to.
    pub skip_backward: bool,
}

impl ServerPragmas {
    /// Adds the tokens of one line. What is said twice counts as said last.
    pub fn note(&mut self, line: &str) {
        for token in split_outside_quotes(line, ',') {
            let (name, value) = token.split_once('=').unwrap_or((token, ""));
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            match name.as_str() {
                "client-id" => self.client_id = number(value),
                "features" => self.features = Some(Features::decode(value)),
                "timeout" => self.timeout = number(value).map(|ms| Duration::from_millis(ms.into())),
                "playlist-gen-id" => self.playlist_gen_id = number(value),
                "xresetstrm" => self.reset = value.starts_with('1'),
                _ => {}
            }
        }
    }

    /// Adds the tokens that stand in front of metadata, up to the first NUL.
    pub fn note_metadata(&mut self, metadata: &[u8]) {
        self.note(&super::http::text(metadata.split(|&byte| byte == 0).next().unwrap_or_default()));
    }
}

impl Features {
    /// Reads a list of features, with or without quotes.
    ///
    /// Spec: WMSP 2.2.1.4 (features)
    pub fn decode(list: &str) -> Self {
        let mut features = Self::default();
        for name in list.trim_matches(['"', ' ']).split(',') {
            match name.trim().to_ascii_lowercase().as_str() {
                "broadcast" => features.broadcast = true,
                "live" => features.live = true,
                "playlist" => features.playlist = true,
                "last" => features.last = true,
                "seekable" => features.seekable = true,
                "stridable" => features.stridable = true,
                "skipforward" => features.skip_forward = true,
                "skipbackward" => features.skip_backward = true,
                _ => {}
            }
        }
        features
    }
}

/// The parts between separators that do not stand in quotes. In quotes a `\` takes its meaning from what follows it.
///
/// Spec: RFC 9110 section 5.6.4
pub(super) fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |char| {
        let is_literal = std::mem::take(&mut escaped);
        escaped = quoted && char == '\\' && !is_literal;
        quoted ^= char == '"' && !is_literal;
        char == separator && !quoted
    })
}

/// The digits that a value begins with.
fn number(value: &str) -> Option<u32> {
    let end = value.find(|char: char| !char.is_ascii_digit()).unwrap_or(value.len());
    value.get(..end)?.parse().ok()
}
