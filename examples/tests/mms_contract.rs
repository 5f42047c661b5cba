//! The byte-range contract, sentence by sentence, for films as the command takes them from media servers.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use mms_proto::asf::Packet;
use mms_proto::client::Streams;
use mms_proto::testing::{AtEnd, Fault, Film, Habits, Payloads, Rate, Seek, Server, Step, When};
use segfetch::source::RangeSource;
use segfetch_cli::Schemes;
use segfetch_cli::mms::Options;
use segfetch_source::conformance::{Fixture, NotApplicable, Outcome, Situation};

const PATH: &str = "/clip.asf";
/// Large, so that half of the file is more than a client passes over in search of a packet.
const PACKET: usize = 32_000;

static FILM: LazyLock<Film> = LazyLock::new(|| film(7));

/// A film of which each packet belongs to one stream.
fn film(seed: u64) -> Film {
    Film::builder().packet_size(PACKET).packets(290).payloads(Payloads::Single).seed(seed).build()
}

/// What of it is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    All,
    /// The first stream; where the packets of the other one are, there are zeros.
    Some,
}

/// One film on one embedded server, and every source of it.
struct MediaFixture {
    server: Server,
    scheme: &'static str,
    habits: Habits,
    wanted: Wanted,
    file: Vec<u8>,
}

impl MediaFixture {
    fn start(scheme: &'static str, wanted: Wanted) -> Self {
        let server = Server::builder().film(PATH, FILM.clone()).start().unwrap();
        let mut file = FILM.served().to_vec();
        for packet in file[FILM.header().len()..].chunks_mut(PACKET) {
            let of = Packet::decode(packet).unwrap().payloads().next().unwrap().unwrap().stream;
            if wanted == Wanted::Some && of != 1 {
                packet.fill(0);
            }
        }
        Self { server, scheme, habits: Habits::default().at_end(AtEnd::Tell), wanted, file }
    }

    fn always(&self, fault: Fault) {
        self.server.fault(When::Always, fault);
    }
}

/// How many packets come within so many bytes; the one that says that the server has accepted always does.
fn packets(bytes: u64) -> u32 {
    (u32::try_from(bytes).unwrap() / PACKET as u32).max(1)
}

#[async_trait]
impl Fixture for MediaFixture {
    fn source(&self) -> Arc<dyn RangeSource> {
        let mut options = Options::default();
        if self.wanted == Wanted::Some {
            options.streams = Streams::Numbers(vec![1]);
        }
        let url = self.server.url(self.scheme, PATH).replace("://", "://lab:hunter2@") + "?zyzzyva";
        Schemes::new().with_media(options).remote(&url).unwrap().source.into()
    }

    fn file_len(&self) -> u64 {
        self.file.len() as u64
    }

    fn fill(&self, offset: u64, out: &mut [u8]) {
        let at = usize::try_from(offset).unwrap();
        out.copy_from_slice(&self.file[at..at + out.len()]);
    }

    fn held(&self) -> Result<u64, NotApplicable> {
        Ok(self.server.counters().open as u64)
    }

    fn secrets(&self) -> Vec<String> {
        ["hunter2", "bGFiOmh1bnRlcjI", "zyzzyva"].map(str::to_owned).into()
    }

    async fn arrange(&self, situation: Situation) -> Outcome {
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
                    self.always(status(step, 0x8007_0005, 403));
                }
            }
            Situation::Full => self.server.set_max_sessions(self.server.counters().sessions),
            Situation::NoRanges => self.server.set_habits(habits.seek(Seek::Ignored)),
            Situation::CutAfter(after) => self.always(Fault::Cut { after: packets(after) }),
            Situation::Trickle(piece) => {
                let habits = habits.rate(Rate::Bytes(piece * 5000)).write_at_most(usize::try_from(piece).unwrap());
                self.server.set_habits(habits);
            }
            Situation::SilentAfter(after) => self.always(Fault::Stall { after: packets(after) }),
            Situation::Unanswered => {
                for step in [Step::StartPlaying, Step::Play] {
                    self.always(Fault::Silence(step));
                }
            }
            Situation::SessionsDie => {
                return Err(NotApplicable::because("the server ends no session that goes on"));
            }
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
    segfetch_source::conformance_tests! { fixture: MediaFixture::start("mmst", Wanted::All), runner: run }
}

mod mmsh {
    use super::*;
    segfetch_source::conformance_tests! { fixture: MediaFixture::start("mmsh", Wanted::All), runner: run }
}

mod some_streams_over_mmst {
    use super::*;
    segfetch_source::conformance_tests! { fixture: MediaFixture::start("mmst", Wanted::Some), runner: run }
}

mod some_streams_over_mmsh {
    use super::*;
    segfetch_source::conformance_tests! { fixture: MediaFixture::start("mmsh", Wanted::Some), runner: run }
}
