//! What a source is told before it is asked: how many streams will follow.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use segfetch::source::conformance::MemorySource;
use segfetch::source::{
    ErrorClass, HostKey, OpenRequest, Phase, RangeReader, RangeSource, SourceContext, SourceError, SourceInfo,
};
use segfetch::{Connections, Download};
use tokio::sync::Barrier;

use crate::world::{MIB, TokioClock, World, target, unrecognisable};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Hint(u16),
    Probe,
    Open,
}

use Said::{Hint, Open, Probe};

/// Writes down what is asked of it. Its first probes may fail.
#[derive(Clone, Debug)]
struct Recorded {
    source: MemorySource,
    said: Arc<Mutex<Vec<Said>>>,
    failing_probes: usize,
    /// No probe is answered before so many have come.
    together: Arc<Barrier>,
}

impl Recorded {
    fn new(source: &MemorySource) -> Self {
        Self { source: source.clone(), said: Arc::default(), failing_probes: 0, together: Arc::new(Barrier::new(1)) }
    }

    fn say(&self, what: Said) -> usize {
        let mut said = self.said.lock().expect("no panic while locked");
        said.push(what);
        said.iter().filter(|said| **said == what).count()
    }

    /// All but the opens behind the first one.
    fn said(&self) -> Vec<Said> {
        let mut said = self.said.lock().expect("no panic while locked").clone();
        said.dedup_by(|later, earlier| *later == Open && *earlier == Open);
        said
    }

    fn hints(&self) -> Vec<Said> {
        self.said().into_iter().filter(|said| matches!(said, Hint(_))).collect()
    }
}

#[async_trait]
impl RangeSource for Recorded {
    fn label(&self) -> &str {
        self.source.label()
    }
    fn host(&self) -> Option<HostKey> {
        self.source.host()
    }
    fn preconnect(&self, sessions: u16) {
        self.say(Hint(sessions));
    }
    async fn probe(&self, cx: &SourceContext) -> Result<SourceInfo, SourceError> {
        if self.say(Probe) <= self.failing_probes {
            return Err(SourceError::new(ErrorClass::Transient, Phase::Probe, "not yet"));
        }
        self.together.wait().await;
        self.source.probe(cx).await
    }
    async fn open(&self, cx: &SourceContext, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        self.say(Open);
        self.source.open(cx, request).await
    }
}

fn download(source: &Recorded, connections: Connections) -> Download {
    Download::new(source.clone(), target()).connections(connections)
}

#[tokio::test(start_paused = true)]
async fn a_fixed_number_of_connections_is_told_once_before_the_probe_and_no_other() {
    let cases = [
        (Connections::Exactly(8), vec![Hint(5), Probe, Open]),
        (Connections::Exactly(2), vec![Hint(1), Probe, Open]),
        // More than six are not tried together at a server that nobody knows.
        (Connections::Exactly(16), vec![Hint(5), Probe, Open]),
        (Connections::Exactly(1), vec![Probe, Open]),
        (Connections::Exactly(0), vec![Probe, Open]),
        (Connections::Auto, vec![Probe, Open]),
    ];
    for (connections, expected) in cases {
        let world = World::new();
        let source = Recorded::new(&MemorySource::new(32 * MIB));
        world.run(download(&source, connections)).await.0.expect("it succeeds");
        assert_eq!(source.said(), expected, "{connections:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn neither_a_probe_that_is_repeated_nor_a_last_look_tells_it_again() {
    let world = World::new();
    let mut source = Recorded::new(&unrecognisable(32 * MIB));
    source.failing_probes = 2;
    world.run(download(&source, Connections::Exactly(4))).await.0.expect("it succeeds");
    assert_eq!(source.said(), [Hint(3), Probe, Probe, Probe, Open, Probe]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_where_the_file_is_there_already() {
    let world = World::new();
    let source = MemorySource::new(2 * MIB).with_info(|info| info.with_modified(1_700_000_000, 0));
    world.run(download(&Recorded::new(&source), Connections::Exactly(4))).await.0.expect("it succeeds");
    let again = Recorded::new(&source);
    let report = world.run(download(&again, Connections::Exactly(4))).await.0.expect("nothing to do");
    assert!(report.already_complete);
    assert_eq!(again.said(), [Probe]);
}

#[tokio::test(start_paused = true)]
async fn of_downloads_that_begin_together_at_one_host_only_the_first_is_told() {
    let world = World::new();
    let source = MemorySource::new(32 * MIB).with_host(HostKey::new("server"));
    let together = Arc::new(Barrier::new(3));
    let jobs = ["/d/1", "/d/2", "/d/3"].map(|name| {
        let recorded = Recorded { together: together.clone(), ..Recorded::new(&source) };
        let download = Download::new(recorded.clone(), name).connections(Connections::Exactly(5));
        (recorded, world.engine.start(download))
    });
    let mut hints = Vec::new();
    for (recorded, job) in jobs {
        job.join().await.expect("it succeeds");
        hints.push(recorded.hints());
    }
    assert_eq!(hints, [vec![Hint(4)], vec![], vec![]]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_where_the_host_is_known_to_be_full() {
    let world = World::new();
    let source = MemorySource::new(64 * MIB)
        .with_pace(TokioClock::start(), MIB)
        .with_host(HostKey::new("server"))
        .with_session_limit(3, None);
    let first = Recorded::new(&source);
    let job = world.engine.start(Download::new(first.clone(), "/d/1").connections(Connections::Exactly(8)));
    let mut progress = job.progress();
    progress.wait_for(|now| now.received > 4 * MIB).await.expect("it runs");
    let second = Recorded::new(&source);
    let other = world.engine.start(Download::new(second.clone(), "/d/2").connections(Connections::Exactly(8)));
    job.join().await.expect("it succeeds");
    other.join().await.expect("it succeeds");
    assert_eq!((first.hints(), second.hints()), (vec![Hint(5)], vec![]));
}
