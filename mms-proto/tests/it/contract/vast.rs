//! Films of more packets than any disk holds, read where numbers get large.

use bytes::BytesMut;
use mms_proto::client::{Client, Config};
use mms_proto::source::MmsSource;
use mms_proto::testing::{Asked, AtEnd, Film, Habits, PaddingField, Payloads, Seek, Server, Stream};
use mms_proto::wire::Url;
use segfetch_source::{Extent, OpenRequest, RangeSource, SourceContext, Space, Step};

use super::PATH;

const SIZE: u64 = 8000;
/// The highest number that can be asked for is one less than the one that says "not used".
const PACKETS: u32 = u32::MAX;

fn film() -> Film {
    let film = Film::builder().packet_size(8000).packets(PACKETS).stream(Stream::audio(1)).seed(3);
    film.payloads(Payloads::Single).padding(PaddingField::Word, &[300]).build_on_demand()
}

fn source(server: &Server, scheme: &str) -> MmsSource {
    MmsSource::new(Client::new(Url::parse(&server.url(scheme, PATH)).unwrap(), Config::default()))
}

/// Up to so many packets from one on, each of which is compared with the film's. Whether the end was told.
async fn assert_reads(source: &MmsSource, film: &Film, from: u32, most: u32, what: &str) -> bool {
    let header = film.header().len() as u64;
    let start = header + u64::from(from) * SIZE;
    let mut reader = source.open(&SourceContext::new(), OpenRequest::from(start)).await.unwrap();
    assert_eq!(reader.opened().start, start, "{what}");
    let expected: Vec<u8> = (from..).take(most.min(PACKETS - from) as usize).flat_map(|n| film.packet(n)).collect();
    let mut got = Vec::new();
    let ended = loop {
        let mut buffer = BytesMut::with_capacity(5000);
        match reader.read(&mut Space::new(&mut buffer, 5000)).await.unwrap() {
            Step::Bytes(_) => got.extend_from_slice(&buffer),
            Step::End => break true,
            step => panic!("{what}: {step:?}"),
        }
        if got.len() > expected.len() {
            break false;
        }
    };
    assert!(got[..expected.len()] == expected, "{what}: other bytes from packet {from} on");
    reader.stop().await;
    ended
}

/// Behind 2^20 packets, 4 GiB, 2^31 packets, and at the end.
fn places() -> [u32; 7] {
    let four_gib = u32::try_from((1 << 32) / SIZE).unwrap();
    [0, (1 << 20) - 2, four_gib - 2, four_gib * 2 + 1, (1 << 31) - 2, PACKETS - 5, PACKETS - 1]
}

#[tokio::test]
async fn a_film_is_read_at_every_place_where_numbers_get_large() {
    let film = film();
    let server =
        Server::builder().film(PATH, film.clone()).habits(Habits::default().at_end(AtEnd::Tell)).start().unwrap();
    for scheme in ["mmst", "mmsh", "mmsu"] {
        let source = source(&server, scheme);
        let len = film.header().len() as u64 + u64::from(PACKETS) * SIZE;
        assert_eq!(source.probe(&SourceContext::new()).await.unwrap().extent, Extent::Known(len), "{scheme}");
        for from in places() {
            let ended = assert_reads(&source, &film, from, 6, scheme).await;
            assert_eq!(ended, PACKETS - from < 6, "{scheme} from {from}");
        }
    }
    let stated = |from: u32| {
        let offset = film.header().len() as u64 + u64::from(from) * SIZE;
        format!("stream-offset={}:{}", offset >> 32, offset & 0xFFFF_FFFF)
    };
    let pragmas: Vec<String> = server.asked().into_iter().filter_map(|(_, asked)| pragmas(asked)).flatten().collect();
    for from in places() {
        assert!(pragmas.contains(&stated(from)), "{}", stated(from));
    }
}

fn pragmas(asked: Asked) -> Option<Vec<String>> {
    if let Asked::Http { pragmas, .. } = asked { Some(pragmas) } else { None }
}

#[tokio::test]
async fn what_begins_elsewhere_is_put_in_its_place_also_where_numbers_get_large() {
    let film = film();
    for seek in [Seek::Early(3), Seek::Late(2)] {
        let habits = Habits::default().seek(seek).at_end(AtEnd::Tell);
        let server = Server::builder().film(PATH, film.clone()).habits(habits).start().unwrap();
        for scheme in ["mmst", "mmsh"] {
            for from in [(1 << 20) + 1, (1 << 31) - 1, PACKETS - 20] {
                assert!(!assert_reads(&source(&server, scheme), &film, from, 6, scheme).await);
            }
        }
    }
}
