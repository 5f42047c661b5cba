//! What must hold after a crash.

use std::path::Path;

use segfetch::checkpoint::{Completed, JobStore, Opened, StoreError};

use crate::job::*;
use crate::sim::{Image, Promise, Sim, Snapshot};

/// Four blocks and a half.
pub(crate) const LEN: u64 = 4 * BLOCK + 2000;
pub(crate) const TARGET: &str = "file";

/// The version of the file that these bytes are, all of them.
fn version_of_bytes(bytes: &[u8]) -> Option<u8> {
    (0..4).find(|&version| content(version, 0..LEN) == bytes)
}

/// A promise that was not kept.
pub(crate) type Violation = String;

/// How the survivors of a crash are opened.
#[derive(Clone)]
pub(crate) struct Reopen {
    pub(crate) options: segfetch::checkpoint::StoreOptions,
    /// Whether the store may answer with a typed error; after an honest crash it never needs to.
    pub(crate) errors: bool,
}

/// Everything that is wrong with one disk that survived. A download is gone on with and finished, on a volume that is
/// returned with its recording.
pub(crate) fn check(image: &Image, promised: &Promise, reopen: &Reopen) -> (Vec<Violation>, Sim) {
    check_on(Sim::new(image.clone()).recording(), promised, reopen)
}

fn check_on(sim: Sim, promised: &Promise, reopen: &Reopen) -> (Vec<Violation>, Sim) {
    let image = sim.live();
    let mut wrong = Vec::new();
    if let Some(bytes) = image.read(Path::new(TARGET))
        && version_of_bytes(bytes).is_none()
    {
        wrong.push(format!("the target has {} bytes that are no version of the file", bytes.len()));
    }
    match go_on(&sim, promised, &mut wrong, reopen) {
        Ok(()) => {}
        // All was done, to the last of the names; what has the target's is looked at above.
        Err(StoreError::TargetExists { .. }) if image.names().eq([Path::new(TARGET)]) => {}
        Err(error) if reopen.errors => drop(error),
        Err(error) => wrong.push(format!("the store does not go on: {error}")),
    }
    (wrong, sim)
}

fn go_on(sim: &Sim, promised: &Promise, wrong: &mut Vec<Violation>, reopen: &Reopen) -> Result<(), StoreError> {
    let target = Path::new(TARGET);
    let found = sim.live();
    // What is complete has kept all promises, even if the download is begun once more.
    let is_complete = |version| found.names().any(|name| found.read(name) == Some(content(version, 0..LEN)));
    let (mut store, version) = match JobStore::open(sim.volume(), target, reopen.options.clone())? {
        Opened::Finished(finished) => {
            if sim.live().read(&finished.path).and_then(version_of_bytes).is_none() {
                wrong.push("the store says finished, the file is not whole".to_owned());
            }
            return Ok(());
        }
        Opened::Fresh(fresh) => {
            if let Some((version, have)) = &promised.have
                && !have.is_empty()
                && !is_complete(*version)
            {
                wrong.push(format!("promised bytes are gone: {have:?} of version {version}"));
            }
            (fresh.begin(identity(3, Some(LEN)))?, 3)
        }
        Opened::Resumed(store, recovered) => {
            let version = version_of(&recovered.identity);
            let part = sim.live().read(store.part_path()).unwrap_or_default().to_vec();
            for range in recovered.have.iter() {
                let range = range.start as usize..range.end as usize;
                if part.get(range.clone()) != content(version, 0..LEN).get(range.clone()) {
                    wrong.push(format!("bytes {range:?} are claimed of version {version} and are others"));
                }
            }
            if let Some((promised_version, have)) = &promised.have
                && *promised_version == version
                && !is_complete(version)
                && have.iter().any(|range| !recovered.have.contains_range(&range))
            {
                wrong.push(format!("promised {have:?}, found {:?}", recovered.have));
            }
            (store, version)
        }
    };
    sim.promise(|promise| promise.have = Some((version, store.have().clone())));
    write_rest(&store, version, LEN)?;
    let path = store.finish(&Completed::new(LEN))?;
    sim.promise(|promise| promise.finished = true);
    let live = sim.live();
    if live.read(&path) != Some(content(version, 0..LEN)) {
        wrong.push(format!("gone on with, {} is not version {version}", path.display()));
    }
    let left: Vec<_> = live.names().filter(|name| name.to_string_lossy().contains(".part")).collect();
    if !left.is_empty() {
        wrong.push(format!("files are left over: {left:?}"));
    }
    Ok(())
}

/// What a look at all survivors of all moments found.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) moments: usize,
    pub(crate) survivors: usize,
    pub(crate) nested: usize,
    pub(crate) wrong: Vec<Violation>,
}

/// Crashes at every moment of a history in every way. In the run that goes on after some of these crashes, and after the
/// process was killed without one, the power goes again.
pub(crate) fn crash_everywhere(history: &[Snapshot], reopen: &Reopen) -> Tally {
    let mut tally = Tally::default();
    for (moment, snapshot) in history.iter().enumerate() {
        tally.moments += 1;
        let killed = check_on(Sim::after_kill(snapshot).recording(), &snapshot.promised, reopen);
        tally.take(&format!("killed at moment {moment}"), killed, reopen, true);
        for (which, image) in snapshot.survivors().iter().enumerate() {
            tally.survivors += 1;
            let checked = check(image, &snapshot.promised, reopen);
            let again = (moment * 31 + which).is_multiple_of(32);
            tally.take(&format!("moment {moment}, survivor {which}"), checked, reopen, again);
        }
    }
    tally
}

impl Tally {
    /// Takes what was wrong, and lets the power go at each moment of the run that went on.
    fn take(&mut self, place: &str, (wrong, sim): (Vec<Violation>, Sim), reopen: &Reopen, again: bool) {
        self.wrong.extend(wrong.into_iter().map(|wrong| format!("{place}: {wrong}")));
        for (moment, snapshot) in sim.history().iter().enumerate().filter(|_| again) {
            let survivors = snapshot.survivors();
            let step = survivors.len().div_ceil(6);
            for image in survivors.iter().skip(moment % step).step_by(step) {
                self.nested += 1;
                let (wrong, _) = check(image, &snapshot.promised, reopen);
                self.wrong.extend(wrong.into_iter().map(|wrong| format!("{place}, then at {moment}: {wrong}")));
            }
        }
    }
}
