//! The byte-range contract, sentence by sentence.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ftp_proto::testing::content_at;
use segfetch::source::RangeSource;
use segfetch_source::conformance::{Fixture, NotApplicable, Outcome, Situation, run_all};

use crate::server::{Server, Then};
use crate::support::source;

const LEN: u64 = 2 << 20;
const SEED: u64 = 7;

struct HttpFixture {
    server: Server,
    /// The server sends bodies in chunks, so that the end of a body is a message of its own.
    chunked: bool,
}

impl HttpFixture {
    fn start(chunked: bool) -> Self {
        Self { server: Server::start(LEN, SEED), chunked }
    }
}

#[async_trait]
impl Fixture for HttpFixture {
    fn source(&self) -> Arc<dyn RangeSource> {
        Arc::new(source(&self.server.url().replace("://", "://lab:hunter2@")))
    }

    fn file_len(&self) -> u64 {
        LEN
    }

    fn fill(&self, offset: u64, out: &mut [u8]) {
        content_at(SEED, offset, out);
    }

    /// Idle connections do not count: a stream that is stopped early leaves none, one that is read to its end leaves its own.
    fn held(&self) -> Result<u64, NotApplicable> {
        Ok(self.server.log().sending)
    }

    fn secrets(&self) -> Vec<String> {
        vec!["hunter2".into(), "bGFiOmh1bnRlcjI".into()]
    }

    async fn arrange(&self, situation: Situation) -> Outcome {
        self.server.honest();
        self.server.put(LEN, SEED);
        let chunked = self.chunked;
        self.server.script(move |request, answer| {
            answer.chunked = chunked && answer.status == 206;
            // A probe is not a stream.
            let stream = request.is_stream();
            match situation {
                Situation::Missing => answer.set_refusal(404),
                Situation::Denied => answer.set_refusal(401),
                Situation::NoRanges => {
                    answer.set_whole(SEED, LEN);
                    answer.chunked = false;
                }
                Situation::CutAfter(bytes) if stream => answer.then = Some((bytes, Then::Close)),
                Situation::Trickle(bytes) => {
                    answer.piece = Some((usize::try_from(bytes).expect("small"), Duration::from_millis(1)));
                }
                Situation::SilentAfter(bytes) if stream => answer.then = Some((bytes, Then::Silence)),
                Situation::Unconfirmed if stream => answer.then = Some((answer.len(), Then::Silence)),
                Situation::Unanswered if stream => answer.then = Some((0, Then::Silence)),
                _ => {}
            }
        });
        match situation {
            Situation::Replaced => self.server.put(LEN, SEED + 1),
            Situation::Full => self.server.admit_no_more(),
            Situation::SessionsDie => {
                return Err(NotApplicable::because("a body that nobody reads is not looked at"));
            }
            Situation::Unconfirmed if !chunked => {
                return Err(NotApplicable::because("the last byte that was announced is the end"));
            }
            _ => {}
        }
        Ok(())
    }

    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

mod with_lengths {
    use super::*;
    segfetch_source::conformance_tests! { fixture: HttpFixture::start(false), runner: run }
}

#[test]
fn a_server_that_sends_chunks_passes_all_that_applies() {
    let report = run(async { run_all(&HttpFixture::start(true)).await });
    report.assert_passed();
    let absent = ["what_follows_a_skip_lies_behind_it", "hold_resolves_when_the_session_is_lost"];
    assert_eq!(report.not_applicable(), absent);
}
