//! The machine of one job: spans change hands.

use std::ops::Range;
use std::time::Instant;

use super::planner::Planner;
use super::rate::Rate;
use super::stream::{Phase, Stream};
use super::{Access, GiveUp, Output, WorkerId};

impl Planner {
    /// For a worker at its end: the span behind it, if it was given to a stream that has brought nothing yet.
    pub(super) fn take_back(&mut self, now: Instant, worker: WorkerId) -> Option<Range<u64>> {
        let victim = self.stream(worker)?;
        let is_next = |s: &Stream| s.is_fetching() && !s.kept_any && s.front == victim.end;
        let (thief, stream) = self.streams().find(|(_, s)| is_next(s) && victim.reaches(s.end))?;
        let (span, waited) = (stream.rest(), now.saturating_duration_since(stream.asked));
        self.setup.at_least(waited);
        self.dismiss_challenger(now, thief);
        self.stop(now, thief);
        // It was faster than its average said; with the same average it would be robbed again at once.
        self.slot_mut(worker).last_rate = None;
        self.stream_mut(worker)?.rate = Rate::default();
        Some(span)
    }

    /// Takes a statement about the extent and clips the spans to it. False if it ended the job.
    pub(super) fn learn(&mut self, extent: u64) -> bool {
        let first_time = self.axis.extent.is_none();
        if let Err(reason) = self.axis.learn(extent) {
            self.give_up(reason);
            return false;
        }
        if first_time {
            for stream in self.slots.iter_mut().filter_map(|slot| slot.stream.as_mut()) {
                stream.end = stream.end.min(extent);
                stream.front = stream.front.min(stream.end);
            }
            self.share_out();
        }
        true
    }

    /// One stream, from the beginning, from now on. `keep` names the one, if it runs.
    pub(super) fn unsupported(&mut self, now: Instant, worker: WorkerId, keep: Option<WorkerId>) {
        if self.config.access != Access::Random {
            return self.give_up(GiveUp::RangeNotSupported);
        }
        self.config.access = Access::FromStartOnly;
        // One that is being opened up to an end may be refused for that as well.
        let is_whole = |stream: &Stream| stream.phase != Phase::Opening || stream.reach.is_none();
        let from_start = |&(other, stream): &(WorkerId, &Stream)| {
            other != worker && stream.start == 0 && stream.is_fetching() && is_whole(stream)
        };
        let keep = keep.or_else(|| self.streams().find(from_start).map(|(other, _)| other));
        for other in (0..self.slots.len()).filter_map(|n| u16::try_from(n).ok()).map(WorkerId) {
            if Some(other) != keep {
                self.release(now, other);
            }
        }
        if let Some(keep) = keep {
            self.stream_mut(keep).into_iter().for_each(|stream| stream.challenges = None);
            self.reassign(now, keep);
        }
    }

    /// Gives a stream the first free span that it still can bring.
    pub(super) fn reassign(&mut self, now: Instant, worker: WorkerId) {
        let Some(stream) = self.stream(worker) else { return };
        let (rest, at, reach) = (stream.rest(), stream.at, stream.reach.unwrap_or(u64::MAX));
        self.axis.free.insert(rest.clone());
        let Some(span) = self.axis.free.overlaps(at..reach).next() else { return self.stop(now, worker) };
        self.axis.free.remove(span.clone());
        let end = span.end;
        if let Some(stream) = self.stream_mut(worker) {
            (stream.front, stream.end) = (span.start, span.end);
        }
        if end != rest.end {
            self.outputs.push_back(Output::Extend { worker, end });
        }
    }

    /// Empties the slot of a stream that is over. What it was to bring is for the caller to place.
    pub(super) fn leave(&mut self, now: Instant, worker: WorkerId) -> Option<Stream> {
        let slot = self.slots.get_mut(usize::from(worker.0))?;
        let stream = slot.stream.take()?;
        if stream.phase == Phase::Running {
            slot.last_rate = stream.rate.per_second(now).or(slot.last_rate);
        }
        Some(stream)
    }

    /// Takes its span from a worker and stops it.
    pub(super) fn release(&mut self, now: Instant, worker: WorkerId) {
        let Some(stream) = self.stream(worker).filter(|stream| stream.phase != Phase::Stopping).cloned() else {
            return;
        };
        self.stop(now, worker);
        self.give_back(now, worker, stream.rest());
    }

    /// Stops a worker. Its span is the caller's.
    pub(super) fn stop(&mut self, now: Instant, worker: WorkerId) {
        let slot = self.slot_mut(worker);
        let Some(stream) = &mut slot.stream else { return };
        if stream.phase == Phase::Running {
            slot.last_rate = stream.rate.per_second(now).or(slot.last_rate);
        }
        stream.phase = Phase::Stopping;
        stream.end = stream.front;
        self.outputs.push_back(Output::Stop { worker });
    }

    /// Frees a span, unless there is somebody to take it at once: the challenger of its worker, or the stream that ends before it, to
    /// which it belonged if nothing of it has come.
    pub(super) fn give_back(&mut self, now: Instant, worker: WorkerId, span: Range<u64>) {
        if span.is_empty() {
            return;
        }
        if let Some(challenger) = self.challenger_of(worker) {
            return self.take_over(now, challenger, span);
        }
        let merges = self.config.access == Access::Random;
        let before = |s: &Stream| s.phase == Phase::Running && s.end == span.start && s.reaches(span.end);
        let neighbour = self.streams().find(|(_, stream)| merges && before(stream)).map(|(worker, _)| worker);
        if let Some(worker) = neighbour {
            if let Some(stream) = self.stream_mut(worker) {
                stream.end = span.end;
            }
            self.outputs.push_back(Output::Extend { worker, end: span.end });
        } else {
            self.axis.free.insert(span);
        }
    }

    pub(super) fn give_up(&mut self, reason: GiveUp) {
        self.stop_all();
        self.outputs.push_back(Output::GaveUp { reason });
        self.outcome = Some(Err(reason));
    }

    /// Stops whatever runs and frees what it had.
    pub(super) fn stop_all(&mut self) {
        for (n, slot) in (0..).zip(&mut self.slots) {
            if let Some(stream) = slot.stream.as_mut().filter(|stream| stream.phase != Phase::Stopping) {
                self.axis.free.insert(stream.rest());
                stream.end = stream.front;
                stream.phase = Phase::Stopping;
                self.outputs.push_back(Output::Stop { worker: WorkerId(n) });
            }
        }
    }
}
