//! What the text of a refusal hints at. Text is never proof: use it where the code leaves two meanings.

use std::time::Duration;

use super::text::contains_any;
use super::value::decimal;
use super::{Class, Reply};

/// Whether a refusal speaks of a limit on connections rather than of a wrong password.
///
/// 421 at the greeting says it by code. 530 after `PASS` can mean both: ProFTPD and several hosters use it for limits.
///
/// Observed: ProFTPD 1.3.8 (`530 Sorry, the maximum number of clients (4) from your host are already connected.`),
/// vsftpd 3.0.3 (`421 There are too many connections from your internet address.`), pure-ftpd 1.0.50
/// (`421 4 users (the maximum) are already logged in, sorry`)
pub fn reply_hints_limit(reply: &Reply) -> bool {
    const HINTS: [&str; 11] = [
        "too many",
        "maximum number of",
        "the maximum)",
        "maximum connections",
        "maximum sessions",
        "max connections",
        "more connections",
        "connection limit",
        "limit reached",
        "already connected",
        "try later",
    ];
    is_refusal(reply) && contains_any(&reply.text(), &HINTS)
}

/// Whether a 5yz speaks of something that passes, so that the same may work later.
///
/// Observed: lftp retries on these texts
pub fn reply_hints_transient(reply: &Reply) -> bool {
    const HINTS: [&str; 6] = ["broken pipe", "timed out", "timeout", "too many", "try again", "temporarily"];
    is_refusal(reply) && contains_any(&reply.text(), &HINTS)
}

/// How long a 120 says to wait: its first number, in minutes unless the text says seconds; at most a day.
///
/// ```text
/// 120 Service ready in nnn minutes.
/// ```
///
/// Spec: RFC 959 section 4.2.2
pub fn ready_in(reply: &Reply) -> Option<Duration> {
    const MOST: Duration = Duration::from_secs(24 * 60 * 60);
    if reply.code != 120 {
        return None;
    }
    let text = reply.text();
    let digits = text.split(|byte| !byte.is_ascii_digit()).find(|digits| !digits.is_empty())?;
    let unit = if contains_any(&text, &["second"]) { 1 } else { 60 };
    // A number that does not fit is longer than a day, too.
    let seconds = decimal::<u64>(digits).unwrap_or(u64::MAX).saturating_mul(unit);
    Some(Duration::from_secs(seconds).min(MOST))
}

fn is_refusal(reply: &Reply) -> bool {
    matches!(reply.class(), Class::TransientNegative | Class::PermanentNegative)
}
