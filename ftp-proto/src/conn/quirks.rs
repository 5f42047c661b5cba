//! What was learned about one server, and is true for its next session too.

use crate::wire::Features;

/// Whether a server starts a transfer where it was asked to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Restart {
    /// Not tried yet.
    #[default]
    Unknown,
    /// Transfers start where they were asked to, tried with an offset of at least this many bytes.
    Works {
        /// The largest offset tried.
        up_to: u64,
    },
    /// `REST` is refused.
    Refused,
    /// `REST` is answered with 350, and then the file comes from somewhere else.
    ///
    /// Observed: servers with 31-bit offsets; embedded servers that answer 350 to everything.
    Lies,
}

/// The memory of one server. All of it is learned from its answers; nothing has to be configured.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Quirks {
    /// Commands are sent one by one: the server lost or confused some that were sent together.
    ///
    /// Observed: MikroTik, MadGoat, old IIS; servers that flush their input after `USER`.
    pub serial: bool,
    /// `EPSV` is refused, unreadable, or its port cannot be reached: `PASV` is used.
    ///
    /// Observed: NAT helpers that rewrite `PASV` only.
    pub no_epsv: bool,
    /// `SIZE` is not implemented.
    pub no_size: bool,
    /// `MDTM` is not implemented.
    pub no_mdtm: bool,
    /// `MLST` is not implemented, whatever `FEAT` says.
    pub no_mlst: bool,
    /// `RANG` is refused, whatever `FEAT` says.
    pub no_rang: bool,
    /// Whether `REST` can be trusted.
    pub restart: Restart,
    /// A data connection made in advance came to nothing: the server refused the port, closed what it had accepted, or did
    /// not use it.
    pub no_prearm: bool,
    /// A path is one argument, though `TVFS` is not among the features: the server answered questions about a file in a
    /// directory by it.
    pub whole_paths: bool,
    /// An interrupted `RETR` ends with a second 1xx.
    ///
    /// Observed: pure-ftpd 1.0.50, `150 0.001 seconds (measured here)`.
    pub terminal_is_1xx: bool,
    /// A 0xFF in a name has to be sent twice, as in Telnet.
    ///
    /// Observed: proftpd 1.3.8 takes both forms; vsftpd 3.0.3 and pure-ftpd 1.0.50 take the single one only.
    pub doubled_ff: bool,
    /// The answer to `FEAT`; `None` as long as nobody asked.
    pub features: Option<Features>,
}

impl Quirks {
    /// Adds what another session learned. What is known to be broken stays broken.
    pub fn absorb(&mut self, other: &Self) {
        self.serial |= other.serial;
        self.no_epsv |= other.no_epsv;
        self.no_size |= other.no_size;
        self.no_mdtm |= other.no_mdtm;
        self.no_mlst |= other.no_mlst;
        self.no_rang |= other.no_rang;
        self.no_prearm |= other.no_prearm;
        self.whole_paths |= other.whole_paths;
        self.terminal_is_1xx |= other.terminal_is_1xx;
        self.doubled_ff |= other.doubled_ff;
        self.restart = self.restart.max_known(other.restart);
        if self.features.is_none() {
            self.features.clone_from(&other.features);
        }
    }

    /// Whether a start at `offset` needs no further proof: smaller offsets were tried, or this one is no harder.
    ///
    /// Servers fail at the borders of 31 and 32 bits, so an offset on the far side of one is another matter.
    pub fn is_restart_proven(&self, offset: u64) -> bool {
        match self.restart {
            Restart::Works { up_to } => offset_class(offset) <= offset_class(up_to),
            _ => false,
        }
    }
}

impl Restart {
    fn max_known(self, other: Self) -> Self {
        match (self, other) {
            (Self::Lies, _) | (_, Self::Lies) => Self::Lies,
            (Self::Refused, _) | (_, Self::Refused) => Self::Refused,
            (Self::Works { up_to: a }, Self::Works { up_to: b }) => Self::Works { up_to: a.max(b) },
            (Self::Unknown, known) | (known, Self::Unknown) => known,
        }
    }
}

/// 0, 1 or 2 for offsets below 2^31, below 2^32, and from there on.
fn offset_class(offset: u64) -> u8 {
    match offset {
        0..0x8000_0000 => 0,
        0x8000_0000..0x1_0000_0000 => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lie_is_never_forgotten_and_a_proof_covers_its_own_side_of_the_32_bit_border() {
        let mut quirks = Quirks { restart: Restart::Works { up_to: 1 }, ..Quirks::default() };
        assert!(quirks.is_restart_proven(0x7fff_ffff));
        assert!(!quirks.is_restart_proven(0x8000_0000));
        quirks.absorb(&Quirks { restart: Restart::Works { up_to: 1 << 32 }, ..Quirks::default() });
        assert!(quirks.is_restart_proven(u64::MAX));
        quirks.absorb(&Quirks { restart: Restart::Lies, ..Quirks::default() });
        quirks.absorb(&Quirks { restart: Restart::Works { up_to: 9 }, ..Quirks::default() });
        assert_eq!(quirks.restart, Restart::Lies);
    }
}
