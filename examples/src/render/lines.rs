//! Plain lines: for logs, pipes, and terminals that are none.

use std::io::Write;
use std::time::{Duration, Instant};

use segfetch::{Event, Progress, Stage};

use super::text::{self, Teller};
use super::{Loudness, Summary, View};
use crate::exit::Exit;
use crate::failure::Failure;

/// Between two lines about progress; milestones do not wait.
const EVERY: Duration = Duration::from_secs(5);

/// Writes milestones as they come, and every few seconds one line about progress.
#[derive(Debug)]
pub(crate) struct Lines<W> {
    out: W,
    teller: Teller,
    latest: Vec<Progress>,
    ended: usize,
    last: Option<Instant>,
}

impl<W: Write> Lines<W> {
    pub(crate) fn new(out: W, teller: Teller) -> Self {
        let latest = vec![Progress::default(); teller.len()];
        Self { out, teller, latest, ended: 0, last: None }
    }

    /// A reader who went away is no reason to stop the download.
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{text}");
    }

    /// One line for all downloads together.
    fn overall(&self) -> String {
        if let [only] = &self.latest[..] {
            return format!("{}: {}", self.teller.name(0), text::state(only));
        }
        let mut sum = Progress::default();
        sum.total = self.latest.iter().map(|progress| progress.total).sum();
        sum.received = self.latest.iter().map(|progress| progress.received).sum();
        sum.rate = self.latest.iter().map(|progress| progress.rate).sum();
        sum.workers = self.latest.iter().flat_map(|progress| progress.workers.clone()).collect();
        sum.stage = Stage::Receiving;
        format!("{} of {} files done: {}", self.ended, self.latest.len(), text::state(&sum))
    }
}

impl<W: Write> View for Lines<W> {
    fn started(&mut self, _: usize) {}

    fn event(&mut self, id: usize, event: &Event) {
        if let Some(text) = self.teller.event(id, event) {
            self.line(&text);
        }
    }

    fn progress(&mut self, now: Instant, id: usize, progress: &Progress) {
        self.latest[id] = progress.clone();
        let last = *self.last.get_or_insert(now);
        if self.teller.loudness() == Loudness::Quiet || now.duration_since(last) < EVERY {
            return;
        }
        self.last = Some(now);
        let text = self.overall();
        self.line(&text);
    }

    fn went_on(&mut self, id: usize, result: &Result<Summary, Failure>) {
        if let Some(text) = self.teller.ended(id, result) {
            self.line(&text);
        }
    }

    fn ended(&mut self, id: usize, result: &Result<Summary, Failure>) {
        self.ended += 1;
        self.latest[id].rate = 0;
        self.latest[id].workers.clear();
        if let Some(text) = self.teller.ended(id, result) {
            self.line(&text);
        }
    }

    fn stopping(&mut self) {
        if let Some(text) = self.teller.stopping() {
            self.line(text);
        }
    }

    fn finished(&mut self, _: Exit) {
        let _ = self.out.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Subject;

    fn lines(names: &[&str], loudness: Loudness) -> Lines<Vec<u8>> {
        let subjects = names.iter().map(|name| Subject {
            url: format!("ftp://h/{name}"),
            name: (*name).into(),
            host: None,
            target: None,
        });
        Lines::new(Vec::new(), Teller::new(subjects.collect(), loudness, Duration::from_secs(300)))
    }

    fn at(received: u64) -> Progress {
        let mut progress = Progress::default();
        progress.total = Some(100 << 20);
        progress.received = received << 20;
        progress.rate = 10 << 20;
        progress.stage = Stage::Receiving;
        progress
    }

    fn shown(lines: Lines<Vec<u8>>) -> Vec<String> {
        String::from_utf8(lines.out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn progress_is_a_line_every_few_seconds_however_often_it_comes() {
        let mut lines = lines(&["f"], Loudness::Normal);
        let start = Instant::now();
        for tenth in 0..=120 {
            lines.progress(start + Duration::from_millis(tenth * 100), 0, &at(tenth));
        }
        assert_eq!(
            shown(lines),
            [
                "f: 50 % of 100.00 MiB, 10.00 MiB/s, 5.0 s left, 0 connections",
                "f: 100 % of 100.00 MiB, 10.00 MiB/s, 0.0 s left, 0 connections"
            ]
        );
    }

    #[test]
    fn several_downloads_share_one_line() {
        let mut lines = lines(&["f", "g"], Loudness::Normal);
        let start = Instant::now();
        lines.progress(start, 0, &at(50));
        lines.progress(start, 1, &at(30));
        lines.progress(start + EVERY, 0, &at(60));
        assert_eq!(shown(lines), ["0 of 2 files done: 45 % of 200.00 MiB, 20.00 MiB/s, 5.5 s left, 0 connections"]);
    }

    #[test]
    fn quiet_shows_failures_and_nothing_else() {
        let mut lines = lines(&["f"], Loudness::Quiet);
        let start = Instant::now();
        lines.progress(start, 0, &at(1));
        lines.progress(start + EVERY, 0, &at(2));
        lines.event(0, &Event::Resumed { have: 1, damaged: 0 });
        lines.stopping();
        lines.ended(0, &Err(Failure::new(Exit::Network, "the server is gone")));
        assert_eq!(shown(lines), ["f: the server is gone"]);
    }
}
