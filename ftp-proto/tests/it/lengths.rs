//! Servers that are wrong about the length of a file.

use bytes::BytesMut;
use ftp_proto::client::Config;
use ftp_proto::source::FtpSource;
use ftp_proto::testing::{Fault, Feature, File, Server, When};
use ftp_proto::wire::Url;
use segfetch_source::{ErrorClass, OpenRequest, RangeSource, SourceContext, SourceError, Space, Step};

const LEN: u64 = 100_000;

/// Reads a stream from `start` to its end, and returns how many bytes came before that.
async fn read_all(source: &FtpSource, start: u64) -> (u64, Option<SourceError>) {
    let mut reader = match source.open(&SourceContext::new(), OpenRequest::from(start)).await {
        Ok(reader) => reader,
        Err(error) => return (0, Some(error)),
    };
    let mut count = 0;
    loop {
        let mut buffer = BytesMut::with_capacity(65_536);
        match reader.read(&mut Space::new(&mut buffer, 65_536)).await {
            Ok(Step::Bytes(n)) => count += n.get() as u64,
            Ok(Step::Skip(_)) => panic!("FTP skips nothing"),
            Ok(Step::End) => return (count, None),
            Err(error) => return (count, Some(error)),
        }
    }
}

#[tokio::test]
async fn a_file_that_ends_twice_at_one_place_before_its_size_is_not_asked_for_a_third_time() {
    let server = Server::builder().file("/f", File::generated(LEN, 1)).without(Feature::Mlst).start().unwrap();
    server.fault(When::Always, Fault::WrongSize(1_000));
    let source = FtpSource::connect(&Url::parse(&server.url("/f")).unwrap(), Config::default()).unwrap();
    let (count, first) = read_all(&source, 0).await;
    assert_eq!((count, first.map(|error| error.class())), (LEN, Some(ErrorClass::Transient)));
    let (count, second) = read_all(&source, 0).await;
    let second = second.expect("it is no success");
    assert_eq!((count, second.class()), (LEN, ErrorClass::Permanent));
    assert!(second.to_string().contains("1000 bytes are missing"), "{second}");
}
