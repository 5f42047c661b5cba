//! What a probe says, and what a file is recognised by.

use super::drive::{Stream, inside, probe};
use super::{Fixture, NotApplicable, Outcome, Situation};
use crate::{ErrorClass, Extent, OpenRequest, RangeSource, Sameness, Strength, Validator};

/// A probe is repeatable: what it says of the file stays the same, and an open agrees. Sessions and cost may be learned.
pub async fn probe_is_repeatable_and_agrees_with_open(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let first = probe(fixture, &source).await;
    let start = inside(fixture, &source).await;
    let stream = Stream::open(fixture, &source, OpenRequest::from(start)).await;
    let opened = stream.opened().clone();
    stream.stop().await;
    let mut again = probe(fixture, &source).await;
    let sameness = source.compare(&first.validator, &again.validator);
    assert_ne!(sameness, Sameness::Different, "two probes have different validators");
    (again.sessions, again.cost, again.validator) = (first.sessions, first.cost, first.validator.clone());
    assert_eq!(first, again, "two probes differ");
    if let (Some(probed), Some(opened)) = (first.extent.known(), opened.extent.known()) {
        assert_eq!(probed, opened, "the lengths by probe and by open");
    }
    if let Some(validator) = &opened.validator {
        let sameness = source.compare(&first.validator, validator);
        assert_ne!(sameness, Sameness::Different, "probe and open have different validators");
    }
    Ok(())
}

/// A probe never guesses: a length that is called known is the length.
pub async fn probe_never_guesses(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let info = probe(fixture, &source).await;
    let start = inside(fixture, &source).await;
    let stream = Stream::open(fixture, &source, OpenRequest::from(start)).await;
    for (who, extent) in [("probe", info.extent), ("open", stream.opened().extent)] {
        match extent {
            Extent::Known(len) => assert_eq!(len, fixture.file_len(), "{who} tells a wrong length"),
            Extent::AtLeast(len) => assert!(len <= fixture.file_len(), "{who}: at least {len} is too much"),
            Extent::Growing | Extent::Unknown => {}
        }
    }
    stream.stop().await;
    assert_ne!(info.sessions.max, Some(0), "a server that allows no session cannot have been asked");
    Ok(())
}

/// [`host`](RangeSource::host) is known before the first connection, and stays the same.
pub async fn the_host_is_known_before_anybody_is_asked(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let before = source.host();
    probe(fixture, &source).await;
    let after = source.host();
    assert_eq!(before, after, "the host before and after a probe");
    before.map(|_| ()).ok_or(NotApplicable::because("the source shares no server"))
}

/// Equal content compares as [`Sameness::Same`], also after a validator has been in a journal, and may be expected.
pub async fn equal_content_compares_same(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let validator = recognised(fixture, &source).await?;
    let again = recognised(fixture, &source).await?;
    assert_eq!(source.compare(&validator, &again), Sameness::Same, "two probes of one file");
    let stored = Validator::decode(&validator.encode()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(source.compare(&stored, &again), Sameness::Same, "a validator from a journal");
    Stream::open(fixture, &source, OpenRequest::from(0).expecting(stored)).await.stop().await;
    Ok(())
}

/// A validator of [`Strength::None`] compares as [`Sameness::Unknown`], and bytes that the source never wrote never as
/// [`Sameness::Same`].
pub async fn a_validator_of_no_strength_proves_nothing(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let now = probe(fixture, &source).await.validator;
    let none = Validator::none();
    for (stored, now) in [(&none, &now), (&now, &none), (&none, &none)] {
        assert_eq!(source.compare(stored, now), Sameness::Unknown, "{stored:?} and {now:?}");
    }
    for bytes in [&b""[..], b"\xff", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"] {
        let foreign = Validator::new(Strength::Weak, bytes);
        assert_ne!(source.compare(&foreign, &now), Sameness::Same, "{foreign:?} and {now:?}");
    }
    Ok(())
}

/// A file that took the place of another does not compare as [`Sameness::Same`], by probe or by open.
pub async fn a_changed_file_is_told_by_the_validator(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let before = recognised(fixture, &source).await?;
    fixture.arrange(Situation::Replaced).await?;
    let now = probe(fixture, &source).await.validator;
    assert_ne!(source.compare(&before, &now), Sameness::Same, "by probe, the new file is the old one");
    let stream = Stream::open(fixture, &source, OpenRequest::from(0)).await;
    if let Some(now) = &stream.opened().validator {
        assert_ne!(source.compare(&before, now), Sameness::Same, "by open, the new file is the old one");
    }
    stream.stop().await;
    Ok(())
}

/// [`ErrorClass::Changed`] if `request.expect` is known not to hold any more.
pub async fn an_expectation_known_not_to_hold_is_changed(fixture: &dyn Fixture) -> Outcome {
    let source = fixture.source();
    let before = recognised(fixture, &source).await?;
    fixture.arrange(Situation::Replaced).await?;
    match Stream::try_open(fixture, &source, OpenRequest::from(0).expecting(before.clone())).await {
        Err(error) => assert_eq!(error.class(), ErrorClass::Changed, "{error}"),
        Ok(stream) => {
            if let Some(now) = &stream.opened().validator {
                let sameness = source.compare(&before, now);
                assert_ne!(sameness, Sameness::Different, "the source knew, and opened the stream all the same");
            }
            stream.stop().await;
        }
    }
    Ok(())
}

/// The validator of a source that has one.
async fn recognised(fixture: &dyn Fixture, source: &dyn RangeSource) -> Result<Validator, NotApplicable> {
    let validator = probe(fixture, source).await.validator;
    if validator.strength() == Strength::None {
        return Err(NotApplicable::because("the source knows nothing to recognise the file by"));
    }
    Ok(validator)
}
