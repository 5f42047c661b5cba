//! Files that change, seen through the byte-range contract; and exact ranges.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime};

use bytes::BytesMut;
use ftp_proto::client::Config;
use ftp_proto::source::FtpSource;
use segfetch_source::{
    Access, End, ErrorClass, Extent, OpenRequest, RangeReader, RangeSource, SourceContext, SourceError, Space, Step,
};
use segfetch_testkit::lab::{Kind, Server};

use super::setup::{MIB, Rng, server_with_file, url};

fn source(server: &Server) -> FtpSource {
    FtpSource::connect(&url(server, "big"), Config::default()).unwrap()
}

async fn read_all(reader: &mut dyn RangeReader, limit: usize) -> Result<(Vec<u8>, bool), SourceError> {
    let mut bytes = BytesMut::with_capacity(limit);
    loop {
        if bytes.len() == limit {
            return Ok((bytes.to_vec(), false));
        }
        let left = limit - bytes.len();
        if reader.read(&mut Space::new(&mut bytes, left)).await? == Step::End {
            return Ok((bytes.to_vec(), true));
        }
    }
}

#[tokio::test]
async fn a_file_that_has_changed_in_length_or_time_is_not_opened_again() {
    let cx = SourceContext::new();
    for kind in Kind::ALL {
        let (dir, server, pattern) = server_with_file(kind, MIB);
        let file = dir.path().join("big");
        let source = source(&server);
        let info = source.probe(&cx).await.unwrap();
        assert_eq!((info.extent, info.access), (Extent::Known(MIB), Access::Random), "{kind:?}");
        let request = || OpenRequest::from(MIB / 2).expecting(info.validator.clone());
        let mut reader = source.open(&cx, request()).await.unwrap();
        let (bytes, _) = read_all(&mut *reader, 1000).await.unwrap();
        assert!(bytes == pattern.bytes(MIB / 2, 1000), "{kind:?}");
        reader.stop().await;

        let set = |len: u64, age: u64| {
            let handle = OpenOptions::new().write(true).open(&file).unwrap();
            handle.set_len(len).unwrap();
            handle.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        };
        // Longer, shorter than the start, a little shorter, of equal length but newer.
        for (len, age) in [(2 * MIB, 5000), (1000, 5000), (MIB - 1, 5000), (MIB, 5000)] {
            set(len, age);
            let error = source.open(&cx, request()).await.err().unwrap();
            assert_eq!(error.class(), ErrorClass::Changed, "{kind:?}: {len} bytes: {error}");
        }
        set(1000, 5000);
        let error = source.open(&cx, OpenRequest::from(5000)).await.err().unwrap();
        assert_eq!(error.class(), ErrorClass::RangeNotSupported, "{kind:?}: {error}");
        assert_eq!(source.client().sessions(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn a_start_behind_the_end_is_never_an_empty_success_even_where_size_is_refused() {
    let cx = SourceContext::new();
    for kind in [Kind::Vsftpd, Kind::Proftpd, Kind::Pyftpd] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("big"), [7; 1000]).unwrap();
        let mut server = kind.serve(dir.path()).without("SIZE");
        if kind != Kind::Vsftpd {
            server = server.without("MLST");
        }
        let server = server.start().unwrap();
        let source = source(&server);
        assert_eq!(source.probe(&cx).await.unwrap().extent, Extent::Unknown, "{kind:?}");
        for start in [1001, 1 << 40] {
            let error = match source.open(&cx, OpenRequest::from(start)).await {
                Err(error) => error,
                Ok(mut reader) => read_all(&mut *reader, 10).await.unwrap_err(),
            };
            assert_eq!(error.class(), ErrorClass::RangeNotSupported, "{kind:?}: {error}");
        }
        let mut reader = source.open(&cx, OpenRequest::from(990)).await.unwrap();
        assert_eq!(read_all(&mut *reader, 100).await.unwrap(), (vec![7; 10], true), "{kind:?}");
    }
}

#[tokio::test]
async fn exact_ranges_of_proftpd_end_by_themselves_and_abort_nothing() {
    let cx = SourceContext::new();
    let (dir, server, pattern) = server_with_file(Kind::Proftpd, 8 * MIB);
    let source = source(&server);
    assert!(source.probe(&cx).await.unwrap().exact_ends);
    let mut rng = Rng(3);
    for round in 0..60 {
        let start = rng.below(8 * MIB - 1);
        let end = if round % 10 == 0 { 8 * MIB } else { start + 1 + rng.below((8 * MIB - start).min(300_000)) };
        let mut reader = source.open(&cx, OpenRequest::from(start).with_end(End::Exact(end))).await.unwrap();
        assert_eq!(reader.opened().ends_at, Some(end));
        let (bytes, ended) = read_all(&mut *reader, 9 << 20).await.unwrap();
        assert!(ended && bytes == pattern.bytes(start, usize::try_from(end - start).unwrap()), "{start}..{end}");
    }
    // An end behind the end of the file is not asked for.
    let mut reader = source.open(&cx, OpenRequest::from(8 * MIB - 10).with_end(End::Exact(9 * MIB))).await.unwrap();
    assert_eq!(read_all(&mut *reader, 100).await.unwrap().0.len(), 10);
    let log = server.wait_for("transfers", |log| log.transfers.len() >= 61);
    assert!(log.transfers.iter().all(|transfer| transfer.aborted != Some(true)), "{:?}", log.transfers);
    assert_eq!(log.logins_granted(), 1);

    let info = source.probe(&cx).await.unwrap();
    OpenOptions::new().write(true).open(dir.path().join("big")).unwrap().set_len(1000).unwrap();
    let request = OpenRequest::from(500).with_end(End::Exact(5000)).expecting(info.validator);
    assert_eq!(source.open(&cx, request).await.err().unwrap().class(), ErrorClass::Changed);
}

#[tokio::test]
async fn a_marker_behind_4_gib_is_found() {
    const LEN: u64 = 5 << 30;
    let cx = SourceContext::new();
    for kind in Kind::ALL {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("big");
        segfetch_testkit::sparse_file(&file, LEN, b"the end").unwrap();
        let marks = [(1_u64 << 31) - 3, 1 << 31, (1 << 32) - 3, 1 << 32];
        let handle = OpenOptions::new().write(true).open(&file).unwrap();
        for mark in marks {
            File::write_all_at(&handle, &mark.to_be_bytes()[5..], mark).unwrap();
        }
        let server = kind.serve(dir.path()).start().unwrap();
        let source = source(&server);
        for mark in marks {
            let mut reader = source.open(&cx, OpenRequest::from(mark)).await.unwrap();
            assert_eq!(read_all(&mut *reader, 3).await.unwrap().0, &mark.to_be_bytes()[5..], "{kind:?}: {mark}");
        }
        let mut reader = source.open(&cx, OpenRequest::from(LEN - 7)).await.unwrap();
        assert_eq!(read_all(&mut *reader, 100).await.unwrap(), (b"the end".to_vec(), true), "{kind:?}");
        assert_eq!(source.client().sessions(), 1, "{kind:?}");
    }
}
