//! What the readers of this module do with a source alike.

use std::time::Duration;

use segfetch_source::{
    ErrorClass, Phase, RangeReader, RangeSource, Sameness, SourceError, SourceInfo, Space, Step, Validator,
};
use tokio::time::timeout;

use super::ReadError;

/// Compares an answer with what the file, of `len` bytes as far as is known, was at first.
pub(super) fn compare(
    source: &dyn RangeSource,
    (before, len): (&SourceInfo, Option<u64>),
    (now, len_now): (Option<&Validator>, Option<u64>),
) -> Result<(), ReadError> {
    let reason = match (len, len_now) {
        (Some(then), Some(now)) if then != now => format!("it had {then} bytes and has {now}"),
        _ => match now.map(|now| source.compare(&before.validator, now)) {
            Some(Sameness::Different) => "its time or fingerprint is another one".to_owned(),
            _ => return Ok(()),
        },
    };
    Err(ReadError::Changed { reason })
}

/// One read, which fails if it brings nothing for as long as `silence`.
pub(super) async fn read(
    reader: &mut dyn RangeReader,
    space: &mut Space<'_>,
    silence: Duration,
) -> Result<Step, SourceError> {
    timeout(silence, reader.read(space)).await.map_err(|_| {
        let text = format!("no byte for {} s", silence.as_secs_f32());
        SourceError::new(ErrorClass::Transient, Phase::Body, text)
    })?
}
