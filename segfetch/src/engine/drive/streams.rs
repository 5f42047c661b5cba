//! The streams of a drive: how they begin, what they bring, and how they end.

use std::sync::Arc;

use bytes::Bytes;
use segfetch_source::{End, Opened, RangeSource, Sameness, SourceContext, Strength};

use super::{Drive, OVERLAP};
use crate::engine::error::DownloadError;
use crate::engine::lane::{self, Outcome, Stream};
use crate::engine::lanes::{Lane, LaneEvent};
use crate::engine::progress::Event;
use crate::plan::{Input, Next, WorkerId};

impl Drive<'_> {
    pub(super) fn open(&mut self, worker: WorkerId, start: u64, end: End) {
        self.counts.opens += 1;
        self.seat.opening();
        let source = Arc::clone(&self.cx.download.source);
        let cx = SourceContext::new().with_attempt(self.counts.retries);
        let overlap = if self.identity.validator.strength() == Strength::Strong { 0 } else { OVERLAP };
        let expect = Some(self.identity.validator.clone());
        let opening = async move { lane::open(&*source, &cx, start, overlap, end, expect).await };
        self.lanes.push(Lane::opening(worker, Box::pin(opening)));
    }

    pub(super) fn stop(&mut self, worker: WorkerId) {
        let Some(index) = self.lanes.iter().position(|lane| lane.worker == worker) else {
            return self.plan(Input::Stopped { worker });
        };
        let lane = &mut self.lanes[index];
        lane.stop = true;
        if lane.is_opening() {
            self.lanes.swap_remove(index);
            self.seat.failed();
            self.plan(Input::Stopped { worker });
        } else if let Some(mut stream) = lane.take() {
            let front = lane.front;
            self.write(&mut stream);
            self.lanes[index].leave(stream, false);
            self.tell_closed(worker, front);
        } else {
            lane.interrupt.notify_one();
        }
    }

    pub(super) fn handle(&mut self, index: usize, event: LaneEvent) -> Result<(), DownloadError> {
        let worker = self.lanes[index].worker;
        match event {
            LaneEvent::Opened(Ok((stream, opened))) => {
                self.seat.opened();
                self.not_opened = 0;
                self.lanes[index].put_back(stream);
                self.lanes[index].front = opened.start;
                self.tell(Event::Opened { worker: u32::from(worker.0), start: opened.start });
                self.check_identity(&opened)?;
                let (start, ends_at, extent) = (opened.start, opened.ends_at, opened.extent.known());
                self.plan(Input::Opened { worker, start, ends_at, extent });
            }
            LaneEvent::Opened(Err(error)) => {
                self.lanes.swap_remove(index);
                self.not_opened(worker, error)?;
            }
            LaneEvent::Stepped(stream, asked, outcome) => self.stepped(index, stream, asked, outcome)?,
            LaneEvent::Left { ended } => {
                let lane = self.lanes.swap_remove(index);
                self.seat.closed();
                if ended {
                    self.plan(Input::Ended { worker });
                }
                if lane.stop {
                    self.plan(Input::Stopped { worker });
                }
            }
        }
        Ok(())
    }

    fn stepped(
        &mut self,
        index: usize,
        mut stream: Stream,
        asked: Next,
        outcome: Outcome,
    ) -> Result<(), DownloadError> {
        let worker = self.lanes[index].worker;
        match outcome {
            Outcome::Bytes(units) => {
                self.counts.fetched += units;
                self.meter.count(units);
                self.lanes[index].front += units;
                if let Next::Keep { at, .. } = asked {
                    let kept = self.kept(worker, units);
                    stream.cut_to(at + kept);
                    self.lanes[index].front = at + kept;
                }
                self.plan(Input::Advanced { worker, units });
                self.last_error = None;
            }
            Outcome::Skip(units) => self.plan(Input::Skipped { worker, units }),
            Outcome::Silent(quiet) => self.plan(Input::Silent { worker, quiet }),
            Outcome::End | Outcome::Nothing => {}
            Outcome::Failed(error) => {
                self.write(&mut stream);
                drop(stream);
                let lane = self.lanes.swap_remove(index);
                self.seat.closed();
                self.tell_closed(worker, lane.front);
                self.failed(worker, error)?;
                if lane.stop {
                    self.plan(Input::Stopped { worker });
                }
                return Ok(());
            }
        }
        let next = self.planner.next(worker);
        if let Some((offset, bytes)) = stream.take_lead(matches!(next, Next::Pass { .. })) {
            self.seams.add(offset, bytes);
            self.seams.send_comparable(&self.written, &self.writer);
        }
        let ended = matches!(outcome, Outcome::End);
        if ended || self.lanes[index].stop || stream.is_due(next) {
            self.write(&mut stream);
        }
        if ended || self.lanes[index].stop {
            self.lanes[index].leave(stream, ended);
            self.tell_closed(worker, self.lanes[index].front);
        } else {
            self.lanes[index].put_back(stream);
        }
        Ok(())
    }

    /// How many of the bytes that just came are still wanted: the span may have been cut while they were on their way.
    pub(super) fn kept(&self, worker: WorkerId, units: u64) -> u64 {
        match self.planner.next(worker) {
            Next::Keep { units: wanted, .. } => units.min(wanted),
            _ => 0,
        }
    }

    pub(super) fn write(&mut self, stream: &mut Stream) {
        let Some((offset, buffer)) = stream.take_buffer() else { return };
        let end = offset + buffer.bytes.len() as u64;
        for again in self.earlier.overlaps(offset..end) {
            let index = |at: u64| usize::try_from(at - offset).unwrap_or(usize::MAX);
            let bytes = &buffer.bytes[index(again.start)..index(again.end)];
            self.seams.send(again.start, Bytes::copy_from_slice(bytes), &self.writer);
        }
        self.writer.write(self.epoch, offset, buffer);
    }

    fn check_identity(&mut self, opened: &Opened) -> Result<(), DownloadError> {
        let Some(now) = &opened.validator else {
            self.counts.unproven += 1;
            return Ok(());
        };
        match self.cx.download.source.compare(&self.identity.validator, now) {
            Sameness::Different => Err(DownloadError::Changed {
                reason: "the server describes it differently than at the beginning".into(),
            }),
            _ => Ok(()),
        }
    }
}
