//! What reading brings.

use super::drive::{ROOM, Stream, WATCH, WINDOW, inside, near_end};
use super::{Fixture, NotApplicable, Outcome, Situation};
use crate::{OpenRequest, Step};

/// Bytes that are read in search of a hole.
const HOLES_WITHIN: u64 = 4 << 20;

/// The bytes of a stream are those of the file from [`Opened::start`](crate::Opened::start) on.
pub async fn the_bytes_are_those_of_the_file(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let mut starts = vec![0, inside(fixture, &source).await];
    starts.extend(near_end(fixture, &source).await.ok());
    starts.dedup();
    for start in starts {
        let mut stream = Stream::open(fixture, &source, OpenRequest::from(start)).await;
        for (room, until) in [(1, 10), (7, 500), (4_096, WINDOW / 2), (ROOM, WINDOW)] {
            stream.compare(start + until, room).await;
        }
        stream.stop().await;
    }
    Ok(())
}

/// [`Step::Skip`]: this many bytes will not come on this stream; what follows lies behind them.
pub async fn what_follows_a_skip_lies_behind_it(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let mut stream = Stream::open(fixture, &source, OpenRequest::from(0)).await;
    let mut skips = 0;
    while stream.at < HOLES_WITHIN {
        match stream.read(ROOM).await {
            Ok(Step::Skip(_)) => {
                skips += 1;
                assert!(stream.at <= fixture.file_len(), "a skip went beyond the end of the file, to {}", stream.at);
            }
            Ok(Step::Bytes(_)) => stream.check(),
            Ok(Step::End) => break,
            Err(error) => panic!("a read at {} failed: {error}", stream.at),
        }
    }
    stream.stop().await;
    if skips == 0 {
        return Err(NotApplicable::because("the source skipped nothing"));
    }
    Ok(())
}

/// [`Step::Bytes`] tells exactly how many bytes were put; no other step, and no error, puts any.
pub async fn steps_tell_exactly_how_many_bytes_were_put(fixture: &dyn Fixture) -> Outcome {
    // Where a stream can be cut, the read that fails is looked at too.
    let _ = fixture.arrange(Situation::CutAfter(WINDOW)).await;
    let source = fixture.source();
    let start = inside(fixture, &source).await;
    let mut stream = Stream::open(fixture, &source, OpenRequest::from(start)).await;
    for room in [1, 2, 3, 100, 5_000, ROOM].into_iter().cycle() {
        stream.buffer.clear();
        let step = stream.read(room).await;
        let told = match step {
            Ok(Step::Bytes(bytes)) => bytes.get(),
            _ => 0,
        };
        assert_eq!(stream.buffer.len(), told, "bytes put, and bytes told by {step:?}");
        if stream.at > start + WINDOW || matches!(step, Ok(Step::End) | Err(_)) {
            break;
        }
    }
    stream.stop().await;
    Ok(())
}

/// A dropped read loses no byte and puts none; the next one goes on where the last finished one ended. The end is not
/// lost either.
pub async fn a_dropped_read_loses_no_byte(fixture: &dyn Fixture) -> Outcome {
    // Over sockets, reads hardly ever wait otherwise. The pieces fit neither the room nor, it is hoped, the frames.
    let _ = fixture.arrange(Situation::Trickle(701)).await;
    let source = fixture.source();
    let mut places = vec![(inside(fixture, &source).await, WINDOW)];
    places.extend(near_end(fixture, &source).await.ok().map(|start| (start, u64::MAX)));
    let mut dropped = 0;
    for (start, bytes) in places {
        let mut stream = Stream::open(fixture, &source, OpenRequest::from(start)).await;
        let mut patience = 0;
        while stream.at < start.saturating_add(bytes) {
            // More patience after each drop, so that also a source comes forward that begins anew each time.
            let step = match stream.read_dropped_after(patience, 1_000).await {
                Some(step) => step,
                None => {
                    assert!(stream.buffer.is_empty(), "a dropped read has put bytes at {}", stream.at);
                    patience += 1;
                    if patience == 1 {
                        continue;
                    }
                    dropped += 1;
                    fixture.pause().await;
                    if patience < 8 { continue } else { stream.read(1_000).await }
                }
            };
            patience = 0;
            match step {
                Ok(Step::End) => break,
                Ok(_) => stream.check(),
                Err(error) => panic!("a read at {} failed: {error}", stream.at),
            }
        }
        if bytes == u64::MAX {
            assert_eq!(stream.at, fixture.file_len(), "the end came elsewhere");
        }
        stream.stop().await;
    }
    if dropped == 0 {
        return Err(NotApplicable::because("no read was ever pending"));
    }
    Ok(())
}

/// Silence in the body is the engine's to judge: a source has no deadline for it.
pub async fn silence_in_the_body_is_left_to_the_engine(fixture: &dyn Fixture) -> Outcome {
    fixture.arrange(Situation::SilentAfter(WINDOW)).await?;
    let source = fixture.source();
    let start = inside(fixture, &source).await;
    let mut stream = Stream::open(fixture, &source, OpenRequest::from(start)).await;
    while let Some(step) = stream.read_for(WATCH, ROOM).await {
        match step {
            Ok(Step::End) => panic!("the server fell silent, and the reader said the end"),
            Ok(_) => {}
            Err(error) => panic!("the server fell silent, and the reader did not wait: {error}"),
        }
    }
    stream.stop().await;
    Ok(())
}

/// [`Step::End`] is truth: the peer has confirmed completion by the protocol's own rule.
pub async fn end_is_said_only_after_the_peer_confirmed(fixture: &dyn Fixture) -> Outcome {
    let cut = fixture.arrange(Situation::CutAfter(WINDOW)).await;
    if cut.is_ok() {
        let source = fixture.source();
        let start = inside(fixture, &source).await;
        no_end(fixture, start, "the stream was cut").await;
    }
    match fixture.arrange(Situation::Unconfirmed).await {
        Ok(()) => {
            let start = near_end(fixture, &fixture.source()).await?;
            no_end(fixture, start, "the end was not confirmed").await;
            Ok(())
        }
        Err(_) => cut,
    }
}

async fn no_end(fixture: &dyn Fixture, start: u64, why: &str) {
    let mut stream = Stream::open(fixture, &fixture.source(), OpenRequest::from(start)).await;
    while let Some(Ok(step)) = stream.read_for(WATCH, ROOM).await {
        assert_ne!(step, Step::End, "{why}, and the reader said the end at {}", stream.at);
    }
    stream.stop().await;
}
