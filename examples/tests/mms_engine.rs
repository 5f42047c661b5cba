//! Downloads of films from the embedded media server: over many streams, killed and gone on with.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mms_proto::client::{Client, Config};
use mms_proto::source::MmsSource;
use mms_proto::testing::{Fault, Film, Habits, Rate, Server, Step, When};
use mms_proto::wire::Url;
use segfetch::adapters::OrderedStream;
use segfetch::sink::MemoryVolume;
use segfetch::{Connections, Download, DownloadError, Engine, EngineConfig};
use tokio::io::AsyncReadExt;

const PATH: &str = "/clip.asf";
const TARGET: &str = "/d/clip.asf";

fn film(seed: u64) -> Film {
    Film::builder().packet_size(8000).packets(500).seed(seed).build()
}

fn server() -> Server {
    let habits = Habits::default().rate(Rate::Bytes(1 << 20));
    Server::builder().film(PATH, film(1)).habits(habits).start().unwrap()
}

fn engine() -> (Arc<MemoryVolume>, Engine) {
    let volume = Arc::new(MemoryVolume::new());
    let mut config = EngineConfig::default();
    config.volume = Arc::<MemoryVolume>::clone(&volume);
    (volume, Engine::new(config).unwrap())
}

fn download(server: &Server, scheme: &str) -> Download {
    let url = Url::parse(&server.url(scheme, PATH)).unwrap();
    Download::new(MmsSource::new(Client::new(url, Config::default())), TARGET)
        .connections(Connections::Exactly(8))
        .patience(Duration::from_secs(20))
        .checkpoint_every(Duration::from_millis(20))
}

/// Starts a download, and drops it when so many bytes are durable. Each stream falls silent after 240,000 bytes, so that all eight
/// together do not bring the film before.
async fn killed(server: &Server, engine: &Engine, download: Download, durable: u64) {
    server.fault(When::Always, Fault::Stall { after: 30 });
    let job = engine.start(download);
    let mut progress = job.progress();
    while progress.borrow_and_update().durable < durable {
        progress.changed().await.expect("it goes on");
    }
    server.clear_faults();
}

#[tokio::test]
async fn a_film_that_was_killed_twice_is_completed_from_where_it_was() {
    for scheme in ["mmst", "mmsh", "mmsu"] {
        let (server, (volume, engine)) = (server(), engine());
        killed(&server, &engine, download(&server, scheme), 500_000).await;
        killed(&server, &engine, download(&server, scheme), 1_000_000).await;
        assert!(volume.read(TARGET).is_none());
        let report = engine.start(download(&server, scheme)).join().await.unwrap();
        assert!(report.resumed >= 1_000_000, "{scheme}: {report:?}");
        assert_eq!(volume.paths(), [Path::new(TARGET)]);
        assert!(volume.read(TARGET).unwrap() == film(1).served(), "{scheme}: another film");
        assert!(server.counters().max_sessions >= 4, "{scheme}: {:?}", server.counters());
    }
}

#[tokio::test]
async fn a_film_arrives_through_connections_that_break() {
    for scheme in ["mmst", "mmsh"] {
        let (server, (volume, engine)) = (server(), engine());
        for stream in 1..20 {
            server.fault(When::Nth(stream), Fault::Cut { after: stream as u32 * 3 });
        }
        let report = engine.start(download(&server, scheme)).join().await.unwrap();
        assert!(report.retries > 0, "{scheme}: {report:?}");
        assert!(volume.read(TARGET).unwrap() == film(1).served(), "{scheme}: another film");
    }
}

#[tokio::test]
async fn another_film_in_its_place_is_not_mixed_with_what_is_there() {
    for scheme in ["mmst", "mmsh"] {
        let (server, (volume, engine)) = (server(), engine());
        killed(&server, &engine, download(&server, scheme), 500_000).await;
        server.put(PATH, film(2));
        match engine.start(download(&server, scheme)).join().await {
            Err(DownloadError::Changed { .. }) => assert!(volume.read(TARGET).is_none(), "{scheme}"),
            other => panic!("{scheme}: {other:?}"),
        }
    }
}

/// The server admits fewer than are wanted.
#[tokio::test]
async fn a_full_server_is_content_with_fewer() {
    for scheme in ["mmst", "mmsh"] {
        let (server, (volume, engine)) = (server(), engine());
        server.set_max_sessions(3);
        engine.start(download(&server, scheme)).join().await.unwrap();
        assert!(volume.read(TARGET).unwrap() == film(1).served(), "{scheme}: another film");
    }
}

/// What is busy now, or went wrong by chance, is not so for ever.
#[tokio::test]
async fn codes_that_may_be_otherwise_next_time_end_no_download() {
    let (server, (volume, engine)) = (server(), engine());
    let busy = [0xC00D_000E, 0xC00D_0025, 0xC00D_002C, 0xC00D_0030, 0xC00D_0031];
    let by_chance = [0x8000_FFFF, 0x8007_0057, 0xC00D_0013, 0xC00D_0020, 0xC00D_002B];
    for (turn, code) in (2..).step_by(2).zip(busy.into_iter().zip(by_chance).flat_map(|(busy, chance)| [busy, chance]))
    {
        server.fault(When::Nth(turn), Fault::Refused(Step::StartPlaying, code));
    }
    engine.start(download(&server, "mmst")).join().await.unwrap();
    assert!(volume.read(TARGET).unwrap() == film(1).served(), "another film");
}

/// The reader of a stream pauses for so long that the server closes the connection.
#[tokio::test]
async fn a_stream_goes_on_after_a_pause_that_no_server_waits_for() {
    const PACKETS: u32 = 4000;
    let film = Film::builder().packet_size(8000).packets(PACKETS).build_on_demand();
    let whole: Vec<u8> = film.header().into_iter().chain((0..PACKETS).flat_map(|n| film.packet(n))).collect();
    for (scheme, closed) in [("mmst", 1), ("mmsh", 2)] {
        let habits = Habits::default().patience(Duration::from_millis(50));
        let server = Server::builder().film(PATH, film.clone()).habits(habits).start().unwrap();
        let url = Url::parse(&server.url(scheme, PATH)).unwrap();
        let source = MmsSource::new(Client::new(url, Config::default()));
        let mut stream = OrderedStream::new(source).connections(Connections::Exactly(1)).window(1 << 20);
        let mut got = vec![0; 100_000];
        stream.read_exact(&mut got).await.unwrap();
        server.wait_for(|now| now.plays > 0 && now.connections - now.open as u64 >= closed).await;
        stream.read_to_end(&mut got).await.unwrap();
        assert!(got == whole, "{scheme}: another film");
        assert!(server.counters().plays >= 2, "{scheme}: {:?}", server.counters());
    }
}

/// Each stream is slow, and there is nothing to be gained by asking for its rest once more.
#[tokio::test]
async fn streams_that_come_at_the_pace_of_the_film_are_not_replaced_again_and_again() {
    let film = Film::builder().packet_size(8000).packets(60).sample_rate(16_000).build();
    for scheme in ["mmst", "mmsh"] {
        let habits = Habits::default().rate(Rate::Play(1));
        let server = Server::builder().film(PATH, film.clone()).habits(habits).start().unwrap();
        let (volume, engine) = engine();
        let report = engine.start(download(&server, scheme)).join().await.unwrap();
        assert!(volume.read(TARGET).unwrap() == film.served(), "{scheme}: another film");
        let counters = server.counters();
        assert!(counters.plays <= 32 && report.retries == 0, "{scheme}: {counters:?} {report:?}");
    }
}
