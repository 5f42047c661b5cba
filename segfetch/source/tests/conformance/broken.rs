//! A healthy fixture with one fault laid over it.

use std::future::{pending, poll_fn};
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use async_trait::async_trait;
use bytes::BytesMut;
use segfetch_source::conformance::{Fixture, NotApplicable, Outcome, Situation};
use segfetch_source::{
    End, ErrorClass, Extent, HostKey, OpenRequest, Opened, Phase, RangeReader, RangeSource, Sameness, SourceContext,
    SourceError, SourceInfo, Space, Step, Strength, Validator,
};

const SECRET: &str = "hunter2 of alice";

/// What a source does wrong; named by what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    StartsOneLate,
    RefusesToStartAtOne,
    RefusesToStartAtTheLength,
    CallsAStartBeyondTransient,
    EndsAStartBeyond,
    CallsNoRangesPermanent,
    ExactIsOneTooFar,
    ExactIsOneShort,
    SoftIsExact,
    StatesAWrongEnd,
    EndsEarly,
    RunsOnBehindTheEnd,
    OpensBeforeTheServerAnswers,
    OpenedFollowsTheReader,
    FlipsABit,
    SkipsOneLess,
    TellsOneLess,
    PutsBytesOfAFailedRead,
    LosesTheBytesOfADroppedRead,
    PutsTheBytesOfADroppedRead,
    TimesSilenceOut,
    CallsACutTheEnd,
    EndsWithoutConfirmation,
    CallsACutPermanent,
    ProbesOtherNames,
    OpensOtherValidators,
    GuessesTheLength,
    LearnsTheHostByProbing,
    FailsAsWhatItWasTold,
    NeverRecognises,
    NoStrengthIsSame,
    ForeignBytesAreSame,
    OverlooksAChange,
    IgnoresTheExpectation,
    CallsAChangeTransient,
    TellsTheSecretInDebug,
    TellsTheSecretInAnError,
    TellsTheSecretInACause,
    CallsMissingPermanent,
    CallsDeniedTransient,
    WaitsForAFreeSession,
    CallsFullTransient,
    LeaksOnStop,
    LeaksOnDrop,
    LeaksOnADroppedStop,
    LeaksOnADroppedOpen,
    LeaksOnADroppedProbe,
    LeaksOnEnd,
    LeaksOnError,
    MixesStreams,
    HoldGivesUp,
    HoldConsumes,
    HoldKeepsNothingAlive,
    HoldNeverResolves,
}

#[derive(Clone)]
struct Shared {
    fault: Fault,
    len: u64,
    situation: Arc<Mutex<Situation>>,
    leaked: Arc<AtomicU64>,
    readers: Arc<AtomicU64>,
    probes: Arc<AtomicU64>,
    hints: Arc<AtomicU64>,
}

pub(crate) struct Broken {
    base: Box<dyn Fixture>,
    shared: Shared,
}

impl Broken {
    pub(crate) fn new(base: impl Fixture + 'static, fault: Fault) -> Self {
        let shared = Shared {
            fault,
            len: base.file_len(),
            situation: Arc::new(Mutex::new(Situation::Normal)),
            leaked: Arc::default(),
            readers: Arc::default(),
            probes: Arc::default(),
            hints: Arc::default(),
        };
        Self { base: Box::new(base), shared }
    }
}

#[async_trait]
impl Fixture for Broken {
    fn source(&self) -> Arc<dyn RangeSource> {
        Arc::new(BrokenSource { inner: self.base.source(), shared: self.shared.clone(), first: Mutex::default() })
    }
    fn file_len(&self) -> u64 {
        self.base.file_len()
    }
    fn fill(&self, offset: u64, out: &mut [u8]) {
        self.base.fill(offset, out);
    }
    fn held(&self) -> Result<u64, NotApplicable> {
        Ok(self.base.held()? + self.shared.leaked.load(Relaxed))
    }
    fn secrets(&self) -> Vec<String> {
        vec![SECRET.to_owned()]
    }
    async fn arrange(&self, situation: Situation) -> Outcome {
        *self.shared.situation.lock().expect("no panic while locked") = situation;
        self.base.arrange(situation).await
    }
    async fn pause(&self) {
        self.base.pause().await;
    }
}

impl Shared {
    fn situation(&self) -> Situation {
        *self.situation.lock().expect("no panic while locked")
    }

    fn leak_if(&self, leaks: bool) {
        self.leaked.fetch_add(u64::from(leaks), Relaxed);
    }

    /// The same error as this fault would have it.
    fn error(&self, error: SourceError) -> SourceError {
        let class = match (self.fault, error.class(), error.phase()) {
            (Fault::CallsNoRangesPermanent, ErrorClass::RangeNotSupported, _) => ErrorClass::Permanent,
            (Fault::CallsAChangeTransient, ErrorClass::Changed, _) => ErrorClass::Transient,
            (Fault::CallsMissingPermanent, ErrorClass::NotFound, _) => ErrorClass::Permanent,
            (Fault::CallsDeniedTransient, ErrorClass::Denied, Phase::Open) => ErrorClass::Transient,
            (Fault::CallsFullTransient, ErrorClass::Throttled { .. }, _) => ErrorClass::Transient,
            (Fault::CallsACutPermanent, ErrorClass::Transient, Phase::Body) => ErrorClass::Permanent,
            (Fault::TellsTheSecretInACause, class, phase) => {
                return SourceError::new(class, phase, "no").with_cause(format!("PASS {SECRET}"));
            }
            (Fault::TellsTheSecretInAnError, class, Phase::Body) => {
                return SourceError::new(class, Phase::Body, format!("PASS {SECRET}"));
            }
            _ => return error,
        };
        SourceError::new(class, error.phase(), "broken")
    }
}

/// A leak unless it is forgotten in time.
struct LeakOnDrop<'s>(&'s Shared, Fault);

impl LeakOnDrop<'_> {
    fn done(self) {
        std::mem::forget(self);
    }
}

impl Drop for LeakOnDrop<'_> {
    fn drop(&mut self) {
        self.0.leak_if(self.0.fault == self.1);
    }
}

struct BrokenSource {
    inner: Arc<dyn RangeSource>,
    shared: Shared,
    /// The first validator that was seen.
    first: Mutex<Option<Validator>>,
}

impl std::fmt::Debug for BrokenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.shared.fault == Fault::TellsTheSecretInDebug { SECRET } else { "BrokenSource" })
    }
}

#[async_trait]
impl RangeSource for BrokenSource {
    fn label(&self) -> &str {
        self.inner.label()
    }

    fn host(&self) -> Option<HostKey> {
        match self.shared.fault {
            Fault::LearnsTheHostByProbing if self.first.lock().expect("no panic while locked").is_none() => None,
            _ => self.inner.host(),
        }
    }

    fn preconnect(&self, sessions: u16) {
        self.shared.hints.store(sessions.into(), Relaxed);
    }

    async fn probe(&self, cx: &SourceContext) -> Result<SourceInfo, SourceError> {
        let leak = LeakOnDrop(&self.shared, Fault::LeaksOnADroppedProbe);
        let probed = self.inner.probe(cx).await;
        leak.done();
        let mut info = probed.map_err(|error| self.shared.error(error))?;
        let first = self.first.lock().expect("no panic while locked").get_or_insert(info.validator.clone()).clone();
        match self.shared.fault {
            Fault::ProbesOtherNames => info.name = Some(vec![self.shared.probes.fetch_add(1, Relaxed) as u8]),
            Fault::GuessesTheLength => info.extent = Extent::Known(self.shared.len + 1),
            Fault::OverlooksAChange => info.validator = first,
            _ => {}
        }
        Ok(info)
    }

    async fn open(&self, cx: &SourceContext, mut request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        let (fault, len) = (self.shared.fault, self.shared.len);
        let no = |class| Err(SourceError::new(class, Phase::Open, "broken"));
        let beyond = request.start > len;
        match (fault, request.start) {
            (Fault::StartsOneLate, 1..) if request.start < len => request.start += 1,
            (Fault::RefusesToStartAtOne, 1) => return no(ErrorClass::RangeNotSupported),
            (Fault::RefusesToStartAtTheLength, start) if start == len => return no(ErrorClass::RangeNotSupported),
            (Fault::CallsAStartBeyondTransient, _) if beyond => return no(ErrorClass::Transient),
            (Fault::EndsAStartBeyond, _) if beyond => request.start = len,
            // The connection that was made for it had failed.
            (Fault::FailsAsWhatItWasTold, _) if self.shared.hints.swap(0, Relaxed) > 0 => {
                return no(ErrorClass::Transient);
            }
            _ => {}
        }
        request.end = match (fault, request.end) {
            (Fault::ExactIsOneTooFar, End::Exact(end)) => End::Exact(end + 1),
            (Fault::ExactIsOneShort, End::Exact(end)) => End::Exact(end - 1),
            (Fault::SoftIsExact, End::Soft(end)) => End::Exact(end),
            (_, end) => end,
        };
        if fault == Fault::IgnoresTheExpectation {
            request.expect = None;
        }
        let start = request.start;
        if fault == Fault::OpensBeforeTheServerAnswers && self.shared.situation() == Situation::Unanswered {
            return Ok(Box::new(BrokenReader::new(Opened::at(start), None, self.shared.clone())));
        }
        let leak = LeakOnDrop(&self.shared, Fault::LeaksOnADroppedOpen);
        let inner = self.inner.open(cx, request).await;
        leak.done();
        let inner = match inner {
            Err(error)
                if matches!(error.class(), ErrorClass::Throttled { .. }) && fault == Fault::WaitsForAFreeSession =>
            {
                pending().await
            }
            inner => inner.map_err(|error| if beyond { error } else { self.shared.error(error) })?,
        };
        let mut opened = inner.opened().clone();
        match fault {
            Fault::ExactIsOneTooFar | Fault::ExactIsOneShort => opened.ends_at = None,
            Fault::StatesAWrongEnd => opened.ends_at = opened.ends_at.map(|end| end + 1),
            Fault::GuessesTheLength => opened.extent = Extent::Known(len + 1),
            Fault::OpensOtherValidators => opened.validator = Some(Validator::new(Strength::Strong, &b"other"[..])),
            Fault::OverlooksAChange => opened.validator = None,
            _ => {}
        }
        Ok(Box::new(BrokenReader::new(opened, Some(inner), self.shared.clone())))
    }

    fn compare(&self, stored: &Validator, now: &Validator) -> Sameness {
        match self.shared.fault {
            Fault::NeverRecognises => Sameness::Unknown,
            Fault::NoStrengthIsSame if stored.strength() == Strength::None => Sameness::Same,
            Fault::ForeignBytesAreSame if stored.as_bytes() == b"\xff" => Sameness::Same,
            _ => self.inner.compare(stored, now),
        }
    }
}

struct BrokenReader {
    opened: Opened,
    /// `None` for a stream that the server has not accepted.
    inner: Option<Box<dyn RangeReader>>,
    shared: Shared,
    at: u64,
    began: bool,
    over: Option<Fault>,
    stopping: bool,
}

impl BrokenReader {
    fn new(opened: Opened, inner: Option<Box<dyn RangeReader>>, shared: Shared) -> Self {
        shared.readers.fetch_add(1, Relaxed);
        let at = opened.start;
        Self { opened, inner, shared, at, began: false, over: None, stopping: false }
    }

    fn is(&self, fault: Fault) -> bool {
        self.shared.fault == fault
    }

    /// Of the sentences that come to the end of the file, only that about the end reads in large steps from far away.
    fn passes_the_end(&self, room: usize) -> bool {
        room > 1_000 && self.opened.start + 2_000 < self.shared.len && self.shared.situation() == Situation::Normal
    }

    /// A healthy read into memory of its own.
    async fn inner_read(&mut self, room: usize) -> Result<(Step, BytesMut), SourceError> {
        let Some(inner) = &mut self.inner else { return pending().await };
        let mut own = BytesMut::with_capacity(room);
        let step = inner.read(&mut Space::new(&mut own, room)).await?;
        Ok((step, own))
    }

    /// The step and the bytes of a read before they are put.
    async fn fetch(&mut self, room: usize) -> Result<(Step, BytesMut), SourceError> {
        let (len, situation) = (self.shared.len, self.shared.situation());
        let read = match self.shared.fault {
            Fault::EndsEarly if self.passes_the_end(room) && self.at + 16_384 >= len => {
                Ok((Step::End, BytesMut::new()))
            }
            Fault::RunsOnBehindTheEnd if self.passes_the_end(room) && self.at == len => {
                Ok((Step::Bytes(NonZeroUsize::MIN), BytesMut::from(&b"x"[..])))
            }
            Fault::EndsWithoutConfirmation if situation == Situation::Unconfirmed && self.at == len => {
                Ok((Step::End, BytesMut::new()))
            }
            Fault::TimesSilenceOut => {
                let mut polls = 0;
                let mut read = Box::pin(self.inner_read(room));
                poll_fn(|cx| match read.as_mut().poll(cx) {
                    Poll::Pending if polls == 20 => {
                        Poll::Ready(Err(SourceError::new(ErrorClass::Transient, Phase::Body, "timed out")))
                    }
                    poll => {
                        polls += 1;
                        poll
                    }
                })
                .await
            }
            _ => self.inner_read(room).await,
        };
        match read {
            Err(_) if self.is(Fault::CallsACutTheEnd) => Ok((Step::End, BytesMut::new())),
            Err(error) => Err(self.shared.error(error)),
            Ok((step, mut bytes)) => {
                let many = self.shared.readers.load(Relaxed) > 1;
                if let Some(byte) = bytes.first_mut()
                    && ((self.is(Fault::FlipsABit) && room == 4_096) || (self.is(Fault::MixesStreams) && many))
                {
                    *byte ^= 1;
                }
                Ok((step, bytes))
            }
        }
    }
}

#[async_trait]
impl RangeReader for BrokenReader {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    async fn read(&mut self, space: &mut Space<'_>) -> Result<Step, SourceError> {
        let fetched = self.fetch(space.remaining()).await;
        let (step, bytes) = match fetched {
            Ok(fetched) => fetched,
            Err(error) => {
                self.over = Some(Fault::LeaksOnError);
                if self.is(Fault::PutsBytesOfAFailedRead) {
                    space.put(b"x");
                }
                return Err(error);
            }
        };
        if self.is(Fault::PutsTheBytesOfADroppedRead) {
            space.put(&bytes);
        }
        if matches!(self.shared.fault, Fault::LosesTheBytesOfADroppedRead | Fault::PutsTheBytesOfADroppedRead) {
            yield_once().await;
        }
        if !self.is(Fault::PutsTheBytesOfADroppedRead) {
            space.put(&bytes);
        }
        self.began = true;
        self.at += bytes.len() as u64;
        match step {
            Step::End => self.over = Some(Fault::LeaksOnEnd),
            Step::Skip(skipped) => self.at += skipped.get(),
            Step::Bytes(_) => {}
        }
        if self.is(Fault::OpenedFollowsTheReader) {
            self.opened.start = self.at;
        }
        Ok(match step {
            Step::Bytes(bytes) if self.is(Fault::TellsOneLess) => {
                NonZeroUsize::new(bytes.get() - 1).map_or(step, Step::Bytes)
            }
            Step::Skip(bytes) if self.is(Fault::SkipsOneLess) => (bytes.get() - 1).try_into().map_or(step, Step::Skip),
            _ => step,
        })
    }

    async fn hold(&mut self) -> SourceError {
        match self.shared.fault {
            Fault::HoldGivesUp if !self.began => return SourceError::new(ErrorClass::Transient, Phase::Body, "bored"),
            Fault::HoldConsumes => drop(self.inner_read(10).await),
            Fault::HoldNeverResolves => return pending().await,
            Fault::HoldKeepsNothingAlive if self.shared.situation() == Situation::Normal => return pending().await,
            _ => {}
        }
        match &mut self.inner {
            Some(inner) => inner.hold().await,
            None => pending().await,
        }
    }

    /// Not an `async fn`, to know of a stop that is dropped before it is polled.
    fn stop<'f>(mut self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send + 'f>> {
        self.stopping = true;
        Box::pin(async move {
            if let Some(inner) = self.inner.take() {
                inner.stop().await;
            }
            self.shared.leak_if(self.is(Fault::LeaksOnStop) && self.began && self.over.is_none());
            self.stopping = false;
            self.over.get_or_insert(Fault::None);
        })
    }
}

impl Drop for BrokenReader {
    fn drop(&mut self) {
        self.shared.readers.fetch_sub(1, Relaxed);
        let leak = match self.over {
            _ if self.stopping => Fault::LeaksOnADroppedStop,
            Some(leak) => leak,
            None => Fault::LeaksOnDrop,
        };
        self.shared.leak_if(leak != Fault::None && self.is(leak));
    }
}

async fn yield_once() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
