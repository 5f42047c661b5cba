//! Sources, streams and downloads of the embedded server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use ftp_proto::testing::content_at;
use segfetch::sink::MemoryVolume;
use segfetch::source::{OpenRequest, RangeReader, RangeSource, SourceContext, SourceError, SourceInfo, Space, Step};
use segfetch::{Connections, Download, DownloadError, Engine, EngineConfig, Event, Progress, Report};
use segfetch_cli::http::{Client, HttpSource};

use crate::server::Server;

pub(crate) const MIB: u64 = 1 << 20;

pub(crate) fn source(url: &str) -> HttpSource {
    HttpSource::new(Client::new().expect("TLS is set up"), url).expect("a URL")
}

pub(crate) async fn probe(source: &HttpSource) -> Result<SourceInfo, SourceError> {
    source.probe(&SourceContext::new()).await
}

pub(crate) async fn open(source: &HttpSource, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
    source.open(&SourceContext::new(), request).await
}

/// Opens a stream that has to be refused.
pub(crate) async fn refused(source: &HttpSource, request: OpenRequest) -> SourceError {
    match open(source, request).await {
        Ok(reader) => panic!("opened: {:?}", reader.opened()),
        Err(error) => error,
    }
}

/// Reads to the end.
pub(crate) async fn read(reader: &mut dyn RangeReader) -> Result<Vec<u8>, SourceError> {
    let mut all = Vec::new();
    let mut buffer = BytesMut::with_capacity(64 << 10);
    loop {
        buffer.clear();
        match reader.read(&mut Space::new(&mut buffer, 64 << 10)).await? {
            Step::End => return Ok(all),
            _ => all.extend_from_slice(&buffer),
        }
    }
}

pub(crate) fn content(seed: u64, len: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(len).expect("it fits")];
    content_at(seed, 0, &mut bytes);
    bytes
}

/// An engine over a volume in memory, and what a download told.
pub(crate) struct World {
    volume: Arc<MemoryVolume>,
    engine: Engine,
}

/// How a download ended.
pub(crate) struct Ended {
    pub(crate) result: Result<Report, DownloadError>,
    pub(crate) events: Vec<Event>,
}

impl World {
    pub(crate) fn new() -> Self {
        let volume = Arc::new(MemoryVolume::new());
        let mut config = EngineConfig::default();
        config.volume = Arc::<MemoryVolume>::clone(&volume);
        Self { volume, engine: Engine::new(config).expect("threads") }
    }

    /// Downloads the server's file over `n` streams.
    pub(crate) async fn fetch(&self, server: &Server, n: u16) -> Ended {
        self.run(download(server, n)).await
    }

    pub(crate) async fn run(&self, download: Download) -> Ended {
        let mut job = self.engine.start(download);
        let mut events = job.events();
        let collect = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some(event) = events.next().await {
                all.push(event);
            }
            all
        });
        Ended { result: job.join().await, events: collect.await.expect("the collector ends") }
    }

    /// Cancels a download as soon as there is `enough` of it.
    pub(crate) async fn run_until(&self, download: Download, enough: impl Fn(&Progress) -> bool) -> Ended {
        let job = self.engine.start(download);
        let mut progress = job.progress();
        while !enough(&progress.borrow_and_update()) {
            progress.changed().await.expect("it goes on");
        }
        job.cancel();
        Ended { result: job.join().await, events: Vec::new() }
    }

    /// Fails unless the target is the generated file, and nothing else is left.
    pub(crate) fn assert_file(&self, seed: u64, len: u64) {
        let found = self.volume.read(target()).expect("the target exists");
        let expected = content(seed, len);
        assert_eq!(found.len(), expected.len());
        assert_eq!(found.iter().zip(&expected).position(|(a, b)| a != b), None, "first wrong byte");
        assert_eq!(self.volume.paths(), [target()], "something is left over");
    }

    /// Fails if the target has its name.
    pub(crate) fn assert_no_file(&self) {
        assert!(!self.volume.paths().contains(&target()), "a file was published");
    }

    /// What is there of the incomplete file.
    pub(crate) fn part(&self) -> Vec<u8> {
        self.volume.read(target().with_extension("part")).unwrap_or_default()
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn ok(self) -> (Report, Vec<Event>) {
        match self.result {
            Ok(report) => (report, self.events),
            Err(error) => panic!("{error}: {:?}", self.events),
        }
    }

    #[track_caller]
    pub(crate) fn err(self) -> DownloadError {
        self.result.expect_err("the download has to fail")
    }
}

pub(crate) fn download(server: &Server, n: u16) -> Download {
    Download::new(source(&server.url()), target())
        .connections(Connections::Exactly(n))
        .patience(Duration::from_secs(20))
        .checkpoint_every(Duration::from_millis(250))
}

fn target() -> PathBuf {
    PathBuf::from("/d/f")
}
