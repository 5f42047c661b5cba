//! The contract between a protocol client that can fetch byte ranges and an engine that downloads from it.
//!
//! A protocol crate implements [`RangeSource`] for "one file on one server"; the engine (crate `segfetch`) opens several
//! [`RangeReader`]s of it at once, decides where each one starts and ends, and puts the bytes together. This crate is small
//! and changes rarely, so that a source written today fits the engines of the coming years.
//!
//! # Who owns what
//!
//! | question | owner |
//! |---|---|
//! | where a stream starts | the engine asks, the reader answers in [`Opened::start`]; it may be earlier, never later |
//! | where a stream ends | the engine. A reader never learns of a cut: it is stopped. [`End`] is a hint about what to ask the server |
//! | memory | the engine. A reader fills the [`Space`] that it is lent, and nothing else grows |
//! | connect, login, open and retire deadlines | the source |
//! | silence in the body | the engine; it counts only while a [`RangeReader::read`] is pending |
//! | what makes two answers "the same file" | the source, by [`RangeSource::compare`] |
//! | retrying | the engine, by [`ErrorClass`] |
//! | cancelling | dropping the future. Every future of this crate may be dropped at any await |
//!
//! # Writing a source
//!
//! Implement the two traits, then [test it](#testing-a-source). [`chunked::ChunkedReader`] turns a stream of [`bytes::Bytes`] into a
//! reader.
//!
//! A program that uses `segfetch` finds this crate in it, as `segfetch::source`; only a protocol crate, and tests with the feature
//! `conformance`, depend on it by name.
//!
//! ```toml
//! [dependencies]
//! segfetch-source = "0.1"     # or segfetch = "0.1"
//! async-trait = "0.1"
//! bytes = "1"                 # for ChunkedReader, and for Space::buf_mut
//! ```
//!
//! ```
//! use std::num::NonZeroUsize;
//! use async_trait::async_trait;
//! use segfetch_source::{
//!     Access, ErrorClass, Extent, OpenRequest, Opened, Phase, RangeReader, RangeSource, SourceContext, SourceError, SourceInfo, Space, Step,
//! };
//!
//! /// 1 MiB of zeros, served from nowhere.
//! #[derive(Debug)]
//! struct Zeros;
//! const LEN: u64 = 1 << 20;
//!
//! struct ZeroReader { opened: Opened, at: u64 }
//!
//! #[async_trait]
//! impl RangeSource for Zeros {
//!     fn label(&self) -> &str { "zeros" }
//!     async fn probe(&self, _: &SourceContext) -> Result<SourceInfo, SourceError> {
//!         Ok(SourceInfo::new(Extent::Known(LEN), Access::Random))
//!     }
//!     async fn open(&self, _: &SourceContext, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
//!         if request.start > LEN {
//!             return Err(SourceError::new(ErrorClass::RangeNotSupported, Phase::Open, "behind the end"));
//!         }
//!         let opened = Opened::at(request.start).with_extent(Extent::Known(LEN));
//!         Ok(Box::new(ZeroReader { opened, at: request.start }))
//!     }
//! }
//!
//! #[async_trait]
//! impl RangeReader for ZeroReader {
//!     fn opened(&self) -> &Opened { &self.opened }
//!     async fn read(&mut self, space: &mut Space<'_>) -> Result<Step, SourceError> {
//!         let left = LEN - self.at;
//!         let want = space.remaining().min(usize::try_from(left).unwrap_or(usize::MAX));
//!         let put = space.put(&[0; 4096][..want.min(4096)]);
//!         self.at += put as u64;
//!         Ok(NonZeroUsize::new(put).map_or(Step::End, Step::Bytes))
//!     }
//!     async fn hold(&mut self) -> SourceError { std::future::pending().await }
//!     async fn stop(self: Box<Self>) {}
//! }
//! ```
//!
//! | question | answer |
//! |---|---|
//! | may `probe`, `open` and `read` block? | Not for long: all streams of a download are driven by one task, and stand still meanwhile. Reading a local disk with `std::fs` is acceptable. What may wait for longer is async, or runs in the runtime's `spawn_blocking`; then the reader keeps the handle of the call, so that a read that is dropped loses nothing |
//! | logins that take several round trips? | [`RangeSource::preconnect`] says in advance how many streams there will be; it may be left alone |
//! | bytes put through [`Space::buf_mut`]? | are put: no further call. [`Step::Bytes`] says how many |
//! | [`End::Exact`]? | may be ignored, as [`End::Soft`] and [`End::Open`] may. Whoever claims [`SourceInfo::exact_ends`] ends the stream there, with [`Step::End`], and says so in [`Opened::ends_at`] if it is before the end of the file: without that the engine takes the end for that of the file, and asks again |
//! | an exact end at or before the start? | is not asked for by the engine; take it as [`End::Open`] |
//! | an end behind the end of the file? | is the end of the file |
//! | no time of change in [`SourceInfo::modified`]? | then a target that exists is never known to be this file, and is refused (`TargetExists`) unless the caller says otherwise |
//! | no validator? | then only what arrives twice is compared, and the result is labelled `Unverified` |
//! | a digest in [`SourceInfo::digest`]? | is checked, if it is a SHA-256 |
//!
//! # Testing a source
//!
//! The feature `conformance` is this contract as a test suite: every sentence of the trait documentation is a test there.
//!
//! ```toml
//! [dev-dependencies]
//! segfetch-source = { version = "0.1", features = ["conformance"] }
//! ```
//!
//! ```
//! # fn main() {}
//! mod contract {
//!     use segfetch_source::conformance::{MemorySource, block_on};
//!     segfetch_source::conformance_tests! { fixture: MemorySource::new(1 << 20), runner: block_on }
//! }
//! ```
//!
//! In place of `MemorySource`, your [`Fixture`](https://docs.rs/segfetch-source/latest/segfetch_source/conformance/trait.Fixture.html): the
//! module `conformance` shows one. In place of `block_on`, if your source needs tokio:
//! `|test| tokio::runtime::Runtime::new().unwrap().block_on(test)`.

pub mod chunked;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod info;
mod open;
mod space;
mod validator;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

pub use error::{ErrorClass, Phase, SourceError};
pub use info::{Access, Cost, Digest, DigestAlgorithm, Extent, HostKey, Pace, Sessions, SourceInfo};
pub use open::{End, OpenRequest, Opened, SourceContext, Step};
pub use space::Space;
pub use validator::{InvalidValidator, Sameness, Strength, Validator};

/// One file on one server, of which byte ranges can be fetched.
///
/// A source is shared by all workers of a job, so every method takes `&self`. Nothing that a source prints, in
/// [`label`](RangeSource::label), `Debug` or an error, contains a secret.
#[async_trait]
pub trait RangeSource: fmt::Debug + Send + Sync + 'static {
    /// What people and the journal call this source: usually the URL without its password.
    fn label(&self) -> &str;

    /// The server whose limits this source shares with others, if it has any. The engine counts streams by it, before the
    /// first connection is made; so it must be known without asking anybody.
    fn host(&self) -> Option<HostKey> {
        None
    }

    /// A hint: if the probe that is about to be made succeeds, about so many streams beside its session will be opened at once.
    /// Returns at once. Doing nothing about it, as the default does, is right.
    ///
    /// A source may make connections for them meanwhile. It sends no credentials on them before the probe has succeeded, keeps
    /// them only shortly, and closes them if the probe fails. Whatever becomes of them is nobody's error until an open uses
    /// them, and a hint that nothing follows is none either.
    fn preconnect(&self, sessions: u16) {
        let _ = sessions;
    }

    /// Says what can be known without fetching the body.
    ///
    /// Cheap and repeatable. Never guesses: what is not known is a variant that says so. Of one unchanged file, two probes may
    /// differ in sessions and cost only, and their validators compare as the same.
    ///
    /// # Errors
    /// Those of [`ErrorClass`]; a file that does not exist is [`ErrorClass::NotFound`].
    async fn probe(&self, cx: &SourceContext) -> Result<SourceInfo, SourceError>;

    /// Starts a stream at `request.start`. Resolves when the server has accepted, not before.
    ///
    /// The stream starts at [`Opened::start`], which is at most `request.start`. A start equal to the length of the file is
    /// answered by an immediate [`Step::End`]; one behind it by [`ErrorClass::RangeNotSupported`] or [`ErrorClass::Changed`], here
    /// or from the first read. With [`End::Exact`] the stream delivers no byte at or behind that offset if
    /// the source claims to honour it ([`SourceInfo::exact_ends`]); [`End::Soft`] never ends it.
    ///
    /// # Errors
    /// [`ErrorClass::RangeNotSupported`] if the server cannot start there; [`ErrorClass::Changed`] if `request.expect` is
    /// known not to hold any more; [`ErrorClass::Throttled`] if the server admits no further session now. A source never
    /// waits for a free session: it reuses one, tries once for a new one, or answers `Throttled`.
    async fn open(&self, cx: &SourceContext, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError>;

    /// Whether two validators of this source name the same content.
    ///
    /// The default compares the bytes: equal and at least weak is [`Sameness::Same`], unequal is [`Sameness::Different`],
    /// and anything with [`Strength::None`] is [`Sameness::Unknown`], as it must be for every source.
    fn compare(&self, stored: &Validator, now: &Validator) -> Sameness {
        stored.compare_bytes(now)
    }
}

/// A stream of bytes of one source, from an offset onwards.
#[async_trait]
pub trait RangeReader: Send + 'static {
    /// What the server said when it accepted this stream.
    fn opened(&self) -> &Opened;

    /// Waits for the next bytes and puts them into `space`; never called with a full space.
    ///
    /// Cancel safe: a dropped call loses no byte, and the next call goes on where the last finished one ended.
    /// [`Step::Bytes`] tells exactly how many bytes were put; a call that is dropped or fails puts none. [`Step::End`] is truth: the peer has confirmed completion by
    /// the protocol's own rule; a bare end of file is [`ErrorClass::Transient`].
    ///
    /// # Errors
    /// After an error the reader is only dropped or stopped. Bytes put by earlier calls stay valid.
    async fn read(&mut self, space: &mut Space<'_>) -> Result<Step, SourceError>;

    /// Keeps the session alive while nobody reads. Pending while the session is healthy; resolves when it is not.
    ///
    /// Cancel safe; it consumes no byte of the body.
    async fn hold(&mut self) -> SourceError;

    /// Ends the stream early and cheaply, and gives the session back where the protocol allows that.
    ///
    /// Dropping the reader does the same without waiting.
    async fn stop(self: Box<Self>);
}

#[async_trait]
impl<T: RangeSource + ?Sized> RangeSource for Arc<T> {
    fn label(&self) -> &str {
        (**self).label()
    }
    fn host(&self) -> Option<HostKey> {
        (**self).host()
    }
    fn preconnect(&self, sessions: u16) {
        (**self).preconnect(sessions);
    }
    async fn probe(&self, cx: &SourceContext) -> Result<SourceInfo, SourceError> {
        (**self).probe(cx).await
    }
    async fn open(&self, cx: &SourceContext, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        (**self).open(cx, request).await
    }
    fn compare(&self, stored: &Validator, now: &Validator) -> Sameness {
        (**self).compare(stored, now)
    }
}

#[async_trait]
impl<T: RangeSource + ?Sized> RangeSource for Box<T> {
    fn label(&self) -> &str {
        (**self).label()
    }
    fn host(&self) -> Option<HostKey> {
        (**self).host()
    }
    fn preconnect(&self, sessions: u16) {
        (**self).preconnect(sessions);
    }
    async fn probe(&self, cx: &SourceContext) -> Result<SourceInfo, SourceError> {
        (**self).probe(cx).await
    }
    async fn open(&self, cx: &SourceContext, request: OpenRequest) -> Result<Box<dyn RangeReader>, SourceError> {
        (**self).open(cx, request).await
    }
    fn compare(&self, stored: &Validator, now: &Validator) -> Sameness {
        (**self).compare(stored, now)
    }
}
