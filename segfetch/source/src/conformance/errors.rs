//! Failures have the class that tells the engine what to do, and never a secret in their text.

use std::error::Error;
use std::fmt::Write;

use super::drive::{ROOM, Stream, WATCH, WINDOW, attempt, inside, probe};
use super::places::refusals;
use super::{Fixture, NotApplicable, Outcome, Situation};
use crate::{ErrorClass, OpenRequest, SourceContext, SourceError, Step};

/// A bare end of file is [`ErrorClass::Transient`].
pub async fn a_bare_end_of_file_is_transient(fixture: &dyn Fixture) -> Outcome {
    fixture.arrange(Situation::CutAfter(WINDOW)).await?;
    let source = fixture.source();
    let start = inside(fixture, &source).await;
    let mut stream = Stream::open(fixture, &source, OpenRequest::from(start)).await;
    loop {
        match stream.read(ROOM).await {
            // That this must not be is another sentence.
            Ok(Step::End) => break,
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.class(), ErrorClass::Transient, "{error}");
                break;
            }
        }
    }
    stream.stop().await;
    Ok(())
}

/// A file that does not exist is [`ErrorClass::NotFound`].
pub async fn a_missing_file_is_not_found(fixture: &dyn Fixture) -> Outcome {
    fixture.arrange(Situation::Missing).await?;
    for error in refusals(fixture, &fixture.source()).await {
        assert_eq!(error.class(), ErrorClass::NotFound, "{error}");
    }
    Ok(())
}

/// An account that may not read the file, or not log in, is [`ErrorClass::Denied`].
pub async fn a_refused_account_is_denied(fixture: &dyn Fixture) -> Outcome {
    fixture.arrange(Situation::Denied).await?;
    for error in refusals(fixture, &fixture.source()).await {
        assert_eq!(error.class(), ErrorClass::Denied, "{error}");
    }
    Ok(())
}

/// [`ErrorClass::Throttled`] if the server admits no further session now; a source never waits for a free one.
pub async fn a_full_server_is_throttled_and_never_waited_for(fixture: &dyn Fixture) -> Outcome {
    /// More idle sessions than any pool keeps.
    const POOLED: usize = 64;
    let source = fixture.source();
    let mut streams = vec![Stream::open(fixture, &source, OpenRequest::from(0)).await];
    fixture.arrange(Situation::Full).await?;
    let refusal = loop {
        assert!(streams.len() <= POOLED, "the server is full, and {} streams were opened", streams.len());
        match Stream::try_open(fixture, &source, OpenRequest::from(0)).await {
            // An idle session of the source's own.
            Ok(stream) => streams.push(stream),
            Err(error) => break error,
        }
    };
    assert!(matches!(refusal.class(), ErrorClass::Throttled { .. }), "{:?}: {refusal}", refusal.class());
    for stream in streams {
        stream.stop().await;
    }
    Ok(())
}

/// Nothing that a source prints or stores contains a secret: label, `Debug`, host key, validator, errors and their causes.
pub async fn labels_debug_and_errors_hold_no_secret(fixture: &dyn Fixture) -> Outcome {
    let secrets = fixture.secrets();
    if secrets.is_empty() {
        return Err(NotApplicable::because("the source was given no secret"));
    }
    let mut said = Vec::new();
    {
        let source = fixture.source();
        let info = probe(fixture, &source).await;
        said.push(format!("{} {:?} {source:?} {info:?}", source.label(), source.host()));
        said.push(String::from_utf8_lossy(info.validator.as_bytes()).into_owned());
        let stream = Stream::open(fixture, &source, OpenRequest::from(0)).await;
        said.push(format!("{:?}", stream.opened()));
        stream.stop().await;
    }
    for situation in [
        Situation::Missing,
        Situation::Denied,
        Situation::Full,
        Situation::NoRanges,
        Situation::CutAfter(1_000),
        Situation::Unanswered,
    ] {
        if fixture.arrange(situation).await.is_ok() {
            said.extend(errors_of(fixture).await.iter().map(everything));
        }
    }
    for text in said {
        for secret in &secrets {
            // The text is not shown: it would put the secret into the test's log.
            assert!(!text.contains(secret.as_str()), "a secret of {} bytes is in what the source says", secret.len());
        }
    }
    Ok(())
}

/// The errors of one probe and one stream, as far as they have any soon.
async fn errors_of(fixture: &dyn Fixture) -> Vec<SourceError> {
    let source = fixture.source();
    let cx = SourceContext::new();
    let probed = attempt(fixture, WATCH, source.probe(&cx)).await.and_then(Result::err);
    let mut errors: Vec<_> = probed.into_iter().collect();
    for start in [0, fixture.file_len() / 2] {
        match attempt(fixture, WATCH, source.open(&cx, OpenRequest::from(start))).await {
            Some(Err(error)) => errors.push(error),
            Some(Ok(reader)) => {
                let mut stream = Stream::of(fixture, reader);
                let end = stream.at + WINDOW;
                while stream.at < end {
                    match stream.read_for(WATCH, ROOM).await {
                        Some(Ok(Step::Bytes(_) | Step::Skip(_))) => {}
                        Some(Err(error)) => {
                            errors.push(error);
                            break;
                        }
                        Some(Ok(Step::End)) | None => break,
                    }
                }
                stream.stop().await;
            }
            None => {}
        }
    }
    errors
}

/// All that an error can be made to say.
fn everything(error: &SourceError) -> String {
    let mut text = format!("{error:?}");
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(error) = cause {
        write!(text, " {error} {error:?}").expect("a String takes everything");
        cause = error.source();
    }
    text
}
