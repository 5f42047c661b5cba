//! The machine of one job: two streams for one span.
//!
//! A challenger starts a little before the front of a stream that is silent, or too slow for what little it has left. It owns
//! nothing: what it brings of the other's units is passed over. When it has drawn level it takes over the rest of the span,
//! and the other stream is stopped. If the other one arrives first, the challenger is stopped.

use std::cmp::Ordering;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::planner::Planner;
use super::schedule::Find;
use super::stream::Stream;
use super::{Access, Output, WorkerId};

/// A challenger must be done sooner than the challenged stream by this factor.
const SOONER: f64 = 1.5;
/// Of the axis, one in so many units may be fetched twice...
const DUPLICATE_SHARE: u64 = 100;
/// ...but no more than this many of them; and at least as many as are not worth a span.
const MOST_DUPLICATE: u64 = 32 << 20;
/// No stream is doubled at a server that has refused one so recently.
const RESPECT: Duration = Duration::from_secs(30);

impl Planner {
    /// The stream that most needs a challenger, and where that should start.
    pub(super) fn find_challenge(&self, now: Instant, only_silent: bool) -> Option<Find> {
        let refused = self.throttled_at.is_some_and(|at| now.saturating_duration_since(at) < RESPECT);
        if self.config.paced || self.config.access != Access::Random || refused {
            return None;
        }
        let allowed = self.duplicates_left();
        let (setup, usual) = (self.setup.seconds(), self.usual_rate(now));
        let candidates = self.streams().filter_map(|(victim, stream)| {
            let silent = self.is_silent(stream);
            if !stream.is_fetching() || (only_silent && !silent) || self.challenger_of(victim).is_some() {
                return None;
            }
            let rest = stream.rest();
            let start = self.overlap(rest.start, allowed);
            let (left, again) = ((rest.end - rest.start) as f64, (rest.start - start) as f64);
            let rate = self.expected_rate(now, victim)?;
            let pays = silent || pays(left, again, rate, self.rival_rate(now, usual)?, setup, allowed as f64);
            pays.then_some((left / rate, Find::Challenge { victim, start }))
        });
        candidates.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, find)| find)
    }

    /// Units that may still be fetched twice.
    fn duplicates_left(&self) -> u64 {
        let most = (self.axis.end() / DUPLICATE_SHARE).min(MOST_DUPLICATE).max(self.config.min_span);
        most.saturating_sub(self.duplicate)
    }

    /// Where a challenger starts that is to take over at `front`: a little before, where that is held.
    fn overlap(&self, front: u64, allowed: u64) -> u64 {
        let start = front.saturating_sub(self.config.block.min(allowed / 4));
        if self.axis.have.contains_range(&(start..front)) { start } else { front }
    }

    /// What a stream in the slot that would be used next can be expected to bring.
    fn rival_rate(&self, now: Instant, usual: Option<f64>) -> Option<f64> {
        let worker = self.ready_worker(now)?;
        self.slots.get(usize::from(worker.0))?.last_rate.or(usual)
    }

    pub(super) fn challenger_of(&self, victim: WorkerId) -> Option<WorkerId> {
        self.streams().find(|(_, s)| s.challenges == Some(victim) && s.is_busy()).map(|(worker, _)| worker)
    }

    /// A challenger has opened, or come closer.
    pub(super) fn catch_up(&mut self, now: Instant, worker: WorkerId) {
        let Some(stream) = self.stream(worker) else { return };
        let Some(victim) = stream.challenges else { return };
        let at = stream.at;
        let Some(rest) = self.stream(victim).map(Stream::rest) else { return self.stop(now, worker) };
        match at.cmp(&rest.start) {
            Ordering::Less if self.duplicates_left() > 0 => {}
            Ordering::Equal => {
                // Level from the start, it is as likely to bring nothing: that counts as a failure, and will be one too many.
                let is_proven = stream.last_unit.is_some();
                self.stop(now, victim);
                self.take_over(now, worker, rest);
                if !is_proven {
                    self.retry_later(now, victim);
                }
            }
            _ => self.stop(now, worker),
        }
    }

    /// Makes a challenger the owner of `rest`.
    pub(super) fn take_over(&mut self, now: Instant, worker: WorkerId, rest: Range<u64>) {
        let Some(stream) = self.stream_mut(worker) else { return };
        stream.challenges = None;
        let end = rest.end.min(stream.reach.unwrap_or(u64::MAX)).max(rest.start);
        (stream.front, stream.end) = (rest.start, end);
        self.axis.free.insert(end..rest.end);
        if end > rest.start {
            self.outputs.push_back(Output::Extend { worker, end });
        } else {
            self.stop(now, worker);
        }
    }

    /// The span that it is after is no more to be had.
    pub(super) fn dismiss_challenger(&mut self, now: Instant, victim: WorkerId) {
        if let Some(challenger) = self.challenger_of(victim) {
            self.stop(now, challenger);
        }
    }
}

/// Whether a challenger with the rate `rival` is done with the `left` units much sooner than the stream that has `rate`, and
/// passes over no more than `allowed` units. It begins `again` units behind, after `setup` seconds.
fn pays(left: f64, again: f64, rate: f64, rival: f64, setup: f64, allowed: f64) -> bool {
    let passes = rival * (again + rate * setup) / (rival - rate);
    let takes = setup + (again + left) / rival;
    rate < rival && passes <= allowed && left / rate > SOONER * takes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenger_pays_if_it_is_done_much_sooner_and_does_not_fetch_too_much_twice() {
        // It begins 20 + 3 * 10 behind, and comes closer by 40 per second: level after 1.25 s.
        assert!(pays(100.0, 20.0, 10.0, 50.0, 3.0, 62.5));
        assert!(!pays(100.0, 20.0, 10.0, 50.0, 3.0, 62.0));
        // 7.3 s to go. It takes 3 s to begin and 1.86 s for the units; one and a half times that is 7.29.
        assert!(pays(73.0, 20.0, 10.0, 50.0, 3.0, 100.0));
        assert!(!pays(72.7, 20.0, 10.0, 50.0, 3.0, 100.0));
        assert!(!pays(1e6, 0.0, 10.0, 10.0, 3.0, 1e9), "it never draws level");
        assert!(!pays(1e6, 20.0, 10.0, 9.0, 3.0, 1e9));
    }
}
