//! The sentences, shared by bars and lines.

use std::time::Duration;

use indicatif::HumanBytes;
use segfetch::source::Extent;
use segfetch::{Event, Integrity, Progress, Stage};

use super::{Loudness, MediaSummary, Subject, Summary};
use crate::failure::Failure;
use crate::naming::{clean, printable};

/// Turns what happens into sentences, and knows what need not be said twice.
#[derive(Debug)]
pub(crate) struct Teller {
    subjects: Vec<Subject>,
    loudness: Loudness,
    /// How long a download goes on without progress.
    patience: Duration,
    /// The last failure that each download was said to have had.
    last_retry: Vec<Option<String>>,
    /// The length that was said of each download; the engine asks again at the end.
    extents: Vec<Option<Extent>>,
    /// Whether it was explained what "not verified" means.
    explained: bool,
}

impl Teller {
    pub(crate) fn new(subjects: Vec<Subject>, loudness: Loudness, patience: Duration) -> Self {
        let (last_retry, extents) = (vec![None; subjects.len()], vec![None; subjects.len()]);
        Self { subjects, loudness, patience, last_retry, extents, explained: false }
    }

    pub(crate) fn loudness(&self) -> Loudness {
        self.loudness
    }

    pub(crate) fn name(&self, id: usize) -> &str {
        &self.subjects[id].name
    }

    pub(crate) fn len(&self) -> usize {
        self.subjects.len()
    }

    /// What to say of an event, if anything.
    pub(crate) fn event(&mut self, id: usize, event: &Event) -> Option<String> {
        if self.loudness == Loudness::Quiet {
            return None;
        }
        let verbose = self.loudness == Loudness::Verbose;
        let text = match event {
            Event::Probed(info) if self.extents[id].replace(info.extent) == Some(info.extent) => return None,
            Event::Probed(info) => match info.extent.known() {
                Some(len) => bytes(len),
                None if info.extent == Extent::Growing => {
                    "a live stream; it is recorded until it ends, until its time is up, or until Ctrl-C".into()
                }
                None => "the server does not say how long the file is".into(),
            },
            Event::Resumed { have, damaged: 0 } => format!("going on; {} are here already", bytes(*have)),
            Event::Resumed { have, damaged } => format!(
                "going on; {} are here already, {} were damaged on the disk and are fetched again",
                bytes(*have),
                bytes(*damaged)
            ),
            Event::Retry { message, .. } => {
                if !verbose && self.last_retry[id].as_ref() == Some(message) {
                    return None;
                }
                self.last_retry[id] = Some(message.clone());
                format!("{}; trying again, for up to {} without progress", clean(message), limit(self.patience))
            }
            Event::Throttled { granted: 0, message } => {
                format!("the server admits no more connections now; waiting ({})", clean(message))
            }
            Event::Throttled { granted, message } => {
                format!("the server grants {} ({})", connections(usize::from(*granted)), clean(message))
            }
            Event::Restarted { reason } => {
                format!(
                    "the file on the server has changed ({}); fetching the new one from the beginning",
                    clean(reason)
                )
            }
            Event::Paused { durable } => format!("paused; {} are safe on the disk", bytes(*durable)),
            Event::Continued => "going on".into(),
            Event::Opened { worker, start } if verbose => format!("connection {worker} starts at byte {start}"),
            Event::Closed { worker, front } if verbose => format!("connection {worker} ends at byte {front}"),
            Event::Checkpointed { durable, took } if verbose => {
                format!("{} are safe on the disk (synced in {} ms)", bytes(*durable), took.as_millis())
            }
            Event::Missed(count) if verbose => format!("{count} events were not shown"),
            _ => return None,
        };
        Some(self.with_name(id, &text))
    }

    /// What to say at the end of a download.
    pub(crate) fn ended(&mut self, id: usize, result: &Result<Summary, Failure>) -> Option<String> {
        match result {
            Err(failure) => Some(self.with_name(id, &failure.to_string())),
            Ok(_) if self.loudness == Loudness::Quiet => None,
            Ok(summary) => {
                let mut text = self.with_name(id, &done(summary));
                for line in summary.media.iter().flat_map(MediaSummary::lines) {
                    text.push_str(&format!("\n  {line}"));
                }
                if summary.integrity == Integrity::Unverified && !summary.already_complete && !self.explained {
                    self.explained = true;
                    text.push_str("\n  Not verified: this server gives nothing strong to recognise a file by. Length, time and all compared");
                    text.push_str("\n  overlaps agree, so a change during the download is unlikely; --checksum would make it certain.");
                }
                Some(text)
            }
        }
    }

    /// What to say when the user asks to stop.
    pub(crate) fn stopping(&self) -> Option<&'static str> {
        let text = "Stopping: making safe what has arrived. A second Ctrl-C leaves at once.";
        (self.loudness != Loudness::Quiet).then_some(text)
    }

    fn with_name(&self, id: usize, text: &str) -> String {
        format!("{}: {text}", self.name(id))
    }
}

fn done(summary: &Summary) -> String {
    let len = bytes(summary.len);
    let place = summary.path.as_ref().map_or("standard output".into(), |path| printable(path.as_os_str()));
    if summary.already_complete {
        return format!("nothing to do: {place} is there, with the length ({len}) and time of the file on the server");
    }
    let mut text = format!("done: {len} in {place}, {}", seconds(summary.elapsed));
    if summary.elapsed > Duration::ZERO && summary.fetched > 0 {
        text += &format!(" at {}/s", bytes((summary.fetched as f64 / summary.elapsed.as_secs_f64()) as u64));
    }
    if summary.resumed > 0 {
        text += &format!("; {} came from earlier runs", bytes(summary.resumed));
    }
    match summary.integrity {
        Integrity::Digest => text + "; checksum right",
        _ => text,
    }
}

/// One download's state, what matters most first: `53 % of 256.00 MiB, 25.10 MiB/s, 5 s left, 4 connections`.
pub(crate) fn state(progress: &Progress) -> String {
    let mut text = match progress.total {
        Some(total) => format!("{} of {}", percent(progress.received, total), bytes(total)),
        None => bytes(progress.received),
    };
    match progress.stage {
        Stage::Starting => text += ", starting",
        Stage::Waiting => text += ", waiting for its turn",
        Stage::Paused => text += ", paused",
        Stage::Verifying => text += ", computing the checksum",
        Stage::Finishing => text += ", finishing",
        _ => {
            text += &format!(", {}/s", bytes(progress.rate));
            if let Some(left) = progress.time_left() {
                text += &format!(", {} left", seconds(left));
            }
            text += &format!(", {}", connections(progress.workers.len()));
        }
    }
    text
}

/// `1 connection`, `4 connections`.
pub(crate) fn connections(count: usize) -> String {
    if count == 1 { "1 connection".into() } else { format!("{count} connections") }
}

/// A number of bytes in binary units.
pub(crate) fn bytes(count: u64) -> String {
    HumanBytes(count).to_string()
}

/// Whole percents, rounded down, so that 100 % means everything.
pub(crate) fn percent(part: u64, total: u64) -> String {
    let percent = if total == 0 { 100 } else { u128::from(part.min(total)) * 100 / u128::from(total) };
    format!("{percent} %")
}

/// `0.4 s`, `12 s`, `5 min`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        s @ 10..60 => format!("{s} s"),
        s @ 60..3600 if s % 60 == 0 => format!("{} min", s / 60),
        s @ 60..3600 => format!("{} min {} s", s / 60, s % 60),
        s if s % 3600 < 60 => format!("{} h", s / 3600),
        s => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

/// A time that somebody has chosen: whole seconds, minutes, hours.
fn limit(time: Duration) -> String {
    if time.as_secs() < 60 { format!("{} s", time.as_secs()) } else { seconds(time) }
}

/// Seconds since 1970 as `2026-11-24 06:13:11 UTC`.
pub(crate) fn utc(unix: i64) -> String {
    let (days, time) = (unix.div_euclid(86_400), unix.rem_euclid(86_400));
    // Days since 0000-03-01, in eras of 400 years of 146,097 days; a year that begins in March has its leap day at the end.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", time / 3600, time % 3600 / 60, time % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use segfetch::source::{ErrorClass, Phase};

    fn teller(loudness: Loudness) -> Teller {
        let subject = Subject { url: "ftp://h/f".into(), name: "f".into(), host: None, target: None };
        Teller::new(vec![subject], loudness, Duration::from_secs(300))
    }

    fn retry(message: &str) -> Event {
        Event::Retry { worker: 1, class: ErrorClass::Transient, phase: Phase::Body, message: message.into() }
    }

    #[test]
    fn the_same_failure_is_told_once_and_another_one_again() {
        let mut teller = teller(Loudness::Normal);
        let again = |what: &str| format!("f: {what}; trying again, for up to 5 min without progress");
        assert_eq!(teller.event(0, &retry("reset")), Some(again("reset")));
        assert_eq!(teller.event(0, &retry("reset")), None);
        assert_eq!(teller.event(0, &retry("refused")), Some(again("refused")));
        assert!(teller.event(0, &Event::Opened { worker: 1, start: 0 }).is_none());
    }

    #[test]
    fn a_full_server_is_waited_for_and_never_said_to_grant_nothing() {
        let throttled = |granted| Event::Throttled { granted, message: "421 full".into() };
        let mut teller = teller(Loudness::Normal);
        assert_eq!(
            teller.event(0, &throttled(0)).as_deref(),
            Some("f: the server admits no more connections now; waiting (421 full)")
        );
        assert_eq!(teller.event(0, &throttled(2)).as_deref(), Some("f: the server grants 2 connections (421 full)"));
    }

    #[test]
    fn a_length_is_told_once() {
        use segfetch::source::{Access, SourceInfo};
        let probed = |len| Event::Probed(Box::new(SourceInfo::new(Extent::Known(len), Access::Random)));
        let mut teller = teller(Loudness::Normal);
        assert_eq!(teller.event(0, &probed(1 << 10)).as_deref(), Some("f: 1.00 KiB"));
        assert_eq!(teller.event(0, &probed(1 << 10)), None);
        assert_eq!(teller.event(0, &probed(1 << 11)).as_deref(), Some("f: 2.00 KiB"));
    }

    #[test]
    fn verbose_tells_of_every_connection_and_quiet_of_nothing() {
        let opened = Event::Opened { worker: 3, start: 7 };
        assert_eq!(teller(Loudness::Verbose).event(0, &opened).as_deref(), Some("f: connection 3 starts at byte 7"));
        assert!(teller(Loudness::Quiet).event(0, &retry("reset")).is_none());
        assert!(teller(Loudness::Quiet).stopping().is_none());
    }

    #[test]
    fn what_a_server_says_cannot_drive_the_terminal() {
        let text = teller(Loudness::Normal).event(0, &retry("550 \u{1b}]0;owned\u{7}")).unwrap();
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }

    #[test]
    fn unverified_is_explained_once() {
        let summary = Summary {
            path: Some("f".into()),
            len: 1 << 20,
            fetched: 1 << 20,
            resumed: 0,
            elapsed: Duration::from_secs(1),
            integrity: Integrity::Unverified,
            opens: 2,
            retries: 0,
            refusals: 0,
            already_complete: false,
            sha256: None,
            media: None,
        };
        let mut teller = teller(Loudness::Normal);
        let first = teller.ended(0, &Ok(summary.clone())).unwrap();
        assert!(first.starts_with("f: done: 1.00 MiB in f, 1.0 s at 1.00 MiB/s\n  Not verified"), "{first}");
        let second = teller.ended(0, &Ok(summary.clone())).unwrap();
        assert!(!second.contains("Not verified"));
        let complete = Summary { already_complete: true, ..summary };
        let text = teller.ended(0, &Ok(complete)).unwrap();
        assert_eq!(text, "f: nothing to do: f is there, with the length (1.00 MiB) and time of the file on the server");
    }

    #[test]
    fn a_state_is_one_line_with_what_a_person_wants_to_know() {
        let mut progress = Progress::default();
        progress.total = Some(256 << 20);
        progress.received = 136 << 20;
        progress.rate = 24 << 20;
        progress.stage = Stage::Receiving;
        assert_eq!(state(&progress), "53 % of 256.00 MiB, 24.00 MiB/s, 5.0 s left, 0 connections");
        progress.stage = Stage::Waiting;
        assert_eq!(state(&progress), "53 % of 256.00 MiB, waiting for its turn");
        progress.stage = Stage::Receiving;
        progress.total = None;
        assert_eq!(state(&progress), "136.00 MiB, 24.00 MiB/s, 0 connections");
    }

    #[test]
    fn a_hundred_percent_is_everything_and_nothing_less() {
        assert_eq!(percent(999, 1000), "99 %");
        assert_eq!(percent(1000, 1000), "100 %");
        assert_eq!(percent(0, 0), "100 %");
        assert_eq!(percent(u64::MAX, u64::MAX), "100 %");
    }

    #[test]
    fn times_are_short() {
        assert_eq!(seconds(Duration::from_millis(400)), "0.4 s");
        assert_eq!(seconds(Duration::from_secs(12)), "12 s");
        assert_eq!(seconds(Duration::from_secs(200)), "3 min 20 s");
        assert_eq!(seconds(Duration::from_secs(300)), "5 min");
        assert_eq!(limit(Duration::from_secs(5)), "5 s");
        assert_eq!(seconds(Duration::from_secs(7200)), "2 h");
        assert_eq!(seconds(Duration::from_secs(7500)), "2 h 5 min");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(-1), "1969-12-31 23:59:59 UTC");
        assert_eq!(utc(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(utc(951_868_800), "2000-03-01 00:00:00 UTC");
        assert_eq!(utc(4_107_542_400), "2100-03-01 00:00:00 UTC");
        assert_eq!(utc(1_795_500_791), "2026-11-24 06:13:11 UTC");
    }
}
