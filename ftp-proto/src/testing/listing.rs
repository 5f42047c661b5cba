//! Times and directory lines, as servers print them.

use std::time::{Duration, SystemTime};

/// The fields of a UTC time: year, month, day, hour, minute, second.
fn civil(at: SystemTime) -> [u64; 6] {
    let seconds = at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (mut days, time) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    [year, month, days + 1, time / 3600, time / 60 % 60, time % 60]
}

/// `YYYYMMDDHHMMSS`. Spec: RFC 3659 section 2.3.
pub(super) fn stamp(at: SystemTime) -> String {
    let [year, month, day, hour, minute, second] = civil(at);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

/// A line of `ls -l`, without its end. Old and future times show the year instead of the hour.
pub(super) fn long_line(name: &[u8], file: Option<(u64, SystemTime)>, now: SystemTime) -> Vec<u8> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const HALF_A_YEAR: Duration = Duration::from_secs(182 * 86_400);
    let (mode, len, at) = match file {
        Some((len, at)) => ("-rw-r--r--", len, at),
        None => ("drwxr-xr-x", 4096, SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_210_096)),
    };
    let [year, month, day, hour, minute, _] = civil(at);
    let recent = now.duration_since(at).is_ok_and(|age| age < HALF_A_YEAR);
    let clock = if recent { format!("{hour:02}:{minute:02}") } else { format!("{year:>5}") };
    let month = MONTHS[month as usize - 1];
    let mut line = format!("{mode}    1 0        0        {len:>12} {month} {day:02} {clock} ").into_bytes();
    line.extend_from_slice(name);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn times_are_printed_in_utc_over_leap_days_and_centuries() {
        for (seconds, text) in [
            (0, "19700101000000"),
            (951_782_400, "20000229000000"),
            (1_709_210_096, "20240229123456"),
            (1_735_689_599, "20241231235959"),
            (4_107_542_400, "21000301000000"),
        ] {
            assert_eq!(stamp(at(seconds)), text);
        }
    }

    #[test]
    fn a_long_line_shows_the_hour_of_recent_files_and_the_year_of_old_ones() {
        let line = |now| String::from_utf8(long_line(b"a b", Some((7, at(1_709_210_096))), at(now))).unwrap();
        assert!(line(1_709_300_000).ends_with(" 7 Feb 29 12:34 a b"));
        assert!(line(1_809_300_000).ends_with(" 7 Feb 29  2024 a b"));
        assert!(line(1_609_300_000).ends_with(" 7 Feb 29  2024 a b"));
    }
}
