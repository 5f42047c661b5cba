//! How many workers are worth having.
//!
//! ```text
//!          rate is steady          more arrived          they made it faster
//!   level ----------------> trial --------------> proof ---------------------> trial, of more workers
//!                             ^                     |
//!                             |      a pause        | little or nothing
//!                             +------------------- hold, with as many as before
//! ```
//! Far from the server the first trial begins at once, with several.
//!
//! The set-up of a trial's streams is the time in which the rate before it is measured, so that little is lost to measuring. A
//! window in which streams came or went says nothing. A trial that failed costs nothing either: what it opened goes on, and is
//! not replaced when it ends.

use std::time::{Duration, Instant};

/// Shortest time over which the rate of all streams is measured.
const WINDOW: f64 = 0.2;
/// The same while a first steady rate is looked for: what is seen then is one stream, and decides about one more.
const FIRST_WINDOW: f64 = 0.15;
/// The same as a part of the set-up time: about a round trip, in which a slow start sends one burst.
const WINDOW_OF_SETUP: f64 = 0.2;
/// The first rate that is not higher than the one before by more than this is the one to compare with: the slow start is over.
const STEADY: f64 = 1.3;
/// A rate that is not steady for so long is not going to be: units come in drops, with nothing in most windows.
const UNSTEADY: f64 = 10.0;
/// Where a set-up takes so many seconds, several are tried at once: to try one, and look, and then another one, would take as long
/// as many a download.
const FAR: f64 = 0.19;
const FAR_STEP: u16 = 3;
/// Windows in a row after which a rate that did not grow is one to compare with.
const SETTLED: u32 = 2;
/// Streams that were added are in their slow start while the newest rate exceeds the mean by more than this.
const RISING: f64 = 1.03;
/// A step is worth another one, twice as large, if it makes the whole faster by this factor...
const GAIN: f64 = 1.15;
/// ...or a step of one, by this.
const SMALL_GAIN: f64 = 1.05;
/// Each new stream brings at least this part of what an old one did, and so does not take it away from them: there is room for
/// many.
const NEW_ROOM: f64 = 0.4;
/// A newcomer that brings less than this part of what an old one brings has a slow way: on a full link all get about the same. It says
/// nothing about the next one, so that is tried; so often at most.
const SLOW: f64 = 0.25;
const SLOW_TRIALS: u16 = 2;
/// Windows before less than that is judged. A pause and the burst behind it look like a gain if they lie in two of them.
const WINDOWS: u32 = 3;
/// Set-up times before less than that is judged: a slow start doubles from next to nothing, and is not felt for about six round
/// trips. To open a stream takes two or three.
const SETUPS: f64 = 3.0;
/// How much larger than its fair part is what the first worker keeps for itself when the second one is tried. Where both share a
/// link that one can fill, the second one is then done first, and by itself: it has the end of the axis. The first one is
/// stopped later, when what it has asked for too much takes nothing from anybody.
const LEAN: f64 = 1.1;
/// How long a number that proved best is kept; doubles with each trial that fails.
const FIRST_HOLD: Duration = Duration::from_secs(30);
const LAST_HOLD: Duration = Duration::from_secs(300);

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Waiting for a steady rate.
    Level,
    /// More than `from` workers are being tried and on their way; the rate before them is measured in the meantime.
    Trial { from: u16, before: Before },
    /// They are there. What those before them bring is still being measured if it had not settled.
    Proof { from: u16, before: Before },
    /// Until then.
    Hold(Instant),
}

/// An instant, and the units that had come until then.
type Mark = (Instant, u64);

/// The rate of those that were there before a trial.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Before {
    /// Where the time begins and ends over which it is the mean, and where the last window in it begins.
    since: Mark,
    until: Mark,
    window: Mark,
    /// Windows since then, and the highest rate in one.
    windows: u32,
    peak: f64,
    /// Others have begun to take away from it before it had settled: what counts is the peak.
    shared: bool,
}

impl Before {
    fn new(since: Mark, windows: u32) -> Self {
        Self { since, window: since, until: since, windows, peak: 0.0, shared: false }
    }

    fn is_settled(&self) -> bool {
        self.windows >= SETTLED
    }

    /// What came until `here`. As long as it grows as a slow start does, what came before does not count.
    fn look(&mut self, here: Mark, shortest: f64) {
        self.until = here;
        if seconds(self.window, here) < shortest || here.1 == self.window.1 {
            return;
        }
        self.peak = rate(self.window, here).max(self.peak);
        if self.windows > 0 && rate(self.window, here) > STEADY * rate(self.since, self.window) {
            (self.since, self.windows) = (self.window, 0);
        }
        self.windows += 1;
        self.window = here;
    }

    fn rate(&self) -> f64 {
        if self.shared { self.peak } else { rate(self.since, self.until) }
    }
}

/// A search for the smallest number of workers that is about as fast as any.
#[derive(Clone, Debug)]
pub(super) struct Ramp {
    /// Workers that there may be.
    allowed: u16,
    state: State,
    /// Workers added by the next step.
    step: u16,
    hold: Duration,
    /// Units that came, from all streams...
    total: u64,
    /// ...and, since those of the last trial are there, from those before them, added to all that had come until then.
    old: u64,
    /// When the last trial began.
    tried_at: Option<Instant>,
    /// Trials in a row that met slow newcomers only.
    slow_trials: u16,
    level: Option<Level>,
}

/// The time in which the number of workers was the same.
#[derive(Clone, Copy, Debug)]
struct Level {
    running: u16,
    /// When it began, and what had come until then, in all and from those before the trial.
    began: Mark,
    old: u64,
    /// The same of the present window.
    window: Mark,
    /// Windows before that one, and the rates in the last three, the newest first.
    windows: u32,
    rates: [f64; 3],
}

impl Ramp {
    /// A search that begins at 1, or, if it is not `wanted`, the answer that any number is welcome.
    pub(super) fn new(wanted: bool) -> Self {
        let allowed = if wanted { 1 } else { u16::MAX };
        Self {
            allowed,
            state: State::Level,
            step: 1,
            hold: FIRST_HOLD,
            total: 0,
            old: 0,
            tried_at: None,
            slow_trials: 0,
            level: None,
        }
    }

    /// How many workers there may be.
    pub(super) fn allowed(&self) -> u16 {
        self.allowed
    }

    /// By how much more than its fair part a victim keeps.
    pub(super) fn lean(&self) -> f64 {
        if self.allowed == 2 && matches!(self.state, State::Trial { from: 1, .. } | State::Proof { from: 1, .. }) {
            LEAN
        } else {
            1.0
        }
    }

    /// Whether spans are to be divided although nothing is known of any rate.
    pub(super) fn is_blind(&self) -> bool {
        matches!(&self.state, State::Trial { before, .. } if before.windows == 0)
    }

    /// Units came from a stream that was asked for at `asked`.
    pub(super) fn count(&mut self, asked: Instant, units: u64) {
        self.total = self.total.saturating_add(units);
        if self.tried_at.is_some_and(|tried_at| asked < tried_at) {
            self.old = self.old.saturating_add(units);
        }
    }

    /// Looks at the rate and decides. `running` workers bring units, and if some are still `opening`, more are about to; there is
    /// `plenty` left, or there is not.
    pub(super) fn look(&mut self, now: Instant, running: u16, opening: bool, setup: f64, plenty: bool, most: u16) {
        if self.allowed == u16::MAX {
            return;
        }
        let here = (now, self.total);
        let shortest = if self.state == State::Level { FIRST_WINDOW } else { WINDOW }.max(setup * WINDOW_OF_SETUP);
        let Some(level) = self.level.as_mut().filter(|level| level.running == running) else {
            self.level_begins(here, running, setup, plenty, most);
            return;
        };
        match &mut self.state {
            State::Trial { before, .. } => before.look(here, shortest),
            State::Proof { before, .. } if !before.is_settled() => before.look((now, self.old), shortest),
            _ => {}
        }
        if seconds(level.window, here) < shortest {
            return;
        }
        let (newest, mean) = (rate(level.window, here), rate(level.began, here));
        level.rates = [newest, level.rates[0], level.rates[1]];
        let since = std::mem::replace(&mut level.window, here);
        level.windows += 1;
        let level = *level;
        if newest == 0.0 {
            return;
        }
        let age = seconds(level.began, here);
        let latest = Before::new(since, SETTLED);
        match self.state {
            State::Level if newest <= STEADY * level.rates[1] || age >= UNSTEADY => {
                self.begin_trial(now, latest, running, most);
            }
            State::Hold(until) if now >= until => self.begin_trial(now, latest, running, most),
            State::Proof { from, before } if running > from && !opening && (before.is_settled() || age >= UNSTEADY) => {
                let early = level.windows < WINDOWS || age < setup * SETUPS;
                // What three windows in a row have brought is no burst.
                let gain = level.rates.into_iter().fold(f64::INFINITY, f64::min).max(mean) / before.rate();
                match judge(from, running, gain, early, newest > RISING * mean) {
                    None => {}
                    Some(0) if self.slow_trials < SLOW_TRIALS && self.newcomers_are_slow(level, from, here) => {
                        (self.step, self.slow_trials) = (1, self.slow_trials + 1);
                        self.begin_trial(now, latest, running, most);
                    }
                    Some(0) => {
                        self.slow_trials = 0;
                        (self.step, self.allowed) = (1, from);
                        self.state = State::Hold(now + self.hold);
                        self.hold = (self.hold * 2).min(LAST_HOLD);
                    }
                    Some(step) => {
                        (self.step, self.slow_trials) = (step, 0);
                        self.begin_trial(now, latest, running, most);
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether each of those above `from` brings little beside each of the others.
    fn newcomers_are_slow(&self, level: Level, from: u16, here: Mark) -> bool {
        let old = rate((level.began.0, level.old), (here.0, self.old));
        let new = rate(level.began, here) - old;
        new / f64::from(level.running - from) < SLOW * old / f64::from(from)
    }

    /// The number of workers that bring units is another one.
    fn level_begins(&mut self, here: Mark, running: u16, setup: f64, plenty: bool, most: u16) {
        match (self.level, self.state) {
            // What a black-out cost must not look like a gain when it is over.
            (Some(level), State::Trial { from, .. })
                if running > from && level.windows > 0 && level.rates[0] == 0.0 =>
            {
                self.state = State::Level;
            }
            (Some(_), State::Trial { from, before }) if running > from => {
                self.old = self.total;
                self.state = State::Proof { from, before: Before { shared: !before.is_settled(), ..before } };
            }
            (_, State::Trial { from, before }) => {
                self.state = State::Trial { from, before: Before::new(here, before.windows) };
            }
            (_, State::Proof { from, before }) if running <= from && !before.is_settled() => self.state = State::Level,
            (_, State::Level) if running == 1 && plenty && setup >= FAR && self.tried_at.is_none() => {
                self.step = FAR_STEP;
                self.begin_trial(here.0, Before::new(here, 0), running, most);
            }
            _ => {}
        }
        self.level = Some(Level { running, began: here, old: self.old, window: here, windows: 0, rates: [0.0; 3] });
    }

    fn begin_trial(&mut self, now: Instant, before: Before, running: u16, most: u16) {
        let before = Before { until: (now, self.total), ..before };
        self.state = State::Trial { from: running, before };
        self.tried_at = Some(now);
        self.allowed = running.saturating_add(self.step).min(most);
    }
}

/// How many workers to add, now that those above `from` have made the whole faster by the factor `gain`. `None`: it is too early
/// to tell.
fn judge(from: u16, running: u16, gain: f64, early: bool, rising: bool) -> Option<u16> {
    let added = f64::from(running - from) / f64::from(from);
    if gain - 1.0 >= NEW_ROOM * added {
        Some(running.saturating_mul(3))
    } else if early {
        None
    } else if gain >= GAIN {
        Some(running)
    } else if rising {
        None
    } else {
        Some(u16::from(from > 1 && gain >= SMALL_GAIN))
    }
}

/// Units per second between two instants and what had come until then.
fn rate(since: Mark, until: Mark) -> f64 {
    (until.1 - since.1) as f64 / seconds(since, until)
}

fn seconds(since: Mark, until: Mark) -> f64 {
    until.0.saturating_duration_since(since.0).as_secs_f64()
}

#[cfg(test)]
mod tests;
