//! Streams that nobody reads for longer than the server waits.

use std::time::Duration;

use bytes::BytesMut;
use mms_proto::client::{Client, Config};
use mms_proto::source::MmsSource;
use mms_proto::testing::{AtEnd, Film, Habits, Server};
use mms_proto::wire::Url;
use segfetch_source::{ErrorClass, OpenRequest, RangeReader, RangeSource, SourceContext, SourceError, Space, Step};

use super::PATH;

/// Much more than the sockets of a connection take.
const PACKETS: u32 = 500;

fn film() -> Film {
    Film::builder().packet_size(64_000).packets(PACKETS).build_on_demand()
}

/// Reads until `enough`, the end, or an error.
async fn read(reader: &mut dyn RangeReader, got: &mut Vec<u8>, enough: usize) -> Result<(), SourceError> {
    while got.len() < enough {
        let mut buffer = BytesMut::with_capacity(1 << 20);
        match reader.read(&mut Space::new(&mut buffer, 1 << 20)).await? {
            Step::Bytes(_) => got.extend_from_slice(&buffer),
            Step::End => break,
            step => panic!("{step:?}"),
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_had_come_is_not_lost_and_the_next_stream_goes_on_behind_it() {
    let film = film();
    let whole: Vec<u8> = film.header().into_iter().chain((0..PACKETS).flat_map(|n| film.packet(n))).collect();
    for (scheme, held) in [("mmst", true), ("mmst", false), ("mmsh", true), ("mmsh", false)] {
        let habits = Habits::default().patience(Duration::from_millis(50)).at_end(AtEnd::Tell);
        let server = Server::builder().film(PATH, film.clone()).habits(habits).start().unwrap();
        let url = Url::parse(&server.url(scheme, PATH)).unwrap();
        let source = MmsSource::new(Client::new(url, Config::default()));
        let (cx, mut got) = (SourceContext::new(), Vec::new());

        let mut reader = source.open(&cx, OpenRequest::from(0)).await.unwrap();
        read(&mut *reader, &mut got, 200_000).await.unwrap();
        let gone = server.wait_for(|counters| counters.plays == 1 && counters.sessions == 0);
        if held {
            tokio::select! {
                error = reader.hold() => panic!("{scheme}: more has come than is taken in: {error}"),
                _ = gone => {}
            }
        } else {
            gone.await;
        }
        let before = got.len();
        let error = read(&mut *reader, &mut got, usize::MAX).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Transient, "{scheme}: {error}");
        assert!(got.len() > before && got.len() < whole.len(), "{scheme}: {} bytes", got.len());
        drop(reader);

        let mut reader = source.open(&cx, OpenRequest::from(got.len() as u64)).await.unwrap();
        assert_eq!(reader.opened().start, got.len() as u64, "{scheme}: whole packets were delivered");
        read(&mut *reader, &mut got, usize::MAX).await.unwrap();
        assert!(got == whole, "{scheme}: another film");
        assert_eq!(server.counters().plays, 2);
    }
}
