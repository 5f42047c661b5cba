//! The gates of all hosts, shared by the jobs of an engine.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use segfetch_source::HostKey;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::{random, sleep_until};
use crate::plan::{GateConfig, GateInput, GateOutput, HostGate, JobId};

/// One gate per host, as long as a job uses it.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    known: Mutex<HashMap<HostKey, Weak<Host>>>,
}

#[derive(Debug)]
struct Host {
    gate: Mutex<Gate>,
    /// The gate's next instant may have changed.
    rescheduled: Notify,
}

#[derive(Debug)]
struct Gate {
    machine: HostGate,
    limits: HashMap<JobId, watch::Sender<u16>>,
    next_job: u64,
    wake_at: Option<std::time::Instant>,
}

impl Hosts {
    /// Takes part in the limits of `host`; a source without a host has limits of its own.
    pub(crate) fn join(&self, host: Option<HostKey>) -> Seat {
        let shared = match host {
            None => Arc::new(Host::new()),
            Some(key) => {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                known.retain(|_, host| host.strong_count() > 0);
                known.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
                    let host = Arc::new(Host::new());
                    known.insert(key, Arc::downgrade(&host));
                    host
                })
            }
        };
        let (sender, limit) = watch::channel(0);
        let job = {
            let mut gate = shared.lock();
            let job = JobId(gate.next_job);
            gate.next_job += 1;
            gate.limits.insert(job, sender);
            job
        };
        let seat = Seat { host: shared, job, limit };
        seat.host.tell(GateInput::Join { job });
        seat
    }
}

impl Host {
    fn new() -> Self {
        let machine = HostGate::new(&GateConfig { max: None, seed: random() });
        let gate = Gate { machine, limits: HashMap::new(), next_job: 0, wake_at: None };
        Self { gate: Mutex::new(gate), rescheduled: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, input: GateInput) {
        let now = Instant::now().into_std();
        let mut gate = self.lock();
        gate.machine.handle_input(now, input);
        loop {
            match gate.machine.poll_output(now) {
                GateOutput::Limit { job, streams } => {
                    if let Some(limit) = gate.limits.get(&job) {
                        limit.send_replace(streams);
                    }
                }
                GateOutput::Wait(at) => {
                    gate.wake_at = at;
                    break;
                }
            }
        }
        drop(gate);
        self.rescheduled.notify_waiters();
    }
}

/// One job's place at a gate. Dropping it gives everything back.
#[derive(Debug)]
pub(crate) struct Seat {
    host: Arc<Host>,
    job: JobId,
    limit: watch::Receiver<u16>,
}

impl Seat {
    /// Waits until the number of streams that this job may have changes, and returns it. Cancel safe.
    pub(crate) async fn changed(&mut self) -> u16 {
        loop {
            let rescheduled = self.host.rescheduled.notified();
            let wake_at = self.host.lock().wake_at;
            tokio::select! {
                changed = self.limit.changed() => if changed.is_ok() {
                    return *self.limit.borrow_and_update();
                },
                () = sleep_until(wake_at.map(Into::into)) => self.host.tell(GateInput::Timeout),
                () = rescheduled => {}
            }
        }
    }

    /// How many streams this job may have now. [`changed`](Self::changed) still tells of it.
    pub(crate) fn limit(&self) -> u16 {
        *self.limit.borrow()
    }

    /// Whether the server has refused a stream to some job: [`changed`](Self::changed) tells every job of its limit again when
    /// that becomes so.
    pub(crate) fn host_is_full(&self) -> bool {
        self.host.lock().machine.limit().is_some()
    }

    /// How many of so many streams the job would get if it wanted them now, one at least. Nothing more is certain where the host is
    /// full, and for those that came behind another job.
    pub(crate) fn expect(&self, streams: u16) -> u16 {
        let now = Instant::now().into_std();
        let gate = self.host.lock();
        if gate.limits.keys().min() != Some(&self.job) || gate.machine.limit().is_some() {
            return 1;
        }
        let mut trial = gate.machine.clone();
        trial.handle_input(now, GateInput::Want { job: self.job, streams });
        let mut granted = 1;
        while let GateOutput::Limit { job, streams } = trial.poll_output(now) {
            if job == self.job {
                granted = streams.max(1);
            }
        }
        granted
    }

    /// Says how many streams the job could use.
    pub(crate) fn want(&self, streams: u16) {
        self.host.tell(GateInput::Want { job: self.job, streams });
    }

    /// An attempt to open a stream begins. One of the next four follows.
    pub(crate) fn opening(&self) {
        self.host.tell(GateInput::Opening { job: self.job });
    }

    /// The attempt led to an open stream.
    pub(crate) fn opened(&self) {
        self.host.tell(GateInput::Opened { job: self.job });
    }

    /// The server admits no more sessions.
    pub(crate) fn refused(&self, retry_after: Option<Duration>, limit_hint: Option<u16>) {
        self.host.tell(GateInput::Refused { job: self.job, retry_after, limit_hint });
    }

    /// The attempt ended otherwise.
    pub(crate) fn failed(&self) {
        self.host.tell(GateInput::Failed { job: self.job });
    }

    /// An open stream is over.
    pub(crate) fn closed(&self) {
        self.host.tell(GateInput::Closed { job: self.job });
    }

    /// The most that the server says it allows.
    pub(crate) fn set_max(&self, max: Option<u16>) {
        self.host.tell(GateInput::Max(max));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.host.lock().limits.remove(&self.job);
        self.host.tell(GateInput::Leave { job: self.job });
    }
}
