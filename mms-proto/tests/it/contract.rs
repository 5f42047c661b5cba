//! The byte-range contract, sentence by sentence, over the three ways to carry MMS.

mod following;
mod segments;
mod stalls;
mod stories;
mod vast;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use mms_proto::client::{Client, Config};
use mms_proto::source::MmsSource;
use mms_proto::testing::{AtEnd, Fault, Film, Habits, Padding, Rate, Seek, Server, Step, When};
use mms_proto::wire::Url;
use segfetch_source::RangeSource;
use segfetch_source::conformance::{Fixture, NotApplicable, Outcome, Situation};

use crate::client::watched::Watched;

const PATH: &str = "/clip.asf";
/// Large, so that half of the file is more than a client passes over in search of a packet.
const PACKET: usize = 32_000;

static FILM: LazyLock<Film> = LazyLock::new(|| film(7));

fn film(seed: u64) -> Film {
    Film::builder().packet_size(PACKET).packets(290).seed(seed).build()
}

/// One film on one embedded server, and every source of it.
struct MmsFixture {
    server: Server,
    scheme: &'static str,
    habits: Habits,
    watched: Watched,
}

impl MmsFixture {
    fn start(scheme: &'static str, padding: Padding) -> Self {
        let server = Server::builder().film(PATH, FILM.clone()).start().unwrap();
        let habits = Habits::default().at_end(AtEnd::Tell).padding(padding);
        Self { server, scheme, habits, watched: Watched::default() }
    }
}

/// How many packets come within so many bytes; the one that says that the server has accepted always does.
fn packets(bytes: u64) -> u32 {
    (u32::try_from(bytes).unwrap() / PACKET as u32).max(1)
}

#[async_trait]
impl Fixture for MmsFixture {
    fn source(&self) -> Arc<dyn RangeSource> {
        let config = Config::default().with_connector(self.watched.clone());
        let url = self.server.url(self.scheme, PATH).replace("://", "://lab:hunter2@");
        Arc::new(MmsSource::new(Client::new(Url::parse(&url).unwrap(), config)))
    }

    fn file_len(&self) -> u64 {
        FILM.served().len() as u64
    }

    fn fill(&self, offset: u64, out: &mut [u8]) {
        let at = usize::try_from(offset).unwrap();
        out.copy_from_slice(&FILM.served()[at..at + out.len()]);
    }

    fn held(&self) -> Result<u64, NotApplicable> {
        Ok(self.watched.open() as u64)
    }

    fn secrets(&self) -> Vec<String> {
        vec!["hunter2".to_owned(), "bGFiOmh1bnRlcjI".to_owned()]
    }

    async fn arrange(&self, situation: Situation) -> Outcome {
        let always = |fault| self.server.fault(When::Always, fault);
        let habits = self.habits.clone();
        let status = |step, mms, http| Fault::Refused(step, if self.scheme == "mmsh" { http } else { mms });
        match situation {
            Situation::Normal => {
                self.server.clear_faults();
                self.server.put(PATH, FILM.clone());
                self.server.set_habits(habits);
                self.server.set_max_sessions(usize::MAX);
            }
            Situation::Replaced => self.server.put(PATH, film(8)),
            Situation::Missing => drop(self.server.remove(PATH)),
            Situation::Denied => {
                for step in [Step::OpenFile, Step::Describe, Step::Play] {
                    always(status(step, 0x8007_0005, 403));
                }
            }
            Situation::Full => self.server.set_max_sessions(self.server.counters().sessions),
            Situation::NoRanges => self.server.set_habits(habits.seek(Seek::Ignored)),
            Situation::CutAfter(after) => always(Fault::Cut { after: packets(after) }),
            Situation::Trickle(piece) => {
                // Datagrams have no pieces.
                let each = Duration::from_millis(if self.scheme == "mmsu" { 2 } else { 0 });
                let rate = if each.is_zero() { Rate::Bytes(piece * 5000) } else { Rate::Each(each) };
                self.server.set_habits(habits.rate(rate).write_at_most(usize::try_from(piece).unwrap()));
            }
            Situation::SilentAfter(after) => always(Fault::Stall { after: packets(after) }),
            Situation::Unanswered => {
                for step in [Step::StartPlaying, Step::Play] {
                    always(Fault::Silence(step));
                }
            }
            Situation::SessionsDie => self.watched.end_all(),
            Situation::Unconfirmed => {
                return Err(NotApplicable::because(
                    "the header says how many packets there are: the last one is the end",
                ));
            }
            other => return Err(NotApplicable::because(format!("{other:?} is not known here"))),
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

mod mmst {
    use super::*;
    segfetch_source::conformance_tests! { fixture: MmsFixture::start("mmst", Padding::Zeroed), runner: run }
}

mod mmsh {
    use super::*;
    segfetch_source::conformance_tests! { fixture: MmsFixture::start("mmsh", Padding::Zeroed), runner: run }
}

mod mmsu {
    use super::*;
    segfetch_source::conformance_tests! { fixture: MmsFixture::start("mmsu", Padding::Kept), runner: run }
}
