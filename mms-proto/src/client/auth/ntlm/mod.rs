//! NTLM, version 2: three messages, in which the server's challenge is answered with a hash of the password.
//!
//! ```text
//!   client                             server
//!     | NEGOTIATE_MESSAGE                |
//!     | -------------------------------> |
//!     | <------------- CHALLENGE_MESSAGE |   ServerChallenge, TargetInfo
//!     | AUTHENTICATE_MESSAGE             |
//!     | -------------------------------> |   NTProofStr; MIC over all three
//! ```
//!
//! Versions before the second are not spoken, nothing is signed or sealed after it, and names are in Unicode.

mod authenticate;
mod challenge;
mod keys;

pub(super) use authenticate::Response;
pub(super) use challenge::Challenge;
pub(super) use keys::Identity;

/// How every message begins.
///
/// Spec: MS-NLMP 2.2.1
pub(super) const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";

/// What is agreed on.
///
/// Spec: MS-NLMP 2.2.2.5
mod flag {
    pub(super) const UNICODE: u32 = 0x0000_0001;
    pub(super) const REQUEST_TARGET: u32 = 0x0000_0004;
    pub(super) const NTLM: u32 = 0x0000_0200;
    pub(super) const ALWAYS_SIGN: u32 = 0x0000_8000;
    pub(super) const EXTENDED_SESSIONSECURITY: u32 = 0x0008_0000;
    pub(super) const TARGET_INFO: u32 = 0x0080_0000;
}

/// What we can.
///
/// Spec: MS-NLMP 3.1.5.1.1
const OURS: u32 =
    flag::UNICODE | flag::REQUEST_TARGET | flag::NTLM | flag::ALWAYS_SIGN | flag::EXTENDED_SESSIONSECURITY;

/// The NEGOTIATE_MESSAGE: always the same, so that it needs not be kept for the MIC. Neither domain nor workstation are told before they
/// have to be.
///
/// ```text
/// 0         8             12              16                 24                  32
/// | "NTLMSSP\0" | 1       | NegotiateFlags | DomainNameFields | WorkstationFields | Version
/// ```
///
/// Spec: MS-NLMP 2.2.1.1
pub(super) const NEGOTIATE: &[u8; 40] = {
    let [a, b, c, d] = OURS.to_le_bytes();
    &[
        b'N', b'T', b'L', b'M', b'S', b'S', b'P', 0, 1, 0, 0, 0, a, b, c, d, //
        0, 0, 0, 0, 40, 0, 0, 0, 0, 0, 0, 0, 40, 0, 0, 0, //
        0, 0, 0, 0, 0, 0, 0, 0,
    ]
};
