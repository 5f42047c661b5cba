//! What the contract does not ask of every source, but this one promises.

use bytes::BytesMut;
use ftp_proto::client::{Client, Config};
use ftp_proto::source::{FtpSource, NotAFile};
use ftp_proto::testing::{Fault, Feature, File, LimitAt, Personality, Server, When};
use ftp_proto::wire::Url;
use segfetch_source::{
    Access, End, ErrorClass, OpenRequest, Phase, RangeReader, RangeSource, SourceContext, SourceError, Space, Step,
};

const LEN: u64 = 1 << 20;

fn server(personality: Personality) -> Server {
    let file = || File::generated(LEN, 1);
    Server::builder()
        .personality(personality)
        .with(Feature::Rang)
        .file("/a", file())
        .file("/b", file())
        .start()
        .unwrap()
}

fn url(server: &Server, path: &str) -> Url {
    Url::parse(&server.url(path)).unwrap()
}

fn source(server: &Server) -> FtpSource {
    FtpSource::connect(&url(server, "/a"), Config::default()).unwrap()
}

async fn open(source: &FtpSource, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
    source.open(&SourceContext::new(), request).await
}

/// Reads to the end and returns how many bytes came.
async fn len(reader: &mut dyn RangeReader) -> Result<u64, SourceError> {
    let mut len = 0;
    let mut buffer = BytesMut::with_capacity(1 << 16);
    loop {
        buffer.clear();
        match reader.read(&mut Space::new(&mut buffer, 1 << 16)).await? {
            Step::Bytes(n) => len += n.get() as u64,
            Step::Skip(_) => panic!("FTP skips nothing"),
            Step::End => return Ok(len),
        }
    }
}

#[tokio::test]
async fn where_rang_is_refused_rest_serves_and_the_end_is_kept_all_the_same() {
    for refusal in ["502 not implemented", "554 not today"] {
        let server = server(Personality::proftpd());
        server.fault(When::Always, Fault::Reply("RANG", refusal));
        let source = source(&server);
        for start in [0, 5000] {
            let mut reader = open(&source, OpenRequest::from(start).with_end(End::Exact(9000))).await.unwrap();
            assert_eq!(reader.opened().ends_at, None);
            assert_eq!(len(&mut *reader).await.unwrap(), 9000 - start);
        }
        assert_eq!(server.counters().logins, 1);
        assert_eq!(source.client().quirks().no_rang, refusal.starts_with("502"));
    }
}

#[tokio::test]
async fn sources_of_one_client_share_its_sessions_and_what_it_knows() {
    let server = server(Personality::vsftpd());
    let client = Client::new(&url(&server, "/"), Config::default());
    let a = FtpSource::new(client.clone(), &url(&server, "/a")).unwrap();
    let b = FtpSource::new(client.clone(), &url(&server, "/b")).unwrap();
    assert_eq!(a.host(), b.host());
    for source in [&a, &b, &a, &b] {
        source.probe(&SourceContext::new()).await.unwrap();
        let mut reader = open(source, OpenRequest::from(LEN - 100)).await.unwrap();
        assert_eq!(len(&mut *reader).await.unwrap(), 100);
    }
    assert_eq!((server.counters().logins, client.sessions()), (1, 1));
}

#[tokio::test]
async fn sessions_are_never_more_than_the_streams_that_were_open_at_once() {
    let server = server(Personality::pure_ftpd());
    let source = source(&server);
    let mut readers = Vec::new();
    for round in 0..40 {
        let request = OpenRequest::from(round * 1000);
        if round % 3 == 2 {
            // One stream is dropped and the next one opened at once: it takes the session over.
            readers.pop();
        }
        readers.push(open(&source, request).await.unwrap());
        readers.truncate(4);
    }
    let counters = server.counters();
    assert!(counters.max_open <= 5 && counters.logins <= 5, "{counters:?}");
}

#[tokio::test]
async fn a_full_server_is_throttled_with_what_it_says_of_its_limit() {
    let server =
        Server::builder().personality(Personality::proftpd()).file("/a", File::generated(LEN, 1)).max_connections(1);
    let server = server.limit_at(LimitAt::Password).start().unwrap();
    let source = source(&server);
    let _held = open(&source, OpenRequest::from(0)).await.unwrap();
    let error = open(&source, OpenRequest::from(0)).await.err().unwrap();
    assert!(matches!(error.class(), ErrorClass::Throttled { .. }), "{error}");
    assert_eq!((error.phase(), error.code()), (Phase::Login, Some(530)));
}

#[tokio::test]
async fn a_server_that_was_found_out_offers_the_beginning_only() {
    let server = Server::builder().file("/a", File::generated(LEN, 1)).start().unwrap();
    server.fault(When::Always, Fault::REST_IGNORED);
    let source = source(&server);
    let probe = || async { source.probe(&SourceContext::new()).await.unwrap().access };
    assert_eq!(probe().await, Access::Random);
    let error = open(&source, OpenRequest::from(LEN / 2)).await.err().unwrap();
    assert_eq!(error.class(), ErrorClass::RangeNotSupported);
    assert_eq!(probe().await, Access::FromStartOnly);
    assert_eq!(len(&mut *open(&source, OpenRequest::from(0)).await.unwrap()).await.unwrap(), LEN);
}

#[tokio::test]
async fn more_bytes_than_the_file_has_are_a_change_only_if_the_server_says_so_too() {
    let server = server(Personality::vsftpd());
    server.fault(When::Always, Fault::WrongSize(-1000));
    let source = source(&server);
    let mut reader = open(&source, OpenRequest::from(0)).await.unwrap();
    let error = len(&mut *reader).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Permanent, "{error}");
    assert_eq!(
        reader.read(&mut Space::new(&mut BytesMut::with_capacity(9), 9)).await.unwrap_err().class(),
        error.class()
    );

    let mut reader = open(&source, OpenRequest::from(0)).await.unwrap();
    server.put("/a", File::generated(LEN + 5000, 2));
    assert_eq!(len(&mut *reader).await.unwrap_err().class(), ErrorClass::Changed);
}

#[tokio::test]
async fn a_server_without_a_free_port_is_full_while_it_serves_us_and_busy_while_it_does_not() {
    let server = server(Personality::plain());
    let source = source(&server);
    let _held = open(&source, OpenRequest::from(0)).await.unwrap();
    for verb in ["EPSV", "PASV"] {
        server.fault(When::Always, Fault::Reply(verb, "425 No port."));
    }
    let error = open(&source, OpenRequest::from(0)).await.err().unwrap();
    assert_eq!(error.class(), ErrorClass::Throttled { retry_after: None, limit_hint: None }, "{error}");
    let alone = FtpSource::connect(&url(&server, "/a"), Config::default()).unwrap();
    assert_eq!(open(&alone, OpenRequest::from(0)).await.err().unwrap().class(), ErrorClass::Transient);
}

#[test]
fn a_url_that_names_no_file_is_refused_at_once() {
    let refused = [
        ("ftp://h/", NotAFile::Directory),
        ("ftp://h/a/", NotAFile::Directory),
        ("ftp://h/a;type=d", NotAFile::Directory),
        ("ftp://h/a;type=a", NotAFile::Text),
    ];
    for (url, reason) in refused {
        let error = FtpSource::connect(&Url::parse(url).unwrap(), Config::default()).unwrap_err();
        assert_eq!(error, reason, "{url}");
    }
    let parse = |url: &str| Url::parse(url).unwrap();
    let client = Client::new(&parse("ftp://u:p@h/"), Config::default());
    assert_eq!(FtpSource::new(client, &parse("ftp://other/a")).unwrap_err(), NotAFile::OtherServer);
    let source = FtpSource::connect(&parse("ftp://u:hunter2@h/a;type=i"), Config::default()).unwrap();
    assert_eq!(source.label(), "ftp://u@h/a;type=i");
    assert_eq!(source.host().unwrap().as_str(), "h:21:u");
}
