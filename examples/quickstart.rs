//! A download is killed half-way, and nothing is lost.
//!
//! `cargo run --release --example quickstart`
//!
//! An FTP server in this process offers 256 MiB. A child process (this program again) fetches them over four connections and is
//! killed half-way by SIGKILL, which no process can catch. A second child goes on from what the first one left on the disk.
//! Then the file is compared with what the server has, by SHA-256. The same is done with a film on a media server, which sends
//! it at the pace at which it plays, over MMST and over MMSH.

#[path = "quickstart/film.rs"]
mod film;

use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ftp_proto::client::Config;
use ftp_proto::source::FtpSource;
use ftp_proto::testing::{File, Server};
use ftp_proto::wire::Url;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use segfetch::source::RangeSource;
use segfetch::{Connections, Download, Engine, EngineConfig};
use sha2::{Digest, Sha256};

const CONNECTIONS: u16 = 4;
/// What a download without accidents takes.
const SECONDS: u64 = 9;
/// In MiB, for a test that has less time.
const SIZE_VARIABLE: &str = "SEGFETCH_QUICKSTART_MIB";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match &args[..] {
        [] => demonstrate().and_then(|()| film::demonstrate()),
        [child, url, target] if child == "--child" => fetch_by_ftp(url, target.as_ref()),
        [child, url, target] if child == "--film" => film::fetch(url, target.as_ref()),
        _ => Err(anyhow::anyhow!("it takes no argument")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "quickstart: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What the child does.
#[tokio::main]
async fn fetch_by_ftp(url: &str, target: &Path) -> Result<()> {
    fetch(FtpSource::connect(&Url::parse(url)?, Config::default())?, target).await
}

/// The whole of what a program needs to download, and a line of numbers now and then for its parent.
async fn fetch(source: impl RangeSource, target: &Path) -> Result<()> {
    let engine = Engine::new(EngineConfig::default())?;
    let job = engine.start(Download::new(source, target).connections(Connections::Exactly(CONNECTIONS)));
    let mut progress = job.progress();
    let telling = tokio::spawn(async move {
        while progress.changed().await.is_ok() {
            let now = progress.borrow_and_update().clone();
            println!("progress {} {} {} {}", now.received, now.durable, now.rate, now.workers.len());
        }
    });
    let report = job.join().await?;
    telling.await?;
    println!("done {} {} {} {}", report.resumed, report.fetched, report.opens, report.retries);
    Ok(())
}

/// What the parent does.
fn demonstrate() -> Result<()> {
    let mib: u64 = std::env::var(SIZE_VARIABLE).map_or(Ok(256), |text| text.parse()).context(SIZE_VARIABLE)?;
    let len = mib << 20;
    let content = File::generated(len, 42);
    let runtime = tokio::runtime::Runtime::new()?;
    let server = Server::builder()
        .file("/pub/disc.iso", content.clone())
        .rate(len / u64::from(CONNECTIONS) / SECONDS)
        .start_on(runtime.handle())?;
    let directory = tempfile::tempdir()?;
    let target = directory.path().join("disc.iso");
    let url = server.url("/pub/disc.iso");

    say(&format!("An FTP server in this process offers {}: {url}", HumanBytes(len)));
    say(&format!("1. A child process fetches it over {CONNECTIONS} connections."));
    let mut first = Run::start("--child", &url, &target, len)?;
    let before = first.until(|state| state.received >= len / 2 && state.durable > 0)?;
    first.kill()?;
    say(&format!(
        "2. Killed by SIGKILL, with {} received, {} of them on record.",
        HumanBytes(before.received),
        HumanBytes(before.durable)
    ));
    say("   What it left on the disk:");
    list(directory.path())?;
    ensure!(!target.exists(), "{} exists before it is complete", target.display());

    say("3. A new child goes on.");
    let done = Run::start("--child", &url, &target, len)?.until_done()?;

    say("4. Comparing by SHA-256.");
    let (here, there) = (digest_of_file(&target)?, digest_of_content(&content));
    ensure!(here == there, "the file differs from the server's: {here} here, {there} there");
    say(&format!("   {here} on both sides."));

    let counters = server.counters();
    say("");
    say("What happened:");
    for (what, value) in [
        ("file", HumanBytes(len).to_string()),
        ("kept over the kill", HumanBytes(done.resumed).to_string()),
        ("fetched after it", HumanBytes(done.fetched).to_string()),
        ("sent twice because of it", HumanBytes(counters.bytes_sent.saturating_sub(len)).to_string()),
        ("connections at once", counters.max_data_open.to_string()),
        ("logins", format!("{} in two processes", counters.logins)),
        ("streams after the kill", format!("{}, of which {} failed", done.opens, done.retries)),
        ("verification", "SHA-256 equal, no wrong byte".into()),
    ] {
        say(&format!("  {what:<26}{value}"));
    }
    Ok(())
}

/// A line on standard output; nobody to read it is no failure.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// What a child tells.
#[derive(Clone, Copy, Default)]
struct State {
    received: u64,
    durable: u64,
    rate: u64,
    connections: u64,
}

/// What a child that has finished tells.
struct Done {
    resumed: u64,
    fetched: u64,
    opens: u64,
    retries: u64,
}

/// A child, and what it shows.
struct Run {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    screen: Screen,
}

impl Run {
    fn start(what: &str, url: &str, target: &Path, len: u64) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(what).arg(url).arg(target).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().context("starting a child")?;
        let stdout = child.stdout.take().context("the child has no output")?;
        Ok(Self { child, lines: BufReader::new(stdout).lines(), screen: Screen::new(len) })
    }

    /// Shows progress until it is as wanted.
    fn until(&mut self, wanted: impl Fn(&State) -> bool) -> Result<State> {
        loop {
            match self.next()? {
                Ok(state) if wanted(&state) => return Ok(state),
                Ok(_) => {}
                Err(_) => bail!("the child had finished before it was killed"),
            }
        }
    }

    fn until_done(mut self) -> Result<Done> {
        loop {
            if let Err(done) = self.next()? {
                self.screen.clear();
                let status = self.child.wait()?;
                ensure!(status.success(), "the child ended with {status}");
                return Ok(done);
            }
        }
    }

    /// The next thing that the child tells.
    fn next(&mut self) -> Result<Result<State, Done>> {
        let line = self.lines.next().context("the child ended without a word")??;
        let (word, numbers) = line.split_once(' ').context("a line without numbers")?;
        let numbers: Vec<u64> =
            numbers.split(' ').map(str::parse).collect::<Result<_, _>>().context("a number from the child")?;
        match (word, &numbers[..]) {
            ("progress", &[received, durable, rate, connections]) => {
                let state = State { received, durable, rate, connections };
                self.screen.show(state);
                Ok(Ok(state))
            }
            ("done", &[resumed, fetched, opens, retries]) => Ok(Err(Done { resumed, fetched, opens, retries })),
            _ => bail!("the child said {line:?}"),
        }
    }

    /// SIGKILL, on Unix.
    fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.screen.clear();
        Ok(())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A bar on a terminal, a line a second elsewhere.
struct Screen {
    bar: Option<ProgressBar>,
    len: u64,
    last: Option<Instant>,
}

impl Screen {
    fn new(len: u64) -> Self {
        let bar = std::io::stdout().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::stdout());
            let style = ProgressStyle::with_template("   [{bar:40}] {percent:>3} %  {msg}")
                .map(|style| style.progress_chars("=> "));
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, len, last: None }
    }

    fn show(&mut self, state: State) {
        let State { received, durable, rate, connections } = state;
        let text = format!(
            "{}/s, {connections} connection{}, {} on record",
            HumanBytes(rate),
            if connections == 1 { "" } else { "s" },
            HumanBytes(durable)
        );
        if let Some(bar) = &self.bar {
            bar.set_position(received);
            bar.set_message(text);
        } else if self.last.is_none_or(|last| last.elapsed() >= Duration::from_secs(1)) {
            self.last = Some(Instant::now());
            say(&format!("   {:>3} %  {text}", received * 100 / self.len.max(1)));
        }
    }

    fn clear(&self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }
}

fn list(directory: &Path) -> Result<()> {
    let mut entries = std::fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let what = if name.as_encoded_bytes().ends_with(b".sfj") {
            "the journal: which bytes are known to be right"
        } else {
            "the bytes"
        };
        say(&format!(
            "   {:<20} {:>12}  {what}",
            name.to_string_lossy(),
            HumanBytes(entry.metadata()?.len()).to_string()
        ));
    }
    Ok(())
}

fn digest_of_file(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    std::io::copy(&mut std::fs::File::open(path)?, &mut Hashing(&mut hash))?;
    Ok(hex(hash))
}

fn digest_of_content(content: &File) -> String {
    let (mut hash, mut at, mut piece) = (Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        match content.read_at(at, &mut piece) {
            0 => return hex(hash),
            got => hash.update(&piece[..got]),
        }
        at += piece.len() as u64;
    }
}

struct Hashing<'a>(&'a mut Sha256);

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
