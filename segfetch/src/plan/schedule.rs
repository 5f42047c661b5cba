//! The machine of one job: what idle workers do.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::planner::Planner;
use super::split::{equal_finish, finish, first_share, worthwhile};
use super::stream::{Phase, Slot, Stream};
use super::{Access, End, GiveUp, Order, Output, WorkerId};

/// How often idle workers look again whether somebody needs help.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Work for an idle worker.
struct Find {
    span: Range<u64>,
    /// Whose span it is cut from.
    victim: Option<WorkerId>,
}

impl Planner {
    /// Opens what can be opened, or ends the job.
    pub(super) fn schedule(&mut self, now: Instant) {
        if self.outcome.is_some() {
            self.wanted = 0;
            return;
        }
        if self.axis.is_complete() {
            return self.complete();
        }
        let mut find = None;
        while let Some(worker) = self.ready_worker(now) {
            find = self.find(now);
            let Some(found) = find.take_if(|_| self.active() < self.granted) else { break };
            self.open(now, worker, found);
            if self.outcome.is_some() {
                return;
            }
        }
        // What was found and is not granted, is wanted; and then whatever else is allowed.
        self.wanted = if find.is_some() { self.target() - self.resting(now) } else { self.active() };
    }

    /// When [`Input::Timeout`](super::Input::Timeout) is due.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        if self.outcome.is_some() {
            return None;
        }
        let retries = self.slots.iter().filter(|slot| slot.is_idle()).filter_map(|slot| slot.retry_at);
        let idle = self.ready_worker(now).is_some() && self.streams().any(|(_, stream)| stream.is_fetching());
        retries.filter(|&at| at > now).chain(idle.then(|| now + LOOK_AGAIN)).min()
    }

    /// All units are here; a stream that was asked for the end of the axis may still say that it is not the end.
    fn complete(&mut self) {
        let end = self.axis.end();
        self.wanted = self.active();
        if self.streams().any(|(_, stream)| stream.phase == Phase::Draining && stream.end == end) {
            return;
        }
        self.stop_all();
        self.outputs.push_back(Output::Complete);
        self.outcome = Some(Ok(()));
    }

    /// How many workers there should be, if the host allows it.
    fn target(&self) -> u16 {
        let parallel = self.warm && self.axis.extent.is_some() && self.config.access == Access::Random;
        if parallel { u16::try_from(self.slots.len()).unwrap_or(u16::MAX) } else { 1 }
    }

    /// Idle slots that wait for a retry. They count as busy, or a failure would only move to the next slot.
    fn resting(&self, now: Instant) -> u16 {
        let resting = self.slots.iter().filter(|slot| slot.is_idle() && !slot.is_ready(now)).count();
        u16::try_from(resting).unwrap_or(u16::MAX).min(self.target())
    }

    /// The idle worker that was fastest, if there may be one more.
    fn ready_worker(&self, now: Instant) -> Option<WorkerId> {
        if self.active() + self.resting(now) >= self.target() {
            return None;
        }
        let speed = |n: u16| self.slots.get(usize::from(n)).and_then(|slot| slot.last_rate).unwrap_or(0.0);
        let ready = (0..).zip(&self.slots).filter(|(_, slot)| slot.is_ready(now)).map(|(n, _)| n);
        ready.max_by(|&a, &b| speed(a).total_cmp(&speed(b)).then(b.cmp(&a))).map(WorkerId)
    }

    fn find(&self, now: Instant) -> Option<Find> {
        let free = &self.axis.free;
        if free.is_empty() {
            return if self.config.access == Access::Random { self.steal(now) } else { None };
        }
        if self.config.access != Access::Random {
            return free.first().map(|span| Find { span, victim: None });
        }
        let span = match self.config.order {
            Order::First => free.first(),
            Order::Largest => free.iter().max_by_key(|span| (span.end - span.start, u64::MAX - span.start)),
        }?;
        let end = first_share(
            &span,
            self.fair_share(free.total(), self.active() + self.resting(now)),
            self.floor(now),
            self.config.block,
        );
        Some(Find { span: span.start..end, victim: None })
    }

    /// What the longest time to go exceeds the time by in which all could finish together, where that is worth a stream.
    fn steal(&self, now: Instant) -> Option<Find> {
        let setup = self.setup.seconds();
        let usual = self.usual_rate(now);
        let rate = |stream: &Stream| match stream.phase {
            Phase::Running => stream.rate.per_second(now).or(usual),
            // Nothing came yet: the longer that takes, the less is expected.
            _ => {
                usual.map(|usual| usual * setup / now.saturating_duration_since(stream.asked).as_secs_f64().max(setup))
            }
        };
        let victims: Vec<_> = self
            .streams()
            .filter(|(_, stream)| stream.is_fetching())
            .filter_map(|(victim, stream)| Some((victim, stream.rest(), rate(stream)?)))
            .collect();
        let length = |rest: &Range<u64>| (rest.end - rest.start) as f64;
        let rates = victims.iter().map(|(_, _, rate)| *rate);
        let usual = usual.or_else(|| rates.reduce(f64::max))?;
        let finish = finish(
            victims.iter().map(|(_, rest, rate)| (length(rest), *rate)),
            self.thieves(now).map(|slot| slot.last_rate.unwrap_or(usual)),
            setup,
        );
        let shares = victims.iter().filter_map(|(victim, rest, rate)| {
            let cut = equal_finish(rest, *rate, finish, setup, self.config.block)?;
            Some((length(rest) / rate, Find { span: cut..rest.end, victim: Some(*victim) }))
        });
        shares.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, find)| find)
    }

    /// The slots that could steal now, or as soon as their streams have ended.
    fn thieves(&self, now: Instant) -> impl Iterator<Item = &Slot> {
        let fetching = self.streams().filter(|(_, stream)| stream.is_fetching()).count();
        let most = usize::from((self.target() - self.resting(now)).min(self.granted)).saturating_sub(fetching);
        let free = self.slots.iter().filter(move |slot| match &slot.stream {
            None => slot.is_ready(now),
            Some(stream) => !stream.is_fetching(),
        });
        free.take(most.max(1))
    }

    fn open(&mut self, now: Instant, worker: WorkerId, find: Find) {
        let Find { span, victim } = find;
        if self.config.access == Access::Sequential && self.axis.have.total() > 0 {
            return self.give_up(GiveUp::NotRepeatable);
        }
        if let Some(victim) = victim {
            if let Some(stream) = self.stream_mut(victim) {
                stream.end = span.start;
            }
            self.outputs.push_back(Output::Cut { worker: victim, end: span.start });
        }
        self.axis.free.remove(span.clone());
        let (start, end) = match self.config.access {
            Access::Random if span.end == self.axis.end() => (span.start, End::Open),
            Access::Random if self.config.exact_ends => (span.start, End::Exact(span.end)),
            Access::Random => (span.start, End::Soft(span.end)),
            _ => (0, End::Open),
        };
        let reach = if let End::Exact(end) = end { Some(end) } else { None };
        let slot = self.slot_mut(worker);
        slot.retry_at = None;
        slot.stream = Some(Stream::asked(now, &span, start, reach));
        self.outputs.push_back(Output::Open { worker, start, end });
    }

    /// The extent has just become known: what the only worker has is shared with those that may follow.
    pub(super) fn share_out(&mut self) {
        if self.config.access != Access::Random {
            return;
        }
        let Some((worker, rest)) = self.streams().find(|(_, s)| s.is_fetching()).map(|(worker, s)| (worker, s.rest()))
        else {
            return;
        };
        let share = self.fair_share(rest.end.saturating_sub(rest.start), 0);
        let end = first_share(&rest, share, self.config.min_span, self.config.block);
        if end < rest.end {
            if let Some(stream) = self.stream_mut(worker) {
                stream.end = end;
            }
            self.axis.free.insert(end..rest.end);
            self.outputs.push_back(Output::Cut { worker, end });
        }
    }

    /// `units` divided by the workers that are expected besides those that are `busy`.
    fn fair_share(&self, units: u64, busy: u16) -> u64 {
        let slots = u16::try_from(self.slots.len()).unwrap_or(u16::MAX);
        let expected = match (self.axis.extent, self.refused) {
            (None, _) => 1,
            (_, true) => slots.min(self.granted),
            (_, false) => slots,
        };
        units.div_ceil(u64::from(expected.saturating_sub(busy).max(1)))
    }

    /// The fewest units to be cut off from a free span.
    fn floor(&self, now: Instant) -> u64 {
        self.usual_rate(now).map_or(self.config.min_span, |rate| worthwhile(rate, self.setup.seconds()))
    }

    /// The median rate of the streams.
    fn usual_rate(&self, now: Instant) -> Option<f64> {
        let running = self.streams().filter(|(_, stream)| stream.phase == Phase::Running);
        let mut rates: Vec<_> = running.filter_map(|(_, stream)| stream.rate.per_second(now)).collect();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied()
    }
}
