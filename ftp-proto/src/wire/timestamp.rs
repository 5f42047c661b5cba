//! Times on the wire: `MDTM`, and the `modify` fact.

use nom::bytes::complete::{tag, take_while_m_n, take_while1};
use nom::combinator::{eof, opt};
use nom::sequence::preceded;
use nom::{IResult, Parser};
use std::time::{Duration, SystemTime};

use super::Reply;
use super::value::{ValueError, ValueRule, decimal, expect_code};

/// A moment in UTC, as servers tell it.
///
/// Spec: RFC 3659 section 2.3
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Seconds since 1970-01-01 00:00:00 UTC, without leap seconds.
    pub seconds: i64,
    /// Nanoseconds after that, below 10^9. A finer fraction is cut.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// Parses a time value.
    ///
    /// ```text
    /// time-val = 14DIGIT [ "." 1*DIGIT ]             ; YYYYMMDDHHMMSS.sss
    /// y2k-val  = "19" 3DIGIT 10DIGIT [ "." 1*DIGIT ] ; years since 1900, 100 and above
    /// ```
    ///
    /// Second 60 is the first one of the next minute.
    ///
    /// Spec: RFC 3659 section 2.3. Observed: servers whose tm_year was printed after "19" (`19100…`)
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (_, (digits, fraction, _)) = time_val(value).ok()?;
        let (year, rest) = match digits.len() {
            14 => digits.split_at_checked(4)?,
            15 => digits.strip_prefix(b"19")?.split_at_checked(3)?,
            _ => return None,
        };
        let year = match (digits.len(), decimal::<u16>(year)?) {
            (15, since_1900 @ 100..) => since_1900.checked_add(1900)?,
            (14, year) => year,
            _ => return None,
        };
        let &[m1, m2, d1, d2, h1, h2, i1, i2, s1, s2] = rest else { return None };
        let two = |tens, ones| decimal::<u8>(&[tens, ones]);
        let (month, day) = (two(m1, m2)?, two(d1, d2)?);
        let (hour, minute, second) = (two(h1, h2)?, two(i1, i2)?, two(s1, s2)?);
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let days = days_since_1970(year, month, day)?;
        let hours = days.checked_mul(24)?.checked_add(hour.into())?;
        let minutes = hours.checked_mul(60)?.checked_add(minute.into())?;
        let seconds = minutes.checked_mul(60)?.checked_add(second.into())?;
        Some(Self { seconds, nanoseconds: fraction.map_or(Some(0), nanoseconds)? })
    }

    /// The same moment, if the platform's type has it.
    pub fn to_system_time(self) -> Option<SystemTime> {
        let seconds = Duration::from_secs(self.seconds.unsigned_abs());
        let whole = match self.seconds {
            0.. => SystemTime::UNIX_EPOCH.checked_add(seconds),
            _ => SystemTime::UNIX_EPOCH.checked_sub(seconds),
        };
        whole?.checked_add(Duration::from_nanos(self.nanoseconds.into()))
    }
}

/// The last modification of a file, from the answer to `MDTM`.
///
/// ```text
/// mdtm-ok = "213" SP time-val
/// ```
///
/// It is UTC by the standard; some old servers tell their local time, so compare it for equality and nothing else.
///
/// # Errors
///
/// Not a 213, or no date and time.
///
/// Spec: RFC 3659 section 3.1
pub fn mdtm(reply: &Reply) -> Result<Timestamp, ValueError> {
    expect_code(reply, 213)?;
    let line = reply.lines.len().saturating_sub(1);
    let error = ValueError::new(reply, line, 0, ValueRule::NotATime);
    Timestamp::parse(reply.last().trim_ascii()).ok_or(error)
}

type TimeVal<'a> = (&'a [u8], Option<&'a [u8]>, &'a [u8]);

fn time_val(input: &[u8]) -> IResult<&[u8], TimeVal<'_>> {
    let digit = |byte: u8| byte.is_ascii_digit();
    (take_while_m_n(14, 15, digit), opt(preceded(tag("."), take_while1(digit))), eof).parse(input)
}

fn nanoseconds(fraction: &[u8]) -> Option<u32> {
    let nine: Vec<u8> = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9).collect();
    decimal(&nine)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar; `None` if there is no such day.
fn days_since_1970(year: u16, month: u8, day: u8) -> Option<i64> {
    const DAYS_BEFORE: [(u16, u8); 12] = [
        (0, 31),
        (31, 28),
        (59, 31),
        (90, 30),
        (120, 31),
        (151, 30),
        (181, 31),
        (212, 31),
        (243, 30),
        (273, 31),
        (304, 30),
        (334, 31),
    ];
    const DAYS_TO_1970: i64 = 719_528;
    let &(before, length) = DAYS_BEFORE.get(usize::from(month.checked_sub(1)?))?;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = if month == 2 && leap { 29 } else { length };
    if day == 0 || day > length {
        return None;
    }
    let leap_day = i64::from(leap && month > 2);
    // Years before this one, year 0 (a leap year) included.
    let years = i64::from(year);
    let last = years.checked_sub(1)?;
    let leap_days = if year == 0 { 0 } else { leap_years(last)?.checked_add(1)? };
    let days = years.checked_mul(365)?.checked_add(leap_days)?.checked_add(before.into())?;
    days.checked_add(leap_day)?.checked_add(day.into())?.checked_sub(1)?.checked_sub(DAYS_TO_1970)
}

/// Leap years in `1..=year`.
fn leap_years(year: i64) -> Option<i64> {
    (year / 4).checked_sub(year / 100)?.checked_add(year / 400)
}
