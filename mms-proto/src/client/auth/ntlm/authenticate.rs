//! The message that proves who we are.
//!
//! ```text
//! 0             8   12                          20                          28
//! | "NTLMSSP\0" | 3 | LmChallengeResponseFields | NtChallengeResponseFields | DomainNameFields
//! 36               44                  52                                60               64        72    88
//! | UserNameFields | WorkstationFields | EncryptedRandomSessionKeyFields | NegotiateFlags | Version | MIC | Payload
//!
//! NtChallengeResponse | NTProofStr: 16 | 1 | 1 | 0: 6 | TimeStamp: 8 | ChallengeFromClient: 8 | 0: 4 | AvPairs | 0: 4
//! ```

use std::time::{Duration, SystemTime};

use super::challenge::{AvPair, Challenge};
use super::keys::{Identity, hmac_md5, utf16};
use super::{NEGOTIATE, OURS, SIGNATURE, flag};

/// The message up to its payload, in bytes.
const HEAD: usize = 88;

/// From 1601 to 1970.
const EPOCH: Duration = Duration::from_secs(11_644_473_600);

/// In MsvAvFlags: there is a MIC.
const MIC_PROVIDED: u8 = 2;

/// What goes into the answer beside the challenge.
pub(in super::super) struct Response<'a> {
    pub(in super::super) identity: Identity<'a>,
    pub(in super::super) client_challenge: [u8; 8],
    /// For servers that do not tell their own time.
    ///
    /// Without either it is 0. Windows NT 4.0 to Windows Server 2008 R2 compare it with their clock, within 30 minutes or 36 hours, and
    /// those up to Windows Server 2003 do not tell it: of them, 0 is refused.
    ///
    /// Spec: MS-NLMP 3.1.5.1.2, 3.2.5.1.2, and <16>, <39> and <69> of appendix B
    pub(in super::super) time_of_day: Option<SystemTime>,
    /// The service principal name of the server: `HTTP/host`.
    pub(in super::super) target: Option<String>,
}

/// The parts of the message that are computed.
#[derive(Debug, PartialEq, Eq)]
struct Proof {
    lm_response: [u8; 24],
    nt_response: Vec<u8>,
    session_base_key: [u8; 16],
}

impl Response<'_> {
    /// The AUTHENTICATE_MESSAGE. `None` if a name is too long for its field.
    ///
    /// The session key is used for the MIC only, and there is one if the server tells its time: so a server knows that both can.
    ///
    /// Spec: MS-NLMP 2.2.1.3, 3.1.5.1.2
    pub(in super::super) fn encode(&self, challenge: &Challenge<'_>) -> Option<Vec<u8>> {
        let proof = self.proof(challenge)?;
        let (domain, user) = (utf16(self.identity.domain), utf16(self.identity.user));
        let mut head = SIGNATURE.to_vec();
        head.extend([3, 0, 0, 0]);
        let mut payload = Vec::new();
        for part in [&proof.lm_response[..], &proof.nt_response, &domain, &user, &[], &[]] {
            let len = u16::try_from(part.len()).ok()?.to_le_bytes();
            let offset = u32::try_from(payload.len().checked_add(HEAD)?).ok()?;
            head.extend([len, len].concat());
            head.extend(offset.to_le_bytes());
            payload.extend_from_slice(part);
        }
        let flags = challenge.flags & (OURS | flag::TARGET_INFO);
        head.extend(flags.to_le_bytes());
        head.extend([0; 8]);
        let mic = match challenge.timestamp() {
            None => [0; 16],
            Some(_) => {
                let parts = [NEGOTIATE, challenge.message, &head, &[0; 16], &payload];
                hmac_md5(&proof.session_base_key, &parts)
            }
        };
        head.extend(mic);
        head.append(&mut payload);
        Some(head)
    }

    /// Spec: MS-NLMP 3.3.2 (ComputeResponse), 3.1.5.1.2 (Z(24))
    fn proof(&self, challenge: &Challenge<'_>) -> Option<Proof> {
        let key = self.identity.response_key();
        let nonces = [&challenge.server_challenge[..], &self.client_challenge];
        let mut lm_response = [0; 24];
        if challenge.timestamp().is_none() {
            let hash = hmac_md5(&key, &nonces);
            lm_response.iter_mut().zip(hash.iter().chain(&self.client_challenge)).for_each(|(to, from)| *to = *from);
        }
        let mut temp = vec![1, 1, 0, 0, 0, 0, 0, 0];
        temp.extend(challenge.timestamp().unwrap_or_else(|| filetime(self.time_of_day)));
        temp.extend(self.client_challenge);
        temp.extend([0; 4]);
        temp.extend(self.av_pairs(challenge)?);
        temp.extend([0; 4]);
        let nt_proof_str = hmac_md5(&key, &[&challenge.server_challenge, &temp]);
        let session_base_key = hmac_md5(&key, &[&nt_proof_str]);
        Some(Proof { lm_response, nt_response: [&nt_proof_str[..], &temp].concat(), session_base_key })
    }

    /// What the server says of itself, and of a server that tells its time what we say to it: that there is a MIC, that the connection is
    /// bound to nothing, and whom we mean.
    ///
    /// Spec: MS-NLMP 3.1.5.1.2. Observed: no server before Windows Vista knows any of the three, nor tells its time (<14> to <19>)
    fn av_pairs(&self, challenge: &Challenge<'_>) -> Option<Vec<u8>> {
        let target = self.target.as_deref().map(utf16).unwrap_or_default();
        let mut flags = [0; 4];
        let said = challenge.value(AvPair::FLAGS).unwrap_or_default();
        flags.iter_mut().zip(said).for_each(|(to, from)| *to = *from);
        flags[0] |= MIC_PROVIDED;
        let ours = [(AvPair::FLAGS, &flags[..]), (AvPair::CHANNEL_BINDINGS, &[0; 16]), (AvPair::TARGET_NAME, &target)];
        let ours: &[_] = if challenge.timestamp().is_some() { &ours } else { &[] };
        let theirs = challenge.target_info.iter().filter(|pair| !ours.iter().any(|(id, _)| *id == pair.id));
        let mut list = Vec::new();
        for (id, value) in theirs.map(|pair| (pair.id, pair.value)).chain(ours.iter().copied()) {
            list.extend(id.to_le_bytes());
            list.extend(u16::try_from(value.len()).ok()?.to_le_bytes());
            list.extend_from_slice(value);
        }
        // Nothing was said at all: then not even that there is no more.
        if !challenge.target_info.is_empty() {
            list.extend([0; 4]);
        }
        Some(list)
    }
}

/// Units of 100 ns since 1601, or 0.
///
/// Spec: MS-DTYP 2.3.3
fn filetime(time: Option<SystemTime>) -> [u8; 8] {
    let since = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok()?.checked_add(EPOCH));
    let ticks = since.map_or(0, |since| since.as_nanos().checked_div(100).unwrap_or(0));
    u64::try_from(ticks).unwrap_or(0).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::challenge::tests::{MESSAGE, with_info};
    use super::*;

    fn response(target: Option<&str>) -> Response<'static> {
        Response {
            identity: Identity::new("Domain\\User", "Password"),
            client_challenge: [0xAA; 8],
            time_of_day: None,
            target: target.map(str::to_owned),
        }
    }

    fn part(message: &[u8], field: usize) -> &[u8] {
        let len = usize::from(u16::from_le_bytes([message[field], message[field + 1]]));
        let at = u32::from_le_bytes(message[field + 4..field + 8].try_into().unwrap()) as usize;
        &message[at..at + len]
    }

    /// MS-NLMP 4.2.4.1 and 4.2.4.2
    #[test]
    fn the_example_of_the_specification_comes_out() {
        let challenge = Challenge::decode(MESSAGE).unwrap();
        let proof = response(None).proof(&challenge).unwrap();
        let nt_proof_str =
            [0x68, 0xcd, 0x0a, 0xb8, 0x51, 0xe5, 0x1c, 0x96, 0xaa, 0xbc, 0x92, 0x7b, 0xeb, 0xef, 0x6a, 0x1c];
        let temp = b"\x01\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\0\0\0\0\
            \x02\0\x0c\0D\0o\0m\0a\0i\0n\0\x01\0\x0c\0S\0e\0r\0v\0e\0r\0\0\0\0\0\0\0\0\0";
        assert_eq!(proof.nt_response[..16], nt_proof_str);
        assert_eq!(proof.nt_response[16..], temp[..]);
        assert_eq!(
            proof.session_base_key,
            [0x8d, 0xe4, 0x0c, 0xca, 0xdb, 0xc1, 0x4a, 0x82, 0xf1, 0x5c, 0xb0, 0xad, 0x0d, 0xe9, 0x5c, 0xa3]
        );
        let lm = [0x86, 0xc3, 0x50, 0x97, 0xac, 0x9c, 0xec, 0x10, 0x25, 0x54, 0x76, 0x4a, 0x57, 0xcc, 0xcc, 0x19];
        assert_eq!(proof.lm_response[..16], lm);
        assert_eq!(proof.lm_response[16..], [0xAA; 8]);
    }

    /// MS-NLMP 4.2.4.3, without its workstation and its key for signing
    #[test]
    fn the_message_of_the_specification_comes_out() {
        let message = response(None).encode(&Challenge::decode(MESSAGE).unwrap()).unwrap();
        assert_eq!(message[..12], *b"NTLMSSP\0\x03\0\0\0");
        assert_eq!(part(&message, 12)[16..], [0xAA; 8]);
        assert_eq!(part(&message, 20)[..4], [0x68, 0xcd, 0x0a, 0xb8]);
        assert_eq!(part(&message, 20).len(), 0x54);
        assert_eq!(part(&message, 28), b"D\0o\0m\0a\0i\0n\0");
        assert_eq!(part(&message, 36), b"U\0s\0e\0r\0");
        assert_eq!((part(&message, 44), part(&message, 52)), (&[][..], &[][..]));
        assert_eq!(u32::from_le_bytes(message[60..64].try_into().unwrap()), 0x0088_8201);
        assert_eq!(message[72..88], [0; 16], "no MIC without a time");
        assert_eq!(message.len(), HEAD + 24 + 0x54 + 12 + 8);
    }

    #[test]
    fn a_server_that_tells_its_time_gets_a_mic_and_no_lm_response() {
        let time = [7, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        let info = [&time[..], &[6, 0, 4, 0, 1, 0, 0, 0], &[9, 0, 2, 0, 65, 0], &[0; 4]].concat();
        let sent = with_info(&info);
        let message = response(Some("HTTP/h")).encode(&Challenge::decode(&sent).unwrap()).unwrap();
        assert_eq!(part(&message, 12), [0; 24]);
        let nt = part(&message, 20);
        assert_eq!(nt[24..32], [1, 2, 3, 4, 5, 6, 7, 8]);
        let pairs = [&time[..], &[6, 0, 4, 0, 3, 0, 0, 0], &[10, 0, 16, 0], &[0; 16], &[9, 0, 12, 0], &utf16("HTTP/h")];
        assert_eq!(nt[44..], [&pairs.concat()[..], &[0; 8]].concat());
        let mut blank = message.clone();
        blank[72..88].fill(0);
        let key = hmac_md5(&Identity::new("Domain\\User", "Password").response_key(), &[&nt[..16]]);
        assert_eq!(message[72..88], hmac_md5(&key, &[NEGOTIATE, &sent, &blank]));
    }

    #[test]
    fn a_server_without_a_time_is_told_ours() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        // Two thousand one, 9 September, 01:46:40.
        assert_eq!(u64::from_le_bytes(filetime(Some(time))), 126_444_736_000_000_000);
        assert_eq!(filetime(None), [0; 8]);
        assert_eq!(filetime(Some(SystemTime::UNIX_EPOCH - Duration::from_secs(1))), [0; 8]);
        let told = Response { time_of_day: Some(time), ..response(None) };
        let message = told.encode(&Challenge::decode(MESSAGE).unwrap()).unwrap();
        assert_eq!(part(&message, 20)[24..32], filetime(Some(time)));
    }

    #[test]
    fn names_too_long_for_their_fields_are_not_sent() {
        let user = "u".repeat(40_000);
        let long = Response { identity: Identity::new(&user, "p"), ..response(None) };
        assert!(long.encode(&Challenge::decode(MESSAGE).unwrap()).is_none());
    }
}
