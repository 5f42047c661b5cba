//! The byte-range contract, sentence by sentence, over servers of four habits.

mod stories;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use ftp_proto::client::{Config, Prearm, Timeouts};
use ftp_proto::source::FtpSource;
use ftp_proto::testing::{Ending, Fault, Feature, File, Personality, Server, When, content_at};
use ftp_proto::wire::Url;
use segfetch_source::RangeSource;
use segfetch_source::conformance::{Fixture, NotApplicable, Outcome, Situation};

use crate::client::watched::Watched;

const LEN: u64 = 2 << 20;
const PATH: &str = "/pub/big.bin";
const SEED: u64 = 7;

/// One file on one embedded server, and every source of it.
struct FtpFixture {
    server: Server,
    watched: Watched,
    prearm: Prearm,
    /// What a server without ranges does.
    no_ranges: Fault,
}

fn file(seed: u64) -> File {
    let day = Duration::from_secs(86_400);
    File::generated(LEN, seed).modified(SystemTime::UNIX_EPOCH + day * u32::try_from(seed).unwrap() * 1000)
}

impl FtpFixture {
    fn start(personality: Personality, rang: bool, no_ranges: Fault) -> Self {
        let mut server = Server::builder().personality(personality).file(PATH, file(SEED)).account("lab", "hunter2");
        if rang {
            server = server.with(Feature::Rang);
        }
        Self { server: server.start().unwrap(), watched: Watched::default(), prearm: Prearm::Auto, no_ranges }
    }
}

#[async_trait]
impl Fixture for FtpFixture {
    fn source(&self) -> Arc<dyn RangeSource> {
        let mut timeouts = Timeouts::default();
        timeouts.waits.last_word = Duration::from_millis(200);
        timeouts.waits.fence = Duration::from_millis(500);
        let config =
            Config::default().with_connector(self.watched.clone()).with_timeouts(timeouts).with_prearm(self.prearm);
        let url = Url::parse(&self.server.url_as("lab", "hunter2", PATH)).unwrap();
        Arc::new(FtpSource::connect(&url, config).unwrap())
    }

    fn file_len(&self) -> u64 {
        LEN
    }

    fn fill(&self, offset: u64, out: &mut [u8]) {
        content_at(SEED, offset, out);
    }

    fn held(&self) -> Result<u64, NotApplicable> {
        Ok(self.watched.open() as u64)
    }

    fn secrets(&self) -> Vec<String> {
        vec!["hunter2".to_owned()]
    }

    async fn arrange(&self, situation: Situation) -> Outcome {
        let always = |fault| self.server.fault(When::Always, fault);
        match situation {
            Situation::Normal => {
                self.server.clear_faults();
                self.server.put(PATH, file(SEED));
                self.server.set_max_connections(usize::MAX);
                self.server.set_rate(0);
            }
            Situation::Replaced => self.server.put(PATH, file(SEED + 1)),
            Situation::Missing => drop(self.server.remove(PATH)),
            Situation::Denied => {
                always(Fault::Reply("PASS", "530 Login incorrect."));
                always(Fault::Reply("SIZE", "550 Permission denied."));
                always(Fault::Reply("MDTM", "550 Permission denied."));
                always(Fault::Reply("MLST", "550 Permission denied."));
                always(Fault::Reply("RETR", "550 Permission denied."));
            }
            Situation::Full => {
                let now = self.server.counters();
                self.server.set_max_connections(now.open);
            }
            Situation::NoRanges => always(self.no_ranges.clone()),
            Situation::CutAfter(after) => {
                always(Fault::Cut { after, end: Ending::Fin, reply: Some("426 Lost") });
            }
            Situation::Trickle(piece) => self.server.set_rate(piece * 500),
            Situation::SilentAfter(after) => always(Fault::Stall { after }),
            Situation::Unconfirmed => always(Fault::SilentEnd),
            Situation::Unanswered => always(Fault::Silence("RETR")),
            Situation::SessionsDie => self.watched.end_all(),
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

mod vsftpd {
    use super::*;
    segfetch_source::conformance_tests! {
        fixture: FtpFixture::start(Personality::vsftpd(), false, Fault::Reply("REST", "502 Command not implemented.")),
        runner: run
    }
}

mod proftpd_with_exact_ranges {
    use super::*;
    segfetch_source::conformance_tests! {
        fixture: FtpFixture::start(Personality::proftpd(), true, Fault::REST_IGNORED),
        runner: run
    }
}

mod pure_ftpd {
    use super::*;
    segfetch_source::conformance_tests! {
        fixture: FtpFixture::start(Personality::pure_ftpd(), false, Fault::WrongOffset { back: 1, above: 0 }),
        runner: run
    }
}

mod with_data_connections_in_advance {
    use super::*;
    segfetch_source::conformance_tests! {
        fixture: FtpFixture {
            prearm: Prearm::Always,
            ..FtpFixture::start(Personality::proftpd(), true, Fault::WrongOffset { back: 1, above: 0 })
        },
        runner: run
    }
}

mod pyftpdlib {
    use super::*;
    segfetch_source::conformance_tests! {
        fixture: FtpFixture::start(Personality::pyftpdlib(), false, Fault::WrongOffset { back: -1, above: 0 }),
        runner: run
    }
}
