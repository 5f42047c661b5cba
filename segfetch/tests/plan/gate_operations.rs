//! Bytes as a list of operations on a gate, right and wrong ones. The fuzz target runs the same.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use segfetch::plan::{GateConfig, GateInput, GateOutput, HostGate, JobId};

/// Runs the operations, then lets all jobs but one leave, and that one succeed.
pub(crate) fn run(bytes: &[u8]) {
    let mut bytes = bytes.iter().map(|&byte| u16::from(byte));
    let first = bytes.next().unwrap_or(0);
    let mut max = (first & 1 != 0).then_some(first >> 1 & 15);
    let mut gate = HostGate::new(&GateConfig::new(max, u64::from(first)));
    let mut now = Instant::now();
    // The last limit that each job was told; `None` where the same may be said again.
    let mut told = BTreeMap::new();
    // Attempts and open streams of each job.
    let mut used = BTreeMap::<JobId, [u32; 2]>::new();
    let operations: Vec<_> = std::iter::from_fn(|| Some([bytes.next()?, bytes.next()?])).collect();
    for [kind, amount] in operations {
        let job = JobId(u64::from(kind >> 4 & 7));
        let input = match kind & 15 {
            0 | 1 => GateInput::Join { job },
            2 if amount < 64 => GateInput::Leave { job },
            2..4 => GateInput::Want { job, streams: amount },
            4 => GateInput::Want { job, streams: u16::MAX - amount },
            5 | 6 => GateInput::Opening { job },
            7 | 8 => GateInput::Opened { job },
            9 => GateInput::Refused {
                job,
                retry_after: [None, Some(Duration::MAX), Some(Duration::from_secs(amount.into()))]
                    [usize::from(amount % 3)],
                limit_hint: (amount & 4 != 0).then_some(amount >> 4),
            },
            10 => GateInput::Failed { job },
            11 => GateInput::Closed { job },
            12 => GateInput::Idle { sessions: amount },
            13 => {
                max = (amount & 1 != 0).then_some(amount >> 1);
                GateInput::Max(max)
            }
            _ => {
                now += Duration::from_secs(u64::from(amount));
                GateInput::Timeout
            }
        };
        match input {
            GateInput::Join { job } => _ = told.entry(job).or_insert(Some(0)),
            GateInput::Leave { job } => _ = told.remove(&job),
            GateInput::Refused { job, .. } => _ = told.get_mut(&job).map(Option::take),
            _ => {}
        }
        account(&mut used, input);
        let was_full = gate.limit().is_some();
        gate.handle_input(now, input);
        if !was_full && gate.limit().is_some() {
            told.values_mut().for_each(|told| *told = None);
        }
        if kind & 128 == 0 {
            drain(&mut gate, now, &mut told);
            let all: u32 = told.values().flatten().copied().map(u32::from).sum();
            assert!(max.is_none_or(|max| all <= u32::from(max.max(1))), "above the fixed maximum: {gate:?}");
            let used = |job| used.get(job).map_or(0, |[opening, open]| opening + open);
            let unused = |(job, told): (_, &Option<u16>)| told.map_or(0, u32::from).saturating_sub(used(job));
            let unused: u32 = told.iter().map(unused).sum();
            assert!(gate.limit().is_none() || unused <= 1, "a full server may be asked once: {gate:?}");
        }
    }
    finish(&mut gate, now, told);
}

/// Keeps account of what the gate has been told, as it does.
fn account(used: &mut BTreeMap<JobId, [u32; 2]>, input: GateInput) {
    match input {
        GateInput::Join { job } => _ = used.entry(job).or_default(),
        GateInput::Leave { job } => _ = used.remove(&job),
        GateInput::Opening { job } => _ = used.get_mut(&job).map(|[opening, _]| *opening += 1),
        GateInput::Opened { job } | GateInput::Refused { job, .. } | GateInput::Failed { job } => {
            if let Some([opening, open]) = used.get_mut(&job).filter(|[opening, _]| *opening > 0) {
                *opening -= 1;
                *open += u32::from(matches!(input, GateInput::Opened { .. }));
            }
        }
        GateInput::Closed { job } => _ = used.get_mut(&job).map(|[_, open]| *open = open.saturating_sub(1)),
        _ => {}
    }
}

fn drain(gate: &mut HostGate, now: Instant, told: &mut BTreeMap<JobId, Option<u16>>) -> Option<Instant> {
    for _ in 0..1000 {
        match gate.poll_output(now) {
            GateOutput::Limit { job, streams } => {
                let before = told.insert(job, Some(streams)).expect("a job that has joined");
                assert_ne!(before, Some(streams), "told twice");
            }
            GateOutput::Wait(until) => {
                assert!(until.is_none_or(|until| until > now), "a wait is for later");
                return until;
            }
        }
    }
    panic!("endless: {gate:?}");
}

/// Whatever went before: a job that is alone is granted a stream, some time.
fn finish(gate: &mut HostGate, mut now: Instant, mut told: BTreeMap<JobId, Option<u16>>) {
    for job in std::mem::take(&mut told).into_keys() {
        gate.handle_input(now, GateInput::Leave { job });
    }
    let job = JobId(u64::MAX);
    told.insert(job, Some(0));
    gate.handle_input(now, GateInput::Join { job });
    gate.handle_input(now, GateInput::Want { job, streams: 1 });
    for _ in 0..10 {
        let due = drain(gate, now, &mut told);
        if told[&job] > Some(0) {
            return;
        }
        now = due.expect("a later attempt");
        gate.handle_input(now, GateInput::Timeout);
    }
    panic!("never granted: {gate:?}");
}
