//! A source that costs nothing but the copying of its bytes.

use std::num::NonZeroUsize;

use async_trait::async_trait;
use segfetch::source::{
    Access, End, Extent, OpenRequest, Opened, RangeReader, RangeSource, SourceContext, SourceError, SourceInfo, Space,
    Step, Strength, Validator,
};

/// A file of zeros.
#[derive(Debug)]
pub(crate) struct Zeros(pub(crate) u64);

struct Reader {
    opened: Opened,
    at: u64,
    end: u64,
}

fn validator() -> Validator {
    Validator::new(Strength::Strong, &b"zeros"[..])
}

#[async_trait]
impl RangeSource for Zeros {
    fn label(&self) -> &str {
        "zeros"
    }

    async fn probe(&self, _: &SourceContext) -> Result<SourceInfo, SourceError> {
        Ok(SourceInfo::new(Extent::Known(self.0), Access::Random).with_validator(validator()).with_exact_ends(true))
    }

    async fn open(&self, _: &SourceContext, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        let end = match request.end {
            End::Exact(end) => end,
            _ => self.0,
        };
        let opened = Opened::at(request.start).with_ends_at(end).with_validator(validator());
        Ok(Box::new(Reader { opened, at: request.start, end }))
    }
}

/// What each read brings, so far as it fits: little enough to stay in the processor's cache.
static ZEROS: [u8; 256 << 10] = [0; 256 << 10];

#[async_trait]
impl RangeReader for Reader {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    async fn read(&mut self, space: &mut Space<'_>) -> Result<Step, SourceError> {
        // As a socket would now and then: otherwise one stream would keep its thread to itself.
        tokio::task::yield_now().await;
        let want = (self.end - self.at).min(ZEROS.len() as u64) as usize;
        let put = space.put(&ZEROS[..want]);
        self.at += put as u64;
        Ok(NonZeroUsize::new(put).map_or(Step::End, Step::Bytes))
    }

    async fn hold(&mut self) -> SourceError {
        std::future::pending().await
    }

    async fn stop(self: Box<Self>) {}
}
