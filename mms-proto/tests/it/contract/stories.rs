//! What the contract does not ask of every source, but this one promises.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::BytesMut;
use mms_proto::client::{Client, Config, Fidelity, Streams};
use mms_proto::source::{EndedEarly, MmsSource};
use mms_proto::testing::{AtEnd, Fault, Film, Habits, Incarnations, Rate, Seek, Server, Step as At, When};
use mms_proto::wire::Url;
use segfetch_source::{
    Access, ErrorClass, Extent, OpenRequest, Pace, Phase, RangeReader, RangeSource, Sameness, SourceContext,
    SourceError, SourceInfo, Space, Step, Strength, Validator,
};

use super::PATH;

static FILM: LazyLock<Film> = LazyLock::new(|| Film::generated(40, 5));

const SCHEMES: [&str; 3] = ["mmst", "mmsh", "mmsu"];

fn server(habits: Habits) -> Server {
    Server::builder().film(PATH, FILM.clone()).habits(habits.at_end(AtEnd::Tell)).start().unwrap()
}

fn source(server: &Server, scheme: &str, config: Config) -> MmsSource {
    MmsSource::new(Client::new(Url::parse(&server.url(scheme, PATH)).unwrap(), config))
}

async fn probe(source: &MmsSource) -> SourceInfo {
    source.probe(&SourceContext::new()).await.unwrap()
}

async fn open(source: &MmsSource, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
    source.open(&SourceContext::new(), request).await
}

/// What comes, and how many bytes are left out.
async fn read(reader: &mut dyn RangeReader) -> Result<(Vec<u8>, u64), SourceError> {
    let (mut all, mut skipped) = (Vec::new(), 0);
    loop {
        let mut buffer = BytesMut::with_capacity(4000);
        match reader.read(&mut Space::new(&mut buffer, 4000)).await? {
            Step::Bytes(_) => all.extend_from_slice(&buffer),
            Step::Skip(bytes) => skipped += bytes.get(),
            Step::End => return Ok((all, skipped)),
        }
    }
}

#[tokio::test]
async fn a_film_is_told_with_its_length_its_name_and_its_pace() {
    let server = server(Habits::default());
    for scheme in SCHEMES {
        let source = source(&server, scheme, Config::default());
        let info = probe(&source).await;
        assert_eq!((info.extent, info.access), (Extent::Known(FILM.served().len() as u64), Access::Random), "{scheme}");
        assert_eq!(info.name.as_deref(), Some(&b"clip.asf"[..]));
        assert_eq!(info.validator.strength(), Strength::Strong);
        let Pace::RealTime { bytes_per_second } = info.pace else { panic!("{:?}", info.pace) };
        let exact = FILM.served().len() as u64 * 1000 / FILM.play_ms();
        assert!(bytes_per_second.abs_diff(exact) <= exact, "{bytes_per_second}, and it is about {exact}");
    }
}

/// The same length, and yet another file: by its id, by who asks, by which streams are asked for.
#[tokio::test]
async fn another_film_or_another_way_to_ask_is_told_apart_and_the_transport_is_not() {
    let server = server(Habits::default());
    let of = async |config: Config, scheme: &str| probe(&source(&server, scheme, config)).await.validator;
    let mut relay = Config::default();
    relay.fidelity = Fidelity::Relay;
    let audio = Config::default().with_streams(Streams::Numbers(vec![2]));
    let first: Vec<Validator> = vec![
        of(Config::default(), "mmst").await,
        of(Config::default(), "mmsh").await,
        of(Config::default(), "mmsu").await,
        of(relay, "mmst").await,
        of(audio, "mmst").await,
    ];
    server.put(PATH, FILM.with_file_id([7; 16]));
    let other = of(Config::default(), "mmst").await;
    let compare = |now: &Validator| source(&server, "mmst", Config::default()).compare(&first[0], now);
    assert_eq!(first.iter().map(compare).filter(|sameness| *sameness == Sameness::Same).count(), 3);
    assert!([&first[3], &first[4], &other].into_iter().all(|now| compare(now) == Sameness::Different));

    for scheme in SCHEMES {
        let source = source(&server, scheme, Config::default());
        let error = open(&source, OpenRequest::from(0).expecting(first[0].clone()));
        assert_eq!(error.await.err().unwrap().class(), ErrorClass::Changed, "{scheme}");
    }
}

/// Whatever sessions at rest were told before.
#[tokio::test]
async fn a_film_that_was_replaced_is_opened_as_it_is_now() {
    for scheme in SCHEMES {
        let server = server(Habits::default());
        let source = source(&server, scheme, Config::default());
        let mut readers = Vec::new();
        for start in [0, 5000, 90_000] {
            readers.push(open(&source, OpenRequest::from(start)).await.unwrap());
        }
        for reader in readers {
            reader.stop().await;
        }
        let film = Film::generated(50, 6);
        server.put(PATH, film.clone());
        let now = probe(&source).await;
        assert_eq!(now.extent, Extent::Known(film.served().len() as u64));
        let mut readers = Vec::new();
        for start in [0, 7000, 20_000, 100_000] {
            let request = OpenRequest::from(start).expecting(now.validator.clone());
            readers.push(open(&source, request).await.unwrap());
        }
        for mut reader in readers {
            let start = reader.opened().start as usize;
            assert_eq!(reader.opened().validator.as_ref(), Some(&now.validator), "{scheme}");
            assert!(read(&mut *reader).await.unwrap() == (film.served()[start..].to_vec(), 0), "{scheme} from {start}");
        }
    }
}

#[tokio::test]
async fn sessions_that_died_while_they_were_at_rest_are_nobodys_error() {
    let habits = Habits::default().at_end(AtEnd::TellAndClose(std::time::Duration::ZERO));
    let server = Server::builder().film(PATH, FILM.clone()).habits(habits).start().unwrap();
    let source = source(&server, "mmst", Config::default());
    let last = FILM.served().len() as u64 - 10;
    for _ in 0..10 {
        let mut reader = open(&source, OpenRequest::from(last)).await.unwrap();
        assert_eq!(
            read(&mut *reader).await.unwrap().0.len() as u64,
            FILM.served().len() as u64 - reader.opened().start
        );
        drop(reader);
        server.wait_for(|counters| counters.sessions == 0).await;
    }
}

#[tokio::test]
async fn sessions_of_mmst_are_never_more_than_the_streams_that_were_open_at_once() {
    let server = server(Habits::default());
    let source = source(&server, "mmst", Config::default());
    for _ in 0..10 {
        probe(&source).await;
        let mut readers = Vec::new();
        for start in [0, 9000, 50_000] {
            readers.push(open(&source, OpenRequest::from(start)).await.unwrap());
        }
        for reader in readers {
            reader.stop().await;
        }
    }
    let counters = server.counters();
    assert!(counters.max_sessions <= 4, "{counters:?}");
    assert!(counters.connections <= 30, "{counters:?}");
}

#[tokio::test]
async fn packets_that_do_not_come_are_skipped_also_at_the_end() {
    let gaps = [0..1, 5..6, 10..30, 37..40];
    let server = server(Habits::default().missing(&gaps));
    let (header, size) = (FILM.header().len(), FILM.packet_size());
    for scheme in ["mmst", "mmsh"] {
        let source = source(&server, scheme, Config::default());
        let mut at = 0;
        let mut skipped = 0;
        // A stream that ends early is not believed before it was asked for just what is missing.
        let error = loop {
            let mut reader = open(&source, OpenRequest::from(at)).await.unwrap();
            at = reader.opened().start;
            let outcome: Result<(), SourceError> = async {
                loop {
                    let mut buffer = BytesMut::with_capacity(4000);
                    match reader.read(&mut Space::new(&mut buffer, 4000)).await? {
                        Step::Bytes(_) => {
                            assert!(
                                buffer == FILM.served()[at as usize..at as usize + buffer.len()],
                                "{scheme} at {at}"
                            );
                            at += buffer.len() as u64;
                        }
                        Step::Skip(bytes) => {
                            at += bytes.get();
                            skipped += bytes.get();
                        }
                        Step::End => return Ok(()),
                    }
                }
            }
            .await;
            if outcome.is_ok() {
                break None;
            }
            if at != (header + 37 * size) as u64 {
                break outcome.err();
            }
        };
        assert!(error.is_none(), "{scheme} at {at}: {error:?}");
        assert_eq!((at, skipped), (FILM.served().len() as u64, 25 * size as u64), "{scheme}");
    }
}

#[tokio::test]
async fn a_server_that_was_found_out_offers_the_beginning_only() {
    let film = Film::builder().packet_size(60_000).packets(160).build();
    for scheme in ["mmst", "mmsh"] {
        let habits = Habits::default().seek(Seek::Ignored);
        let server = Server::builder().film(PATH, film.clone()).habits(habits).start().unwrap();
        let source = source(&server, scheme, Config::default());
        assert_eq!(probe(&source).await.access, Access::Random);
        let error = open(&source, OpenRequest::from(film.served().len() as u64 - 1)).await.err().unwrap();
        assert_eq!((error.class(), error.phase()), (ErrorClass::RangeNotSupported, Phase::Open));
        assert_eq!(probe(&source).await.access, Access::FromStartOnly);
        let mut reader = open(&source, OpenRequest::from(0)).await.unwrap();
        assert!(read(&mut *reader).await.unwrap() == (film.served().to_vec(), 0), "{scheme}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_seek_is_read_from_the_start() {
    let server = server(Habits::default().features("").seek(Seek::Ignored));
    let source = source(&server, "mmsh", Config::default());
    assert_eq!(probe(&source).await.access, Access::FromStartOnly);
    let mut reader = open(&source, OpenRequest::from(0)).await.unwrap();
    assert!(read(&mut *reader).await.unwrap() == (FILM.served().to_vec(), 0));
}

#[tokio::test]
async fn a_broadcast_has_one_place_and_no_end() {
    let server = server(Habits::default().live_from(4_000_000));
    for scheme in ["mmst", "mmsh"] {
        let source = source(&server, scheme, Config::default());
        let info = probe(&source).await;
        assert_eq!((info.extent, info.access), (Extent::Growing, Access::Sequential), "{scheme}");
        let error = open(&source, OpenRequest::from(1 << 20)).await.err().unwrap();
        assert_eq!(error.class(), ErrorClass::RangeNotSupported);
        let mut reader = open(&source, OpenRequest::from(0)).await.unwrap();
        let mut got = Vec::new();
        while got.len() < FILM.served().len() {
            let mut buffer = BytesMut::with_capacity(4000);
            match reader.read(&mut Space::new(&mut buffer, 4000)).await.unwrap() {
                Step::Bytes(_) => got.extend_from_slice(&buffer),
                step => panic!("{scheme}: {step:?}"),
            }
        }
    }
}

#[tokio::test]
async fn errors_tell_where_and_with_which_code() {
    let server = server(Habits::default());
    let mut seen = Vec::new();
    for (scheme, at, code) in
        [("mmst", At::OpenFile, 0xC00D_000F), ("mmsh", At::Describe, 503), ("mmsh", At::Play, 503)]
    {
        server.clear_faults();
        server.fault(When::Always, Fault::Refused(at, code));
        let error = open(&source(&server, scheme, Config::default()), OpenRequest::from(0)).await.err().unwrap();
        assert!(matches!(error.class(), ErrorClass::Throttled { .. }), "{error}");
        seen.push((error.phase(), error.code() == Some(code)));
    }
    assert_eq!(seen, [(Phase::Open, true); 3]);
}

/// A server that stamps all packets alike: of a second stream near the first one no packet can be believed, and each attempt costs the
/// wait for it.
#[tokio::test]
async fn sessions_that_serve_one_stream_only_are_not_kept_for_long() {
    // So slow that a stream does not come to where the next one begins.
    let habits = Habits::default().incarnations(Incarnations::Fixed(4)).rate(Rate::Each(Duration::from_millis(100)));
    let server = server(habits);
    let mut config = Config::default();
    config.waits.first_packet = Duration::from_millis(200);
    let source = source(&server, "mmst", config);
    let (header, size) = (FILM.header().len() as u64, FILM.packet_size() as u64);
    let mut plays = Vec::new();
    for packet in [5, 10, 15, 20, 25] {
        let mut reader = open(&source, OpenRequest::from(header + packet * size)).await.unwrap();
        let mut buffer = BytesMut::with_capacity(4000);
        assert!(matches!(reader.read(&mut Space::new(&mut buffer, 4000)).await.unwrap(), Step::Bytes(_)));
        assert!(buffer == FILM.packet(u32::try_from(packet).unwrap()), "packet {packet}");
        reader.stop().await;
        plays.push(server.counters().plays);
    }
    // The second and the third were asked for twice; after that nobody tries any more.
    let asked: Vec<u64> = plays.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(asked[2..], [1, 1], "{plays:?}");
    assert!(asked[..2].iter().all(|asked| *asked > 1), "{plays:?}");
    server.shutdown().await;
}

/// A server that stamps all packets alike: the packets of a second stream are passed over, and its end says nothing about the file.
///
/// Observed: WTVMMS, whose last packets were taken for missing
#[tokio::test]
async fn the_end_of_a_stream_whose_packets_could_not_be_told_is_not_the_end_of_the_film() {
    let habits = Habits::default().incarnations(Incarnations::Fixed(4)).rate(Rate::Each(Duration::from_millis(5)));
    let server = server(habits);
    let source = source(&server, "mmst", Config::default());
    let (header, size) = (FILM.header().len() as u64, FILM.packet_size() as u64);
    let last = u64::from(FILM.packets()) - 1;
    for packet in [2, last - 4] {
        let mut reader = open(&source, OpenRequest::from(header + packet * size)).await.unwrap();
        let mut buffer = BytesMut::with_capacity(4000);
        let step = reader.read(&mut Space::new(&mut buffer, 4000)).await.unwrap();
        assert!(matches!(step, Step::Bytes(_)), "packet {packet}: {step:?}");
        assert!(buffer == FILM.packet(u32::try_from(packet).unwrap())[..buffer.len()], "packet {packet}");
        reader.stop().await;
    }
    server.shutdown().await;
}

/// A broadcast whose encoder was restarted with other settings.
#[tokio::test]
async fn what_follows_a_broadcast_is_a_source_of_its_own_and_no_packet_of_it_is_lost() {
    let second = Film::generated(25, 6);
    let habits = Habits::default().live_from(4_000_000).live_for(40).followed_by("/next.asf").at_end(AtEnd::Tell);
    for scheme in SCHEMES {
        let server = Server::builder().film(PATH, FILM.clone()).film("/next.asf", second.clone());
        let server = server.habits(habits.clone()).start().unwrap();
        let first = source(&server, scheme, Config::default());
        let info = probe(&first).await;
        assert!(first.next_content().await.unwrap().is_none(), "{scheme}: nothing was read yet");
        let request = |info: &SourceInfo| OpenRequest::from(0).expecting(info.validator.clone());
        let mut reader = open(&first, request(&info)).await.unwrap();
        let (all, _) = read(&mut *reader).await.unwrap();
        assert_eq!(all.len(), FILM.served().len(), "{scheme}");
        let next = first.next_content().await.unwrap().expect("another one");
        assert!(first.next_content().await.unwrap().is_none(), "{scheme}: it is taken");
        assert_eq!(next.label(), first.label());
        let (info, again) = (probe(&next).await, probe(&next).await);
        assert!(info.validator == again.validator && info.access == Access::Sequential, "{scheme}");
        let mut reader = open(&next, request(&info)).await.unwrap();
        let (all, _) = read(&mut *reader).await.unwrap();
        let (header, packets) = all.split_at(second.header().len());
        assert_eq!(header[..64], second.header()[..64], "{scheme}");
        // The broadcast is at its 41st packet.
        let expected: Vec<_> = (40..80).map(|number| second.packet(number % 25)).collect();
        assert!(packets == expected.concat(), "{scheme}");
        assert!(next.next_content().await.unwrap().is_none(), "{scheme}: nothing more follows");
        assert_eq!(server.counters().connections, if scheme == "mmsh" { 2 } else { 1 }, "{scheme}");
    }
}

#[tokio::test]
async fn a_server_that_ends_early_is_told_from_a_connection_that_breaks() {
    let server = server(Habits::default().missing(&[30..35, 35..40]));
    for scheme in ["mmst", "mmsh"] {
        let source = source(&server, scheme, Config::default());
        probe(&source).await;
        let mut reader = open(&source, OpenRequest::from(0)).await.unwrap();
        let error = read(&mut *reader).await.unwrap_err();
        assert!(EndedEarly::is_cause_of(&error) && error.class() == ErrorClass::Transient, "{scheme}: {error}");
        let Some(cause) = error.cause().and_then(|cause| cause.downcast_ref::<EndedEarly>()) else { panic!("{error}") };
        assert_eq!(cause.left, 10 * FILM.packet_size() as u64);
        server.fault(When::Next(1), Fault::Cut { after: 20 });
        let mut reader = open(&source, OpenRequest::from(0)).await.unwrap();
        assert!(!EndedEarly::is_cause_of(&read(&mut *reader).await.unwrap_err()), "{scheme}");
    }
}
