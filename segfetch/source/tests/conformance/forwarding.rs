//! `Arc` and `Box` of a source are the source, whatever it overrides.

use std::sync::Arc;

use async_trait::async_trait;
use segfetch_source::conformance::{MemorySource, block_on};
use segfetch_source::{
    HostKey, OpenRequest, RangeReader, RangeSource, Sameness, SourceContext, SourceError, SourceInfo, Validator,
};

/// Compares as no default would.
#[derive(Debug)]
struct Stubborn(MemorySource);

#[async_trait]
impl RangeSource for Stubborn {
    fn label(&self) -> &str {
        "stubborn"
    }
    fn host(&self) -> Option<HostKey> {
        Some(HostKey::new("here"))
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

fn is_forwarded(memory: &MemorySource, source: &impl RangeSource) {
    let before = memory.counters();
    assert_eq!(source.label(), "stubborn");
    assert_eq!(source.host(), Some(HostKey::new("here")));
    assert_eq!(source.compare(&Validator::none(), &Validator::none()), Sameness::Same);
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
    is_forwarded(&memory, &Arc::new(Stubborn(memory.clone())));
    is_forwarded(&memory, &(Box::new(Stubborn(memory.clone())) as Box<dyn RangeSource>));
}
