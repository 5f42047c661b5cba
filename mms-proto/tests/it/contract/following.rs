//! Another content that begins in the middle of a film.

use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use mms_proto::client::{Client, Config};
use mms_proto::source::MmsSource;
use mms_proto::testing::{AtEnd, Fault, Film, Habits, Server, When};
use mms_proto::wire::Url;
use segfetch_source::{ErrorClass, OpenRequest, RangeReader, RangeSource, SourceContext, SourceError, Space, Step};

use super::PATH;

static FILM: LazyLock<Film> = LazyLock::new(|| Film::generated(40, 5));
/// What comes in between: a film with as many packets of the same length.
static OTHER: LazyLock<Film> = LazyLock::new(|| Film::generated(40, 6));

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// LocationId, playIncarnation, AFFlags, PacketSize, and what belongs to them.
fn data(location: u32, incarnation: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let size = u16::try_from(payload.len() + 8).unwrap().to_le_bytes();
    [&location.to_le_bytes()[..], &[incarnation, flags], &size, payload].concat()
}

/// The other film takes over, as the transport has it: the word for it, its header, and so many of its packets.
fn change(scheme: &str, packets: u32) -> Bytes {
    let header = OTHER.header();
    if scheme == "mmsh" {
        let chunk = |kind: u8, body: Vec<u8>| {
            [&[b'$', kind][..], &u16::try_from(body.len()).unwrap().to_le_bytes(), &body].concat()
        };
        let media = (0..packets).flat_map(|n| chunk(b'D', data(n, 0, n as u8, &OTHER.packet(n))));
        let start = [chunk(b'C', vec![0; 4]), chunk(b'H', data(0, 0, 0x0C, &header))].concat();
        return start.into_iter().chain(media).collect();
    }
    // ReportStreamChange; what follows carries 0xFF.
    let (size, len) = (OTHER.packet_size() as u32, header.len() as u32);
    let message = words(&[4, 0x0004_0020, 0, 0xFF, size, len, OTHER.bit_rate(), 0]);
    let head = words(&[1, 0xB00B_FACE, 48, u32::from_le_bytes(*b"MMS "), 6, 0, 0, 0]);
    let media = (0..packets).flat_map(|n| data(n, 0xFF, n as u8, &OTHER.packet(n)));
    [head, message, data(0, 0xFF, 0x0C, &header)].concat().into_iter().chain(media).collect()
}

async fn open(source: &MmsSource, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
    source.open(&SourceContext::new(), request).await
}

/// What comes until the end or an error.
async fn read(reader: &mut dyn RangeReader) -> (Vec<u8>, Result<(), SourceError>) {
    let mut got = Vec::new();
    loop {
        let mut buffer = BytesMut::with_capacity(4000);
        match reader.read(&mut Space::new(&mut buffer, 4000)).await {
            Ok(Step::Bytes(_)) => got.extend_from_slice(&buffer),
            Ok(Step::Skip(_)) => {}
            Ok(Step::End) => return (got, Ok(())),
            Err(error) => return (got, Err(error)),
        }
    }
}

#[tokio::test]
async fn no_byte_of_what_takes_over_is_taken_for_the_film() {
    let (header, size) = (FILM.header().len() as u64, FILM.packet_size() as u64);
    for scheme in ["mmst", "mmsh"] {
        for (after, packets) in [(0, 0), (0, 40), (1, 0), (3, 5), (3, 40), (29, 1)] {
            let habits = Habits::default().at_end(AtEnd::Tell);
            let server = Server::builder().film(PATH, FILM.clone()).habits(habits).start().unwrap();
            server.fault(When::Nth(1), Fault::Between { after, bytes: change(scheme, packets) });
            let url = Url::parse(&server.url(scheme, PATH)).unwrap();
            let source = MmsSource::new(Client::new(url, Config::default()));
            let what = format!("{scheme}: {packets} packets of another film after {after}");
            let start = header + 10 * size;

            let validator = source.probe(&SourceContext::new()).await.unwrap().validator;
            let mut reader = open(&source, OpenRequest::from(start).expecting(validator.clone())).await.unwrap();
            let (got, ended) = read(&mut *reader).await;
            let at = start + got.len() as u64;
            assert_eq!(got.len() as u64, u64::from(after) * size, "{what}: {ended:?}");
            assert!(got == FILM.served()[start as usize..at as usize], "{what}: other bytes");
            if after > 0 {
                assert_eq!(ended.unwrap_err().class(), ErrorClass::Transient, "{what}");
            }
            reader.stop().await;

            // The film is still there, and goes on; the other one in its place is told.
            let mut reader = open(&source, OpenRequest::from(at).expecting(validator.clone())).await.unwrap();
            let (rest, ended) = read(&mut *reader).await;
            assert!(ended.is_ok() && rest == FILM.served()[at as usize..], "{what}: {ended:?}");
            drop(reader);
            server.put(PATH, OTHER.clone());
            source.probe(&SourceContext::new()).await.unwrap();
            let error = open(&source, OpenRequest::from(at).expecting(validator)).await.err().expect("another film");
            assert_eq!(error.class(), ErrorClass::Changed, "{what}: {error}");
        }
    }
}
