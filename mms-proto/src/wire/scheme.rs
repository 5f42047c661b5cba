//! The scheme of a URL.

/// The scheme of a [`Url`](super::Url).
///
/// Spec: MMSP 1.9, WMSP 1.9. Observed: what players make of them
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `mms`: whatever way works.
    Mms,
    /// `mmst`: over TCP.
    Mmst,
    /// `mmsu`: over TCP and UDP.
    Mmsu,
    /// `mmsh`: over HTTP.
    Mmsh,
    /// `http`: the same as `mmsh`, if a media server is behind it.
    Http,
    /// `https`: that over TLS.
    Https,
}

impl Scheme {
    /// Its name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mms => "mms",
            Self::Mmst => "mmst",
            Self::Mmsu => "mmsu",
            Self::Mmsh => "mmsh",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub(super) fn parse(scheme: &str) -> Option<Self> {
        let all = [Self::Mms, Self::Mmst, Self::Mmsu, Self::Mmsh, Self::Http, Self::Https];
        all.into_iter().find(|known| known.name().eq_ignore_ascii_case(scheme))
    }
}
