//! Framing of replies.

use bytes::{Buf, Bytes, BytesMut};
use std::mem;

use super::text::Lossy;
use super::{Code, Reply};

const IAC: u8 = 0xFF;
const SB: u8 = 0xFA;
const SE: u8 = 0xF0;

/// Takes replies off the control stream.
///
/// ```text
/// reply  = single / multi
/// single = code [ SP text ] EOL
/// multi  = code "-" text EOL *( line EOL ) code [ SP text ] EOL      ; the same code twice
/// EOL    = CRLF / LF
/// ```
///
/// Tolerated, each because some server does it: a bare LF; CR NUL for a CR inside text; a bare code; NUL anywhere
/// (dropped); Telnet commands at the start of a line (skipped), and IAC IAC for 0xFF; lines between replies that are no
/// replies (junk of the reply before: file names with LF come back raw); a multi-line reply ended by another code,
/// which only silence can tell from an inner line that looks like a reply: [`ReplyReader::on_silence`].
///
/// Telnet commands inside of a line are text: `ящ` in CP1251 is IAC GA.
///
/// Each byte is looked at once, so any cut of the input gives the same replies and errors. The first error is final.
///
/// Spec: RFC 959 section 4.2, RFC 854, RFC 2640 section 3.1. Observed: glFTPd (other closing code), ProFTPD 1.3.8 (raw LF
/// in a 150), vsftpd 3.0.3 (doubles 0xFF)
#[derive(Debug)]
pub struct ReplyReader {
    limits: ReplyLimits,
    /// Bytes taken off the stream so far.
    offset: u64,
    /// Offset of the line being read.
    line_start: u64,
    /// Offset of the first byte after the last reply.
    reply_start: u64,
    line: Vec<u8>,
    held: Held,
    open: Option<Open>,
    replies: u64,
    /// Lines since the last reply that belong to none.
    junk: usize,
    failed: Option<ReplyError>,
}

/// How long a reply may be before it is an attack.
///
/// Spec: none; RFC 959 has no limits
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyLimits {
    /// Bytes in a line, as sent, with its end. 8 KiB: twice `PATH_MAX`, a path in a 257 with quotes doubled.
    pub line: usize,
    /// Bytes in a reply, as sent. 128 KiB: the longest welcome texts of public mirrors have some 10 KiB.
    pub reply: usize,
    /// Lines in a reply. 2048: what keeps 128 KiB of line ends from costing megabytes.
    pub lines: usize,
}

impl Default for ReplyLimits {
    fn default() -> Self {
        Self { line: 8 << 10, reply: 128 << 10, lines: 2048 }
    }
}

impl Default for ReplyReader {
    fn default() -> Self {
        Self::new(ReplyLimits::default())
    }
}

impl ReplyReader {
    /// A reader at the start of a control stream.
    pub fn new(limits: ReplyLimits) -> Self {
        Self {
            limits,
            offset: 0,
            line_start: 0,
            reply_start: 0,
            line: Vec::new(),
            held: Held::Nothing,
            open: None,
            replies: 0,
            junk: 0,
            failed: None,
        }
    }

    /// Takes the next reply off the front of `buf`; what follows it stays there.
    ///
    /// `None` means that more input is needed: then all of `buf` was taken. Call it until then.
    ///
    /// # Errors
    ///
    /// A limit, or bytes that are no reply. The stream is unusable, and each further call gives the same error.
    ///
    /// Spec: RFC 959 section 4.2
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Option<Reply>, ReplyError> {
        self.check_failed()?;
        let mut taken: usize = 0;
        let mut outcome = Ok(None);
        for &byte in buf.iter() {
            taken = taken.saturating_add(1);
            outcome = self.push(byte);
            if !matches!(outcome, Ok(None)) {
                break;
            }
        }
        buf.advance(taken);
        self.remember(outcome)
    }

    /// Whether [`on_silence`](Self::on_silence) would give a reply, that is, whether to start the grace.
    pub fn may_end_on_silence(&self) -> bool {
        self.line.is_empty()
            && self.held == Held::Nothing
            && self.open.as_ref().is_some_and(|open| open.closing.is_some())
    }

    /// The peer said nothing for the caller's grace: a multi-line reply whose latest line is `ddd SP` of another code
    /// ends there. That code is the reply's, [`Reply::opening`] has the other.
    ///
    /// Observed: glFTPd puts `553-` lines of its scripts before the `150` that counts
    pub fn on_silence(&mut self) -> Option<Reply> {
        if self.may_end_on_silence() { self.finish() } else { None }
    }

    /// The peer has ended the stream, and all of it was given to [`decode`](Self::decode). A line without its end counts,
    /// and so does a closing line with another code.
    ///
    /// # Errors
    ///
    /// The stream ended inside of a reply, or an earlier error.
    pub fn on_eof(&mut self) -> Result<Option<Reply>, ReplyError> {
        self.check_failed()?;
        if mem::replace(&mut self.held, Held::Nothing) == Held::Iac {
            self.line.push(IAC);
        }
        let outcome = if self.line.is_empty() { Ok(None) } else { self.end_line() };
        let outcome = match outcome {
            Ok(None) if self.may_end_on_silence() => Ok(self.finish()),
            Ok(None) if self.open.is_some() => Err(self.error(self.offset, ReplyRule::Truncated, &[])),
            outcome => outcome,
        };
        self.remember(outcome)
    }

    /// Whether a part of a reply is held. Between replies, and with an empty buffer, the stream is in step.
    pub fn is_mid_reply(&self) -> bool {
        self.open.is_some() || !self.line.is_empty() || self.held != Held::Nothing
    }

    /// Bytes taken off the stream so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn check_failed(&self) -> Result<(), ReplyError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn remember(&mut self, outcome: Result<Option<Reply>, ReplyError>) -> Result<Option<Reply>, ReplyError> {
        outcome.inspect_err(|error| self.failed = Some(error.clone()))
    }

    /// One byte of the stream, Telnet and line ends taken out.
    fn push(&mut self, byte: u8) -> Result<Option<Reply>, ReplyError> {
        self.offset = self.offset.saturating_add(1);
        self.check_length()?;
        let line_begins = self.line.is_empty();
        let held = mem::replace(&mut self.held, Held::Nothing);
        match (held, byte) {
            (Held::Nothing, _) => return self.push_plain(byte),
            (Held::Cr, b'\n') => return self.end_line(),
            // Of CR NUL, push_plain drops the NUL.
            (Held::Cr, _) => {
                self.line.push(b'\r');
                return self.push_plain(byte);
            }
            (Held::Iac, IAC) => self.line.push(IAC),
            (Held::Iac, 0xFB..=0xFE) if line_begins => self.held = Held::Negotiation,
            (Held::Iac, SB) if line_begins => self.held = Held::Sub,
            (Held::Iac, 0xF1..=0xF9) if line_begins => {}
            (Held::Iac, _) => {
                self.line.push(IAC);
                return self.push_plain(byte);
            }
            (Held::Negotiation, _) | (Held::SubIac, SE) => {}
            (Held::Sub, IAC) => self.held = Held::SubIac,
            (Held::Sub | Held::SubIac, _) => self.held = Held::Sub,
        }
        Ok(None)
    }

    fn push_plain(&mut self, byte: u8) -> Result<Option<Reply>, ReplyError> {
        match byte {
            b'\n' => return self.end_line(),
            b'\r' => self.held = Held::Cr,
            IAC => self.held = Held::Iac,
            0 => {}
            _ => self.line.push(byte),
        }
        Ok(None)
    }

    fn end_line(&mut self) -> Result<Option<Reply>, ReplyError> {
        let line = Bytes::from(mem::take(&mut self.line));
        let start = mem::replace(&mut self.line_start, self.offset);
        let head = Head::of(&line);
        let Some(open) = &mut self.open else { return self.first_line(start, line, head) };
        if open.lines.len() >= self.limits.lines {
            return Err(self.error(start, ReplyRule::TooManyLines { limit: self.limits.lines }, &[]));
        }
        open.lines.push(line);
        // What might be the last line is one for now; finish() strips its code.
        open.closing = head.filter(|head| head.last).and_then(|head| Code::new(head.code));
        if open.closing == Some(open.code) {
            return Ok(self.finish());
        }
        Ok(None)
    }

    fn first_line(&mut self, start: u64, line: Bytes, head: Option<Head>) -> Result<Option<Reply>, ReplyError> {
        let Some(head) = head else {
            if self.replies == 0 && !line.is_empty() {
                let rule = if line.starts_with(b"SSH-") { ReplyRule::SshBanner } else { ReplyRule::NotAReply };
                return Err(self.error(start, rule, &line));
            }
            self.junk = self.junk.saturating_add(1);
            if self.junk > self.limits.lines {
                return Err(self.error(start, ReplyRule::TooManyLines { limit: self.limits.lines }, &[]));
            }
            return Ok(None);
        };
        let code = Code::new(head.code).ok_or_else(|| self.error(start, ReplyRule::CodeOutOfRange, &line))?;
        self.open = Some(Open { code, lines: vec![line], closing: head.last.then_some(code) });
        if head.last {
            return Ok(self.finish());
        }
        Ok(None)
    }

    fn finish(&mut self) -> Option<Reply> {
        let Open { code, mut lines, closing } = self.open.take()?;
        self.replies = self.replies.saturating_add(1);
        self.junk = 0;
        self.reply_start = self.line_start;
        let count = lines.len();
        for (index, line) in lines.iter_mut().enumerate() {
            if index == 0 || index.saturating_add(1) == count {
                line.advance(Head::LEN.min(line.len()));
            }
        }
        let closing = closing.unwrap_or(code);
        Some(Reply { code: closing, lines, opening: (closing != code).then_some(code) })
    }

    fn check_length(&self) -> Result<(), ReplyError> {
        let ReplyLimits { line, reply, .. } = self.limits;
        let within =
            |start: u64, limit| usize::try_from(self.offset.saturating_sub(start)).is_ok_and(|len| len <= limit);
        if !within(self.line_start, line) {
            return Err(self.error(self.line_start, ReplyRule::LineTooLong { limit: line }, &self.line));
        }
        if !within(self.reply_start, reply) {
            return Err(self.error(self.reply_start, ReplyRule::ReplyTooLong { limit: reply }, &self.line));
        }
        Ok(())
    }

    fn error(&self, offset: u64, rule: ReplyRule, line: &[u8]) -> ReplyError {
        let excerpt = line.get(..ReplyError::EXCERPT).unwrap_or(line);
        ReplyError { offset, rule, excerpt: Bytes::copy_from_slice(excerpt) }
    }
}

/// A reply of which more lines are to come.
#[derive(Debug)]
struct Open {
    code: Code,
    /// As sent, without line ends.
    lines: Vec<Bytes>,
    /// The code of the latest line, if that line looks like a last one.
    closing: Option<Code>,
}

/// What came before the byte to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Nothing,
    Cr,
    Iac,
    /// IAC and WILL, WONT, DO or DONT.
    Negotiation,
    /// IAC SB and anything.
    Sub,
    /// The same, and IAC.
    SubIac,
}

/// The start of a line that can be a reply's first or last.
///
/// ```text
/// head = 3DIGIT ( SP / "-" / EOL )
/// ```
///
/// Spec: RFC 959 section 4.2
struct Head {
    code: u16,
    /// SP or nothing after the code.
    last: bool,
}

impl Head {
    const LEN: usize = 4;

    fn of(line: &[u8]) -> Option<Self> {
        let (digits, rest) = line.split_at_checked(3)?;
        let last = match rest.first() {
            None | Some(b' ') => true,
            Some(b'-') => false,
            Some(_) => return None,
        };
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let code = str::from_utf8(digits).ok()?.parse().ok()?;
        Some(Self { code, last })
    }
}

/// The control stream cannot be read on.
///
/// Spec: RFC 959 section 4.2
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("control stream, byte {offset}: {rule}{}", quoted(excerpt))]
#[non_exhaustive]
pub struct ReplyError {
    /// Where the offending line or reply begins, in bytes since the reader's start; for a truncation, where it ends.
    pub offset: u64,
    /// What was broken.
    pub rule: ReplyRule,
    /// The start of the offending line, at most 64 bytes.
    pub excerpt: Bytes,
}

impl ReplyError {
    const EXCERPT: usize = 64;
}

fn quoted(excerpt: &[u8]) -> String {
    if excerpt.is_empty() { String::new() } else { format!(": \"{}\"", Lossy(excerpt)) }
}

/// A rule of reply framing.
///
/// Spec: RFC 959 section 4.2
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyRule {
    /// The first line does not begin with a code.
    #[error("not a reply")]
    NotAReply,
    /// The first line is that of an SSH server: wrong port, or SFTP is meant.
    #[error("an SSH server, not FTP")]
    SshBanner,
    /// A code that is not 100 to 599.
    #[error("no such class of reply")]
    CodeOutOfRange,
    /// A line has more bytes than [`ReplyLimits::line`].
    #[error("line longer than {limit} bytes")]
    LineTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A reply has more bytes than [`ReplyLimits::reply`].
    #[error("reply longer than {limit} bytes")]
    ReplyTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A reply, or what stands between replies, has more lines than [`ReplyLimits::lines`].
    #[error("more than {limit} lines")]
    TooManyLines {
        /// The limit, in lines.
        limit: usize,
    },
    /// The stream ended inside of a reply.
    #[error("the stream ended inside of a reply")]
    Truncated,
}
