//! A film of which not all streams are wanted.
//!
//! Packets that have nothing of the wanted streams do not come, and nobody can tell which those will be. In their places there are packets
//! of zeros, which belong to no stream: so every other packet is where it is in the film, and several sessions and another run can fetch
//! what is left. When the file is made tidy, they go.

use std::num::NonZeroUsize;

use async_trait::async_trait;
use mms_proto::source::EndedEarly;
use segfetch::source::{Opened, RangeReader, SourceError, Space, Step};

/// What is put at once where nothing comes.
const ZEROS: [u8; 16 << 10] = [0; 16 << 10];

/// Whether a packet stands for one that was not sent.
pub(super) fn is_empty(packet: &[u8]) -> bool {
    packet.iter().all(|byte| *byte == 0)
}

/// Puts zeros where the server has nothing.
pub(super) struct PartialReader {
    inner: Box<dyn RangeReader>,
    /// Zeros that are to be put.
    zeros: u64,
    position: u64,
    /// Length of the film, in bytes.
    len: u64,
}

impl PartialReader {
    pub(super) fn new(inner: Box<dyn RangeReader>, len: u64) -> Self {
        Self { zeros: 0, position: inner.opened().start, inner, len }
    }

    /// Puts as many zeros as there is room for.
    fn put_zeros(&mut self, space: &mut Space<'_>) -> Option<NonZeroUsize> {
        let most = usize::try_from(self.zeros).unwrap_or(usize::MAX).min(ZEROS.len());
        let put = NonZeroUsize::new(space.put(&ZEROS[..most]))?;
        self.zeros -= put.get() as u64;
        Some(put)
    }
}

#[async_trait]
impl RangeReader for PartialReader {
    fn opened(&self) -> &Opened {
        self.inner.opened()
    }

    async fn read(&mut self, space: &mut Space<'_>) -> Result<Step, SourceError> {
        loop {
            if let Some(put) = self.put_zeros(space) {
                self.position += put.get() as u64;
                return Ok(Step::Bytes(put));
            }
            if self.position == self.len {
                return Ok(Step::End);
            }
            let step = self.inner.read(space).await;
            match step {
                Ok(Step::Skip(missing)) => self.zeros = missing.get(),
                Ok(Step::Bytes(put)) => {
                    self.position += put.get() as u64;
                    return Ok(Step::Bytes(put));
                }
                // The server has told the end: nothing that is wanted is behind it.
                Err(error) if EndedEarly::is_cause_of(&error) => self.zeros = self.len.saturating_sub(self.position),
                other => return other,
            }
        }
    }

    async fn hold(&mut self) -> SourceError {
        self.inner.hold().await
    }

    async fn stop(self: Box<Self>) {
        self.inner.stop().await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::num::NonZeroU64;

    use bytes::BytesMut;
    use segfetch::source::{ErrorClass, Phase};

    use super::*;

    enum Does {
        Puts(&'static [u8]),
        Skips(u64),
        Ends,
        Breaks,
    }

    struct Script(Opened, VecDeque<Does>);

    #[async_trait]
    impl RangeReader for Script {
        fn opened(&self) -> &Opened {
            &self.0
        }

        async fn read(&mut self, space: &mut Space<'_>) -> Result<Step, SourceError> {
            let broken = || SourceError::new(ErrorClass::Transient, Phase::Body, "over");
            match self.1.pop_front().expect("it is not asked again") {
                Does::Puts(bytes) => {
                    assert_eq!(space.put(bytes), bytes.len());
                    Ok(Step::Bytes(NonZeroUsize::new(bytes.len()).expect("bytes")))
                }
                Does::Skips(len) => Ok(Step::Skip(NonZeroU64::new(len).expect("a hole"))),
                Does::Ends => Err(EndedEarly::new(3).into()),
                Does::Breaks => Err(broken()),
            }
        }

        async fn hold(&mut self) -> SourceError {
            std::future::pending().await
        }

        async fn stop(self: Box<Self>) {}
    }

    async fn all(start: u64, script: impl IntoIterator<Item = Does>) -> (Vec<u8>, bool) {
        let script = Script(Opened::at(start), script.into_iter().collect());
        let mut reader = PartialReader::new(Box::new(script), 10);
        let mut got = BytesMut::new();
        loop {
            got.reserve(4);
            match reader.read(&mut Space::new(&mut got, 4)).await {
                Ok(Step::End) => return (got.to_vec(), true),
                Ok(step) => assert!(matches!(step, Step::Bytes(_)), "{step:?}"),
                Err(_) => return (got.to_vec(), false),
            }
        }
    }

    #[tokio::test]
    async fn where_nothing_comes_there_are_zeros_to_the_end_of_the_film() {
        assert_eq!(
            all(0, [Does::Puts(b"ab"), Does::Skips(5), Does::Puts(b"hij")]).await,
            (b"ab\0\0\0\0\0hij".to_vec(), true)
        );
        assert_eq!(all(5, [Does::Puts(b"fg"), Does::Ends]).await, (b"fg\0\0\0".to_vec(), true));
        assert_eq!(all(8, [Does::Skips(2)]).await, (b"\0\0".to_vec(), true));
        assert_eq!(all(10, []).await, (Vec::new(), true));
    }

    #[tokio::test]
    async fn what_breaks_is_not_filled() {
        assert_eq!(all(0, [Does::Puts(b"ab"), Does::Breaks]).await, (b"ab".to_vec(), false));
    }
}
