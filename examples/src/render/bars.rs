//! Bars on a terminal.

use std::collections::BTreeMap;
use std::time::Instant;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use segfetch::{Event, Progress, WorkerProgress};

use super::text::{self, Teller};
use super::{Loudness, Summary, View};
use crate::exit::Exit;
use crate::failure::Failure;

/// Columns for a name at most, so that on a terminal of 80 there is room for rate and time left.
const MAX_NAME: usize = 20;

/// One bar per download, and with `-v` one per connection below it.
#[derive(Debug)]
pub(crate) struct Bars {
    screen: MultiProgress,
    teller: Teller,
    downloads: Vec<Option<Bar>>,
}

#[derive(Debug)]
struct Bar {
    whole: ProgressBar,
    connections: BTreeMap<u32, ProgressBar>,
}

impl Bars {
    pub(crate) fn new(teller: Teller) -> Self {
        let downloads = (0..teller.len()).map(|_| None).collect();
        Self { screen: MultiProgress::new(), teller, downloads }
    }

    /// Columns for names: as many as the longest one needs, unless that is too many.
    fn name_width(&self) -> usize {
        let longest = (0..self.teller.len()).map(|id| self.teller.name(id).chars().count()).max();
        longest.unwrap_or(0).clamp(1, MAX_NAME)
    }

    /// Above the bars, where it stays.
    fn line(&self, text: &str) {
        let _ = self.screen.println(text);
    }

    fn show_connections(screen: &MultiProgress, bar: &mut Bar, workers: &[WorkerProgress]) {
        bar.connections.retain(|id, connection| {
            let keep = workers.iter().any(|worker| worker.worker == *id);
            if !keep {
                connection.finish_and_clear();
                screen.remove(connection);
            }
            keep
        });
        for worker in workers {
            let last = bar.connections.values().next_back().unwrap_or(&bar.whole).clone();
            let connection = bar.connections.entry(worker.worker).or_insert_with(|| {
                let new = screen.insert_after(&last, ProgressBar::new(0));
                new.set_style(style("  {prefix:13} [{bar:16}] {wide_msg}"));
                new.set_prefix(format!("connection {}", worker.worker));
                new
            });
            connection.set_length(worker.end.map_or(0, |end| end.saturating_sub(worker.start)));
            connection.set_position(worker.front.saturating_sub(worker.start));
            connection.set_message(format!("at {}, {}/s", text::bytes(worker.front), text::bytes(worker.rate)));
        }
    }
}

/// Templates are ours and constant: a mistake in one shows in the tests, not to a user.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

impl View for Bars {
    fn started(&mut self, id: usize) {
        let whole = self.screen.add(ProgressBar::new(0));
        whole.set_style(style(&format!("{{prefix:{}!}} [{{bar:16}}] {{wide_msg}}", self.name_width())));
        whole.set_prefix(self.teller.name(id).to_owned());
        whole.set_message("starting");
        self.downloads[id] = Some(Bar { whole, connections: BTreeMap::new() });
    }

    fn event(&mut self, id: usize, event: &Event) {
        // The bars show where connections are; a line for each start and end would only push them away.
        if !matches!(event, Event::Opened { .. } | Event::Closed { .. } | Event::Checkpointed { .. } | Event::Probed(_))
            && let Some(text) = self.teller.event(id, event)
        {
            self.line(&text);
        }
    }

    fn progress(&mut self, _: Instant, id: usize, progress: &Progress) {
        let Some(bar) = &mut self.downloads[id] else { return };
        bar.whole.set_length(progress.total.unwrap_or(0));
        bar.whole.set_position(progress.received);
        bar.whole.set_message(text::state(progress));
        if self.teller.loudness() == Loudness::Verbose {
            Self::show_connections(&self.screen, bar, &progress.workers);
        }
    }

    fn went_on(&mut self, id: usize, result: &Result<Summary, Failure>) {
        if let Some(text) = self.teller.ended(id, result) {
            self.line(&text);
        }
    }

    fn ended(&mut self, id: usize, result: &Result<Summary, Failure>) {
        if let Some(mut bar) = self.downloads[id].take() {
            Self::show_connections(&self.screen, &mut bar, &[]);
            bar.whole.finish_and_clear();
            self.screen.remove(&bar.whole);
        }
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
        let _ = self.screen.clear();
    }
}
