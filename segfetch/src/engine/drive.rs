//! The loop of one job: streams, planner, writer, checkpoints.
//!
//! One task drives all of it. Whatever a stream brings is told to the planner before anything else is decided, so the planner
//! always knows how far each stream is.

mod failures;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use segfetch_source::SourceError;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::checkpoints::Checkpoints;
use super::control::Wishes;
use super::error::DownloadError;
use super::hosts::Seat;
use super::lane::{Outcome, Shared};
use super::lanes::{Lane, Remains, next_event};
use super::progress::{Event, Progress, Stage};
use super::rate::Meter;
use super::run::Context;
use super::seams::Seams;
use super::sleep_until;
use super::writer::{JobWriter, Written};
use crate::checkpoint::{Epoch, Identity, JobStore};
use crate::plan::{Input, Next, Output, Planner, WorkerId};
use crate::range_set::RangeSet;

/// How often progress is published, and is looked whether a checkpoint is due.
const TICK: Duration = Duration::from_millis(100);
/// Where the validator is weak, a stream starts this much before its span, and what arrives twice is compared.
pub(crate) const OVERLAP: u64 = 64 << 10;

/// How a drive can end without an error.
pub(crate) enum Driven {
    /// Every byte of a file of this length is durable, except for what the source does not have.
    Complete(u64),
    /// It is to pause or to end; everything that arrived is durable.
    Interrupted,
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
        resumed: u64,
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
            resumed,
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
    /// unless the storage failed or the file is another one, durable. It does not pause when it has something that exists only
    /// `once`.
    pub(crate) async fn run(
        mut self,
        wishes: &mut Wishes,
        once: bool,
    ) -> (Result<Driven, DownloadError>, JobStore, Counts) {
        let result = self.drive(wishes, once).await;
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

    async fn drive(&mut self, wishes: &mut Wishes, once: bool) -> Result<Driven, DownloadError> {
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
            let may_pause = !once || self.planner.have().total() == 0;
            let interrupted = async { if may_pause { wishes.interrupted().await } else { wishes.cancelled().await } };
            tokio::select! {
                (index, event) = next_event(&mut self.lanes, turn) => {
                    turn = turn.wrapping_add(1);
                    self.handle(index, event)?;
                }
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
                () = interrupted => return Ok(Driven::Interrupted),
            }
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
        for lane in std::mem::take(&mut self.lanes) {
            let (worker, mut front) = (lane.worker, lane.front);
            match lane.into_remains().await {
                Remains::Attempt => self.seat.failed(),
                Remains::Leaving(stop) => self.say_goodbye(stop),
                Remains::Stream(mut stream, last) => {
                    if let Some((Next::Keep { at, .. }, Outcome::Bytes(units))) = last {
                        self.counts.fetched += units;
                        front = at + self.kept(worker, units);
                        stream.cut_to(front);
                    }
                    self.tell_closed(worker, front);
                    self.write(&mut stream);
                    self.say_goodbye(stream.stop());
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
        let result = result.and(closed.map_err(Into::into)).map(|()| self.differs);
        (result, store, self.counts)
    }

    /// Ends a stream in the background: what is here is not to wait for a server.
    fn say_goodbye(&self, stop: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(stop);
        self.seat.closed();
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
