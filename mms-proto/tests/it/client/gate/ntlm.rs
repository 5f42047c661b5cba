//! NTLMv2, as a server does it: MS-NLMP 3.2.5.1.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md4::{Digest as _, Md4};
use md5::Md5;

use super::{DOMAIN, PASSWORD, USER};

const SERVER_CHALLENGE: [u8; 8] = *b"8bytes!!";
const TIME: [u8; 8] = [0, 0x80, 0x3E, 0xD5, 0xDE, 0xB1, 0x9D, 1];

/// The exchange on one connection.
#[derive(Debug, Default)]
pub(crate) struct Server {
    /// Somebody else, who is asked instead.
    pub(crate) helper: Option<Helper>,
    negotiate: Vec<u8>,
    challenge: Vec<u8>,
}

/// What is said to a message.
#[derive(Debug)]
pub(crate) enum Said {
    Challenge(Vec<u8>),
    /// `Err` says what is wrong.
    Verdict(Result<(), &'static str>),
}

/// A program that plays the server: it is told messages and tells what to do, a line each, in base64.
///
/// Observed: Samba 4.17, `ntlm_auth --helper-protocol=squid-2.5-ntlmssp`
#[derive(Debug)]
pub(crate) struct Helper {
    process: Child,
    lines: BufReader<ChildStdout>,
}

impl Helper {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the helper runs");
        let lines = BufReader::new(process.stdout.take().unwrap());
        Self { process, lines }
    }

    fn hear(&mut self, message: &[u8]) -> Said {
        let verb = if message.get(8) == Some(&1) { "YR" } else { "KK" };
        let line = format!("{verb} {}\n", STANDARD.encode(message));
        self.process.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        self.lines.read_line(&mut answer).unwrap();
        let words: Vec<&str> = answer.split_ascii_whitespace().collect();
        match words[..] {
            ["TT", challenge, ..] => Said::Challenge(STANDARD.decode(challenge).unwrap()),
            ["AF", ..] => Said::Verdict(Ok(())),
            ["NA", ..] => Said::Verdict(Err("the helper does not know who that is")),
            _ => panic!("{answer}"),
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// RFC 2104.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let pad = |with: u8| -> Vec<u8> { (0..64).map(|at| key.get(at).unwrap_or(&0) ^ with).collect() };
    let inner = Md5::digest([&pad(0x36)[..], text].concat());
    Md5::digest([&pad(0x5C)[..], &inner].concat()).to_vec()
}

fn part(message: &[u8], field: usize) -> Option<&[u8]> {
    let len = u16::from_le_bytes(message.get(field..field + 2)?.try_into().ok()?).into();
    let at = u32::from_le_bytes(message.get(field + 4..field + 8)?.try_into().ok()?) as usize;
    message.get(at..)?.get(..len)
}

impl Server {
    pub(crate) fn hear(&mut self, message: &[u8], time: bool) -> Said {
        if let Some(helper) = &mut self.helper {
            return helper.hear(message);
        }
        match message.get(..12) {
            Some(b"NTLMSSP\0\x01\0\0\0") => {
                self.negotiate = message.to_vec();
                self.challenge = challenge(time);
                Said::Challenge(self.challenge.clone())
            }
            Some(b"NTLMSSP\0\x03\0\0\0") if !self.challenge.is_empty() => Said::Verdict(self.judge(message, time)),
            _ => Said::Verdict(Err("no message that is due on this connection")),
        }
    }

    fn judge(&self, message: &[u8], time: bool) -> Result<(), &'static str> {
        let part = |field| part(message, field).ok_or("a field outside the message");
        let (nt, domain, user) = (part(20)?, part(28)?, part(36)?);
        if nt.len() < 44 || nt[16..24] != [1, 1, 0, 0, 0, 0, 0, 0] {
            return Err("no response of version 2");
        }
        if user != wide(USER) || domain != wide(DOMAIN) && !domain.is_empty() {
            return Err("nobody we know");
        }
        let hash = Md4::digest(wide(PASSWORD));
        let key = hmac(&hash, &[wide(&USER.to_uppercase()), domain.to_vec()].concat());
        let (proof, temp) = nt.split_at(16);
        if hmac(&key, &[&SERVER_CHALLENGE[..], temp].concat()) != proof {
            return Err("another password");
        }
        let lm = part(12)?;
        let lm_v2 = hmac(&key, &[&SERVER_CHALLENGE[..], &temp[16..24]].concat());
        if lm.len() == 24 && lm[..16] != lm_v2 && lm != [0; 24] {
            return Err("another password in LMv2");
        }
        // MsvAvFlags with the bit of the MIC.
        let claims_mic = temp.windows(8).any(|pair| pair[..4] == [6, 0, 4, 0] && pair[4] & 2 != 0);
        // curl 7.88 has a clock, and no MIC.
        if time && claims_mic && temp[8..16] != TIME {
            return Err("another time");
        }
        if claims_mic {
            let mut blank = message.to_vec();
            blank[72..88].fill(0);
            let base = hmac(&key, proof);
            if hmac(&base, &[&self.negotiate[..], &self.challenge, &blank].concat()) != message[72..88] {
                return Err("another MIC");
            }
        }
        Ok(())
    }
}

fn challenge(time: bool) -> Vec<u8> {
    let name = wide("SERVER");
    let mut info = [&[2, 0, 12, 0][..], &name, &[1, 0, 12, 0], &name].concat();
    if time {
        info.extend([&[7, 0, 8, 0][..], &TIME].concat());
    }
    info.extend([0; 4]);
    let mut message = b"NTLMSSP\0\x02\0\0\0".to_vec();
    message.extend([12, 0, 12, 0, 56, 0, 0, 0]);
    message.extend(0x0089_8205_u32.to_le_bytes());
    message.extend(SERVER_CHALLENGE);
    message.extend([0; 8]);
    message.extend([info.len() as u8, 0, info.len() as u8, 0, 68, 0, 0, 0]);
    message.extend([0; 8]);
    message.extend(name);
    message.extend(info);
    message
}
