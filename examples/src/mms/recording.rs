//! What is known of a recording, by the reader that makes it and by those who ask.

use std::time::Duration;

use segfetch::source::SourceInfo;
use tokio::sync::watch;

#[derive(Debug, Default)]
pub(super) struct Recording(watch::Sender<State>);

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// What the server said before it began.
    info: Option<SourceInfo>,
    /// A packet has come.
    begun: bool,
    /// Somebody wants it to end.
    pub(super) end: bool,
    over: Option<Ending>,
    recorded: Duration,
    gaps: Gaps,
}

/// How a recording has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// As much has come as was asked for.
    Enough,
    /// Somebody wanted it to end.
    Asked,
    /// The server has told the end.
    Told,
    /// The connection broke, and behind it there is another content.
    Changed,
    /// The connection broke, or the server fell silent, for this reason, and it was not to be had again.
    BrokeOff(String),
}

/// Where a recording has nothing, because the connection had broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gaps {
    /// How many there are.
    pub count: u32,
    /// From the last packet before to the first one behind, by the clock on the wall, all together.
    pub length: Duration,
}

impl Recording {
    pub(super) fn subscribe(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }

    pub(super) fn probed(&self, info: &SourceInfo) {
        self.0.send_modify(|state| state.info = Some(info.clone()));
    }

    /// Another packet has come, perhaps behind a gap, and it is so much now.
    pub(super) fn came(&self, recorded: Duration, gap: Option<Duration>) {
        self.0.send_modify(|state| {
            (state.begun, state.recorded) = (true, recorded);
            if let Some(gap) = gap {
                state.gaps.count = state.gaps.count.saturating_add(1);
                state.gaps.length = state.gaps.length.saturating_add(gap);
            }
        });
    }

    pub(super) fn over(&self, ending: Ending) {
        self.0.send_modify(|state| state.over = Some(ending));
    }

    pub(super) fn ending(&self) -> Option<Ending> {
        self.0.borrow().over.clone()
    }

    pub(super) fn info_if_over(&self) -> Option<SourceInfo> {
        let state = self.0.borrow();
        state.info.clone().filter(|_| state.over.is_some())
    }

    pub(super) fn end(&self) -> bool {
        let mut begun = false;
        self.0.send_modify(|state| {
            begun = state.begun;
            state.end |= begun;
        });
        begun
    }

    pub(super) fn recorded(&self) -> Duration {
        self.0.borrow().recorded
    }

    pub(super) fn gaps(&self) -> Gaps {
        self.0.borrow().gaps
    }
}
