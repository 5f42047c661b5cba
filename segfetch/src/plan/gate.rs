//! The sessions of one server, divided between the jobs of one engine.

use std::time::{Duration, Instant};

use super::retry::{Jitter, doubled};

/// Sessions that are tried together at a server that has not refused one yet: what most ask for.
const AT_FIRST: u32 = 8;
/// Where more are asked for: so many more than are open. A server that is full has few to refuse.
const AHEAD: u32 = 4;
/// Least time from a refusal to the next attempt at one session more.
const FIRST_PROBE: Duration = Duration::from_secs(60);
/// Refused probes double the wait up to this.
const LAST_PROBE: Duration = Duration::from_secs(300);
/// Least time from a refusal to any attempt, even at a session that was allowed before: a server needs a moment to notice that
/// an old one is gone, after a crash a long one.
const FIRST_REST: Duration = Duration::from_secs(1);
/// Refusals without a success between them double the rest up to this.
const LAST_REST: Duration = Duration::from_secs(15);
/// A server that asks for more than this is asked sooner: it may have been restarted.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Names a job of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// What a gate is told once.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct GateConfig {
    /// Most sessions that the user, or the source, allows; 0 counts as 1.
    pub max: Option<u16>,
    /// Seed of the jitter.
    pub seed: u64,
}

impl GateConfig {
    /// At most `max` sessions, jitter from `seed`.
    pub fn new(max: Option<u16>, seed: u64) -> Self {
        Self { max, seed }
    }
}

/// What happened. An input about a job that has not joined, or a stream that was not [`Opening`](GateInput::Opening), is
/// ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateInput {
    /// A job of this host begins. Of equal claims, the job that came first wins.
    Join {
        /// Which job.
        job: JobId,
    },
    /// The job is over, and so are its streams.
    Leave {
        /// Which job.
        job: JobId,
    },
    /// How many streams the job could use now, with those that it has: [`Planner::wanted`](super::Planner::wanted).
    Want {
        /// Which job.
        job: JobId,
        /// How many.
        streams: u16,
    },
    /// An attempt to open a stream begins. One of the next three ends it.
    Opening {
        /// Whose.
        job: JobId,
    },
    /// The attempt succeeded.
    Opened {
        /// Whose.
        job: JobId,
    },
    /// The server admits no more sessions now.
    Refused {
        /// Whose attempt.
        job: JobId,
        /// How long the server asked to be left alone.
        retry_after: Option<Duration>,
        /// How many sessions the server says that it allows.
        limit_hint: Option<u16>,
    },
    /// The attempt ended otherwise: it failed, or was given up.
    Failed {
        /// Whose.
        job: JobId,
    },
    /// An opened stream is over, however it ended.
    Closed {
        /// Whose.
        job: JobId,
    },
    /// So many sessions are kept without a stream, and the server counts them.
    Idle {
        /// How many.
        sessions: u16,
    },
    /// The fixed maximum is another one from now on.
    Max(Option<u16>),
    /// The instant of [`GateOutput::Wait`] has come.
    Timeout,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateOutput {
    /// The job may have so many streams from now on, those being opened included. If it has more, it has to give some up.
    Limit {
        /// Which job.
        job: JobId,
        /// How many.
        streams: u16,
    },
    /// Nothing more to do until the next input, or, as [`GateInput::Timeout`], this instant.
    Wait(Option<Instant>),
}

/// Finds out how many sessions a server admits, and shares them equally.
///
/// * Before the first refusal as many as eight sessions are tried together, or four more than are open.
/// * A refusal makes the number of open sessions the limit, 1 at least; every job hears of its own part again, since all of them
///   now know that the host is full. From then on one attempt is under way at a time.
/// * One session more is tried after a minute, or what the server asked for, then after two, four, five. If it is admitted,
///   the limit is one higher.
/// * A refusal while nothing is open is tried again after a second, then two, up to 15. It never fails a job.
/// * Each job gets what it wants up to an equal share; what cannot be divided goes to those that came first. A job above its
///   share gives up one stream at a time for one below.
#[derive(Clone, Debug)]
pub struct HostGate {
    max: Option<u16>,
    /// Found by a refusal.
    limit: Option<u16>,
    /// Stated by the server.
    stated: Option<u16>,
    idle: u16,
    /// In the order in which they came.
    jobs: Vec<Job>,
    /// No attempt before this.
    rest_until: Option<Instant>,
    /// Since the last success; those of attempts that were under way together are one.
    refusals: u32,
    probe: Probe,
    jitter: Jitter,
}

/// The attempt at one session more than the limit.
#[derive(Clone, Copy, Debug, Default)]
struct Probe {
    due: Option<Instant>,
    under_way: bool,
    misses: u32,
}

#[derive(Clone, Copy, Debug)]
struct Job {
    id: JobId,
    want: u16,
    /// Permits, used or not.
    granted: u16,
    /// The last [`GateOutput::Limit`]. `None` after a refusal: the job has lowered its number by itself, or does not know yet
    /// that the host is full.
    told: Option<u16>,
    opening: u16,
    open: u16,
}

impl Job {
    fn used(&self) -> u16 {
        self.opening.saturating_add(self.open)
    }

    /// What the server may have to bear: a job that has to give up a stream has it still.
    fn held(&self) -> u32 {
        u32::from(self.granted.max(self.used()))
    }

    /// A stream is over, and its permit with it, unless that was withdrawn before.
    fn give_back(&mut self, was_open: bool) {
        let withdrawn = self.granted < self.used();
        let count = if was_open { &mut self.open } else { &mut self.opening };
        *count = count.saturating_sub(1);
        if !withdrawn {
            self.granted = self.granted.saturating_sub(1);
        }
    }
}

impl HostGate {
    /// A gate of a host that nothing is known of.
    pub fn new(config: &GateConfig) -> Self {
        Self {
            max: config.max,
            limit: None,
            stated: None,
            idle: 0,
            jobs: Vec::new(),
            rest_until: None,
            refusals: 0,
            probe: Probe::default(),
            jitter: Jitter::new(config.seed),
        }
    }

    /// Tells what happened.
    pub fn handle_input(&mut self, now: Instant, input: GateInput) {
        match input {
            GateInput::Join { job } => {
                if self.job(job).is_none() {
                    self.jobs.push(Job { id: job, want: 0, granted: 0, told: Some(0), opening: 0, open: 0 });
                }
            }
            GateInput::Leave { job } => self.jobs.retain(|other| other.id != job),
            GateInput::Want { job, streams } => {
                if let Some(job) = self.job(job) {
                    job.want = streams;
                    job.granted = job.granted.min(streams.max(job.used()));
                }
            }
            GateInput::Opening { job } => {
                if let Some(job) = self.job(job) {
                    job.opening = job.opening.saturating_add(1);
                }
            }
            GateInput::Opened { job } => self.opened(now, job),
            GateInput::Refused { job, retry_after, limit_hint } => self.refused(now, job, retry_after, limit_hint),
            GateInput::Failed { job } => {
                if let Some(job) = self.job(job).filter(|job| job.opening > 0) {
                    job.give_back(false);
                }
            }
            GateInput::Closed { job } => {
                if let Some(job) = self.job(job).filter(|job| job.open > 0) {
                    job.give_back(true);
                }
            }
            GateInput::Idle { sessions } => self.idle = sessions,
            GateInput::Max(max) => self.max = max,
            GateInput::Timeout => {}
        }
        if self.probe.under_way && self.under_way() == 0 {
            // It was not used, or failed for another reason: nothing was learnt.
            self.probe.under_way = false;
            self.probe.due = Some(now + self.jitter.stretch(FIRST_PROBE));
        }
    }

    /// What to do next. Poll until it says [`GateOutput::Wait`].
    pub fn poll_output(&mut self, now: Instant) -> GateOutput {
        self.withdraw();
        while self.grant(now) {}
        self.reclaim();
        match self.jobs.iter_mut().find(|job| job.told != Some(job.granted)) {
            Some(job) => {
                job.told = Some(job.granted);
                GateOutput::Limit { job: job.id, streams: job.granted }
            }
            None => GateOutput::Wait(self.deadline(now)),
        }
    }

    /// Sessions that the server is known to admit; `None` before the first refusal.
    pub fn limit(&self) -> Option<u16> {
        self.limit
    }

    fn opened(&mut self, now: Instant, job: JobId) {
        let Some(job) = self.job(job).filter(|job| job.opening > 0) else { return };
        job.opening -= 1;
        job.open = job.open.saturating_add(1);
        self.refusals = 0;
        self.rest_until = None;
        let open = self.open();
        if let Some(limit) = &mut self.limit {
            *limit = open.max(*limit);
        }
        if self.probe.under_way {
            self.probe = Probe { due: Some(now + self.jitter.stretch(FIRST_PROBE)), ..Probe::default() };
        }
    }

    fn refused(&mut self, now: Instant, job: JobId, retry_after: Option<Duration>, hint: Option<u16>) {
        let Some(job) = self.job(job).filter(|job| job.opening > 0) else { return };
        job.give_back(false);
        job.told = None;
        let first = self.limit.is_none();
        for job in &mut self.jobs {
            // Permits that nobody used were for a server that had room.
            job.granted = job.granted.min(job.used());
            job.told = job.told.filter(|_| !first);
        }
        let sessions = self.open().saturating_add(self.idle);
        self.limit = Some(sessions.max(1));
        self.stated = hint.map(|hint| hint.max(1)).or(self.stated);

        let asked = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
        // One that comes during the rest is the answer to an attempt from before it.
        let again = self.rest_until.is_none_or(|until| until <= now);
        self.refusals = self.refusals.saturating_add(u32::from(again));
        let rest = doubled(FIRST_REST, self.refusals.saturating_sub(1), LAST_REST);
        self.rest_until = Some(now + self.jitter.stretch(if sessions == 0 { rest.max(asked) } else { rest }));

        self.probe.misses = self.probe.misses.saturating_add(u32::from(self.probe.under_way));
        self.probe.under_way = false;
        let wait = doubled(FIRST_PROBE, self.probe.misses, LAST_PROBE).max(asked);
        self.probe.due = Some(now + self.jitter.stretch(wait));
    }

    /// Takes back permits above the fixed maximum, used ones as well. Those above the limit are taken back where it is found.
    fn withdraw(&mut self) {
        let max = self.max();
        let shares = self.shares(self.cap());
        while self.jobs.iter().map(|job| u32::from(job.granted)).sum::<u32>() > max {
            // All shares together are no more than that: one job at least is above its own.
            let over = |(job, share): &(&mut Job, &u32)| i64::from(job.granted) - i64::from(**share);
            let Some((job, _)) = self.jobs.iter_mut().zip(&shares).max_by_key(over) else { return };
            job.granted -= 1;
        }
    }

    /// Grants one more stream to the job that has least, if one may be opened now. False if not.
    fn grant(&mut self, now: Instant) -> bool {
        if !self.may_attempt() || self.rest_until.is_some_and(|until| now < until) {
            return false;
        }
        let full = self.held() >= self.cap();
        let probes = full && self.may_probe() && self.probe.due.is_some_and(|due| due <= now);
        if full && !probes {
            return false;
        }
        let shares = self.shares(self.cap() + u32::from(probes));
        let below =
            self.jobs.iter_mut().zip(shares).filter(|(job, share)| u32::from(job.granted) < *share).map(|(job, _)| job);
        let Some(job) = below.min_by_key(|job| job.granted) else { return false };
        job.granted += 1;
        self.probe.under_way |= probes;
        true
    }

    /// Where the host is full, asks a job above its share to give up one stream for a job below.
    fn reclaim(&mut self) {
        let cap = self.cap();
        let still_asked = self.jobs.iter().any(|job| job.granted < job.used());
        if still_asked || self.held() < cap {
            return;
        }
        let shares = self.shares(cap);
        if !self.jobs.iter().zip(&shares).any(|(job, share)| u32::from(job.granted) < *share) {
            return;
        }
        let above = self.jobs.iter_mut().zip(shares).filter(|(job, share)| u32::from(job.granted) > *share);
        if let Some((job, _)) = above.max_by_key(|(job, share)| u32::from(job.granted) - share) {
            job.granted -= 1;
        }
    }

    fn deadline(&self, now: Instant) -> Option<Instant> {
        let wanting = self.jobs.iter().any(|job| job.granted < job.want);
        if !wanting || !self.may_attempt() {
            return None;
        }
        let rest = self.rest_until.filter(|&until| now < until);
        if self.held() < self.cap() {
            return rest;
        }
        self.probe.due.filter(|_| self.may_probe()).map(|due| rest.map_or(due, |rest| rest.max(due)))
    }

    /// What each job may have of `cap` streams: equal parts, but none more than it wants; the rest to those that came first.
    fn shares(&self, cap: u32) -> Vec<u32> {
        let mut shares = vec![0; self.jobs.len()];
        let mut left = cap;
        loop {
            let hungry: Vec<_> = (0..self.jobs.len()).filter(|&n| shares[n] < u32::from(self.jobs[n].want)).collect();
            let Some(least) = hungry.iter().map(|&n| u32::from(self.jobs[n].want) - shares[n]).min() else {
                return shares;
            };
            let each = least.min(left / hungry.len() as u32);
            if each == 0 {
                for &n in hungry.iter().take(left as usize) {
                    shares[n] += 1;
                }
                return shares;
            }
            for &n in &hungry {
                shares[n] += each;
                left -= each;
            }
        }
    }

    /// Whether one attempt more may be under way.
    fn may_attempt(&self) -> bool {
        match self.limit {
            Some(_) => self.under_way() == 0,
            None => self.held() < AT_FIRST.max(u32::from(self.open()) + AHEAD),
        }
    }

    /// The fixed maximum.
    fn max(&self) -> u32 {
        self.max.map_or(u32::MAX, |max| u32::from(max.max(1)))
    }

    /// Streams that may be open now.
    fn cap(&self) -> u32 {
        let limit = self.limit.map_or(u32::MAX, |limit| u32::from(limit) + u32::from(self.probe.under_way));
        limit.min(self.max())
    }

    /// Whether there may be one session more than the limit.
    fn may_probe(&self) -> bool {
        let ceiling = self.stated.map_or(u32::MAX, u32::from).min(self.max());
        !self.probe.under_way && self.limit.is_some_and(|limit| u32::from(limit) < ceiling)
    }

    /// Permits whose outcome is not known: unused, or being used.
    fn under_way(&self) -> u32 {
        self.jobs.iter().map(|job| job.held() - u32::from(job.open)).sum()
    }

    fn held(&self) -> u32 {
        self.jobs.iter().map(Job::held).sum()
    }

    fn open(&self) -> u16 {
        self.jobs.iter().fold(0, |sum, job| sum.saturating_add(job.open))
    }

    fn job(&mut self, id: JobId) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.id == id)
    }
}
