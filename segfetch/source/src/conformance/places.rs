//! Where streams start and end.

use super::drive::{Stream, WATCH, WINDOW, attempt, inside, near_end, probe, require_random};
use super::{Fixture, NotApplicable, Outcome, Situation};
use crate::{Access, End, ErrorClass, OpenRequest, RangeSource, SourceContext, SourceError, Step};

/// [`Opened::start`](crate::Opened::start) is at most `request.start`.
pub async fn a_stream_starts_at_or_before_the_byte_asked_for(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    for asked in places(fixture) {
        // Whether the open may fail is another sentence.
        if let Ok(stream) = Stream::try_open(fixture, &source, OpenRequest::from(asked)).await {
            let start = stream.opened().start;
            assert!(start <= asked, "asked for {asked}, started at {start}");
            stream.stop().await;
        }
    }
    Ok(())
}

/// [`Access`] tells where a stream can start, and how often; a stream then reaches the byte that was asked for.
pub async fn streams_start_wherever_access_says(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let places = match probe(fixture, &source).await.access {
        Access::Random => places(fixture),
        Access::FromStartOnly => vec![0, 0],
        Access::Sequential => vec![0],
    };
    for asked in places {
        let mut stream = Stream::open(fixture, &source, OpenRequest::from(asked)).await;
        let ended = stream.pass(asked + 1).await;
        assert!(!ended, "asked for {asked}, the end came at {}", stream.at);
        stream.stop().await;
    }
    Ok(())
}

/// A start equal to the length of the file is answered by an immediate [`Step::End`].
pub async fn a_start_at_the_length_ends_at_once(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    require_random(fixture, &source).await?;
    let mut stream = Stream::open(fixture, &source, OpenRequest::from(fixture.file_len())).await;
    match stream.read(1).await {
        Ok(Step::End) => stream.stop().await,
        other => panic!("a stream at the length of the file began with {other:?}"),
    }
    Ok(())
}

/// A start beyond the length is [`ErrorClass::RangeNotSupported`], or [`ErrorClass::Changed`] where the source remembers a
/// longer file; in no case bytes, an end, or an error that is tried again. It may come with the first read.
pub async fn a_start_beyond_the_length_is_a_typed_error(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    require_random(fixture, &source).await?;
    for start in [fixture.file_len() + 1, u64::MAX] {
        let error = match Stream::try_open(fixture, &source, OpenRequest::from(start)).await {
            Err(error) => error,
            Ok(mut stream) => match stream.read(1).await {
                Err(error) => error,
                Ok(step) => panic!("a stream at {start}, which is beyond the file, began with {step:?}"),
            },
        };
        let known = matches!(error.class(), ErrorClass::RangeNotSupported | ErrorClass::Changed);
        assert!(known, "a start at {start}, beyond the file, is {:?}: {error}", error.class());
    }
    Ok(())
}

/// [`ErrorClass::RangeNotSupported`] if the server cannot start there; or the stream starts at 0 and says so.
pub async fn a_server_that_cannot_start_there_is_range_not_supported(fixture: &dyn Fixture) -> Outcome {
    if probe(fixture, &fixture.source()).await.access == Access::Random {
        fixture.arrange(Situation::NoRanges).await?;
    }
    match Stream::try_open(fixture, &fixture.source(), OpenRequest::from(fixture.file_len() / 2 + 1)).await {
        Ok(stream) => {
            assert_eq!(stream.opened().start, 0, "the server can only start at 0");
            stream.stop().await;
        }
        Err(error) => assert_eq!(error.class(), ErrorClass::RangeNotSupported, "{error}"),
    }
    Ok(())
}

/// With [`End::Exact`] the stream delivers no byte at or behind that offset, and all before it, if the source claims
/// [`exact_ends`](crate::SourceInfo::exact_ends).
pub async fn exact_ends_are_kept_where_claimed(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let info = probe(fixture, &source).await;
    if !info.exact_ends {
        return Err(NotApplicable::because("the source does not claim exact ends"));
    }
    let len = fixture.file_len();
    let mut ranges = vec![(0, 1), (0, WINDOW + 1)];
    if info.access == Access::Random {
        ranges.extend([(len / 2 + 1, len / 2 + WINDOW), (len - 10, len - 1), (len - 10, len)]);
    }
    for (start, end) in ranges {
        let request = OpenRequest::from(start).with_end(End::Exact(end));
        let mut stream = Stream::open(fixture, &source, request).await;
        // One byte more than allowed is enough to know.
        let ended = stream.pass(end + 1).await;
        assert!(ended, "asked for {start}..{end}, was sent a byte behind it");
        assert_eq!(stream.at, end, "asked for {start}..{end}, the end came elsewhere");
        stream.stop().await;
    }
    Ok(())
}

/// [`End::Soft`] is where the stream will probably be stopped; the engine may read on.
pub async fn a_soft_end_does_not_end_the_stream(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let start = inside(fixture, &source).await;
    let soft = start + 1_000;
    let mut stream = Stream::open(fixture, &source, OpenRequest::from(start).with_end(End::Soft(soft))).await;
    let ended = stream.pass(soft + WINDOW / 2).await;
    assert!(!ended, "the soft end was {soft}, the stream ended at {}", stream.at);
    stream.stop().await;
    Ok(())
}

/// [`Opened::ends_at`](crate::Opened::ends_at) is where the stream ends by itself.
pub async fn a_stated_end_is_where_the_stream_ends(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let start = near_end(fixture, &source).await?;
    let mut stated = 0;
    for end in [End::Exact(start + WINDOW / 2), End::Soft(start + WINDOW / 2), End::Open] {
        let mut stream = Stream::open(fixture, &source, OpenRequest::from(start).with_end(end)).await;
        if let Some(ends_at) = stream.opened().ends_at {
            stated += 1;
            let ended = stream.pass(ends_at.saturating_add(1)).await;
            assert!(ended && stream.at == ends_at, "stated end {ends_at}, but the stream went to {}", stream.at);
        }
        stream.stop().await;
    }
    if stated == 0 {
        return Err(NotApplicable::because("the source states no ends"));
    }
    Ok(())
}

/// A stream with [`End::Open`] says [`Step::End`] at the end of the file, not before and not behind.
pub async fn end_comes_at_the_end_of_the_file(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let start = near_end(fixture, &source).await?;
    let mut stream = Stream::open(fixture, &source, OpenRequest::from(start)).await;
    let ended = stream.pass(fixture.file_len() + 1).await;
    assert!(ended, "bytes came behind the end of the file");
    assert_eq!(stream.at, fixture.file_len(), "the end came before the end of the file");
    stream.stop().await;
    Ok(())
}

/// An open resolves when the server has accepted, not before: a request that is not answered is not a stream.
pub async fn open_resolves_when_the_server_has_accepted_and_not_before(fixture: &dyn Fixture) -> Outcome {
    fixture.arrange(Situation::Unanswered).await?;
    let source = fixture.source();
    let cx = SourceContext::new();
    // The source may run into its own deadline, so an error is as good as waiting.
    if let Some(Ok(_)) = attempt(fixture, WATCH, source.open(&cx, OpenRequest::from(0))).await {
        panic!("open resolved, and the server had accepted nothing");
    }
    Ok(())
}

/// [`opened`](crate::RangeReader::opened) is what the server said when it accepted, also later.
pub async fn opened_stays_what_the_server_said(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let start = near_end(fixture, &source).await?;
    let mut stream = Stream::open(fixture, &source, OpenRequest::from(start)).await;
    let said = stream.opened().clone();
    stream.pass(start + 1_000).await;
    assert_eq!(*stream.opened(), said, "after the first bytes");
    stream.pass(u64::MAX).await;
    assert_eq!(*stream.opened(), said, "after the end");
    stream.stop().await;
    Ok(())
}

/// Beginning, end, and odd places between.
fn places(fixture: &dyn Fixture) -> Vec<u64> {
    let len = fixture.file_len();
    vec![0, 1, len / 3 + 1, len / 2, len - 1]
}

/// The error that a probe, and then an open, are answered by. Panics if one of them works.
pub(super) async fn refusals(fixture: &dyn Fixture, source: &dyn RangeSource) -> [SourceError; 2] {
    let cx = SourceContext::new();
    let Err(probe) = super::drive::settle(fixture, "probe", source.probe(&cx)).await else {
        panic!("probe worked");
    };
    let Err(open) = Stream::try_open(fixture, source, OpenRequest::from(0)).await else {
        panic!("open worked");
    };
    [probe, open]
}
