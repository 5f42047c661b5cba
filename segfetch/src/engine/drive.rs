//! The loop of one job: streams, planner, writer, checkpoints.
//!
//! One task drives all of it. Whatever a stream brings is told to the planner before anything else is decided, so the planner
//! always knows how far each stream is.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use segfetch_source::{ErrorClass, Opened, RangeSource, Sameness, SourceContext, SourceError, Strength};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::checkpoints::Checkpoints;
use super::error::DownloadError;
use super::hosts::Seat;
use super::lane::{self, Outcome, Shared, Stream};
use super::lanes::{Lane, LaneEvent, Remains, next_event};
use super::progress::{Event, Progress, Stage};
use super::rate::Meter;
use super::run::Context;
use super::seams::Seams;
use super::sleep_until;
use super::writer::{JobWriter, Written};
use crate::checkpoint::{Epoch, Identity, JobStore};
use crate::plan::{Failure, GiveUp, Input, Next, Output, Planner, WorkerId};
use crate::range_set::RangeSet;

/// How often progress is published, and is looked whether a checkpoint is due.
const TICK: Duration = Duration::from_millis(100);
/// Where the validator is weak, a stream starts this much before its span, and what arrives twice is compared.
pub(crate) const OVERLAP: u64 = 64 << 10;

/// How a drive can end without an error.
pub(crate) enum Driven {
    /// Every byte of a file of this length is durable, except for what the source does not have.
    Complete(u64),
    /// It was cancelled; everything that arrived is durable.
    Cancelled,
    /// Bytes that arrived twice differ: the file changed, or the server does not start where it is asked to.
    Differs(String),
}

/// What a run counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) fetched: u64,
    pub(crate) opens: u32,
    pub(crate) retries: u32,
    pub(crate) refusals: u32,
    /// Streams whose answer did not say which version of the file it is of.
    pub(crate) unproven: u32,
}

/// One attempt at one version of the file.
pub(crate) struct Drive<'a> {
    cx: &'a Context,
    seat: &'a mut Seat,
    shared: Arc<Shared>,
    identity: Identity,
    planner: Planner,
    lanes: Vec<Lane>,
    writer: JobWriter,
    reports: mpsc::UnboundedReceiver<Written>,
    epoch: Epoch,
    /// Written in this run or durable from earlier ones.
    written: RangeSet,
    /// Durable from earlier runs. What arrives of it again is compared and not written.
    earlier: RangeSet,
    seams: Seams,
    differs: Option<String>,
    checkpoints: Checkpoints,
    resumed: u64,
    last_error: Option<SourceError>,
    /// Streams that the gate was last told of.
    wanted: Option<u16>,
    /// Attempts to open that failed one after the other for no stated reason.
    not_opened: u32,
    meter: Meter,
    pub(crate) counts: Counts,
}

impl<'a> Drive<'a> {
    pub(crate) fn new(
        cx: &'a Context,
        seat: &'a mut Seat,
        shared: Arc<Shared>,
        planner: Planner,
        store: JobStore,
    ) -> Self {
        let part = store.part();
        let epoch = part.epoch();
        let (writer, reports) = cx.engine.writers.pin(part);
        let have = store.have().clone();
        Self {
            cx,
            seat,
            shared,
            identity: store.identity().clone(),
            planner,
            lanes: Vec::new(),
            writer,
            reports,
            epoch,
            resumed: have.total(),
            written: have.clone(),
            earlier: have,
            seams: Seams::default(),
            differs: None,
            checkpoints: Checkpoints::new(store, cx.download.checkpoint_every),
            last_error: None,
            wanted: None,
            not_opened: 0,
            meter: Meter::default(),
            counts: Counts::default(),
        }
    }

    /// Runs to the end. Whatever the end is, no stream is open afterwards, and everything that was received is written and,
    /// unless the storage failed or the file is another one, durable.
    pub(crate) async fn run(
        mut self,
        cancelled: &mut watch::Receiver<bool>,
    ) -> (Result<Driven, DownloadError>, JobStore, Counts) {
        let result = self.drive(cancelled).await;
        self.publish(Stage::Receiving);
        // Bytes that may be of two versions are not claimed any further.
        let trusted = !matches!(result, Ok(Driven::Differs(_)) | Err(DownloadError::Changed { .. }));
        let (settled, store, counts) = self.settle(trusted).await;
        let result = match (result, settled) {
            (Err(error @ DownloadError::Changed { .. }), _) => Err(error),
            // Whatever else happened: what is on the disk must not be gone on from.
            (_, Ok(Some(reason))) => Ok(Driven::Differs(reason)),
            (Err(error), _) | (Ok(_), Err(error)) => Err(error),
            (Ok(driven), Ok(None)) => Ok(driven),
        };
        (result, store, counts)
    }

    async fn drive(&mut self, cancelled: &mut watch::Receiver<bool>) -> Result<Driven, DownloadError> {
        let granted = self.seat.limit();
        self.grant(granted);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // Streams are polled in turns, of which the first begins with the first one: it gets the session of the probe.
        let mut turn = 0_usize;
        loop {
            let wake_at = match self.obey()? {
                Obeyed::Complete(len) => return Ok(Driven::Complete(len)),
                Obeyed::Wait(at) => at,
            };
            if let Some(reason) = self.differs.take() {
                return Ok(Driven::Differs(reason));
            }
            self.start_steps();
            tokio::select! {
                (index, event) = next_event(&mut self.lanes, turn) => self.handle(index, event)?,
                Some(report) = self.reports.recv() => self.account(report)?,
                took = self.checkpoints.done() => {
                    let (durable, took) = (self.checkpoints.durable(), took?);
                    self.tell(Event::Checkpointed { durable, took });
                }
                granted = self.seat.changed() => self.grant(granted),
                () = sleep_until(wake_at.map(Into::into)) => self.plan(Input::Timeout),
                _ = tick.tick() => {
                    self.checkpoints.begin_if_due(self.written.total());
                    self.publish(Stage::Receiving);
                }
                _ = cancelled.wait_for(|&cancelled| cancelled) => return Ok(Driven::Cancelled),
            }
            turn = turn.wrapping_add(1);
        }
    }

    fn start_steps(&mut self) {
        for lane in &mut self.lanes {
            let next = match self.planner.next(lane.worker) {
                Next::Pass { .. } if self.seams.is_full() => Next::Nothing,
                next => next,
            };
            lane.start_step(&self.shared, next);
        }
    }

    /// Does what the planner says until it has nothing more to say.
    fn obey(&mut self) -> Result<Obeyed, DownloadError> {
        loop {
            match self.planner.poll_output(now()) {
                Output::Open { worker, start, end } => self.open(worker, start, end),
                Output::Cut { .. } => {}
                Output::Extend { worker, .. } => {
                    if let Some(lane) = self.lanes.iter().find(|lane| lane.worker == worker) {
                        lane.interrupt.notify_one();
                    }
                }
                Output::Stop { worker } => self.stop(worker),
                Output::Complete => {
                    let len = self.planner.extent().unwrap_or_else(|| self.planner.have().total());
                    return Ok(Obeyed::Complete(len));
                }
                Output::GaveUp { reason } => return Err(self.gave_up(reason)),
                Output::Wait(at) => {
                    let wanted = self.planner.wanted();
                    if self.wanted.replace(wanted) != Some(wanted) {
                        self.seat.want(wanted);
                    }
                    return Ok(Obeyed::Wait(at));
                }
            }
        }
    }

    /// The host grants this job so many streams.
    fn grant(&mut self, streams: u16) {
        if self.seat.host_is_full() {
            self.plan(Input::HostFull);
        }
        self.plan(Input::Limit(streams));
    }

    fn plan(&mut self, input: Input) {
        self.planner.handle_input(now(), input);
    }

    fn open(&mut self, worker: WorkerId, start: u64, end: segfetch_source::End) {
        self.counts.opens += 1;
        self.seat.opening();
        let source = Arc::clone(&self.cx.download.source);
        let cx = SourceContext::new().with_attempt(self.counts.retries);
        let overlap = if self.identity.validator.strength() == Strength::Strong { 0 } else { OVERLAP };
        let expect = Some(self.identity.validator.clone());
        let opening = async move { lane::open(&*source, &cx, start, overlap, end, expect).await };
        self.lanes.push(Lane::opening(worker, Box::pin(opening)));
    }

    fn stop(&mut self, worker: WorkerId) {
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

    fn handle(&mut self, index: usize, event: LaneEvent) -> Result<(), DownloadError> {
        let worker = self.lanes[index].worker;
        match event {
            LaneEvent::Opened(Ok((stream, opened))) => {
                self.seat.opened();
                self.not_opened = 0;
                self.lanes[index].put_back(stream);
                self.lanes[index].front = opened.start;
                self.check_identity(&opened)?;
                self.tell(Event::Opened { worker: u32::from(worker.0), start: opened.start });
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

    /// Sorts an attempt to open a stream that came to nothing.
    fn not_opened(&mut self, worker: WorkerId, error: SourceError) -> Result<(), DownloadError> {
        let streams = self.lanes.iter().filter(|lane| !lane.is_opening()).count();
        let (retry_after, limit_hint) = match error.class() {
            ErrorClass::Throttled { retry_after, limit_hint } => (retry_after, limit_hint),
            // A server that carries some streams and twice fails to take one more is full, whatever it says.
            ErrorClass::Transient if streams > 0 && self.not_opened >= 1 => (None, None),
            class => {
                self.not_opened += u32::from(class == ErrorClass::Transient);
                self.seat.failed();
                return self.failed(worker, error);
            }
        };
        self.counts.refusals += 1;
        self.seat.refused(retry_after, limit_hint);
        let granted = u16::try_from(streams).unwrap_or(u16::MAX);
        self.tell(Event::Throttled { granted, message: error.to_string() });
        self.last_error = Some(error);
        self.plan(Input::Failed { worker, failure: Failure::Throttled });
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
    fn kept(&self, worker: WorkerId, units: u64) -> u64 {
        match self.planner.next(worker) {
            Next::Keep { units: wanted, .. } => units.min(wanted),
            _ => 0,
        }
    }

    fn write(&mut self, stream: &mut Stream) {
        let Some((offset, buffer)) = stream.take_buffer() else { return };
        let end = offset + buffer.bytes.len() as u64;
        for again in self.earlier.overlaps(offset..end) {
            let index = |at: u64| usize::try_from(at - offset).unwrap_or(usize::MAX);
            let bytes = &buffer.bytes[index(again.start)..index(again.end)];
            self.seams.send(again.start, Bytes::copy_from_slice(bytes), &self.writer);
        }
        self.writer.write(self.epoch, offset, buffer);
    }

    /// Sorts a failure of a stream, or of an attempt to open one.
    fn failed(&mut self, worker: WorkerId, error: SourceError) -> Result<(), DownloadError> {
        let failure = match error.class() {
            ErrorClass::Transient | ErrorClass::Throttled { .. } => Failure::Transient,
            ErrorClass::RangeNotSupported => Failure::RangeNotSupported,
            ErrorClass::Unknown if !self.last_error.as_ref().is_some_and(|last| error.is_repeat_of(last)) => {
                Failure::Transient
            }
            ErrorClass::Changed => return Err(DownloadError::Changed { reason: error.to_string() }),
            _ => return Err(DownloadError::Source(error)),
        };
        self.counts.retries += 1;
        let (class, phase, message) = (error.class(), error.phase(), error.to_string());
        self.tell(Event::Retry { worker: u32::from(worker.0), class, phase, message });
        self.last_error = Some(error);
        self.plan(Input::Failed { worker, failure });
        Ok(())
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

    fn gave_up(&mut self, reason: GiveUp) -> DownloadError {
        let last = self.last_error.take();
        match (reason, last) {
            (GiveUp::ExtentChanged { expected, found }, _) => {
                DownloadError::WrongLength { announced: expected, actual: found }
            }
            (GiveUp::OutOfPatience, Some(last)) => {
                DownloadError::GaveUp { patience: self.cx.download.patience, last: Box::new(last) }
            }
            (_, Some(last)) => DownloadError::Source(last),
            (reason, None) => DownloadError::Interrupted(format!("{reason:?} without a failure")),
        }
    }

    fn account(&mut self, report: Written) -> Result<(), DownloadError> {
        match report {
            Written::Range(range) => {
                self.written.insert(range);
                self.cx.front.send_if_modified(|front| front.advance(&self.written));
                self.seams.send_comparable(&self.written, &self.writer);
                Ok(())
            }
            Written::Compared { range, equal } => {
                if self.seams.is_full() {
                    // Streams may be waiting for this.
                    self.lanes.iter().for_each(|lane| lane.interrupt.notify_one());
                }
                self.seams.compared();
                if !equal {
                    self.differs = Some(format!("bytes {} to {} arrived twice and differ", range.start, range.end));
                }
                Ok(())
            }
            Written::Failed(error) => Err(error.into()),
        }
    }

    /// Closes all streams and writes what they brought; makes it durable if it can be `trusted`.
    async fn settle(mut self, trusted: bool) -> (Result<Option<String>, DownloadError>, JobStore, Counts) {
        // What is still to be done needs no session, and may take long.
        self.seat.want(0);
        let mut leaving = Vec::new();
        for lane in std::mem::take(&mut self.lanes) {
            let worker = lane.worker;
            match lane.into_remains().await {
                Remains::Attempt => self.seat.failed(),
                Remains::Leaving(stop) => leaving.push(tokio::spawn(stop)),
                Remains::Stream(mut stream, last) => {
                    if let Some((Next::Keep { at, .. }, Outcome::Bytes(units))) = last {
                        self.counts.fetched += units;
                        stream.cut_to(at + self.kept(worker, units));
                    }
                    self.write(&mut stream);
                    leaving.push(tokio::spawn(stream.stop()));
                }
            }
        }
        let mut result = Ok(());
        // Twice, because the last writes may have made more comparisons possible.
        for _ in 0..2 {
            self.writer.drain().await;
            while let Ok(report) = self.reports.try_recv() {
                result = result.and(self.account(report));
            }
        }
        let last = trusted && result.is_ok() && self.differs.is_none();
        let (store, closed) = self.checkpoints.close(last).await;
        for stop in leaving {
            if last {
                let _ = stop.await;
            } // Else there may be a mark to set on what is on the disk, which must not wait for a server.
            self.seat.closed();
        }
        let result = result.and(closed.map_err(Into::into)).map(|()| self.differs);
        (result, store, self.counts)
    }

    fn tell(&self, event: Event) {
        let _ = self.cx.events.send(event);
    }

    fn tell_closed(&self, worker: WorkerId, front: u64) {
        self.tell(Event::Closed { worker: u32::from(worker.0), front });
    }

    fn publish(&mut self, stage: Stage) {
        let snapshot = self.planner.snapshot(now());
        let limit = self.seat.limit();
        let rate = self.meter.rate(Instant::now());
        self.cx.progress.send_replace(Progress::of(
            &snapshot,
            self.checkpoints.durable(),
            self.written.total(),
            self.resumed,
            rate,
            limit,
            stage,
        ));
    }
}

enum Obeyed {
    /// With the length of the file.
    Complete(u64),
    Wait(Option<std::time::Instant>),
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}
