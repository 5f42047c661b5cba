//! The streams of a [`MemorySource`](super::MemorySource).

use std::future::{pending, poll_fn};
use std::num::{NonZeroU64, NonZeroUsize};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;

use super::clock::yield_once;
use super::memory::{Content, Settings};
use super::record::{Finish, Session};
use super::{Failure, Pacer};
use crate::{ErrorClass, Opened, Phase, RangeReader, SourceError, Space, Step};

/// Where the body is and where it stops being one.
pub(super) struct Body {
    /// Offset of the first byte, as the stream says.
    start: u64,
    /// Offset of the next byte.
    at: u64,
    /// Behind the last byte that comes.
    end: u64,
    /// What happens there.
    then: AtEnd,
    /// The bytes are those from this many before `at`.
    shift: u64,
}

#[derive(Clone, Copy)]
enum AtEnd {
    Confirmed,
    Reset,
    Silence,
}

impl Body {
    pub(super) fn new(start: u64, end: u64, failures: &[Failure]) -> Self {
        let mut body = Self { start, at: start, end, then: AtEnd::Confirmed, shift: 0 };
        for failure in failures {
            match *failure {
                Failure::Transient { after } => body.stop_after(after, AtEnd::Reset),
                Failure::Silent { after } => body.stop_after(after, AtEnd::Silence),
                Failure::ShortEnd { after } => body.stop_after(after, AtEnd::Confirmed),
                Failure::Unconfirmed => body.then = AtEnd::Silence,
                Failure::ExtraBytes(more) => body.end = body.end.saturating_add(more),
                Failure::IgnoresStart => body.shift = start,
                _ => {}
            }
        }
        body
    }

    /// A place behind the end is never reached.
    fn stop_after(&mut self, bytes: u64, then: AtEnd) {
        let at = self.start.saturating_add(bytes);
        if at <= self.end {
            (self.end, self.then) = (at, then);
        }
    }
}

pub(super) struct MemoryReader {
    opened: Opened,
    session: Session,
    settings: Settings,
    content: Content,
    body: Body,
    /// When the stream was opened, and when it was last read or held.
    begun: Duration,
    seen: Duration,
}

impl MemoryReader {
    pub(super) fn new(opened: Opened, session: Session, settings: Settings, content: Content, body: Body) -> Self {
        let begun = settings.pace.as_ref().map(|(clock, _)| clock.now()).unwrap_or_default();
        Self { opened, session, settings, content, body, begun, seen: begun }
    }

    /// Notes that the stream is being looked after, unless that comes too late.
    fn look_after(&mut self) -> Result<(), SourceError> {
        let now = self.settings.pace.as_ref().map(|(clock, _)| clock.now()).unwrap_or_default();
        let late = self.settings.patience.is_some_and(|patience| now.saturating_sub(self.seen) > patience);
        if late || self.session.is_lost() {
            return Err(self.fail("the session is lost"));
        }
        self.seen = now;
        Ok(())
    }

    fn fail(&mut self, message: &'static str) -> SourceError {
        self.session.finish = Finish::Failed;
        SourceError::new(ErrorClass::Transient, Phase::Body, message)
    }

    /// Looks after the stream until `due`, or for ever.
    async fn wait_until(&mut self, due: Option<Duration>) -> Result<(), SourceError> {
        loop {
            self.look_after()?;
            let Some((clock, _)) = &self.settings.pace else {
                match due {
                    Some(_) => return Ok(()),
                    None => return Err(self.session.lost(Phase::Body).await),
                }
            };
            if due.is_some_and(|due| clock.now() >= due) {
                return Ok(());
            }
            // Half the patience, so that the look comes in time even if the timer is late.
            let look = self.settings.patience.map(|patience| clock.now() + patience / 2);
            let next = [due, look].into_iter().flatten().min();
            let session = &self.session;
            let mut tick = pin!(tick(&**clock, next));
            poll_fn(|cx| match session.poll_lost(cx) {
                Poll::Ready(()) => Poll::Ready(()),
                Poll::Pending => tick.as_mut().poll(cx),
            })
            .await;
        }
    }

    /// When the byte before `until` has come, at the pace of the stream.
    fn due(&self, until: u64) -> Duration {
        let Some((_, rate)) = &self.settings.pace else { return Duration::ZERO };
        let bytes = u128::from(until.saturating_sub(self.body.start));
        let nanos = bytes * 1_000_000_000 / u128::from(*rate);
        self.begun.saturating_add(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// Behind the packet that `at` is in, and whether that packet is a hole.
    fn packet(&self) -> Option<(u64, bool)> {
        let grid = self.settings.grid?;
        let number = self.body.at / grid;
        Some(((number + 1).saturating_mul(grid), self.settings.holes.binary_search(&number).is_ok()))
    }
}

async fn tick(clock: &dyn Pacer, due: Option<Duration>) {
    match due {
        Some(due) => clock.wait_until(due).await,
        None => pending().await,
    }
}

#[async_trait]
impl RangeReader for MemoryReader {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    async fn read(&mut self, space: &mut Space<'_>) -> Result<Step, SourceError> {
        yield_once().await;
        self.look_after()?;
        let left = self.body.end.saturating_sub(self.body.at);
        if left == 0 {
            return match self.body.then {
                AtEnd::Confirmed => {
                    self.session.finish = Finish::Ended;
                    Ok(Step::End)
                }
                AtEnd::Reset => Err(self.fail("the stream was reset")),
                AtEnd::Silence => match self.wait_until(None).await {
                    Ok(()) => pending().await,
                    Err(error) => Err(error),
                },
            };
        }
        let packet = self.packet();
        let in_packet = packet.map_or(left, |(end, _)| left.min(end - self.body.at));
        let most = self.settings.chunk.min(space.remaining());
        let bytes = usize::try_from(in_packet).unwrap_or(usize::MAX).min(most);
        // A packet comes whole; without packets, what is asked for comes as soon as it is there.
        let whole = if packet.is_some() { in_packet } else { bytes as u64 };
        self.wait_until(Some(self.due(self.body.at + whole))).await?;
        // Nothing below waits: a call that is dropped has taken nothing.
        if let Some((_, true)) = packet {
            self.body.at += in_packet;
            return Ok(NonZeroU64::new(in_packet).map_or(Step::End, Step::Skip));
        }
        let mut data = vec![0; bytes];
        (self.content)(self.body.at - self.body.shift, &mut data);
        let put = space.put(&data);
        self.body.at += put as u64;
        self.session.deliver(put as u64);
        Ok(NonZeroUsize::new(put).map_or(Step::End, Step::Bytes))
    }

    async fn hold(&mut self) -> SourceError {
        match self.wait_until(None).await {
            Ok(()) => pending().await,
            Err(error) => error,
        }
    }

    async fn stop(mut self: Box<Self>) {
        yield_once().await;
        if self.session.finish == Finish::Dropped {
            self.session.finish = Finish::Stopped;
        }
    }
}
