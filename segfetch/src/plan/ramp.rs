//! How many workers are worth having.
//!
//! ```text
//!          rate is steady          more arrived          they made it faster
//!   level ----------------> trial --------------> proof ---------------------> trial, of more workers
//!                             ^                     |
//!                             |      a pause        | little or nothing
//!                             +------------------- hold, with as many as before
//! ```
//! The set-up of a trial's streams is the time in which the rate before it is measured, so that little is lost to measuring. A
//! window in which streams came or went says nothing. A trial that failed costs nothing either: what it opened goes on, and is
//! not replaced when it ends.

use std::time::{Duration, Instant};

/// Shortest time over which the rate of all streams is measured.
const WINDOW: f64 = 0.2;
/// The same as a part of the set-up time: about a round trip, in which a slow start sends one burst.
const WINDOW_OF_SETUP: f64 = 0.2;
/// The first rate that is not higher than the one before by more than this is the one to compare with: the slow start is over.
const STEADY: f64 = 1.3;
/// A rate that is not steady for so long is not going to be: units come in drops, with nothing in most windows.
const UNSTEADY: Duration = Duration::from_secs(10);
/// Streams that were added are in their slow start while the newest rate exceeds the mean by more than this.
const RISING: f64 = 1.03;
/// A step is worth another one, twice as large, if it makes the whole faster by this factor...
const GAIN: f64 = 1.15;
/// ...or a step of one, by this.
const SMALL_GAIN: f64 = 1.05;
/// Each new stream brings at least this part of what an old one did, and so does not take it away from them: there is room for
/// many.
const NEW_ROOM: f64 = 0.4;
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
    Trial { from: u16, since: (Instant, u64), until: (Instant, u64) },
    /// They are there; before them the rate was `before`.
    Proof { from: u16, before: f64 },
    /// Until then.
    Hold(Instant),
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
    /// Units that came, from all streams.
    total: u64,
    level: Option<Level>,
}

/// The time in which the number of workers was the same.
#[derive(Clone, Copy, Debug)]
struct Level {
    running: u16,
    /// When it began, and what had come until then.
    began: (Instant, u64),
    /// The same of the present window.
    window: (Instant, u64),
    /// Windows before that one, and the rates in the last three, the newest first.
    windows: u32,
    rates: [f64; 3],
}

impl Ramp {
    /// A search that begins at 1, or, if it is not `wanted`, the answer that any number is welcome.
    pub(super) fn new(wanted: bool) -> Self {
        let allowed = if wanted { 1 } else { u16::MAX };
        Self { allowed, state: State::Level, step: 1, hold: FIRST_HOLD, total: 0, level: None }
    }

    /// How many workers there may be.
    pub(super) fn allowed(&self) -> u16 {
        self.allowed
    }

    /// By how much more than its fair part a victim keeps.
    pub(super) fn lean(&self) -> f64 {
        if matches!(self.state, State::Trial { from: 1, .. } | State::Proof { from: 1, .. }) { LEAN } else { 1.0 }
    }

    pub(super) fn count(&mut self, units: u64) {
        self.total = self.total.saturating_add(units);
    }

    /// Looks at the rate and decides. `running` workers bring units, and if some are still `opening`, more are about to.
    pub(super) fn look(&mut self, now: Instant, running: u16, opening: bool, setup: f64, most: u16) {
        if self.allowed == u16::MAX {
            return;
        }
        let here = (now, self.total);
        let Some(level) = self.level.as_mut().filter(|level| level.running == running) else {
            match (self.level, self.state) {
                (Some(level), State::Trial { from, since, until }) if running > from => {
                    // Over all of that time: a server that sends in bursts looks fast, or slow, for a moment. What a black-out
                    // cost must not look like a gain when it is over.
                    let silent = level.rates[0] == 0.0;
                    let before = rate(since, until);
                    self.state = if silent { State::Level } else { State::Proof { from, before } };
                }
                (_, State::Trial { from, .. }) => self.state = State::Trial { from, since: here, until: here },
                _ => {}
            }
            self.level = Some(Level { running, began: here, window: here, windows: 0, rates: [0.0; 3] });
            return;
        };
        if let State::Trial { until, .. } = &mut self.state {
            *until = here;
        }
        let seconds = now.saturating_duration_since(level.window.0).as_secs_f64();
        if seconds < WINDOW.max(setup * WINDOW_OF_SETUP) {
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
        let seconds = now.saturating_duration_since(level.began.0);
        match self.state {
            State::Level if newest <= STEADY * level.rates[1] || seconds >= UNSTEADY => {
                self.begin_trial(since, running, most);
            }
            State::Hold(until) if now >= until => self.begin_trial(since, running, most),
            State::Proof { from, before } if running > from && !opening => {
                let early = level.windows < WINDOWS || seconds.as_secs_f64() < setup * SETUPS;
                // What three windows in a row have brought is no burst.
                let gain = level.rates.into_iter().fold(f64::INFINITY, f64::min).max(mean) / before;
                match judge(from, running, gain, early, newest > RISING * mean) {
                    None => {}
                    Some(0) => {
                        (self.step, self.allowed) = (1, from);
                        self.state = State::Hold(now + self.hold);
                        self.hold = (self.hold * 2).min(LAST_HOLD);
                    }
                    Some(step) => {
                        self.step = step;
                        self.begin_trial(since, running, most);
                    }
                }
            }
            _ => {}
        }
    }

    fn begin_trial(&mut self, since: (Instant, u64), running: u16, most: u16) {
        self.state = State::Trial { from: running, since, until: since };
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
fn rate(since: (Instant, u64), until: (Instant, u64)) -> f64 {
    (until.1 - since.1) as f64 / until.0.saturating_duration_since(since.0).as_secs_f64()
}

#[cfg(test)]
mod tests;
