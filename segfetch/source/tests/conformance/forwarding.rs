//! `Arc` and `Box` of a source are the source, whatever it overrides.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};

use async_trait::async_trait;
use segfetch_source::conformance::{MemorySource, block_on};
use segfetch_source::{
    HostKey, OpenRequest, RangeReader, RangeSource, Sameness, SourceContext, SourceError, SourceInfo, Validator,
};

/// Compares as no default would, and remembers the last hint.
#[derive(Debug)]
struct Stubborn(MemorySource, Arc<AtomicU16>);

#[async_trait]
impl RangeSource for Stubborn {
    fn label(&self) -> &str {
        "stubborn"
    }
    fn host(&self) -> Option<HostKey> {
        Some(HostKey::new("here"))
    }
    fn preconnect(&self, sessions: u16) {
        self.1.store(sessions, SeqCst);
    }
    async fn probe(&self, cx: &SourceContext) -> Result<SourceInfo, SourceError> {
        self.0.probe(cx).await
    }
    async fn open(&self, cx: &SourceContext, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        self.0.open(cx, request).await
    }
    fn compare(&self, _stored: &Validator, _now: &Validator) -> Sameness {
        Sameness::Same
    }
}

fn is_forwarded(memory: &MemorySource, hint: &AtomicU16, source: &impl RangeSource) {
    let before = memory.counters();
    assert_eq!(source.label(), "stubborn");
    assert_eq!(source.host(), Some(HostKey::new("here")));
    assert_eq!(source.compare(&Validator::none(), &Validator::none()), Sameness::Same);
    hint.store(0, SeqCst);
    source.preconnect(7);
    assert_eq!(hint.load(SeqCst), 7);
    let cx = SourceContext::new();
    block_on(source.probe(&cx)).expect("a probe");
    let reader = block_on(source.open(&cx, OpenRequest::from(5))).expect("a stream");
    assert_eq!(reader.opened().start, 5);
    let after = memory.counters();
    assert_eq!((after.probes - before.probes, after.opens - before.opens), (1, 1));
}

#[test]
fn arc_and_box_forward_every_method() {
    let memory = MemorySource::new(100);
    let hint = Arc::<AtomicU16>::default();
    let stubborn = || Stubborn(memory.clone(), hint.clone());
    is_forwarded(&memory, &hint, &Arc::new(stubborn()));
    is_forwarded(&memory, &hint, &(Box::new(stubborn()) as Box<dyn RangeSource>));
}
