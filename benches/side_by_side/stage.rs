//! Where runs happen: files, a fresh server and a fresh relay for each run, and the judgement of what came.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use segfetch_testkit::lab::{Kind, Nginx, Server, Web};
use segfetch_testkit::relay::{Flow, Relay};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::bare;
use crate::child::{self, Usage};
use crate::scenario::{Network, Protocol, Scenario, Work, small};
use crate::tools::{Blanks, Tool};

/// One run of one tool.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) usage: Usage,
    pub(crate) verdict: Verdict,
    pub(crate) passed: Option<Passed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Exit 0 and every byte right.
    Right,
    /// Exit 0 and bytes that are not those of the server, or none.
    Wrong,
    /// Says itself that it failed.
    Failed(i32),
    /// Had to be killed.
    Late,
}

/// What the relay saw of a run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Passed {
    pub(crate) control: usize,
    pub(crate) data: usize,
    pub(crate) logins: usize,
    pub(crate) refusals: usize,
    pub(crate) turns: usize,
    /// Bytes delivered to the client as data.
    pub(crate) bytes: u64,
    /// Round trips from opening the first control connection to the first byte of data.
    pub(crate) first_byte: Option<f64>,
    /// Round trips from asking for a further range on a control connection to its first byte; the median.
    pub(crate) next_range: Option<f64>,
}

/// Most memory that is touched before a run whose CPU time counts.
const WARM: u64 = 2 << 30;

/// Touches as much memory as a run may need for what it writes, and frees it. A virtual machine gives memory that was freed in large
/// blocks back to its host; whoever comes next would pay for having it again, several times the price of everything else.
fn warm(scratch: &Path, len: u64) -> io::Result<()> {
    let (mut file, piece) = (fs::File::create(scratch)?, vec![1; 1 << 20]);
    for _ in 0..len >> 20 {
        file.write_all(&piece)?;
    }
    fs::remove_file(scratch)
}

/// A place for files and runs; removed when dropped.
#[derive(Debug)]
pub(crate) struct Stage {
    runtime: Runtime,
    dir: TempDir,
    digests: HashMap<PathBuf, [u8; 32]>,
}

enum Running {
    Ftp(Box<Server>),
    Http(Web),
}

impl Running {
    fn addr(&self) -> SocketAddr {
        match self {
            Self::Ftp(server) => server.addr(),
            Self::Http(server) => server.addr(),
        }
    }
}

impl Stage {
    /// # Errors
    /// The directory cannot be written to.
    pub(crate) fn new(base: &Path) -> io::Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::Builder::new().prefix("segfetch-bench-").tempdir_in(base)?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?; // servers give up being root
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        Ok(Self { runtime, dir, digests: HashMap::new() })
    }

    /// Makes the files of a scenario, and forgets those of the one before.
    ///
    /// # Errors
    /// No room on the disk.
    pub(crate) fn set(&mut self, work: Work) -> io::Result<()> {
        let root = self.root();
        let _ = fs::remove_dir_all(&root);
        fs::create_dir(&root)?;
        self.digests.clear();
        match work {
            Work::File { len } | Work::Stream { len, .. } => segfetch_testkit::random_file(root.join("f"), len, 1)?,
            Work::Sparse { len } => segfetch_testkit::sparse_file(root.join("f"), len, b"the end")?,
            Work::Many { files } => {
                for number in 0..files {
                    segfetch_testkit::random_file(root.join(format!("f{number}")), small(number), number)?;
                }
            }
        }
        for entry in fs::read_dir(&root)? {
            let path = entry?.path();
            self.digests.insert(path.file_name().unwrap_or_default().into(), child::digest(&path)?);
        }
        Ok(())
    }

    /// How long the bare reader takes in this round, where there is something to read through.
    ///
    /// # Errors
    /// It is stopped by something: the harness is wrong.
    pub(crate) fn bare(&self, scenario: &Scenario, round: usize) -> io::Result<Option<Duration>> {
        let Some(network) = scenario.network.as_ref().filter(|network| network.connections > 0) else {
            return Ok(None);
        };
        let server = self.serve(scenario)?;
        let healthy = Network { silent: None, ..network.clone() };
        let relay = self.relay(&server, &healthy, scenario.protocol, round)?;
        bare::read(&relay, scenario.protocol == Protocol::Ftp, "f", scenario.work.len(), &network.shares(round))
            .map(Some)
    }

    /// Runs a tool once.
    ///
    /// # Errors
    /// The harness could not do its part; whatever the tool does is no error.
    pub(crate) fn run(&self, scenario: &Scenario, tool: &Tool, program: &Path, round: usize) -> io::Result<Run> {
        let work = self.dir.path().join("work");
        let _ = fs::remove_dir_all(&work);
        fs::create_dir_all(work.join("out"))?;
        let server = self.serve(scenario)?;
        let relay = match &scenario.network {
            Some(network) => Some(self.relay(&server, network, scenario.protocol, round)?),
            None => None,
        };
        let addr = relay.as_ref().map_or(server.addr(), Relay::addr);
        let scheme = if scenario.protocol == Protocol::Ftp { "ftp" } else { "http" };
        let mut names: Vec<_> = self.digests.keys().map(|name| name.display().to_string()).collect();
        names.sort_unstable();
        let urls: Vec<String> = names.iter().map(|name| format!("{scheme}://{addr}/{name}")).collect();
        let list = work.join("list");
        fs::write(&list, urls.join("\n") + "\n")?;
        let (out, tree) = (work.join("out/f"), format!("{scheme}://{addr}/"));
        let arguments = tool.filled(&Blanks { urls: &urls, tree: &tree, list: &list, out: &out });
        let reads = if let Work::Stream { rate, .. } = scenario.work { Some(rate) } else { None };
        if relay.is_none() {
            warm(&work.join("warm"), scenario.work.len().min(WARM))?;
        }
        let usage = child::Run { program, arguments: &arguments, work: &work, limit: scenario.limit, reads }.run()?;
        let passed =
            relay.as_ref().zip(scenario.network.as_ref()).map(|(relay, network)| seen(relay, network.round_trip));
        if let Some(relay) = relay.as_ref().filter(|_| usage.wall > scenario.limit / 2) {
            // A run that took so long wants an explanation.
            eprintln!("    {}: {:?}", tool.label, relay.counts());
            relay.flows().iter().for_each(|flow| eprintln!("    {flow:?}"));
        }
        drop((relay, server));
        let verdict = self.judge(&usage, &work.join("out"));
        if verdict != Verdict::Right {
            eprintln!("    {}: {verdict:?}; it said: {}", tool.label, usage.said);
        }
        fs::remove_dir_all(&work)?;
        Ok(Run { usage, verdict, passed })
    }

    /// Whether a command can fetch from here at all: `segfetch probe URL` succeeds.
    ///
    /// # Errors
    /// No server.
    pub(crate) fn speaks(&self, scenario: &Scenario, segfetch: &Path) -> io::Result<bool> {
        let server = self.serve(scenario)?;
        let scheme = if scenario.protocol == Protocol::Ftp { "ftp" } else { "http" };
        let url = format!("{scheme}://{}/f", server.addr());
        let arguments = ["probe".to_owned(), url];
        let limit = Duration::from_secs(20);
        let run = child::Run { program: segfetch, arguments: &arguments, work: self.dir.path(), limit, reads: None };
        Ok(run.run()?.code == Some(0))
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn serve(&self, scenario: &Scenario) -> io::Result<Running> {
        if scenario.protocol == Protocol::Http {
            return Nginx::of(self.root()).start().map(Running::Http);
        }
        let server = Kind::Vsftpd.serve(self.root());
        let server = match scenario.max_per_ip {
            Some(most) => server.max_per_ip(most),
            None => server,
        };
        server.start().map(|server| Running::Ftp(Box::new(server)))
    }

    fn relay(&self, server: &Running, network: &Network, protocol: Protocol, round: usize) -> io::Result<Relay> {
        let mut relay =
            Relay::to(server.addr()).delay(network.round_trip / 2).lanes(&network.turned(round)).slow_start();
        if protocol == Protocol::Http {
            relay = relay.plain();
        }
        if let Some(rate) = network.rate {
            relay = relay.rate(rate);
        }
        if let Some(link) = network.link {
            relay = relay.link(link);
        }
        if let Some((lane, after)) = network.silence(round) {
            relay = relay.silent(lane, after);
        }
        self.runtime.block_on(relay.start())
    }

    fn judge(&self, usage: &Usage, out: &Path) -> Verdict {
        let right = match usage.streamed {
            Some(streamed) => self.digests.values().all(|digest| *digest == streamed),
            None => {
                self.digests.iter().all(|(name, digest)| child::digest(&out.join(name)).is_ok_and(|it| it == *digest))
            }
        };
        match usage.code {
            None => Verdict::Late,
            Some(0) if right => Verdict::Right,
            Some(0) => Verdict::Wrong,
            Some(code) => Verdict::Failed(code),
        }
    }
}

fn seen(relay: &Relay, round_trip: Duration) -> Passed {
    let (counts, flows) = (relay.counts(), relay.flows());
    let trips = |time: Duration| time.as_secs_f64() / round_trip.as_secs_f64();
    let first = flows.iter().filter_map(|flow| flow.first_byte).min();
    let opened = flows.iter().map(|flow| flow.session_opened).min();
    let further = |(index, flow): (usize, &Flow)| {
        let again = flows.iter().take(index).any(|before| before.session == flow.session);
        // A port asked for before there was a use for it costs nothing; then the wait begins with the command.
        let ready = flows.iter().take(index).any(|before| before.session == flow.session && before.ended > flow.asked);
        let asked = if ready { flow.retrieve } else { flow.asked.or(flow.retrieve) };
        (again && !round_trip.is_zero()).then_some(())?;
        Some(trips(flow.first_byte?.checked_sub(asked?)?))
    };
    let mut next: Vec<f64> = flows.iter().enumerate().filter_map(further).collect();
    next.sort_by(f64::total_cmp);
    Passed {
        control: counts.control,
        data: counts.data,
        logins: counts.logins,
        refusals: counts.refusals,
        turns: counts.turns,
        bytes: counts.data_to_client,
        first_byte: first.zip(opened).filter(|_| !round_trip.is_zero()).map(|(first, opened)| trips(first - opened)),
        next_range: next.get(next.len() / 2).copied(),
    }
}
