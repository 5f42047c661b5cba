//! A live stream as a file that ends.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, Bytes, BytesMut};
use segfetch::source::{ErrorClass, Opened, Phase, RangeReader, SourceError, Space, Step};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::Options;
use super::again::{Again, Attempt, Back, Reopen};
use super::clock::Clock;
use super::recording::{Ending, Recording, State};

/// A server that sends nothing for so long has gone.
const SILENCE: Duration = Duration::from_secs(25);

/// Wall clock beyond what was asked for, after which a recording ends though the times in its packets say otherwise: some encoders
/// write none.
const GRACE: Duration = Duration::from_secs(30);

/// Delivers whole units, so that wherever it ends the file is one: the header with the first packet, then packets. Before the first one
/// nothing is told, and so nothing lost if it has to be asked for again.
///
/// Where the connection breaks, the stream is asked for again: with the same header its packets go on in the same file, with another
/// one they belong into another.
pub(super) struct LiveReader {
    opened: Opened,
    line: Line,
    reopen: Arc<dyn Reopen>,
    recording: Arc<Recording>,
    duration: Option<Duration>,
    patience: Duration,
    ends: watch::Receiver<State>,
    /// What is being collected.
    unit: BytesMut,
    /// How long that will be.
    unit_len: usize,
    header_len: usize,
    packet_len: usize,
    /// What is to be put next.
    ready: Bytes,
    clock: Clock,
    /// When the first packet came, and the last one.
    came: Option<(Instant, Instant)>,
    quiet_since: Option<Instant>,
    /// Attempts to go on since the last packet.
    attempts: u32,
}

/// Where packets come from.
enum Line {
    Up(Box<dyn RangeReader>),
    /// It broke, and is being asked for again.
    Down(Attempt),
}

/// What came of waiting.
enum Received {
    More,
    Over(Ending),
}

impl LiveReader {
    /// A stream that begins with a header of `header_len` bytes, and goes on with packets of `packet_len`.
    pub(super) fn new(
        inner: Box<dyn RangeReader>,
        reopen: Arc<dyn Reopen>,
        recording: Arc<Recording>,
        options: &Options,
        (header_len, packet_len): (usize, usize),
    ) -> Self {
        Self {
            opened: inner.opened().clone(),
            line: Line::Up(inner),
            reopen,
            ends: recording.subscribe(),
            recording,
            duration: options.duration,
            patience: options.patience,
            unit: BytesMut::new(),
            unit_len: header_len.saturating_add(packet_len),
            header_len,
            packet_len,
            ready: Bytes::new(),
            clock: Clock::default(),
            came: None,
            quiet_since: None,
            attempts: 0,
        }
    }

    /// Waits for the next piece of a unit.
    async fn receive(&mut self) -> Result<Received, SourceError> {
        let missing = self.unit_len - self.unit.len();
        self.unit.reserve(missing);
        let silent_at = *self.quiet_since.get_or_insert_with(Instant::now) + SILENCE;
        let (ends, mut space) = (&mut self.ends, Space::new(&mut self.unit, missing));
        let waiting = async {
            match &mut self.line {
                Line::Up(reader) => Ok(timeout_at(silent_at, reader.read(&mut space)).await),
                Line::Down(again) => Err(again.await),
            }
        };
        let step = tokio::select! {
            biased;
            true = async { ends.wait_for(|state| state.end).await.is_ok() } => return Ok(Received::Over(Ending::Asked)),
            step = waiting => step,
        };
        self.quiet_since = None;
        match step {
            Ok(Ok(Ok(Step::End))) if self.came.is_none() => Err(broken("the live stream ends before its first packet")),
            Ok(Ok(Ok(Step::End))) => Ok(Received::Over(Ending::Told)),
            // Nothing is left out: packets of a broadcast are written one after another.
            Ok(Ok(Ok(_))) => Ok(Received::More),
            // Of what has not begun nothing is lost: that is for the engine.
            Ok(Ok(Err(error))) if self.came.is_none() => Err(error),
            Ok(Err(_)) if self.came.is_none() => Err(broken("the live stream does not begin")),
            Ok(Ok(Err(error))) => Ok(self.broke(error.to_string())),
            Ok(Err(_)) => Ok(self.broke(format!("the server sends nothing for {} s", SILENCE.as_secs()))),
            Err(Back::Same(reader)) => {
                self.line = Line::Up(reader);
                Ok(Received::More)
            }
            Err(Back::Other) => Ok(Received::Over(Ending::Changed)),
            Err(Back::Lost(reason)) => Ok(Received::Over(Ending::BrokeOff(reason))),
        }
    }

    /// The connection is of no more use. What came of a packet is not kept.
    fn broke(&mut self, reason: String) -> Received {
        let Some((_, last)) = self.came.filter(|_| !self.patience.is_zero()) else {
            return Received::Over(Ending::BrokeOff(reason));
        };
        self.unit.clear();
        self.quiet_since = None;
        let again = Again { until: last + self.patience, attempts: self.attempts, header_len: self.header_len, reason };
        self.attempts = self.attempts.saturating_add(1);
        self.line = Line::Down(again.attempt(Arc::clone(&self.reopen), self.opened.validator.clone()));
        Received::More
    }

    /// A unit is whole.
    fn collected(&mut self) {
        self.ready = self.unit.split().freeze();
        let now = Instant::now();
        let (first, last) = self.came.unwrap_or((now, now));
        let gap = (std::mem::take(&mut self.attempts) > 0).then(|| now - last);
        self.came = Some((first, now));
        self.clock.packet(&self.ready[self.unit_len - self.packet_len..]);
        self.recording.came(self.clock.elapsed(), gap);
        self.unit_len = self.packet_len;
    }

    /// As much as was asked for is here.
    fn is_enough(&self) -> bool {
        let (Some(wanted), Some((first, _))) = (self.duration, self.came) else { return false };
        self.clock.elapsed() >= wanted || first.elapsed() >= wanted + GRACE
    }
}

#[async_trait]
impl RangeReader for LiveReader {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    async fn read(&mut self, space: &mut Space<'_>) -> Result<Step, SourceError> {
        loop {
            if let Some(put) = NonZeroUsize::new(space.put(&self.ready)) {
                self.ready.advance(put.get());
                return Ok(Step::Bytes(put));
            }
            let received = if self.is_enough() { Received::Over(Ending::Enough) } else { self.receive().await? };
            match received {
                Received::More if self.unit.len() == self.unit_len => self.collected(),
                Received::More => {}
                Received::Over(ending) => {
                    self.recording.over(ending);
                    return Ok(Step::End);
                }
            }
        }
    }

    async fn hold(&mut self) -> SourceError {
        if let Line::Up(reader) = &mut self.line {
            let error = reader.hold().await;
            if self.came.is_none() {
                return error;
            }
            // Whoever reads next goes on with it.
            if let Received::Over(_) = self.broke(error.to_string()) {
                return error;
            }
        }
        std::future::pending().await
    }

    async fn stop(self: Box<Self>) {
        if let Line::Up(reader) = self.line {
            reader.stop().await;
        }
    }
}

fn broken(message: &'static str) -> SourceError {
    SourceError::new(ErrorClass::Transient, Phase::Body, message)
}

#[cfg(test)]
mod tests;
