//! Connections made beside the probe, on servers that admit few.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use ftp_proto::client::{Config, Connecting, Connector, Target, TcpConnector};
use ftp_proto::source::FtpSource;
use segfetch_source::{ErrorClass, OpenRequest, RangeSource, SourceContext};
use segfetch_testkit::lab::Kind;
use tokio::task::JoinSet;

use super::setup::{MIB, random_file, url};

const STREAMS: u64 = 8;

/// Counts control connections.
#[derive(Clone, Debug, Default)]
struct Counting(Arc<AtomicUsize>);

impl Connector for Counting {
    fn connect(&self, target: Target) -> Connecting {
        self.0.fetch_add(usize::from(matches!(target, Target::Host { .. })), Relaxed);
        TcpConnector::default().connect(target)
    }
}

/// How many of eight streams that are opened at once are admitted, and how many connections it took.
async fn admitted(kind: Kind, limit: u32, hinted: bool) -> (usize, usize) {
    let dir = tempfile::tempdir().unwrap();
    random_file(&dir.path().join("big"), MIB);
    let server = kind.serve(dir.path()).max_per_ip(limit).start().unwrap();
    let counting = Counting::default();
    let config = Config::default().with_connector(counting.clone());
    let source = Arc::new(FtpSource::connect(&url(&server, "big"), config).unwrap());
    if hinted {
        source.preconnect(7);
    }
    source.probe(&SourceContext::new()).await.unwrap();
    let mut streams = JoinSet::new();
    for n in 0..STREAMS {
        let source = Arc::clone(&source);
        let request = OpenRequest::from(n * MIB / STREAMS);
        streams.spawn(async move { source.open(&SourceContext::new(), request).await });
    }
    let outcomes = streams.join_all().await;
    for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert!(matches!(error.class(), ErrorClass::Throttled { .. }), "{kind:?}, {limit}, {hinted}: {error}");
    }
    let admitted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    (admitted, counting.0.load(Relaxed))
}

#[tokio::test]
async fn a_server_that_admits_few_serves_as_many_as_without_and_refuses_no_more() {
    for kind in Kind::ALL {
        for limit in [1, 2, 100] {
            let admits = usize::try_from(limit.min(8)).unwrap();
            // Observed: proftpd 1.3.8 looks at the limit after `PASS`, and counts those that are being logged in at the same moment.
            let least = if kind == Kind::Proftpd && limit == 2 { 1 } else { admits };
            for hinted in [false, true] {
                let (admitted, connections) = admitted(kind, limit, hinted).await;
                assert!((least..=admits).contains(&admitted), "{kind:?}, {limit}, hinted: {hinted}: {admitted}");
                assert_eq!(connections, 8, "{kind:?}, {limit}, hinted: {hinted}");
            }
        }
    }
}
