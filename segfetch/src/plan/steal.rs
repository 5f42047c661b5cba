//! The machine of one job: what is taken from a worker for another one.

use std::ops::Range;
use std::time::Instant;

use super::WorkerId;
use super::planner::Planner;
use super::schedule::Find;
use super::split::{equal_finish, finish};
use super::stream::{Phase, Slot};

impl Planner {
    /// What the longest time to go exceeds the time by in which all could finish together, where that is worth a stream.
    pub(super) fn find_theft(&self, now: Instant) -> Option<Find> {
        let setup = self.setup.seconds();
        let usual = self.usual_rate(now);
        let victims: Vec<_> = self
            .streams()
            .filter(|(_, stream)| stream.is_fetching())
            .filter_map(|(victim, stream)| Some((victim, stream, self.expected_rate(now, victim)?)))
            .collect();
        let length = |rest: &Range<u64>| (rest.end - rest.start) as f64;
        let rates = victims.iter().map(|(_, _, rate)| *rate);
        let usual = usual.or_else(|| rates.reduce(f64::max))?;
        let finish = finish(
            victims.iter().map(|(_, stream, rate)| (length(&stream.rest()), *rate)),
            self.thieves(now).map(|slot| slot.last_rate.unwrap_or(usual)),
            setup,
        );
        let shares = victims.iter().filter_map(|(victim, stream, rate)| {
            // A silent one is challenged, or it would lose its span but for a block to each of many thieves.
            let rest = Some(stream.rest()).filter(|_| !self.is_silent(stream))?;
            let cut = equal_finish(&rest, *rate, finish * self.ramp.lean(), setup, self.config.block)?;
            Some((length(&rest) / rate, Find::Share { victim: *victim, span: cut..rest.end }))
        });
        shares.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, find)| find)
    }

    /// Units per second that can be expected of a worker's stream; `None` if nothing is known of any.
    pub(super) fn expected_rate(&self, now: Instant, worker: WorkerId) -> Option<f64> {
        let slot = self.slots.get(usize::from(worker.0))?;
        let stream = slot.stream.as_ref()?;
        if self.is_silent(stream) {
            return Some(0.0);
        }
        if stream.phase == Phase::Running {
            return stream.rate.per_second(now).or(slot.last_rate).or_else(|| self.present_rate(now));
        }
        // Nothing came yet: the longer that takes, the less is expected.
        let setup = self.setup.seconds();
        let rate = slot.last_rate.or_else(|| self.usual_rate(now))?;
        Some(rate * setup / now.saturating_duration_since(stream.asked).as_secs_f64().max(setup))
    }

    /// The median rate of the workers, as of now or, where nothing is known of their present streams, of those before.
    pub(super) fn usual_rate(&self, now: Instant) -> Option<f64> {
        median(self.slots.iter().filter_map(|slot| slot.running_rate(now).or(slot.last_rate)))
    }

    /// The median rate of the streams.
    pub(super) fn present_rate(&self, now: Instant) -> Option<f64> {
        median(self.slots.iter().filter_map(|slot| slot.running_rate(now)))
    }

    /// The slots that could steal now, or as soon as their streams have ended.
    fn thieves(&self, now: Instant) -> impl Iterator<Item = &Slot> {
        let busy = self.streams().filter(|(_, stream)| stream.is_busy()).count();
        let allowed = self.target();
        // Before a refusal, what is not granted yet is about to be.
        let expected = if self.host_full { allowed.min(self.granted) } else { allowed };
        let most = usize::from(expected).saturating_sub(busy);
        let free = self.slots.iter().filter(move |slot| match &slot.stream {
            None => slot.is_ready(now),
            Some(stream) => !stream.is_busy(),
        });
        free.take(most.max(1))
    }
}

/// The upper one of two in the middle.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
