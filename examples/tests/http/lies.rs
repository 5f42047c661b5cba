//! Downloads from servers that lie, change, break and refuse. Whatever they do: the right file, or none.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use segfetch::source::{ErrorClass, OpenRequest, RangeSource, SourceContext};
use segfetch::{DownloadError, Event, Integrity};

use crate::server::{Answer, Body, Request, Server, Then};
use crate::support::{MIB, World, content, download, source};

const LEN: u64 = 16 * MIB;

/// Slow enough that several streams are needed, and a change can come in between.
const RATE: usize = 4 << 20;

/// Calls `then` with the number of each stream, from 1.
fn streams(server: &Server, then: impl Fn(u64, &Request, &mut Answer) + Send + Sync + 'static) {
    let count = AtomicU64::new(0);
    server.script(move |request, answer| {
        if request.is_stream() {
            then(count.fetch_add(1, Ordering::SeqCst) + 1, request, answer);
        }
    });
}

/// Downloads over four streams until some of it is safe, and stops.
async fn begin(world: &World, server: &Server) {
    server.script(|_, answer| answer.set_rate(RATE / 4));
    let ended = world.run_until(download(server, 4), |progress| progress.durable > 0).await;
    assert!(matches!(ended.err(), DownloadError::Cancelled { .. }));
    server.honest();
}

/// Fails unless nothing of the generated file 2 was written, and no file published.
fn assert_no_mixture(world: &World) {
    world.assert_no_file();
    let (old, new) = (content(1, LEN), content(2, LEN));
    let part = world.part();
    let foreign = part.iter().enumerate().position(|(at, byte)| *byte != 0 && *byte != old[at] && *byte == new[at]);
    assert_eq!(foreign, None, "a byte of the new file is in the part");
}

#[tokio::test]
async fn four_streams_bring_the_file_and_each_is_kept_alive() {
    let (world, server) = (World::new(), Server::start(LEN, 1));
    server.script(|_, answer| answer.set_rate(RATE));
    let (report, _) = world.fetch(&server, 4).await.ok();
    world.assert_file(1, LEN);
    assert_eq!(report.integrity, Integrity::Validator);
    let log = server.log();
    assert_eq!(log.most_sending, 4);
    assert!(log.connections <= u64::from(report.opens), "{} connections, {} opens", log.connections, report.opens);
}

#[tokio::test]
async fn a_server_without_ranges_is_asked_once_and_its_one_body_is_the_file() {
    let (world, server) = (World::new(), Server::start(LEN, 1));
    server.script(|_, answer| answer.set_whole(1, LEN));
    let (report, _) = world.fetch(&server, 4).await.ok();
    world.assert_file(1, LEN);
    assert_eq!((report.opens, server.log().requests.len()), (1, 2));
}

#[tokio::test]
async fn a_whole_file_in_answer_to_the_first_range_is_used_from_its_beginning() {
    let (world, server) = (World::new(), Server::start(LEN, 1));
    streams(&server, |_, _, answer| {
        answer.set_whole(1, LEN);
        answer.set_rate(RATE);
    });
    let (report, _) = world.fetch(&server, 4).await.ok();
    world.assert_file(1, LEN);
    assert!(report.fetched < LEN + LEN / 2, "the first body was not used: {report:?}");
}

#[tokio::test]
async fn a_whole_file_in_answer_to_a_later_range_is_compared_and_used_or_refused() {
    for (seed, etag) in [(1, "\"v1\""), (2, "\"v2\""), (2, "\"v1\"")] {
        let (world, server) = (World::new(), Server::start(LEN, 1));
        begin(&world, &server).await;
        streams(&server, move |_, _, answer| {
            answer.set_whole(seed, LEN);
            answer.set("ETag", etag);
        });
        let ended = world.fetch(&server, 4).await;
        match (seed, etag) {
            (1, _) => {
                ended.ok();
                world.assert_file(1, LEN);
            }
            (_, "\"v2\"") => {
                assert!(matches!(ended.err(), DownloadError::Changed { .. }));
                assert_no_mixture(&world);
            }
            // A server that has one strong tag for two files is only found out by what came twice.
            _ => {
                assert!(matches!(ended.err(), DownloadError::Changed { .. }));
                world.assert_no_file();
            }
        }
    }
}

#[tokio::test]
async fn a_part_with_a_wrong_range_is_never_written() {
    let wrong: [fn(&Request, &mut Answer); 4] = [
        |_, answer| drop(answer.headers.remove("Content-Range")),
        |request, answer| {
            if let Some((start, _)) = request.range().filter(|(start, _)| *start > 0) {
                answer.set("Content-Range", format_args!("bytes {}-{}/{LEN}", start - 1, start + answer.len() - 2));
                answer.body = Body::Part(1, start - 1..start - 1 + answer.len());
            }
        },
        |request, answer| {
            if let Some((start, _)) = request.range() {
                answer.set("Content-Range", format_args!("bytes {start}-{}/*", start + answer.len()));
            }
        },
        |_, answer| answer.set("Content-Range", "bytes */*"),
    ];
    for (n, wrong) in wrong.into_iter().enumerate() {
        let (world, server) = (World::new(), Server::start(LEN, 1));
        streams(&server, move |stream, request, answer| {
            if stream > 1 && request.range().is_some() {
                wrong(request, answer);
            }
            answer.set_rate(RATE);
        });
        world.fetch(&server, 4).await.ok();
        world.assert_file(1, LEN);
        assert!(server.log().requests.iter().any(|request| request.range().is_some()), "{n}");
    }
}

#[tokio::test]
async fn a_wrong_total_is_a_changed_file() {
    let (world, server) = (World::new(), Server::start(LEN, 1));
    streams(&server, |stream, request, answer| {
        if let Some((start, _)) = request.range().filter(|_| stream > 1) {
            answer.set("Content-Range", format_args!("bytes {start}-{}/{}", start + answer.len() - 1, LEN + 1));
        }
        answer.set_rate(RATE);
    });
    assert!(matches!(world.fetch(&server, 4).await.err(), DownloadError::Changed { .. }));
    world.assert_no_file();
}

#[tokio::test]
async fn an_error_page_as_long_as_the_part_is_not_taken_for_it() {
    let (world, server) = (World::new(), Server::start(LEN, 1));
    streams(&server, |stream, _, answer| {
        if stream % 2 == 1 {
            let page = vec![b'!'; usize::try_from(answer.len()).unwrap()];
            answer.headers.retain(|name, _| name.starts_with("Content"));
            answer.set("Content-Type", "text/html");
            answer.body = Body::Bytes(page);
        }
    });
    let (report, events) = world.fetch(&server, 4).await.ok();
    world.assert_file(1, LEN);
    assert!(report.retries > 0);
    let told = |event: &Event| matches!(event, Event::Retry { message, .. } if message.contains("which file"));
    assert!(events.iter().any(told), "{events:?}");
}

#[tokio::test]
async fn an_encoded_body_ends_the_download_before_a_byte_of_it_is_written() {
    let (world, server) = (World::new(), Server::start(LEN, 1));
    begin(&world, &server).await;
    let before = world.part();
    streams(&server, |_, _, answer| {
        answer.set("Content-Encoding", "gzip");
        answer.body = Body::Bytes(vec![0x1f; usize::try_from(answer.len()).unwrap()]);
    });
    let error = world.fetch(&server, 4).await.err();
    assert!(matches!(&error, DownloadError::Source(source) if source.class() == ErrorClass::Permanent), "{error}");
    assert!(error.to_string().contains("gzip"), "{error}");
    assert!(world.part() == before, "the part is another one");
}

#[tokio::test]
async fn a_file_that_is_replaced_by_one_of_the_same_length_between_two_runs_has_changed() {
    let (world, server) = (World::new(), Server::start(LEN, 1));
    begin(&world, &server).await;
    server.put(LEN, 2);
    assert!(matches!(world.fetch(&server, 4).await.err(), DownloadError::Changed { .. }));
    assert_no_mixture(&world);
}

#[tokio::test]
async fn a_file_that_is_replaced_between_two_streams_has_changed_and_nothing_of_the_new_one_is_written() {
    for validator in ["ETag", "Last-Modified"] {
        let (world, server) = (World::new(), Server::start(LEN, 1));
        streams(&server, move |stream, request, answer| {
            // Only one of the two tells.
            answer.headers.retain(|name, _| *name == validator || *name == "Content-Range");
            if stream > 2 {
                answer.set(validator, if validator == "ETag" { "\"v2\"" } else { "Sun, 06 Nov 1994 08:50:00 GMT" });
                let start = request.range().map_or(0, |(start, _)| start);
                answer.body = Body::Part(2, start..start + answer.len());
            }
            answer.set_rate(RATE);
        });
        assert!(matches!(world.fetch(&server, 4).await.err(), DownloadError::Changed { .. }), "{validator}");
        assert_no_mixture(&world);
    }
}

#[tokio::test]
async fn a_file_that_is_overwritten_in_the_middle_of_a_body_is_not_published() {
    let (world, server) = (World::new(), Server::start(LEN, 1));
    server.script(|request, answer| {
        answer.headers.remove("ETag");
        if request.number > 2 {
            // The only stream has begun; what is asked later is answered by the new file.
            answer.set("Last-Modified", "Sun, 06 Nov 1994 08:50:00 GMT");
        } else if request.is_stream() {
            let mut mixture = content(1, LEN);
            let half = mixture.len() / 2;
            mixture[half..].copy_from_slice(&content(2, LEN)[half..]);
            answer.body = Body::Bytes(mixture);
        }
    });
    assert!(matches!(world.fetch(&server, 1).await.err(), DownloadError::Changed { .. }));
    world.assert_no_file();
}

#[tokio::test]
async fn a_file_that_grows_or_shrinks_has_changed() {
    for len in [LEN + 1000, LEN - 1000] {
        let (world, server) = (World::new(), Server::start(LEN, 1));
        begin(&world, &server).await;
        server.put(len, 1);
        assert!(matches!(world.fetch(&server, 4).await.err(), DownloadError::Changed { .. }), "{len}");
        world.assert_no_file();
    }
}

#[tokio::test]
async fn a_connection_that_breaks_after_every_64_kib_only_costs_connections() {
    let len = 4 * MIB;
    let (world, server) = (World::new(), Server::start(len, 1));
    streams(&server, |_, _, answer| answer.then = Some((64 << 10, Then::Close)));
    let (report, _) = world.fetch(&server, 4).await.ok();
    world.assert_file(1, len);
    assert!(report.opens >= 64, "{report:?}");
    assert!(report.fetched <= len, "{report:?}");
}

#[tokio::test]
async fn streams_that_fall_silent_after_one_byte_are_replaced() {
    let (world, server) = (World::new(), Server::start(LEN, 1));
    streams(&server, |stream, _, answer| {
        if stream <= 4 {
            answer.then = Some((1, Then::Silence));
        }
    });
    let (report, _) = world.run(download(&server, 4).silence(Duration::from_millis(300))).await.ok();
    world.assert_file(1, LEN);
    assert!(report.retries >= 1, "{report:?}");
}

#[tokio::test]
async fn a_server_that_carries_two_connections_serves_the_whole_file_over_them() {
    for status in [503, 429] {
        let (world, server) = (World::new(), Server::start(LEN, 1));
        server.script(move |request, answer| {
            if request.connection > 2 {
                answer.set_refusal(status);
                answer.set("Retry-After", 1);
                answer.set("Connection", "close");
                answer.set("Content-Length", answer.len());
            } else {
                answer.set_rate(RATE);
            }
        });
        let (report, _) = world.fetch(&server, 4).await.ok();
        world.assert_file(1, LEN);
        assert!(report.refusals >= 1, "{report:?}");
        assert_eq!(report.retries, 0, "a refusal is no failure");
    }
}

#[tokio::test]
async fn a_missing_or_forbidden_file_is_asked_for_once() {
    for (status, class) in [(404, ErrorClass::NotFound), (403, ErrorClass::Denied), (401, ErrorClass::Denied)] {
        let (world, server) = (World::new(), Server::start(LEN, 1));
        server.script(move |_, answer| answer.set_refusal(status));
        let error = world.fetch(&server, 4).await.err();
        assert!(matches!(&error, DownloadError::Source(source) if source.class() == class), "{error}");
        assert_eq!(server.log().requests.len(), 1);
    }
}

#[tokio::test]
async fn mirrors_with_validators_of_their_own_are_told_from_a_changed_file_by_the_bytes() {
    // Both serve the same bytes; the other one calls them something else.
    let (here, there) = (Server::start(LEN, 1), Server::start(LEN, 1));
    there.script(|_, answer| answer.set("ETag", "\"other\""));
    let cx = SourceContext::new();
    let elsewhere = there.origin().replace("127.0.0.1", "localhost");
    let source = source(&here.url());
    let info = source.probe(&cx).await.unwrap();
    here.script(move |_, answer| {
        answer.set_refusal(302);
        answer.set("Location", format_args!("{elsewhere}/f"));
    });
    let request = OpenRequest::from(5).expecting(info.validator);
    assert!(source.open(&cx, request).await.is_ok(), "a mirror was taken for a change");
}
