//! One download from its first look at the disk to the finished file.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use segfetch_source::{Access, Pace, RangeSource, Sameness, SourceInfo, Strength, Validator};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::buffers::BUFFER_LEN;
use super::control::Wishes;
use super::drive::{Counts, Drive, Driven, OVERLAP};
use super::error::DownloadError;
use super::finishing::is_copy;
use super::front::Front;
use super::hosts::Seat;
use super::lane::Shared;
use super::options::{Connections, Download, IfExists, OnChange, Order, bearable_silence};
use super::progress::{Event, Progress, Report, Stage};
use super::rate::RateLimit;
use super::{Inner, random, verify};
use crate::checkpoint::{FreshJob, Identity, IfExists as StoreIfExists, JobStore, Opened, StoreError, StoreOptions};
use crate::plan::{self, Config, Planner};
use crate::range_set::RangeSet;

/// [`Identity::policy`] of bytes that may be of two versions of the file. They are never gone on from.
const MIXED: u32 = 1;
/// A file that changes more often than this while it is fetched is not worth another attempt.
const MOST_RESTARTS: u32 = 3;
/// How long, and how often, a locked part is looked at again.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
const LOCK_RETRY: Duration = Duration::from_millis(50);

/// What a job is made of.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) engine: Arc<Inner>,
    pub(crate) download: Download,
    pub(crate) rate: Arc<RateLimit>,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) front: watch::Sender<Front>,
    pub(crate) events: broadcast::Sender<Event>,
}

/// Runs a download to its end.
pub(crate) async fn run(cx: Context, mut wishes: Wishes) -> Result<Report, DownloadError> {
    let result = Run {
        cx: &cx,
        started: Instant::now(),
        counts: Counts::default(),
        resumed: 0,
        ranges_lie: false,
        restarts: 0,
        paused: false,
    }
    .run(&mut wishes)
    .await;
    // The job itself is one of them.
    let has_readers = cx.front.receiver_count() > 1;
    cx.front.send_modify(|front| front.end(&result, has_readers));
    cx.set_stage(Stage::Ended);
    result
}

/// The state of a run.
pub(crate) struct Run<'a> {
    pub(crate) cx: &'a Context,
    pub(crate) started: Instant,
    pub(crate) counts: Counts,
    /// Bytes that were durable when this run began.
    pub(crate) resumed: u64,
    /// The server does not start where it is asked to, whatever it says.
    ranges_lie: bool,
    /// How often this run began again.
    restarts: u32,
    /// What is on the disk may be from before a pause.
    paused: bool,
}

/// What is on the disk.
enum Local {
    Fresh(FreshJob),
    Partial(JobStore),
}

impl Run<'_> {
    async fn run(&mut self, wishes: &mut Wishes) -> Result<Report, DownloadError> {
        let download = &self.cx.download;
        if let Some(expected) = &download.expected {
            verify::check_supported(expected)?;
        }
        let mut seat = self.cx.engine.hosts.join(download.source.host());
        let local = match self.open_store_unlocked(wishes).await? {
            Ok(Opened::Finished(finished)) => return self.already_there(&finished.path, finished.len, None).await,
            Ok(Opened::Fresh(fresh)) => Local::Fresh(fresh),
            Ok(Opened::Resumed(store, recovered)) => {
                self.resumed = recovered.have.total();
                self.cx.tell(Event::Resumed { have: self.resumed, damaged: recovered.dropped.total() });
                Local::Partial(store)
            }
            Err(StoreError::TargetExists { path }) if download.if_exists == IfExists::KeepOrFail => {
                let info = self.probe(&mut seat, wishes).await?;
                let metadata = self.cx.engine.volume.metadata(&path).ok().filter(|found| is_copy(found, &info));
                return match metadata {
                    Some(metadata) => self.already_there(&path, metadata.len, Some(&info)).await,
                    None => Err(StoreError::TargetExists { path }.into()),
                };
            }
            Err(error) => return Err(error.into()),
        };
        self.say_what_follows(&seat);
        let mut info = self.probe(&mut seat, wishes).await?;
        self.cx.tell(Event::Probed(Box::new(info.clone())));
        let mut store = match local {
            Local::Fresh(fresh) => {
                let identity = self.identity(&info);
                blocking(move || fresh.begin(identity)).await??
            }
            Local::Partial(store) => match self.difference(&store, &info) {
                None => store,
                Some(reason) => self.restart(store, reason, &info).await?,
            },
        };
        loop {
            let (fetched, returned) = self.fetch(store, &mut seat, &info, wishes).await;
            let (reason, told) = match fetched {
                Ok(Driven::Complete(len)) => match self.late_difference(&returned, &info, &mut seat, wishes).await? {
                    None => return self.finish(returned, len, &info).await,
                    Some(reason) => (reason, true),
                },
                Ok(Driven::Differs(reason)) => (reason, false),
                Ok(Driven::Interrupted) => {
                    self.cx.wait_while_paused(wishes, returned.have().total()).await?;
                    self.paused = true;
                    store = returned;
                    continue;
                }
                Err(DownloadError::Changed { reason }) => (reason, true),
                Err(error) => return Err(error),
            };
            let mixed = returned.identity().clone().with_policy(MIXED);
            let returned = blocking(move || {
                let mut store = returned;
                store.update_identity(mixed).map(|()| store)
            })
            .await??;
            let now = self.probe(&mut seat, wishes).await?;
            // Bytes differ, none of them is from before a pause or of an earlier run, and the server says that it is the same
            // file: it cannot be trusted to start where it is asked to, so take it in one stream.
            let difference = self.changed(&info, &now);
            let same = difference.is_none();
            let lies = !told && !self.ranges_lie && self.resumed == 0 && !self.paused && same;
            // A source that refuses to open another file may say no more than that it is one; its two answers say what differs.
            let reason = difference.filter(|_| told).unwrap_or(reason);
            if self.restarts >= MOST_RESTARTS || (same && !lies && self.restarts > 0) {
                let reason = format!("{reason}; beginning again did not help");
                return Err(DownloadError::Changed { reason });
            }
            if lies {
                self.ranges_lie = true;
                self.cx.tell(Event::Restarted {
                    reason: format!("{reason}; it is fetched in one stream from the beginning"),
                });
                store = self.new_epoch(returned, &now).await?;
            } else {
                store = self.restart(returned, reason, &now).await?;
            }
            self.cx.tell(Event::Probed(Box::new(now.clone())));
            info = now;
        }
    }

    /// Whether the file was replaced while it was fetched, as far as a last look can tell. Where the validator is strong, it
    /// was compared at each open.
    async fn late_difference(
        &mut self,
        store: &JobStore,
        info: &SourceInfo,
        seat: &mut Seat,
        wishes: &mut Wishes,
    ) -> Result<Option<String>, DownloadError> {
        let compared = info.validator.strength() == Strength::Strong && self.counts.unproven == 0;
        if compared || store.identity().extent == Some(0) {
            return Ok(None);
        }
        let now = self.probe(seat, wishes).await?;
        Ok(self.changed(info, &now))
    }

    /// What has changed between two answers, if anything.
    fn changed(&self, then: &SourceInfo, now: &SourceInfo) -> Option<String> {
        self.differs((then.extent.known(), &then.validator), now)
    }

    /// Opens the store, giving a predecessor a moment to let go of it: a dropped download may still be writing, and so may a
    /// process that is being killed.
    async fn open_store_unlocked(&self, wishes: &mut Wishes) -> Result<Result<Opened, StoreError>, DownloadError> {
        let give_up_at = Instant::now() + LOCK_PATIENCE;
        loop {
            match self.open_store().await? {
                Err(StoreError::Locked { .. }) if Instant::now() < give_up_at && !wishes.is_cancelled() => {
                    tokio::time::sleep(LOCK_RETRY).await;
                }
                result => return Ok(result),
            }
        }
    }

    async fn open_store(&self) -> Result<Result<Opened, StoreError>, DownloadError> {
        let download = &self.cx.download;
        let mut job_id = [0; 16];
        job_id[..8].copy_from_slice(&random().to_le_bytes());
        job_id[8..].copy_from_slice(&random().to_le_bytes());
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut options = StoreOptions::new(job_id, created);
        options.verify = download.verify;
        options.on_damage = download.on_damage;
        options.if_exists = match download.if_exists {
            IfExists::KeepOrFail => StoreIfExists::Fail,
            IfExists::Replace => StoreIfExists::Replace,
            IfExists::Unique => StoreIfExists::Unique,
        };
        let (volume, target) = (Arc::clone(&self.cx.engine.volume), download.target.clone());
        blocking(move || JobStore::open(volume, &target, options)).await
    }

    fn identity(&self, info: &SourceInfo) -> Identity {
        Identity::new(self.cx.download.source.label(), info.validator.clone(), info.extent.known())
    }

    /// Why what is on the disk is not of the file on the server, if that is so.
    fn difference(&self, store: &JobStore, info: &SourceInfo) -> Option<String> {
        let stored = store.identity();
        if stored.policy == MIXED {
            return Some("it changed during an earlier run".into());
        }
        self.differs((stored.extent, &stored.validator), info)
    }

    fn differs(&self, (extent, validator): (Option<u64>, &Validator), info: &SourceInfo) -> Option<String> {
        if let (Some(then), Some(now)) = (extent, info.extent.known())
            && then != now
        {
            return Some(format!("it had {then} bytes and has {now}"));
        }
        match self.cx.download.source.compare(validator, &info.validator) {
            Sameness::Different => Some("its time or fingerprint is another one".into()),
            _ => None,
        }
    }

    /// Gives up what is on the disk, if that is allowed, and begins with the file as it is now.
    async fn restart(&mut self, store: JobStore, reason: String, info: &SourceInfo) -> Result<JobStore, DownloadError> {
        if self.cx.download.on_change == OnChange::Fail {
            return Err(DownloadError::Changed { reason });
        }
        self.cx.tell(Event::Restarted { reason });
        self.new_epoch(store, info).await
    }

    /// Gives up what is on the disk.
    async fn new_epoch(&mut self, store: JobStore, info: &SourceInfo) -> Result<JobStore, DownloadError> {
        self.resumed = 0;
        self.paused = false;
        self.restarts += 1;
        let identity = self.identity(info);
        blocking(move || {
            let mut store = store;
            store.new_epoch(identity).map(|_| store)
        })
        .await?
        .map_err(Into::into)
    }

    /// Fetches what is not there.
    async fn fetch(
        &mut self,
        store: JobStore,
        seat: &mut Seat,
        info: &SourceInfo,
        wishes: &mut Wishes,
    ) -> (Result<Driven, DownloadError>, JobStore) {
        let download = &self.cx.download;
        let shared = Arc::new(Shared {
            buffers: self.cx.engine.buffers.clone(),
            job_rate: Arc::clone(&self.cx.rate),
            engine_rate: Arc::clone(&self.cx.engine.rate),
            silence: bearable_silence(info.access, download.silence, download.patience),
        });
        let mut config = Config::new(store.identity().extent.or(info.extent.known()));
        config.access = if self.ranges_lie { Access::FromStartOnly } else { info.access };
        config.exact_ends = info.exact_ends;
        config.workers = u16::try_from(download.connections.most()).unwrap_or(u16::MAX);
        if info.sessions.shares_connection || config.access != Access::Random {
            config.workers = 1;
        }
        config.ramp = download.connections == Connections::Auto;
        // The server has just said what the file is, so it can be asked for it.
        config.eager = !config.ramp;
        config.paced = matches!(info.pace, Pace::RealTime { .. });
        config.order = match download.order {
            Order::Fastest => plan::Order::Largest,
            Order::FromFront => plan::Order::First,
        };
        config.block = BUFFER_LEN as u64;
        config.open_round_trips = info.cost.open_round_trips;
        config.patience = download.patience;
        config.seed = random();
        let mut have = store.have().clone();
        if info.validator.strength() != Strength::Strong {
            recheck_edges(&mut have);
        }
        self.cx.front.send_modify(|front| front.begin(&store));
        let planner = Planner::new(config, have);
        let drive = Drive::new(self.cx, seat, shared, planner, store, self.resumed);
        let (result, store, counts) = drive.run(wishes, info.access == Access::Sequential).await;
        self.counts.add(counts);
        self.cx.progress.send_modify(|progress| {
            progress.durable = store.have().total();
            progress.written = progress.written.max(progress.durable);
            progress.received = progress.received.max(progress.written);
            progress.workers.clear();
        });
        (result, store)
    }
}

/// Forgets a little behind each hole, so that the stream that fills the hole runs into what another one brought, and is
/// compared with it.
fn recheck_edges(have: &mut RangeSet) {
    let edges: Vec<u64> = have.iter().map(|range| range.start).filter(|&start| start > 0).collect();
    for edge in edges {
        have.remove(edge..edge.saturating_add(OVERLAP));
    }
}

impl Context {
    pub(crate) fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    pub(crate) fn set_stage(&self, stage: Stage) {
        self.progress.send_modify(|progress| {
            progress.stage = stage;
            if matches!(stage, Stage::Paused | Stage::Ended) {
                progress.workers.clear();
                progress.rate = 0;
            }
        });
    }
}

impl Counts {
    fn add(&mut self, more: Self) {
        self.fetched += more.fetched;
        self.opens += more.opens;
        self.retries += more.retries;
        self.refusals += more.refusals;
        self.unproven += more.unproven;
    }
}

/// Runs what blocks on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, DownloadError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(DownloadError::Interrupted(error.to_string())),
    }
}
