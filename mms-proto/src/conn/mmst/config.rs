//! What the machine has to know beforehand.

use crate::conn::{Identity, Limits, Waits};
use crate::wire::WireError;
use crate::wire::mmst::{Acceleration, Funnel, Text};

/// What a [`Connection`](super::Connection) is for.
///
/// Spec: MMSP 2.2.4.17, 2.2.4.21
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) subscriber_name: Text,
    pub(super) file_name: Text,
    pub(super) funnel: Funnel,
    pub(super) acceleration: Option<Acceleration>,
    pub(super) waits: Waits,
    pub(super) limits: Limits,
}

impl Config {
    /// For the file `file_name` on `host`: the path of the URL, decoded, without its first slash, with its query.
    /// Packets come on the connection.
    ///
    /// # Errors
    /// A name is longer than 4096 units, or has a NUL.
    ///
    /// Observed: all players in the wild are `NSPlayer/7.0.0.1956`, and name the host
    pub fn new(identity: &Identity, host: &str, file_name: &str) -> Result<Self, WireError> {
        let subscriber_name = match identity {
            Identity::Player { guid } => format!("NSPlayer/7.0.0.1956; {{{guid}}}; Host: {host}"),
            Identity::Relay { guid } => format!("Spooooon!/4.1.0.3928; {{{guid}}}; Host: {host}"),
        };
        Ok(Self {
            subscriber_name: Text::new(&subscriber_name)?,
            file_name: Text::new(file_name)?,
            funnel: Funnel::Tcp,
            acceleration: None,
            waits: Waits::default(),
            limits: Limits::default(),
        })
    }

    /// With packets carried in another way.
    #[must_use]
    pub fn with_funnel(self, funnel: Funnel) -> Self {
        Self { funnel, ..self }
    }

    /// With a fast beginning, where the server knows of it.
    #[must_use]
    pub fn with_acceleration(self, acceleration: Acceleration) -> Self {
        Self { acceleration: Some(acceleration), ..self }
    }

    /// With other waits.
    #[must_use]
    pub fn with_waits(self, waits: Waits) -> Self {
        Self { waits, ..self }
    }

    /// With other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }
}

/// How a server is told where to begin.
///
/// Spec: MMSP 2.2.4.25. Observed: libmms, xine and VLC send the first form, and servers look at the packet number in it
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SeekForm {
    /// Second 0, and a packet number that goes before it.
    Wild,
    /// A packet number, and no second.
    Spec,
}
